package timeline

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/entraledger/entraledger/internal/entra"
)

// maxDays bounds the days that a question may name.
const maxDays = 36_500

// Asked is a question, put to the newest snapshot. It may be shared.
type Asked[T User | Credential] struct {
	on   *Snapshots
	look func(T) history
}

// history is what the definition needs to know of one item and one question.
type history interface {
	// lastFalse is the last snapshot at which the item is known not to answer; 0: none.
	lastFalse() int
	// knownFrom is the first snapshot from a number on at which it is known that it does; 0: none.
	// The number is greater than lastFalse.
	knownFrom(n int) int
	// toldAt tells whether an answer from a snapshot, whose states were judged at a later time, had
	// the item, and it is not known to have left the answer since.
	toldAt(n int, judged ticks) bool
}

// Entered is the first snapshot of the unbroken run, up to the newest, in which the item answers
// the question. ok is false where it does not, or nobody can say whether it does.
func (a Asked[T]) Entered(of T) (n int, ok bool) {
	h := a.look(of)
	entered := begin(h)
	return entered, entered > 0 && a.known(h, a.on.Newest())
}

// begin is the first snapshot since the last at which an item did not answer, at which it does; 0:
// there is none.
func begin(h history) int { return h.knownFrom(h.lastFalse() + 1) }

// known tells whether an item is known to answer at a snapshot of its run.
func (a Asked[T]) known(h history, n int) bool { return h.knownFrom(n) == n }

// Tells tells whether an item belongs to the answer that a cursor is given: it answers the question
// now, and entered after what the cursor has told. Until there is a new snapshot, none does. See
// Cursor.
func (a Asked[T]) Tells(of T, c Cursor) bool {
	h := a.look(of)
	return c.Number < a.on.Newest() && begin(h) > 0 && a.known(h, a.on.Newest()) && !a.told(h, c)
}

// Waits tells whether the cursor has to keep what it is about because of an item of which nobody
// can say now whether it answers the question: it entered after what the cursor has told, or it was
// told before it entered, by a first answer that was judged later than its snapshot.
func (a Asked[T]) Waits(of T, c Cursor) bool {
	h := a.look(of)
	return !a.known(h, a.on.Newest()) && (begin(h) > 0) != a.told(h, c)
}

// told tells whether an answer up to a cursor has told of an item in the run that it is in.
func (a Asked[T]) told(h history, c Cursor) bool {
	if c.Began > 0 && h.toldAt(c.Began, ticksOf(c.Judged)) {
		return true
	}
	// What the first answer did not have is not told, even if it would have at the snapshot's time.
	entered := h.knownFrom(max(h.lastFalse(), c.Began) + 1)
	if entered == 0 || entered <= c.Base() {
		return entered > 0
	}
	for _, n := range c.calls() {
		if n >= entered && a.known(h, n) {
			return true
		}
	}
	return false
}

// filter is what the questions have in common, put to the newest snapshot.
type filter struct {
	on     *Snapshots
	wanted [attributes]*bool
	out    []string // hashes of the marks that an item must not carry
	groups []int    // for each snapshot the index of the next that could read all groups; nil: none is asked for
}

func newFilter(on *Snapshots, wanted map[attribute]*bool, marks, groups []string) filter {
	f := filter{on: on}
	for a, want := range wanted {
		f.wanted[a] = want
	}
	for _, m := range slices.Concat(folded(marks), folded(groups)) {
		f.out = append(f.out, hashOf(m))
	}
	if len(groups) == 0 {
		return f
	}
	groups = folded(groups)
	f.groups = make([]int, len(on.list)+1)
	f.groups[len(on.list)] = len(on.list)
	for i := len(on.list) - 1; i >= 0; i-- {
		f.groups[i] = f.groups[i+1]
		if on.reads(i, groups) {
			f.groups[i] = i
		}
	}
	return f
}

// lastFalse is the last snapshot at which a filter on attributes or marks is known to have kept an
// item out, or at which it was not there.
func (f *filter) lastFalse(i *item) int {
	n := i.First - 1
	for a, want := range f.wanted {
		if want != nil {
			n = max(n, i.lastUnlike(attribute(a), *want))
		}
	}
	for _, hash := range f.out {
		n = max(n, i.lastCarried(hash))
	}
	return n
}

// knownFrom is the first snapshot from n on at which the item was seen, its activity or use known
// if that is asked for, and all groups read; 0 without one.
func (f *filter) knownFrom(i *item, n int, bright bool) int {
	for {
		at := f.on.index(n)
		if f.groups != nil {
			at = f.groups[at]
		}
		if at == len(f.on.list) || f.on.list[at].number > i.At {
			return 0
		}
		n = f.on.list[at].number
		hidden, ok := i.unseen.at(n)
		if !ok && bright {
			hidden, ok = i.dark.at(n)
		}
		if !ok {
			return n
		}
		if hidden.until == 0 {
			return 0
		}
		n = hidden.until
	}
}

// identity is a hash that tells questions apart.
func identity(kind string, q any) string {
	body, err := json.Marshal(q)
	if err != nil {
		panic("write a question: " + err.Error()) // our own types always have a JSON form
	}
	sum := sha256.Sum256(append([]byte(kind+"\n"), body...))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// refuseDays is the error of a question whose days are out of range.
func refuseDays(what string, days any, least int) error {
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "ask what is new", Why: fmt.Sprintf("%s is %v", what, days),
		Remedy: fmt.Sprintf("accepted are %d to %d days", least, maxDays)}
}
