package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/settings"
)

// TestARequestForATokenThatIsStoppedSaysSo: it must not look like a refusal.
func TestARequestForATokenThatIsStoppedSaysSo(t *testing.T) {
	asked := make(chan struct{}, 1)
	done := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-done
	}))
	defer silent.Close()
	defer close(done)
	for name, value := range map[string]string{"IDENTITY_ENDPOINT": silent.URL, "IDENTITY_HEADER": "x"} {
		t.Setenv(name, value)
	}
	identity, err := credential(settings.Settings{}, func(string) string { return silent.URL }, "")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		<-asked
		stop()
	}()
	_, err = identity.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://storage.azure.com/.default"}})
	require.ErrorIs(t, err, context.Canceled)
}

// answering is an identity endpoint, as App Service and the machines' metadata service have one.
func answering(t *testing.T, status int, body string) azcore.TokenCredential {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	t.Setenv("IDENTITY_ENDPOINT", server.URL)
	t.Setenv("IDENTITY_HEADER", "x")
	identity, err := credential(settings.Settings{}, func(string) string { return server.URL }, "")
	require.NoError(t, err)
	return identity
}

// TestWhyThereIsNoTokenIsSaidInOneLine: the first line of the library's text ends before it.
func TestWhyThereIsNoTokenIsSaidInOneLine(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		body, says string
	}{
		"App Service": {400, `{"statusCode":400,"message":"No User Assigned or Delegated Managed Identity found ` +
			`for specified ClientId/ResourceId/PrincipalId.","correlationId":"5b9c"}`,
			" answers 400 (No User Assigned or Delegated Managed Identity found for specified " +
				"ClientId/ResourceId/PrincipalId.)"},
		"the metadata service": {400, `{"error":"invalid_request","error_description":"Identity not found"}`,
			" answers 400 invalid_request (Identity not found)"},
		"Microsoft Entra ID": {401, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client ` +
			`secret provided.\r\nTrace ID: 1\r\nCorrelation ID: 2"}`,
			" answers 401 invalid_client (AADSTS7000215: Invalid client secret provided.)"},
		"an error object": {403, `{"error":{"code":"Forbidden","message":"not here"}}`,
			" answers 403 Forbidden (not here)"},
		"a code alone":    {400, `{"error":"unauthorized_client"}`, " answers 400 unauthorized_client"},
		"a page of HTML":  {400, "<html>\n<b>bad</b>\n</html>", " answers 400 (<html> <b>bad</b> </html>)"},
		"nothing":         {400, "", " answers 400 without a reason"},
		"another object":  {400, `{"detail":{}}`, " answers 400 without a reason"},
		"a long sentence": {400, `{"message":"` + strings.Repeat("long ", 400) + `"}`, "long ...)"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := answering(t, c.status, c.body).GetToken(t.Context(),
				policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}})
			require.True(t, strings.HasPrefix(err.Error(), "ManagedIdentityCredential: 127.0.0.1:"), "%s", err)
			require.True(t, strings.HasSuffix(err.Error(), c.says), "%s", err)
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 700)
			_, kept := errors.AsType[*azidentity.AuthenticationFailedError](err)
			require.True(t, kept, "what decides by the library's type still can")
		})
	}
}

// none is a credential that a computer does not have.
type none struct{ err error }

func (n none) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, n.err
}

func TestEveryWayThatWasTriedIsSaidInOneLine(t *testing.T) {
	_, err := stoppable{none{azidentity.NewCredentialUnavailableError("DefaultAzureCredential: failed to acquire a token.\n" +
		"Attempted credentials:\n\tEnvironmentCredential: missing environment variable AZURE_TENANT_ID\n" +
		"\tAzureCLICredential: Azure CLI not found on path")}}.GetToken(t.Context(), policy.TokenRequestOptions{})
	require.EqualError(t, err, "DefaultAzureCredential: failed to acquire a token.; Attempted credentials:; "+
		"EnvironmentCredential: missing environment variable AZURE_TENANT_ID; "+
		"AzureCLICredential: Azure CLI not found on path")
}
