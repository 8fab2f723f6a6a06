package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
)

func TestFederatedCredentialsOfOneApplicationAreAskedFor(t *testing.T) {
	s := directorySystem(t, 20)
	const only, other = "0b3c2a4e-0000-4000-8000-000000000001", "0b3c2a4e-0000-4000-8000-000000000002"
	s.tenant.AddObject(simtenant.Applications, []byte(`{"id":"i1","appId":"`+only+`","displayName":"Deployer","owners":[],
		"keyCredentials":[],"passwordCredentials":[],"federatedIdentityCredentials":[{"id":"f1","name":"main",
		"issuer":"https://token.actions.githubusercontent.com","subject":"repo:contoso/app:ref:refs/heads/main",
		"audiences":["api://AzureADTokenExchange"],"description":null}]}`))
	s.tenant.AddObject(simtenant.Applications, []byte(`{"id":"i2","appId":"`+other+`","displayName":"Other","owners":[],
		"keyCredentials":[],"passwordCredentials":[{"keyId":"k","endDateTime":"2030-01-01T00:00:00Z"}]}`))
	p := s.start()
	status, _ := p.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(t, http.StatusOK, status)

	status, _, answer := p.get("/api/applications/" + only + "?federated=true")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, []any{map[string]any{"id": "f1", "name": "main",
		"issuer":  "https://token.actions.githubusercontent.com",
		"subject": "repo:contoso/app:ref:refs/heads/main", "audiences": []any{"api://AzureADTokenExchange"}}},
		answer["federatedIdentityCredentials"])
	require.Len(t, answer["credentials"], 1, "the snapshot has it, too")
	status, _, list := p.get("/api/expiring-credentials?kind=federated&state=all")
	require.Equal(t, http.StatusOK, status)
	row := list["value"].([]any)[0].(map[string]any)
	require.Equal(t, []any{"f1", "federated", "valid", "application", "i1", only,
		"https://token.actions.githubusercontent.com", "repo:contoso/app:ref:refs/heads/main"},
		[]any{row["keyId"], row["kind"], row["state"], row["origin"], row["objectId"], row["appId"], row["issuer"],
			row["subject"]})
	require.NotContains(t, row, "endDateTime")
	status, _, list = p.get("/api/expiring-credentials?kind=federated")
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, list["value"], "none of them expires")
	for path, want := range map[string]int{
		"/api/applications/" + only:                                             http.StatusOK,
		"/api/applications/" + other:                                            http.StatusOK,
		"/api/applications/" + other + "?federated=true":                        http.StatusOK,
		"/api/applications/0b3c2a4e-0000-4000-8000-000000000009?federated=true": http.StatusNotFound,
		"/api/applications/x')%2F?federated=true":                               http.StatusBadRequest,
		"/api/applications/" + only + "?federated=yes":                          http.StatusBadRequest,
		"/api/applications/nothing":                                             http.StatusNotFound,
	} {
		status, _, answer := p.get(path)
		require.Equal(t, want, status, path)
		require.Nil(t, answer["federatedIdentityCredentials"], path)
	}
	s.tenant.Revoke("Application.Read.All", true)
	s.tenant.RevokeTokens()
	status, _, answer = p.get("/api/applications/" + other + "?federated=true")
	require.Equal(t, http.StatusForbidden, status, "%v", answer)
}
