package cursors_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/entra"
)

// told is the day up to which a reader has been told; 0: it has been told nothing.
func (d *desk) told(name string) int {
	c, err := d.OfReader(d.Context(), name)
	require.NoError(d, err)
	return dayOf(c)
}

func TestAReaderMovesForwardAndNeverBack(t *testing.T) {
	d := newDesk(t)
	require.Zero(t, d.told("x"), "it has been told nothing")
	for i, step := range []struct {
		day, then int
		moved     bool
	}{{7, 7, true}, {7, 7, false}, {9, 9, true}, {8, 9, false}, {7, 9, false}, {10, 10, true}} {
		kept, moved, err := d.Advance(t.Context(), "x", d.text(d.of("q", step.day)))
		require.NoError(t, err, "step %d", i)
		require.Equal(t, step.moved, moved, "step %d", i)
		require.Equal(t, step.then, kept.AsOf.Day(), "step %d", i)
		require.Equal(t, present.Truncate(entra.Tick), kept.Moved, "step %d", i)
		require.Equal(t, step.then, d.told("x"), "step %d", i)
	}
	require.Zero(t, d.told("y"))
}

// TestAMoveThatChangesNothingWritesNothing, so a flow may repeat its last action.
func TestAMoveThatChangesNothingWritesNothing(t *testing.T) {
	d := newDesk(t)
	first, _, err := d.Advance(t.Context(), "x", d.text(d.of("q", 7)))
	require.NoError(t, err)
	d.Cursors = cursors.New(d.store, d.store, func() time.Time { return present.Add(time.Hour) })
	again, moved, err := d.Advance(t.Context(), "x", d.text(d.of("q", 7)))
	require.NoError(t, err)
	require.False(t, moved)
	require.Equal(t, first, again)
}

// TestWhatWaitsIsKept: of an item that nobody could judge the calls before are kept.
func TestWhatWaitsIsKept(t *testing.T) {
	d := newDesk(t)
	five, seven := d.of("q", 5), d.of("q", 7, d.of("q", 3).Number)
	for _, c := range []timeline.Cursor{five, seven} {
		_, moved, err := d.Advance(t.Context(), "x", d.text(c))
		require.NoError(t, err)
		require.True(t, moved)
	}
	got, err := d.OfReader(t.Context(), "x")
	require.NoError(t, err)
	require.Equal(t, []int{five.Number}, got.Earlier)
}

func TestANameIsKeptAsItWasFirstWritten(t *testing.T) {
	d := newDesk(t)
	for i, name := range []string{"Täglich", "TÄGLICH", "täglich"} {
		kept, _, err := d.Advance(t.Context(), name, d.text(d.of("q", 7+i)))
		require.NoError(t, err)
		require.Equal(t, "Täglich", kept.Name)
		require.Equal(t, 7+i, d.told("tÄGLICH"))
	}
	list, _, err := d.List(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	was, err := d.Delete(t.Context(), "TÄGLICH")
	require.NoError(t, err)
	require.True(t, was)
	require.Zero(t, d.told("Täglich"), "it has everything again")
	was, err = d.Delete(t.Context(), "Täglich")
	require.NoError(t, err)
	require.False(t, was)
}

func TestACursorThatAReaderCannotBeMovedToIsRefused(t *testing.T) {
	d, other := newDesk(t), newDesk(t)
	_, _, err := d.Advance(t.Context(), "X", d.text(d.of("q", 7)))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		text string
		code entra.Code
		says string
	}{
		"altered": {flipped(d.text(d.of("q", 9)), 3), entra.CodeBadRequest,
			"give nextCursor exactly as the answer had it"},
		"too long": {strings.Repeat("A", 5001), entra.CodeBadRequest, "none that this app gave"},
		"of another archive": {other.text(other.of("q", 9)), entra.CodeTokenExpired,
			"the cursor belongs to another archive"},
		"of no answer": {d.text(timeline.Cursor{Archive: d.archive, Question: "q"}), entra.CodeBadRequest,
			"none that this app gave"},
		"of another question": {d.text(d.of("r", 9)), entra.CodeBadRequest,
			`use reader "X": it belongs to another question, and one reader asks one question; ask with the same ` +
				"parameters as before, or take a reader of another name; DELETE /api/readers/X forgets it"},
	} {
		_, moved, err := d.Advance(t.Context(), "x", c.text)
		require.Equal(t, c.code, entra.CodeOf(err), name)
		require.ErrorContains(t, err, c.says, name)
		require.False(t, moved, name)
		require.Equal(t, 7, d.told("x"), name)
	}
	for name, use := range map[string]func() error{
		"advance": func() error { _, _, err := d.Advance(t.Context(), "a b", d.text(d.of("q", 9))); return err },
		"ask":     func() error { _, err := d.OfReader(t.Context(), "a b"); return err },
		"delete":  func() error { _, err := d.Delete(t.Context(), "a b"); return err },
	} {
		require.ErrorContains(t, use(), "read the reader's name", name)
	}
}

// TestAReaderWhoseCursorCannotBeUsedSaysHowItIsForgotten, for what timeline finds out, too.
func TestAReaderWhoseCursorCannotBeUsedSaysHowItIsForgotten(t *testing.T) {
	d := newDesk(t)
	var list []timeline.Snapshot
	for day := 1; day <= 26; day++ {
		of := d.of("q", day)
		list = append(list, timeline.Snapshot{Number: of.Number, AsOf: of.AsOf})
	}
	on, err := timeline.NewSnapshots(list)
	require.NoError(t, err)
	check := func(c timeline.Cursor) error { return cursors.Explain("Ä.1", c.Check(on, "q")) }
	const forget = "DELETE /api/readers/%C3%84.1 forgets it, and the next call then has everything"
	moved := d.of("q", 7)
	moved.AsOf = moved.AsOf.Add(time.Second)
	old := timeline.Cursor{Archive: d.archive, Question: "q", Number: 1, AsOf: time.Unix(1, 0)}
	for name, c := range map[string]struct {
		err  error
		code entra.Code
		says string
	}{
		"too old":          {check(old), entra.CodeTokenExpired, "older than what is remembered"},
		"put back":         {check(moved), entra.CodeTokenExpired, "the archive was put back to an earlier day"},
		"future":           {check(d.of("q", 28)), entra.CodeBadRequest, "ask again in a minute"},
		"another question": {check(d.of("r", 7)), entra.CodeBadRequest, "one reader asks one question"},
	} {
		require.Equal(t, c.code, entra.CodeOf(c.err), name)
		require.ErrorContains(t, c.err, `use reader "Ä.1": `, name)
		require.ErrorContains(t, c.err, c.says, name)
		require.ErrorContains(t, c.err, forget, name)
	}
	require.NoError(t, check(d.of("q", 7)))
	other := errors.New("connection refused")
	require.Equal(t, other, cursors.Explain("x", other))
}

// TestAReaderOfAnArchiveWhoseSecretIsGoneBeginsAnew once it is forgotten.
func TestAReaderOfAnArchiveWhoseSecretIsGoneBeginsAnew(t *testing.T) {
	d := newDesk(t)
	_, _, err := d.Advance(t.Context(), "x", d.text(d.of("q", 7)))
	require.NoError(t, err)
	saved, err := d.store.Reader(t.Context(), "x")
	require.NoError(t, err)
	d.service.Reset()
	d.restart()
	saved.Revision = ""
	_, err = d.store.SaveReader(t.Context(), saved)
	require.NoError(t, err)
	_, err = d.OfReader(t.Context(), "x")
	require.Equal(t, entra.CodeTokenExpired, entra.CodeOf(err))
	require.ErrorContains(t, err, "DELETE /api/readers/x forgets it")
	_, _, err = d.Advance(t.Context(), "x", d.text(d.of("q", 9)))
	require.Equal(t, entra.CodeTokenExpired, entra.CodeOf(err))
	require.ErrorContains(t, err, "DELETE /api/readers/x forgets it")
	_, err = d.Delete(t.Context(), "x")
	require.NoError(t, err)
	require.Zero(t, d.told("x"))
}

func TestAThousandReadersAreListedInPages(t *testing.T) {
	d := newDesk(t)
	text, want := d.text(d.of("q", 7)), map[string]bool{}
	for n := range 1000 {
		name := fmt.Sprintf("%s-%d", []string{"Reader", "ünser", "z"}[n%3], n)
		_, moved, err := d.Advance(t.Context(), name, text)
		require.NoError(t, err)
		require.True(t, moved)
		want[name] = true
	}
	for _, top := range []int{1000, 999, 100, 7} {
		got, token, pages := map[string]bool{}, "", 0
		for more := true; more; more = token != "" {
			list, next, err := d.List(t.Context(), token, top)
			require.NoError(t, err)
			require.LessOrEqual(t, len(list), top)
			for _, r := range list {
				require.False(t, got[r.Name], "%s is listed twice", r.Name)
				got[r.Name] = true
			}
			token = next
			pages++
		}
		require.Equal(t, want, got)
		require.Equal(t, (1000+top-1)/top, pages, "no page is empty")
	}
}

func TestReadersThatComeAndGoBetweenTwoPagesMoveNoOther(t *testing.T) {
	d := newDesk(t)
	text := d.text(d.of("q", 7))
	for _, name := range []string{"b", "d", "f", "h"} {
		_, _, err := d.Advance(t.Context(), name, text)
		require.NoError(t, err)
	}
	first, token, err := d.List(t.Context(), "", 2)
	require.NoError(t, err)
	require.Equal(t, "d", first[1].Name)
	for _, name := range []string{"a", "g"} {
		_, _, err := d.Advance(t.Context(), name, text)
		require.NoError(t, err)
	}
	_, err = d.Delete(t.Context(), "d")
	require.NoError(t, err)
	rest, end, err := d.List(t.Context(), token, 10)
	require.NoError(t, err)
	require.Empty(t, end)
	var names []string
	for _, r := range rest {
		names = append(names, r.Name)
	}
	require.Equal(t, []string{"f", "g", "h"}, names)
	for _, bad := range []string{"x", flipped(token, 2), token + "A", text} {
		_, _, err = d.List(t.Context(), bad, 2)
		require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err))
		require.ErrorContains(t, err, "$skiptoken")
	}
}
