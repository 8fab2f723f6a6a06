package graph_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/logs"
)

var (
	from = time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	to   = from.Add(24 * time.Hour)
)

// token is a credential that always has the same token.
type token string

func (t token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(t), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// script is a Graph that answers request n with its n-th step; the last step answers the rest.
type script struct {
	*httptest.Server
	mu       sync.Mutex
	steps    []http.HandlerFunc
	requests []*http.Request
	open     atomic.Int64 // connections
}

func newScript(t *testing.T, steps ...http.HandlerFunc) *script {
	s := &script{steps: steps}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		step := s.steps[min(len(s.requests), len(s.steps)-1)]
		s.requests = append(s.requests, r.Clone(context.Background()))
		s.mu.Unlock()
		step(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.open.Add(-1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// asked is how many requests came. It may be asked while some of them are not answered.
func (s *script) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

func (s *script) client(t *testing.T, change func(*graph.Config)) *graph.Client {
	cfg := graph.Config{Endpoint: s.URL, Scope: "https://graph.microsoft.com/.default",
		Credential: token("secret-token"),
		Limiter:    graph.NewLimiter(100_000), Version: "1.2.3", Log: slog.New(slog.DiscardHandler),
		BackOff: time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	client, err := graph.New(cfg)
	require.NoError(t, err)
	return client
}

func body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json;odata.metadata=minimal")
		_, _ = io.WriteString(w, text)
	}
}

func status(code int, headers map[string]string, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}

const (
	onePage  = `{"@odata.context":"x","value":[{"id":"a","n":1.10},{"id":"b","n":null}]}`
	graphErr = `{"error":{"code":%q,"message":%q,"innerError":{"date":"2026-09-19T08:03:11","request-id":"r","client-request-id":"c"}}}`
)

// read drains a stream and returns the records' texts.
func read(ctx context.Context, c *graph.Client, s entra.Stream) ([]string, error) {
	var out []string
	for page, err := range c.Pages(ctx, entra.Query{Stream: s, From: from, To: to}) {
		if err != nil {
			return out, err
		}
		for _, rec := range page.Records {
			out = append(out, string(rec.Raw))
		}
	}
	return out, nil
}

func TestEachStreamIsAskedForInTheWordsThatItsCollectionTakes(t *testing.T) {
	const times = "createdDateTime ge 2026-11-20T14:00:00.0000000Z and createdDateTime le 2026-11-21T13:59:59.9999999Z"
	audits := strings.ReplaceAll(times, "createdDateTime", "activityDateTime")
	cases := map[entra.Stream]struct{ collection, filter, order string }{
		logs.SignInsInteractiveUser: {"signIns", times, "createdDateTime asc"},
		logs.SignInsNonInteractiveUser: {"signIns",
			times + " and signInEventTypes/any(t: t eq 'nonInteractiveUser')", "createdDateTime asc"},
		logs.SignInsServicePrincipal: {"signIns", times + " and signInEventTypes/any(t: t eq 'servicePrincipal')",
			"createdDateTime asc"},
		logs.SignInsManagedIdentity: {"signIns", times + " and signInEventTypes/any(t: t eq 'managedIdentity')",
			"createdDateTime asc"},
		logs.DirectoryAudits:               {"directoryAudits", audits, "activityDateTime asc"},
		logs.CustomSecurityAttributeAudits: {"customSecurityAttributeAudits", audits, "activityDateTime asc"},
		logs.Provisioning: {"provisioning",
			"activityDateTime gt 2026-11-20T13:59:59.9999999Z and activityDateTime lt 2026-11-21T14:00:00.0000000Z",
			""},
	}
	check := func(s entra.Stream, form, as string) {
		t.Run(string(s)+" as "+form, func(t *testing.T) {
			graphs := newScript(t, body(onePage))
			var records []string
			for page, err := range graphs.client(t, nil).Pages(t.Context(),
				entra.Query{Stream: s, From: from, To: to, Form: form}) {
				require.NoError(t, err)
				require.Equal(t, as, page.Form)
				for _, rec := range page.Records {
					records = append(records, string(rec.Raw))
				}
			}
			require.Equal(t, []string{`{"id":"a","n":1.10}`, `{"id":"b","n":null}`}, records)
			got, want := graphs.requests[0], cases[s]
			require.Equal(t, "/"+as+"/auditLogs/"+want.collection, got.URL.Path)
			require.Equal(t, want.filter, got.URL.Query().Get("$filter"))
			require.Equal(t, want.order, got.URL.Query().Get("$orderby"))
			require.Equal(t, "1000", got.URL.Query().Get("$top"))
			require.NotContains(t, got.URL.RawQuery, "+", "a blank is %20")
			require.Equal(t, "Bearer secret-token", got.Header.Get("Authorization"))
			require.Contains(t, got.Header.Get("User-Agent"), "entraledger/1.2.3")
			require.Contains(t, got.Header.Get("SdkVersion"), "graph-go")
			require.NotEmpty(t, graph.Permission(s))
		})
	}
	for _, l := range logs.Collected() {
		check(l.Stream, "", l.Form())
		for _, form := range l.Forms {
			check(l.Stream, form, form)
		}
	}
}

func TestAFormThatALogHasNotIsNotAskedFor(t *testing.T) {
	graphs := newScript(t, body(onePage))
	for _, q := range []entra.Query{
		{Stream: logs.SignInsNonInteractiveUser, Form: entra.FormV1}, {Stream: logs.DirectoryAudits, Form: "v2"},
		{Stream: "nobody's"},
	} {
		q.From, q.To = from, to
		n := 0
		for page, err := range graphs.client(t, nil).Pages(t.Context(), q) {
			n++
			require.Empty(t, page.Records)
			require.Equal(t, entra.CodeInternal, entra.CodeOf(err))
			require.ErrorContains(t, err, fmt.Sprintf("read %s from Graph: it is not to be had as %q", q.Stream,
				q.Form))
		}
		require.Equal(t, 1, n)
	}
	require.Empty(t, graphs.requests)
}

func TestPagesAreFollowedByTheirOwnAddressEmptyOnesToo(t *testing.T) {
	var graphs *script
	next := func(token, records string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"@odata.nextLink":"%s/v1.0/auditLogs/signIns?$filter=x%%20y&$skiptoken=%s","value":[%s]}`,
				graphs.URL, token, records)
		}
	}
	graphs = newScript(t, next("a_1", `{"id":"1"}`), next("b%2D2", ""), body(`{"value":[{"id":"2"}]}`))
	records, err := read(t.Context(), graphs.client(t, nil), logs.SignInsInteractiveUser)
	require.NoError(t, err)
	require.Equal(t, []string{`{"id":"1"}`, `{"id":"2"}`}, records)
	require.Equal(t, "a_1", graphs.requests[1].URL.Query().Get("$skiptoken"))
	require.Equal(t, "b-2", graphs.requests[2].URL.Query().Get("$skiptoken"))
}

func TestAnAnswerMayBeCompressed(t *testing.T) {
	graphs := newScript(t, func(w http.ResponseWriter, r *http.Request) {
		require.Contains(t, r.Header.Get("Accept-Encoding"), "gzip")
		w.Header().Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(w)
		_, _ = io.WriteString(zip, onePage)
		_ = zip.Close()
	})
	records, err := read(t.Context(), graphs.client(t, nil), logs.DirectoryAudits)
	require.NoError(t, err)
	require.Len(t, records, 2)
}

func TestWhatPassesIsTriedAgain(t *testing.T) {
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, onePage[:20])
	}
	cases := map[string]http.HandlerFunc{
		"429 without Retry-After": status(429, nil,
			fmt.Sprintf(graphErr, "TooManyRequests", "Too Many Requests")),
		"429 UnknownError": status(429, map[string]string{"Retry-After": "0"},
			fmt.Sprintf(graphErr, "UnknownError", "throttled")),
		"500":                status(500, nil, fmt.Sprintf(graphErr, "InternalServerError", "x")),
		"502 without a body": status(502, nil, ""),
		"503 with HTML": status(503, map[string]string{"Content-Type": "text/html"},
			"<html>busy</html>"),
		"504": status(504, nil, fmt.Sprintf(graphErr, "UnknownError", "")),
		"408": status(408, nil, ""),
		"401 once": status(401, nil, fmt.Sprintf(graphErr, "InvalidAuthenticationToken",
			"Access token has expired or is not yet valid.")),
		"licence 403 once": status(403, nil,
			fmt.Sprintf(graphErr, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", "x")),
		"permission 403 once": status(403, nil, fmt.Sprintf(graphErr, "Authorization_RequestDenied",
			"x")),
		"400 on a first page once": status(400, nil, fmt.Sprintf(graphErr, "Request_UnsupportedQuery",
			"Unsupported Query.")),
		"404 once":                            status(404, nil, ""),
		"410 once":                            status(410, nil, ""),
		"501 once":                            status(501, nil, ""),
		"connection cut":                      cut,
		"no answer in time":                   hang,
		"200 with cut JSON":                   body(onePage[:len(onePage)-9]),
		"200 with HTML":                       body("<html>sign in</html>"),
		"200 with an empty body":              body(""),
		"200 with an error object":            body(fmt.Sprintf(graphErr, "UnknownError", "x")),
		"200 with an error among the records": body(`{"value":[{"id":"a"},{"error":{"code":"UnknownError","message":""}}]}`),
		"200 with an error spliced in":        body(`{"value":[{"id":"a"},{"id":"b","x":{"error":{"code":"x"}}`),
		"200 without a list":                  body(`{"@odata.context":"x"}`),
		"200 whose list is null":              body(`{"value":null}`),
	}
	for name, fault := range cases {
		t.Run(name, func(t *testing.T) {
			graphs := newScript(t, fault, body(onePage))
			client := graphs.client(t, func(c *graph.Config) { c.Timeout = 250 * time.Millisecond })
			records, err := read(t.Context(), client, logs.SignInsInteractiveUser)
			require.NoError(t, err)
			require.Len(t, records, 2, "the page came whole, and once")
			require.Len(t, graphs.requests, 2)
		})
	}
}

func TestAPagingTokenThatIsNotGoodAnyMoreAsksForANewRead(t *testing.T) {
	for _, answer := range []string{
		fmt.Sprintf(graphErr, "", "Token not found: token is either invalid or expired"),
		fmt.Sprintf(graphErr, "UnknownError", "Invalid Skip Token, skip token is null"),
		fmt.Sprintf(graphErr, "", "Invalid Skip Token"),
	} {
		var graphs *script
		graphs = newScript(t, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"@odata.nextLink":"%s/v1.0/auditLogs/signIns?$skiptoken=x","value":[{"id":"a"}]}`,
				graphs.URL)
		}, status(400, nil, answer))
		records, err := read(t.Context(), graphs.client(t, nil), logs.SignInsInteractiveUser)
		require.ErrorIs(t, err, entra.ErrPagingLost)
		require.Len(t, records, 1, "what came before is not lost")
	}
}

func TestRetryAfterIsHonouredUpToTheDeadline(t *testing.T) {
	for name, header := range map[string]string{"seconds": "600", "date": time.Now().Add(10 * time.Minute).UTC().
		Format(http.TimeFormat)} {
		t.Run(name, func(t *testing.T) {
			graphs := newScript(t, status(429, map[string]string{"Retry-After": header}, ""))
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			start := time.Now()
			_, err := read(ctx, graphs.client(t, nil), logs.SignInsInteractiveUser)
			require.Equal(t, entra.CodeThrottled, entra.CodeOf(err))
			require.Len(t, graphs.requests, 1)
			require.Less(t, time.Since(start), 30*time.Second, "a wait that can't end in time is not begun")
		})
	}
	graphs := newScript(t, status(429, map[string]string{"Retry-After": "1"}, ""), body(onePage))
	start := time.Now()
	records, err := read(t.Context(), graphs.client(t, nil), logs.SignInsInteractiveUser)
	require.NoError(t, err)
	require.Len(t, records, 2)
	require.GreaterOrEqual(t, time.Since(start), time.Second)
}

func TestTheContextEndsAWaitAtOnce(t *testing.T) {
	cases := map[string]http.HandlerFunc{
		"in a pause":   status(429, map[string]string{"Retry-After": "600"}, ""),
		"in a request": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	}
	for name, fault := range cases {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			graphs := newScript(t, func(w http.ResponseWriter, r *http.Request) {
				time.AfterFunc(20*time.Millisecond, cancel)
				fault(w, r)
			})
			done := make(chan error, 1)
			go func() {
				_, err := read(ctx, graphs.client(t, nil), logs.SignInsInteractiveUser)
				done <- err
			}()
			select {
			case err := <-done:
				require.ErrorIs(t, err, context.Canceled)
			case <-time.After(30 * time.Second):
				t.Fatal("the wait went on")
			}
		})
	}
}

func TestRefusedRequestsLeaveNoConnectionBehind(t *testing.T) {
	challenge := map[string]string{"WWW-Authenticate": `Bearer error="insufficient_claims", claims="e30="`}
	steps := []http.HandlerFunc{}
	for range 20 {
		steps = append(steps, status(401, challenge, strings.Repeat(" ", 9000)),
			status(503, nil, strings.Repeat(" ", 9000)))
	}
	graphs := newScript(t, append(steps, body(onePage))...)
	_, err := read(t.Context(), graphs.client(t, func(c *graph.Config) {
		c.Tries = 100
		c.BackOff = time.Microsecond
	}), logs.SignInsInteractiveUser)
	require.NoError(t, err)
	require.LessOrEqual(t, graphs.open.Load(), int64(2))
}

func TestTheTenantsClockIsTheDateOfAnyAnswer(t *testing.T) {
	for _, code := range []int{200, 404, 403} {
		graphs := newScript(t, status(code, map[string]string{"Date": "Sat, 21 Nov 2026 14:05:10 GMT"}, "{}"))
		now, err := graphs.client(t, nil).Now(t.Context())
		require.NoError(t, err)
		require.Equal(t, "2026-11-21T14:05:10Z", now.UTC().Format(time.RFC3339))
	}
	client := newScript(t, body(onePage)).client(t, func(c *graph.Config) { c.Endpoint = "http://127.0.0.1:1" })
	_, err := client.Now(t.Context())
	require.Equal(t, entra.CodeUnavailable, entra.CodeOf(err))
	require.ErrorContains(t, err, "GRAPH_ENDPOINT")
}

type noToken struct{}

func (noToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, unavailable{}
}

type unavailable struct{}

func (unavailable) Error() string { return "ManagedIdentityCredential: no managed identity\nmore" }
func (unavailable) NonRetriable() {}

func TestAnIdentityThatGivesNoTokenIsNamed(t *testing.T) {
	graphs := newScript(t, body(onePage))
	_, err := read(t.Context(), graphs.client(t, func(c *graph.Config) {
		c.Credential = noToken{}
	}), logs.SignInsInteractiveUser)
	require.Equal(t, entra.CodeToken, entra.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, "managed identity")
	require.Empty(t, graphs.requests)
}

func TestAnEndpointThatATokenMustNotGoToIsRefused(t *testing.T) {
	for _, endpoint := range []string{"", "graph.microsoft.com", "http://graph.microsoft.com",
		"https://graph.microsoft.com/v1.0", "ftp://x"} {
		_, err := graph.New(graph.Config{Endpoint: endpoint, Credential: token("x")})
		require.ErrorContains(t, err, "GRAPH_ENDPOINT", endpoint)
	}
}

func TestNoTenSecondsSeeMoreRequestsThanTheShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const share = 4
		limiter := graph.NewLimiter(share)
		began := time.Now()
		for n := range 60 {
			require.NoError(t, limiter.Wait(t.Context()))
			require.Equal(t, time.Duration(n)*10*time.Second/share, time.Since(began),
				"they are spaced evenly, without a burst")
		}
	})
}

func TestRecordsAreSlicesOfTheirPage(t *testing.T) {
	page := `{"value":[` + strings.TrimSuffix(strings.Repeat(`{"id":"`+strings.Repeat("x", 5000)+`"},`, 1000), ",") +
		`]}`
	graphs := newScript(t, body(page))
	for p, err := range graphs.client(t, nil).Pages(t.Context(), entra.Query{Stream: logs.SignInsInteractiveUser,
		From: from, To: to}) {
		require.NoError(t, err)
		require.Len(t, p.Records, 1000)
		for _, rec := range p.Records {
			require.Equal(t, len(rec.Raw), cap(rec.Raw), "a record can't be appended to over its neighbour")
		}
	}
}
