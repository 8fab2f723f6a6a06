package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
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
