package timeline

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"unicode"
)

// item is what the timelines of users and credentials have in common.
type item struct {
	At    int // the snapshot that was taken in last; 0: none, and all else is empty
	First int // the first one that has the item, since it was last known to be absent

	is       uint8           // one bit for each attribute, as last known
	differed [attributes]int // the last snapshot at which the attribute is known to have differed; 0: none
	unseen   gaps            // nothing is known of the item
	dark     gaps            // its activity, or its use, is not known
	marks    []mark          // the last snapshot at which it is known to have carried each
}

// attributes is how many an item may have.
const attributes = 8

// mark is a text by which items are left out or asked for, by its hash, and a snapshot.
type mark struct {
	hash string
	at   int
}

// markLength is how long the hash of a mark is: 48 bits.
const markLength = 8

// hashOf is short, for it is kept with every row. Of two texts with one hash, a question about the
// one would also follow the other: with a million texts in an archive that is one chance in 250.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(fold(text)))
	return base64.RawURLEncoding.EncodeToString(sum[:markLength*6/8])
}

// fold gives texts that are equal under strings.EqualFold one form.
func fold(text string) string {
	out := []rune(text)
	for i, r := range out {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		out[i] = least
	}
	return string(out)
}

// folded are texts in one form, sorted, each once.
func folded(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = fold(text)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// advance takes in that the item was seen in the newest snapshot or that nothing is known of it
// there, and gives the last snapshot before at which it was seen.
func (i *item) advance(on *Snapshots, here bool) (lastSeen int, err error) {
	n := on.Newest()
	if i.At >= n {
		return 0, fmt.Errorf("go on with a timeline: it is of snapshot %d, and the new one is %d", i.At, n)
	}
	if i.At == 0 {
		if here {
			i.At, i.First = n, n
		}
		return 0, nil
	}
	lastSeen = i.lastSeen()
	switch skipped := on.next(i.At+1) != n; {
	case !here && !i.unseen.open():
		i.unseen = i.unseen.with(gap{after: i.At})
	case here && i.unseen.open():
		i.unseen = i.unseen.closed(n)
	case here && skipped:
		i.unseen = i.unseen.with(gap{i.At, n})
	}
	i.At = n
	return lastSeen, nil
}

func (i *item) forgotten(on *Snapshots) bool { return i.lastSeen() < on.Oldest() }

func (i *item) lastSeen() int { return i.unseen.by(i.At) }

// lastBright is the last snapshot at which activity or use was known; 0 without one.
func (i *item) lastBright() int { return i.brightBy(i.At) }

// brightBy is the last snapshot up to n at which the item was seen and its activity or use known.
func (i *item) brightBy(n int) int { return i.dark.by(i.unseen.by(n)) }

// light takes in whether activity or use is known in the newest snapshot. last is the last one
// before at which it was.
func (i *item) light(known bool, last int) {
	switch {
	case known:
		i.dark = i.dark.closed(i.At)
	case !i.dark.open():
		i.dark = i.dark.with(gap{after: last})
	}
}

// set takes in an attribute. last is the last snapshot before at which the item was seen; 0: none.
func (i *item) set(a attribute, is bool, last int) {
	if last > 0 && i.has(a) != is {
		i.differed[a] = last
	}
	i.is &^= 1 << a
	if is {
		i.is |= 1 << a
	}
}

// attribute is the place of one in an item.
type attribute uint8

func (i *item) has(a attribute) bool { return i.is&(1<<a) != 0 }

// lastUnlike is the last snapshot at which an attribute was other than wanted; 0: none. Where it is
// known only with activity, it may be a later one, if activity was not known since.
func (i *item) lastUnlike(a attribute, want bool) int {
	if i.has(a) == want {
		return i.differed[a]
	}
	return i.lastSeen()
}

// carry takes in the marks that the item carries in the newest snapshot.
func (i *item) carry(hashes []string) {
	i.marks = slices.Clone(i.marks)
	for _, h := range hashes {
		i.marks = put(i.marks, mark{h, i.At})
	}
}

func (m mark) compare(o mark) int { return cmp.Compare(m.hash, o.hash) }

func put(marks []mark, m mark) []mark {
	at, found := slices.BinarySearchFunc(marks, m, mark.compare)
	if found {
		marks[at] = m
		return marks
	}
	return slices.Insert(marks, at, m)
}

// lastCarried is the last snapshot at which the item is known to have carried a mark; 0: none.
func (i *item) lastCarried(hash string) int {
	if at, found := slices.BinarySearchFunc(i.marks, mark{hash: hash}, mark.compare); found {
		return i.marks[at].at
	}
	return 0
}

// cutAt is the newest snapshot before which nothing is needed; 0 where there is none after the
// first. At it, the item was known, and it is an anchor; or it is the oldest that there is.
func (i *item) cutAt(on *Snapshots) int {
	if at := i.anchored(on); at > 0 {
		return at
	}
	if oldest := on.list[0].number; oldest > i.First && i.At > 0 {
		return oldest
	}
	return 0
}

func (i *item) anchored(on *Snapshots) int {
	for limit := i.At; limit > i.First; {
		at, found := slices.BinarySearch(on.anchors, limit)
		if found {
			at++
		}
		if at == 0 || on.anchors[at-1] <= i.First {
			return 0
		}
		n := on.anchors[at-1]
		if limit = i.brightBy(n); limit == n {
			return n
		}
	}
	return 0
}

// cut leaves out what is before a snapshot.
func (i *item) cut(at int) {
	i.First = at
	for a, n := range i.differed {
		if n < at {
			i.differed[a] = 0
		}
	}
	i.unseen, i.dark = i.unseen.since(at), i.dark.since(at)
	i.marks = without(i.marks, func(m mark) bool { return m.at < at })
}

// without is a list with some left out; nil where none is left, as it is read from where it is
// stored.
func without[T any](list []T, drop func(T) bool) []T {
	var out []T
	for _, one := range list {
		if !drop(one) {
			out = append(out, one)
		}
	}
	return out
}
