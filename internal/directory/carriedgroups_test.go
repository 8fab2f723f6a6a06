package directory_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
)

// Users are refused; the group of exceptions is read. Who was put into it today must not be listed.
func TestExceptionsOfTodayCountWhereUsersAreOfYesterday(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.groups = []string{exceptions}
		h.addUser("a", 50)
		h.addUser("b", 50)
		h.tenant.AddObject(simtenant.GroupMembers, fmt.Appendf(nil,
			`{"@odata.type":"#microsoft.graph.user","id":"a","groupId":%q}`, exceptions))
		h.at(0)
		h.tenant.AddObject(simtenant.GroupMembers, fmt.Appendf(nil,
			`{"@odata.type":"#microsoft.graph.user","id":"b","groupId":%q}`, exceptions))
		l := &lossy{house: h}
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.Users,
			Question: simtenant.ForPage})
		snap := l.until(day)
		require.NotNil(t, snap.WhyCarried("users"))
		require.EqualValues(t, 2, snap.Groups[0].Members, "the group was read")
		rows, err := h.withoutExceptions()
		require.NoError(t, err)
		require.Empty(t, rows)
	})
}

// TestWhoIsSparedByANewerGroupIsToldOnceUsersAreBack: nothing is passed over because of a group
// that somebody was in for a night.
func TestWhoIsSparedByANewerGroupIsToldOnceUsersAreBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.groups = []string{exceptions}
		h.addUser("a", 50)
		h.addUser("b", 50)
		h.at(0)
		member := fmt.Appendf(nil, `{"@odata.type":"#microsoft.graph.user","id":"b","groupId":%q}`, exceptions)
		h.tenant.AddObject(simtenant.GroupMembers, member)
		l := &lossy{house: h}
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.Users,
			Question: simtenant.ForPage})
		l.until(day)
		q := directory.UserQuery{Days: 30, State: directory.Inactive, Exclude: []string{exceptions}}
		page, err := h.reader.Users(t.Context(), q, 1, true, "")
		require.NoError(t, err)
		require.EqualValues(t, 1, *page.Count)
		require.Len(t, page.Rows, 1)
		require.Empty(t, page.Next+page.Cursor, "b was not told, and would never be by a cursor")
		h.tenant.ClearFaults()
		h.tenant.RemoveObject(simtenant.GroupMembers, "b")
		l.until(2 * day)
		ids, _ := h.tells(q, directory.NewSince{})
		require.Equal(t, "a b", ids)
	})
}

// TestACursorStaysWhereSomebodyIsSparedByANewerGroup, on whichever page that is.
func TestACursorStaysWhereSomebodyIsSparedByANewerGroup(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.groups = []string{exceptions}
		h.addUser("z", 60)
		h.at(0)
		q := directory.UserQuery{Days: 30, State: directory.Inactive, Exclude: []string{exceptions}}
		ids, first := h.tells(q, directory.NewSince{})
		require.Equal(t, "z", ids)
		for i, name := range []string{"b", "c", "d", "e", "f"} {
			h.addUser(name, 50-i)
		}
		l := &lossy{house: h}
		l.until(day)
		h.tenant.AddObject(simtenant.GroupMembers,
			fmt.Appendf(nil, `{"@odata.type":"#microsoft.graph.user","id":"b","groupId":%q}`, exceptions))
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.Users,
			Question: simtenant.ForPage})
		l.until(2 * day)
		ids, cursor := h.tells(q, since(first))
		require.Equal(t, "c d e f", ids)
		require.Equal(t, first, cursor)
		h.tenant.ClearFaults()
		h.tenant.RemoveObject(simtenant.GroupMembers, "b")
		l.until(3 * day)
		ids, cursor = h.tells(q, since(cursor))
		require.Equal(t, "b c d e f", ids, "b is told, and the others again")
		ids, _ = h.tells(q, since(cursor))
		require.Empty(t, ids)
	})
}
