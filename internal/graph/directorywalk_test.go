package graph_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
)

const unsupported = `{"error":{"code":"Request_UnsupportedQuery","message":"Unsupported Query."}}`

func TestACollectionIsCountedByItsIndexInPlainText(t *testing.T) {
	for phase, path := range map[string]string{
		collections.Users: "/v1.0/users/$count", collections.UsersWithoutActivity: "/v1.0/users/$count",
		collections.Applications:      "/v1.0/applications/$count",
		collections.ServicePrincipals: "/v1.0/servicePrincipals/$count",
		collections.GroupMembers:      "/v1.0/groups/g1/transitiveMembers/microsoft.graph.user/$count",
	} {
		q := about(phase)
		if q.Collection.ByGroup() {
			q.Group = "g1"
		}
		s := newScript(t, status(400, nil, unsupported), status(400, nil, unsupported), body("\xef\xbb\xbf16992\r\n"))
		n, err := graph.NewDirectory(s.client(t, nil)).Count(t.Context(), q)
		require.NoError(t, err)
		require.EqualValues(t, 16992, n)
		require.Equal(t, 3, s.asked(), "it is asked again before a refusal is believed")
		for _, r := range s.requests {
			require.Equal(t, path, r.URL.RequestURI())
			require.Equal(t, "eventual", r.Header.Get("ConsistencyLevel"))
			require.Equal(t, "text/plain", r.Header.Get("Accept"), "JSON is refused with 415")
		}
	}
}

func TestACountThatIsRefusedOrNoNumberIsAnError(t *testing.T) {
	for text, c := range map[string]struct {
		answer http.HandlerFunc
		code   entra.Code
	}{
		"Graph answers 400 Request_UnsupportedQuery (Unsupported Query.)": {status(400, nil, unsupported),
			entra.CodeRefused},
		"grant the app's identity the Microsoft Graph application permission User.Read.All": {status(403, nil,
			`{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges to complete the operation."}}`), entra.CodePermission},
		`the answer is "many", which is no number`: {body("many"), entra.CodeBrokenAnswer},
		`the answer is "-1", which is no number`:   {body("-1"), entra.CodeBrokenAnswer},
	} {
		_, err := graph.NewDirectory(newScript(t, c.answer).client(t, nil)).Count(t.Context(), about(collections.Users))
		require.ErrorContains(t, err, text)
		require.Equal(t, c.code, entra.CodeOf(err), text)
	}
}

func TestObjectsAreAskedForByTheirIDs(t *testing.T) {
	for phase, fields := range map[string]string{collections.Users: "id", collections.UsersWithoutActivity: "id",
		collections.Applications:      "id,appId,displayName,tags,passwordCredentials,keyCredentials",
		collections.ServicePrincipals: "id,appId,displayName,tags,passwordCredentials,keyCredentials"} {
		s := newScript(t, body(`{"value":[{"id":"b"}]}`))
		page, err := graph.NewDirectory(s.client(t, nil)).Named(t.Context(), about(phase), []string{"a", "b", "o'c"})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		page.Free()
		require.Equal(t, "id in ('a','b','o''c')", s.requests[0].URL.Query().Get("$filter"))
		require.Equal(t, fields, s.requests[0].URL.Query().Get("$select"))
		require.NotContains(t, s.requests[0].URL.RequestURI(), "+", "a blank is %20")
	}
}

// about asks for a collection by its word.
func about(word string) collections.Query {
	c, _ := collections.All().Of(word)
	return collections.Query{Collection: c}
}
