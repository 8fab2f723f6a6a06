package directory_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables"
)

// credentials follows an answer through all of its pages.
func (h *house) credentials(q directory.CredentialQuery, top int) []directory.CredentialRow {
	h.Helper()
	var out []directory.CredentialRow
	for next := ""; ; {
		page, err := h.reader.Credentials(h.Context(), q, top, false, next)
		require.NoError(h, err)
		out = append(out, page.Rows...)
		if next = page.Next; next == "" {
			return out
		}
	}
}

// held are the tenant's credentials by the rules, with their last use.
func (h *house) held() []rules.Credential {
	var all []rules.Credential
	for origin, collection := range map[directory.Origin]entra.Stream{directory.OnApplication: simtenant.Applications,
		directory.OnServicePrincipal: simtenant.ServicePrincipals} {
		for _, raw := range h.tenant.Objects(collection) {
			holder, err := rules.ParseApp(origin, raw)
			require.NoError(h, err)
			all = append(all, holder.Credentials()...)
		}
	}
	used := map[string]string{}
	for _, raw := range h.tenant.Objects(simtenant.CredentialUse) {
		used[gjson.GetBytes(raw, "keyId").Str] = gjson.GetBytes(raw, "signInActivity.lastSignInDateTime").Str
	}
	all = rules.WithSuccessors(rules.Joined(all), now)
	for i := range all {
		all[i].UseKnown = true
		if last, ok := used[all[i].KeyID]; ok {
			at, err := entra.ParseTime(last)
			require.NoError(h, err)
			all[i].LastUsed = at
		}
	}
	return all
}

func TestCredentialsAreAnsweredAsTheRulesJudge(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, made())
		h.take()
		held := h.held()
		for _, states := range [][]directory.State{{directory.Expired}, {directory.Expiring}, {directory.Unused},
			{directory.Valid}, {directory.Expired, directory.Unused}, nil} {
			for _, within := range []time.Duration{0, 7 * day, 30 * day, 400 * day} {
				q := directory.CredentialQuery{States: states, Within: within, UnusedFor: 20 * day}
				want := map[string]string{}
				for _, c := range held {
					if state, reason := c.Judge(now, within, q.UnusedFor); len(states) == 0 ||
						slices.Contains(states, state) {
						want[c.KeyID] = reason
					}
				}
				got := h.credentials(q, 7)
				require.Len(t, got, len(want), "%v within %s", states, within)
				for _, c := range got {
					require.Equal(t, want[c.KeyID], c.Reason)
					require.Equal(t, c.NoOwner, len(c.Owners) == 0)
				}
				page, err := h.reader.Credentials(t.Context(), q, 1, true, "")
				require.NoError(t, err)
				require.EqualValues(t, len(want), *page.Count)
				_, total, _, err := h.reader.CredentialSummary(t.Context(), q)
				require.NoError(t, err)
				require.EqualValues(t, len(want), total, "the summary agrees")
			}
		}
	})
}

func TestCredentialsAreFilteredBySide(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, small())
		h.take()
		all := h.credentials(directory.CredentialQuery{UnusedFor: 30 * day}, 999)
		owned := all[slices.IndexFunc(all, func(c directory.CredentialRow) bool { return !c.NoOwner })]
		for name, c := range map[string]struct {
			query directory.CredentialQuery
			want  func(directory.CredentialRow) bool
		}{
			"secrets": {directory.CredentialQuery{Kind: directory.Secret}, func(c directory.CredentialRow) bool {
				return c.Kind == directory.Secret
			}},
			"principals": {directory.CredentialQuery{Origin: directory.OnServicePrincipal},
				func(c directory.CredentialRow) bool {
					return c.Origin == directory.OnServicePrincipal
				}},
			"nobody's": {directory.CredentialQuery{Owner: "none"}, func(c directory.CredentialRow) bool {
				return c.NoOwner
			}},
			"one app": {directory.CredentialQuery{AppID: all[3].AppID}, func(c directory.CredentialRow) bool {
				return c.AppID == all[3].AppID
			}},
			"without some": {directory.CredentialQuery{Exclude: []string{all[0].AppID, all[5].KeyID}},
				func(c directory.CredentialRow) bool {
					return c.AppID != all[0].AppID && c.KeyID != all[5].KeyID
				}},
			"somebody's": {directory.CredentialQuery{Owner: owned.Owners[0].UserPrincipalName},
				func(c directory.CredentialRow) bool {
					return slices.ContainsFunc(c.Owners,
						func(o directory.OwnerRow) bool { return o.ID == owned.Owners[0].ID })
				}},
		} {
			var want []directory.CredentialRow
			for _, row := range all {
				if c.want(row) {
					want = append(want, row)
				}
			}
			require.NotEmpty(t, want, name)
			require.Less(t, len(want), len(all), name)
			c.query.UnusedFor = 30 * day
			require.Equal(t, want, h.credentials(c.query, 3), name)
		}
	})
}

func TestAnApplicationAndAUserAreLookedUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, small())
		h.take()
		all := h.credentials(directory.CredentialQuery{Within: 30 * day, UnusedFor: 30 * day}, 999)
		app, err := h.reader.Application(t.Context(), all[0].AppID, 30*day, 30*day)
		require.NoError(t, err)
		require.Contains(t, app.Credentials, all[0])
		require.False(t, app.LastUsed.IsZero())
		_, err = h.reader.Application(t.Context(), "nothing' or true or '", 0, 0)
		require.Equal(t, entra.CodeNotFound, entra.CodeOf(err))

		u := h.users(directory.UserQuery{Days: 90}, 5)[0]
		for _, id := range []string{u.ID, u.UserPrincipalName} {
			_, row, err := h.reader.User(t.Context(), id, 90)
			require.NoError(t, err)
			require.Equal(t, u.ID, gjson.GetBytes(row, "id").Str)
			require.Equal(t, u.Reason, gjson.GetBytes(row, "reason").Str)
		}
		_, _, err = h.reader.User(t.Context(), "nobody@x", 90)
		require.Equal(t, entra.CodeNotFound, entra.CodeOf(err))
	})
}

// TestANewSinceOfTheLastRunNeitherMissesNorRepeats asks as a weekly flow does, with the moment of
// its run before.
func TestANewSinceOfTheLastRunNeitherMissesNorRepeats(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, small())
		reported := map[string]int{}
		ask := func(since directory.NewSince) (n int) {
			for _, u := range h.users(directory.UserQuery{Days: 90, State: directory.Inactive, NewSince: since}, 100) {
				reported[u.ID]++
				n++
			}
			return n
		}
		h.take()
		ask(directory.NewSince{})
		before := len(reported)
		for week := 1; week <= 8; week++ {
			last := h.tenant.Now().Add(5 * time.Hour) // the flow runs some hours after the snapshot
			h.tenant.Freeze(now.Add(time.Duration(week) * 7 * 24 * time.Hour))
			h.take()
			since := directory.NewSince{At: last}
			if week%2 == 0 {
				since = directory.NewSince{Previous: true}
			}
			ask(since)
		}
		require.Greater(t, len(reported), before)
		for id, times := range reported {
			require.Equal(t, 1, times, id)
		}
		require.Len(t, h.users(directory.UserQuery{Days: 90, State: directory.Inactive}, 999), len(reported),
			"together they are all")
	})
}

func TestMembersOfANotedGroupAreLeftOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const group, locked = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
		h := open(t, small())
		h.groups = []string{group}
		inactiveIDs := func(exclude ...string) (ids []string) {
			for _, u := range h.users(directory.UserQuery{Days: 90, State: directory.Inactive, Exclude: exclude}, 100) {
				ids = append(ids, u.ID)
			}
			return ids
		}
		h.take()
		all := inactiveIDs()
		for n, id := range all {
			if n%3 == 0 {
				h.tenant.AddObject(simtenant.GroupMembers, fmt.Appendf(nil, `{"id":%q,"groupId":%q}`, id, group))
			}
		}
		require.Equal(t, all, inactiveIDs(group), "noted as it was")
		h.tenant.Freeze(now.Add(time.Minute))
		snap := h.take()
		require.EqualValues(t, (len(all)+2)/3, snap.Groups[0].Members)
		require.Len(t, inactiveIDs(group), len(all)-(len(all)+2)/3)

		for name, exclude := range map[string][]string{"a group that is not noted": {locked},
			"a mistyped name": {"breakglas@contoso.example"}, "too many": make([]string, 101)} {
			_, err := h.reader.Users(t.Context(), directory.UserQuery{Days: 90, Exclude: exclude}, 1, false, "")
			require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err), name)
		}
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.GroupMembers})
		h.tenant.Freeze(now.Add(time.Hour))
		report, err := h.run(t.Context(), true)
		require.NoError(t, err)
		require.Contains(t, report.Summary(),
			"group "+group+" is refused since 2026-11-21T13:00:00Z, and was disclosed before, so it is asked for "+
				"again until 2026-11-21T14:00:00Z")
		require.Len(t, inactiveIDs(group), len(all)-(len(all)+2)/3, "the snapshot before answers")
		h.tenant.Freeze(now.Add(2 * time.Hour))
		require.NotNil(t, h.take().WhyCarried("group "+group))
		require.Len(t, inactiveIDs(group), len(all)-(len(all)+2)/3, "the members that were read last")
		h.tenant.Freeze(now.Add(4 * day))
		h.take()
		_, err = h.reader.Users(t.Context(), directory.UserQuery{Days: 90, Exclude: []string{group}}, 1, false, "")
		require.Equal(t, entra.CodePermission, entra.CodeOf(err), "rather than reporting those that must be left out")
		require.Contains(t, err.Error(), "GroupMember.Read.All")
	})
}

func TestWithoutItsPermissionACollectionIsAnErrorNotAnEmptyAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, made())
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.Applications})
		h.take()
		_, err := h.reader.Credentials(t.Context(), directory.CredentialQuery{}, 1, false, "")
		require.Equal(t, entra.CodePermission, entra.CodeOf(err))
		require.Contains(t, err.Error(), "Application.Read.All")
		require.Len(t, h.users(directory.UserQuery{Days: 90}, 999), 1300, "the users are there")
	})
}

func TestRowsAreSortedAsAsked(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, small())
		h.take()
		for _, by := range directory.UserOrders() {
			for _, desc := range []bool{false, true} {
				rows := h.users(directory.UserQuery{Days: 60, State: directory.Inactive,
					Order: directory.Order{By: by, Desc: desc}}, 50)
				require.Len(t, rows, len(h.users(directory.UserQuery{Days: 60, State: directory.Inactive}, 999)))
				if by == "inactiveSinceDateTime" {
					require.Equal(t, !desc, rows[0].InactiveSince < rows[len(rows)-1].InactiveSince)
				}
			}
		}
		rows := h.credentials(directory.CredentialQuery{UnusedFor: day, Order: directory.Order{By: "appDisplayName"}},
			20)
		require.True(t, slices.IsSortedFunc(rows, func(a, b directory.CredentialRow) int {
			return strings.Compare(strings.ToLower(a.AppName), strings.ToLower(b.AppName))
		}))
		require.Len(t, rows, len(h.credentials(directory.CredentialQuery{UnusedFor: day}, 999)))
	})
}

func TestTwoRunsAtOnceMakeOneSnapshot(t *testing.T) {
	onEachStorage(t, func(t *testing.T, account func(*testing.T) tables.Config) {
		h := openOn(t, made(), account(t))
		type result struct {
			snapshots.Report
			err error
		}
		results := make(chan result, 3)
		for range cap(results) {
			go func() {
				report, err := h.run(context.WithoutCancel(t.Context()), true)
				results <- result{report, err}
			}()
		}
		finished := 0
		for range cap(results) {
			r := <-results
			require.NoError(t, r.err)
			if r.Finished {
				finished++
			}
		}
		if finished == 0 { // each may have taken over from another
			h.take()
		}
		require.Len(t, h.users(directory.UserQuery{Days: 90}, 999), 1300)
	})
}

func TestARunWithoutTimeGoesOnLater(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, made())
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.Slow, Stream: simtenant.Applications, Delay: time.Hour,
			Count: 1})
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
		defer stop()
		_, err := h.run(ctx, false)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = h.reader.Current(t.Context())
		require.Equal(t, entra.CodeNoSnapshot, entra.CodeOf(err))
		require.Contains(t, err.Error(), "1300 users so far, at applications")
		report, err := h.run(t.Context(), false)
		require.NoError(t, err)
		require.True(t, report.Finished)
		require.EqualValues(t, 8+2+3-1+4+4, report.Snapshot.GraphRequests, "users were not read again")
		report, err = h.run(t.Context(), false)
		require.NoError(t, err)
		require.True(t, report.Idle, "it is young")
	})
}

func TestFaultsOfGraphDelayASnapshotAndChangeNothing(t *testing.T) {
	t.Parallel()
	three := simtenant.Config{PageSize: 70,
		Generate: &generate.Config{Seed: 3, Users: 160, Apps: 30, Days: 1, End: now}} // three pages of users
	for _, kind := range simtenant.Kinds() {
		if slices.Contains([]simtenant.Kind{simtenant.NoLicence, simtenant.NoPermission, simtenant.ClockSkew,
			simtenant.Slow, simtenant.BlankActivity}, kind) {
			continue // they have tests of their own, or change what the tenant says
		}
		subtest(t, string(kind), func(t *testing.T) {
			h := open(t, three)
			h.tenant.Inject(simtenant.Fault{Kind: kind, Stream: simtenant.Users, After: 1, Count: 2})
			h.tenant.Inject(simtenant.Fault{Kind: kind, Stream: simtenant.Applications, Count: 1})
			for range 5 {
				report, err := h.run(t.Context(), false)
				if _, ok := errors.AsType[*entra.Error](err); err != nil {
					require.True(t, ok, "%v", err)
				}
				if report.Finished {
					break
				}
			}
			inactive := 0
			for _, d := range h.truth(rules.Evidence{Disclosed: true}) {
				if d.Inactive(now.AddDate(0, 0, -60)) {
					inactive++
				}
			}
			require.NotZero(t, inactive)
			require.Len(t, h.users(directory.UserQuery{Days: 60, State: directory.Inactive}, 999), inactive)
			require.Len(t, h.credentials(directory.CredentialQuery{UnusedFor: day}, 999), len(h.held()))
		})
	}
}
