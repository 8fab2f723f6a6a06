package main

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestMicrosoftsJavaScriptClientReadsTheArchive runs @microsoft/microsoft-graph-client with its
// page iterator: only its base address is not Graph's. (msgraph-sdk-go's typed builders do so in
// tools/bench, a module of its own for their sake.)
func TestMicrosoftsJavaScriptClientReadsTheArchive(t *testing.T) {
	const client = "../tools/graphclient"
	_, err := os.Stat(client + "/node_modules")
	require.NoError(t, err, "the client is not installed: make setup")
	s, p := archivedSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 31, Users: 60, Apps: 10, Days: 3}},
		"directoryAudits,signIns.interactiveUser,provisioning")
	for path, c := range map[string]struct {
		stream entra.Stream
		filter string
		match  func(gjson.Result) bool
	}{
		"/auditLogs/signIns": {logs.SignInsInteractiveUser, "status/errorCode ne 0", func(r gjson.Result) bool {
			return r.Get("status.errorCode").Int() != 0
		}},
		"/auditLogs/directoryAudits": {logs.DirectoryAudits, "", func(gjson.Result) bool { return true }},
		"/auditLogs/provisioning":    {logs.Provisioning, "", func(gjson.Result) bool { return true }},
	} {
		var want, got []string
		for raw := range s.tenant.Truth(c.stream) {
			if rec := gjson.ParseBytes(raw); c.match(rec) {
				want = append(want, strings.Clone(rec.Get("id").Str+rec.Get(logs.Of(c.stream).TimeProperty).Str))
			}
		}
		require.NotEmpty(t, want)
		cmd := exec.CommandContext(t.Context(), "node", "read.mjs", p.url+"/api/", path, c.filter)
		cmd.Dir = client
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		require.NoError(t, err, "%s", stderr.String())
		for line := range strings.Lines(string(out)) {
			got = append(got, gjson.Get(line, "id").Str+gjson.Get(line, logs.Of(c.stream).TimeProperty).Str)
		}
		slices.Sort(want)
		slices.Sort(got)
		require.Equal(t, want, got, path)
	}
}
