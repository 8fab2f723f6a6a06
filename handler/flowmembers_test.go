package main

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMembersThatNoRunShows keeps what the player does not play: when a flow begins, that one run
// goes at a time, and with whose connection. Policies are played as well, but not each of their
// numbers.
func TestMembersThatNoRunShows(t *testing.T) {
	const (
		oneRun  = `{"concurrency": {"runs": 1}}`
		sign    = `"@parameters('$authentication')"`
		patient = `{"type": "exponential", "count": 6, "interval": "PT20S", "maximumInterval": "PT10M"}`
		ask     = "actions.All_pages.actions.Ask.inputs."
		told    = "actions.Everything_came.actions."
		move    = told + "Everything_told.actions.Advance_the_reader.inputs."
	)
	both := map[string]string{
		"triggers.Recurrence.runtimeConfiguration": oneRun,
		ask + "authentication":                     sign,
		ask + "retryPolicy":                        patient,
		move + "authentication":                    sign,
		move + "retryPolicy":                       patient,
	}
	for name, members := range map[string]map[string]string{
		"weekly-inactive-users": {
			"triggers.Recurrence.recurrence": `{"frequency": "Week", "interval": 1, "timeZone": "UTC",
				"schedule": {"weekDays": ["Monday"], "hours": ["7"], "minutes": [0]}}`,
			told + "Anybody.actions.Send_a_mail.inputs.authentication": sign,
			told + "Anybody.actions.Send_a_mail.inputs.retryPolicy":    `{"type": "none"}`,
			told + "Anybody.actions.Table.inputs.format":               `"HTML"`,
		},
		"expiring-credential-tickets": {
			"triggers.Recurrence.recurrence": `{"frequency": "Day", "interval": 1, "timeZone": "UTC",
				"schedule": {"hours": ["7"], "minutes": [0]}}`,
			told + "Each.operationOptions":                       `"Sequential"`,
			told + "Each.actions.Open_a_ticket.operationOptions": `"DisableAsyncPattern"`,
			told + "Each.actions.Open_a_ticket.inputs.headers":   `{"Content-Type": "application/json"}`,
			told + "Each.actions.Open_a_ticket.inputs.method":    `"POST"`,
			told + "Each.actions.Open_a_ticket.inputs.retryPolicy": `{"type": "exponential", "count": 4,
				"interval": "PT20S", "maximumInterval": "PT5M"}`,
		},
	} {
		definition := definitionIn(t, name)
		for _, expected := range []map[string]string{both, members} {
			for path, want := range expected {
				got, err := json.Marshal(memberAt(definition, path))
				require.NoError(t, err)
				require.JSONEq(t, want, string(got), "%s: %s", name, path)
			}
		}
	}
}

// definitionIn is the definition of a flow as its file has it.
func definitionIn(t *testing.T, name string) map[string]any {
	content, err := os.ReadFile("../infra/flows/" + name + ".json")
	require.NoError(t, err)
	var file struct {
		Properties struct{ Definition map[string]any }
	}
	require.NoError(t, json.Unmarshal(content, &file))
	return file.Properties.Definition
}

func memberAt(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		v = asObject(v)[name]
	}
	return v
}

func TestParametersOfAFlowGoIntoItsQuestion(t *testing.T) {
	s := newStage(t, "weekly-inactive-users")
	s.parameters["exclude"], s.parameters["days"] = "glass@contoso.example", 30.0
	s.enter(1)
	require.Equal(t, succeeded, s.run().status)
	require.Equal(t, "glass@contoso.example", s.ledger.requests[0].Query().Get("exclude"))
	require.Equal(t, "30", s.ledger.requests[0].Query().Get("days"))

	s = newStage(t, "expiring-credential-tickets")
	s.parameters["state"] = "expiring"
	s.enter(1)
	require.Equal(t, succeeded, s.run().status)
	require.Equal(t, "expiring", s.ledger.requests[0].Query().Get("state"))
}

func TestAMailSaysWhoIsInactive(t *testing.T) {
	s := newStage(t, "weekly-inactive-users")
	s.enter(1, 2)
	var mail map[string]any
	s.elsewhere = func(_ string, inputs map[string]any) flowAnswer {
		mail = inputs
		return flowAnswer{status: http.StatusOK}
	}
	require.Equal(t, succeeded, s.run().status)
	require.Equal(t, "identity-team@contoso.example", mail["emailMessage/To"])
	require.Equal(t, "2 newly inactive users", mail["emailMessage/Subject"])
	require.Contains(t, mail["emailMessage/Body"], "for 90 days")
	for _, row := range []int{1, 2} {
		for _, property := range []string{"userPrincipalName", "displayName", "userType", "inactiveSinceDateTime", "reason"} {
			require.Contains(t, mail["emailMessage/Body"], userRow(row)[property])
		}
	}
	require.Contains(t, mail["emailMessage/Body"], "91", "for how many days")
}

func TestATicketSaysWhatEndsOrHasEnded(t *testing.T) {
	s := newStage(t, "expiring-credential-tickets")
	ended := s.item(2)
	ended["state"], ended["daysLeft"], ended["reason"] = "expired", -3.0, "it ended"
	ended["endDateTime"] = "2026-10-31T00:00:00Z"
	s.ledger.snapshot(s.address, s.item(1), ended)
	var tickets []any
	s.elsewhere = func(_ string, inputs map[string]any) flowAnswer {
		require.Equal(t, "https://tickets.contoso.example/api/tickets", inputs["uri"])
		tickets = append(tickets, inputs["body"])
		return flowAnswer{status: http.StatusCreated}
	}
	require.Equal(t, succeeded, s.run().status)
	require.Equal(t, []any{
		map[string]any{"externalId": "app/key-1", "title": "App: a secret ends in 29 days",
			"description": "Application app, credential key-1: it ends soon (2026-12-01T00:00:00Z).",
			"assignees":   "o@contoso.example"},
		map[string]any{"externalId": "app/key-2", "title": "App: a secret ended 3 days ago",
			"description": "Application app, credential key-2: it ended (2026-10-31T00:00:00Z).",
			"assignees":   "o@contoso.example"},
	}, tickets)
}

// TestWhatIsReplacedInAFlowIsOnThePage keeps to what docs/power-automate.md says of connections: the
// address of the connector and two names are all that differs between environments.
func TestWhatIsReplacedInAFlowIsOnThePage(t *testing.T) {
	const apis = "/providers/Microsoft.PowerApps/apis/"
	own := map[string]bool{}
	for _, name := range []string{"weekly-inactive-users", "expiring-credential-tickets"} {
		f := readFlow(t, name)
		used := map[string]bool{}
		for _, host := range hostsOf(definitionIn(t, name)) {
			key := asName(host["connectionName"])
			require.Equal(t, asObject(f.connections[key])["id"], host["apiId"], "%s: %s", name, key)
			used[key] = true
		}
		require.Len(t, used, len(f.connections), name)
		for key, reference := range f.connections {
			require.Equal(t, apis+key, asObject(reference)["id"])
			require.Equal(t, key, asObject(reference)["connectionName"])
			requireOnPage(t, "| `"+key+"` as `connectionName` in `connectionReferences` |")
			own[key] = true
		}
	}
	require.Equal(t, map[string]bool{"shared_entraledger": true, "shared_office365": true}, own)
	requireOnPage(t, "| `"+apis+"shared_entraledger`, wherever it is")
	requireOnPage(t, "**No import was tried in a real environment**")
}

func hostsOf(v any) (out []map[string]any) {
	for name, inner := range asObject(v) {
		if name == "host" {
			out = append(out, asObject(inner))
		}
		out = append(out, hostsOf(inner)...)
	}
	return out
}
