package main

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
)

// flowSystem is a tenant with a snapshot of its directory: among others, three users who have been
// inactive for 90 days since this week, and three secrets that have come within 30 days of their
// end today.
func flowSystem(t *testing.T) *process {
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 9, Users: 40, Apps: 10, Days: 1}})
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	now := time.Now().UTC()
	for i := range 3 {
		s.tenant.AddObject(simtenant.Users, fmt.Appendf(nil, `{"id":"quiet-%d","userPrincipalName":"quiet-%[1]d@contoso.example","displayName":"Quiet %[1]d","accountEnabled":true,
			"userType":"Member","createdDateTime":"2020-01-01T00:00:00Z","signInActivity":{"lastSuccessfulSignInDateTime":%q}}`, i, now.AddDate(0, 0, -91-i).Format(time.RFC3339)))
		s.tenant.AddObject(simtenant.Applications, fmt.Appendf(nil, `{"id":"app-%d","appId":"client-%[1]d","displayName":"App %[1]d","owners":[],"keyCredentials":[],
			"passwordCredentials":[{"keyId":"key-%[1]d","displayName":"secret","startDateTime":"2026-01-01T00:00:00Z","endDateTime":%q}]}`, i, now.Add(30*24*time.Hour-time.Duration(i+1)*time.Hour).Format(time.RFC3339)))
	}
	p := s.start()
	status, _ := p.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(t, http.StatusOK, status)
	return p
}

// inPagesOf makes a test's few rows several pages.
func (f *flow) inPagesOf(rows int) {
	inputs := f.definition.Actions["All_pages"].Actions["Ask"].Inputs.(map[string]any)
	require.EqualValues(f, 999, inputs["parameters"].(map[string]any)["$top"])
	inputs["parameters"].(map[string]any)["$top"] = float64(rows)
}

// values requests all rows, page by page, as a person with curl does.
func (p *process) values(path string) (rows []map[string]any) {
	for path != "" {
		status, _, answer := p.get(path)
		require.Equal(p, http.StatusOK, status, "%v", answer)
		for _, v := range answer["value"].([]any) {
			rows = append(rows, v.(map[string]any))
		}
		path, _ = answer["@odata.nextLink"].(string)
	}
	return rows
}

func TestTheWeeklyFlowMailsEveryNewlyInactiveUserOnce(t *testing.T) {
	p := flowSystem(t)
	started := time.Now()
	f := readFlow(t, "weekly-inactive-users", p, started)
	f.inPagesOf(1)
	f.run(f.definition.Actions)
	since := started.UTC().Add(-7 * 24 * time.Hour).Format("2006-01-02T15:04:05.0000000Z")
	want := p.values("/api/inactive-users?enabled=true&$top=999&newSince=" + since)
	require.GreaterOrEqual(t, len(want), 3)
	require.GreaterOrEqual(t, f.calls, 3, "several pages were fetched")
	require.Equal(t, since, f.asked[0]["newSince"])
	require.Len(t, f.variables["rows"], len(want))
	require.Len(t, f.sent, 1)
	require.Equal(t, fmt.Sprintf("%d newly inactive users", len(want)), f.sent[0]["emailMessage/Subject"])
	body := f.sent[0]["emailMessage/Body"].(string)
	for _, u := range want {
		require.Contains(t, body, u["userPrincipalName"].(string))
	}

	// A week without newly inactive users sends nothing.
	quiet := readFlow(t, "weekly-inactive-users", p, started)
	days := quiet.definition.Parameters["days"]
	days.DefaultValue = float64(3_650)
	quiet.definition.Parameters["days"] = days
	quiet.run(quiet.definition.Actions)
	require.Empty(t, quiet.sent)
}

func TestTheDailyFlowOpensATicketForEachCredentialThatComesWithin30Days(t *testing.T) {
	p := flowSystem(t)
	started := time.Now()
	f := readFlow(t, "expiring-credential-tickets", p, started)
	f.inPagesOf(1)
	f.run(f.definition.Actions)
	since := started.UTC().Add(-24 * time.Hour).Format("2006-01-02T15:04:05.0000000Z")
	var want []string
	for _, c := range p.values("/api/expiring-credentials?state=expiring&withinDays=30&$top=999&newSince=" + since) {
		if c["hasSuccessor"] == false && c["selfRotating"] == false {
			want = append(want, c["keyId"].(string))
		}
	}
	require.GreaterOrEqual(t, len(want), 3)
	require.GreaterOrEqual(t, f.calls, 3, "several pages were fetched")
	var have []string
	for _, request := range f.sent {
		require.Equal(t, "POST", request["method"])
		body := request["body"].(map[string]any)
		have = append(have, body["externalId"].(string))
		require.Contains(t, body["title"], " days")
		require.Contains(t, body["description"], body["externalId"])
	}
	require.ElementsMatch(t, want, have)
}

// TestEveryFlowIsPlayed keeps a flow from being added without a test.
func TestEveryFlowIsPlayed(t *testing.T) {
	entries, err := os.ReadDir("../infra/flows")
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		f := readFlow(t, e.Name()[:len(e.Name())-len(".json")], nil, time.Now())
		require.NotEmpty(t, f.about)
		require.Contains(t, f.definition.Triggers, "Recurrence")
	}
	require.Equal(t, []string{"expiring-credential-tickets.json", "weekly-inactive-users.json"}, names)
}
