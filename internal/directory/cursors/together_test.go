package cursors_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/entra"
)

// actor is one call whose every request to the store waits for its turn.
type actor struct {
	cursors.Store
	asks  chan struct{} // it wants to send a request, or has ended
	turns chan turn
	ended bool

	kept  cursors.Reader
	moved bool
	err   error
}

// turn is what becomes of a request.
type turn int

const (
	sent       turn = iota
	unsent          // the process is killed before it
	unanswered      // the process is killed after it
	turnKinds
)

var errKilled = errors.New("the process was killed")

// request waits for the turn of a request, and sends it.
func (a *actor) request(send func() error) error {
	a.asks <- struct{}{}
	switch <-a.turns {
	case unsent:
		return errKilled
	case unanswered:
		_ = send() // nobody learns of it
		return errKilled
	default:
		return send()
	}
}

func (a *actor) Reader(ctx context.Context, key string) (r cursors.Reader, err error) {
	err = a.request(func() error { r, err = a.Store.Reader(ctx, key); return err })
	return r, err
}

func (a *actor) SaveReader(ctx context.Context, r cursors.Reader) (saved cursors.Reader, err error) {
	err = a.request(func() error { saved, err = a.Store.SaveReader(ctx, r); return err })
	return saved, err
}

func (a *actor) DeleteReader(ctx context.Context, key string) error {
	return a.request(func() error { return a.Store.DeleteReader(ctx, key) })
}

// choices goes every way through a tree of choices, one after the other.
type choices struct{ taken, of []int }

func (c *choices) next(at, of int) int {
	if at == len(c.taken) {
		c.taken, c.of = append(c.taken, 0), append(c.of, of)
	}
	return c.taken[at]
}

// more turns to the next way.
func (c *choices) more() bool {
	for i := len(c.taken) - 1; i >= 0; i-- {
		if c.taken[i]+1 < c.of[i] {
			c.taken[i]++
			c.taken, c.of = c.taken[:i+1], c.of[:i+1]
			return true
		}
	}
	return false
}

// together lets calls meet in the order that the choices say, of which at most one is killed.
func (d *desk) together(c *choices, calls ...func(*cursors.Cursors, *actor)) []*actor {
	var all []*actor
	for _, call := range calls {
		a := &actor{Store: d.store, asks: make(chan struct{}), turns: make(chan turn)}
		all = append(all, a)
		go func() {
			defer close(a.asks)
			call(cursors.New(d.store, a, func() time.Time { return present }), a)
		}()
		_, asks := <-a.asks
		a.ended = !asks
	}
	killed := false
	for step := 0; ; step++ {
		var living []*actor
		for _, a := range all {
			if !a.ended {
				living = append(living, a)
			}
		}
		if len(living) == 0 {
			return all
		}
		kinds := int(turnKinds)
		if killed {
			kinds = 1
		}
		chosen := c.next(step, len(living)*kinds)
		a, what := living[chosen/kinds], turn(chosen%kinds)
		killed = killed || what != sent
		a.turns <- what
		_, asks := <-a.asks
		a.ended = !asks
	}
}

// TestOfTwoMovesAtOnceTheNewerWins in whatever order their requests come, and whichever is killed
// at any of them; and a call that is repeated after that brings the reader where it should be.
func TestOfTwoMovesAtOnceTheNewerWins(t *testing.T) {
	d := newDesk(t)
	for before, text := range map[string]string{"no reader": "", "a reader": d.text(d.of("q", 3))} {
		for name, days := range map[string][2]int{"different": {5, 7}, "the same": {7, 7}} {
			t.Run(before+", "+name, func(t *testing.T) {
				ways, c := 0, &choices{}
				for more := true; more; more = c.more() {
					ways++
					d.moveTogether(t, c, text, days)
				}
				require.Greater(t, ways, 40)
			})
		}
	}
}

// moveTogether goes one way of two moves.
func (d *desk) moveTogether(t *testing.T, c *choices, before string, days [2]int) {
	_, err := d.Delete(t.Context(), "x")
	require.NoError(t, err)
	if before != "" {
		_, _, err := d.Advance(t.Context(), "x", before)
		require.NoError(t, err)
	}
	move := func(day int) func(*cursors.Cursors, *actor) {
		text := d.text(d.of("q", day, d.of("q", 2).Number))
		return func(of *cursors.Cursors, a *actor) { a.kept, a.moved, a.err = of.Advance(t.Context(), "x", text) }
	}
	both := d.together(c, move(days[0]), move(days[1]))
	told, err := d.OfReader(t.Context(), "x")
	require.NoError(t, err)
	way := fmt.Sprint(c.taken)
	moves := 0
	for i, a := range both {
		if a.err != nil {
			require.ErrorIs(t, a.err, errKilled, way)
			continue
		}
		require.GreaterOrEqual(t, dayOf(told), days[i], "%s: a move that was answered is lost", way)
		require.GreaterOrEqual(t, a.kept.AsOf.Day(), days[i], way)
		if a.moved {
			moves++
		}
	}
	if both[0].err == nil && both[1].err == nil && days[0] == days[1] {
		require.Equal(t, 1, moves, "%s: one of them moved it", way)
	}
	require.Contains(t, []int{0, 3, days[0], days[1]}, dayOf(told), way)
	if day := dayOf(told); day == 5 || day == 7 { // of what waited before either move
		base := map[bool]int{false: 2, true: 3}[before != ""]
		require.Equal(t, d.of("q", base).Number, told.Base(), way)
	}
	for _, day := range days {
		_, _, err := d.Advance(t.Context(), "x", d.text(d.of("q", day)))
		require.NoError(t, err, way)
	}
	require.Equal(t, 7, d.told("x"), way)
}

// TestAMoveBesideAForgettingLeavesAReaderThatHasBeenToldOrNone, and nothing in between.
func TestAMoveBesideAForgettingLeavesAReaderThatHasBeenToldOrNone(t *testing.T) {
	d := newDesk(t)
	before, text := d.text(d.of("q", 5)), d.text(d.of("q", 7))
	left, c := map[int]bool{}, &choices{}
	for more := true; more; more = c.more() {
		_, _, err := d.Advance(t.Context(), "x", before)
		require.NoError(t, err)
		both := d.together(c,
			func(of *cursors.Cursors, a *actor) { a.kept, a.moved, a.err = of.Advance(t.Context(), "x", text) },
			func(of *cursors.Cursors, a *actor) { _, a.err = of.Delete(t.Context(), "x") })
		for _, a := range both {
			require.True(t, a.err == nil || errors.Is(a.err, errKilled), "%v: %v", c.taken, a.err)
		}
		left[d.told("x")] = true
		_, err = d.Delete(t.Context(), "x")
		require.NoError(t, err)
	}
	require.Equal(t, map[int]bool{0: true, 7: true}, left)
}

// overtaken is a store in which somebody else always writes first.
type overtaken struct {
	cursors.Store
	tries int
}

func (o *overtaken) SaveReader(_ context.Context, r cursors.Reader) (cursors.Reader, error) {
	o.tries++
	return r, cursors.ErrMoved
}

func TestAMoveThatIsAlwaysOvertakenEnds(t *testing.T) {
	d := newDesk(t)
	store := &overtaken{Store: d.store}
	_, moved, err := cursors.New(d.store, store, time.Now).Advance(t.Context(), "x", d.text(d.of("q", 7)))
	require.Equal(t, entra.CodeUnavailable, entra.CodeOf(err), "which a flow repeats by itself")
	require.False(t, moved)
	require.Equal(t, 50, store.tries)
}
