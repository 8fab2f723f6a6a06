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

	"github.com/entraledger/entraledger/internal/directory"
)

// oddWorld is a world with blank pages, renamed users and service principals.
type oddWorld struct {
	*paged
	rand  *rand.Rand
	users []map[string]any
	objs  map[string][]map[string]any
}

func (w *oddWorld) ago(days int) time.Duration {
	return time.Duration(w.rand.IntN(days*24*60)) * time.Minute
}

func (w *oddWorld) publish(blank bool) {
	var first, second []string
	for i := range 40 {
		first = append(first, userOf(fmt.Sprintf("f%02d", i), "2020-01-01T00:00:00Z", stamp(now.Add(1000*day))))
	}
	for _, u := range w.users {
		if u["gone"] == true {
			continue
		}
		c := make(map[string]any)
		for k, v := range u {
			if k != "signInActivity" || !blank {
				c[k] = v
			}
		}
		raw, err := json.Marshal(c)
		require.NoError(w, err)
		second = append(second, string(raw))
	}
	w.of["users"] = [][]string{first, second}
	for _, word := range []string{"applications", "servicePrincipals"} {
		var all []string
		for _, o := range w.objs[word] {
			raw, err := json.Marshal(o)
			require.NoError(w, err)
			all = append(all, string(raw))
		}
		w.of[word] = [][]string{all}
	}
}

func (w *oddWorld) change(at time.Time) {
	for range w.rand.IntN(5) {
		u := w.users[w.rand.IntN(len(w.users))]
		switch w.rand.IntN(6) {
		case 0:
			o := w.users[w.rand.IntN(len(w.users))]
			if u["gone"] != true && o["gone"] != true {
				u["userPrincipalName"], o["userPrincipalName"] = o["userPrincipalName"], u["userPrincipalName"]
			}
		case 1, 2:
			u["signInActivity"] = map[string]any{"lastSuccessfulSignInDateTime": stamp(at.Add(-w.ago(40)))}
		case 3:
			delete(u, "signInActivity")
		case 4:
			if u["userPrincipalName"] != "u0@x" {
				u["gone"] = u["gone"] != true
			}
		case 5:
			u["accountEnabled"] = u["accountEnabled"] != true
		}
	}
	for range w.rand.IntN(4) {
		words := []string{"applications", "servicePrincipals"}
		from, to := w.rand.IntN(2), w.rand.IntN(2)
		app := w.rand.IntN(3)
		a, b := w.objs[words[from]][app], w.objs[words[to]][app]
		kind := []string{"passwordCredentials", "keyCredentials"}[w.rand.IntN(2)]
		list := a[kind].([]any)
		switch w.rand.IntN(5) {
		case 0: // copied
			if len(list) > 0 && from != to {
				e := list[w.rand.IntN(len(list))]
				if !slices.ContainsFunc(b[kind].([]any), func(o any) bool {
					return o.(map[string]any)["keyId"] == e.(map[string]any)["keyId"]
				}) {
					b[kind] = append(slices.Clone(b[kind].([]any)), e)
				}
			}
		case 1: // removed
			if len(list) > 0 {
				i := w.rand.IntN(len(list))
				a[kind] = slices.Delete(slices.Clone(list), i, i+1)
			}
		case 2, 3:
			if kind == "passwordCredentials" && len(list) < 4 {
				e := map[string]any{"keyId": fmt.Sprintf("k%d", w.rand.IntN(1_000_000)), "displayName": "s"}
				if w.rand.IntN(6) > 0 {
					e["endDateTime"] = stamp(at.Add(w.ago(40) - 3*day))
				}
				e["startDateTime"] = stamp(at.Add(w.ago(20) - 15*day))
				a[kind] = append(slices.Clone(list), e)
			}
		case 4:
			a["owners"] = []any{map[string]any{"id": "o1", "userPrincipalName": "o1@x"},
				map[string]any{"id": "o2"}}[w.rand.IntN(2) : 1+w.rand.IntN(2)]
		}
	}
}

// populate makes a few of everything.
func (w *oddWorld) populate() {
	for i := range 8 {
		w.users = append(w.users, map[string]any{"id": fmt.Sprintf("u%d", i),
			"userPrincipalName": fmt.Sprintf("u%d@x", i), "createdDateTime": stamp(now.Add(-w.ago(40))),
			"accountEnabled": true,
			"signInActivity": map[string]any{"lastSuccessfulSignInDateTime": stamp(now.Add(-w.ago(40)))}})
	}
	for _, word := range []string{"applications", "servicePrincipals"} {
		for i := range 3 {
			w.objs[word] = append(w.objs[word], map[string]any{"id": fmt.Sprintf("%s%d", word, i),
				"appId": fmt.Sprintf("app%d", i), "displayName": "App", "owners": []any{},
				"passwordCredentials": []any{}, "keyCredentials": []any{}})
		}
	}
}

// oddCallers ask what depends on names, owners, places and on whether anybody knows.
func oddCallers() (callers []*caller) {
	add := func(c caller) {
		c.told, c.early, c.asked = make(map[string]int), make(map[string]bool), -1
		b := c
		b.told, b.early = make(map[string]int), make(map[string]bool)
		b.name, b.since, b.byTime = c.name+" by time", everything, true
		callers = append(callers, &c, &b)
	}
	users := map[string]directory.UserQuery{
		"not u0":     {Days: 20, State: directory.Inactive, Exclude: []string{"U0@x"}},
		"all not u0": {Days: 20, Exclude: []string{"u0@x"}},
		"sorted": {Days: 20, State: directory.Inactive, Enabled: new(false),
			Order: directory.Order{By: "displayName"}},
		"never":          {Days: 20, State: directory.Inactive, Never: new(true)},
		"all who signed": {Days: 20, Never: new(false)},
	}
	soon := []directory.State{directory.Expiring}
	creds := map[string]directory.CredentialQuery{
		"app": {Origin: directory.OnApplication, States: soon, Within: 15 * day},
		"sp": {Origin: directory.OnServicePrincipal, States: []directory.State{directory.Expiring,
			directory.Expired}, Within: 15 * day},
		"o1":        {Owner: "O1@x"},
		"o2":        {Owner: "o2", States: soon, Within: 15 * day},
		"none":      {Owner: "none"},
		"successor": {Successor: new(true)},
		"unused":    {States: []directory.State{directory.Unused}, Within: 5 * day, UnusedFor: 8 * day},
		"exclude":   {Exclude: []string{"applications1", "k2"}},
		"app0":      {AppID: "APP0", States: []directory.State{directory.Expired}},
	}
	for _, name := range slices.Sorted(maps.Keys(users)) {
		q := users[name]
		add(caller{name: name, users: &q})
	}
	for _, name := range slices.Sorted(maps.Keys(creds)) {
		q := creds[name]
		add(caller{name: name, creds: &q})
	}
	return callers
}

// TestEachEnteringOfAnOddWorldIsToldOnce is as TestEachEnteringIsToldOnceForEachCursor, with blank
// pages, names that are swapped, credentials that move, and owners by name and id.
func TestEachEnteringOfAnOddWorldIsToldOnce(t *testing.T) {
	for seed := range uint64(3) {
		subtest(t, fmt.Sprint("seed ", seed), func(t *testing.T) { playOddWorld(t, seed, 45) })
	}
}

func playOddWorld(t *testing.T, seed uint64, days int) {
	w := &oddWorld{paged: newPaged(t), rand: rand.New(rand.NewPCG(seed, 99)), objs: map[string][]map[string]any{}}
	w.populate()
	callers := oddCallers()
	taken := 0
	for d := range days {
		base := now.Add(time.Duration(d+1) * day)
		w.change(base)
		moments := []time.Duration{w.ago(1), w.ago(1), w.ago(1)}
		slices.Sort(moments)
		for _, m := range moments {
			at := base.Add(m)
			if !at.After(w.tenant.Now()) {
				at = w.tenant.Now().Add(2 * time.Second)
			}
			w.tenant.Freeze(at)
			if w.rand.IntN(3) == 0 {
				w.publish(w.rand.IntN(4) == 0)
				snap := w.take()
				taken++
				for _, c := range callers {
					c.look(t, w.house, snap)
				}
				continue
			}
			for _, c := range callers {
				if taken > 0 && w.rand.IntN(6) == 0 {
					c.ask(t, w.house, 1+w.rand.IntN(3), w.rand.IntN(6) == 0)
				}
			}
		}
	}
	require.Greater(t, taken, days/2)
}
