package functions_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions"
	"github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/internal/web"
)

// TestEveryFolderIsAFunctionOfItsName compares the folders that are packed for the host with the
// list that is served, and what the program embeds with what the host reads.
func TestEveryFolderIsAFunctionOfItsName(t *testing.T) {
	files, err := filepath.Glob("*/function.json")
	require.NoError(t, err)
	onDisk := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		onDisk[filepath.Dir(file)] = string(text)
	}
	declared := map[string]string{}
	for _, f := range functions.All(functions.Parts{}) {
		require.NotContains(t, declared, f.Name)
		declared[f.Name] = string(f.Trigger)
	}
	require.Equal(t, onDisk, declared)
}

// TestEveryFunctionIsDeclaredAsWhatItsTriggerIs a timer with its work, or questions with a role, a
// text and a body each, of methods that the host lets through.
func TestEveryFunctionIsDeclaredAsWhatItsTriggerIs(t *testing.T) {
	for _, f := range functions.All(functions.Parts{}) {
		b, err := f.Binding()
		require.NoError(t, err)
		if !b.HTTP {
			require.NotNil(t, f.Timer, f.Name)
			require.Empty(t, f.Operations, f.Name)
			continue
		}
		require.Nil(t, f.Timer, f.Name)
		require.NotEmpty(t, f.Operations, f.Name)
		for _, o := range f.Operations {
			where := f.Name + " " + o.Verb() + " " + b.Address(o)
			require.Contains(t, b.Methods, o.Verb(), where)
			if o.Verb() == http.MethodGet {
				require.Contains(t, b.Methods, http.MethodHead,
					"the host answers 404 to a method that is not listed: %s", where)
			}
			require.NotEmpty(t, o.Summary, where)
			require.NotEmpty(t, o.Text, where)
			require.NotNil(t, o.Do, where)
			want := web.RoleRead
			if f.Public {
				want = ""
			} else if o.Verb() != "GET" && f.Name != "readers" { // the caller of a list moves its reader
				want = web.RoleOperate
			}
			if f.Name == "mim" { // who delivers asks nothing
				want = web.RoleIngest
			}
			require.Equal(t, want, o.Role, where)
		}
	}
}

func TestALogOfAnotherVersionIsNotFoundWhateverTheMethod(t *testing.T) {
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", functions.All(functions.Parts{})...)
	require.NoError(t, err)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
		for _, version := range []string{"v2.0", "V1.0"} {
			path := "/api/" + version + "/auditLogs/signIns"
			w := httptest.NewRecorder()
			host.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
			require.Equal(t, http.StatusNotFound, w.Code, "%s %s", method, path)
			w = httptest.NewRecorder()
			host.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path+"/4711", nil))
			require.Equal(t, http.StatusNotFound, w.Code, "%s %s", method, path)
		}
	}
	w := httptest.NewRecorder()
	host.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1.0/auditLogs/signIns", nil))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
}

// TestEveryFunctionEndsBeforeTheHostKillsTheProcess: at functionTimeout all dies that runs in it, and
// a GET is sent again. Every answer waits for its turn twice, has its deadline, and then a moment to
// end by itself; a timer has its budget, the longest that is accepted, and what it ends behind that.
func TestEveryFunctionEndsBeforeTheHostKillsTheProcess(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "host.json"))
	require.NoError(t, err)
	var host struct{ FunctionTimeout string }
	require.NoError(t, json.Unmarshal(text, &host))
	clock, err := time.Parse("15:04:05", host.FunctionTimeout)
	require.NoError(t, err)
	timeout := clock.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC))
	limits := web.DefaultLimits()
	short := limits.Classes[web.Short]
	for class, limit := range limits.Classes {
		longest := short.Wait + short.Deadline + limit.Wait + limit.Deadline + limits.Grace
		require.Less(t, longest, timeout*2/3, "class %d", class)
		require.Positive(t, limit.After)
		require.Less(t, limit.Share, limit.AtOnce+1)
	}
	require.Less(t, limits.Classes[web.Long].Wait+limits.Classes[web.Long].Deadline, 230*time.Second,
		"Azure's load balancer gives up then where nothing was sent")
	timers := 0
	for _, f := range functions.All(functions.Parts{Settings: settings.Settings{RunBudget: settings.LongestBudget}}) {
		if f.Timer == nil {
			continue
		}
		timers++
		require.Positive(t, f.Deadline, f.Name)
		require.Less(t, f.Deadline+limits.Grace, timeout-time.Minute, f.Name)
	}
	require.Equal(t, 4, timers)
}

// TestWhatIsLargeOrLongIsDeclaredSo: of these an instance answers a few at once.
func TestWhatIsLargeOrLongIsDeclaredSo(t *testing.T) {
	short := map[string]bool{}
	for _, f := range functions.All(functions.Parts{}) {
		for _, o := range f.Operations {
			b, err := f.Binding()
			require.NoError(t, err)
			if !o.MayBeRefused() {
				short[o.Verb()+" "+b.Address(o)] = true
			}
			if o.Answers.Later {
				require.True(t, o.MayBeRefused(), "%s works for a while", o.Summary)
			}
		}
	}
	require.Equal(t, map[string]bool{
		"GET coverage": true, "GET downloads": true,
		"GET expiring-credentials/summary": true, "GET inactive-users/summary": true,
		"GET readers": true, "POST readers/{name}": true, "DELETE readers/{name}": true,
		"GET reference/{list}": true, "GET reports": true, "GET reports/legacy": true, "GET snapshot": true,
		"GET applications": true, "GET users": true, "GET preflight/latest": true, "GET runs": true,
		"GET settings": true,
		"GET status":   true, "GET ui/{*path}": true, "GET verify/seal": true,
	}, short)
}

// TestThePageAloneIsPublic: every other function takes a key, and asks for a role where roles are
// required. The page's files hold no data.
func TestThePageAloneIsPublic(t *testing.T) {
	for _, f := range functions.All(functions.Parts{}) {
		b, err := f.Binding()
		require.NoError(t, err)
		require.Equal(t, f.Name == "ui", f.Public, f.Name)
		if b.HTTP {
			require.Equal(t, f.Public, b.Level == "anonymous", "%s: what takes no key has to be declared as public",
				f.Name)
		}
	}
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", functions.All(functions.Parts{})...)
	require.NoError(t, err)
	host.RequireRoles(true)
	for _, f := range functions.All(functions.Parts{}) {
		b, err := f.Binding()
		require.NoError(t, err)
		if !b.HTTP {
			continue
		}
		for _, o := range f.Operations {
			w := httptest.NewRecorder()
			fill := strings.NewReplacer("{version}", "v1.0", "{collection}", "signIns", "{*path}", "")
			path := "/api/" + fill.Replace(b.Address(o))
			host.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), o.Verb(), path, nil))
			require.Equal(t, f.Public, w.Code != http.StatusUnauthorized, "%s %s: %d", o.Verb(), path, w.Code)
		}
	}
}
