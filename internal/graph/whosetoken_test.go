package graph_test

import (
	"encoding/base64"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/graph"
)

// TestATokenTellsWhoseItIs where it can be read.
func TestATokenTellsWhoseItIs(t *testing.T) {
	id, err := newSite(t).client.TenantID(t.Context())
	require.NoError(t, err)
	require.Equal(t, simtenant.ID, id)
	of := func(claims string) string { return "h." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".s" }
	for text, want := range map[string]string{
		of(`{"tid":"7C9E6679-7425-40DE-944B-E07FC1F90AE7"}`): "7c9e6679-7425-40de-944b-e07fc1f90ae7",
		of(`{"tid":"contoso"}`):                              "", of(`{"roles":[]}`): "", of(`no JSON`): "",
		"opaque": "", "a.b!.c": "",
	} {
		client, err := graph.New(graph.Config{Endpoint: "http://127.0.0.1:1", Scope: "graph", Credential: token(text),
			Limiter: graph.NewLimiter(1), Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		id, err := client.TenantID(t.Context())
		require.NoError(t, err, text)
		require.Equal(t, want, id, text)
	}
}
