package directory_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
)

// paged is a tenant whose pages a test writes itself.
type paged struct {
	*house
	of        map[string][][]string // by collection: pages of objects
	uncounted bool
	unnamed   bool
}

func (p *paged) Now(ctx context.Context) (time.Time, error) { return p.source.Now(ctx) }

func (p *paged) Objects(_ context.Context, q collections.Query, link string) (collections.Page, error) {
	page := collections.Page{Free: func() {}}
	pages := p.of[q.Collection.Word]
	at, _ := strconv.Atoi(link)
	if at < len(pages) {
		for _, one := range pages[at] {
			page.Items = append(page.Items, []byte(one))
		}
	}
	if at+1 < len(pages) {
		page.Next = strconv.Itoa(at + 1)
	}
	return page, nil
}

func (p *paged) Count(_ context.Context, q collections.Query) (n int64, err error) {
	if p.uncounted {
		return 0, &entra.Error{Code: entra.CodePermission, Doing: "count", Why: "refused"}
	}
	for _, page := range p.of[q.Collection.Word] {
		n += int64(len(page))
	}
	return n, nil
}

func (p *paged) Named(_ context.Context, q collections.Query, ids []string) (collections.Page, error) {
	page := collections.Page{Free: func() {}}
	if p.unnamed {
		return page, &entra.Error{Code: entra.CodePermission, Doing: "ask", Why: "refused"}
	}
	for _, all := range p.of[q.Collection.Word] {
		for _, one := range all {
			for _, id := range ids {
				if gjson.Get(one, "id").Str == id {
					page.Items = append(page.Items, []byte(one))
				}
			}
		}
	}
	return page, nil
}

func (p *paged) Part(context.Context, collections.Query, collections.Part) (collections.Page, error) {
	return collections.Page{Free: func() {}}, nil
}

func (p *paged) Readable(context.Context, collections.Query) error { return nil }

func (p *paged) Activity(_ context.Context, q collections.Query, ids []string) (collections.Page, error) {
	page := collections.Page{Free: func() {}}
	for _, all := range p.of[q.Collection.Word] {
		for _, one := range all {
			if slices.Contains(ids, gjson.Get(one, "id").Str) {
				page.Items = append(page.Items, []byte(one))
			}
		}
	}
	return page, nil
}

func newPaged(t *testing.T) *paged {
	p := &paged{house: open(t, simtenant.Config{}), of: make(map[string][][]string)}
	p.bend = p
	return p
}

// userOf is a user; signed is when it signed in: empty: never.
func userOf(id, created, signed string) string {
	activity := ""
	if signed != "" {
		activity = fmt.Sprintf(`,"signInActivity":{"lastSuccessfulSignInDateTime":%q}`, signed)
	}
	return fmt.Sprintf(`{"id":%q,"userPrincipalName":"%[1]s@x","accountEnabled":true,"createdDateTime":%q%s}`,
		id, created, activity)
}

// twoPages: many users with activity, then six of whom one has some, if seen.
func (p *paged) twoPages(seen bool) {
	var first []string
	for i := range 40 {
		first = append(first, userOf(fmt.Sprintf("f%02d", i), "2020-01-01T00:00:00Z", stamp(now)))
	}
	second := []string{}
	for i := range 5 {
		second = append(second, userOf(fmt.Sprintf("x%d", i), stamp(now.Add(-29*day-12*time.Hour)), ""))
	}
	signed := stamp(now)
	if !seen {
		signed = ""
	}
	p.of["users"] = [][]string{first, append(second, userOf("y", "2020-01-01T00:00:00Z", signed))}
}
