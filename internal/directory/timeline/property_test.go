package timeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestEveryEnteringIsWhatTheDefinitionSays compares the closed form over timelines with the
// definition over all that was ever seen, for each item, snapshot and cursor, and follows callers
// from cursor to cursor: whatever calls they miss or repeat, they are told of each entering once.
func TestEveryEnteringIsWhatTheDefinitionSays(t *testing.T) {
	for _, of := range []struct {
		days, worlds int
		horizon      time.Duration
	}{{60, 30, Horizon}, {200, 6, 45 * day}, {450, 2, Horizon}} {
		t.Run(fmt.Sprintf("over %d days", of.days), func(t *testing.T) {
			t.Parallel()
			for seed := range of.worlds {
				compareWorld(t, uint64(seed), of.days, of.horizon)
			}
		})
	}
}

// kind is what differs between users and credentials.
type kind[T User | Credential, S, Q any] struct {
	makeUp   func(*world) []look[S]
	ask      func(*world) Q
	in       func(Q, oneTaken, look[S]) truth
	on       func(Q, *Snapshots) (Asked[T], error)
	next     func(T, *Snapshots, *S) (T, error)
	readable func(Q, oneTaken) bool // else the call is refused
	// found tells whether an item that a cursor has not told is found by its column, or by a time
	// that passed since the cursor's base.
	found func(q Q, base oneTaken, touched int, now S) bool
	touch func(T, *Snapshots) int
}

var (
	users = kind[User, UserSeen, UserQuestion]{
		(*world).user, (*world).userQuestion, userIn, UserQuestion.On, User.Next,
		func(q UserQuestion, at oneTaken) bool {
			unread := slices.ContainsFunc(q.Groups, func(g string) bool { return !slices.Contains(at.Groups, g) })
			return at.users != no && !unread
		},
		func(q UserQuestion, base oneTaken, touched int, now UserSeen) bool {
			return touched > base.Number || q.Days > 0 && !now.Since.Before(base.AsOf.AddDate(0, 0, -q.Days))
		},
		User.Touched,
	}
	credentials = kind[Credential, CredentialSeen, CredentialQuestion]{
		(*world).credential, (*world).credentialQuestion, credentialIn, CredentialQuestion.On, Credential.Next,
		func(_ CredentialQuestion, at oneTaken) bool { return at.credentials != no },
		func(q CredentialQuestion, base oneTaken, touched int, now CredentialSeen) bool {
			ends := q.Expired && now.End.After(base.AsOf) || q.Expiring && now.End.After(base.AsOf.Add(q.Within))
			return touched > base.Number || ends || q.Unused && !now.Idle.Before(base.AsOf.Add(-q.UnusedFor))
		},
		Credential.Touched,
	}
)

func compareWorld(t *testing.T, seed uint64, days int, horizon time.Duration) {
	name := fmt.Sprintf("seed %d", seed)
	w := newWorld(seed, days)
	compareKind(t, name+", users", w, horizon, users)
	compareKind(t, name+", credentials", w, horizon, credentials)
}

const (
	itemsOfAWorld     = 5
	questionsOfAWorld = 12
	callersOfAWorld   = 4 // for each question
)

func compareKind[T User | Credential, S, Q any](
	t *testing.T, name string, w *world, horizon time.Duration, k kind[T, S, Q],
) {
	items := make([][]look[S], itemsOfAWorld)
	for i := range items {
		items[i] = k.makeUp(w)
	}
	var questions []*followed[T, S, Q]
	for range questionsOfAWorld {
		q := k.ask(w)
		f := &followed[T, S, Q]{w: w, horizon: horizon, kind: k, items: items, q: q}
		f.name = fmt.Sprintf("%s, question %+v", name, q)
		for _, views := range items {
			var in []truth
			for n, l := range views {
				in = append(in, k.in(q, w.taken[n], l))
			}
			f.in = append(f.in, in)
		}
		for range callersOfAWorld {
			c := &caller{told: make(map[entering]int), old: make(map[entering]bool), every: 1 + w.r.IntN(9)}
			f.callers = append(f.callers, c)
		}
		questions = append(questions, f)
	}
	lines := make([]T, itemsOfAWorld)
	list := w.snapshots()
	for n := range list {
		on, err := newSnapshots(list[:n+1], horizon)
		require.NoError(t, err)
		for i, views := range items {
			lines[i] = takeIn(t, k, on, lines[i], views[n])
		}
		for _, f := range questions {
			f.compare(t, on, n, lines)
		}
	}
	for _, f := range questions {
		for _, c := range f.callers {
			for e, times := range c.told {
				if times != 1 && !(times > 1 && c.old[e]) {
					require.Equal(t, 1, times, "%s: item %d, entered with snapshot %d, is told so often",
						f.name, e.item, list[e.at].Number)
				}
			}
		}
	}
}

// takeIn goes on with a timeline as it is read from where it was stored.
func takeIn[T User | Credential, S, Q any](t *testing.T, k kind[T, S, Q], on *Snapshots, before T, l look[S]) T {
	var zero T
	if l.here == no {
		return zero
	}
	var said *S
	if l.here == yes {
		said = &l.seen
	}
	kept, err := json.Marshal(before)
	require.NoError(t, err)
	now, err := k.next(before, on, said)
	require.NoError(t, err)
	same, err := json.Marshal(before)
	require.NoError(t, err)
	require.Equal(t, string(kept), string(same), "the timeline before is not changed")
	doc, err := json.Marshal(now)
	require.NoError(t, err)
	if string(doc) == `{"n":0,"f":0}` {
		return zero
	}
	var read T
	require.NoError(t, json.Unmarshal(doc, &read), string(doc))
	require.Equal(t, now, read, string(doc))
	return read
}

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
}

type entering struct{ item, at int }

// caller asks now and then. told counts the enterings that it saw in an answer, or had to.
type caller struct {
	cursor Cursor
	told   map[entering]int
	old    map[entering]bool // it was known again when its entering was no longer remembered
	every  int
}

func (f *followed[T, S, Q]) compare(t *testing.T, on *Snapshots, n int, lines []T) {
	asked, err := f.kind.on(f.q, on)
	require.NoError(t, err)
	list := f.w.taken
	oldest := on.index(on.Oldest())
	for i, line := range lines {
		at, ok := enteredAt(f.in[i], n)
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
			if ok && at > since && !f.kind.found(f.q, list[since], f.kind.touch(line, on), f.items[i][n].seen) {
				require.Fail(t, "it is not found", "%s, since %d", what(), list[since].Number)
			}
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
	if c.cursor.Question == "" || f.w.oneIn(40) { // the first call, or one that begins anew
		c.cursor = Cursor{Archive: archive, Question: question}
		clear(c.told)
	}
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
		at, ok := enteredAt(f.in[i], n)
		waits = waits || asked.Waits(line, cursor)
		if !asked.Tells(line, cursor) {
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
		if at, ok := enteredAt(f.in[i], n); ok {
			c.told[entering{i, at}] += 0
		}
	}
	for _, e := range told {
		c.told[e]++
		c.old[e] = f.w.taken[e.at].Number < on.Oldest()
	}
	next := cursor.After(f.w.taken[n].Snapshot, waits)
	for i, line := range lines {
		if asked.Tells(line, next) {
			require.Fail(t, "it is told again", "%s, item %d at snapshot %d", f.name, i, on.Newest())
		}
	}
	require.Equal(t, next, next.After(f.w.taken[n].Snapshot, true))
	c.cursor = next
}
