package cursors_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// present is the clock of the tests.
var present = time.Date(2026, 11, 26, 7, 0, 0, 123_456_700, time.UTC)

// desk is an archive in memory, its cursors, and its id.
type desk struct {
	*testing.T
	service *memstorage.Service
	store   *tablestest.Store
	*cursors.Cursors
	archive string
}

func newDesk(t *testing.T) *desk {
	service := memstorage.New(time.Now)
	d := &desk{T: t, service: service}
	d.restart()
	return d
}

// restart is another process of the app, with the same storage.
func (d *desk) restart() {
	var err error
	d.store, err = tablestest.New(tables.Config{ConnectionString: d.service.ConnectionString(),
		HTTP: d.service.Client()})
	require.NoError(d, err)
	d.Cursors = cursors.New(d.store, d.store, func() time.Time { return present })
	d.archive, err = d.Archive(d.Context())
	require.NoError(d, err)
}

// of is the cursor of an answer to a question from the snapshot of a day.
func (d *desk) of(question string, day int, earlier ...int) timeline.Cursor {
	at := time.Date(2026, 11, day, 1, 10, 0, 0, time.UTC)
	return timeline.Cursor{Archive: d.archive, Question: question, Number: int(at.Unix()), AsOf: at, Earlier: earlier}
}

func (d *desk) text(c timeline.Cursor) string {
	text, err := d.Seal(d.Context(), c)
	require.NoError(d, err)
	return text
}

// dayOf is the day of the snapshot up to which a cursor has told; 0: it has told nothing.
func dayOf(c timeline.Cursor) int {
	if c.Number == 0 {
		return 0
	}
	return c.AsOf.Day()
}

func TestACursorThatWasSealedIsOpenedByEachProcess(t *testing.T) {
	d := newDesk(t)
	want := d.of("q", 7, 3, 0)
	text, archive := d.text(want), d.archive
	d.restart()
	require.Equal(t, archive, d.archive)
	got, err := d.Open(t.Context(), text)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestTheArchivesIDTellsNothingOfItsSecret(t *testing.T) {
	d := newDesk(t)
	secret, err := d.store.Secret(t.Context(), "cursors")
	require.NoError(t, err)
	require.Len(t, d.archive, 12)
	require.NotContains(t, string(secret), d.archive)
	require.NotEqual(t, newDesk(t).archive, d.archive)
	require.Len(t, d.service.Rows("secrets"), 1, "nothing but the secret is stored")
}

func TestACursorThatIsNotTheAppsIsRefused(t *testing.T) {
	d := newDesk(t)
	good, foreign := d.text(d.of("q", 7)), newDesk(t)
	other := foreign.text(foreign.of("q", 7))
	for name, c := range map[string]struct {
		text string
		is   error
		code entra.Code
	}{
		"empty":         {"", timeline.ErrAltered, entra.CodeBadRequest},
		"a word":        {"previous", timeline.ErrAltered, entra.CodeBadRequest},
		"a time":        {"2026-11-26T07:00:00Z", timeline.ErrAltered, entra.CodeBadRequest},
		"cut":           {good[:len(good)-4], timeline.ErrAltered, entra.CodeBadRequest},
		"longer":        {good + "AAAA", timeline.ErrAltered, entra.CodeBadRequest},
		"twice":         {good + good, timeline.ErrAltered, entra.CodeBadRequest},
		"signature":     {flipped(good, 3), timeline.ErrAltered, entra.CodeBadRequest},
		"in quotes":     {`"` + good + `"`, timeline.ErrAltered, entra.CodeBadRequest},
		"much too long": {strings.Repeat("A", 5001), timeline.ErrAltered, entra.CodeBadRequest},
		"of an archive": {other, timeline.ErrForeign, entra.CodeTokenExpired},
		"of no archive": {strings.Repeat("A", 5000), timeline.ErrAltered, entra.CodeBadRequest},
	} {
		_, err := d.Open(t.Context(), c.text)
		require.ErrorIs(t, err, c.is, name)
		require.Equal(t, c.code, entra.CodeOf(err), name)
	}
}

// flipped changes one character of a text.
func flipped(text string, at int) string {
	other := "A"
	if text[at] == 'A' {
		other = "B"
	}
	return text[:at] + other + text[at+1:]
}

func TestTheLongestCursorThatTheAppGivesIsTaken(t *testing.T) {
	d := newDesk(t)
	c := d.of("0123456789ab", 26)
	for n := c.Number; len(c.Earlier) < 400; n -= 1_234_567 {
		c.Earlier = append(c.Earlier, n-1_234_567)
	}
	text := d.text(c)
	require.Greater(t, len(text), 4000)
	got, err := d.Open(t.Context(), text)
	require.NoError(t, err)
	require.Equal(t, c, got)
	_, moved, err := d.Advance(t.Context(), "x", text)
	require.NoError(t, err)
	require.True(t, moved)
}
