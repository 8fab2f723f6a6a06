package functions_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions"
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
				require.Contains(t, b.Methods, http.MethodHead, "the host answers 404 to a method that is not listed: %s", where)
			}
			require.NotEmpty(t, o.Summary, where)
			require.NotEmpty(t, o.Text, where)
			require.NotNil(t, o.Do, where)
			want := web.RoleRead
			if o.Verb() != "GET" && f.Name != "readers" { // the caller of a list moves its reader
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
