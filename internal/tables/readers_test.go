package tables_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/verify"
)

// library is an account whose table of readers somebody changes.
type library struct {
	*testing.T
	store   *tablestest.Store
	service *counted
	intruder
	of *cursors.Cursors
}

func newLibrary(t *testing.T) *library {
	store, service := newMemory(t)
	return &library{t, store, service, newIntruder(t, service), cursors.New(store, store, time.Now)}
}

// text is a cursor of the archive up to a day of November.
func (l *library) text(day int) string {
	archive, err := l.of.Archive(l.Context())
	require.NoError(l, err)
	at := time.Date(2026, 11, day, 1, 10, 0, 0, time.UTC)
	text, err := l.of.Seal(l.Context(), timeline.Cursor{Archive: archive, Question: "q", Number: int(at.Unix()),
		AsOf: at})
	require.NoError(l, err)
	return text
}

func (l *library) move(name string, day int) cursors.Reader {
	kept, moved, err := l.of.Advance(l.Context(), name, l.text(day))
	require.NoError(l, err)
	require.True(l, moved)
	return kept
}

func (l *library) flaws() []verify.Flaw { return flawsOf(l.T, l.store.ReaderFlaws(l.Context())) }

// forge writes a reader's row anew, with a check that fits it.
func (l *library) forge(key string, change func(r *cursors.Reader)) {
	r, err := l.store.Reader(l.Context(), key)
	require.NoError(l, err)
	change(&r)
	_, err = l.store.SaveReader(l.Context(), r)
	require.NoError(l, err)
}

// tamper changes columns of a reader's row.
func (l *library) tamper(key string, change func(row map[string]any)) {
	row := l.get("readers", "reader", key)
	change(row)
	l.put("readers", row)
}

func TestReadersComeBackAsTheyWereSaved(t *testing.T) {
	for _, name := range []string{"x", "Daily-Tickets_1.0", "..a", "überfällig", "報告", strings.Repeat("x", 64),
		strings.Repeat("ü", 64), strings.Repeat("\U00020000", 64), strings.Repeat("\U00020000", 63) + "\U00020001"} {
		l := newLibrary(t)
		saved := l.move(name, 7)
		require.NotEmpty(t, saved.Revision)
		require.Contains(t, saved.Place, "of table readers")
		got, err := l.store.Reader(t.Context(), saved.Key)
		require.NoError(t, err)
		require.Equal(t, saved, got)
		list, err := l.store.ListReaders(t.Context(), "", 10)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, saved, list[0])
		require.Empty(t, l.flaws())
		_, err = l.store.SaveReader(t.Context(), cursors.Reader{Key: saved.Key, Name: name, Revision: ""})
		require.ErrorIs(t, err, cursors.ErrMoved)
		require.NoError(t, l.store.DeleteReader(t.Context(), saved.Key))
		require.ErrorIs(t, l.store.DeleteReader(t.Context(), saved.Key), cursors.ErrNoReader)
		_, err = l.store.SaveReader(t.Context(), saved)
		require.ErrorIs(t, err, cursors.ErrMoved)
	}
}

func TestWithoutATableThereIsNoReader(t *testing.T) {
	l := newLibrary(t)
	_, err := l.store.Reader(t.Context(), "x")
	require.ErrorIs(t, err, cursors.ErrNoReader)
	require.ErrorIs(t, l.store.DeleteReader(t.Context(), "x"), cursors.ErrNoReader)
	list, err := l.store.ListReaders(t.Context(), "", 10)
	require.NoError(t, err)
	require.Empty(t, list)
	require.Empty(t, l.flaws())
	require.Empty(t, l.service.TableNames(), "asking writes nothing")
}

const otherColumns = "its check is of another row, or of other columns"

// alteredReaders are alterations of the row of reader X.1, beside which there is a reader y.
var alteredReaders = map[string]struct {
	change func(row map[string]any)
	says   string
}{
	"no check":        {set("Check", nil), "it has no check"},
	"check of zeros":  {set("Check", bytesOf(8)), otherColumns},
	"check no binary": {set("Check", nil, "Check", 7), otherColumns},
	"no cursor":       {set("Cursor", nil), otherColumns},
	"cursor changed":  {set("Cursor", "AAAA"), otherColumns},
	"cursor a number": {set("Cursor", 7), "its columns can't be read"},
	"another time":    {set("AsOf", forgedTime), otherColumns},
	"time no time":    {set("AsOf", nil, "AsOf", true), "its columns can't be read"},
	"moved elsewhen":  {set("Moved", forgedTime), otherColumns},
	"another name":    {set("Name", "y"), otherColumns},
	"a column more":   {set("Note", "x"), otherColumns},
}

// TestAReaderThatWasAlteredIsNamed by each that reads it, and by verify, and is forgotten as the
// error says.
func TestAReaderThatWasAlteredIsNamed(t *testing.T) {
	for name, c := range alteredReaders {
		t.Run(name, func(t *testing.T) {
			l := newLibrary(t)
			l.move("X.1", 7)
			l.move("y", 9)
			require.Empty(t, l.flaws())
			l.tamper("x.1", c.change)
			l.named(c.says, true)
		})
	}
	t.Run("copied from another reader", func(t *testing.T) {
		l := newLibrary(t)
		l.move("X.1", 7)
		l.move("y", 9)
		l.tamper("x.1", func(row map[string]any) {
			maps.Copy(row, l.get("readers", "reader", "y"))
			row["RowKey"] = "x.1"
		})
		l.named(otherColumns, true)
	})
}

// TestAReaderWhoseCheckWasForgedIsNamed too: the check is no secret, but what signs cursors is.
func TestAReaderWhoseCheckWasForgedIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *cursors.Reader)
		says   string
		listed bool // a list sees it: it reads no cursor
	}{
		"no cursor": {func(r *cursors.Reader) { r.Cursor = "garbage" }, "its cursor is none that this app gave", false},
		"another time": {func(r *cursors.Reader) { r.AsOf = r.Moved },
			"its cursor is of another time than it says", false},
		"another name":     {func(r *cursors.Reader) { r.Name = "y" }, "its name is not the one of its key", true},
		"name that is not": {func(r *cursors.Reader) { r.Name = "x/1" }, "its name is not the one of its key", true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLibrary(t)
			l.move("X.1", 7)
			l.forge("x.1", c.change)
			l.named(c.says, c.listed)
		})
	}
}

// named checks that the row of reader X.1 is named, and that the reader can be forgotten.
func (l *library) named(says string, listed bool) {
	_, asked := l.of.OfReader(l.Context(), "x.1")
	_, _, moved := l.of.Advance(l.Context(), "x.1", l.text(20))
	errs := []error{asked, moved}
	if _, _, err := l.of.List(l.Context(), "", 10); listed {
		errs = append(errs, err)
	} else {
		require.NoError(l, err)
	}
	for _, err := range errs {
		require.Equal(l, entra.CodeTampered, entra.CodeOf(err))
		require.ErrorContains(l, err, "row x.1 of table readers is not what was written: "+says)
		require.ErrorContains(l, err, "DELETE /api/readers/")
	}
	flaws := l.flaws()
	require.Len(l, flaws, 1)
	require.Equal(l, []any{verify.DiffDerived, "readers", "x.1"},
		[]any{flaws[0].Difference, flaws[0].Table, flaws[0].Row})
	require.Contains(l, flaws[0].Detail, says)
	require.Contains(l, flaws[0].Detail, "DELETE /api/readers/")
	was, err := l.of.Delete(l.Context(), "x.1")
	require.NoError(l, err)
	require.True(l, was)
	require.Empty(l, l.flaws())
	l.move("x.1", 20)
}

// TestARowThatNoReaderHasIsNamed with what removes it: no name leads to it.
func TestARowThatNoReaderHasIsNamed(t *testing.T) {
	for key, says := range map[string]string{
		"X":                      "delete the row",
		"x~":                     "delete the row",
		"~7E":                    "delete the row",
		"a b":                    "delete the row",
		strings.Repeat("x", 300): "delete the row",
		"mine":                   "DELETE /api/readers/mine",
	} {
		l := newLibrary(t)
		l.move("y", 9)
		l.put("readers", map[string]any{"PartitionKey": "reader", "RowKey": key, "Name": "mine"})
		flaws := l.flaws()
		require.Len(t, flaws, 1, key)
		require.Contains(t, flaws[0].Detail, says, key)
		_, _, err := l.of.List(t.Context(), "", 10)
		require.Equal(t, entra.CodeTampered, entra.CodeOf(err), key)
		require.ErrorContains(t, err, says, key)
	}
	l := newLibrary(t)
	l.move("y", 9)
	l.put("readers", map[string]any{"PartitionKey": "mine", "RowKey": "x"})
	flaws := l.flaws()
	require.Len(t, flaws, 1)
	require.Equal(t, []any{verify.DiffAdded, "mine x"}, []any{flaws[0].Difference, flaws[0].Row})
	list, _, err := l.of.List(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, list, 1, "nothing reads it")
}

// TestWithoutTheSecretReadersAreNoFlaw, and the search for flaws makes none.
func TestWithoutTheSecretReadersAreNoFlaw(t *testing.T) {
	l := newLibrary(t)
	l.move("y", 9)
	l.remove("secrets", "secret", "cursors")
	other, err := tablestest.New(tables.Config{ConnectionString: l.service.ConnectionString(), HTTP: l.service.Client()})
	require.NoError(t, err)
	require.Empty(t, flawsOf(t, other.ReaderFlaws(t.Context())))
	require.Empty(t, l.service.Rows("secrets"))
	_, err = other.Secret(t.Context(), "cursors")
	require.NoError(t, err)
	require.Empty(t, flawsOf(t, other.ReaderFlaws(t.Context())), "its cursor is of another archive")
}
