package graph

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"

	"github.com/entraledger/entraledger/internal/entra"
)

const (
	// maxLink is how many bytes a next link may have. Links of 16 KB are known.
	maxLink = 64 << 10
	// maxEmpty is how many empty pages in a row a walk follows.
	maxEmpty = 100
	// maxWalk bounds what a walk remembers, and so the length of the circles that it notices.
	maxWalk = 10_000
)

// walk remembers where a walk through pages has been, to notice that it does not continue.
type walk struct {
	page     int                // the number of the page that was read last; the first is 1
	empty    int                // how many empty pages came last, in a row
	links    map[entra.Hash]int // by address: the page that it leads to
	contents map[entra.Hash]int // by its records: the page that holds them
}

// newWalk begins a walk at the address of its first page.
func newWalk(first string) *walk {
	return &walk{links: map[entra.Hash]int{linkHash(first): 1}, contents: make(map[entra.Hash]int)}
}

// came remembers the records of the next page. It says why the walk does not continue; empty: it
// does.
func (w *walk) came(records []entra.Parsed) (why string) {
	w.page++
	if len(records) == 0 {
		if w.empty++; w.empty > maxEmpty {
			return fmt.Sprintf("page %d is the last of %d empty ones in a row", w.page, w.empty)
		}
		return ""
	}
	w.empty = 0
	sum := contentHash(records)
	if earlier, ok := w.contents[sum]; ok {
		return fmt.Sprintf("page %d has the records of page %d again", w.page, earlier)
	}
	remember(w.contents, sum, w.page)
	return ""
}

// follow remembers where the page that was read last leads. It says why the walk does not continue;
// empty: it does.
func (w *walk) follow(link string) (why string) {
	sum := linkHash(link)
	if earlier, ok := w.links[sum]; ok {
		return fmt.Sprintf("page %d leads back to page %d", w.page, earlier)
	}
	remember(w.links, sum, w.page+1)
	return ""
}

// remember clears everything before once it is too much: a circle is then found a round later.
func remember(seen map[entra.Hash]int, sum entra.Hash, page int) {
	if len(seen) >= maxWalk {
		clear(seen)
	}
	seen[sum] = page
}

// linkHash is the same for all spellings of an address: $skiptoken and %24skiptoken lead to one
// page.
func linkHash(link string) entra.Hash {
	if plain, err := url.PathUnescape(link); err == nil {
		link = plain
	}
	return sha256.Sum256([]byte(link))
}

// contentHash is the same for the same records in any order.
func contentHash(records []entra.Parsed) entra.Hash {
	sums := make([]entra.Hash, len(records))
	for i := range records {
		sums[i] = records[i].Hash
	}
	slices.SortFunc(sums, func(a, b entra.Hash) int { return bytes.Compare(a[:], b[:]) })
	all := sha256.New()
	for i := range sums {
		all.Write(sums[i][:])
	}
	return entra.Hash(all.Sum(nil))
}

// checkLink refuses a next link that leads to the page from that it is on, to another host, or that
// is too long.
func (c *Client) checkLink(doing, link, from string) error {
	r := request{doing: doing}
	if link != "" && link == from {
		return r.ended(LeadsBack, "the next page is this page again")
	}
	return c.checkHost(r, link)
}

// checkHost refuses a next link that leads to another host, or that is too long. Empty: there is
// none.
func (c *Client) checkHost(r request, link string) error {
	switch u, err := url.Parse(link); {
	case link == "":
		return nil
	case len(link) > maxLink:
		return r.ended(LeadsAway,
			fmt.Sprintf("the link to the next page has %d bytes, more than the %d that are followed", len(link),
				maxLink))
	case err != nil || u.Host != c.base.Host || u.Scheme != c.base.Scheme:
		return r.ended(LeadsAway, fmt.Sprintf("the next page is on another host than %s", c.base.Host))
	}
	return nil
}
