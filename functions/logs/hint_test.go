package logs_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/search/searchtest"

	tenantlogs "github.com/entraledger/entraledger/internal/logs"
)

// audit is an audit record at a minute of the day.
func audit(id string, minute int, service, activity string) map[string]any {
	at := begin.Add(time.Duration(minute) * time.Minute).Format(time.RFC3339)
	return map[string]any{"id": id, "activityDateTime": at, "loggedByService": service,
		"activityDisplayName": activity, "category": "Policy"}
}

// TestAValueThatIsNotKnownIsAskedForAndHintedAt: what is on the wire is found, and where nothing
// is, the answer says which known word is near.
func TestAValueThatIsNotKnownIsAskedForAndHintedAt(t *testing.T) {
	a := searchtest.New(t, tenantlogs.DirectoryAudits, begin,
		audit("a", 1, "Invited Users", "Viral user creation"),
		audit("b", 2, "Conditional Access", "Update conditional access policy"),
		audit("c", 3, "Conditional Access", "Delete conditional access policy"),
		audit("d", 4, "Core Directory", "Added policy"))
	list := strings.Replace(serve(t, a, time.Minute, tenantlogs.DirectoryAudits), "signIns", "directoryAudits", 1)
	for filter, want := range map[string]string{
		"loggedByService eq 'Invited Users'":                         "a",
		"activityDisplayName eq 'Update conditional access policy'":  "b",
		"activityDisplayName eq 'Delete conditional access policy'":  "c",
		"activityDisplayName eq 'Added policy'":                      "d",
		"loggedByService eq 'Core Directori'":                        "?did you mean 'Core Directory'?",
		"category eq 'policy'":                                       "?did you mean 'Policy'?",
		"category eq 'Policÿ'":                                       "?category 'Policÿ' is not",
		"activityDisplayName in ('Add user','add users')":            "?'add users' is not among the known ones",
		"category eq 'policy' or loggedByService eq 'Invited Users'": "a",
		"category eq 'NewerThanOurList'":                             "?",
		"category eq 'UserManagement'":                               "?",
	} {
		resp, answer := get(t, list+"?$filter="+url.QueryEscape(filter))
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %s", filter, answer)
		said, hint := resp.Header.Get("X-EntraLedger-Hint"), answer.Get(`@entraledger\.hint`)
		if !strings.HasPrefix(want, "?") {
			require.Equal(t, want, answer.Get("value.0.id").Str, filter)
			require.Empty(t, said, filter)
			require.False(t, hint.Exists(), filter)
			continue
		}
		require.Empty(t, answer.Get("value").Array(), filter)
		require.Equal(t, want != "?", hint.Exists(), filter)
		require.Contains(t, hint.Str, want[1:], filter)
		require.Equal(t, want != "?", said != "", filter)
		if !strings.Contains(filter, "ÿ") { // a header has ASCII only
			require.Equal(t, hint.Str, said, filter)
		}
	}
}

// TestATypeOfSignInsThatIsNotKnownIsAnsweredWithAHint: it may be newer than this version.
func TestATypeOfSignInsThatIsNotKnownIsAnsweredWithAHint(t *testing.T) {
	a := searchtest.New(t, tenantlogs.SignInsInteractiveUser, begin,
		map[string]any{"id": "a", "createdDateTime": begin.Format(time.RFC3339)})
	list := serve(t, a, time.Minute, tenantlogs.SignInsInteractiveUser)
	robot := "signInEventTypes/any(t: t eq 'robot')"
	for _, filter := range []string{robot, robot + " and id eq 'a'",
		robot + " and signInEventTypes/any(t: t eq 'interactiveUser')"} {
		resp, answer := get(t, list+"?$filter="+url.QueryEscape(filter))
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %s", filter, answer)
		require.Empty(t, answer.Get("value").Array(), filter)
		require.Contains(t, answer.Get(`@entraledger\.hint`).Str, "'robot' is no type of sign-ins that is archived",
			filter)
		require.Equal(t, answer.Get(`@entraledger\.hint`).Str, resp.Header.Get("X-EntraLedger-Hint"), filter)
	}
	_, answer := get(t, list)
	require.Len(t, answer.Get("value").Array(), 1)
}
