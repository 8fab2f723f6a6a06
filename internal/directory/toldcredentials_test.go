package directory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
)

// A credential is on an application and on its service principal. One snapshot may not read
// applications: it neither begins nor breaks a run.
func TestASnapshotThatCouldNotReadApplicationsBreaksNoRun(t *testing.T) {
	for name, q := range map[string]directory.CredentialQuery{
		"all":             {},
		"origin":          {Origin: directory.OnApplication},
		"owner":           {Owner: "boss@x"},
		"successor":       {Successor: new(true)},
		"exclude":         {Exclude: []string{"sp1"}},
		"within":          {States: []directory.State{directory.Expiring}, Within: 90 * day},
		"expiring, owner": {States: []directory.State{directory.Expiring}, Within: 90 * day, Owner: "boss@x"},
	} {
		subtest(t, name, func(t *testing.T) {
			h := open(t, simtenant.Config{})
			key := `{"keyId":"k1","customKeyIdentifier":"abc","usage":"Verify","startDateTime":"2026-01-01T00:00:00Z","endDateTime":"2027-01-01T00:00:00Z"}`
			h.tenant.AddObject(simtenant.Applications, []byte(`{"id":"ap1","appId":"app","displayName":"App",
				"owners":[{"id":"o1","userPrincipalName":"boss@x"}],"passwordCredentials":[],"keyCredentials":[`+key+`,
				{"keyId":"k2","usage":"Verify","startDateTime":"2026-01-01T00:00:00Z","endDateTime":"2028-01-01T00:00:00Z"}]}`))
			h.tenant.AddObject(simtenant.ServicePrincipals, []byte(`{"id":"sp1","appId":"app","displayName":"App",
				"owners":[],"keyCredentials":[`+key+`],"passwordCredentials":[]}`))
			h.at(0)
			c := caller{creds: &q}
			first, err := c.all(t, h.reader, everything, 9)
			require.NoError(t, err)
			require.Contains(t, first.ids, "app/k1")

			h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.Applications})
			h.tenant.Freeze(now.Add(day))
			var snap directory.Snapshot
			for range 8 {
				report, err := h.run(t.Context(), true)
				require.NoError(t, err)
				if snap = report.Snapshot; report.Finished {
					break
				}
				h.tenant.Freeze(h.tenant.Now().Add(70 * time.Minute))
			}
			require.NotNil(t, snap.WhyCarried("applications"))
			same, err := c.all(t, h.reader, since(first.cursor), 9)
			require.NoError(t, err, "the snapshot before answers")
			require.Empty(t, same.ids)
			require.Equal(t, first.cursor, same.cursor)

			h.tenant.ClearFaults()
			h.at(2 * day)
			again, err := c.all(t, h.reader, since(first.cursor), 9)
			require.NoError(t, err)
			require.Empty(t, again.ids, "all was told, and nothing has changed")
		})
	}
}

// The app's clock is behind the tenant's. What crosses the line between the two is told never.
func TestFirstCallWithAClockBehindTheSnapshot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.tenant.AddObject(simtenant.Applications, fmt.Appendf(nil, `{"id":"ap1","appId":"app","displayName":"App",
			"owners":[],"keyCredentials":[],"passwordCredentials":[{"keyId":"s1",
			"startDateTime":"2026-01-01T00:00:00Z","endDateTime":%q}]}`, stamp(now.Add(30*day-30*time.Second))))
		h.at(0)
		h.reader = directory.NewReader(h.store, h.cursors, func() time.Time { return h.tenant.Now().Add(-time.Minute) })
		q := directory.CredentialQuery{States: []directory.State{directory.Expiring}, Within: 30 * day}
		c := caller{creds: &q}
		first, err := c.all(t, h.reader, directory.NewSince{}, 9)
		require.NoError(t, err)
		h.at(day)
		next, err := c.all(t, h.reader, since(first.cursor), 9)
		require.NoError(t, err)
		require.Len(t, append(first.ids, next.ids...), 1, "told once: first %v, next %v", first.ids, next.ids)
	})
}

// A SAML certificate whose password entry ends a second later than the key: two rows of one key id.
func TestTwoRowsOfOneKeyID(t *testing.T) {
	for name, q := range map[string]directory.CredentialQuery{
		"secrets":  {Kind: directory.Secret, States: []directory.State{directory.Expiring}, Within: 30 * day},
		"expiring": {States: []directory.State{directory.Expiring}, Within: 30 * day},
	} {
		subtest(t, name, func(t *testing.T) {
			h := open(t, simtenant.Config{})
			h.at(0)
			c := caller{creds: &q}
			first, err := c.all(t, h.reader, everything, 9)
			require.NoError(t, err)
			h.tenant.AddObject(simtenant.ServicePrincipals, fmt.Appendf(nil, `{"id":"sp1","appId":"app","displayName":"App",
				"owners":[],"keyCredentials":[
				{"keyId":"v1","customKeyIdentifier":"abc","usage":"Verify","startDateTime":"2026-01-01T00:00:00Z","endDateTime":%[1]q},
				{"keyId":"k1","customKeyIdentifier":"abc","usage":"Sign","startDateTime":"2026-01-01T00:00:00Z","endDateTime":%[1]q}],
				"passwordCredentials":[{"keyId":"k1","customKeyIdentifier":"abc","startDateTime":"2026-01-01T00:00:00Z","endDateTime":%[2]q}]}`,
				stamp(now.Add(60*day)), stamp(now.Add(20*day))))
			h.at(day)
			plain, err := c.all(t, h.reader, directory.NewSince{}, 9)
			require.NoError(t, err)
			want := []string{"app/k1"}
			if q.Kind == directory.Secret {
				want = []string{} // it is a certificate
			}
			require.Equal(t, want, plain.ids)
			next, err := c.all(t, h.reader, since(first.cursor), 9)
			require.NoError(t, err)
			require.Equal(t, plain.ids, next.ids, "it appeared, and is in the answer")
		})
	}
}

// A first call that is made more than a day after its snapshot, because a night had none, asks for
// what was unused for seven days.
func TestUnusedOfAFirstAnswerADayLateIsNotToldAgain(t *testing.T) {
	for name, c := range map[string]struct {
		days  int
		after time.Duration
	}{"7 days, 20 hours late": {7, 20 * time.Hour}, "7 days, 30 hours late": {7, 30 * time.Hour},
		"8 days, 30 hours late": {8, 30 * time.Hour}, "8 days, 60 hours late": {8, 60 * time.Hour}} {
		subtest(t, name, func(t *testing.T) {
			h := open(t, simtenant.Config{})
			h.tenant.AddObject(simtenant.Applications, []byte(`{"id":"ap1","appId":"app","displayName":"App",
				"owners":[],"keyCredentials":[],"passwordCredentials":[{"keyId":"s1",
				"startDateTime":"2026-01-01T00:00:00Z","endDateTime":"2028-01-01T00:00:00Z"}]}`))
			h.at(0)
			q := directory.CredentialQuery{States: []directory.State{directory.Unused}, Within: 30 * day,
				UnusedFor: time.Duration(c.days) * day}
			call := caller{creds: &q}
			h.tenant.Freeze(now.Add(c.after))
			first, err := call.all(t, h.reader, directory.NewSince{}, 9)
			require.NoError(t, err)
			require.Equal(t, []string{"app/s1"}, first.ids)
			h.at(c.after + 10*time.Hour)
			next, err := call.all(t, h.reader, since(first.cursor), 9)
			require.NoError(t, err)
			require.Empty(t, next.ids, "it was told, was unused all the time, and still is")
		})
	}
}

// A SAML certificate whose password entry has no customKeyIdentifier: one key id, one end, two
// rows.
func TestTwoCredentialsOfOneKeyIDAndEndAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.tenant.AddObject(simtenant.ServicePrincipals, fmt.Appendf(nil, `{"id":"sp1","appId":"app","displayName":"App",
			"owners":[],"keyCredentials":[
			{"keyId":"v1","customKeyIdentifier":"abc","usage":"Verify","startDateTime":"2026-01-01T00:00:00Z","endDateTime":%[1]q},
			{"keyId":"k1","customKeyIdentifier":"abc","usage":"Sign","startDateTime":"2026-01-01T00:00:00Z","endDateTime":%[1]q}],
			"passwordCredentials":[{"keyId":"k1","startDateTime":"2026-01-01T00:00:00Z","endDateTime":%[1]q}]}`,
			stamp(now.Add(20*day))))
		h.tenant.Freeze(now)
		h.take()
		_, err := h.reader.Credentials(t.Context(), directory.CredentialQuery{}, 9, false, "")
		require.NoError(t, err)
	})
}

// The walk through applications lost one, and nothing tells whether it is there. Its certificate is
// on the service principal, too.
func TestAnApplicationThatMayBeThereBreaksNoRun(t *testing.T) {
	for name, q := range map[string]directory.CredentialQuery{
		"owner":  {Owner: "boss@x"},
		"origin": {Origin: directory.OnApplication},
		"nobody": {Owner: "none"},
		"all":    {},
	} {
		subtest(t, name, func(t *testing.T) {
			p := newPaged(t)
			key := `{"keyId":"k1","customKeyIdentifier":"abc","usage":"Verify","startDateTime":"2026-01-01T00:00:00Z","endDateTime":"2027-01-01T00:00:00Z"}`
			other := `{"id":"ap0","appId":"app0","displayName":"App","owners":[],"keyCredentials":[],"passwordCredentials":[]}`
			second0 := `{"id":"ap2","appId":"app2","displayName":"App","owners":[],"keyCredentials":[],"passwordCredentials":[]}`
			app := `{"id":"ap1","appId":"app","displayName":"App","owners":[{"id":"o1","userPrincipalName":"boss@x"}],
				"keyCredentials":[` + key + `],"passwordCredentials":[]}`
			p.of["applications"] = [][]string{{other}, {second0}, {app}}
			p.of["servicePrincipals"] = [][]string{{`{"id":"sp1","appId":"app","displayName":"App",
				"owners":[],"keyCredentials":[` + key + `],"passwordCredentials":[]}`}}
			p.at(0)
			c := caller{creds: &q}
			first, err := c.all(t, p.reader, everything, 9)
			require.NoError(t, err)
			p.of["applications"] = [][]string{{other}, {second0}}
			p.uncounted = true
			p.unnamed = true
			snap := p.at(day)
			require.NotNil(t, snap.WhyUndisclosed("all applications"))
			second, err := c.all(t, p.reader, since(first.cursor), 9)
			require.NoError(t, err)
			p.uncounted, p.unnamed = false, false
			p.of["applications"] = [][]string{{other}, {second0}, {app}}
			p.at(2 * day)
			third, err := c.all(t, p.reader, since(second.cursor), 9)
			require.NoError(t, err)
			require.LessOrEqual(t, len(first.ids)+len(second.ids)+len(third.ids), 1, "%v %v %v", first.ids, second.ids,
				third.ids)
			if name == "nobody" {
				require.Empty(t, second.ids, "its owners could not be read")
			}
		})
	}
}

// The walk through service principals lost one, on which there is the successor of a secret on
// another one of the same application: nobody can say whether it is gone, so the ticket flow is
// told nothing.
func TestASuccessorThatMayBeThereIsNotLost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPaged(t)
		secret := func(id, end string) string {
			return `{"keyId":"` + id + `","startDateTime":"2026-01-01T00:00:00Z","endDateTime":"` + end + `"}`
		}
		old := `{"id":"sp0","appId":"app","displayName":"App","owners":[],"keyCredentials":[],
			"passwordCredentials":[` + secret("old", "2026-12-01T00:00:00Z") + `]}`
		one := func(id string) string {
			return `{"id":"` + id + `","appId":"` + id +
				`","displayName":"App","owners":[],"keyCredentials":[],"passwordCredentials":[]}`
		}
		successor := `{"id":"sp1","appId":"app","displayName":"App","owners":[],"keyCredentials":[],
			"passwordCredentials":[` + secret("new", "2028-12-01T00:00:00Z") + `]}`
		p.of["servicePrincipals"] = [][]string{{old}, {one("y")}, {successor}}
		p.at(0)
		c := caller{creds: &directory.CredentialQuery{States: []directory.State{directory.Expiring}, Within: 30 * day,
			Successor: new(false), SelfRotating: new(false)}}
		first, err := c.all(t, p.reader, everything, 9)
		require.NoError(t, err)
		require.Empty(t, first.ids, "it has a successor")
		p.of["servicePrincipals"] = [][]string{{old}, {one("y")}}
		p.uncounted, p.unnamed = true, true
		require.NotNil(t, p.at(day).WhyUndisclosed("all servicePrincipals"))
		second, err := c.all(t, p.reader, since(first.cursor), 9)
		require.NoError(t, err)
		require.Empty(t, second.ids, "nobody can say whether it lost what replaced it")
	})
}

// One question in two spellings: the answer depends on the spelling, so the cursor must, too.
func TestAppIDInOtherCaseIsAnotherQuestion(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		addApps(h.tenant, 2)
		h.at(0)
		upper := caller{creds: &directory.CredentialQuery{AppID: "A-APP01"}}
		lower := caller{creds: &directory.CredentialQuery{AppID: "a-app01"}}
		none, err := upper.all(t, h.reader, everything, 9)
		require.NoError(t, err)
		all, err := lower.all(t, h.reader, everything, 9)
		require.NoError(t, err)
		require.Len(t, all.ids, 1)
		require.Equal(t, all.ids, none.ids, "or the cursors differ")
	})
}

// Like applications, service principals.
func TestASnapshotThatCouldNotReadServicePrincipalsBreaksNoRun(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		secret := func(id, end string) string {
			return `{"keyId":"` + id + `","startDateTime":"2026-01-01T00:00:00Z","endDateTime":"` + end + `"}`
		}
		h.tenant.AddObject(simtenant.ServicePrincipals, []byte(`{"id":"sp1","appId":"app","displayName":"App","owners":[],
			"keyCredentials":[],"passwordCredentials":[`+secret("old", "2026-12-01T00:00:00Z")+`,`+
			secret("new", "2028-12-01T00:00:00Z")+`]}`))
		h.at(0)
		c := caller{creds: &directory.CredentialQuery{Successor: new(true)}}
		first, err := c.all(t, h.reader, everything, 9)
		require.NoError(t, err)
		require.Equal(t, []string{"app/old"}, first.ids)
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.ServicePrincipals})
		h.tenant.Freeze(now.Add(day))
		for range 8 {
			report, err := h.run(t.Context(), true)
			require.NoError(t, err)
			if report.Finished {
				break
			}
			h.tenant.Freeze(h.tenant.Now().Add(70 * time.Minute))
		}
		h.tenant.ClearFaults()
		h.at(2 * day)
		again, err := c.all(t, h.reader, since(first.cursor), 9)
		require.NoError(t, err)
		require.Empty(t, again.ids, "all was told, and nothing has changed")
	})
}
