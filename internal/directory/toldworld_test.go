package directory_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
)

// world is a tenant whose users and credentials change at random.
type world struct {
	*house
	rand  *rand.Rand
	users []map[string]any
	apps  []map[string]any
	now   time.Time
	keys  int
}

const notedGroup = "11111111-2222-3333-4444-555555555555"

func (w *world) change() {
	for range w.rand.IntN(4) {
		u := w.users[w.rand.IntN(len(w.users))]
		switch w.rand.IntN(7) {
		case 0:
			u["accountEnabled"] = !(u["accountEnabled"].(bool))
		case 1, 2:
			u["signInActivity"] = map[string]any{"lastSuccessfulSignInDateTime": stamp(w.now.Add(-w.ago(40)))}
		case 3:
			u["userType"] = []string{"Member", "Guest"}[w.rand.IntN(2)]
		case 4:
			u["gone"] = u["gone"] != true
		case 5:
			u["assignedLicenses"] = []any{map[string]any{"skuId": "sku"}}[:w.rand.IntN(2)]
		case 6:
			u["member"] = u["member"] != true
		}
	}
	for range w.rand.IntN(3) {
		w.changeApp(w.apps[w.rand.IntN(len(w.apps))])
	}
}

func (w *world) changeApp(app map[string]any) {
	secrets := app["passwordCredentials"].([]any)
	switch k := w.rand.IntN(6); {
	case k <= 1 || len(secrets) == 0:
		w.keys++
		begun := w.now.Add(-w.ago(300))
		secrets = append(secrets, map[string]any{"keyId": fmt.Sprintf("key-%03d", w.keys), "displayName": "s",
			"startDateTime": stamp(begun), "endDateTime": stamp(w.now.Add(w.ago(50) - 5*day))})
	case k == 2:
		i := w.rand.IntN(len(secrets))
		secrets = slices.Delete(slices.Clone(secrets), i, i+1)
	case k == 3:
		secrets[w.rand.IntN(len(secrets))].(map[string]any)["endDateTime"] = stamp(w.now.Add(w.ago(70) - 5*day))
	case k == 4:
		app["gone"] = app["gone"] != true
	case k == 5:
		app["owners"] = []any{map[string]any{"id": "o1", "userPrincipalName": "o1@x"}}[:w.rand.IntN(2)]
	}
	app["passwordCredentials"] = secrets
}

func (w *world) ago(days int) time.Duration {
	return time.Duration(w.rand.IntN(days*24*60)) * time.Minute
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// publish makes the tenant's directory what the world is.
func (w *world) publish() {
	put := func(collection entra.Stream, id string, o map[string]any) {
		if o["gone"] == true {
			w.tenant.RemoveObject(collection, id)
			return
		}
		raw, err := json.Marshal(o)
		require.NoError(w, err)
		w.tenant.ChangeObject(collection, id, raw)
	}
	for _, u := range w.users {
		put(simtenant.Users, u["id"].(string), u)
		put(simtenant.GroupMembers, u["id"].(string), map[string]any{"id": u["id"], "groupId": notedGroup,
			"gone": u["member"] != true || u["gone"] == true})
	}
	for _, a := range w.apps {
		put(simtenant.Applications, a["id"].(string), a)
	}
}

// populate makes a few of everything.
func (w *world) populate() {
	for i := range 10 {
		id := fmt.Sprintf("00000000-0000-0000-0000-%012d", i)
		u := map[string]any{"id": id, "userPrincipalName": fmt.Sprintf("u%d@contoso.example", i), "accountEnabled": true,
			"userType": "Member", "createdDateTime": "2020-01-01T00:00:00Z", "assignedLicenses": []any{},
			"signInActivity": map[string]any{"lastSuccessfulSignInDateTime": stamp(w.now.Add(-w.ago(60)))}}
		w.users = append(w.users, u)
		w.tenant.AddObject(simtenant.Users, fmt.Appendf(nil, `{"id":%q}`, id))
		w.tenant.AddObject(simtenant.GroupMembers, fmt.Appendf(nil, `{"id":%q,"groupId":%q}`, id, notedGroup))
	}
	for i := range 4 {
		id := fmt.Sprintf("10000000-0000-0000-0000-%012d", i)
		a := map[string]any{"id": id, "appId": fmt.Sprintf("20000000-0000-0000-0000-%012d", i), "displayName": "App",
			"owners": []any{}, "keyCredentials": []any{}, "passwordCredentials": []any{}}
		w.apps = append(w.apps, a)
		w.tenant.AddObject(simtenant.Applications, fmt.Appendf(nil, `{"id":%q}`, id))
	}
}

// faults are what keeps a snapshot from saying something: who may not read it, and what that is.
var faults = []simtenant.Fault{
	{Kind: simtenant.NoLicence, Stream: simtenant.Users},
	{Kind: simtenant.NoPermission, Stream: simtenant.Applications},
	{Kind: simtenant.NoPermission, Stream: simtenant.CredentialUse},
	{Kind: simtenant.NoPermission, Stream: simtenant.GroupMembers},
}

// snapshot takes one, which every caller's answers are noted of.
func (w *world) snapshot(callers []*caller) {
	w.publish()
	w.tenant.ClearFaults()
	if w.rand.IntN(6) == 0 {
		w.tenant.Inject(faults[w.rand.IntN(len(faults))])
	}
	var snap directory.Snapshot
	for range 8 { // a refusal is believed once it has lasted for an hour
		report, err := w.run(w.Context(), true)
		require.NoError(w, err)
		if snap = report.Snapshot; report.Finished {
			break
		}
		w.tenant.Freeze(w.tenant.Now().Add(70 * time.Minute))
	}
	require.Equal(w, directory.Whole, snap.Stage)
	for _, c := range callers {
		c.look(w.T, w.house, snap)
	}
}

// everyCaller are callers with questions of all kinds.
func everyCaller() []*caller {
	inactive := directory.UserQuery{Days: 20, State: directory.Inactive}
	users := map[string]func(*directory.UserQuery){
		"inactive":          func(*directory.UserQuery) {},
		"disabled":          func(q *directory.UserQuery) { q.Enabled = new(false) },
		"enabled members":   func(q *directory.UserQuery) { q.Enabled, q.Guest = new(true), new(false) },
		"licensed, all":     func(q *directory.UserQuery) { q.State, q.Licensed = "", new(true) },
		"but for the group": func(q *directory.UserQuery) { q.Exclude = []string{notedGroup} },
	}
	expiring := directory.CredentialQuery{States: []directory.State{directory.Expiring}, Within: 15 * day,
		UnusedFor: 30 * day}
	creds := map[string]func(*directory.CredentialQuery){
		"expiring": func(*directory.CredentialQuery) {},
		"over or soon": func(q *directory.CredentialQuery) {
			q.States = []directory.State{directory.Expired, directory.Expiring}
		},
		"unused or soon": func(q *directory.CredentialQuery) {
			q.States = []directory.State{directory.Unused, directory.Expiring}
		},
		"not replaced": func(q *directory.CredentialQuery) { q.Successor = new(false) },
		"nobody's":     func(q *directory.CredentialQuery) { q.Owner, q.States = "none", nil },
	}
	var all []*caller
	add := func(c caller) {
		c.told, c.early, c.asked = make(map[string]int), make(map[string]bool), -1
		all = append(all, &c)
	}
	for _, name := range slices.Sorted(maps.Keys(users)) {
		q := inactive
		users[name](&q)
		add(caller{name: name, users: &q})
		add(caller{name: name + ", by time", users: &q, byTime: true, since: everything})
	}
	for _, name := range slices.Sorted(maps.Keys(creds)) {
		q := expiring
		creds[name](&q)
		add(caller{name: name, creds: &q})
		add(caller{name: name + ", by time", creds: &q, byTime: true, since: everything})
	}
	return all
}

// everything is asked for by a time before all snapshots.
var everything = directory.NewSince{At: at("1970-01-01T00:00:00Z")}

// TestEachEnteringIsToldOnceForEachCursor lets 60 days pass, with snapshots at odd times, some of
// which could not read something, and callers who ask at odd times, and compares all that they are
// told with the definition, worked out the slow way.
func TestEachEnteringIsToldOnceForEachCursor(t *testing.T) {
	for seed := range uint64(6) {
		subtest(t, fmt.Sprint("seed ", seed), func(t *testing.T) { playWorld(t, seed, 60) })
	}
}

func playWorld(t *testing.T, seed uint64, days int) {
	w := &world{house: open(t, simtenant.Config{}), rand: rand.New(rand.NewPCG(seed, 17)), now: now}
	w.groups = []string{notedGroup}
	w.populate()
	callers := everyCaller()
	taken := 0
	for range days {
		w.now = w.now.Add(day)
		w.change()
		moments := []time.Duration{w.ago(1), w.ago(1), w.ago(1), w.ago(1)}
		slices.Sort(moments)
		for _, after := range moments {
			w.tenant.Freeze(w.later(w.now.Add(after)))
			if w.rand.IntN(4) == 0 {
				w.snapshot(callers)
				taken++
				continue
			}
			for _, c := range callers {
				if taken > 0 && w.rand.IntN(8) == 0 {
					c.ask(t, w.house, 1+w.rand.IntN(4), w.rand.IntN(6) == 0)
				}
			}
		}
	}
	require.Greater(t, taken, days/2)
}

// later is a moment, or one after now where that is past.
func (w *world) later(at time.Time) time.Time {
	if at.After(w.tenant.Now()) {
		return at
	}
	return w.tenant.Now().Add(2 * time.Second)
}
