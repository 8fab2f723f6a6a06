package timeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// followed is a question with its callers, and what the definition says of each item and snapshot.
type followed[T User | Credential, S, Q any] struct {
	w       *world
	horizon time.Duration
	kind    kind[T, S, Q]
	q       Q
	name    string
	items   [][]look[S]
	in      [][]truth
	callers []*caller
	begun   []int // for each item the index before which it is as if nothing had been
}

type entering struct{ item, at int }

// caller asks now and then. told counts the enterings that it saw in an answer, or had to.
type caller struct {
	cursor Cursor
	told   map[entering]int
	old    map[entering]bool // it was known again when its entering was no longer remembered
	every  int

	began  int               // index of the snapshot of the first answer
	judged time.Time         // when that was judged
	first  map[entering]bool // enterings of which the first answer told, before or after them
}

func newCaller(every int) *caller {
	return &caller{every: every, told: make(map[entering]int), old: make(map[entering]bool),
		first: make(map[entering]bool)}
}

// entered is as enteredAt, with what is remembered at the index n of an item.
func (f *followed[T, S, Q]) entered(i, n int) (at int, ok bool) {
	since := f.begun[i]
	for since < n && f.w.taken[n].AsOf.Sub(f.w.taken[since].AsOf) > 2*f.horizon {
		since++
	}
	return enteredAt(f.in[i], since, n)
}

// had tells whether an answer from the snapshot of an index, judged at a time, had an item that has
// not left since, up to the index n. It has left with a snapshot where it is out of the answer both
// at the time of that and, if that is later, when the answer was judged.
func (f *followed[T, S, Q]) had(i, began int, judged time.Time, n int) bool {
	in := func(m int) truth {
		at := f.w.taken[m]
		if judged.After(at.AsOf) {
			return f.kind.in(f.q, at, judged, f.items[i][m])
		}
		return f.in[i][m]
	}
	if f.begun[i] > began || in(began) != yes {
		return false
	}
	for m := began + 1; m <= n; m++ {
		if f.in[i][m] == no && in(m) == no {
			return false
		}
	}
	return true
}

// moment is a time up to 20 hours after the snapshot of an index, often one on which something
// passes an edge, or one beside it.
func (f *followed[T, S, Q]) moment(n int) time.Time {
	from := f.w.taken[n].AsOf
	if f.w.oneIn(5) {
		return from
	}
	for range 2 * itemsOfAWorld {
		at := some(f.w, f.kind.edges(f.q, some(f.w, f.items)[n].seen)).Add(f.w.beside())
		if after := at.Sub(from); after >= 0 && after <= 20*time.Hour {
			return at
		}
	}
	return from.Add(f.w.hours(20))
}

// beside is how far a time is from an edge.
func (w *world) beside() time.Duration {
	return some(w, []time.Duration{-time.Second, -tick, 0, 0, tick, time.Second, 3 * time.Hour})
}

// compareJudged compares what a cursor of a first answer, judged at some time, is told of an item.
func (f *followed[T, S, Q]) compareJudged(
	t *testing.T, on *Snapshots, n, oldest int, asked Asked[T], i int, line T, what func() string,
) {
	_, ok := f.entered(i, n)
	since := oldest + f.w.r.IntN(n+1-oldest)
	judged := f.moment(since)
	if edge := some(f.w, f.kind.edges(f.q, f.items[i][n].seen)); f.w.oneIn(2) && edge.After(f.w.taken[oldest].AsOf) {
		for since = oldest; since < n && !f.w.taken[since+1].AsOf.After(edge); {
			since++
		}
		judged = edge.Add(f.w.beside())
	}
	far := f.w.oneIn(8)
	if far {
		judged = judged.Add(f.w.hours(24 * 30))
	}
	base := f.w.taken[since]
	after := judged.Sub(base.AsOf)
	if after < 0 || !far && after > time.Duration(reach)*tick || !f.kind.readable(f.q, base) {
		return
	}
	want := ok && n > since && !f.had(i, since, judged, n)
	if after == 0 {
		at, _ := f.entered(i, n)
		want = ok && at > since
	}
	cursor := Cursor{Number: base.Number, AsOf: base.AsOf}.JudgedAt(judged)
	if got := asked.Tells(line, cursor); got != want && !(far && got) {
		require.Equal(t, want, got, "%s, since %d, judged at %s", what(), base.Number, judged)
	}
}

func (f *followed[T, S, Q]) compare(t *testing.T, on *Snapshots, n int, lines []T) {
	asked, err := f.kind.on(f.q, on)
	require.NoError(t, err)
	list := f.w.taken
	oldest := on.index(on.Oldest()) + n + 1 - len(on.list)
	for i, line := range lines {
		at, ok := f.entered(i, n)
		got, is := asked.Entered(line)
		what := func() string {
			doc, _ := json.Marshal(line)
			return fmt.Sprintf("%s, item %d at snapshot %d of %s: %s", f.name, i, list[n].Number, list[n].AsOf, doc)
		}
		if is != ok {
			require.Equal(t, ok, is, what())
		}
		if ok && list[at].Number > on.Oldest() && list[at].Number != got {
			require.Equal(t, list[at].Number, got, what())
		}
		for range 3 {
			since := oldest + f.w.r.IntN(n+1-oldest)
			if ok && f.w.oneIn(2) {
				since = max(oldest, at-f.w.r.IntN(2))
			}
			if !f.kind.readable(f.q, list[since]) {
				continue
			}
			if asked.Tells(line, Cursor{Number: list[since].Number}) != (ok && at > since) {
				require.Equal(t, ok && at > since, !(ok && at > since), "%s, since %d", what(), list[since].Number)
			}
			f.compareJudged(t, on, n, oldest, asked, i, line, what)
		}
	}
	if !f.kind.readable(f.q, list[n]) {
		return
	}
	for _, c := range f.callers {
		if f.w.oneIn(c.every) {
			f.call(t, on, n, asked, lines, c)
		}
	}
}

// call has a caller ask, sometimes more than once, and sometimes lose the answer.
func (f *followed[T, S, Q]) call(t *testing.T, on *Snapshots, n int, asked Asked[T], lines []T, c *caller) {
	const archive, question = "an archive", "a question"
	key := []byte("the archive's key")
	first := c.cursor.Number == 0 || f.w.oneIn(40) // or one that begins anew
	if first {
		*c = *newCaller(c.every)
		c.cursor, c.began, c.judged = Cursor{Archive: archive, Question: question}, n, f.moment(n)
	}
	oldest := on.index(on.Oldest()) + n + 1 - len(on.list)
	cursor, err := Open(key, c.cursor.Seal(key), archive)
	require.NoError(t, err)
	require.Equal(t, c.cursor.Earlier, cursor.Earlier)
	err = cursor.Check(on, question)
	if errors.Is(err, ErrTooOld) {
		require.Greater(t, f.w.taken[n].AsOf.Sub(c.cursor.AsOf), f.horizon-time.Second)
		c.cursor = Cursor{} // the next call begins anew
		return
	}
	require.NoError(t, err)
	waits := f.w.oneIn(2) // it is not looked whether an item does
	var told []entering
	for i, line := range lines {
		at, ok := enteredAt(f.in[i], f.begun[i], n)
		waits = waits || asked.Waits(line, cursor)
		if first || !asked.Tells(line, cursor) {
			continue
		}
		if !ok {
			require.Fail(t, "it does not answer", "%s, item %d at snapshot %d", f.name, i, on.Newest())
		}
		told = append(told, entering{i, at})
	}
	if f.w.oneIn(6) {
		return // the run failed, and keeps its cursor
	}
	for i := range lines {
		at, ok := enteredAt(f.in[i], f.begun[i], n)
		e := entering{i, at}
		switch {
		case ok && f.had(i, c.began, c.judged, n):
			c.first[e] = true
		case ok && !first:
			c.told[e] += 0
		}
	}
	for _, e := range told {
		c.told[e]++
		remembered, _ := f.entered(e.item, n)
		c.old[e] = min(e.at, c.began) < oldest || remembered > e.at
	}
	next := cursor.After(f.w.taken[n].Snapshot, waits)
	if first {
		next = next.JudgedAt(c.judged)
	}
	for i, line := range lines {
		if asked.Tells(line, next) {
			require.Fail(t, "it is told again", "%s, item %d at snapshot %d", f.name, i, on.Newest())
		}
	}
	require.Equal(t, next, next.After(f.w.taken[n].Snapshot, true))
	c.cursor = next
}
