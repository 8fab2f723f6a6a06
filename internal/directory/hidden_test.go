package directory_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/entra"
)

const exceptions = "11111111-2222-3333-4444-555555555555"

// withExceptions is a tenant with ten users, all in a group with two devices and a group.
func withExceptions(t *testing.T) *house {
	h := open(t, simtenant.Config{})
	h.groups = []string{exceptions}
	for i := range 10 {
		h.tenant.AddObject(simtenant.Users, member(i, false))
		h.tenant.AddObject(simtenant.GroupMembers, fmt.Appendf(nil,
			`{"@odata.type":"#microsoft.graph.user","id":"u%06d","groupId":%q}`, i, exceptions))
	}
	h.tenant.AddObject(simtenant.Users, member(10, true))
	for i, kind := range []string{"device", "device", "group"} {
		h.tenant.AddObject(simtenant.GroupMembers, fmt.Appendf(nil,
			`{"@odata.type":"#microsoft.graph.%s","id":"other%d","groupId":%q}`, kind, i, exceptions))
	}
	return h
}

func (h *house) withoutExceptions() ([]directory.UserRow, error) {
	q := directory.UserQuery{Days: 30, State: directory.Inactive, Exclude: []string{exceptions}}
	if _, err := h.reader.Users(h.Context(), q, 999, true, ""); err != nil {
		return nil, err
	}
	return h.users(q, 999), nil
}

func TestOfAGroupsMembersTheUsersAreRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := withExceptions(t)
		require.EqualValues(t, 10, h.take().Groups[0].Members)
		rows, err := h.withoutExceptions()
		require.NoError(t, err)
		require.Empty(t, rows)
	})
}

// TestAnExceptionWhoseMembersAreHiddenIsRefused though Graph answers 200 with an empty list.
func TestAnExceptionWhoseMembersAreHiddenIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := withExceptions(t)
		h.tenant.HideMembers(exceptions)
		snap := h.take()
		require.Len(t, snap.Undisclosed, 1)
		require.Equal(t, "group "+exceptions, snap.Undisclosed[0].What)
		_, err := h.withoutExceptions()
		require.Equal(t, entra.CodePermission, entra.CodeOf(err))
		require.ErrorContains(t, err, "its membership is hidden, and Graph then gives none of them, without an error; "+
			"grant the app's identity the Microsoft Graph application permission Member.Read.Hidden")
		require.Len(t, h.users(directory.UserQuery{Days: 30, State: directory.Inactive}, 999), 10, "others answer")

		h.tenant.Grant("Member.Read.Hidden")
		h.tenant.RevokeTokens()
		h.source = h.directory(h.wire, token{h.wire}, 1_000_000)
		h.tenant.Freeze(now.Add(day))
		require.Empty(t, h.take().Undisclosed)
		rows, err := h.withoutExceptions()
		require.NoError(t, err)
		require.Empty(t, rows)
	})
}

// TestAGroupThatTurnsHiddenIsDoubtedForAnHour as any refusal of what was disclosed.
func TestAGroupThatTurnsHiddenIsDoubtedForAnHour(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := withExceptions(t)
		h.take()
		h.tenant.HideMembers(exceptions)
		h.tenant.Freeze(now.Add(day))
		report, err := h.run(t.Context(), true)
		require.NoError(t, err)
		require.ErrorContains(t, report.Doubt, "Member.Read.Hidden")
		rows, err := h.withoutExceptions()
		require.NoError(t, err)
		require.Empty(t, rows, "the snapshot before answers")
		h.tenant.Freeze(now.Add(day + time.Hour))
		require.NotNil(t, h.take().WhyCarried("group "+exceptions))
		rows, err = h.withoutExceptions()
		require.NoError(t, err)
		require.Empty(t, rows, "yesterday's members are left out")
		h.tenant.Freeze(now.Add(4 * day))
		h.take()
		_, err = h.withoutExceptions()
		require.Equal(t, entra.CodePermission, entra.CodeOf(err))
	})
}

// A page of an exception's members is lost, and Graph refuses to count: nobody can say whether who
// did not come is still a member.
func TestAMemberStaysAnExceptionUntilItIsConfirmedThatItLeft(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPaged(t)
		p.groups = []string{notedGroup}
		p.of["users"] = [][]string{{userOf("a", "2020-01-01T00:00:00Z", stamp(now.Add(-50*day))),
			userOf("b", "2020-01-01T00:00:00Z", stamp(now.Add(-50*day)))}}
		full := [][]string{{`{"id":"a"}`}, {`{"id":"c"}`}, {`{"id":"b"}`}}
		p.of[collections.GroupMembers] = full
		p.at(0)
		q := directory.UserQuery{Days: 30, State: directory.Inactive, Exclude: []string{notedGroup}}
		page, err := p.reader.Users(t.Context(), q, 9, false, "")
		require.NoError(t, err)
		require.Empty(t, page.Rows)
		p.uncounted = true
		p.of[collections.GroupMembers] = full[:2]
		snap := p.at(day)
		require.NotNil(t, snap.WhyUndisclosed("all members of group "+notedGroup))
		page, err = p.reader.Users(t.Context(), q, 9, false, "")
		require.NoError(t, err)
		require.Empty(t, page.Rows, "b was a member yesterday")
		p.at(2 * day)
		page, err = p.reader.Users(t.Context(), q, 9, false, "")
		require.NoError(t, err)
		require.Empty(t, page.Rows, "and is kept for as long as nothing confirms the contrary")
		p.uncounted = false
		p.at(3 * day)
		page, err = p.reader.Users(t.Context(), q, 9, false, "")
		require.NoError(t, err)
		require.Len(t, page.Rows, 1, "b is counted out")
	})
}

// unasked is the directory as a version before asked it: it did not ask whether members are hidden.
type unasked struct{ snapshots.Source }

func (unasked) Readable(context.Context, collections.Query) error { return nil }

func (b unasked) Count(ctx context.Context, q collections.Query) (int64, error) {
	if q.Collection.ByGroup() {
		return 0, nil // as hidden as the list
	}
	return b.Source.Count(ctx, q)
}

// A version before took the empty answer for a group without members. After the upgrade that empty
// list must not stand in for what is refused.
func TestAnEmptyListOfWhichNobodyAskedWhetherItIsHiddenStandsInForNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := withExceptions(t)
		h.tenant.HideMembers(exceptions)
		h.bend = unasked{h.source}
		snap := h.at(0)
		require.Zero(t, snap.Groups[0].Members)
		snap.Groups[0].Disclosed, snap.Asked = false, nil
		_, err := h.store.SaveSnapshot(t.Context(), snap)
		require.NoError(t, err)
		h.bend = nil
		l := &lossy{house: h}
		l.until(day)
		rows, err := h.withoutExceptions()
		require.Equal(t, entra.CodePermission, entra.CodeOf(err), "%d exceptions are listed", len(rows))
	})
}
