package directory_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// quiet asks for those who have been inactive for 30 days.
var quiet = directory.UserQuery{Days: 30, State: directory.Inactive}

// addUser adds a user whose last sign-in was some days before now.
func (h *house) addUser(name string, days int) {
	h.tenant.AddObject(simtenant.Users, fmt.Appendf(nil, `{"id":%q,"userPrincipalName":"%[1]s@x","accountEnabled":true,
		"createdDateTime":"2020-01-01T00:00:00Z","signInActivity":{"lastSuccessfulSignInDateTime":%q}}`,
		name, stamp(now.Add(-time.Duration(days)*day))))
}

// at takes a snapshot some time after now.
func (h *house) at(after time.Duration) directory.Snapshot {
	h.Helper()
	h.tenant.Freeze(now.Add(after))
	return h.take()
}

// tells asks for what is new, and gives the ids in order and the next cursor.
func (h *house) tells(q directory.UserQuery, since directory.NewSince) (ids, cursor string) {
	h.Helper()
	c := caller{users: &q}
	p, err := c.all(h.T, h.reader, since, 2)
	require.NoError(h, err)
	return strings.Join(p.ids, " "), p.cursor
}

func since(cursor string) directory.NewSince { return directory.NewSince{Cursor: cursor} }

func TestAllPagesOfAnAnswerAreOfOneSnapshotAndOneCursor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.addUser("a", 50)
		h.at(0)
		_, first := h.tells(quiet, directory.NewSince{})
		_, _, err := h.cursors.Advance(t.Context(), "weekly", first)
		require.NoError(t, err)
		for _, name := range []string{"b", "c", "d"} {
			h.addUser(name, 40)
		}
		snap := h.at(day)
		q := quiet
		q.NewSince.Reader = "Weekly" // case does not count
		page, err := h.reader.Users(t.Context(), q, 2, false, "")
		require.NoError(t, err)
		require.Len(t, page.Rows, 2)
		require.Empty(t, page.Cursor)

		// Between the pages a snapshot finishes, and another flow moves the reader to it.
		h.addUser("e", 40)
		h.at(2 * day)
		_, newest := h.tells(quiet, directory.NewSince{})
		_, moved, err := h.cursors.Advance(t.Context(), "weekly", newest)
		require.NoError(t, err)
		require.True(t, moved)
		rest, err := h.reader.Users(t.Context(), q, 2, false, page.Next)
		require.NoError(t, err)
		require.Len(t, rest.Rows, 1)
		require.Equal(t, page.Answered, rest.Answered)
		require.Equal(t, snap.ID, rest.Snapshot.ID)

		ids, _ := h.tells(quiet, since(rest.Cursor))
		require.Equal(t, "e", ids, "its cursor is of the snapshot of its pages")
		_, moved, err = h.cursors.Advance(t.Context(), "weekly", rest.Cursor)
		require.NoError(t, err)
		require.False(t, moved, "never back")
	})
}

func TestUntilThereIsANewSnapshotTheAnswerIsEmptyAndTheCursorTheSame(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.addUser("a", 50)
		h.at(0)
		ids, _ := h.tells(quiet, directory.NewSince{Previous: true})
		require.Equal(t, "a", ids, "of the first snapshot everything is new")
		ids, cursor := h.tells(quiet, directory.NewSince{})
		require.Equal(t, "a", ids)
		h.tenant.Freeze(now.Add(20 * time.Hour))
		ids, again := h.tells(quiet, since(cursor))
		require.Empty(t, ids)
		require.Equal(t, cursor, again)
		_, err := h.reader.Users(t.Context(), directory.UserQuery{Days: 31, State: directory.Inactive,
			NewSince: since(cursor)}, 1, false, "")
		require.ErrorIs(t, err, timeline.ErrOtherQuestion)
	})
}

func TestTheTimeOfAnAnswerFindsItsSnapshot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.addUser("a", 50)
		h.at(0)
		c := caller{users: &quiet}
		// The app's clock is ahead of the tenant's, by which the next snapshot is finished.
		h.reader = directory.NewReader(h.store, h.cursors, func() time.Time { return h.tenant.Now().Add(4 * time.Minute) })
		h.tenant.Freeze(now.Add(day - time.Second))
		got, err := c.all(t, h.reader, directory.NewSince{}, 9)
		require.NoError(t, err)
		h.addUser("b", 40)
		h.at(day)
		ids, _ := h.tells(quiet, directory.NewSince{At: got.answered})
		require.Equal(t, "b", ids)

		for name, c := range map[string]struct {
			since directory.NewSince
			ids   string
			code  entra.Code
		}{
			"before the archive":  {since: directory.NewSince{At: now.Add(-day)}, ids: "a b"},
			"in the future":       {since: directory.NewSince{At: now.Add(2 * day)}, code: entra.CodeBadRequest},
			"the snapshot before": {since: directory.NewSince{Previous: true}, ids: "b"},
			"now":                 {since: directory.NewSince{At: now.Add(day)}},
		} {
			q := quiet
			q.NewSince = c.since
			_, err := h.reader.Users(t.Context(), q, 9, false, "")
			require.Equal(t, c.code != "", err != nil, name)
			if err != nil {
				require.Equal(t, c.code, entra.CodeOf(err), name)
				continue
			}
			ids, _ := h.tells(quiet, c.since)
			require.Equal(t, c.ids, ids, name)
		}
	})
}

func TestCursorsOfAnotherArchiveOrOfLongAgoAreGone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h, other := open(t, simtenant.Config{}), open(t, simtenant.Config{})
		for _, one := range []*house{h, other} {
			one.addUser("a", 50)
			one.at(0)
		}
		_, cursor := h.tells(quiet, directory.NewSince{})
		_, foreign := other.tells(quiet, directory.NewSince{})
		h.at(401 * day)
		for text, want := range map[string]error{foreign: timeline.ErrForeign, cursor: timeline.ErrTooOld,
			cursor[:len(cursor)-2] + "AA": timeline.ErrAltered, "A" + cursor[1:]: timeline.ErrAltered} {
			q := quiet
			q.NewSince.Cursor = text
			_, err := h.reader.Users(t.Context(), q, 9, false, "")
			require.ErrorIs(t, err, want)
		}
		kept := cursors.Reader{Key: "old", Name: "old", Cursor: cursor, AsOf: now}
		_, err := h.store.SaveReader(t.Context(), kept)
		require.NoError(t, err)
		q := quiet
		q.NewSince.Reader = "old"
		_, err = h.reader.Users(t.Context(), q, 9, false, "")
		require.Equal(t, entra.CodeTokenExpired, entra.CodeOf(err))
		require.Contains(t, err.Error(), "DELETE /api/readers/old")
	})
}

// asVersionBefore makes the newest snapshot one that has no timelines.
func (h *house) asVersionBefore() {
	snap, err := h.reader.Current(h.Context())
	require.NoError(h, err)
	snap.Timelines = false
	_, err = h.store.SaveSnapshot(h.Context(), snap)
	require.NoError(h, err)
}

func TestASnapshotOfTheVersionBeforeIsGoneOnWith(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.addUser("a", 50)
		h.addUser("b", 29)
		addApps(h.tenant, 2)
		h.at(0)
		_, old := h.tells(quiet, directory.NewSince{})
		h.at(time.Hour)
		h.asVersionBefore()
		page, err := h.reader.Users(t.Context(), quiet, 9, false, "")
		require.NoError(t, err)
		require.Len(t, page.Rows, 1)
		require.Empty(t, page.Cursor, "it can't be gone on with")
		q := quiet
		q.NewSince.At = now.Add(30 * time.Minute)
		_, err = h.reader.Users(t.Context(), q, 9, false, "")
		require.Equal(t, entra.CodeNoSnapshot, entra.CodeOf(err))

		h.at(2 * day)
		ids, _ := h.tells(quiet, directory.NewSince{At: now.Add(day)})
		require.Equal(t, "b", ids, "a was inactive before the upgrade, too")
		ids, _ = h.tells(quiet, directory.NewSince{Previous: true})
		require.Equal(t, "b", ids)
		keys := caller{creds: &directory.CredentialQuery{}}
		got, err := keys.all(t, h.reader, directory.NewSince{At: now.Add(day)}, 9)
		require.NoError(t, err)
		require.Empty(t, got.ids, "nor are their credentials new")
		q.NewSince = since(old)
		_, err = h.reader.Users(t.Context(), q, 9, false, "")
		require.ErrorIs(t, err, timeline.ErrTooOld, "what was before is not remembered")
	})
}

func TestWhoMayBeThereThoughHeDidNotComeIsNotToldTwice(t *testing.T) {
	for _, confirmed := range []bool{false, true} {
		subtest(t, fmt.Sprint("confirmed ", confirmed), func(t *testing.T) {
			n := newNight(t)
			n.addUser("zz", 50)
			raw := n.tenant.Objects(simtenant.Users)[50]
			n.whole(0)
			_, cursor := n.tells(quiet, directory.NewSince{})
			if !confirmed {
				n.tenant.Inject(simtenant.Fault{Kind: simtenant.UnsupportedQuery, Question: simtenant.ForCount})
				n.tenant.Inject(simtenant.Fault{Kind: simtenant.Refused, Status: http.StatusNotImplemented,
					Question: simtenant.ForIDs})
			}
			n.tenant.RemoveObject(simtenant.Users, "zz")
			snap := n.whole(day)
			require.Equal(t, !confirmed, snap.WhyUndisclosed("all users") != nil)
			ids, next := n.tells(quiet, since(cursor))
			require.NotContains(t, ids, "zz")
			n.tenant.ClearFaults()
			n.tenant.ChangeObject(simtenant.Users, "zz", raw)
			require.Empty(t, n.whole(2*day).Undisclosed)
			for _, c := range []string{cursor, next} {
				ids, _ = n.tells(quiet, since(c))
				require.Equal(t, confirmed, strings.Contains(ids, "zz"), ids)
			}
		})
	}
}

// packOf are those of some ids whose timelines are in the first row of them.
func (v *vault) packOf(ids string) (key, of string) {
	key = v.first(directory.UserTimelines)
	snap, err := v.reader.Current(v.Context())
	require.NoError(v, err)
	row, err := v.store.Row(v.Context(), snap.ID, directory.UserTimelines, key, true)
	require.NoError(v, err)
	var there []string
	for _, id := range strings.Fields(ids) {
		if strings.Contains(string(row.Doc), `"`+id+`"`) {
			there = append(there, id)
		}
	}
	require.NotEmpty(v, there)
	require.Less(v, len(there), len(strings.Fields(ids)))
	return key, strings.Join(there, " ")
}

func TestWhatWasChangedInTheSnapshotBeforeIsToldOnceMoreAndNothingElseIs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		v := newVault(t)
		all, cursor := v.tells(quiet, directory.NewSince{})
		key, there := v.packOf(all)
		var logged strings.Builder
		v.log = slog.New(slog.NewTextHandler(&logged, nil))
		v.change(v.table, "timelines-users", key, func(row map[string]any) { row["Record"] = "AAAA" })
		require.Len(t, v.flaws(), 1)
		v.table = "snapshot" + v.at(time.Hour).ID
		ids, _ := v.tells(quiet, since(cursor))
		require.Equal(t, there, ids)
		require.Contains(t, logged.String(), "timelines-users")

		// Without the list, nothing of the time before is known: that is no new beginning in
		// silence.
		v.change(v.table, "summaries", "snapshots", func(row map[string]any) { row["Record"] = "AAAA" })
		require.Len(t, v.flaws(), 2)
		q := quiet
		v.reader = directory.NewReader(v.store, v.cursors, v.tenant.Now) // of another process: it remembers nothing
		_, err := v.reader.Users(t.Context(), q, 9, false, "")
		require.Equal(t, entra.CodeTampered, entra.CodeOf(err), "%v", err)
		v.at(2 * time.Hour)
		q.NewSince.Cursor = cursor
		_, err = v.reader.Users(t.Context(), q, 9, false, "")
		require.ErrorIs(t, err, timeline.ErrTooOld)
		require.Contains(t, logged.String(), "cursors of answers from before it are refused")
	})
}

func TestATimelineThatWasChangedIsNoAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		v := newVault(t)
		all, _ := v.tells(quiet, directory.NewSince{})
		v.at(time.Hour)
		v.table = "snapshot" + v.at(2*time.Hour).ID
		key := v.first("users")
		snap, err := v.reader.Current(t.Context())
		require.NoError(t, err)
		row, err := v.store.Row(t.Context(), snap.ID, "users", key, true)
		require.NoError(t, err)
		line := gjson.GetBytes(row.Doc, "timeline")
		require.True(t, line.Exists())
		require.NotContains(t, all, "timeline")

		// Written as the app writes, by somebody who has its rights: what is no timeline is an
		// error.
		for _, text := range []string{`{"n":1,"f":2}`, `{"n":1,"f":1,"x":1}`, `7`} {
			row.Doc = []byte(strings.Replace(string(row.Doc), line.Raw, text, 1))
			require.NoError(t, v.store.Put(t.Context(), snap.ID, "users", []directory.Row{row}))
			q := directory.UserQuery{NewSince: directory.NewSince{Previous: true}}
			_, err = v.reader.Users(t.Context(), q, 9, false, "")
			require.Equal(t, entra.CodeTampered, entra.CodeOf(err), text)
			line.Raw = text
		}
	})
}

func TestWithoutItsSecretACursorIsForeignAndAChangedSecretIsNamed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		v := newVault(t)
		_, cursor := v.tells(quiet, directory.NewSince{})
		another := func() (*house, error) { // a process that remembers nothing
			store, err := tablestest.New(v.account)
			require.NoError(t, err)
			h := *v.house
			h.store, h.cursors = store, cursors.New(store, store, v.tenant.Now)
			h.reader = directory.NewReader(store, h.cursors, v.tenant.Now)
			q := quiet
			q.NewSince.Cursor = cursor
			_, err = h.reader.Users(t.Context(), q, 9, false, "")
			return &h, err
		}
		v.change("secrets", "secret", "cursors", func(row map[string]any) { row["Secret"] = "AAAA" })
		_, err := another()
		require.Equal(t, entra.CodeTampered, entra.CodeOf(err))
		require.Contains(t, err.Error(), "table secrets")
		v.remove("secrets", "secret", "cursors")
		h, err := another()
		require.ErrorIs(t, err, timeline.ErrForeign)
		ids, _ := h.tells(quiet, directory.NewSince{})
		require.NotEmpty(t, ids)
	})
}

func TestTimelinesOfANewerVersionAreNotGoneOnWith(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.addUser("a", 50)
		h.at(0)
		_, cursor := h.tells(quiet, directory.NewSince{})
		snap := h.at(time.Hour)
		row, err := h.store.Row(t.Context(), snap.ID, "summaries", "snapshots", true)
		require.NoError(t, err)
		row.Doc = []byte(strings.Replace(string(row.Doc), `"form":1`, `"form":2`, 1))
		require.NoError(t, h.store.Put(t.Context(), snap.ID, "summaries", []directory.Row{row}))
		h.addUser("b", 50)
		h.at(2 * time.Hour)
		q := quiet
		q.NewSince.Cursor = cursor
		_, err = h.reader.Users(t.Context(), q, 9, false, "")
		require.ErrorIs(t, err, timeline.ErrTooOld)
		ids, _ := h.tells(quiet, directory.NewSince{Previous: true})
		require.Equal(t, "b", ids, "the snapshot before is remembered as far as it was read")
	})
}

// TestAPageEndsThoughHardlyAnyRowIsNew: a request reads so many rows and no more, and the next page
// goes on.
func TestAPageEndsThoughHardlyAnyRowIsNew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.from = crowd{night: n, users: 21_000, size: 999}
		n.whole(0)
		all := directory.UserQuery{Days: 30}
		c := caller{users: &all}
		page, err := c.all(t, n.reader, directory.NewSince{}, 999)
		require.NoError(t, err)
		n.from = crowd{night: n, users: 21_001, size: 999}
		n.whole(day)
		q := all
		q.NewSince.Cursor = page.cursor
		first, err := n.reader.Users(t.Context(), q, 5, false, "")
		require.NoError(t, err)
		require.Empty(t, first.Rows)
		require.NotEmpty(t, first.Next)
		require.Empty(t, first.Cursor)
		last, err := n.reader.Users(t.Context(), q, 5, false, first.Next)
		require.NoError(t, err)
		require.Len(t, last.Rows, 1)
		require.NotEmpty(t, last.Cursor)
	})
}

// TestOfTwoSnapshotsAtOnceTheOlderIsNotWholeAfterTheNewer: timelines would go on with one of the
// two, and cursors of the other be lost.
func TestOfTwoSnapshotsAtOnceTheOlderIsNotWholeAfterTheNewer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.addUser("a", 50)
		h.at(0)
		_, cursor := h.tells(quiet, directory.NewSince{})
		h.addUser("b", 40)
		older := &atDecision{then: func(store directory.Store) {
			// While the older one is about to be decided, a newer one is begun and decided.
			h.wrap = func(s directory.Store) directory.Store { return unseen{s} }
			h.tenant.Freeze(h.tenant.Now().Add(time.Minute))
			h.addUser("c", 40)
			require.True(t, h.take().Timelines)
		}}
		h.wrap = func(s directory.Store) directory.Store { older.Store = s; return older }
		h.tenant.Freeze(now.Add(day))
		report, err := h.run(t.Context(), true)
		require.NoError(t, err)
		require.True(t, report.Overtaken)
		require.True(t, older.done)
		h.wrap = nil
		snaps, err := h.reader.State(t.Context())
		require.NoError(t, err)
		require.Equal(t, []directory.Stage{directory.Whole, directory.Dropped, directory.Whole},
			[]directory.Stage{snaps[0].Stage, snaps[1].Stage, snaps[2].Stage})
		ids, _ := h.tells(quiet, since(cursor))
		require.Equal(t, "b c", ids)
	})
}

// atDecision runs something once, before a snapshot's row says that the rules are applied.
type atDecision struct {
	directory.Store
	then func(directory.Store)
	done bool
}

func (s *atDecision) SaveSnapshot(ctx context.Context, snap directory.Snapshot) (directory.Snapshot, error) {
	if snap.Decides == 1 && !s.done {
		s.done = true
		s.then(s.Store)
	}
	return s.Store.SaveSnapshot(ctx, snap)
}

// unseen does not show what is being read, as if a run had looked before it was begun.
type unseen struct{ directory.Store }

func (s unseen) Snapshots(ctx context.Context, top int) ([]directory.Snapshot, error) {
	all, err := s.Store.Snapshots(ctx, top)
	for i := range all {
		if all[i].Stage == directory.Reading && i == 0 {
			return all[1:], err
		}
	}
	return all, err
}

func TestRowsOfAnswersShowNoTimeline(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, small())
		h.take()
		page, err := h.reader.Users(t.Context(), directory.UserQuery{Days: 1}, 999, false, "")
		require.NoError(t, err)
		for _, raw := range page.Rows {
			require.True(t, json.Valid(raw))
			require.NotContains(t, string(raw), "timeline")
		}
		// A name that looks like one stays whole.
		h.tenant.AddObject(simtenant.Users, []byte(`{"id":"odd","userPrincipalName":"odd@x","displayName":"x\",\"timeline\":{}",
			"createdDateTime":"2020-01-01T00:00:00Z"}`))
		h.at(time.Hour)
		_, row, err := h.reader.User(t.Context(), "odd", 30)
		require.NoError(t, err)
		require.Equal(t, `x","timeline":{}`, gjson.GetBytes(row, "displayName").Str)
		for _, u := range h.users(directory.UserQuery{Days: 30}, 999) {
			if u.ID == "odd" {
				require.Equal(t, `x","timeline":{}`, u.DisplayName)
			}
		}
	})
}

func TestAPageEndsBetweenIDsOfWhichOneBeginsTheOther(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		for _, id := range []string{"ann", "ann-b", "ann.c"} {
			h.addUser(id, 50)
		}
		h.at(0)
		require.Len(t, h.users(quiet, 1), 3)
	})
}
