package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/lastseen"
)

// misledDirectory is a tenant whose directory is read in several pages a collection.
type misledDirectory struct {
	*system
	reader *directory.Reader
	asked  atomic.Int64 // requests for anything but tokens
}

// breakGlass is a group whose members are stored with each snapshot.
const breakGlass = "8f1d2c3e-0000-4000-8000-000000000001"

func newMisledDirectory(t *testing.T) *misledDirectory {
	s := newSystem(t, simtenant.Config{Now: upgradeBegin, PageSize: 8,
		Generate: &generate.Config{Seed: 67, Users: 30, Apps: 26, Days: 1, End: upgradeBegin}})
	s.env["GRAPH_REQUESTS_PER_10S"], s.env["SNAPSHOT_GROUPS"] = "100000,100000", breakGlass
	d := &misledDirectory{system: s}
	for i, raw := range s.tenant.Objects(simtenant.Users)[:20] {
		id := gjson.GetBytes(raw, "id").Str
		s.tenant.AddObject(simtenant.GroupMembers, fmt.Appendf(nil, `{"id":%q,"groupId":%q,"n":%d}`, id, breakGlass, i))
	}
	d.reader = directory.NewReader(s.store, cursors.New(s.store, s.store, time.Now),
		func() time.Time { return upgradeBegin.Add(2 * day) })
	s.graph.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != simtenant.IdentityPath {
			d.asked.Add(1)
		}
		s.tenant.ServeHTTP(w, r)
	})
	return d
}

// quickly is the tenant's directory without the pauses between requests that Graph wants.
type quickly struct{ *graph.Client }

func (q quickly) Objects(ctx context.Context, about collections.Query, link string) (collections.Page, error) {
	return graph.NewDirectory(q.Client).Objects(ctx, about, link)
}

func (q quickly) Count(ctx context.Context, about collections.Query) (int64, error) {
	return graph.NewDirectory(q.Client).Count(ctx, about)
}

func (q quickly) Named(ctx context.Context, about collections.Query, ids []string) (collections.Page, error) {
	return graph.NewDirectory(q.Client).Named(ctx, about, ids)
}

func (q quickly) Readable(ctx context.Context, about collections.Query) error {
	return graph.NewDirectory(q.Client).Readable(ctx, about)
}

func (q quickly) Activity(ctx context.Context, about collections.Query, ids []string) (collections.Page, error) {
	return graph.NewDirectory(q.Client).Activity(ctx, about, ids)
}

func (q quickly) Part(ctx context.Context, about collections.Query, p collections.Part) (collections.Page, error) {
	return graph.NewDirectory(q.Client).Part(ctx, about, p)
}

// snapshot continues with a snapshot at a time after the begin, or begins one.
func (d *misledDirectory) snapshot(after time.Duration) (snapshots.Report, error) {
	d.tenant.Freeze(upgradeBegin.Add(after))
	client, err := graph.New(graph.Config{Endpoint: d.graph.URL, Scope: "https://graph.microsoft.com/.default",
		Credential: d,
		Limiter:    graph.NewLimiter(100_000), BackOff: time.Millisecond, Timeout: 2 * time.Second, Log: d.logger()})
	if err != nil {
		return snapshots.Report{}, err
	}
	by := snapshots.NewSnapshotter(quickly{client}, d.store, lastseen.New(d.store, d.logger()),
		snapshots.Options{Groups: []string{breakGlass}, Every: snapshotEvery}, time.Now, d.logger())
	return by.Run(d.Context(), runBudget, false)
}

// finish continues until the snapshot is whole.
func (d *misledDirectory) finish(after time.Duration) directory.Snapshot {
	d.Helper()
	for n := range time.Duration(4) {
		report, err := d.snapshot(after + n*10*time.Minute)
		require.NoError(d, err)
		if report.Finished || report.Idle {
			return report.Snapshot
		}
	}
	require.Fail(d, "it does not become whole")
	return directory.Snapshot{}
}

// killedAfter fires the timer of a process at a time after the begin, and kills it after so many
// requests.
func (d *misledDirectory) killedAfter(requests int64, after time.Duration) {
	d.Helper()
	d.tenant.Freeze(upgradeBegin.Add(after))
	p, asked := d.start(), d.asked.Load()
	d.dies(p, "snapshotdirectory", func() bool { return d.asked.Load() >= asked+requests })
}

// rows are all rows of the current snapshot's answers, in what a reader decides by.
func (d *misledDirectory) rows() (out []string) {
	d.Helper()
	users := directory.UserQuery{Days: 90}
	require.NoError(d, d.reader.EachUser(d.Context(), users, func(u directory.UserRow) error {
		out = append(out, fmt.Sprint("user ", u.ID, " ", u.State, " ", u.Reason, " ", u.LastInteractive, " ",
			u.LastSuccessful))
		return nil
	}))
	credentials := directory.CredentialQuery{Within: 30 * day, UnusedFor: 60 * day}
	require.NoError(d, d.reader.EachCredential(d.Context(), credentials, func(c directory.CredentialRow) error {
		out = append(out, fmt.Sprint("credential ", c.KeyID, " ", c.State, " ", c.Reason, " ", c.LastUsed, " ",
			c.UseKnown, " ", c.AppName))
		return nil
	}))
	members := directory.UserQuery{Days: 90, Exclude: []string{breakGlass}}
	outside := 0
	require.NoError(d, d.reader.EachUser(d.Context(), members, func(directory.UserRow) error { outside++; return nil }))
	slices.Sort(out)
	return append(out, fmt.Sprint(outside, " users outside the group"))
}

// changes is what happens in the directory between two snapshots.
func (d *misledDirectory) changes() {
	users := d.tenant.Objects(simtenant.Users)
	for _, raw := range [][]byte{users[3], users[17]} {
		d.tenant.RemoveObject(simtenant.Users, gjson.GetBytes(raw, "id").Str)
	}
	d.tenant.RemoveObject(simtenant.Applications, gjson.GetBytes(d.tenant.Objects(simtenant.Applications)[8], "id").Str)
	for n := range 3 {
		d.tenant.AddObject(simtenant.Users, fmt.Appendf(nil,
			`{"id":"new-%d","userPrincipalName":"new%d@contoso.example","accountEnabled":true,`+
				`"createdDateTime":"2024-03-01T00:00:00Z","signInActivity":{"lastSuccessfulSignInDateTime":"2024-03-11T00:00:00Z"}}`, n, n))
	}
}

// misleadingDirectories are the ways in which the tenant misleads who reads its directory.
func misleadingDirectories() []misleading {
	type fault = simtenant.Fault
	once := []shape{{page: 1, count: 1}, {page: 2, count: 1}, {after: 1, count: 1}}
	return []misleading{
		{Fault: fault{Kind: simtenant.EndsShort}, shapes: once},
		{Fault: fault{Kind: simtenant.EndsEmpty}, shapes: once},
		{Fault: fault{Kind: simtenant.LeavesOut, Records: 2}, shapes: once},
		{Fault: fault{Kind: simtenant.LinkCycle}, shapes: refusing()},
		{Fault: fault{Kind: simtenant.FreshCycle}, shapes: refusing()},
		{Fault: fault{Kind: simtenant.EmptyPage}, shapes: refusing()},
		{Fault: fault{Kind: simtenant.UnsupportedQuery}, shapes: refusing()},
		{Fault: fault{Kind: simtenant.NoLicence}, shapes: refusing()},
		{Fault: fault{Kind: simtenant.NoPermission}, shapes: refusing()},
		{Fault: fault{Kind: simtenant.Refused, Status: 404}, shapes: refusing()},
		{Fault: fault{Kind: simtenant.LongLinks}, shapes: refusing()},
	}
}

// TestHoweverTheTenantMisleadsASnapshotIsTheDirectorysTruth plays each way on every collection, in
// the shapes in turn, on the first snapshot and on the next day's. The process is killed in the
// middle.
func TestHoweverTheTenantMisleadsASnapshotIsTheDirectorysTruth(t *testing.T) {
	misleadDirectories(t, 0)
}

// misleadDirectories plays each way in a system of its own. shift says which collection gets which
// shape.
func misleadDirectories(t *testing.T, shift int) {
	plain := newMisledDirectory(t)
	require.Empty(t, plain.finish(0).Undisclosed)
	first := plain.rows()
	plain.changes()
	require.Empty(t, plain.finish(24*hour).Undisclosed)
	second := plain.rows()
	require.NotEqual(t, first, second)
	t.Logf("%d requests for both without a fault", plain.asked.Load())
	for i, l := range misleadingDirectories() {
		t.Run(l.name(), func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			d := newMisledDirectory(t)
			d.misledSnapshot(l, i+shift, 0)
			require.Equal(t, first, d.rows())
			d.changes()
			d.misledSnapshot(l, i+shift+2, 24*hour)
			require.Equal(t, second, d.rows())
			require.Less(t, d.asked.Load(), int64(300), "no walk goes round")
			t.Logf("it happened %d times in %d requests; %s", d.tenant.Happened(l.Kind), d.asked.Load(),
				time.Since(began).Round(10*time.Millisecond))
		})
	}
}

// misledSnapshot makes a snapshot of a tenant that misleads two runs, or three, and then behaves.
// Of two runs at once, one continues.
func (d *misledDirectory) misledSnapshot(l misleading, shift int, after time.Duration) {
	d.Helper()
	happened := d.tenant.Happened(l.Kind)
	for i, collection := range simtenant.DirectoryCollections() {
		s := l.shapes[(i+shift)%len(l.shapes)]
		f := l.Fault
		f.Stream, f.Page, f.After, f.Every, f.Count = collection, s.page, s.after, s.every, s.count
		d.tenant.Inject(f)
	}
	d.killedAfter(int64(2+shift%3), after)
	var runs sync.WaitGroup
	atOnce, refuse := 1, []simtenant.Kind{simtenant.NoLicence, simtenant.NoPermission, simtenant.Refused,
		simtenant.UnsupportedQuery}
	if !slices.Contains(refuse, l.Kind) { // one might get the refusals of both
		atOnce += shift % 2
	}
	for range atOnce {
		runs.Go(func() { _, _ = d.snapshot(after + 10*time.Minute) })
	}
	runs.Wait()
	require.Greater(d, d.tenant.Happened(l.Kind), happened)
	d.tenant.ClearFaults()
	require.Empty(d, d.finish(after+20*time.Minute).Undisclosed)
}

// TestADirectoryWhoseWalksAlwaysEndEarlyIsSaidToBeUnconfirmed: nothing is answered from it for
// three hours, then with a word on it, until the tenant behaves.
func TestADirectoryWhoseWalksAlwaysEndEarlyIsSaidToBeUnconfirmed(t *testing.T) {
	t.Parallel()
	d := newMisledDirectory(t)
	short := []entra.Stream{simtenant.Users, simtenant.Applications, simtenant.ServicePrincipals}
	for _, collection := range short {
		d.tenant.Inject(simtenant.Fault{Kind: simtenant.EndsShort, Stream: collection, Page: 2})
	}
	d.killedAfter(6, 0)
	var snap directory.Snapshot
	for after := 10 * time.Minute; ; after += 50 * time.Minute {
		require.Less(t, after, 5*hour)
		report, err := d.snapshot(after)
		if snap = report.Snapshot; report.Finished {
			require.Greater(t, after, 3*hour)
			break
		}
		require.ErrorContains(t, err, "walks brought 12, and Graph counts 30")
	}
	_, _, answer := d.start().get("/api/snapshot")
	text := fmt.Sprint(answer["value"])
	for i, collection := range short {
		require.Equal(t, "all "+string(collection), snap.Undisclosed[i].What)
		require.Contains(t, text, snap.Undisclosed[i].Message)
	}
	d.tenant.ClearFaults()
	d.changes()
	require.Empty(t, d.finish(24*hour).Undisclosed)
	require.Len(t, d.usersOf(), len(d.tenant.Objects(simtenant.Users)))
}

// usersOf are the users of the current snapshot by their state.
func (d *misledDirectory) usersOf() map[string]string {
	d.Helper()
	out := make(map[string]string)
	require.NoError(d, d.reader.EachUser(d.Context(), directory.UserQuery{Days: 90}, func(u directory.UserRow) error {
		out[u.ID] = u.State
		return nil
	}))
	return out
}

// TestWhatTheDirectoryDisclosedIsDoubtedForAnHourWhenItIsRefused: nothing fails, and the answers
// come from the snapshot before; then what was known stands in for the value, or it is unknown.
func TestWhatTheDirectoryDisclosedIsDoubtedForAnHourWhenItIsRefused(t *testing.T) {
	t.Parallel()
	d := newMisledDirectory(t)
	before := d.finish(0)
	was := d.usersOf()
	d.tenant.Inject(simtenant.Fault{Kind: simtenant.NoLicence, Stream: simtenant.Users})
	d.tenant.Inject(simtenant.Fault{Kind: simtenant.Refused, Status: 404, Stream: simtenant.CredentialUse})
	d.killedAfter(2, 24*hour)
	for after := 24*hour + 10*time.Minute; after <= 25*hour; after += 25 * time.Minute {
		report, err := d.snapshot(after)
		require.NoError(t, err)
		require.ErrorContains(t, report.Doubt, "signInActivity is refused since ")
		current, err := d.reader.Current(t.Context())
		require.NoError(t, err)
		require.Equal(t, before.ID, current.ID)
	}
	var snap directory.Snapshot
	for after := 25*hour + 20*time.Minute; snap.Stage != directory.Whole; after += 30 * time.Minute {
		require.Less(t, after, 29*hour)
		report, err := d.snapshot(after)
		require.NoError(t, err)
		snap = report.Snapshot
	}
	require.NotNil(t, snap.WhyUndisclosed("signInActivity"))
	require.NotNil(t, snap.WhyCarried("signInActivity"))
	require.NotNil(t, snap.WhyCarried("credentialUse"))
	now := d.usersOf()
	require.Len(t, now, len(was))
	for id, state := range now {
		require.Contains(t, []string{directory.Unknown, was[id]}, state, id)
	}
	d.tenant.ClearFaults()
	require.Empty(t, d.finish(48*hour).Undisclosed)
	require.Contains(t, slices.Collect(maps.Values(d.usersOf())), directory.Active)
}
