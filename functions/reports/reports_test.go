package reports_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/functions/reports"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/report"
	"github.com/entraledger/entraledger/internal/search/searchtest"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

var begin = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

// archive is one whose hours are all complete.
type archive struct{ *searchtest.Archive }

// Windows is ledger.Reader's.
func (a archive) Windows(_ context.Context, s entra.Stream, from, to time.Time) iter.Seq2[ledger.Coverage, error] {
	return func(yield func(ledger.Coverage, error) bool) {
		for at := from; at.Before(to); at = at.Add(time.Hour) {
			if at.Before(begin) {
				continue
			}
			if !yield(ledger.Coverage{Window: entra.Window{Stream: s, Start: at}, State: ledger.WindowComplete}, nil) {
				return
			}
		}
	}
}

// none has no snapshots of the directory.
type none struct{}

// UserCounts is report.Directory's.
func (none) UserCounts(context.Context, time.Time, time.Time) ([]report.Snapshot, string, error) {
	return nil, "there is none", nil
}

// served is the function over an archive.
type served struct {
	*testing.T
	url   string
	clock atomic.Int64 // by how many seconds it is later than the end of the day
}

func serve(t *testing.T, a archive, store jobs.Dropper, slice time.Duration) *served {
	s := &served{T: t}
	now := func() time.Time { return a.Now().Add(time.Duration(s.clock.Load()) * time.Second) }
	of := []entra.Stream{logs.SignInsInteractiveUser, logs.SignInsNonInteractiveUser, logs.DirectoryAudits}
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", reports.New(reports.Config{Secrets: a, Jobs: store,
		Now: now, Slice: slice, Sources: &report.Sources{Archive: a, Streams: streams.New(of, nil), Directory: none{},
			Now: now}}))
	require.NoError(t, err)
	server := httptest.NewServer(host)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// day is the filter for all of the day, as a query.
var day = "$filter=" + url.QueryEscape("eventTime gt 2026-11-20T23:59:59Z and eventTime lt 2026-11-22")

func (s *served) get(address string) (*http.Response, gjson.Result) {
	resp, body := s.raw(address)
	return resp, gjson.Parse(body)
}

func (s *served) text(address string) string {
	_, body := s.raw(address)
	return body
}

func (s *served) raw(address string) (*http.Response, string) {
	if address[0] == '/' {
		address = s.url + address
	}
	resp, err := http.Get(address)
	require.NoError(s, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(s, err)
	return resp, string(body)
}

func signIn(id string, minute, code int) map[string]any {
	at := begin.Add(time.Duration(minute) * time.Minute).Format(time.RFC3339)
	return map[string]any{"id": id, "createdDateTime": at, "appId": fmt.Sprint("app", minute%7), "userId": "ann",
		"userPrincipalName": "ann@contoso.com", "status": map[string]any{"errorCode": code}, "riskState": "none",
		"riskEventTypes_v2": []string{"unfamiliarFeatures"}}
}

// TestAlteredRecordsAreRowsOfTheirOwnAndPartOfNoSum, and are counted in either.
func TestAlteredRecordsAreRowsOfTheirOwnAndPartOfNoSum(t *testing.T) {
	a := archive{searchtest.New(t, logs.SignInsInteractiveUser, begin, signIn("a", 1, 0), signIn("b", 2, 0),
		signIn("c", 3, 0))}
	a.Altered["b"] = "its hash differs"
	s := serve(t, a, a.Jobs, time.Minute)
	const legacy = "/api/reports/legacy/"
	for _, name := range []string{"applicationUsageDetailEvents", "irregularSignInActivityEvents"} {
		resp, answer := s.get(legacy + name + "?" + day)
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s", answer)
		require.Equal(t, "1", resp.Header.Get("X-EntraLedger-Tampered"))
		require.EqualValues(t, 1, answer.Get(`@entraledger\.tamperedCount`).Int())
		require.Equal(t, `["c","b","a"]`, answer.Get("value.#.id").Raw)
		require.JSONEq(t, `{"id":"b","eventTime":"2026-11-21T00:02:00Z","@entraledger.tampered":"its hash differs",
			"@entraledger.rowKey":"2026-11-21T00:02:00.0000000Z_b"}`, answer.Get("value.1").Raw)
		resp, answer = s.get(legacy + name + "?$top=1&" + day)
		require.Empty(t, resp.Header.Values("X-EntraLedger-Tampered"), "of this page none is")
		require.Equal(t, "c", answer.Get("value.0.id").Str)
		require.Contains(t, s.text(legacy+name+"?$format=csv&"+day), `,its hash differs`)
	}
	for _, name := range []string{"applicationUsageSummary", "userActivitySummary", "applicationUsageSummaryEvents",
		"allUsersWithAnomalousSignInActivityEvents"} {
		resp, answer := s.get(legacy + name + "?" + day)
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s", answer)
		require.EqualValues(t, 1, answer.Get(`@entraledger\.tamperedCount`).Int(), name)
		sum := 0
		for _, n := range answer.Get("value.#.signInCount").Array() {
			sum += int(n.Int())
		}
		require.Equal(t, 2, sum, name)
	}
}

// flaky is a store of jobs that fails at one of its calls, before or after the write was done.
type flaky struct {
	jobs.Dropper
	calls, at int
	after     bool
}

var errKilled = errors.New("the process was killed")

func (f *flaky) fails() bool { f.calls++; return f.calls == f.at }

// Job is jobs.Store's.
func (f *flaky) Job(ctx context.Context, kind, id string) (jobs.Job, error) {
	if f.fails() {
		return jobs.Job{}, errKilled
	}
	return f.Dropper.Job(ctx, kind, id)
}

// SaveJob is jobs.Store's.
func (f *flaky) SaveJob(ctx context.Context, j jobs.Job) (jobs.Job, error) {
	fails := f.fails()
	if fails && !f.after {
		return j, errKilled
	}
	out, err := f.Dropper.SaveJob(ctx, j)
	if fails {
		return j, errKilled
	}
	return out, err
}

// TestASumIsTheSameWhereverARequestIsKilled kills at each call of the job's store, before and after
// it was done, and asks again.
func TestASumIsTheSameWhereverARequestIsKilled(t *testing.T) {
	var all []map[string]any
	for n := range 12 {
		all = append(all, signIn(fmt.Sprint("s", n), 10*n, []int{0, 50126}[n%2]))
	}
	a := archive{searchtest.New(t, logs.SignInsInteractiveUser, begin, all...)}
	for _, name := range []string{"applicationUsageSummary", "allUsersWithAnomalousSignInActivityEvents"} {
		address := "/api/reports/legacy/" + name + "?$top=2&" + day
		want := s200(t, serve(t, a, a.Jobs, time.Minute), address)
		require.NotEmpty(t, want)
		for at := 1; ; at++ {
			done := false
			for _, after := range []bool{false, true} {
				store := &flaky{Dropper: a.Jobs, at: at, after: after}
				require.Equal(t, want, s200(t, serve(t, a, store, time.Nanosecond), address), "%s: call %d", name, at)
				done = store.calls < at
			}
			if done {
				require.Greater(t, at, 20, "there are many calls")
				break
			}
		}
	}
}

// s200 follows a report through kills and pages to its end.
func s200(t *testing.T, s *served, address string) []string {
	t.Helper()
	var out []string
	for range 500 {
		resp, answer := s.get(address)
		s.clock.Add(60) // who was killed holds the job for a while
		switch resp.StatusCode {
		case http.StatusInternalServerError:
		case http.StatusAccepted:
			address = resp.Header.Get("Location")
		case http.StatusOK:
			for _, row := range answer.Get("value").Array() {
				out = append(out, row.Raw)
			}
			if address = answer.Get(`@odata\.nextLink`).Str; address == "" {
				return out
			}
		default:
			require.Fail(t, "it is refused", "%s: %s", resp.Status, answer)
		}
	}
	require.Fail(t, "it does not end")
	return nil
}

// TestASumWithTooManyRowsIsRefusedInWords, for it is kept in one row of a table.
func TestASumWithTooManyRowsIsRefusedInWords(t *testing.T) {
	a := archive{searchtest.New(t, logs.SignInsInteractiveUser, begin)}
	var recs []entra.Record
	for n := range 8_001 {
		raw := fmt.Appendf(nil, `{"id":"s%d","createdDateTime":"2026-11-21T05:00:00Z","appId":"app-%[1]d",`+
			`"status":{"errorCode":0}}`, n)
		rec, err := logs.ParseRecord(logs.SignInsInteractiveUser, raw)
		require.NoError(t, err)
		recs = append(recs, rec)
	}
	_, err := a.Insert(t.Context(), recs[0].Window(logs.SignInsInteractiveUser), recs, begin)
	require.NoError(t, err)
	s := serve(t, a, a.Jobs, time.Minute)
	resp, answer := s.get("/api/reports/legacy/applicationUsageSummary?" + day)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, "%s", answer)
	require.Contains(t, answer.Get("error.message").Str, "it has 8001 rows")
	require.Contains(t, answer.Get("error.message").Str, "ask for less time")
	resp, answer = s.get("/api/reports/legacy/applicationUsageSummaryEvents?$top=1000&" + day)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", answer)
	require.NotEmpty(t, answer.Get(`@odata\.nextLink`).Str)
}

// TestAJobThatSomebodyChangedIsNoAnswer where it is of something else, or can't be read.
func TestAJobThatSomebodyChangedIsNoAnswer(t *testing.T) {
	a := archive{searchtest.New(t, logs.SignInsInteractiveUser, begin, signIn("a", 1, 0), signIn("b", 2, 0))}
	s := serve(t, a, a.Jobs, time.Minute)
	resp, answer := s.get("/api/reports/legacy/applicationUsageSummary?$top=1&" + day)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", answer)
	next := answer.Get(`@odata\.nextLink`).Str
	require.NotEmpty(t, next, "the sum is kept")
	token, err := url.Parse(next)
	require.NoError(t, err)
	text, err := base64.RawURLEncoding.DecodeString(token.Query().Get("$skiptoken"))
	require.NoError(t, err)
	job, err := a.Job(t.Context(), reports.Kind, gjson.GetBytes(text[16:], "at.j").Str)
	require.NoError(t, err)
	for change, status := range map[string]int{
		`"Name":"userActivitySummary"`:                                         http.StatusConflict,
		`"Window":{"From":"2026-11-01T00:00:00Z","To":"2026-11-22T00:00:00Z"}`: http.StatusConflict,
		`"Merged":true`: http.StatusConflict,
		`"Rows":7`:      http.StatusInternalServerError,
	} {
		var state map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(job.State, &state))
		require.NoError(t, json.Unmarshal([]byte("{"+change+"}"), &state))
		changed := job
		changed.State, err = json.Marshal(state)
		require.NoError(t, err)
		saved, err := a.SaveJob(t.Context(), changed)
		require.NoError(t, err)
		job.Revision = saved.Revision
		resp, answer := s.get(next)
		require.Equal(t, status, resp.StatusCode, "%s: %s", change, answer)
	}
	_, err = a.SaveJob(t.Context(), job)
	require.NoError(t, err)
	resp, _ = s.get(next)
	require.Equal(t, http.StatusOK, resp.StatusCode)
}
