package ledger

import (
	"cmp"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/seal"
)

// A record may be stored in two forms: as it was read from its source, and as it came in a file.
// What was read stands; of two that came, the one that came first. The other is marked before its
// hour is sealed: it stays where it is, in every seal, and answers leave it out.

// Form is one stored content, and the identity that all forms of its record share.
type Form struct {
	Identity string
	seal.Leaf
}

// Identity is what all forms of a record share: the second, the id as a row key has it, and the
// outcome. Graph writes some times in whole seconds that exports write with seven digits.
func Identity(key, outcome string) string {
	const second, tick = len("2006-01-02T15:04:05"), len("2006-01-02T15:04:05.0000000Z")
	if len(key) < tick {
		return key + "!" + outcome
	}
	id, _, _ := strings.Cut(key[tick:], "!")
	return key[:second] + id + "!" + outcome
}

// Eclipsed are the arrivals that another form of their record takes the place of, and that are not
// marked so yet, in the order of their keys.
func Eclipsed(forms []Form) (out []seal.Leaf) {
	stands := make(map[string]Form)
	for _, f := range forms {
		if is, ok := stands[f.Identity]; !ok || f.before(is) {
			stands[f.Identity] = f
		}
	}
	for _, f := range forms {
		if f.Arrived() && f.Superseded.IsZero() && stands[f.Identity].Key != f.Key {
			out = append(out, f.Leaf)
		}
	}
	slices.SortFunc(out, func(a, b seal.Leaf) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

// before reports whether a form stands rather than another one.
func (f Form) before(o Form) bool {
	if f.Arrived() != o.Arrived() {
		return !f.Arrived()
	}
	if c := f.FirstSeen.Compare(o.FirstSeen); c != 0 {
		return c < 0
	}
	return f.Key < o.Key
}
