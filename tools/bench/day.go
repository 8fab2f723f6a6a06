package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/tools/bench/discard"
)

// day is what 24 hours of archiving cost a tenant that has run for a while: a run every few minutes
// over all streams, three passes, seals. The passes are at 1, 2 and 3 hours, so that all of them
// fall into the hours that are simulated; at which age an hour is read again does not change what
// it costs. docs/cost.md rests on it.
type day struct {
	Users         int   `json:"users"`
	Minutes       int   `json:"minutes"` // from run to run
	Runs          int   `json:"runs"`
	Records       int64 `json:"records"`
	GraphRequests int64 `json:"graphRequests"`
	// without the waits of several processes for their turn: one for each Graph request
	TableRequests int64   `json:"tableRequests"`
	ReceivedBytes float64 `json:"receivedBytesPerRecord"`
	StoredBytes   float64 `json:"storedBytesPerRecord"`
	CPUSeconds    float64 `json:"cpuSeconds"` // of the tenant and the table server, too
	LogLines      int64   `json:"logLines"`   // of the app's standard output
	LogBytes      int64   `json:"logBytes"`
	SummaryBytes  int64   `json:"summaryBytes"` // of the line that each run answers, which the host logs as well
}

// perUserAndDay is how much a user's day leaves in the logs, and an application's; in the others
// next to nothing. Tenants differ widely.
var perUserAndDay = map[entra.Stream]float64{
	logs.SignInsInteractiveUser: 4, logs.SignInsNonInteractiveUser: 25, logs.SignInsServicePrincipal: 1,
	logs.SignInsManagedIdentity: 0.3, logs.DirectoryAudits: 0.3, logs.Provisioning: 0.1,
}

// perDay is how many records two days of a tenant leave in each log.
func perDay(users int) map[entra.Stream]int {
	exactly := make(map[entra.Stream]int)
	for _, stream := range logs.Streams() {
		exactly[stream] = max(1, int(perUserAndDay[stream]*float64(users)*2))
	}
	return exactly
}

const (
	dayWarmUp = 5 // hours until everything that is due in an hour is
	dayHours  = 24
)

func (p plan) measureDays(ctx context.Context) ([]day, error) {
	var out []day
	for _, d := range []day{{Users: 100, Minutes: 5}, {Users: 1_000, Minutes: 5}, {Users: 10_000, Minutes: 5},
		{Users: 1_000, Minutes: 15}} {
		progress(fmt.Sprintf("a day of %s users: a run every %d minutes", grouped(int64(d.Users)), d.Minutes))
		got, err := measureDay(ctx, d, p.seed, p.now)
		if err != nil {
			return nil, fmt.Errorf("a day of %d users: %w", d.Users, err)
		}
		out = append(out, got)
	}
	return out, nil
}

func measureDay(ctx context.Context, d day, seed uint64, now time.Time) (day, error) {
	begin := now.Truncate(24*time.Hour).AddDate(0, 0, -3) // the day that the seed is made for is a Saturday
	tenant, err := simtenant.New(simtenant.Config{IdentityHeader: identityHeader, TokenLifetime: 24 * time.Hour,
		Now: begin,
		Generate: &generate.Config{Seed: seed, Users: d.Users, Apps: d.Users / 20, Days: 2,
			End: begin.Add(36 * time.Hour), Policies: 6, Exactly: perDay(d.Users)}})
	if err != nil {
		return d, err
	}
	w, stop, err := newWalk(ctx, tenant)
	if err != nil {
		return d, err
	}
	defer stop()
	return w.day(ctx, d, begin)
}

// walk is a tenant, an archive, and what counts the requests to them.
type walk struct {
	tenant         *simtenant.Tenant
	source         collect.Source
	store          *tablestest.Store
	asked, counted *countingTransport
	connection     string // of the store
	out            *written
	log            *slog.Logger // writes to out
}

// newWalk serves a tenant, and makes an archive that remembers everything.
func newWalk(ctx context.Context, tenant *simtenant.Tenant) (w walk, stop func(), err error) {
	server := httptest.NewServer(tenant)
	site := httptest.NewServer(discard.NewKeepingAll("coverage", "dictionaries", "secrets", "quarantine"))
	stop = func() { server.Close(); site.Close() }
	defer func() {
		if err != nil {
			stop()
		}
	}()
	token, err := fetchToken(ctx, job{Identity: server.URL + simtenant.IdentityPath, Header: identityHeader})
	if err != nil {
		return w, stop, err
	}
	w = walk{tenant: tenant, asked: newCountingTransport(), counted: newCountingTransport(), out: new(written),
		connection: fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;TableEndpoint=%s/%[1]s;",
			benchAccount, benchKey, site.URL)}
	w.log = w.out.logger()
	w.source, err = graph.New(graph.Config{Endpoint: server.URL, Scope: "bench", Credential: anyToken(token),
		Limiter:   graph.NewLimiter(unlimited),
		Transport: w.asked, Version: "bench", Log: w.log})
	if err != nil {
		return w, stop, err
	}
	w.store, err = tablestest.New(tables.Config{HTTP: &http.Client{Transport: w.counted},
		ConnectionString: w.connection})
	return w, stop, err
}

// day runs the collector every few minutes, and counts from the end of the warm-up on.
func (w walk) day(ctx context.Context, d day, begin time.Time) (day, error) {
	var before ledger.Tally
	var cpu float64
	perHour := 60 / d.Minutes
	for i := range (dayWarmUp + dayHours) * perHour {
		w.tenant.Freeze(begin.Add(time.Duration((i+1)*d.Minutes) * time.Minute))
		if i == dayWarmUp*perHour {
			d.GraphRequests, d.TableRequests = -w.asked.requests.Load(), -w.counted.requests.Load()
			before, cpu = tallyOf(ctx, w.store), cpuSeconds()
			d.LogLines, d.LogBytes, d.SummaryBytes = -w.out.lines, -w.out.bytes, 0
		}
		line, err := w.once(ctx)
		if err != nil {
			return d, err
		}
		d.SummaryBytes += int64(len(line))
	}
	after := tallyOf(ctx, w.store)
	d.Runs, d.Records = dayHours*perHour, after.Records-before.Records
	d.GraphRequests += w.asked.requests.Load()
	d.TableRequests += w.counted.requests.Load()
	d.ReceivedBytes = ratio(float64(after.Bytes-before.Bytes), float64(d.Records))
	d.StoredBytes = ratio(float64(after.StoredBytes-before.StoredBytes), float64(d.Records))
	d.CPUSeconds = cpuSeconds() - cpu
	d.LogLines += w.out.lines
	d.LogBytes += w.out.bytes
	return d, nil
}

// once is a run of a day, with three passes, and the line that it answers.
func (w walk) once(ctx context.Context) (string, error) {
	options := collect.Options{Simulated: true, Backfill: time.Hour, Passes: []time.Duration{time.Hour, 2 * time.Hour,
		3 * time.Hour}}
	return invoke(ctx, collect.New(w.source, w.store, nil, options, w.tenant.Now, w.log), w.log)
}

// tallyOf sums up what the store's ledger says.
func tallyOf(ctx context.Context, store *tablestest.Store) (sum ledger.Tally) {
	for _, stream := range logs.DefaultStreams() {
		p, err := store.Progress(ctx, stream)
		if err != nil {
			return ledger.Tally{} // the run before it would have failed, too
		}
		sum.Records += p.Records
		sum.Versions += p.Versions
		sum.Bytes += p.Bytes
		sum.StoredBytes += p.StoredBytes
	}
	return sum
}

func (r report) printDays(out io.Writer) {
	if len(r.Days) == 0 {
		return
	}
	t := newTable(out, "A day of archiving: all streams, three passes", "users", "minutes from run to run", "records",
		"Graph requests", "table requests",
		"bytes received a record", "bytes stored a record", "CPU s (all sides)", "log lines", "log bytes",
		"bytes of summaries")
	for _, d := range r.Days {
		t.AppendRow(table.Row{grouped(int64(d.Users)), d.Minutes, grouped(d.Records), grouped(d.GraphRequests),
			grouped(d.TableRequests),
			fmt.Sprintf("%.0f", d.ReceivedBytes), fmt.Sprintf("%.0f", d.StoredBytes), fmt.Sprintf("%.0f", d.CPUSeconds),
			grouped(d.LogLines), grouped(d.LogBytes), grouped(d.SummaryBytes)})
	}
	t.Render()
	fmt.Fprintln(out)
}
