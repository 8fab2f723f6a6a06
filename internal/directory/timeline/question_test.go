package timeline

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
)

func TestQuestionsThatCantBeAskedAreRefused(t *testing.T) {
	on := daily(t, 1)
	for _, q := range []UserQuestion{{Days: -1}, {Days: maxDays + 1}} {
		_, err := q.On(on)
		require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err))
	}
	for _, q := range []CredentialQuestion{
		{Within: -1}, {Within: (maxDays + 1) * day}, {Unused: true, UnusedFor: 7*day - 1},
		{Unused: true, UnusedFor: (maxDays + 1) * day},
	} {
		_, err := q.On(on)
		require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err))
	}
	_, err := CredentialQuestion{UnusedFor: 1}.On(on)
	require.NoError(t, err, "it does not count")
}

func TestQuestionsAreToldApart(t *testing.T) {
	seen := make(map[string]string)
	for _, id := range []struct{ what, id string }{
		{"users", UserQuestion{}.ID()},
		{"days", UserQuestion{Days: 1}.ID()},
		{"guests", UserQuestion{Guest: new(true)}.ID()},
		{"members", UserQuestion{Guest: new(false)}.ID()},
		{"a name", UserQuestion{Names: []string{"a"}}.ID()},
		{"a group", UserQuestion{Groups: []string{"a"}}.ID()},
		{"an id", UserQuestion{Fixed: []string{"a"}}.ID()},
		{"credentials", CredentialQuestion{}.ID()},
		{"expired", CredentialQuestion{Expired: true}.ID()},
		{"expiring", CredentialQuestion{Expiring: true}.ID()},
		{"sooner", CredentialQuestion{Expiring: true, Within: 1}.ID()},
		{"unused", CredentialQuestion{Unused: true}.ID()},
		{"for long", CredentialQuestion{Unused: true, UnusedFor: 1}.ID()},
		{"an owner", CredentialQuestion{Owner: "a"}.ID()},
		{"an object", CredentialQuestion{Objects: []string{"a"}}.ID()},
	} {
		require.Empty(t, seen[id.id], id.what)
		seen[id.id] = id.what
	}
	require.Equal(t, UserQuestion{Names: []string{"A", "b"}}.ID(), UserQuestion{Names: []string{"B", "a", "b"}}.ID())
	neither := CredentialQuestion{Expired: true, Within: 1, UnusedFor: 1}
	require.Equal(t, CredentialQuestion{Expired: true}.ID(), neither.ID(), "neither counts")
}
