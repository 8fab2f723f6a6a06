package directory_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
)

// exceptionsOf reads groups that questions leave out.
func (h *house) exceptionsOf(store directory.Store) (*directory.Reader, *directory.Exceptions) {
	reader := directory.NewReader(store, h.cursors, h.tenant.Now)
	return reader, directory.NewExceptions(reader, h.source, 20*time.Second)
}

// withUnread is withExceptions, but snapshots do not read the group.
func withUnread(t *testing.T) *house {
	h := withExceptions(t)
	h.groups = nil
	return h
}

func inactiveWithout(items ...string) directory.UserQuery {
	return directory.UserQuery{Days: 30, State: directory.Inactive, Exclude: items}
}

// TestAGroupThatNoSnapshotReadsIsReadOnceForAQuestion and kept with its snapshot for all callers.
func TestAGroupThatNoSnapshotReadsIsReadOnceForAQuestion(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := withUnread(t)
		snap := h.take()
		_, err := h.reader.Users(t.Context(), inactiveWithout(exceptions), 9, false, "")
		require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err), "nobody has read it")
		for n := range 2 {
			_, e := h.exceptionsOf(h.store)
			asked, err := e.Read(t.Context(), inactiveWithout(exceptions), "")
			require.NoError(t, err)
			require.Equal(t, n == 0, asked)
		}
		h.tenant.RemoveObject(simtenant.GroupMembers, "u000003")
		rows, err := h.withoutExceptions()
		require.NoError(t, err)
		require.Empty(t, rows, "as it was read")
		page, err := h.reader.Users(t.Context(), inactiveWithout(exceptions), 9, true, "")
		require.NoError(t, err)
		require.Empty(t, page.Cursor, "the question can't be continued")
		require.Zero(t, *page.Count)
		for flaw, err := range h.store.SnapshotFlaws(t.Context()) {
			require.NoError(t, err)
			require.Empty(t, flaw)
		}

		h.tenant.Freeze(now.Add(day))
		next := h.take()
		require.NotEqual(t, snap.ID, next.ID)
		_, e := h.exceptionsOf(h.store)
		asked, err := e.Read(t.Context(), inactiveWithout(exceptions), "")
		require.NoError(t, err)
		require.True(t, asked, "a newer snapshot has it read anew")
		rows, err = h.withoutExceptions()
		require.NoError(t, err)
		require.Len(t, rows, 1)
	})
}

// TestPagesOfASnapshotLeaveOutWhatWasReadForIt though the group has other members by now, and a
// newer snapshot is current.
func TestPagesOfASnapshotLeaveOutWhatWasReadForIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := withUnread(t)
		for i := range 4 {
			h.tenant.AddObject(simtenant.Users, member(20+i, false))
		}
		h.take()
		_, e := h.exceptionsOf(h.store)
		asked, err := e.Read(t.Context(), inactiveWithout(exceptions), "")
		require.NoError(t, err)
		require.True(t, asked)
		first, err := h.reader.Users(t.Context(), inactiveWithout(exceptions), 2, false, "")
		require.NoError(t, err)
		require.Len(t, first.Rows, 2)
		h.tenant.RemoveObject(simtenant.GroupMembers, "u000003")
		h.tenant.Freeze(now.Add(day))
		h.take()
		asked, err = e.Read(t.Context(), inactiveWithout(exceptions), first.Next)
		require.NoError(t, err)
		require.False(t, asked)
		second, err := h.reader.Users(t.Context(), inactiveWithout(exceptions), 9, false, first.Next)
		require.NoError(t, err)
		require.Len(t, second.Rows, 2)
	})
}

// TestWhatIsNewIsNotToldBesideAGroupThatNoSnapshotReads and Graph is not asked for it.
func TestWhatIsNewIsNotToldBesideAGroupThatNoSnapshotReads(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := withUnread(t)
		h.take()
		_, e := h.exceptionsOf(h.store)
		for name, since := range map[string]directory.NewSince{"newSince": {Previous: true}, "reader": {Reader: "r"}} {
			q := inactiveWithout(exceptions)
			q.NewSince = since
			_, err := e.Read(t.Context(), q, "")
			require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err))
			require.ErrorContains(t, err, "read "+name)
			require.ErrorContains(t, err, "SNAPSHOT_GROUPS")
		}
		_, err := e.Read(t.Context(), inactiveWithout(exceptions), "")
		require.NoError(t, err)
		q := inactiveWithout(exceptions)
		q.NewSince = directory.NewSince{Previous: true}
		_, err = h.reader.Users(t.Context(), q, 9, false, "")
		require.ErrorContains(t, err, "SNAPSHOT_GROUPS", "nor once it was read")
	})
}

// TestAGroupOfAQuestionIsReadWholeOrRefused in each way in which Graph may give less.
func TestAGroupOfAQuestionIsReadWholeOrRefused(t *testing.T) {
	cases := map[string]struct {
		of    func(h *house)
		code  entra.Code
		words string
	}{
		"it is there": {of: func(*house) {}},
		"the tenant has no such": {func(h *house) { h.tenant.RemoveGroup(exceptions) }, entra.CodeBadRequest,
			"no group of the tenant"},
		"its members are hidden": {func(h *house) { h.tenant.HideMembers(exceptions) }, entra.CodePermission,
			"Member.Read.Hidden"},
		"no permission for groups": {func(h *house) { h.revoke("GroupMember.Read.All") }, entra.CodePermission,
			"GroupMember.Read.All"},
		"a page without members, once": {of: func(h *house) {
			h.tenant.Inject(simtenant.Fault{Kind: simtenant.EndsEmpty, Stream: simtenant.GroupMembers, Count: 1})
		}},
		"a page without members, ever": {func(h *house) {
			h.inject(simtenant.EndsEmpty, simtenant.ForPage, 0)
		}, entra.CodeUnavailable, "counts 10 users and gives 0"},
		"a page that is cut, and no count": {func(h *house) {
			h.inject(simtenant.EndsShort, simtenant.ForPage, 1)
			h.inject(simtenant.NoPermission, simtenant.ForCount, 0)
		}, entra.CodeUnavailable, "gives other users each time"},
		"no count": {of: func(h *house) {
			h.inject(simtenant.NoPermission, simtenant.ForCount, 0)
		}},
		"throttled": {func(h *house) {
			h.tenant.Inject(simtenant.Fault{Kind: simtenant.TooManyRequests, Stream: simtenant.GroupMembers})
		}, entra.CodeThrottled, ""},
		"out of order": {func(h *house) {
			h.tenant.Inject(simtenant.Fault{Kind: simtenant.Unavailable, Stream: simtenant.GroupMembers})
		}, entra.CodeUnavailable, ""},
		"silent": {func(h *house) {
			h.tenant.Inject(simtenant.Fault{Kind: simtenant.Slow, Stream: simtenant.GroupMembers, Delay: time.Hour})
		}, entra.CodeUnavailable, "within 20s"},
		"999 members": {of: func(h *house) { h.addMembers(989) }},
		"1,000 members": {func(h *house) { h.addMembers(990) }, entra.CodeBadRequest,
			"more than 999 users are members; name the group in SNAPSHOT_GROUPS"},
	}
	for name, c := range cases {
		subtest(t, name, func(t *testing.T) {
			h := withUnread(t)
			h.take()
			c.of(h)
			_, e := h.exceptionsOf(h.store)
			began := time.Now()
			asked, err := e.Read(t.Context(), inactiveWithout(exceptions), "")
			require.LessOrEqual(t, time.Since(began), 21*time.Second)
			if c.code != "" {
				require.Equal(t, c.code, entra.CodeOf(err), "%v", err)
				require.ErrorContains(t, err, c.words)
				_, err = h.withoutExceptions()
				require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err), "nothing is kept of it")
				return
			}
			require.NoError(t, err)
			require.True(t, asked)
			rows, err := h.withoutExceptions()
			require.NoError(t, err)
			require.Empty(t, rows)
		})
	}
}

func (h *house) revoke(permission string) {
	h.tenant.Revoke(permission, true)
	h.tenant.RevokeTokens()
	h.source = h.directory(h.wire, token{h.wire}, 1_000_000)
}

// inject has a question about members misled, so many times; 0: always.
func (h *house) inject(kind simtenant.Kind, question simtenant.Question, count int) {
	h.tenant.Inject(simtenant.Fault{Kind: kind, Stream: simtenant.GroupMembers, Question: question, Count: count})
}

func (h *house) addMembers(n int) {
	for i := range n {
		h.tenant.AddObject(simtenant.GroupMembers, fmt.Appendf(nil,
			`{"@odata.type":"#microsoft.graph.user","id":"more%d","groupId":%q}`, i, exceptions))
	}
}

// adding does something before, and may lose, what is kept of a group.
type adding struct {
	directory.Store
	before func()
	lose   error
}

func (a adding) Add(ctx context.Context, id, partition string, row directory.Row) error {
	if a.before != nil {
		a.before()
	}
	if a.lose != nil {
		return a.lose
	}
	return a.Store.Add(ctx, id, partition, row)
}

// TestOfTwoReadingsOfOneGroupTheFirstOneThatIsKeptCounts whoever began first, and a killed one
// leaves nothing.
func TestOfTwoReadingsOfOneGroupTheFirstOneThatIsKeptCounts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := withUnread(t)
		h.take()
		killed := errors.New("killed")
		_, e := h.exceptionsOf(adding{h.store, nil, killed})
		_, err := e.Read(t.Context(), inactiveWithout(exceptions), "")
		require.ErrorIs(t, err, killed)
		_, err = h.withoutExceptions()
		require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err))
		_, other := h.exceptionsOf(h.store)
		_, e = h.exceptionsOf(adding{h.store, func() { // the slow one has all ten, the quick one nine
			h.tenant.RemoveObject(simtenant.GroupMembers, "u000003")
			asked, err := other.Read(t.Context(), inactiveWithout(exceptions), "")
			require.NoError(t, err)
			require.True(t, asked)
		}, nil})
		asked, err := e.Read(t.Context(), inactiveWithout(exceptions), "")
		require.NoError(t, err)
		require.True(t, asked)
		rows, err := h.withoutExceptions()
		require.NoError(t, err)
		require.Len(t, rows, 1)
		require.Equal(t, "u000003", rows[0].ID)
	})
}

func TestCallersAtOnceAreAnsweredAlike(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := withUnread(t)
		h.take()
		var all sync.WaitGroup
		failed := make([]error, 4)
		for i := range failed {
			all.Go(func() {
				_, e := h.exceptionsOf(h.store)
				_, failed[i] = e.Read(t.Context(), inactiveWithout(exceptions), "")
			})
		}
		all.Wait()
		require.NoError(t, errors.Join(failed...))
		rows, err := h.withoutExceptions()
		require.NoError(t, err)
		require.Empty(t, rows)
	})
}

// TestASnapshotThatIsDroppedWhileAGroupIsReadIsNotMadeAgain and the question goes to the newer one.
func TestASnapshotThatIsDroppedWhileAGroupIsReadIsNotMadeAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := withUnread(t)
		snap := h.take()
		_, e := h.exceptionsOf(adding{h.store, func() {
			for n := range 3 {
				h.tenant.Freeze(now.Add(time.Duration(n+1) * day))
				h.take()
			}
		}, nil})
		asked, err := e.Read(t.Context(), inactiveWithout(exceptions), "")
		require.NoError(t, err)
		require.True(t, asked)
		for _, err := range h.store.Rows(t.Context(), snap.ID, directory.Range{Partition: directory.AskedMembers}) {
			require.ErrorIs(t, err, directory.ErrNoSnapshot)
		}
		_, err = h.withoutExceptions()
		require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err), "it was not read for that one")
		_, e = h.exceptionsOf(h.store)
		asked, err = e.Read(t.Context(), inactiveWithout(exceptions), "")
		require.NoError(t, err)
		require.True(t, asked)
		_, err = h.withoutExceptions()
		require.NoError(t, err)
	})
}

// TestAUserIsNoGroup though the id has its form, and names are never asked for.
func TestAUserIsNoGroup(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := withUnread(t)
		const user = "aaaaaaaa-2222-3333-4444-555555555555"
		h.tenant.AddObject(simtenant.Users, []byte(`{"id":"`+user+`","userPrincipalName":"a@x"}`))
		h.take()
		h.revoke("GroupMember.Read.All") // a question would be refused
		_, e := h.exceptionsOf(h.store)
		for _, item := range []string{user, "AAAAAAAA-2222-3333-4444-555555555555", "a@x", "nobody", "nobody@x"} {
			asked, err := e.Read(t.Context(), inactiveWithout(item), "")
			require.NoError(t, err)
			require.False(t, asked, item)
		}
	})
}

// TestAGroupThatWasAlteredIsNoException and verify names its row.
func TestAGroupThatWasAlteredIsNoException(t *testing.T) {
	for name, how := range map[string]func(row map[string]any){
		"other members": func(row map[string]any) { row["Record"] = "AAAA" },
		"no check":      func(row map[string]any) { delete(row, "Check") },
		"another group": func(row map[string]any) { row["RowKey"] = "99999999-2222-3333-4444-555555555555" },
	} {
		subtest(t, name, func(t *testing.T) {
			v := newVault(t)
			v.addMembers(3)
			_, e := v.exceptionsOf(v.store)
			asked, err := e.Read(t.Context(), inactiveWithout(exceptions), "")
			require.NoError(t, err)
			require.True(t, asked)
			require.Empty(t, v.flaws())
			asks := exceptions
			v.change(v.table, directory.AskedMembers, exceptions, func(row map[string]any) {
				how(row)
				asks = row["RowKey"].(string)
			})
			reader, e := v.exceptionsOf(v.store)
			_, err = e.Read(t.Context(), inactiveWithout(asks), "")
			require.Equal(t, entra.CodeTampered, entra.CodeOf(err))
			_, err = reader.Users(t.Context(), inactiveWithout(asks), 9, false, "")
			require.Equal(t, entra.CodeTampered, entra.CodeOf(err))
			require.Len(t, v.flaws(), 1)
			require.Contains(t, v.flaws()[0].Row, directory.AskedMembers)
		})
	}
}
