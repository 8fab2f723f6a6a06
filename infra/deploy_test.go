// Package infra_test runs the deployment scripts against an az that plays a subscription.
package infra_test

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain plays az where the binary is called by that name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "az" {
		os.Exit(playAz(os.Args[1:]))
	}
	// Where hangups are ignored (nohup, some CI), every script would inherit that, and could not be
	// tried with one.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	os.Exit(m.Run())
}

// cloud is a subscription with the tools to work on it.
type cloud struct {
	*testing.T
	folder string // with az in it, and the state
	env    []string
}

// newCloud is a subscription in its right state; change removes something from it.
func newCloud(t *testing.T, change func(*subscription)) *cloud {
	t.Parallel()
	c := &cloud{T: t, folder: t.TempDir()}
	api := httptest.NewTLSServer(http.HandlerFunc(c.serve))
	t.Cleanup(api.Close)
	self, err := os.Executable()
	require.NoError(t, err)
	// Az is a script that waits for another program, as the packages have it.
	require.NoError(t, os.Mkdir(filepath.Join(c.folder, "bin"), 0o700))
	require.NoError(t, os.Symlink(self, filepath.Join(c.folder, "bin", "az")))
	require.NoError(t, os.WriteFile(filepath.Join(c.folder, "az"),
		[]byte("#!/bin/bash\n\"${0%/*}/bin/az\" \"$@\"\nexit $?\n"), 0o700))
	c.file("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw})))
	c.packed("app.zip", "a program")
	s := subscription{Az: "2.77.0", Bicep: "0.49.2", Cloud: "AzureCloud", Locations: []string{"westeurope", "westus",
		"westus9"}, Flex: []string{"westeurope", "eastus", "westus"},
		Zoneless: []string{"westus"}, Roles: []role{{Name: "Owner"}},
		DirectoryRoles: []string{"e8611ab8-c189-46e8-94e1-60213ab1f814"},
		Host:           strings.TrimPrefix(api.URL, "https://")}
	if change != nil {
		change(&s)
	}
	c.write(s)
	return c
}

func (c *cloud) file(name, text string) string {
	path := filepath.Join(c.folder, name)
	require.NoError(c, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// packed makes a package with this program and a function.json for each function.
func (c *cloud) packed(name, program string) {
	out, err := os.Create(filepath.Join(c.folder, name))
	require.NoError(c, err)
	z := zip.NewWriter(out)
	write := func(name, text string) {
		w, err := z.Create(name)
		require.NoError(c, err)
		_, err = w.Write([]byte(text))
		require.NoError(c, err)
	}
	write("handler", program)
	write("host.json", "{}")
	names, err := os.ReadFile("functions.txt")
	require.NoError(c, err)
	for _, n := range strings.Fields(string(names)) {
		write(n+"/function.json", "{}")
	}
	require.NoError(c, z.Close())
	require.NoError(c, out.Close())
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// serve is the app: its answers are in the state.
func (c *cloud) serve(w http.ResponseWriter, r *http.Request) {
	s := c.state()
	switch {
	case r.Header.Get("x-functions-key") != key || s.App.Authentication || s.App.RefusesOwnKey:
		w.WriteHeader(http.StatusUnauthorized)
		return
	case s.App.Code == "" || r.URL.Path != "/api/preflight":
		w.WriteHeader(http.StatusNotFound)
		return
	case s.App.Status != 0:
		w.WriteHeader(s.App.Status)
		_, _ = w.Write([]byte(s.App.Body))
		return
	}
	version, sum := s.App.Code, digest("a program of release "+s.App.Code)
	if s.App.Code == "package" {
		version, sum = "v9.9.9-3-gabcdef", digest("a program")
	}
	if s.App.Stale {
		version, sum = "v0.0.1", digest("an old program")
	}
	_ = json.NewEncoder(w).Encode(arm{"status": "limited", "version": version, "binarySha256": sum, "value": []arm{
		{"name": "tables", "status": "ok", "detail": "it works"}, {"name": "licence", "status": "limited",
			"detail": `none "yet"`}}})
}

func (c *cloud) write(s subscription) { writeState(filepath.Join(c.folder, "state.json"), s) }

func (c *cloud) state() subscription { return readState(filepath.Join(c.folder, "state.json")) }

// change changes the state between two runs.
func (c *cloud) change(how func(*subscription)) {
	s := c.state()
	how(&s)
	c.write(s)
}

// command is a script that is about to run in the folder.
func (c *cloud) command(script string, args ...string) *exec.Cmd {
	here, err := os.Getwd()
	require.NoError(c, err)
	cmd := exec.CommandContext(c.Context(), "bash", append([]string{filepath.Join(here, script)}, args...)...)
	cmd.Dir = c.folder
	cmd.Env = append(os.Environ(), "PATH="+c.folder+":"+os.Getenv("PATH"), "AZ_STATE="+filepath.Join(c.folder,
		"state.json"), "RETRY_SECONDS=0",
		"AZ_FUNCTIONS="+filepath.Join(here, "functions.txt"), "CURL_CA_BUNDLE="+filepath.Join(c.folder, "ca.pem"),
		"TMPDIR="+c.folder,
		"GORACE=atexit_sleep_ms=0") // the race detector lets each program sleep a second at its end
	cmd.Env = append(cmd.Env, c.env...)
	return cmd
}

// run runs a script, and gives what it printed and its exit code. Whatever happens, it leaves no
// temporary file, shows no key, and where it fails the last words are one STOP with its remedy.
func (c *cloud) run(script string, args ...string) (string, int) {
	c.Helper()
	data, err := c.command(script, args...).CombinedOutput()
	out := string(data)
	left, globErr := filepath.Glob(filepath.Join(c.folder, "entraledger.*"))
	require.NoError(c, globErr)
	require.Empty(c, left, out)
	require.NotContains(c, out, key)
	require.NotContains(c, strings.Join(c.state().Log, "\n"), key)
	if err == nil {
		require.NotContains(c, out, "STOP")
		return out, 0
	}
	var exit *exec.ExitError
	require.ErrorAs(c, err, &exit)
	require.Equal(c, 1, strings.Count(out, "STOP: "), out)
	require.NotContains(c, out, "the script ended before its work did", out)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	stop := len(lines) - 2
	require.True(c, stop >= 0 && strings.HasPrefix(lines[stop], "STOP: ") && strings.HasPrefix(lines[stop+1],
		"      "), out)
	require.NotContains(c, out, "ERROR: ", "az's own words stand alone nowhere")
	return out, exit.ExitCode()
}

// deploy deploys a package of a checkout.
func (c *cloud) deploy(args ...string) (string, int) {
	c.Helper()
	return c.deployRelease(append([]string{"--package", "app.zip"}, args...)...)
}

// deployRelease lets the template deploy the code.
func (c *cloud) deployRelease(args ...string) (string, int) {
	c.Helper()
	return c.run("deploy.sh", append([]string{"--resource-group", "rg-ledger", "--location", "westeurope", "--yes"},
		args...)...)
}

// states are what deployments left, by their arguments: most tests begin where one ended.
var (
	states   = map[string]string{}
	statesMu sync.Mutex
)

// afterDeploying is a subscription in which a deployment with these arguments went well.
func afterDeploying(t *testing.T, args ...string) *cloud {
	c := newCloud(t, nil)
	statesMu.Lock()
	defer statesMu.Unlock()
	name, mine := strings.Join(args, " "), c.state().Host
	if states[name] == "" {
		c.deployed(args...)
		s := c.state()
		s.Log = nil
		data, err := json.Marshal(s)
		require.NoError(t, err)
		states[name] = strings.ReplaceAll(string(data), mine, "the-host-of-the-app")
	}
	c.file("state.json", strings.ReplaceAll(states[name], "the-host-of-the-app", mine))
	return c
}

func (c *cloud) deployed(args ...string) string {
	c.Helper()
	out, code := c.deploy(args...)
	require.Zero(c, code, out)
	return out
}

func TestADeploymentGoesFromNothingToAnAnswerAndCanBeRepeated(t *testing.T) {
	c := newCloud(t, func(s *subscription) { s.Unregistered = []string{"Microsoft.App"} })
	for range 2 {
		out := c.deployed()
		require.Contains(t, out, "ok  tables: it works")
		require.Contains(t, out, `limited  licence: none "yet"`)
		require.Contains(t, out, "The app runs, and reaches everything.")
		require.Contains(t, out, "running: v9.9.9-3-gabcdef, SHA-256 of the program "+digest("a program"))
	}
	s := c.state()
	require.Equal(t, "package", s.App.Code)
	require.Len(t, s.Granted, 4)
	require.Empty(t, s.Unregistered)
	require.Equal(t, "westeurope", s.GroupLocation)
	// What-if comes before each deployment, grants after it, and the code last.
	var order []string
	for _, call := range s.Log {
		for _, step := range []string{"group create --name", "deployment group what-if", "deployment group create",
			"appRoleAssignments --headers", "functionapp restart", "config-zip"} {
			if strings.Contains(call, step) && (len(order) == 0 || order[len(order)-1] != step) {
				order = append(order, step)
			}
		}
	}
	require.Equal(t, []string{"group create --name", "deployment group what-if", "deployment group create",
		"appRoleAssignments --headers", "functionapp restart",
		"config-zip", "deployment group what-if", "deployment group create", "config-zip"}, order)
}

func TestWithoutAPackageTheTemplateDeploysTheReleaseAndAnOlderOneIsGoneBackTo(t *testing.T) {
	release, err := os.ReadFile("release.txt")
	require.NoError(t, err)
	ours := strings.TrimSpace(string(release))
	c := newCloud(t, nil)
	out, code := c.deployRelease()
	require.Zero(t, code, out)
	require.Equal(t, ours, c.state().App.Code)
	require.Contains(t, out, "running: "+ours)
	require.NotContains(t, strings.Join(c.state().Log, "\n"), "config-zip")

	out, code = c.deployRelease("--release", "0.0.9", "--parameters", c.file("mine.json",
		`{"parameters": {"packageUri": {"value": "https://example.com/other.zip"}}}`))
	require.Zero(t, code, out)
	require.Equal(t, "v0.0.9", c.state().App.Code)
	require.Contains(t, out, "running: v0.0.9")

	// Who publishes a package of their own has no release's code deployed in between.
	c.deployed()
	require.Equal(t, "package", c.state().App.Code)
	require.Equal(t, 3, c.state().App.Publishes)
}

func TestWithoutATerminalNothingIsDone(t *testing.T) {
	c := newCloud(t, nil)
	out, code := c.run("deploy.sh", "--resource-group", "rg-ledger", "--location", "westeurope", "--package", "app.zip")
	require.Equal(t, 1, code)
	require.Contains(t, out, "--yes")
	require.Empty(t, c.state().Deployments)
}

// TestTheNamesBesideTheScriptsAreTheFunctions pins the list that a deployment is compared with.
func TestTheNamesBesideTheScriptsAreTheFunctions(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "functions", "*", "function.json"))
	require.NoError(t, err)
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(filepath.Dir(f)))
	}
	data, err := os.ReadFile("functions.txt")
	require.NoError(t, err)
	require.Equal(t, names, strings.Fields(string(data)), "run make docs")
}
