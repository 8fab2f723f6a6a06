package directory_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/rules"
)

// user is what a snapshot knows of one user.
func (h *house) user(id string, days int) (u directory.UserRow) {
	h.Helper()
	_, raw, err := h.reader.User(h.Context(), id, days)
	require.NoError(h, err)
	require.NoError(h, json.Unmarshal(raw, &u))
	return u
}

func idsOf(users []directory.UserRow) (ids []string) {
	for _, u := range users {
		ids = append(ids, u.ID)
	}
	return ids
}

// tenantUser is the id of one of the tenant's users.
func (h *house) tenantUser(n int) string {
	return gjson.GetBytes(h.tenant.Objects(simtenant.Users)[n], "id").Str
}

// TestWhoWasRestoredIsInNoAnswerUntilTheGraceIsOver: in the list, in its count, for the single
// user, and in what is new, whatever the days. Then the user is told once.
func TestWhoWasRestoredIsInNoAnswerUntilTheGraceIsOver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, made())
		h.grace = 14 * day
		h.addUser("a", 500)
		h.addUser("b", 500)
		h.at(0)
		before := h.users(quiet, 999)
		_, told := h.tells(quiet, directory.NewSince{})

		h.archive["restored a"] = now.Add(-day)
		h.at(day)
		for _, days := range []int{1, 30, 400} {
			q := directory.UserQuery{Days: days, State: directory.Inactive}
			inactive := h.users(q, 999)
			require.NotContains(t, idsOf(inactive), "a", "%d days", days)
			require.Contains(t, idsOf(inactive), "b", "%d days", days)
			page, err := h.reader.Users(t.Context(), q, 1, true, "")
			require.NoError(t, err)
			require.EqualValues(t, len(inactive), *page.Count)
		}
		require.Len(t, h.users(quiet, 999), len(before)-1)
		all := h.users(directory.UserQuery{Days: 30}, 100)
		require.Len(t, all, 1302)
		listed := all[slices.Index(idsOf(all), "a")]
		one := h.user("a", 30)
		require.Equal(t, listed, one, "the list and the single user agree")
		require.Equal(t, directory.Active, one.State)
		require.Equal(t, rules.ByGrace, one.DecidedBy)
		require.Equal(t, "2026-12-04T12:00:00Z", one.GraceUntil)
		require.Equal(t, stamp(now.Add(-500*day)), one.InactiveSince, "the last sign of life is said")
		require.Equal(t, 501, *one.DaysInactive)
		ids, told := h.tells(quiet, since(told))
		require.NotContains(t, strings.Fields(ids), "a")

		h.at(12 * day)
		require.NotContains(t, idsOf(h.users(quiet, 999)), "a")
		_, told = h.tells(quiet, since(told))
		h.at(13 * day) // on the very moment
		require.Contains(t, idsOf(h.users(quiet, 999)), "a")
		ids, told = h.tells(quiet, since(told))
		require.Contains(t, strings.Fields(ids), "a", "it entered")
		require.NotContains(t, strings.Fields(ids), "b", "it was there")
		require.Equal(t, rules.BySuccess, h.user("a", 30).DecidedBy)
		h.at(14 * day)
		ids, _ = h.tells(quiet, since(told))
		require.NotContains(t, strings.Fields(ids), "a", "it is told once")

		h.grace = 0
		h.archive["restored a"] = now.Add(14 * day)
		h.at(15 * day)
		require.Contains(t, idsOf(h.users(quiet, 999)), "a", "the setting switches it off")
	})
}

// TestAGraceIsKnownWhereActivityIsNot.
func TestAGraceIsKnownWhereActivityIsNot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, made())
		h.grace = day
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoLicence, Stream: simtenant.Users})
		some := h.tenantUser(5)
		h.archive["restored "+some] = now
		h.archive[h.tenantUser(6)] = now.Add(-50 * day)
		h.at(day - 1)
		one := h.user(some, 30)
		require.Equal(t, directory.Active, one.State)
		require.Empty(t, one.InactiveSince)
		require.Nil(t, one.DaysInactive)
		require.Empty(t, h.users(quiet, 10), "what came after an old success is not known")
		require.Len(t, h.users(directory.UserQuery{Days: 30, State: directory.Unknown}, 999), 1299)
		h.at(day)
		require.Equal(t, directory.Unknown, h.user(some, 30).State)
	})
}

// TestWhatTheArchiveKnewStaysKnown in the next snapshot, unless a row of it was changed: then it is
// read from the begin.
func TestWhatTheArchiveKnewStaysKnown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, made())
		some := h.tenantUser(5)
		h.archive[some] = now.Add(-50 * day)
		first := h.at(0)
		require.Len(t, first.Archived, 1)
		require.Equal(t, 1, first.Archived[0].Users)
		last := h.user(some, 30).LastArchived
		require.NotEmpty(t, last)
		delete(h.archive, some)
		second := h.at(day)
		require.Equal(t, last, h.user(some, 30).LastArchived, "the snapshot before knew it")
		name := second.Archived[0].Name()
		require.NoError(t, h.store.Delete(t.Context(), second.ID, directory.ReadSeen, []string{name + "_" + some}))
		h.at(2 * day)
		require.Empty(t, h.user(some, 30).LastArchived, "nothing of it is gone on with")
	})
}

// In an ordinary tenant: Graph leaves out the activity of some users for good, and one of them was
// restored. Every question that is about users of whom it is not known is refused as tampered with.
func TestAGraceOfAUserWhoseActivityIsLeftOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, made())
		h.grace = 14 * day
		h.take()
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.BlankSame, Records: 40})
		for night := 1; night <= 3; night++ {
			h.tenant.Freeze(now.Add(time.Duration(night) * day))
			h.take()
		}
		unknown := h.users(directory.UserQuery{Days: 90, State: directory.Unknown}, 999)
		require.NotEmpty(t, unknown)
		h.archive["restored "+unknown[0].ID] = now.Add(3 * day)
		h.tenant.Freeze(now.Add(4 * day))
		h.take()
		never := false
		for _, q := range []directory.UserQuery{{Days: 90, State: directory.Unknown}, {Days: 90, Never: &never}} {
			_, err := h.reader.Users(t.Context(), q, 999, false, "")
			if err == nil {
				err = h.reader.EachUser(t.Context(), q, func(directory.UserRow) error { return nil })
			}
			require.NoError(t, err)
		}
	})
}

// The count of users of whom it is not known has one more than the list: the one in a grace.
func TestTheCountOfUnknownUsersIsThatOfTheList(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, made())
		h.grace = 14 * day
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoLicence, Stream: simtenant.Users})
		h.archive["restored "+h.tenantUser(5)] = now
		h.at(day)
		q := directory.UserQuery{Days: 30, State: directory.Unknown}
		page, err := h.reader.Users(t.Context(), q, 1, true, "")
		require.NoError(t, err)
		require.EqualValues(t, len(h.users(q, 999)), *page.Count)
	})
}
