package search_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/search"
)

// TestNoValueIsRefusedForNotBeingKnown: what is nearly a known word is hinted at. The first ones
// are on the wire, and Microsoft's manual spells them otherwise or lacks them.
func TestNoValueIsRefusedForNotBeingKnown(t *testing.T) {
	shape, err := odata.ShapeOf(logs.DirectoryAudits)
	require.NoError(t, err)
	for filter, want := range map[string]string{
		"loggedByService eq 'Invited Users'":                                  "did you mean 'Invited users'?",
		"activityDisplayName eq 'Update conditional access policy'":           "did you mean",
		"activityDisplayName eq 'Delete conditional access policy'":           "did you mean",
		"activityDisplayName eq 'Added policy'":                               "did you mean 'Add policy'?",
		"category eq 'usermanagement'":                                        "did you mean 'UserManagement'?",
		"category in ('UserManagement','GroupManagment')":                     "category 'GroupManagment' is not among",
		"not (loggedByService eq 'Core directory')":                           "did you mean 'Core Directory'?",
		"activityDisplayName eq 'add user'":                                   "did you mean 'Add user'?",
		"category eq 'GroupManagment' or category eq 'GroupManagment'":        "category 'GroupManagment' is not among",
		"category eq 'UserManagment' and loggedByService eq 'Core directory'": "lists them; loggedByService",
		"category eq 'SomethingThatIsNewerThanOurList'":                       "",
		"category eq 'UserManagement'":                                        "",
		"category eq ''":                                                      "",
		"tolower(category) eq 'usermanagement'":                               "",
		"startswith(category,'user')":                                         "",
		"targetResources/any(t: t/displayName eq 'add user')":                 "",
	} {
		q, err := search.New(logs.DirectoryAudits, shape, filter)
		require.NoError(t, err, filter)
		if want == "" {
			require.Empty(t, q.Hint(), filter)
			continue
		}
		require.Contains(t, q.Hint(), want, filter)
		require.Equal(t, strings.Contains(filter, " and "), strings.Contains(q.Hint(), "; loggedByService"), filter)
	}
}

func TestATypeOfSignInsChoosesItsStream(t *testing.T) {
	shape, err := odata.ShapeOf(logs.SignInsInteractiveUser)
	require.NoError(t, err)
	for filter, want := range map[string]entra.Stream{
		"": logs.SignInsInteractiveUser,
		"signInEventTypes/any(t: t eq 'interactiveUser')":                           logs.SignInsInteractiveUser,
		"signInEventTypes/any(t: t eq 'managedIdentity') and status/errorCode eq 0": logs.SignInsManagedIdentity,
	} {
		q, err := search.New(logs.SignInsInteractiveUser, shape, filter)
		require.NoError(t, err)
		require.Equal(t, want, q.Stream)
	}
	_, err = search.New(logs.SignInsInteractiveUser, shape,
		"signInEventTypes/any(t: t eq 'managedIdentity') and signInEventTypes/any(t: t eq 'servicePrincipal')")
	require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err), "each is a log of its own")
	q, err := search.New(logs.SignInsInteractiveUser, shape, "signInEventTypes/any(t: t eq 'robot')")
	require.NoError(t, err)
	require.Contains(t, q.Hint(), "'robot' is no type of sign-ins")
}

// TestAQuestionReachesBackToWhatWasImported, also where nothing was ever read.
func TestAQuestionReachesBackToWhatWasImported(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)
	hour := now.Truncate(time.Hour)
	shape, err := odata.ShapeOf(logs.SignInsInteractiveUser)
	require.NoError(t, err)
	old := ledger.Progress{Stream: logs.SignInsInteractiveUser, ImportedHours: 2, ImportedFrom: hour.AddDate(-1, 0, 0),
		ImportedTo: hour.AddDate(0, -6, 0)}
	read := old
	read.Begin, read.Backfilled, read.TailBegin = hour.AddDate(0, -1, 0), hour, hour
	read.Watermark, read.LastRunAt = now, now
	purged := read
	purged.PurgedTo = hour.AddDate(0, -3, 0)
	for name, c := range map[string]struct {
		progress ledger.Progress
		from, to time.Time
	}{
		"imported alone": {old, old.ImportedFrom, old.ImportedTo},
		"read, too":      {read, old.ImportedFrom, hour.Add(time.Hour)},
		"and purged":     {purged, purged.PurgedTo, hour.Add(time.Hour)},
	} {
		q, err := search.New(logs.SignInsInteractiveUser, shape, "")
		require.NoError(t, err)
		q.Within(c.progress, now)
		require.Equal(t, []time.Time{c.from, c.to}, []time.Time{q.From, q.To}, name)
	}
}
