package collections_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/collections"
)

// The words are in stored snapshots, so none of them may change.
func TestTheWordsAndTheirOrderStay(t *testing.T) {
	var words []string
	for _, c := range collections.All() {
		words = append(words, c.Word)
	}
	require.Equal(t, []string{"users", "usersWithoutActivity", "groups", "applications", "servicePrincipals",
		"credentialUse", "applicationUse", "licences", "federatedCredentials"}, words)
}

func TestACollectionSaysAllThatIsAskedOfIt(t *testing.T) {
	for _, c := range collections.All() {
		require.NotEmpty(t, c.Path, c.Word)
		require.NotEmpty(t, c.Permissions, c.Word)
		require.NotNil(t, c.Keep, c.Word)
		require.True(t, c.ByGroup() || c.Consequence != "", "%s: what its lack means", c.Word)
		require.NotEmpty(t, c.Partition, "%s: what is copied where an older snapshot stands in", c.Word)
	}
}

func TestWhatIsReadAfterAndInPlaceOfACollection(t *testing.T) {
	all := collections.All()
	after := func(word string) string {
		c, ok := all.Of(word)
		require.True(t, ok, word)
		if next := all.After(c); next != nil {
			return next.Word
		}
		return ""
	}
	require.Equal(t, collections.GroupMembers, after(collections.Users))
	require.Equal(t, collections.GroupMembers, after(collections.UsersWithoutActivity))
	require.Equal(t, collections.Applications, after(collections.GroupMembers))
	require.Equal(t, collections.Licences, after(collections.ApplicationUse))
	require.Equal(t, collections.FederatedCredentials, after(collections.Licences))
	require.Empty(t, after(collections.FederatedCredentials))

	users, _ := all.Of(collections.Users)
	require.Equal(t, collections.UsersWithoutActivity, all.InPlaceOf(users).Word)
	apps, _ := all.Of(collections.Applications)
	require.Nil(t, all.InPlaceOf(apps))
	_, ok := all.Of("archive")
	require.False(t, ok, "a phase that reads no collection")
}

func TestHowAQueryIsNamed(t *testing.T) {
	for word, want := range map[string][4]string{ // title, resource, key, path
		collections.Users:                {"users", "signInActivity", "users", "/v1.0/users"},
		collections.UsersWithoutActivity: {"users", "users", "usersWithoutActivity", "/v1.0/users"},
		collections.GroupMembers: {"members of group g1", "group g1", "groups g1",
			"/v1.0/groups/g1/transitiveMembers"},
		collections.Applications: {"applications", "applications", "applications", "/v1.0/applications"},
		collections.CredentialUse: {"credentialUse", "credentialUse", "credentialUse",
			"/beta/reports/appCredentialSignInActivities"},
	} {
		c, _ := collections.All().Of(word)
		q := collections.Query{Collection: c}
		if c.ByGroup() {
			q.Group = "g1"
		}
		require.Equal(t, want, [4]string{q.Title(), q.Resource(), q.Key(), q.Path()})
	}
	users, _ := collections.All().Of(collections.Users)
	require.Equal(t, "AuditLog.Read.All and User.Read.All", users.Permission())
	require.Equal(t, "User.Read.All", users.BarePermission(), "how many there are is no activity")
}
