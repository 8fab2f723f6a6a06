package timeline

import (
	"encoding/json"
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
	in       func(Q, oneTaken, time.Time, look[S]) truth
	on       func(Q, *Snapshots) (Asked[T], error)
	next     func(T, *Snapshots, *S) (T, error)
	readable func(Q, oneTaken) bool // else the call is refused
	// found tells whether an item that a cursor has not told is found by its column, or by a time
	// that passed since the cursor's base.
	forgotten func(T, *Snapshots) bool
	// edges are the times at which an item comes into an answer or leaves it.
	edges func(Q, S) []time.Time
}

var (
	users = kind[User, UserSeen, UserQuestion]{
		(*world).user, (*world).userQuestion, userIn, UserQuestion.On, User.Next,
		func(q UserQuestion, at oneTaken) bool {
			unread := slices.ContainsFunc(q.Groups, func(g string) bool { return !slices.Contains(at.Groups, g) })
			return at.users != no && !unread
		},
		User.Forgotten,
		func(q UserQuestion, u UserSeen) []time.Time {
			return []time.Time{u.Since.AddDate(0, 0, q.Days), u.GraceUntil}
		},
	}
	credentials = kind[Credential, CredentialSeen, CredentialQuestion]{
		(*world).credential, (*world).credentialQuestion, credentialIn, CredentialQuestion.On, Credential.Next,
		func(_ CredentialQuestion, at oneTaken) bool { return at.credentials != no },
		Credential.Forgotten,
		func(q CredentialQuestion, c CredentialSeen) []time.Time {
			return []time.Time{c.End, c.End.Add(-q.Within), c.Idle.Add(q.UnusedFor), c.Start}
		},
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
	begun := make([]int, itemsOfAWorld)
	for range questionsOfAWorld {
		q := k.ask(w)
		f := &followed[T, S, Q]{w: w, horizon: horizon, kind: k, items: items, q: q}
		f.begun = begun
		f.name = fmt.Sprintf("%s, question %+v", name, q)
		for _, views := range items {
			var in []truth
			for n, l := range views {
				in = append(in, k.in(q, w.taken[n], w.taken[n].AsOf, l))
			}
			f.in = append(f.in, in)
		}
		for range callersOfAWorld {
			f.callers = append(f.callers, newCaller(1+w.r.IntN(9)))
		}
		questions = append(questions, f)
	}
	lines := make([]T, itemsOfAWorld)
	var list []Snapshot // as it is stored, or all of it
	trims, drops := w.oneIn(2), w.oneIn(2)
	for n, one := range w.taken {
		list = append(list, one.Snapshot)
		on, err := newSnapshots(list, horizon)
		require.NoError(t, err)
		if trims {
			list = trim(list, horizon)
		}
		for i, views := range items {
			lines[i] = takeIn(t, k, on, lines[i], views[n])
			if drops && k.forgotten(lines[i], on) {
				var zero T
				lines[i], begun[i] = zero, n+1
			}
		}
		for _, f := range questions {
			f.compare(t, on, n, lines)
		}
	}
	for _, f := range questions {
		for _, c := range f.callers {
			for e := range c.first {
				c.told[e]++
			}
			for e, times := range c.told {
				if times != 1 && !(times > 1 && c.old[e]) {
					require.Equal(t, 1, times, "%s: item %d, entered with snapshot %d, is told so often",
						f.name, e.item, w.taken[e.at].Number)
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
