package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/functions/logs"
	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/simtenant"
	"github.com/entraledger/entraledger/internal/simtenant/generate"
	"github.com/entraledger/entraledger/internal/tables"
)

// readTime is what the first page of a search costs in an archive of a year.
type readTime struct {
	Search   string  `json:"search"`
	Found    int     `json:"records"` // on the first page
	Requests int64   `json:"tableRequests"`
	Millis   float64 `json:"milliseconds"`
}

const (
	readRecords = 40_000
	readDays    = 365
	readUsers   = 2_000
	readTop     = 20
)

// measureReading archives, seals and indexes a year of sign-ins in Azurite, and asks for first pages. The number of requests
// is what counts: Azurite goes through all rows of a table for each of them, which Table Storage does not.
func (p plan) measureReading(ctx context.Context) ([]readTime, error) {
	progress(fmt.Sprintf("reading back: %s sign-ins over %d days -> azurite", grouped(readRecords), readDays))
	azurite, err := startChild(ctx, job{Role: "azurite"})
	if err != nil {
		return nil, err
	}
	defer func() { _ = azurite.stop() }() // its end changes nothing that was measured
	var connection string
	if err := azurite.read(&connection); err != nil {
		return nil, fmt.Errorf("start Azurite: %w", err)
	}
	counted := newCountingTransport()
	store, err := tables.New(tables.Config{ConnectionString: connection, HTTP: &http.Client{Transport: counted}})
	if err != nil {
		return nil, err
	}
	stream := entra.SignInsInteractiveUser
	tenant, err := fillArchive(ctx, store, stream, p.seed, p.now)
	if err != nil {
		return nil, fmt.Errorf("archive a year: %w", err)
	}
	var old gjson.Result
	n := 0
	for raw := range tenant.Truth(stream) {
		if n++; n == readRecords/20 {
			old = gjson.ParseBytes(append([]byte(nil), raw...))
			break
		}
	}
	app := httptest.NewServer(logsAt(store, stream, tenant.Now))
	defer app.Close()
	at := old.Get("createdDateTime").Str
	var out []readTime
	for _, ask := range []struct{ name, filter string }{
		{"the newest", ""},
		{"by time, eleven months ago", "createdDateTime ge " + at + " and createdDateTime lt " + old.Get("createdDateTime").Time().Add(6*time.Hour).Format(time.RFC3339)},
		{"by id, eleven months ago", "id eq '" + old.Get("id").Str + "'"},
		{"by user, over a year", "userId eq '" + old.Get("userId").Str + "'"},
		{"by application, over a year", "appId eq '" + old.Get("appId").Str + "'"},
		{"a user who is not there", "userId eq '00000000-0000-0000-0000-000000000000'"},
	} {
		counted.requests.Store(0)
		began := time.Now()
		body, err := fetch(ctx, app.URL+"/api/auditLogs/signIns?"+url.Values{"$top": {fmt.Sprint(readTop)}, "$filter": {ask.filter}}.Encode(), ask.filter == "")
		if err != nil {
			return nil, err
		}
		out = append(out, readTime{ask.name, int(gjson.GetBytes(body, "value.#").Int()), counted.requests.Load(), time.Since(began).Seconds() * 1000})
	}
	return out, nil
}

func logsAt(store *tables.Store, stream entra.Stream, now func() time.Time) http.Handler {
	read := &logs.Function{Archive: store, Streams: []entra.Stream{stream}, Now: now, Slice: time.Minute}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/auditLogs/{collection}", read.ServeHTTP)
	return mux
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

// fillArchive archives a year, lets it have its passes and seals, and indexes it.
func fillArchive(ctx context.Context, store *tables.Store, stream entra.Stream, seed uint64, now time.Time) (*simtenant.Tenant, error) {
	tenant, err := simtenant.New(simtenant.Config{IdentityHeader: identityHeader, TokenLifetime: 24 * time.Hour, Retention: 2 * readDays * 24 * time.Hour, Now: now,
		Generate: &generate.Config{Seed: seed, Users: readUsers, Apps: 60, Days: readDays, Policies: 2, End: now, Exactly: map[entra.Stream]int{stream: readRecords}}})
	if err != nil {
		return nil, err
	}
	server := httptest.NewServer(tenant)
	defer server.Close()
	token, err := fetchToken(ctx, job{Identity: server.URL + simtenant.IdentityPath, Header: identityHeader})
	if err != nil {
		return nil, err
	}
	source, err := graph.New(graph.Config{Endpoint: server.URL, Scope: "bench", Credential: anyToken(token), Limiter: graph.NewLimiter(unlimited),
		Version: "bench", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	options := archive.Options{Backfill: (readDays + 5) * 24 * time.Hour, Passes: []time.Duration{time.Hour}}
	for _, later := range []time.Duration{10 * time.Minute, 2 * time.Hour, 3 * time.Hour} {
		tenant.Freeze(now.Add(later))
		collector := archive.NewCollector(source, store, nil, options, tenant.Now, slog.New(slog.DiscardHandler))
		if _, err := collector.Run(ctx, "bench "+later.String(), []entra.Stream{stream}, 20*time.Minute); err != nil {
			return nil, err
		}
	}
	report, err := archive.UpdateIndex(ctx, store, stream, false, time.Now().Add(20*time.Minute))
	if err == nil && report.Days < readDays-2 {
		err = fmt.Errorf("only %d days could be indexed", report.Days)
	}
	return tenant, err
}

func (r report) printReading(out io.Writer) {
	if len(r.Reading) == 0 {
		return
	}
	t := newTable(out, fmt.Sprintf("First page of %d in an archive of %s sign-ins over %d days, in Azurite", readTop, grouped(readRecords), readDays), "search", "records", "table requests", "ms in Azurite")
	for _, a := range r.Reading {
		t.AppendRow(table.Row{a.Search, a.Found, grouped(a.Requests), fmt.Sprintf("%.0f", a.Millis)})
	}
	t.Render()
	fmt.Fprintln(out)
}
