package directory_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/newest"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

// house is a tenant, its snapshots, and a clock.
type house struct {
	*testing.T
	account tables.Config
	tenant  *simtenant.Tenant
	asked   *questions
	store   *tablestest.Store
	cursors *cursors.Cursors
	reader  *directory.Reader
	archive successes
	grace   time.Duration // after a user was restored
	groups  []string
	source  *graph.Directory
	wire    *http.Transport  // to the tenant
	bend    snapshots.Source // in place of source; nil: it is not
	wrap    func(directory.Store) directory.Store
	log     *slog.Logger // of snapshots
}

// successes plays the archive: the newest success of each user by id, and behind "restored " and
// the id when one was restored.
type successes map[string]time.Time

func (s successes) Sources() []directory.Source {
	return []directory.Source{{Stream: "signIns.interactiveUser", Tells: directory.TellsSuccesses},
		{Stream: "directoryAudits", Tells: directory.TellsRestores}}
}

func (s successes) GoOn(
	_ context.Context, source directory.Source, before directory.Seen, since, _ time.Time,
) (directory.Seen, error) {
	seen := directory.Seen{Times: before.Times, Read: json.RawMessage("{}")}
	if seen.Times == nil {
		seen.Times = newest.Times{}
	}
	maps.DeleteFunc(seen.Times, func(_ string, at time.Time) bool { return at.Before(since) })
	for id, at := range s {
		id, restored := strings.CutPrefix(id, "restored ")
		if restored == (source.Tells == directory.TellsRestores) && !at.Before(since) {
			seen.Times.Add(id, at)
		}
	}
	return seen, nil
}

// token is the app's identity, whose tokens come from the tenant.
type token struct{ wire http.RoundTripper }

func (c token) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		endpoint+simtenant.IdentityPath+"?api-version=2019-08-01&resource=graph", nil)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	req.Header.Set("X-IDENTITY-HEADER", "simtenant")
	resp, err := c.wire.RoundTrip(req)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	err = json.NewDecoder(resp.Body).Decode(&answer)
	return azcore.AccessToken{Token: answer.Token, ExpiresOn: time.Now().Add(time.Hour)}, err
}

// endpoint is the tenant's address on its network.
const endpoint = "http://127.0.0.1"

// open opens a house whose storage account is held in memory.
func open(t *testing.T, cfg simtenant.Config) *house { return openOn(t, cfg, inMemory(t)) }

func openOn(t *testing.T, cfg simtenant.Config, account tables.Config) *house {
	if cfg.Now.IsZero() {
		cfg.Now = now
	}
	tenant, err := simtenant.New(cfg)
	require.NoError(t, err)
	tenant.Freeze(cfg.Now)
	asked := &questions{Handler: tenant}
	store, err := tablestest.New(account)
	require.NoError(t, err)
	h := &house{T: t, account: account, tenant: tenant, asked: asked, store: store, archive: successes{},
		log: slog.New(slog.DiscardHandler)}
	h.wire = serve(t, asked)
	h.source = h.directory(h.wire, token{h.wire}, 1_000_000)
	h.cursors = cursors.New(store, store, tenant.Now)
	h.reader = directory.NewReader(store, h.cursors, tenant.Now)
	return h
}

// directory is the tenant's directory for an app with an identity, which asks for so many reports.
func (h *house) directory(wire *http.Transport, identity azcore.TokenCredential, perTenSeconds int) *graph.Directory {
	client, err := graph.New(graph.Config{Endpoint: endpoint, Scope: "graph", Credential: identity,
		Limiter: graph.NewLimiter(perTenSeconds),
		Version: "test", Log: slog.New(slog.DiscardHandler), Transport: wire, BackOff: time.Millisecond, Tries: 4})
	require.NoError(h, err)
	return graph.NewDirectory(client)
}

// run is one run of the timer.
func (h *house) run(ctx context.Context, force bool) (snapshots.Report, error) {
	var store directory.Store = h.store
	if h.wrap != nil {
		store = h.wrap(store)
	}
	var source snapshots.Source = h.source
	if h.bend != nil {
		source = h.bend
	}
	s := snapshots.NewSnapshotter(source, store, h.archive, snapshots.Options{Groups: h.groups, Grace: h.grace,
		Every: 12 * time.Hour},
		h.tenant.Now, h.log)
	return s.Run(ctx, time.Minute, force)
}

// take takes a whole snapshot.
func (h *house) take() directory.Snapshot {
	h.Helper()
	for range 20 {
		report, err := h.run(h.Context(), true)
		require.NoError(h, err)
		if report.Finished {
			return report.Snapshot
		}
	}
	require.Fail(h, "the snapshot does not become whole")
	return directory.Snapshot{}
}

// users follows an answer through all of its pages.
func (h *house) users(q directory.UserQuery, top int) []directory.UserRow {
	h.Helper()
	var out []directory.UserRow
	for next := ""; ; {
		page, err := h.reader.Users(h.Context(), q, top, false, next)
		require.NoError(h, err)
		for _, raw := range page.Rows {
			var u directory.UserRow
			require.NoError(h, json.Unmarshal(raw, &u))
			out = append(out, u)
		}
		if next = page.Next; next == "" {
			return out
		}
	}
}

// truth decides every user of the tenant by itself.
func (h *house) truth(e rules.Evidence) map[string]rules.Decision {
	out := make(map[string]rules.Decision)
	for _, raw := range h.tenant.Objects(simtenant.Users) {
		u, err := rules.ParseUser(raw)
		require.NoError(h, err)
		e.Archived = h.archive[u.ID]
		out[u.ID] = rules.Decide(u, e)
	}
	return out
}

// made is a tenant with three pages of users, small one with a single page of everything.
func made() simtenant.Config {
	return simtenant.Config{Generate: &generate.Config{Seed: 3, Users: 1300, Apps: 200, Days: 1, End: now}}
}

func small() simtenant.Config {
	return simtenant.Config{Generate: &generate.Config{Seed: 3, Users: 300, Apps: 60, Days: 1, End: now}}
}

func TestASnapshotAnswersAsTheRulesDecide(t *testing.T) {
	onEachStorage(t, func(t *testing.T, account func(*testing.T) tables.Config) {
		h := openOn(t, made(), account(t))
		snap := h.take()
		require.EqualValues(t, 1300, snap.Users)
		require.EqualValues(t, 3+1+1+2+2+3+4+1+3, snap.GraphRequests,
			"no page more than the allowed sizes need, reports of use twice, three counts, licences, federated "+
				"credentials and their count, and a sample of activity")
		require.Empty(t, snap.Undisclosed)
		for _, days := range []int{1, 30, 90, 365} {
			cutoff := now.AddDate(0, 0, -days)
			want := map[string]rules.Decision{}
			for id, d := range h.truth(rules.Evidence{Disclosed: true}) {
				if d.Inactive(cutoff) {
					want[id] = d
				}
			}
			for _, top := range []int{7, 999} {
				got := h.users(directory.UserQuery{Days: days, State: directory.Inactive}, top)
				require.Len(t, got, len(want))
				for i, u := range got {
					d := want[u.ID]
					require.Equal(t, d.Since.UTC().Format(time.RFC3339Nano), u.InactiveSince, u.ID)
					require.Equal(t, d.Reason, u.Reason)
					require.Equal(t, directory.Inactive, u.State)
					require.GreaterOrEqual(t, *u.DaysInactive, days)
					if i > 0 {
						require.LessOrEqual(t, got[i-1].InactiveSince, u.InactiveSince, "oldest first")
					}
				}
			}
			page, err := h.reader.Users(t.Context(), directory.UserQuery{Days: days, State: directory.Inactive}, 1,
				true, "")
			require.NoError(t, err)
			require.EqualValues(t, len(want), *page.Count)
		}
		require.Len(t, h.users(directory.UserQuery{Days: 90}, 500), 1300, "all states together are all users")
	})
}

func TestEveryFilterAgreesWithItsCount(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, small())
		h.take()
		all := h.users(directory.UserQuery{Days: 60, State: directory.Inactive}, 999)
		for name, c := range map[string]struct {
			query directory.UserQuery
			want  func(directory.UserRow) bool
		}{
			"guests": {directory.UserQuery{Guest: new(true)}, func(u directory.UserRow) bool {
				return u.UserType == "Guest"
			}},
			"members": {directory.UserQuery{Guest: new(false)}, func(u directory.UserRow) bool {
				return u.UserType != "Guest"
			}},
			"enabled": {directory.UserQuery{Enabled: new(true)}, func(u directory.UserRow) bool {
				return u.AccountEnabled
			}},
			"licensed": {directory.UserQuery{Licensed: new(true)}, func(u directory.UserRow) bool {
				return u.Licensed
			}},
			"synced": {directory.UserQuery{Synced: new(false)}, func(u directory.UserRow) bool { return !u.Synced }},
			"never": {directory.UserQuery{Never: new(true)}, func(u directory.UserRow) bool {
				return u.NeverSignedIn
			}},
			"excluding": {directory.UserQuery{Exclude: []string{all[0].ID, strings.ToUpper(all[1].UserPrincipalName)}},
				func(u directory.UserRow) bool {
					return u.ID != all[0].ID && u.ID != all[1].ID
				}},
			"everything": {directory.UserQuery{Guest: new(false), Enabled: new(true), Licensed: new(true),
				Synced: new(true), Never: new(false)}, func(u directory.UserRow) bool {
				return u.UserType != "Guest" && u.AccountEnabled && u.Licensed && u.Synced && !u.NeverSignedIn
			}},
		} {
			var want []directory.UserRow
			for _, u := range all {
				if c.want(u) {
					want = append(want, u)
				}
			}
			require.NotEmpty(t, want, name)
			require.Less(t, len(want), len(all), name)
			c.query.Days, c.query.State = 60, directory.Inactive
			require.Equal(t, want, h.users(c.query, 10), name)
			page, err := h.reader.Users(t.Context(), c.query, 1, true, "")
			require.NoError(t, err)
			require.EqualValues(t, len(want), *page.Count, name)
		}
	})
}

func TestWhatTheTenantDoesNotDiscloseIsUnknownNeverInactive(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, kind := range []simtenant.Kind{simtenant.NoLicence, simtenant.NoPermission} {
			h := open(t, made())
			h.archive["nobody"] = now
			h.tenant.Inject(simtenant.Fault{Kind: kind, Stream: simtenant.Users})
			h.tenant.Inject(simtenant.Fault{Kind: kind, Stream: simtenant.CredentialUse})
			snap := h.take()
			require.Equal(t, "signInActivity", snap.Undisclosed[0].What)
			require.Equal(t, "credentialUse", snap.Undisclosed[1].What)
			require.Empty(t, h.users(directory.UserQuery{Days: 1, State: directory.Inactive}, 999))
			unknown := h.users(directory.UserQuery{Days: 1, State: directory.Unknown}, 999)
			require.Len(t, unknown, 1300)
			require.Contains(t, unknown[0].Reason, "does not disclose")
			require.Nil(t, unknown[0].DaysInactive)
			page, err := h.reader.Credentials(t.Context(),
				directory.CredentialQuery{States: []directory.State{directory.Unused}, UnusedFor: day}, 10, false, "")
			require.NoError(t, err)
			require.Empty(t, page.Rows, "without the report of use, nothing is unused")
		}
	})
}

func TestAPageWithoutAnyActivityIsAskedForAgainAndThenNotBelieved(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, made())
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.BlankActivity, After: 1, Count: 1})
		h.take()
		require.Empty(t, h.users(directory.UserQuery{Days: 1, State: directory.Unknown}, 999),
			"the second answer was whole")

		h.tenant.ClearFaults()
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.BlankActivity, After: 1, Count: 2})
		h.tenant.Freeze(now.Add(time.Minute))
		h.take()
		unknown := h.users(directory.UserQuery{Days: 1, State: directory.Unknown}, 999)
		require.Len(t, unknown, 500)
		require.Contains(t, unknown[0].Reason, "the whole page")
	})
}

func TestOneUserWhoNeverSignedInOnTheLastPageIsBelieved(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		for n := range 501 {
			activity := `,"signInActivity":{"lastSuccessfulSignInDateTime":"2026-11-20T00:00:00Z"}`
			if n == 500 {
				activity = ""
			}
			h.tenant.AddObject(simtenant.Users,
				fmt.Appendf(nil, `{"id":"u%03d","userPrincipalName":"u%03d@x","createdDateTime":"2020-01-01T00:00:00Z"%s}`, n, n, activity))
		}
		h.take()
		inactive := h.users(directory.UserQuery{Days: 90, State: directory.Inactive}, 10)
		require.Len(t, inactive, 1)
		require.Equal(t, "u500", inactive[0].ID)
		require.Equal(t, rules.ByCreation, inactive[0].DecidedBy)
	})
}

func TestTheArchivesNewerSuccessDecides(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, small())
		h.take()
		inactive := h.users(directory.UserQuery{Days: 90, State: directory.Inactive}, 999)
		h.archive[inactive[0].ID] = now.Add(-5 * time.Hour)
		h.archive[inactive[1].ID] = now.Add(-89 * day) // however old
		h.archive[inactive[2].ID] = now.Add(-91 * day) // active then, and not since
		h.tenant.Freeze(now.Add(time.Minute))
		h.take()
		again := h.users(directory.UserQuery{Days: 90, State: directory.Inactive}, 999)
		require.Len(t, again, len(inactive)-2)
		_, row, err := h.reader.User(t.Context(), inactive[0].ID, 90)
		require.NoError(t, err)
		require.Equal(t, "archivedSignIn", gjson.GetBytes(row, "decidedBy").Str)
		require.Equal(t, "active", gjson.GetBytes(row, "state").Str)
	})
}

// failing is a store that is killed before its nth write, which is also after the one before.
type failing struct {
	directory.Store
	left *int
}

var errKilled = &entra.Error{Code: entra.CodeUnavailable, Doing: "write", Why: "killed"}

func (f failing) killed() bool {
	*f.left--
	return *f.left <= 0
}

func (f failing) Put(ctx context.Context, id, partition string, rows []directory.Row) error {
	if f.killed() {
		return errKilled
	}
	return f.Store.Put(ctx, id, partition, rows)
}

func (f failing) SaveSnapshot(ctx context.Context, s directory.Snapshot) (directory.Snapshot, error) {
	if f.killed() {
		return s, errKilled
	}
	return f.Store.SaveSnapshot(ctx, s)
}

func (f failing) DropRows(ctx context.Context, id string) error {
	if f.killed() {
		return errKilled
	}
	return f.Store.DropRows(ctx, id)
}

func TestKilledAtAnyWriteTheOldSnapshotStaysAndTheNextRunGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{PageSize: 80,
			Generate: &generate.Config{Seed: 3, Users: 90, Apps: 10, Days: 1, End: now}}) // two pages of users
		current := h.take()
		want := h.users(directory.UserQuery{Days: 30}, 999)
		at := now
		for kill, finished := 1, false; !finished; kill++ {
			require.Less(t, kill, 100, "so many writes")
			at = at.Add(3 * time.Hour)
			h.tenant.Freeze(at)
			left := kill
			h.wrap = func(s directory.Store) directory.Store { return failing{s, &left} }
			report, err := h.run(t.Context(), true)
			h.wrap = nil
			if finished = err == nil; finished {
				require.True(t, report.Finished)
			} else {
				require.ErrorIs(t, err, errKilled)
			}
			seen, err := h.reader.Current(t.Context())
			require.NoError(t, err)
			require.True(t, seen.ID == current.ID || seen.Phase == directory.PhaseDone,
				"only the old one or a whole one is seen")
			if seen.ID == current.ID {
				seen = h.take()
			}
			current = seen
			require.Len(t, h.users(directory.UserQuery{Days: 30}, 999), len(want), "killed at write %d", kill)
			require.EqualValues(t, 90, current.Users)
		}
	})
}

func TestAWalkGoesThroughOneSnapshotWhileTheNextLands(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, made())
		h.take()
		q := directory.UserQuery{Days: 1}
		page, err := h.reader.Users(t.Context(), q, 100, false, "")
		require.NoError(t, err)
		seen := map[string]bool{}
		landed := 0
		for {
			for _, raw := range page.Rows {
				id := gjson.GetBytes(raw, "id").Str
				require.False(t, seen[id], "twice")
				seen[id] = true
			}
			if len(seen) >= 500 && landed == 0 {
				landed++
				for _, raw := range h.tenant.Objects(simtenant.Users)[:700] {
					h.tenant.RemoveObject(simtenant.Users, gjson.GetBytes(raw, "id").Str)
				}
				h.tenant.Freeze(now.Add(time.Hour))
				h.take()
				require.Len(t, h.users(q, 999), 600, "whoever asks anew sees the new one")
			}
			if page.Next == "" {
				break
			}
			page, err = h.reader.Users(t.Context(), q, 100, false, page.Next)
			require.NoError(t, err)
		}
		require.Len(t, seen, 1300, "without a gap")
	})
}
