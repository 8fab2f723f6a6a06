package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/azurite"
	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/dev/devhost"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/pack"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

// unpack writes a zip out, with the modes that it holds.
func unpack(t *testing.T, file string) string {
	folder := t.TempDir()
	z, err := zip.OpenReader(file)
	require.NoError(t, err)
	defer z.Close()
	for _, f := range z.File {
		r, err := f.Open()
		require.NoError(t, err)
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		path := filepath.Join(folder, filepath.FromSlash(f.Name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, data, f.Mode()))
	}
	return folder
}

// packed builds a package of a repository, and returns its folder. published: with all that a
// release has.
func packed(t *testing.T, root, goos, goarch string, published bool) string {
	folder := t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	args := []string{"--root", root, "--out", in("app"), "--zip", in("entraledger.zip"), "--release",
		in("entraledger-release.zip"),
		"--goos", goos, "--goarch", goarch, "--version", "v1.2.3"}
	if published {
		args = append(args, "--sbom", in("entraledger.cdx.json"), "--sums", in("SHA256SUMS"))
	}
	var said bytes.Buffer
	require.NoError(t, run(t.Context(), args, &said, &said), said.String())
	return folder
}

// asked is a request to each HTTP function, and the answers that show that it works. {user} is a
// user's id.
var asked = map[string][]string{
	"collect":             {"POST /api/collect 200 202"},
	"cost":                {"GET /api/cost 200", "GET /api/cost?retentionMonths=none 400"},
	"coverage":            {"GET /api/coverage 200"},
	"downloads":           {"GET /api/downloads 200"},
	"expiringcredentials": {"GET /api/expiring-credentials 200"},
	"inactiveusers":       {"GET /api/inactive-users?state=all 200", "GET /api/inactive-users/summary 200"},
	"ui":                  {"GET /api/ui 200 503"}, // 503: make ui was not run
	"users":               {"GET /api/users/{user} 200"},
	"applications":        {"GET /api/applications/nobody 404"},
	"logs":                {"GET /api/auditLogs/directoryAudits?$top=1 200"},
	"versionedlogs":       {"GET /api/v1.0/auditLogs/signIns?$top=1 200", "GET /api/beta/auditLogs/signIns?$top=1 200"},
	"mim":                 {"POST /api/mim/events 400"}, // nothing is delivered
	"preflight":           {"GET /api/preflight 200", "GET /api/preflight/latest 200"},
	"purge":               {"GET /api/purge 200"},
	"repair":              {"GET /api/repair?stream=directoryAudits 409"}, // nothing of it is to be repaired
	"readers":             {"GET /api/readers 200", "DELETE /api/readers/x 200"},
	"reference":           {"GET /api/reference/errorCodes 200"},
	"reports":             {"GET /api/reports 200"},
	"runs":                {"GET /api/runs 200"},
	"settings":            {"GET /api/settings 200"},
	"status":              {"GET /api/status 200"},
	"snapshot":            {"GET /api/snapshot 200"},
	"verify":              {"GET /api/verify 200 202"},
}

// TestThePackageUnpacksToAnAppWhoseFunctionsAllAnswer unpacks the release as an administrator and
// Azure do, and runs what is in it.
func TestThePackageUnpacksToAnAppWhoseFunctionsAllAnswer(t *testing.T) {
	root, err := azurite.Root()
	require.NoError(t, err)
	release := filepath.Join(packed(t, root, runtime.GOOS, runtime.GOARCH, false), "entraledger-release.zip")
	unpacked := filepath.Join(unpack(t, release), pack.Released)
	app := unpack(t, filepath.Join(unpacked, "entraledger.zip"))
	help, err := exec.CommandContext(t.Context(), filepath.Join(unpacked, "infra", "deploy.sh"), "--help").
		CombinedOutput()
	require.NoError(t, err, string(help))
	require.Contains(t, string(help), "--resource-group")

	tenant, err := simtenant.New(simtenant.Config{Generate: &generate.Config{Seed: 4, Users: 20, Apps: 5, Days: 2}})
	require.NoError(t, err)
	graph := httptest.NewServer(tenant)
	defer graph.Close()
	settings := map[string]string{"ARCHIVE_STORAGE": azuritetest.Account(t), "GRAPH_ENDPOINT": graph.URL,
		"GRAPH_REQUESTS_PER_10S": "100000,100000",
		"IDENTITY_ENDPOINT":      graph.URL + simtenant.IdentityPath, "IDENTITY_HEADER": "simtenant",
		"ARCHIVE_SCHEDULE": "0 */5 * * * *", "SNAPSHOT_SCHEDULE": "0 */10 1-6 * * *", "INDEX_SCHEDULE": "0 20 * * * *",
		"PURGE_SCHEDULE": "0 30 3 * * *"}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer log.Close()
	host, err := devhost.Load(devhost.Options{AppRoot: app, Listen: "127.0.0.1:0", Settings: settings, NoTimers: true,
		Out: log})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- host.Run(ctx) }()
	defer func() {
		stop()
		require.NoError(t, <-ended)
	}()
	select {
	case <-host.Ready():
	case err := <-ended:
		said, _ := os.ReadFile(log.Name())
		t.Fatalf("%v\n%s", err, said)
	}

	names, err := pack.Functions(root)
	require.NoError(t, err)
	webs, timers := 0, 0
	for _, name := range names {
		if asked[name] != nil {
			webs++
			continue
		}
		got, err := host.Trigger(t.Context(), name)
		require.NoError(t, err, "%s is neither a timer nor among the requests of this test", name)
		require.True(t, got.Succeeded, "%s: %s", name, got.Cause)
		timers++
	}
	require.Len(t, asked, webs)
	require.Equal(t, 4, timers)
	_, body := request(t, host.URL(), "GET", "/api/inactive-users?state=all&$top=1")
	var list struct{ Value []struct{ ID string } }
	require.NoError(t, json.Unmarshal(body, &list))
	user := list.Value[0].ID
	for name, requests := range asked {
		for _, text := range requests {
			parts := strings.Fields(strings.ReplaceAll(text, "{user}", user))
			status, body := request(t, host.URL(), parts[0], parts[1])
			require.Contains(t, parts[2:], status, "%s: %s", name, body)
			require.True(t, json.Valid(body) || name == "ui", "%s: %s", name, body)
		}
	}
	endsWithoutACrash(t, host, log.Name())
}

// endsWithoutACrash ends the handler as the platform may when it scales in, more often than crashes
// are forgiven.
func endsWithoutACrash(t *testing.T, host *devhost.Host, log string) {
	for range 3 {
		before := host.HandlerPID()
		require.NoError(t, syscall.Kill(before, syscall.SIGTERM))
		require.Eventually(t, func() bool {
			now := host.HandlerPID()
			return now != 0 && now != before
		}, 20*time.Second, 10*time.Millisecond)
		status, body := request(t, host.URL(), "GET", "/api/coverage")
		require.Equal(t, "200", status, "%s", body)
	}
	said, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(said), "exited with code 200; it asked for a restart"), "%s", said)
	require.NotContains(t, string(said), "(failure 1 of 3)")
}

func request(t *testing.T, base, method, path string) (status string, body []byte) {
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, nil)
	require.NoError(t, err)
	req.Header.Set("x-functions-key", "devmasterkey") // it opens what a function's key does, and repair
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	return strings.Fields(resp.Status)[0], body
}
