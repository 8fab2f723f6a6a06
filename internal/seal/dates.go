package seal

import (
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/entraledger/entraledger/internal/entra"
)

// The second version of a leaf also covers when a content was there: it is SHA-256(0x00 || hash of
// the record || DatesAt). Its tree is separate from that of the first version, over the same
// contents in the same order, so that every earlier proof stays valid.

// datesFormat is the format of a date in a leaf: in UTC, whole ticks.
const datesFormat = "2006-01-02T15:04:05.0000000Z"

// DatesAt says when the content was first seen, and in which spells it was its record's current one
// as far as that was known at a time: "<first> <from>/<to> <from>/". A spell that had not ended
// then has no end.
func (l Leaf) DatesAt(at time.Time) string {
	var b strings.Builder
	write := func(t time.Time) { b.WriteString(t.UTC().Format(datesFormat)) }
	write(l.FirstSeen)
	spell := func(from, to time.Time) {
		if from.After(at) {
			return
		}
		b.WriteByte(' ')
		write(from)
		b.WriteByte('/')
		if !to.IsZero() && !to.After(at) {
			write(to)
		}
	}
	for _, s := range l.Spells {
		spell(s.From, s.To)
	}
	spell(l.Since(), l.Superseded)
	return b.String()
}

// datedHash is the second version of a leaf.
func datedHash(h entra.Hash, dates string) tlog.Hash {
	text := make([]byte, 0, len(h)+len(dates))
	return tlog.RecordHash(append(append(text, h[:]...), dates...))
}

func datedTree(leaves []Leaf, at time.Time) tree {
	return treeOver(leaves, func(l Leaf) tlog.Hash { return datedHash(l.Hash, l.DatesAt(at)) })
}

// DatesRoot is the root of the tree over the contents and their dates, as far as they were known at
// a time.
func DatesRoot(leaves []Leaf, at time.Time) tlog.Hash { return rootOf(leaves, datedTree(leaves, at)) }
