package infra_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAPageThatIsNotTheAppsOwnIsNoAnswer: a page of the platform's or of a proxy, and half an
// answer, have status 200 as well.
func TestAPageThatIsNotTheAppsOwnIsNoAnswer(t *testing.T) {
	pages := []string{"<html>Your app is up and running</html>", `{"status":"ok","value":[{"name":"tables","stat`,
		`{"error":"none"}`, `{"value":[]}`, `[]`, `{"value":["ok"]}`, ""}
	c := afterDeploying(t, "--grants", "print")
	for _, page := range pages {
		c.change(func(s *subscription) { s.App.Status, s.App.Body = 200, page })
		out, code := c.run("grant.sh", "--resource-group", "rg-ledger", "--app", appName, "AuditLog.Read.All")
		require.Equal(t, 1, code, out)
		require.Contains(t, out, "the app does not answer: something else than the app answers with 200: "+page)
		require.NotContains(t, out, "jq: ")
	}
	c.change(func(s *subscription) { s.App.Body, s.App.MendedBy = pages[0], "sync" })
	out := c.deployed("--grants", "print")
	require.Contains(t, out, "something else than the app answers with 200: <html>")
	require.Contains(t, out, "The app runs, and reaches everything.")
	c.change(func(s *subscription) { s.App.Status, s.App.Body = 200, pages[1] })
	out, code := c.deploy("--grants", "print")
	require.Equal(t, 1, code)
	require.Contains(t, out, "did not help")
	require.NotContains(t, out, "The app runs")
}

// sourced runs a piece of bash with the scripts' functions, and gives what it printed.
func sourced(t *testing.T, piece string) string {
	t.Helper()
	cmd := exec.Command("bash", "-c", "set -euo pipefail; . ./common.sh; . ./azure.sh; . "+
		"./granting.sh; . ./publish.sh\n"+piece)
	data, err := cmd.CombinedOutput()
	require.NoError(t, err, string(data))
	return string(data)
}

func TestTheAppIsAskedForFiveMinutesAtMostAndEachTimeForTwo(t *testing.T) {
	t.Run("five minutes, however often it may be asked", func(t *testing.T) {
		out := sourced(t, `key=k entra=false binary='' release='' asked=0
			nap() { :; }
			ask() { asked=$((asked + 1)) SECONDS=$((SECONDS + 100)) status=503 body=; }
			answers 8 || echo "asked $asked times"`)
		require.Contains(t, out, "asked 3 times")
	})
	t.Run("two minutes at a time", func(t *testing.T) {
		out := sourced(t, `key=k api=https://app.example/api
			curl() { printf '%s ' "$@"; printf '\n200'; }
			ask preflight
			echo "curl $body"`)
		require.Contains(t, out, "--max-time 120 ")
	})
}

// TestAnAnswerThatIsNoneEndsAGrantWithWhatToDo lets az answer each call with something else.
func TestAnAnswerThatIsNoneEndsAGrantWithWhatToDo(t *testing.T) {
	c := afterDeploying(t, "--grants", "print")
	before := c.state()
	for _, call := range []string{"account show", "sites/" + appName + "?", "config/authsettingsV2", "cloud show",
		"ad sp show", "appRoleAssignments?", "keys list"} {
		for _, answers := range []string{`{"id": "x", "value": [`, "<html>a proxy says hello</html>", "7"} {
			s := before
			s.Faults = []fault{{Call: call, Answers: answers, Times: -1}}
			c.write(s)
			out, code := c.run("grant.sh", "--resource-group", "rg-ledger", "--app", appName, "AuditLog.Read.All")
			what := fmt.Sprintf("%s answers %s\n%s", call, answers, out)
			require.Equal(t, 1, code, what)
			for _, raw := range []string{"jq: ", "parse error", ".sh: line", "unbound variable"} {
				require.NotContains(t, out, raw, what)
			}
			require.NotContains(t, out, "Azure says: \n", what)
		}
	}
}

// TestAnAnswerThatIsNoneAfterADeploymentEndsWithWhatToDo: the functions' list and the keys are
// asked for after everything else.
func TestAnAnswerThatIsNoneAfterADeploymentEndsWithWhatToDo(t *testing.T) {
	c := afterDeploying(t, "--grants", "print")
	before := c.state()
	for _, call := range []string{"function list", "keys list"} {
		for _, answers := range []string{`{"id": "x", "value": [`, `[null, 7, {"name": 7}]`, "7"} {
			s := before
			s.Faults = []fault{{Call: call, Answers: answers, Times: 2}}
			c.write(s)
			out := c.deployed("--grants", "print")
			require.Contains(t, out, "The app runs, and reaches everything.")
			for _, raw := range []string{"jq: ", "parse error", ".sh: line"} {
				require.NotContains(t, out, raw, strings.Join([]string{call, answers, out}, "\n"))
			}
		}
	}
}
