package main

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/entra"
)

// makersPage is docs/power-automate.md.
func makersPage(t *testing.T) string {
	content, err := os.ReadFile("../docs/power-automate.md")
	require.NoError(t, err)
	return string(content)
}

func requireOnPage(t *testing.T, text string) {
	t.Helper()
	require.True(t, strings.Contains(makersPage(t), text), "docs/power-automate.md does not say: %s", text)
}

// recipe is what docs/power-automate.md says under "What takes long", in code.
const recipe = `
	"Verify_the_archive": {"type": "OpenApiConnection", "operationOptions": "DisableAsyncPattern", "inputs": {
		"host": {"connectionName": "shared_entraledger", "operationId": "Verify"}, "parameters": {}}},
	"Location": {"type": "Compose", "runAfter": {"Verify_the_archive": ["Succeeded"]},
		"inputs": "@coalesce(outputs('Verify_the_archive')?['headers']?['Location'], '')"},
	"Job": {"type": "InitializeVariable", "runAfter": {"Location": ["Succeeded"]}, "inputs": {"variables": [{
		"name": "job", "type": "string", "value": "@first(split(last(split(outputs('Location'), '/')), '?'))"}]}},
	"Code": {"type": "InitializeVariable", "runAfter": {"Job": ["Succeeded"]}, "inputs": {"variables": [{
		"name": "code", "type": "integer", "value": "@outputs('Verify_the_archive')?['statusCode']"}]}},
	"It_goes_on": {"type": "If", "runAfter": {"Code": ["Succeeded"]},
		"expression": {"equals": ["@variables('code')", 202]}, "else": {"actions": {}}, "actions": {
		"Until_it_ends": {"type": "Until", "expression": "@not(equals(variables('code'), 202))",
			"limit": {"count": 500, "timeout": "PT4H"}, "actions": {
			"Delay": {"type": "Wait", "inputs": {"interval": {"count": 5, "unit": "Second"}}},
			"Go_on_with_a_verification": {"type": "OpenApiConnection", "operationOptions": "DisableAsyncPattern",
				"runAfter": {"Delay": ["Succeeded"]}, "inputs": {
				"host": {"connectionName": "shared_entraledger", "operationId": "ContinueVerification"},
				"parameters": {"job": "@variables('job')"}}},
			"Keep_the_code": {"type": "SetVariable",
				"runAfter": {"Go_on_with_a_verification": ["Succeeded", "Failed", "TimedOut"]},
				"inputs": {"name": "code",
					"value": "@coalesce(outputs('Go_on_with_a_verification')?['statusCode'], 0)"}}}}}},
	"It_has_ended": {"type": "If", "runAfter": {"It_goes_on": ["Succeeded", "Failed", "TimedOut"]},
		"expression": {"equals": ["@variables('code')", 200]}, "actions": {}, "else": {"actions": {
		"Not_verified": {"type": "Terminate", "inputs": {"runStatus": "Failed", "runError": {
			"code": "NotVerified",
			"message": "@concat('The verification did not end: HTTP ', string(variables('code')))"}}}}}}`

// recipeAnswered plays the recipe; answers are those of the turns, the last one again and again.
func recipeAnswered(t *testing.T, definition string, first int, answers ...int) (f *flow, turns func() int) {
	f = newFlow(t, definitionOf(definition))
	f.connections = map[string]any{"shared_entraledger": nil}
	ledger := newFakeLedger(t)
	asked := 0
	ledger.instead = func(r *http.Request) *fakeAnswer {
		if r.URL.Path == "/api/verify" {
			return &fakeAnswer{status: first, headers: map[string]string{"Location": ledger.URL + "/api/verify/1-2?x=y"},
				body: `{"status":"running"}`}
		}
		require.Equal(t, "/api/verify/1-2", r.URL.Path)
		asked++
		return &fakeAnswer{status: answers[min(asked, len(answers))-1], body: `{}`}
	}
	f.ledger = flowLedger{ledger.URL, ledger.key, connectorOperations(connector(t))}
	return f, func() int { return asked }
}

func TestTheRecipeForWhatTakesLongEndsVisibly(t *testing.T) {
	for _, r := range flowReadings {
		for _, c := range []struct {
			name    string
			first   int
			answers []int
			turns   int
			message string
		}{
			{"done at once", 200, nil, 0, ""},
			{"done after three turns", 202, []int{202, 202, 200}, 3, ""},
			{"the key expired", 202, []int{202, 401}, 2, "The verification did not end: HTTP 401"},
			{"the job is not known", 202, []int{404}, 1, "The verification did not end: HTTP 404"},
			{"it fails for long", 202, []int{503}, 5, "The verification did not end: HTTP 503"},
			{"without end", 202, []int{202}, 500, "The verification did not end: HTTP 202"},
		} {
			t.Run(r.name+" "+c.name, func(t *testing.T) {
				f, turns := recipeAnswered(t, recipe, c.first, c.answers...)
				f.reading = r
				end := f.run()
				require.Equal(t, c.message == "", end.status == succeeded, "%+v", end)
				require.Equal(t, c.message, end.message)
				require.Equal(t, c.turns, turns())
			})
		}
	}
	f, turns := recipeAnswered(t, recipe, http.StatusUnauthorized)
	require.Equal(t, failed, f.run().status, "the first action fails")
	require.Zero(t, turns())

	followed := strings.ReplaceAll(recipe, `"operationOptions": "DisableAsyncPattern",`, "")
	f, turns = recipeAnswered(t, followed, http.StatusAccepted, http.StatusOK)
	require.Equal(t, failed, f.run().status, "Location is asked without the key")
	require.Zero(t, turns())
}

// TestTheRecipeIsTheOneOnThePage keeps the page from saying other expressions than those played.
func TestTheRecipeIsTheOneOnThePage(t *testing.T) {
	var actions map[string]any
	require.NoError(t, json.Unmarshal([]byte("{"+recipe+"}"), &actions))
	found := 0
	var look func(v any)
	look = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, inner := range v {
				look(inner)
			}
		case []any:
			for _, inner := range v {
				look(inner)
			}
		case string:
			if isExpression(v) && v != "@variables('code')" && v != "@variables('job')" {
				found++
				requireOnPage(t, "`"+v[1:]+"`")
			}
		}
	}
	look(actions)
	require.Equal(t, 6, found)
	requireOnPage(t, "*Count* 500 and *Timeout* `PT4H`")
}

// TestHowLongRequestsAreRepeatedIsMeasured measures by the played clock, in minutes begun.
func TestHowLongRequestsAreRepeatedIsMeasured(t *testing.T) {
	minutes := func(s *flowStage) int {
		began := s.now
		require.Equal(t, failed, s.run().status)
		return int(math.Ceil(s.now.Sub(began).Minutes()))
	}
	page := func(headers map[string]string) int {
		s := newStage(t, "weekly-inactive-users")
		a := refusal(http.StatusServiceUnavailable, "noSnapshot", "there is none yet")
		a.headers = headers
		s.ledger.instead = func(*http.Request) *fakeAnswer { return a }
		return minutes(s)
	}
	s := newStage(t, "expiring-credential-tickets")
	s.enter(1)
	s.refuse = func(string) *flowAnswer { return &flowAnswer{status: http.StatusServiceUnavailable} }
	requireOnPage(t, fmt.Sprintf("six times in up to %d minutes, or in up to %d where the app asks "+
		"for 300 seconds between (`Retry-After`),\nfor tickets four times in up to %d.",
		page(nil), page(map[string]string{"Retry-After": "300"}), minutes(s)))
}

// TestCursorAndReaderTakeHalfAPage counts words, with those of the table.
func TestCursorAndReaderTakeHalfAPage(t *testing.T) {
	_, section, ok := strings.Cut(makersPage(t), "## Told once: cursor and reader\n")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n##")
	require.LessOrEqual(t, len(regexp.MustCompile(`[\pL\d][^\s|]*`).FindAllString(section, -1)), 230)
	require.Equal(t, 1, strings.Count(section, "| --- |"))
	for _, word := range []string{"nextCursor", "reader=", "AdvanceReader", "new**"} {
		require.Contains(t, section, word)
	}
}

// TestWhatIsSaidOfARefusedReaderIsOnThePage keeps the columns by which a flow tells one refusal from
// another.
func TestWhatIsSaidOfARefusedReaderIsOnThePage(t *testing.T) {
	tooOld := &entra.Error{Code: entra.CodeTokenExpired, Err: timeline.ErrTooOld}
	another := &entra.Error{Code: entra.CodeBadRequest, Err: timeline.ErrOtherQuestion}
	for row, err := range map[string]error{
		"| 409 | `%s` | `%s` |": cursors.Altered("r", "row r of table readers", "its cursor is none that this app gave"),
		"| 410 | `%s` | `%s` |": cursors.Explain("r", tooOld),
		"| 400 | `%s` | `%s` |": cursors.Explain("r", another),
	} {
		beginning, _, ok := strings.Cut(err.Error(), ` "r": `)
		require.True(t, ok, err)
		requireOnPage(t, fmt.Sprintf(row, entra.CodeOf(err), beginning))
	}
}
