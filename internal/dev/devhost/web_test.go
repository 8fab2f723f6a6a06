package devhost

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func webApp() map[string]string {
	return map[string]string{
		"Tick/function.json":   fiveMinute,
		"Open/function.json":   httpJSON("open/{*rest}", `,"authLevel":"anonymous"`),
		"Keyed/function.json":  httpJSON("keyed", `,"methods":["GET","post"]`),
		"Master/function.json": httpJSON("master", `,"authLevel":"admin"`),
		"plain/function.json":  httpJSON("", `,"authLevel":"anonymous"`),
	}
}

func (r *rig) do(t *testing.T, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.URL()+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body) // an answer that breaks off is some tests' point
	return resp, string(data)
}

func TestKeysRoutesAndMethodsAreCheckedBeforeTheHandler(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "good", files: webApp(),
		change: func(o *Options) { o.FunctionKey, o.MasterKey = "fk", "mk" }})
	cases := []struct {
		name, method, path, key string
		want                    int
	}{
		{"anonymous", "PATCH", "/api/open/a/b", "", 200},
		{"route from the folder name", "GET", "/api/plain", "", 200},
		{"no key", "GET", "/api/keyed", "", 401},
		{"wrong key", "GET", "/api/keyed", "nope", 401},
		{"function key", "GET", "/api/keyed", "fk", 200},
		{"master key", "POST", "/api/keyed", "mk", 200},
		{"key in the query", "GET", "/api/keyed?code=fk", "", 200},
		{"function key for admin", "GET", "/api/master", "fk", 401},
		{"master key for admin", "GET", "/api/master", "mk", 200},
		{"method not listed", "PUT", "/api/keyed", "fk", 404},
		{"unknown route", "GET", "/api/nothing", "fk", 404},
		{"without prefix", "GET", "/keyed", "fk", 404},
		{"timer by its envelope path", "POST", "/Tick", "mk", 404},
		{"host page", "GET", "/", "", 200},
		{"bad escape in admin", "GET", "/admin/x", "mk", 404},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var header []string
			if c.key != "" {
				header = []string{"x-functions-key", c.key}
			}
			resp, _ := r.do(t, c.method, c.path, "", header...)
			require.Equal(t, c.want, resp.StatusCode)
		})
	}
	require.NotContains(t, r.out.String(), "code=fk", "a key in a query must not be logged")
}

func TestARequestPassesWithTheHostsHeaders(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "good", files: webApp()})
	const path = "/api/open/a%2Bb/echo?x=1&x=2;y&$filter=a%20eq%201"
	resp, body := r.do(t, "POST", path, "payload", "X-Own", "kept", "X-Forwarded-For", "6.6.6.6")
	require.Equal(t, strings.Replace(path, "%2B", "+", 1), resp.Header.Get("X-Path"))
	require.Empty(t, resp.Trailer.Get("X-End"), "trailers don't arrive")
	var seen struct {
		Host, Body, Method, Dir string
		Header                  http.Header
		Args, Env               []string
	}
	require.NoError(t, json.Unmarshal([]byte(body), &seen))
	require.Equal(t, r.super.address(), seen.Host)
	require.Equal(t, "POST payload", seen.Method+" "+seen.Body)
	require.Equal(t, "kept", seen.Header.Get("X-Own"))
	require.Equal(t, hostVersion, seen.Header.Get(headerVersion))
	require.Len(t, seen.Header.Get(headerID), 36)
	require.Equal(t, seen.Header.Get(headerID), seen.Header.Get("x-ms-invocation-id"))
	require.Equal(t, "127.0.0.1", seen.Header.Get("X-Forwarded-For"))
	require.Equal(t, "http", seen.Header.Get("X-Forwarded-Proto"))
	require.Equal(t, strings.TrimPrefix(r.URL(), "http://"), seen.Header.Get("X-Forwarded-Host"))

	require.Equal(t, []string{"--set", "hello"}, seen.Args, "%NAME% in arguments is expanded")
	require.Equal(t, canonical(t, r.root), canonical(t, seen.Dir))
	for _, name := range []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "FUNCTIONS_CUSTOMHANDLER_WORKER_ID",
		"FUNCTIONS_APP_ROOT_PATH", "FUNCTIONS_HTTPWORKER_PORT", "FUNCTIONS_HTTPWORKER_ID"} {
		require.True(t, slices.ContainsFunc(seen.Env, func(e string) bool {
			return strings.HasPrefix(e, name+"=")
		}), name)
	}
}

func canonical(t *testing.T, path string) string {
	t.Helper()
	real, err := filepath.EvalSymlinks(path)
	require.NoError(t, err)
	return real
}

func TestTheHandlersStatusRedirectsAndCookiesReachTheCaller(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "good", files: webApp()})
	resp, _ := r.do(t, "GET", "/api/open/moved", "")
	require.Equal(t, 302, resp.StatusCode)
	require.Equal(t, "/there", resp.Header.Get("Location"))
	require.Equal(t, "a=b", resp.Header.Get("Set-Cookie"))
	resp, _ = r.do(t, "GET", "/api/open/teapot", "")
	require.Equal(t, 418, resp.StatusCode)
	r.out.await(t, "-> 418")
	require.NotContains(t, r.out.String(), "Error", "a 4xx is a normal answer")
}

func TestARequestIsRepeatedAfterACrash(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "good", files: webApp()})
	resp, body := r.do(t, "GET", "/api/open/exit1once", "")
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "second try", body)
}

func TestWithoutAHandlerTheCallerGets500(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "good", files: webApp()})
	resp, _ := r.do(t, "GET", "/api/open/exit0", "")
	require.Equal(t, 500, resp.StatusCode)
	r.out.await(t, "after 10 tries")
}

func TestAnAnswerThatBreaksOffIsCutForTheCallerAndLogged(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "good", files: webApp()})
	resp, body := r.do(t, "GET", "/api/open/cutoff", "")
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "part", body)
	r.out.await(t, "the answer broke off")
}

func TestSilenceFor230SecondsIsCutOff(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "good", files: webApp()})
	done := make(chan int, 1)
	go func() {
		resp, _ := r.do(t, "GET", "/api/open/silent", "")
		done <- resp.StatusCode
	}()
	r.out.await(t, "silent begins")
	r.clock.reach(t, epoch.Add(quietLimit))
	require.Equal(t, 504, <-done)
	r.out.await(t, errQuiet.Error())
	r.out.await(t, "silent ends") // the handler sees its caller go
}

func TestEveryByteRestartsTheSilence(t *testing.T) {
	t.Parallel()
	clock, cut := newManualClock(), make(chan time.Time, 1)
	w := newWatch(clock, quietLimit, func() { cut <- clock.Now() })
	defer w.stop()
	clock.set(epoch.Add(200 * time.Second))
	w.touch()
	clock.reach(t, epoch.Add(230*time.Second))
	clock.reach(t, epoch.Add(430*time.Second))
	require.Equal(t, epoch.Add(430*time.Second), <-cut)
}

func TestBytesStreamThroughUntilTheyStop(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "good", files: webApp()})
	resp, err := http.Get(r.URL() + "/api/open/stream")
	require.NoError(t, err)
	defer resp.Body.Close()
	first := make([]byte, 5)
	_, err = io.ReadFull(resp.Body, first)
	require.NoError(t, err)
	require.Equal(t, "first", string(first), "streamed while the handler still works")
	r.clock.reach(t, epoch.Add(quietLimit))
	_, err = io.ReadAll(resp.Body)
	require.Error(t, err)
}

func TestTheAdminRoutesWantTheMasterKey(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "good", files: webApp()})
	for _, path := range []string{"/admin/host/status", "/admin/functions", "/admin/functions/Tick"} {
		resp, _ := r.do(t, "GET", path, "", "x-functions-key", "devfunctionkey")
		require.Equal(t, 403, resp.StatusCode, path)
		resp, _ = r.do(t, "GET", path, "")
		require.Equal(t, 401, resp.StatusCode, path)
	}
	master := []string{"x-functions-key", "devmasterkey"}
	_, body := r.do(t, "GET", "/admin/host/status", "", master...)
	require.Contains(t, body, `"state":"Running"`)
	_, body = r.do(t, "GET", "/admin/functions", "", master...)
	var list []map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &list))
	require.Len(t, list, 5)
	asJSON := append(slices.Clone(master), "Content-Type", "application/json; charset=utf-8")
	for path, want := range map[string]int{"/admin/functions/Nothing": 404, "/admin/functions/Keyed": 202,
		"/admin/functions/Tick": 202} {
		resp, body := r.do(t, "POST", path, `{"input":""}`, asJSON...)
		require.Equal(t, want, resp.StatusCode, body)
	}
	resp, body := r.do(t, "POST", "/admin/functions/Tick", "{}", master...)
	require.Equal(t, 415, resp.StatusCode, body)
	resp, _ = r.do(t, "POST", "/admin/functions/Tick", "", asJSON...)
	require.Equal(t, 400, resp.StatusCode)
}

func TestRunsByHandOverlap(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "gate", files: webApp()})
	master := []string{"x-functions-key", "devmasterkey", "Content-Type", "application/json"}
	for range 3 {
		resp, _ := r.do(t, "POST", "/admin/functions/tick", `{"input":""}`, master...)
		require.Equal(t, 202, resp.StatusCode)
	}
	r.awaitMarks(t, 3)
	_, body := r.do(t, "GET", "/admin/functions/Tick/status", "", master...)
	require.Contains(t, body, `"running":3`)
	require.Equal(t, 3, strings.Count(r.out.String(), "Executing Tick"))
	require.NoError(t, os.WriteFile(filepath.Join(r.root, "mark.open"), nil, 0o600))
	r.out.awaitCount(t, "Executed Tick (Succeeded", 3)
	require.Eventually(t, func() bool {
		_, body = r.do(t, "GET", "/admin/functions/Tick/status", "", master...)
		return strings.Contains(body, `"running":0`)
	}, 20e9, 5e6)
	require.Contains(t, body, `"succeeded":true`)
	require.Contains(t, body, `"reason":"manual"`)
	require.Len(t, r.requests(t), 3)
	require.False(t, r.requests(t)[0].Body.Data.Timer.IsPastDue)
}

// closing is a body that knows whether it is closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// answers is a transport that answers before it has seen the end of the body, or not at all.
type answers struct{ err error }

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, a.err
}

// TestABodyIsOpenAsLongAsItsAnswerIsRead: a transport that finds it closed breaks the answer off, as
// about one in 50 that expected 100 did.
func TestABodyIsOpenAsLongAsItsAnswerIsRead(t *testing.T) {
	for _, failure := range []error{nil, errors.New("the connection broke")} {
		body := &closing{Reader: strings.NewReader("abc")}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:1/", body)
		require.NoError(t, err)
		resp, err := (&retrying{next: answers{failure}}).RoundTrip(req)
		if resp != nil {
			resp.Body.Close()
		}
		require.Equal(t, failure == nil, err == nil)
		require.Equal(t, failure != nil, body.closed)
	}
}
