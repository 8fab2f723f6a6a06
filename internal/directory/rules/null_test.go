package rules_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/rules"
)

// TestNullIsNoList: neither a credential nor anybody who owns one, and no element of a list.
func TestNullIsNoList(t *testing.T) {
	for _, list := range []string{"null", "[]", "[null]", `"x"`, "{}", "1"} {
		app, err := rules.ParseApp(rules.OnApplication, []byte(`{"id":"o","appId":"a","tags":`+list+`,"owners":`+list+`,
			"keyCredentials":`+list+`,"passwordCredentials":`+list+`}`))
		require.NoError(t, err)
		require.Empty(t, app.Credentials(), list)
		require.Empty(t, app.Owners, list)
		require.Empty(t, app.Tags, list)
		user, err := rules.ParseUser([]byte(`{"id":"u","assignedLicenses":` + list + `}`))
		require.NoError(t, err)
		require.Empty(t, user.Licences, list)
		require.Empty(t, rules.ParseFederated([]byte(`{"audiences":`+list+`}`)).Audiences, list)
	}
}
