package search_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/search"
)

func TestASlipOfThePenInAKnownWordIsNamed(t *testing.T) {
	shape, err := odata.ShapeOf(logs.DirectoryAudits)
	require.NoError(t, err)
	for filter, want := range map[string]string{
		"category eq 'usermanagement'":                        "did you mean 'UserManagement'?",
		"category in ('UserManagement','GroupManagment')":     `at position 31: no record has the category "GroupManagment"`,
		"not (loggedByService eq 'Core directory')":           "did you mean 'Core Directory'?",
		"activityDisplayName eq 'add user'":                   "did you mean 'Add user'?",
		"category eq 'SomethingThatIsNewerThanOurList'":       "",
		"category eq 'UserManagement'":                        "",
		"tolower(category) eq 'usermanagement'":               "",
		"startswith(category,'user')":                         "",
		"targetResources/any(t: t/displayName eq 'add user')": "",
	} {
		_, err := search.New(logs.DirectoryAudits, shape, filter)
		if want == "" {
			require.NoError(t, err, filter)
			continue
		}
		require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err), filter)
		require.ErrorContains(t, err, want, filter)
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
	for _, filter := range []string{"signInEventTypes/any(t: t eq 'robot')",
		"signInEventTypes/any(t: t eq 'managedIdentity') and signInEventTypes/any(t: t eq 'servicePrincipal')"} {
		_, err := search.New(logs.SignInsInteractiveUser, shape, filter)
		require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err), filter)
	}
}
