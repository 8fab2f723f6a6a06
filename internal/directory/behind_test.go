package directory_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/snapshot"
	"github.com/entraledger/entraledger/functions/snapshotdirectory"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/web"
)

const (
	alertAfter  = 3 * time.Hour
	raiseBudget = "the next run tries again; if it stays, raise ARCHIVE_RUN_BUDGET, or the snapshot's share in " +
		"GRAPH_REQUESTS_PER_10S"
	noStep = "take the directory's snapshot: no step since 2026-11-21T12:00:00Z, at users, for 3h10m0s"
)

// night is a tenant with the timer that takes its snapshots.
type night struct {
	*house
	from   snapshots.Source
	into   directory.Store
	budget time.Duration
}

func newNight(t *testing.T) *night { return newNightOn(t, inMemory(t)) }

func newNightOn(t *testing.T, account tables.Config) *night {
	h := openOn(t, simtenant.Config{PageSize: 20,
		Generate: &generate.Config{Seed: 3, Users: 50, Apps: 10, Days: 1, End: now}}, account)
	return &night{house: h, from: h.source, into: h.store, budget: time.Minute}
}

// fire is one invocation of the timer function, at a time after the first.
func (n *night) fire(after time.Duration) (string, error) {
	result, err := n.fireUntil(n.Context(), after)
	return result.Summary, err
}

// fireUntil is one whose process is told to stop when ctx ends.
func (n *night) fireUntil(ctx context.Context, after time.Duration) (web.Result, error) {
	n.tenant.Freeze(now.Add(after))
	return snapshotdirectory.New(snapshotdirectory.Config{Snapshotter: n.snapshotter(), Budget: n.budget,
		AlertAfter: alertAfter}).Timer(ctx)
}

func (n *night) snapshotter() *snapshots.Snapshotter {
	return snapshots.NewSnapshotter(n.from, n.into, n.archive, snapshots.Options{Every: 12 * time.Hour}, n.tenant.Now,
		slog.New(slog.DiscardHandler))
}

// shown is what GET /api/snapshot says of the newest snapshot.
type shown struct {
	ID          string
	Status      string
	LastStep    string `json:"lastStepDateTime"`
	LastError   string
	LastFailure *struct {
		DateTime string
		Code     entra.Code
		Message  string
	}
}

func (n *night) shown() shown {
	n.Helper()
	w := httptest.NewRecorder()
	host, err := web.Serve(slog.New(slog.DiscardHandler), "",
		snapshot.New(snapshot.Config{Reader: n.reader, Now: n.tenant.Now}))
	require.NoError(n, err)
	host.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/snapshot", nil))
	require.Equal(n, http.StatusOK, w.Code, "%s", w.Body)
	var list struct{ Value []shown }
	require.NoError(n, json.Unmarshal(w.Body.Bytes(), &list))
	require.NotEmpty(n, list.Value)
	return list.Value[0]
}

// pages is a source whose pages a test makes.
type pages struct {
	snapshots.Source
	page func(ctx context.Context, q collections.Query, link string) (collections.Page, error)
}

// Count is no more than came, and Named finds nothing: what a test makes up is all there is.
func (p pages) Count(context.Context, collections.Query) (int64, error) { return 0, nil }

func (p pages) Named(context.Context, collections.Query, []string) (collections.Page, error) {
	return pageOf("", ""), nil
}

func (p pages) Readable(context.Context, collections.Query) error { return nil }

func (p pages) Activity(context.Context, collections.Query, []string) (collections.Page, error) {
	return pageOf("", ""), nil
}

func (p pages) Objects(ctx context.Context, q collections.Query, link string) (collections.Page, error) {
	return p.page(ctx, q, link)
}

// pageOf is a page with a user, or with none where name is empty.
func pageOf(name, next string) collections.Page {
	p := collections.Page{Next: next, Free: func() {}}
	if name != "" {
		p.Items = [][]byte{fmt.Appendf(nil, `{"id":%q,"userPrincipalName":%q}`, name, name+"@x")}
	}
	return p
}

// hung is a page that does not come.
func hung(ctx context.Context) (collections.Page, error) {
	<-ctx.Done()
	return collections.Page{}, ctx.Err()
}

// rival is a store on which another process is always quicker than a run: it begins the collection
// anew before each write.
type rival struct{ directory.Store }

func (s rival) SaveSnapshot(ctx context.Context, snap directory.Snapshot) (directory.Snapshot, error) {
	if row, err := s.Snapshot(ctx, snap.ID); err == nil && snap.Behind == nil {
		row.Restarts++
		row.By = "timer 0badcafe"
		if _, err := s.Store.SaveSnapshot(ctx, row); err != nil {
			return snap, err
		}
	}
	return s.Store.SaveSnapshot(ctx, snap)
}

// refusing is a store that refuses rows, and, if it is told so, the snapshot's own.
type refusing struct {
	directory.Store
	all bool
}

var errRefused = &entra.Error{Code: entra.CodePermission, Doing: "write to table snapshot",
	Why:    "acme.table.core.windows.net refuses access (AuthorizationFailure)",
	Remedy: "give the app's identity the role Storage Table Data Contributor"}

func (s refusing) Put(context.Context, string, string, []directory.Row) error { return errRefused }

func (s refusing) SaveSnapshot(ctx context.Context, snap directory.Snapshot) (directory.Snapshot, error) {
	if s.all && snap.Revision != "" {
		return snap, errRefused
	}
	return s.Store.SaveSnapshot(ctx, snap)
}

// noToken is an identity that is not there.
type noToken struct{}

type noTokenError struct{}

func (noTokenError) Error() string {
	return "ManagedIdentityCredential: no managed identity endpoint found"
}
func (noTokenError) NonRetriable() {}

func (noToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, noTokenError{}
}

// causes are why a snapshot makes no step. early is what an invocation within ARCHIVE_ALERT_AFTER
// fails with, empty where it succeeds; words is the whole line of one after it.
var causes = []struct {
	name   string
	bring  func(*night)
	early  string // empty: it succeeds
	code   entra.Code
	words  string
	first  bool // some pages come, once
	unsaid bool // the row can't say so
}{
	{name: "another process is always quicker", bring: func(n *night) { n.into = rival{n.store} },
		code: entra.CodeConflict,
		words: noStep + "; the last cause: " +
			"go on with snapshot 20261121T120000Z: another run (timer 0badcafe) took it over; " +
			"see that only one app uses this storage account, and that nothing calls POST " +
			"/api/snapshot again and again"},
	{name: "the token is refused", bring: func(n *night) {
		n.tenant.Inject(simtenant.Fault{Kind: simtenant.TokenExpired, Stream: simtenant.Users})
	},
		early: "read users from Graph: Graph answers 401 InvalidAuthenticationToken",
		code:  entra.CodeToken,
		words: noStep + "; the last cause: " +
			"read users from Graph: Graph answers 401 InvalidAuthenticationToken (Access token has expired or is " +
			"not yet valid.); " +
			"there was a token, and Graph does not accept it: check that the identity belongs to this tenant and " +
			"this cloud (AZURE_CLOUD, GRAPH_ENDPOINT), and the clock; a restart of the app has it ask for another one"},
	{name: "there is no token", bring: func(n *night) { n.from = n.directory(n.wire, noToken{}, 1_000_000) },
		early: "no step since 2026-11-21T12:00:00Z, at users (how long ago is not known: no clock could be asked)",
		code:  entra.CodeToken,
		words: "take the directory's snapshot: no step since 2026-11-21T12:00:00Z, at users " +
			"(how long ago is not known: no clock could be asked); the last cause: " +
			"ask Graph for the time: no token for Graph: ManagedIdentityCredential: no managed " +
			"identity endpoint found; " +
			"check that the app has a managed identity (AZURE_CLIENT_ID names a user-assigned one), or sign " +
			"in with `az login`"},
	{name: "paging goes round", first: true, bring: func(n *night) {
		n.from = pages{n.source, func(_ context.Context, _ collections.Query, link string) (collections.Page, error) {
			return pageOf("u"+link, map[string]string{"": "b", "b": "c", "c": "b"}[link]), nil
		}}
	},
		early: "read users from Graph: its pages were lost 6 times in this run, the last time after 3 pages: read " +
			"users from Graph: the pages lead back to one that was read",
		code: entra.CodeBrokenAnswer,
		words: noStep + "; the last cause: " +
			"read users from Graph: its pages were lost 6 times in this run, the last time after 3 pages: " +
			"read users from Graph: the pages lead back to one that was read: paging was lost; " +
			"the next run begins this collection anew; if it stays, look at Microsoft 365 service health"},
	{name: "paging is lost again and again", first: true, bring: func(n *night) {
		n.tenant.Inject(simtenant.Fault{Kind: simtenant.SkipTokenExpired, Stream: simtenant.Users})
	},
		early: "read users from Graph: its pages were lost 6 times in this run, the last time after 1 pages",
		code:  entra.CodeBrokenAnswer,
		words: noStep + "; the last cause: " +
			"read users from Graph: its pages were lost 6 times in this run, the last time after 1 pages: " +
			"read users from Graph: Graph answers 400 (Token not found: token is either invalid or expired): " +
			"paging was lost; " +
			"the next run begins this collection anew; if it stays, look at Microsoft 365 service health"},
	{name: "Graph throttles for ever", bring: func(n *night) {
		n.tenant.Inject(simtenant.Fault{Kind: simtenant.TooManyRequests, Stream: simtenant.Users})
	},
		early: "read users from Graph: Graph answers 429 TooManyRequests",
		code:  entra.CodeThrottled,
		words: noStep + "; the last cause: " +
			"read users from Graph: Graph answers 429 TooManyRequests (Too Many Requests); " +
			"the next run goes on; if it stays, lower GRAPH_REQUESTS_PER_10S or find what else uses " +
			"this app's ceiling"},
	{name: "the budget is too small for a step", bring: func(n *night) {
		n.budget = 20 * time.Millisecond
		n.from = pages{n.source, func(ctx context.Context, _ collections.Query, _ string) (collections.Page, error) {
			return hung(ctx)
		}}
	},
		code: entra.CodeBehind,
		words: noStep + "; the last cause: read users: the run's time of 20ms ended before it came any further; " +
			raiseBudget},
	{name: "empty pages without end", bring: func(n *night) {
		n.budget = 50 * time.Millisecond
		at := 0
		n.from = pages{n.source, func(context.Context, collections.Query, string) (collections.Page, error) {
			time.Sleep(time.Millisecond)
			at++
			return pageOf("", fmt.Sprint("page", at)), nil
		}}
	},
		code: entra.CodeBehind,
		words: noStep + "; the last cause: read users: the run's time of 50ms ended before it came any further; " +
			raiseBudget},
	{name: "the storage refuses rows", bring: func(n *night) { n.into = refusing{Store: n.store} },
		early: "write to table snapshot: acme.table.core.windows.net refuses access",
		code:  entra.CodePermission,
		words: noStep + "; the last cause: " +
			"write to table snapshot: acme.table.core.windows.net refuses access (AuthorizationFailure); " +
			"give the app's identity the role Storage Table Data Contributor"},
	{name: "the storage refuses everything", bring: func(n *night) { n.into = refusing{n.store, true} },
		early: "write to table snapshot: acme.table.core.windows.net refuses access",
		code:  entra.CodePermission,
		words: noStep + "; the last cause: " +
			"write to table snapshot: acme.table.core.windows.net refuses access (AuthorizationFailure); " +
			"give the app's identity the role Storage Table Data Contributor", unsaid: true},
	{name: "Graph's pages hang after it had refused", bring: func(n *night) {
		refused := false
		n.from = pages{n.source, func(ctx context.Context, _ collections.Query, _ string) (collections.Page, error) {
			if refused {
				return hung(ctx)
			}
			refused, n.budget = true, 20*time.Millisecond
			return collections.Page{}, &entra.Error{Code: entra.CodeUnavailable, Doing: "read users from Graph",
				Why: "Graph answers 503", Remedy: "wait"}
		}}
	},
		early: "read users from Graph: Graph answers 503",
		code:  entra.CodeBehind,
		words: noStep + "; the last cause: " +
			"read users: the run's time of 20ms ended before it came any further; before that: read users from " +
			"Graph: Graph answers 503; wait; " +
			raiseBudget},
}

// healed is the tenant's directory, for which the addresses that a test made up are lost.
func (n *night) healed() snapshots.Source {
	return pages{n.source, func(ctx context.Context, q collections.Query, link string) (collections.Page, error) {
		if link != "" && !strings.HasPrefix(link, "http") {
			return collections.Page{}, entra.ErrPagingLost
		}
		return n.source.Objects(ctx, q, link)
	}}
}

// instant is the tenant's users in pages of 20, without the pauses between requests that Graph
// wants, and nothing else.
func (n *night) instant() snapshots.Source {
	users := n.tenant.Objects(simtenant.Users)
	return pages{n.source, func(_ context.Context, q collections.Query, link string) (collections.Page, error) {
		page := collections.Page{Free: func() {}}
		if q.Collection.Word != collections.Users {
			return page, nil
		}
		at, _ := strconv.Atoi(link)
		page.Items = append(page.Items, users[at:min(at+20, len(users))]...)
		if at+20 < len(users) {
			page.Next = strconv.Itoa(at + 20)
		}
		return page, nil
	}}
}

// begin begins a snapshot at noon without a step: its first run is cut off.
func (n *night) begin() {
	from := n.from
	n.from, n.budget = pages{n.source, func(ctx context.Context, _ collections.Query, _ string) (collections.Page,
		error) {
		return hung(ctx)
	}}, time.Millisecond
	summary, err := n.fire(0)
	require.NoError(n, err, "the end of a budget is no failure by itself")
	require.Equal(n, "snapshot of 2026-11-21T12:00:00Z: no step in this run, 0 users, at users; the "+
		"next run tries again", summary)
	n.from, n.budget = from, time.Minute
}

func TestWithoutAStepTheTimerFailsWhateverTheCause(t *testing.T) {
	t.Parallel()
	for _, c := range causes {
		subtest(t, c.name, func(t *testing.T) {
			n := newNight(t)
			n.begin()
			c.bring(n)
			if c.first {
				// These pages are steps; read again, they are none.
				_, err := n.fire(0)
				require.ErrorContains(t, err, c.early)
			}
			_, err := n.fire(10 * time.Minute)
			if c.early == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.early)
			}
			_, err = n.fire(alertAfter + 10*time.Minute)
			require.EqualError(t, err, c.words)
			require.Equal(t, c.code, entra.CodeOf(err))
			require.ErrorAs(t, err, new(*entra.Error))

			n.reader = directory.NewReader(n.store, n.cursors, n.tenant.Now)
			if said := n.shown(); c.unsaid {
				require.Equal(t, "failing", said.Status, "as the run before left it")
			} else {
				require.Equal(t, "stalled", said.Status)
				require.Equal(t, c.words, said.LastError)
				require.Equal(t, c.words, said.LastFailure.Message)
				require.Equal(t, c.code, said.LastFailure.Code)
				require.NotEmpty(t, said.LastFailure.DateTime)
				require.Equal(t, "2026-11-21T12:00:00Z", said.LastStep)
			}

			// Once the cause is gone, the same snapshot becomes whole, and nothing is left of the
			// failure.
			n.tenant.ClearFaults()
			n.from, n.into, n.budget = n.healed(), n.store, time.Minute
			summary, err := n.fire(alertAfter + 20*time.Minute)
			require.NoError(t, err)
			require.Contains(t, summary, "snapshot of 2026-11-21T12:00:00Z is whole: 50 users")
			said := n.shown()
			require.Equal(t, "whole", said.Status)
			require.Empty(t, said.LastError)
			require.Nil(t, said.LastFailure)
		})
	}
}

func TestWithoutAWholeSnapshotTheTimerFailsAlthoughItMakesSteps(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.budget = 2 * time.Second
		page := 0
		n.from = pages{n.source, func(ctx context.Context, _ collections.Query, _ string) (collections.Page, error) {
			if page++; page%2 == 0 {
				return hung(ctx) // one page a run
			}
			return pageOf(fmt.Sprint("user", page), fmt.Sprint("page", page)), nil
		}}
		for _, after := range []time.Duration{0, 14 * time.Hour, 27 * time.Hour} {
			_, err := n.fire(after)
			require.NoError(t, err, "%s", after)
		}
		const words = "take the directory's snapshot: no snapshot has become whole since the first was begun at " +
			"2026-11-21T12:00:00Z, for 28h0m0s " +
			"(the one in work is at users, its last step was at 2026-11-22T16:00:00Z); the next runs go on; if it " +
			"stays, raise ARCHIVE_RUN_BUDGET " +
			"or the snapshot's share in GRAPH_REQUESTS_PER_10S, or let SNAPSHOT_SCHEDULE fire more often"
		_, err := n.fire(28 * time.Hour)
		require.EqualError(t, err, words)
		require.Equal(t, entra.CodeBehind, entra.CodeOf(err))
		said := n.shown()
		require.Equal(t, "failing", said.Status)
		require.Equal(t, words, said.LastFailure.Message)
		_, err = n.fire(29 * time.Hour)
		require.ErrorContains(t, err, "for 29h0m0s", "another step does not mend it")
		require.Contains(t, n.shown().LastFailure.Message, "for 29h0m0s")

		n.from, n.budget = n.healed(), time.Minute
		_, err = n.fire(30 * time.Hour)
		require.NoError(t, err)
		require.Equal(t, "whole", n.shown().Status)
		require.Empty(t, n.shown().LastError)
	})
}

func TestTheAgeOfTheWholeSnapshotCountsOnlyWhereTimersRan(t *testing.T) {
	reading := directory.Snapshot{ID: "x", Stage: directory.Reading, Phase: collections.Applications, AsOf: now,
		StepAt: now.Add(4 * time.Hour)}
	for name, c := range map[string]struct {
		report snapshots.Report
		now    time.Duration
		words  string
	}{
		"a daily night that came in time": {snapshots.Report{Snapshot: reading, Whole: now.Add(-23 * time.Hour),
			Begun: now}, 3 * time.Hour, ""},
		"a daily night that is late": {snapshots.Report{Snapshot: reading, Whole: now.Add(-23 * time.Hour),
			Begun: now}, 5 * time.Hour, "since the one of 2026-11-20T13:00:00Z, for 28h0m0s"},
		"a weekly night has just begun": {snapshots.Report{Snapshot: reading, Whole: now.AddDate(0, 0, -7),
			Begun: now}, 3 * time.Hour, ""},
		"a weekly night that takes too long": {snapshots.Report{Snapshot: reading, Whole: now.AddDate(0, 0, -7),
			Begun: now}, 4 * time.Hour, "for 172h0m0s"},
		"the first one takes a day": {snapshots.Report{Snapshot: reading, Begun: now.Add(-20 * time.Hour)},
			5 * time.Hour, ""},
		"nothing is due": {snapshots.Report{Snapshot: directory.Snapshot{Stage: directory.Whole,
			AsOf: now}, Idle: true}, 90 * time.Hour, ""},
		"it became whole": {snapshots.Report{Finished: true, Whole: now.AddDate(0, 0, -7),
			Begun: now}, 90 * time.Hour, ""},
		"the current one is from the future": {snapshots.Report{Snapshot: directory.Snapshot{ID: "x",
			Stage: directory.Whole, AsOf: now.Add(time.Hour)}, Idle: true}, 0,
			"1h0m0s after now (2026-11-21T12:00:00Z)"},
		"the clocks differ by a few minutes": {snapshots.Report{Snapshot: directory.Snapshot{ID: "x",
			Stage: directory.Whole, AsOf: now.Add(4 * time.Minute)}, Idle: true}, 0, ""},
		"an older version wrote the row in work": {
			snapshots.Report{Snapshot: directory.Snapshot{ID: "x", Stage: directory.Reading, Updated: now}, Begun: now},
			4 * time.Hour,
			"no step since 2026-11-21T12:00:00Z"},
	} {
		_, err := snapshots.BehindOf(c.report, nil, now.Add(c.now), alertAfter)
		if c.words == "" {
			require.Nil(t, err, name)
			continue
		}
		require.ErrorContains(t, err, c.words, name)
		require.Equal(t, entra.CodeBehind, err.Code, name)
		_, err = snapshots.BehindOf(c.report, nil, now.Add(c.now), 0)
		require.True(t, err == nil || c.report.Idle, "%s: without an age nothing is behind", name)
	}
}
