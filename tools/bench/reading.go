package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/functions/downloads"
	"github.com/entraledger/entraledger/functions/logs"
	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/ledger"
	tenantlogs "github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
)

// readTime is what the first page of a search costs in an archive of a year.
type readTime struct {
	Search   string  `json:"search"`
	Found    int     `json:"records"` // on the first page
	Requests int64   `json:"tableRequests"`
	Millis   float64 `json:"milliseconds"`
}

const (
	readDays  = 365
	readUsers = 5_000
	readTop   = 100
)

// downloadTime is a file of the whole archive, compared with the tenant.
type downloadTime struct {
	Lines   int     `json:"lines"`
	Seconds float64 `json:"seconds"`
	Equal   bool    `json:"equalsTheTenant"`
}

// measureReading archives, seals and indexes a year of sign-ins in a table server that remembers
// them and finds a range of keys as Table Storage does, without going through all rows, which
// Azurite does. It asks for first pages, and for all of it as a file.
func (p plan) measureReading(ctx context.Context) ([]readTime, *downloadTime, error) {
	progress(fmt.Sprintf("reading back: archiving, sealing and indexing %s sign-ins over %d days",
		grouped(int64(p.reading)), readDays))
	server, err := startChild(ctx, job{Role: "bulk"})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = server.stop() }() // its end changes nothing that was measured
	var connection string
	if err := server.read(&connection); err != nil {
		return nil, nil, fmt.Errorf("start the table server: %w", err)
	}
	counted := newCountingTransport()
	store, err := tablestest.New(tables.Config{ConnectionString: connection, HTTP: &http.Client{Transport: counted}})
	if err != nil {
		return nil, nil, err
	}
	stream := tenantlogs.SignInsInteractiveUser
	tenant, err := fillArchive(ctx, store, stream, p.reading, readDays, p.seed, p.now)
	if err != nil {
		return nil, nil, fmt.Errorf("archive a year: %w", err)
	}
	host, err := logsAt(store, stream, tenant.Now)
	if err != nil {
		return nil, nil, err
	}
	app := httptest.NewServer(host)
	defer app.Close()
	out, err := measureSearches(ctx, app.URL, counted, nthOf(tenant.Truth(stream), p.reading/20))
	if err != nil {
		return nil, nil, err
	}
	progress("reading back: a file of all of it, beside the tenant's records")
	file, err := measureDownload(ctx, app.URL+"/api/downloads/InteractiveSignIns?format=ndjson", tenant, stream)
	return out, file, err
}

// nthOf is a copy of the nth record, counted from one.
func nthOf(records iter.Seq[[]byte], n int) gjson.Result {
	for raw := range records {
		if n--; n == 0 {
			return gjson.ParseBytes(append([]byte(nil), raw...))
		}
	}
	return gjson.Result{}
}

// measureSearches asks for the first page of each search; the old record is what they look for.
func measureSearches(
	ctx context.Context, address string, counted *countingTransport, old gjson.Result,
) (out []readTime, err error) {
	at := old.Get("createdDateTime")
	until := at.Time().Add(6 * time.Hour).Format(time.RFC3339)
	for _, ask := range []struct{ name, filter string }{
		{"the newest", ""},
		{"by time, eleven months ago", "createdDateTime ge " + at.Str + " and createdDateTime lt " + until},
		{"by id, eleven months ago", "id eq '" + old.Get("id").Str + "'"},
		{"by user, over a year", "userId eq '" + old.Get("userId").Str + "'"},
		{"by application, over a year", "appId eq '" + old.Get("appId").Str + "'"},
		{"a user who is not there", "userId eq '00000000-0000-0000-0000-000000000000'"},
	} {
		counted.requests.Store(0)
		began := time.Now()
		query := url.Values{"$top": {fmt.Sprint(readTop)}, "$filter": {ask.filter}}.Encode()
		body, err := fetch(ctx, address+"/api/auditLogs/signIns?"+query, ask.filter == "")
		if err != nil {
			return nil, err
		}
		found := int(gjson.GetBytes(body, "value.#").Int())
		out = append(out, readTime{ask.name, found, counted.requests.Load(), time.Since(began).Seconds() * 1000})
	}
	return out, nil
}

// measureDownload compares a file with the tenant's records line for line; lines of one moment have
// no order.
func measureDownload(
	ctx context.Context, address string, tenant *simtenant.Tenant, stream entra.Stream,
) (*downloadTime, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	next, stop := iter.Pull(tenant.Truth(stream))
	defer stop()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<24)
	out, open := &downloadTime{}, map[string]int{}
	book := func(line string, n int) {
		if open[line] += n; open[line] == 0 {
			delete(open, line)
		}
	}
	for lines.Scan() && len(open) < 10_000 {
		out.Lines++
		book(lines.Text(), 1)
		if raw, ok := next(); ok {
			book(string(raw), -1)
		}
	}
	_, more := next()
	out.Equal, out.Seconds = len(open) == 0 && !more, time.Since(began).Seconds()
	return out, lines.Err()
}

func logsAt(store *tablestest.Store, stream entra.Stream, now func() time.Time) (http.Handler, error) {
	known, gaps := streams.New([]entra.Stream{stream}, store), search.NewGaps(store)
	return web.Serve(slog.New(slog.DiscardHandler), "",
		logs.New(logs.Config{Archive: store, Streams: known, Gaps: gaps, Now: now, Slice: time.Minute}),
		downloads.New(downloads.Config{Archive: store, Streams: known, Gaps: gaps, Now: now}))
}

func fetch(ctx context.Context, address string, noFilter bool) ([]byte, error) {
	if noFilter {
		u, err := url.Parse(address)
		if err != nil {
			return nil, err
		}
		q := u.Query()
		q.Del("$filter")
		u.RawQuery = q.Encode()
		address = u.String()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %.300s", address, resp.Status, body)
	}
	return body, err
}

// fillArchive archives some days, lets them have their passes and seals, and indexes them.
func fillArchive(
	ctx context.Context, store *tablestest.Store, stream entra.Stream, records, days int, seed uint64, now time.Time,
) (*simtenant.Tenant, error) {
	tenant, err := simtenant.New(simtenant.Config{IdentityHeader: identityHeader, TokenLifetime: 24 * time.Hour,
		Retention: time.Duration(2*days) * 24 * time.Hour, Now: now,
		Generate: &generate.Config{Seed: seed, Users: readUsers, Apps: 60, Days: days, Policies: 2, End: now,
			Exactly: map[entra.Stream]int{stream: records}}})
	if err != nil {
		return nil, err
	}
	server := httptest.NewServer(tenant)
	defer server.Close()
	token, err := fetchToken(ctx, job{Identity: server.URL + simtenant.IdentityPath, Header: identityHeader})
	if err != nil {
		return nil, err
	}
	source, err := graph.New(graph.Config{Endpoint: server.URL, Scope: "bench", Credential: anyToken(token),
		Limiter: graph.NewLimiter(unlimited),
		Version: "bench", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	options := collect.Options{Simulated: true, Backfill: time.Duration(days+5) * 24 * time.Hour,
		Passes: []time.Duration{time.Hour}}
	for _, later := range []time.Duration{10 * time.Minute, 2 * time.Hour, 3 * time.Hour} {
		tenant.Freeze(now.Add(later))
		collector := collect.New(source, store, nil, options, tenant.Now, slog.New(slog.DiscardHandler))
		if _, err := collector.Run(ctx, ledger.Execution{ID: "bench " + later.String(), Work: "bench"},
			[]entra.Stream{stream}, 20*time.Minute); err != nil {
			return nil, err
		}
	}
	report, err := derive.Update(ctx, store, ledger.Execution{ID: "bench", Work: "bench"}, stream, false,
		time.Now().Add(20*time.Minute))
	if err == nil && report.Days < days-2 {
		err = fmt.Errorf("only %d days could be indexed", report.Days)
	}
	return tenant, err
}

func (r report) printReading(out io.Writer) {
	if len(r.Reading) == 0 {
		return
	}
	t := newTable(out, fmt.Sprintf("First page of %d in an archive of a year", readTop), "search", "records",
		"table requests", "ms")
	for _, a := range r.Reading {
		t.AppendRow(table.Row{a.Search, a.Found, grouped(a.Requests), fmt.Sprintf("%.0f", a.Millis)})
	}
	t.Render()
	if d := r.Download; d != nil {
		verdict := "equal to the tenant's records"
		if !d.Equal {
			verdict = "NOT equal to the tenant's records"
		}
		fmt.Fprintf(out, "All of it as a file: %s lines in %.0f s (%s a second), %s.\n", grouped(int64(d.Lines)),
			d.Seconds, grouped(int64(float64(d.Lines)/d.Seconds)), verdict)
	}
	fmt.Fprintln(out)
}
