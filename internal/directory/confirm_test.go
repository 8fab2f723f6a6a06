package directory_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/entra"
)

// bent is the tenant's directory, some of whose pages a test bends.
type bent struct {
	snapshots.Source
	bend func(q collections.Query, link string, page collections.Page) (collections.Page, error)
}

func (b bent) Objects(ctx context.Context, q collections.Query, link string) (collections.Page, error) {
	page, err := b.Source.Objects(ctx, q, link)
	if err != nil {
		return page, err
	}
	return b.bend(q, link, page)
}

// newQuickNight is a night without pauses.
func newQuickNight(t *testing.T) *night {
	n := newNight(t)
	n.from = quick{n}
	return n
}

// ending cuts off walks through a collection after their first page, as often as times says.
func (n *night) ending(phase string, times *int) snapshots.Source {
	return bent{quick{n}, func(q collections.Query, link string, page collections.Page) (collections.Page, error) {
		if q.Collection.Word == phase && link == "" && *times > 0 {
			*times--
			page.Next = ""
		}
		return page, nil
	}}
}

// whole fires the timer at a time after the first, and wants a whole snapshot.
func (n *night) whole(after time.Duration) directory.Snapshot {
	n.Helper()
	summary, err := n.fire(after)
	require.NoError(n, err)
	require.Contains(n, summary, " is whole: ")
	snap, err := n.reader.Current(n.Context())
	require.NoError(n, err)
	return snap
}

func (n *night) everybody() int {
	n.Helper()
	return len(n.users(directory.UserQuery{Days: 30}, 999))
}

const (
	countUsers      = "/v1.0/users/$count"
	countApps       = "/v1.0/applications/$count"
	countPrincipals = "/v1.0/servicePrincipals/$count"
)

func TestAFirstSnapshotIsCountedAndALaterOneAsksNothingWhereNothingIsGone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		require.Empty(t, n.whole(0).Undisclosed)
		require.Equal(t, []string{"/v1.0/users", countUsers, countApps, countPrincipals}, n.asked.heard())
		n.tenant.AddObject(simtenant.Users, []byte(`{"id":"new","userPrincipalName":"new@x"}`))
		n.whole(day)
		require.Empty(t, n.asked.heard())
		require.Equal(t, 51, n.everybody())
	})
}

func TestAWalkThatEndsEarlyIsNotTheWhole(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]bool{"the first snapshot": true, "a later one": false} {
		for _, phase := range []string{collections.Users, collections.Applications, collections.ServicePrincipals} {
			subtest(t, name+", "+phase, func(t *testing.T) {
				n := newQuickNight(t)
				addApps(n.tenant, 60)
				after := time.Duration(0)
				if !first {
					n.whole(0)
					after = day
				}
				times := 1
				n.from = n.ending(phase, &times)
				snap := n.whole(after)
				require.Zero(t, times, "a walk was cut off")
				require.Empty(t, snap.Undisclosed)
				require.Equal(t, 50, n.everybody())
				require.Len(t, n.credentials(directory.CredentialQuery{}, 999), len(n.held()))
			})
		}
	}
}

// addApps adds applications and service principals with a secret each.
func addApps(t *simtenant.Tenant, count int) {
	for i := range count {
		for c, s := range map[string]entra.Stream{"a": simtenant.Applications, "p": simtenant.ServicePrincipals} {
			t.AddObject(s, fmt.Appendf(nil,
				`{"id":"%s%02d","appId":"%s-app%02d","passwordCredentials":[{"keyId":"%s-key%02d","endDateTime":"2027-01-01T00:00:00Z"}]}`, c, i, c, i, c, i))
		}
	}
}

func TestWhereWalksGoOnFallingShortTheOlderSnapshotAnswersUntilItIsTooOld(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newQuickNight(t)
		older := n.whole(0)
		times := 1000
		n.from = n.ending(collections.Users, &times)
		for run, walks := range []int{3, 4} { // a run that follows walks once
			_, err := n.fire(day + time.Duration(run)*10*time.Minute)
			require.EqualError(t, err, fmt.Sprintf("read all users from Graph: %d walks brought 20; of 30 that were "+
				"there before and did not come, 30 are there when asked for by id (%s); "+
				"answers go on from the snapshot before, and the next run reads them again; if it stays, look at "+
				"Microsoft 365 service health", walks, strings.Split(strings.SplitN(err.Error(), "by id (", 2)[1],
				")")[0]))
			require.Equal(t, entra.CodeBrokenAnswer, entra.CodeOf(err))
			require.Equal(t, "failing", n.shown().Status)
			snap, err := n.reader.Current(t.Context())
			require.NoError(t, err)
			require.Equal(t, older.ID, snap.ID)
			require.Equal(t, 50, n.everybody())
		}
		require.Equal(t, 1000-4, times)
		_, err := n.fire(28 * time.Hour)
		require.ErrorContains(t, err, "no step since 2026-11-22T12:00:00Z", "and then it is stalled")

		// The older one is three days old: the new one is taken, and says that it is not whole.
		snap := n.whole(72*time.Hour + time.Minute)
		require.NotEqual(t, older.ID, snap.ID)
		require.Len(t, snap.Undisclosed, 1)
		require.Equal(t, "all users", snap.Undisclosed[0].What)
		require.Contains(t, snap.Undisclosed[0].Message, "what did not come is missing from answers")
		require.Equal(t, 20, n.everybody())
	})
}

func TestWhatSeveralWalksBroughtIsKeptTogether(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newQuickNight(t)
		walk := 0
		n.from = bent{quick{n}, func(q collections.Query, link string, page collections.Page) (collections.Page,
			error) {
			if q.Collection.Word != collections.Users {
				return page, nil
			}
			if link == "" {
				walk++
			}
			if walk%2 == 1 && len(page.Items) == 20 { // odd walks leave one out, even ones another
				page.Items = page.Items[1:]
			} else if walk%2 == 0 && len(page.Items) == 20 {
				page.Items = page.Items[:19]
			}
			return page, nil
		}}
		n.whole(0)
		require.Equal(t, 2, walk)
		require.Equal(t, 50, n.everybody())
	})
}

func TestWhoeverIsGoneIsAskedForByIDBeforeThatIsBelieved(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.whole(0)
		n.asked.heard()
		users := n.tenant.Objects(simtenant.Users)
		for _, raw := range users[:16] {
			n.tenant.RemoveObject(simtenant.Users, gjson.GetBytes(raw, "id").Str)
		}
		n.whole(day)
		once := []string{"/v1.0/users", "/v1.0/users", countUsers}
		require.Equal(t, slices.Concat(once, once), n.asked.heard(), "fifteen at a time, after each of two walks")
		require.Equal(t, 34, n.everybody())
	})
}

func TestWhereManyAreGoneASampleIsAskedForAndTheRestCounted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, made())
		h.take()
		h.asked.heard()
		for _, raw := range h.tenant.Objects(simtenant.Users)[:700] {
			h.tenant.RemoveObject(simtenant.Users, gjson.GetBytes(raw, "id").Str)
		}
		h.tenant.Freeze(now.Add(day))
		require.EqualValues(t, 600, h.take().Users)
		once := []string{"/v1.0/users", "/v1.0/users", "/v1.0/users", "/v1.0/users", countUsers}
		require.Equal(t, slices.Concat(once, once), h.asked.heard(), "after each of two walks")
	})
}

func TestAUserWhoIsDeletedWhileTheWalkGoesOnFailsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newQuickNight(t)
		n.whole(0)
		gone := gjson.GetBytes(n.tenant.Objects(simtenant.Users)[45], "id").Str
		n.from = bent{quick{n}, func(q collections.Query, link string, page collections.Page) (collections.Page,
			error) {
			if q.Collection.Word == collections.Users && link == "" {
				n.tenant.RemoveObject(simtenant.Users, gone)
			}
			return page, nil
		}}
		n.whole(day)
		require.Equal(t, 49, n.everybody())
	})
}

func TestWithoutACountOnePageIsReadTwiceAndManyAreSaidToBeUnconfirmed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.tenant.Inject(simtenant.Fault{Kind: simtenant.UnsupportedQuery, Question: simtenant.ForCount})
		snap := n.whole(0)
		require.Len(t, snap.Undisclosed, 1, "applications and service principals have one page")
		require.Equal(t, "all users", snap.Undisclosed[0].What)
		require.Equal(t, entra.CodeRefused, snap.Undisclosed[0].Code)
		require.Contains(t, snap.Undisclosed[0].Message, "50 came, and Graph does not tell how many there are")
		require.EqualValues(t, 3+1+1+2+2+3+2+2+1+5, snap.GraphRequests,
			"two pages and two counts more, and a question for activity")
		require.Equal(t, 50, n.everybody())

		// The next one says so, too, until there is a count.
		require.Equal(t, snap.Undisclosed, n.whole(day).Undisclosed)
		n.tenant.ClearFaults()
		require.Empty(t, n.whole(2*day).Undisclosed)
	})
}

func TestWhereIDsCannotBeAskedForTheCountDecides(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.whole(0)
		n.asked.heard()
		n.tenant.Inject(simtenant.Fault{Kind: simtenant.Refused, Status: http.StatusNotImplemented,
			Question: simtenant.ForIDs})
		n.tenant.RemoveObject(simtenant.Users, gjson.GetBytes(n.tenant.Objects(simtenant.Users)[0], "id").Str)
		n.whole(day)
		require.Contains(t, n.asked.heard(), countUsers)
		require.Equal(t, 49, n.everybody())
	})
}

func TestACredentialThatIsLeftOutIsAskedForByItsApplication(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		addApps(n.tenant, 5)
		n.whole(0)
		before := len(n.credentials(directory.CredentialQuery{}, 999))
		left := 1
		n.from = bent{n.source, func(q collections.Query, link string, page collections.Page) (collections.Page,
			error) {
			if q.Collection.Word != collections.Applications || left == 0 {
				return page, nil
			}
			left--
			for i, raw := range page.Items {
				page.Items[i] = fmt.Appendf(nil, `{"id":%q,"appId":%q,"passwordCredentials":[]}`,
					gjson.GetBytes(raw, "id").Str, gjson.GetBytes(raw, "appId").Str)
			}
			return page, nil
		}}
		n.whole(day)
		require.Zero(t, left)
		require.Len(t, n.credentials(directory.CredentialQuery{}, 999), before)

		// One that was really removed is gone.
		n.tenant.ChangeObject(simtenant.Applications, "a03", []byte(`{"id":"a03","appId":"a-app03"}`))
		n.asked.heard()
		n.whole(2 * day)
		require.Equal(t, []string{"/v1.0/applications"}, n.asked.heard())
		require.Len(t, n.credentials(directory.CredentialQuery{}, 999), before-1)
	})
}

func TestMembersOfAGroupWhoAreGoneAreCounted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const group = "11111111-2222-3333-4444-555555555555"
		h := open(t, simtenant.Config{PageSize: 20})
		h.groups = []string{group}
		for i := range 30 {
			h.tenant.AddObject(simtenant.Users, fmt.Appendf(nil, `{"id":"u%02d","userPrincipalName":"u%02d@x"}`, i, i))
			h.tenant.AddObject(simtenant.GroupMembers, fmt.Appendf(nil, `{"id":"u%02d","groupId":%q}`, i, group))
		}
		h.take()
		h.asked.heard()
		source, left := h.source, 1
		h.bend = bent{source, func(q collections.Query, link string, page collections.Page) (collections.Page, error) {
			if q.Collection.Word == collections.GroupMembers && left > 0 {
				left--
				page.Next = ""
			}
			return page, nil
		}}
		h.tenant.Freeze(now.Add(day))
		snap := h.take()
		require.Zero(t, left)
		require.EqualValues(t, 30, snap.Groups[0].Members)
		require.Equal(t, []string{"/v1.0/groups/" + group + "/transitiveMembers/microsoft.graph.user/$count"},
			h.asked.heard())
	})
}

// TestASignInThatGraphNoLongerGivesStillCounts for a night; then nobody can say what came after,
// and it is still said.
func TestASignInThatGraphNoLongerGivesStillCounts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newQuickNight(t)
		n.tenant.AddObject(simtenant.Users,
			[]byte(`{"id":"anna","userPrincipalName":"anna@x","createdDateTime":"2020-01-01T00:00:00Z","signInActivity":{"lastSuccessfulSignInDateTime":"2026-11-20T00:00:00Z"}}`))
		n.whole(0)
		n.tenant.ChangeObject(simtenant.Users,
			"anna", []byte(`{"id":"anna","userPrincipalName":"anna@x","createdDateTime":"2020-01-01T00:00:00Z"}`))
		for night := range 3 {
			n.whole(time.Duration(night+1) * day)
			_, row, err := n.reader.User(t.Context(), "anna", 90)
			require.NoError(t, err)
			state, since := "active", "2026-11-20T00:00:00Z"
			if night > 0 {
				state, since = "unknown", ""
			}
			require.Equal(t, state, gjson.GetBytes(row, "state").Str)
			require.Equal(t, since, gjson.GetBytes(row, "inactiveSinceDateTime").Str)
			require.Equal(t, "2026-11-20T00:00:00Z", gjson.GetBytes(row, "lastSuccessfulSignInDateTime").Str)
		}
	})
}

func TestAUseThatTheReportNoLongerNamesStillCounts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newQuickNight(t)
		n.whole(0)
		used := map[string]string{}
		for _, c := range n.credentials(directory.CredentialQuery{}, 999) {
			used[c.KeyID] = c.LastUsed
		}
		n.from = bent{quick{n}, func(q collections.Query, _ string, page collections.Page) (collections.Page, error) {
			if q.Collection.Word == collections.CredentialUse {
				page.Items = nil
			}
			return page, nil
		}}
		n.whole(day)
		again := n.credentials(directory.CredentialQuery{}, 999)
		require.Len(t, again, len(used))
		found := 0
		for _, c := range again {
			require.Equal(t, used[c.KeyID], c.LastUsed)
			if c.LastUsed != "" {
				found++
			}
		}
		require.NotZero(t, found)
	})
}

// TestAUseIsKnownThoughTheReportWasRefusedMeanwhile and lacks it after that.
func TestAUseIsKnownThoughTheReportWasRefusedMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newQuickNight(t)
		n.whole(0)
		used := map[string]string{}
		for _, c := range n.credentials(directory.CredentialQuery{}, 999) {
			used[c.KeyID] = c.LastUsed
		}
		refused := true
		n.from = bent{quick{n}, func(q collections.Query, _ string, page collections.Page) (collections.Page, error) {
			if q.Collection.Word == collections.CredentialUse && refused {
				return page, &entra.Error{Code: entra.CodeNotFound, Doing: "read the report", Why: "404"}
			}
			if q.Collection.Word == collections.CredentialUse {
				page.Items = nil
			}
			return page, nil
		}}
		_, err := n.fire(day)
		require.NoError(t, err)
		require.NotNil(t, n.losing(day+time.Hour, entra.CodeNotFound).WhyCarried("credentialUse"))
		refused = false
		require.Empty(t, n.whole(2*day+time.Hour).Undisclosed)
		found := 0
		for _, c := range n.credentials(directory.CredentialQuery{}, 999) {
			require.Equal(t, used[c.KeyID], c.LastUsed)
			if c.LastUsed != "" {
				found++
			}
		}
		require.NotZero(t, found)
	})
}
