package graph_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/logs"
)

func failing(code int, name string) http.HandlerFunc {
	return status(code, nil, fmt.Sprintf(graphErr, name, "what Graph says"))
}

// hang answers nothing until the client goes away.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// cutAfter begins an answer, and ends the connection after a time.
func cutAfter(d time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(onePage[:20]))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	}
}

// endAfter ends the connection after a time, without an answer.
func endAfter(d time.Duration) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	}
}

const premium = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"

// played is what a server answers to each try, and what has to come of it.
type played struct {
	row     string
	answers map[graph.Status][]http.HandlerFunc
	place   graph.Place
	tries   int // requests that the answer is given to
	code    entra.Code
	is      error
	says    []string
}

func answering(name string, statuses ...int) map[graph.Status][]http.HandlerFunc {
	out := make(map[graph.Status][]http.HandlerFunc)
	for _, s := range statuses {
		out[graph.Status(s)] = []http.HandlerFunc{failing(s, name)}
	}
	return out
}

func with(
	all map[graph.Status][]http.HandlerFunc, s graph.Status, more ...http.HandlerFunc,
) map[graph.Status][]http.HandlerFunc {
	if all == nil {
		all = make(map[graph.Status][]http.HandlerFunc)
	}
	all[s] = more
	return all
}

// linkTo is a page whose next link is an address; %s in it is the server's.
func linkTo(address, records string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body(fmt.Sprintf(`{"@odata.nextLink":%q,"value":[%s]}`, strings.ReplaceAll(address, "%s", "http://"+r.Host),
			records))(w, r)
	}
}

var plays = []played{
	{row: "lost token", answers: answering("UnknownError", 400), place: graph.LaterPage, tries: 1,
		is: entra.ErrPagingLost, code: entra.CodeInternal,
		says: []string{"Graph answers 400 UnknownError (what Graph says)"}},
	{row: "bad request", answers: answering("UnknownError", 400), place: graph.FirstPage, tries: 3,
		code: entra.CodeRefused,
		says: []string{"Graph answers 400 UnknownError (what Graph says)", "support case"}},
	{row: "bad request", answers: answering("Request_UnsupportedQuery", 400), place: graph.OfDir, tries: 3,
		code: entra.CodeRefused},
	{row: "token", answers: answering("InvalidAuthenticationToken", 401), place: graph.LaterPage, tries: 2,
		code: entra.CodeToken, says: []string{"AZURE_CLOUD"}},
	{row: "licence", answers: answering(premium, 403), place: graph.FirstPage, tries: 3, code: entra.CodeLicence,
		says: []string{"P1 or P2", "ARCHIVE_STREAMS"}},
	{row: "licence of the directory", answers: answering(premium, 403), place: graph.OfDir, tries: 3,
		code: entra.CodeLicence, says: []string{"P1 or P2"}},
	{row: "permission", answers: answering("Authorization_RequestDenied", 403), place: graph.FirstPage, tries: 2,
		code: entra.CodePermission,
		says: []string{"AuditLog.Read.All"}},
	{row: "permission", answers: answering("Authorization_RequestDenied", 403), place: graph.OfDir, tries: 2,
		code: entra.CodePermission,
		says: []string{"Application.Read.All"}},
	{row: "not found", answers: answering("UnknownError", 404), place: graph.LaterPage, tries: 2,
		code: entra.CodeNotFound, says: []string{"ARCHIVE_STREAMS"}},
	{row: "not in the directory", answers: answering("UnknownError", 404), place: graph.OfDir, tries: 2,
		code: entra.CodeNotFound},
	{row: "too wide", answers: with(answering("UnknownError", 408, 504), graph.Silence, hang, endAfter(slow),
		cutAfter(slow)), place: graph.Divisible, tries: 1,
		code: entra.CodeUnavailable, is: entra.ErrTooWide, says: []string{"24h0m0s from 2026-11-20T14:00:00Z on",
			"narrower"}},
	{row: "throttled", answers: answering("TooManyRequests", 429), place: graph.FirstPage, tries: 5,
		code: entra.CodeThrottled, says: []string{"GRAPH_REQUESTS_PER_10S"}},
	{row: "unavailable", answers: answering("UnknownError", 408, 500, 502, 503, 504), place: graph.LaterPage, tries: 5,
		code: entra.CodeUnavailable,
		says: []string{"service health"}},
	{row: "unavailable", answers: answering("UnknownError", 500, 502, 503), place: graph.Divisible, tries: 5,
		code: entra.CodeUnavailable},
	{row: "refused", answers: with(answering("resyncRequired", 405, 406, 410, 415, 501), graph.Any4xx,
		failing(402, "x"), failing(422, "x"), failing(451, "x")),
		place: graph.LaterPage, tries: 2, code: entra.CodeRefused, says: []string{"what Graph says", "support case"}},
	{row: "refused", answers: answering("resyncRequired", 410), place: graph.OfDir, tries: 2, code: entra.CodeRefused},
	{row: "other failures", answers: with(nil, graph.Any5xx, failing(507, "x"), failing(520, "")),
		place: graph.FirstPage, tries: 5, code: entra.CodeUnavailable},
	{row: "broken", answers: with(nil, graph.Unreadable, body("{"), body("")), place: graph.FirstPage, tries: 5,
		code: entra.CodeBrokenAnswer, says: []string{"not JSON"}},
	{row: "no answer of Graph", answers: with(nil, graph.AnyStatus,
		status(302, map[string]string{"Location": "https://elsewhere.example"}, ""), failing(204, "x"),
		status(206, nil, onePage)), place: graph.FirstPage, tries: 5, code: entra.CodeBrokenAnswer,
		says: []string{"GRAPH_ENDPOINT"}},
	{row: "no answer", answers: with(with(nil, graph.NoConnection, cutAfter(0), endAfter(0)), graph.Silence, hang),
		place: graph.FirstPage, tries: 5,
		code: entra.CodeUnavailable, says: []string{"GRAPH_ENDPOINT"}},
	{row: "no answer", answers: with(nil, graph.NoConnection, cutAfter(0), endAfter(0)), place: graph.Divisible,
		tries: 5, code: entra.CodeUnavailable},
	{row: "circle", answers: with(nil, graph.LeadsBack, linkTo("%s/v1.0/auditLogs/directoryAudits?$skiptoken=2",
		`{"id":"2"}`)), place: graph.LaterPage, tries: 1,
		is: entra.ErrPagingLost, code: entra.CodeInternal, says: []string{"page 2 leads back to page 2"}},
	{row: "leads away", answers: with(nil, graph.LeadsAway, linkTo("https://graph.microsoft.com.evil.example/x", ""),
		linkTo("//evil.example/x", ""), linkTo("http://[::1", ""),
		linkTo("%s/x?"+strings.Repeat("y", 70_000), "")), place: graph.LaterPage, tries: 1,
		code: entra.CodeBrokenAnswer, says: []string{"no token was sent there"}},
}

const (
	patience = 900 * time.Millisecond // of a try whose answer does not come
	slow     = patience / 2           // more than a third of it
)

// ask asks for a page that a place names, and returns the error. A later page comes after a good
// one.
func (p played) ask(t *testing.T, graphs *script, silent bool) error {
	client := graphs.client(t, func(c *graph.Config) {
		if silent {
			c.Timeout = patience
		}
	})
	if p.place == graph.OfDir {
		_, err := graph.NewDirectory(client).Objects(t.Context(), about(collections.Applications), "")
		return err
	}
	var last error
	for page, err := range client.Pages(t.Context(), entra.Query{Stream: logs.DirectoryAudits, From: from, To: to,
		Divisible: p.place == graph.Divisible}) {
		require.NoError(t, last, "the error comes last")
		page.Done()
		last = err
	}
	return last
}

func (p played) run(t *testing.T, row graph.Refusal, s graph.Status, answer http.HandlerFunc) {
	t.Parallel() // most of it is waiting
	steps, before := []http.HandlerFunc{answer}, 0
	if p.place == graph.LaterPage {
		steps, before = slices.Insert(steps, 0, linkTo("%s/v1.0/auditLogs/directoryAudits?$skiptoken=2", `{"id":"1"}`)),
			1
	}
	graphs := newScript(t, steps...)
	err := p.ask(t, graphs, s == graph.Silence)
	require.Error(t, err)
	require.Equal(t, p.code, entra.CodeOf(err), "%v", err)
	require.Equal(t, before+p.tries, graphs.asked())
	require.Equal(t, errors.Is(p.is, entra.ErrPagingLost), errors.Is(err, entra.ErrPagingLost), "%v", err)
	require.Equal(t, errors.Is(p.is, entra.ErrTooWide), errors.Is(err, entra.ErrTooWide), "%v", err)
	remedy, _, _ := strings.Cut(row.Remedy, "{")
	for _, text := range append(p.says, remedy, " from Graph: ") {
		require.ErrorContains(t, err, text)
	}
	for _, text := range []string{"\n", "secret-token", "{", "please report"} {
		require.NotContains(t, err.Error(), text)
	}
}

// TestEachRowOfTheTableOfRefusalsIsWhatHappens plays every status of every row.
func TestEachRowOfTheTableOfRefusalsIsWhatHappens(t *testing.T) {
	rows := make(map[string]graph.Refusal)
	type part struct {
		row    string
		status graph.Status
	}
	open := make(map[part]bool)
	for _, row := range graph.Refusals() {
		require.NotContains(t, rows, row.Name)
		require.NotEmpty(t, row.Later, row.Name)
		rows[row.Name] = row
		for _, s := range row.Statuses {
			open[part{row.Name, s}] = true
		}
	}
	for _, p := range plays {
		require.Contains(t, rows, p.row)
		for s, answers := range p.answers {
			require.Contains(t, rows[p.row].Statuses, s, p.row)
			delete(open, part{p.row, s})
			for i, answer := range answers {
				t.Run(fmt.Sprintf("%s, %d to %s, %d", p.row, s, p.place, i), func(t *testing.T) {
					p.run(t, rows[p.row], s, answer)
				})
			}
		}
	}
	require.Empty(t, open, "each row has to be played")
}

func TestAHostThatCantBeReachedIsTriedAgain(t *testing.T) {
	var dialled atomic.Int64
	client := newScript(t, body(onePage)).client(t, func(c *graph.Config) {
		c.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			dialled.Add(1)
			return nil, &net.OpError{Op: "dial", Err: errors.New("no route")}
		}}
	})
	for _, err := range client.Pages(t.Context(), entra.Query{Stream: logs.DirectoryAudits, From: from, To: to,
		Divisible: true}) {
		require.Equal(t, entra.CodeUnavailable, entra.CodeOf(err))
		require.ErrorContains(t, err, "can't be reached (no route)")
		require.NotErrorIs(t, err, entra.ErrTooWide)
	}
	require.EqualValues(t, 5, dialled.Load())
}

func TestAnswersOfDifferentKindsCountEachForThemselves(t *testing.T) {
	good, denied, busy, down, bad := body(onePage), failing(403, "x"), failing(429, "x"), failing(503, "x"),
		failing(400, "UnknownError")
	cases := []struct {
		name    string
		tries   uint
		answers []http.HandlerFunc
		asked   int
		code    entra.Code // empty: the page comes
		says    string
	}{
		{"403, 429 and 403 are two 403s", 5, []http.HandlerFunc{denied, busy, denied, good}, 3, entra.CodePermission,
			""},
		{"one of each is none", 5, []http.HandlerFunc{denied, bad, busy, down, failing(404, "x"), failing(410, "x"),
			good}, 7, "", ""},
		{"two 400s are not three", 5, []http.HandlerFunc{bad, down, bad, down, good}, 5, "", ""},
		{"three 400s are, whatever comes between", 5, []http.HandlerFunc{bad, down, bad, denied, bad, good}, 5,
			entra.CodeRefused, ""},
		{"all tries are bounded", 5, []http.HandlerFunc{busy, down, busy, down, busy, down, busy, good}, 7,
			entra.CodeThrottled, ""},
		{"what came once is not believed at the end either", 5, []http.HandlerFunc{busy, down, busy, down, busy, down,
			denied, good}, 7,
			entra.CodeUnavailable, "Graph answers 403 x (what Graph says), but only in 1 of 7 tries"},
		{"two 400s at the end are not three", 5, []http.HandlerFunc{bad, down, busy, down, busy, down, bad, good}, 7,
			entra.CodeUnavailable, "only in 2 of 7 tries"},
		{"a refusal is doubted where little else is", 1, []http.HandlerFunc{bad, bad, bad, good}, 3, entra.CodeRefused,
			""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			graphs := newScript(t, c.answers...)
			_, err := read(t.Context(), graphs.client(t, func(cfg *graph.Config) {
				cfg.Tries = c.tries
			}), logs.DirectoryAudits)
			require.Len(t, graphs.requests, c.asked)
			if c.code == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, c.code, entra.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestEachPageIsCountedAgain(t *testing.T) {
	denied := failing(403, "x")
	graphs := newScript(t, denied, linkTo("%s/v1.0/x?2", `{"id":"1"}`), denied, linkTo("%s/v1.0/x?3", `{"id":"2"}`),
		denied, body(`{"value":[{"id":"3"}]}`))
	records, err := read(t.Context(), graphs.client(t, nil), logs.DirectoryAudits)
	require.NoError(t, err)
	require.Len(t, records, 3)
}

func TestASpanThatIsTooWideIsSaidOfALaterPageToo(t *testing.T) {
	graphs := newScript(t, linkTo("%s/v1.0/x?2", `{"id":"1"}`), failing(504, "x"))
	records := 0
	for page, err := range graphs.client(t, nil).Pages(t.Context(),
		entra.Query{Stream: logs.DirectoryAudits, From: from, To: to, Divisible: true}) {
		records += len(page.Records)
		if records == 0 || err != nil {
			require.ErrorIs(t, err, entra.ErrTooWide)
			var said *entra.Error
			require.ErrorAs(t, err, &said)
			require.Equal(t, entra.CodeUnavailable, said.Code)
		}
	}
	require.Equal(t, 1, records, "the page before it came")
	require.Len(t, graphs.requests, 2)
}

// TestAnErrorHoldsNoAddress: that of a later page holds a token, and that of an object its id.
func TestAnErrorHoldsNoAddress(t *testing.T) {
	breakOff := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close() // nothing was answered
	}
	for name, next := range map[string]string{"good": "$skiptoken=SECRETPAGE",
		"broken": "$skiptoken=SECRETPAGE%ZZ\u007f"} {
		t.Run(name, func(t *testing.T) {
			var (
				graphs *script
				log    bytes.Buffer
			)
			graphs = newScript(t, func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"@odata.nextLink":"%s/v1.0/auditLogs/signIns?%s","value":[{"id":"a"}]}`, graphs.URL,
					next)
			}, breakOff)
			client := graphs.client(t, func(c *graph.Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
			_, err := read(t.Context(), client, logs.SignInsInteractiveUser)
			require.Error(t, err)
			for _, text := range []string{err.Error(), log.String()} {
				require.NotContains(t, text, "SECRETPAGE")
				require.NotContains(t, text, "skiptoken")
			}
			if name == "good" {
				require.Equal(t, entra.CodeUnavailable, entra.CodeOf(err), "%v", err)
				require.ErrorContains(t, err, "broke off (Get: ", "what went wrong stays")
				require.Contains(t, log.String(), "trying again")
			}
		})
	}
}
