package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// load is what many callers at once got from one instance: the program itself, in a process of its
// own with the memory that a deployment gives it.
type load struct {
	Beside   string  `json:"beside"` // what else the process does
	Procs    int     `json:"procs"`  // GOMAXPROCS; 0: as many as there are
	Callers  int     `json:"callers"`
	Requests int     `json:"requests"`
	P50      float64 `json:"p50Milliseconds"`
	P99      float64 `json:"p99Milliseconds"`
	Worst    float64 `json:"worstMilliseconds"`
	CPU      float64 `json:"cpuMillisecondsARequest"` // user and system, all that the process does
	PeakMB   float64 `json:"peakMB"`
	Refused  int64   `json:"refused"` // answers with 429
	Failed   int64   `json:"failed"`  // other answers than 2xx and 429
	Large    int64   `json:"largeAnswers"`
	LargeMB  float64 `json:"largeMB"`
}

// fileTime is what a file of a whole archive costs the program.
type fileTime struct {
	Format  string  `json:"format"`
	Records int     `json:"records"`
	Seconds float64 `json:"seconds"`
	Micros  float64 `json:"cpuMicrosecondsARecord"` // user and system
	PeakMB  float64 `json:"peakMB"`
}

// quarter is how many records a second an instance writes that has a quarter of a core.
func (f fileTime) quarter() float64 { return ratio(0.25e6, f.Micros) }

const (
	loadCallers = 50
	loadLarge   = 10 // callers of large answers beside them
	loadTime    = 10 * time.Second
	loadRecords = 100_000
	loadDays    = 28
	loadMemory  = "180MiB" // as infra/modules/app.bicep sets GOMEMLIMIT for an instance of 512 MB

	aimLoadP99       = 250.0 // milliseconds, of lists of 100 and single records
	aimLoadCollectMS = 500.0
	aimLoadMB        = 200.0

	besideNothing = "nothing"
	besideCollect = "a collecting timer"
	besideLarge   = "10 callers of large answers"
)

// measureLoad asks the program's own binary for lists and records from many callers at once.
func (p plan) measureLoad(ctx context.Context, r *report) (err error) {
	r.Load, err = p.loads(ctx, r)
	return err
}

func (p plan) loads(ctx context.Context, r *report) ([]load, error) {
	progress(fmt.Sprintf("load: archiving %s sign-ins of %d days", grouped(loadRecords), loadDays))
	folder, err := os.MkdirTemp("", "bench-load")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer os.RemoveAll(folder)
	binary := filepath.Join(folder, "handler")
	if err := buildHandler(ctx, binary); err != nil {
		return nil, err
	}
	storage, err := startChild(ctx, job{Role: "bulk"})
	if err != nil {
		return nil, err
	}
	defer func() { _ = storage.stop() }() // its end changes nothing that was measured
	var connection string
	if err := storage.read(&connection); err != nil {
		return nil, fmt.Errorf("start the table server: %w", err)
	}
	store, err := tablestest.New(tables.Config{ConnectionString: connection})
	if err != nil {
		return nil, err
	}
	tenant, err := fillArchive(ctx, store, logs.SignInsInteractiveUser, loadRecords, loadDays, p.seed, p.now)
	if err != nil {
		return nil, fmt.Errorf("archive %d days: %w", loadDays, err)
	}
	ids := someIDs(tenant.Truth(logs.SignInsInteractiveUser))
	var out []load
	err = p.withTenant(ctx, 1, func(at addresses) error {
		for _, format := range []string{"csv", "ndjson"} {
			got, err := p.fileOf(ctx, loaded{binary, connection, at, ids, besideNothing, 1}, format)
			if err != nil {
				return fmt.Errorf("a file as %s: %w", format, err)
			}
			r.Files = append(r.Files, got)
		}
		for _, procs := range []int{0, 1} {
			for _, beside := range []string{besideNothing, besideCollect, besideLarge} {
				got, err := p.loadOf(ctx, loaded{binary, connection, at, ids, beside, procs})
				if err != nil {
					return fmt.Errorf("load beside %s: %w", beside, err)
				}
				out = append(out, got)
			}
		}
		return nil
	})
	return out, err
}

// someIDs are those of 500 records, spread over all.
func someIDs(records iter.Seq[[]byte]) (ids []string) {
	n := 0
	for raw := range records {
		if n++; n%(loadRecords/500) == 0 {
			ids = append(ids, gjson.GetBytes(raw, "id").Str)
		}
	}
	return ids
}

// fileOf asks for a file of all records, compressed, by itself.
func (p plan) fileOf(ctx context.Context, l loaded, format string) (fileTime, error) {
	progress("load: a file of all records as " + format)
	out := fileTime{Format: format, Records: loadRecords}
	app, err := startApp(ctx, l)
	if err != nil {
		return out, err
	}
	defer app.stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		app.url+"/api/downloads/InteractiveSignIns?format="+format, nil)
	if err != nil {
		return out, err
	}
	req.Header.Set("Accept-Encoding", "gzip") // and it is not unpacked here
	began, before := time.Now(), app.cpuSeconds()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if _, err = io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("it is answered with %s", resp.Status)
	}
	out.Seconds, out.Micros = time.Since(began).Seconds(), 1e6*(app.cpuSeconds()-before)/loadRecords
	out.PeakMB = app.peakMB()
	return out, err
}

// loaded is one measurement.
type loaded struct {
	binary, storage string
	at              addresses
	ids             []string
	beside          string
	procs           int
}

func (p plan) loadOf(ctx context.Context, l loaded) (load, error) {
	out := load{Beside: l.beside, Procs: l.procs, Callers: loadCallers}
	progress(fmt.Sprintf("load: %d callers beside %s, GOMAXPROCS %d", loadCallers, l.beside, l.procs))
	app, err := startApp(ctx, l)
	if err != nil {
		return out, err
	}
	defer app.stop()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * loadCallers}}
	defer client.CloseIdleConnections()
	c := caller{client: client, base: app.url, ids: l.ids, now: p.now}
	for range 20 { // what is read once by each process is no part of what is measured
		if _, err := c.ask(ctx, rand.New(rand.NewPCG(1, 1))); err != nil {
			return out, err
		}
	}
	before := app.cpuSeconds()
	ctx, stop := context.WithTimeout(ctx, loadTime)
	defer stop()
	var beside sync.WaitGroup
	switch l.beside {
	case besideCollect:
		beside.Go(func() { c.collect(ctx) })
	case besideLarge:
		for i := range loadLarge {
			beside.Go(func() { c.large(ctx, i) })
		}
	}
	took := c.closedLoop(ctx, p.seed)
	beside.Wait()
	if len(took) == 0 {
		return out, errors.New("nothing was answered")
	}
	slices.Sort(took)
	millis := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1000 }
	out.Requests, out.P50, out.P99, out.Worst = len(took), millis(0.5), millis(0.99), millis(1)
	out.CPU = 1000 * (app.cpuSeconds() - before) / float64(len(took))
	out.Refused, out.Failed, out.Large = c.refused.Load(), c.failed.Load(), c.whole.Load()
	out.LargeMB, out.PeakMB = float64(c.bytes.Load())/1e6, app.peakMB()
	return out, nil
}

// caller asks an app, and counts what it gets.
type caller struct {
	client *http.Client
	base   string
	ids    []string
	now    time.Time

	refused, failed, whole, bytes atomic.Int64
}

// closedLoop has every caller ask again as soon as it is answered, until ctx ends. It returns how
// long the answers took that came with 2xx.
func (c *caller) closedLoop(ctx context.Context, seed uint64) []time.Duration {
	var (
		mu    sync.Mutex
		took  []time.Duration
		group sync.WaitGroup
	)
	for i := range loadCallers {
		group.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			var own []time.Duration
			for ctx.Err() == nil {
				began := time.Now()
				status, err := c.ask(ctx, random)
				switch {
				case ctx.Err() != nil:
				case err == nil && status < 300:
					own = append(own, time.Since(began))
				case status == http.StatusTooManyRequests:
					c.refused.Add(1)
				default:
					c.failed.Add(1)
				}
			}
			mu.Lock()
			took = append(took, own...)
			mu.Unlock()
		})
	}
	group.Wait()
	return took
}

// ask asks for what people ask for: of ten, three times the newest 100, four times 100 of some time,
// and three times one record.
func (c *caller) ask(ctx context.Context, random *rand.Rand) (status int, err error) {
	address := "/api/auditLogs/signIns?$top=100"
	switch n := random.IntN(10); {
	case n < 3:
	case n < 7:
		until := c.now.Add(-time.Duration(random.IntN(loadDays*24)) * time.Hour).Format(time.RFC3339)
		address += "&$filter=" + url.QueryEscape("createdDateTime lt "+until)
	default:
		address = "/api/auditLogs/signIns/" + c.ids[random.IntN(len(c.ids))]
	}
	return c.get(ctx, address, io.Discard)
}

func (c *caller) get(ctx context.Context, address string, to io.Writer) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+address, nil)
	if err != nil {
		return 0, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(to, resp.Body)
	return resp.StatusCode, err
}

// large asks for what is large, one after the other, and waits for a second where it is refused.
func (c *caller) large(ctx context.Context, i int) {
	all := []string{
		"/api/downloads/InteractiveSignIns",
		"/api/verify?stream=signIns.interactiveUser",
		"/api/downloads/InteractiveSignIns?format=ndjson",
		"/api/auditLogs/signIns?$filter=" + url.QueryEscape("contains(userDisplayName,'nobody at all')"),
		"/api/auditLogs/signIns/$count",
	}
	for ; ctx.Err() == nil; i++ {
		status, err := c.get(ctx, all[i%len(all)], counting{&c.bytes})
		switch {
		case ctx.Err() != nil:
		case status == http.StatusTooManyRequests:
			c.refused.Add(1)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		case err == nil && status < 300:
			c.whole.Add(1)
		default:
			c.failed.Add(1)
		}
	}
}

// collect runs the timer that reads the logs, again and again.
func (c *caller) collect(ctx context.Context) {
	const body = `{"Data":{"timer":{"IsPastDue":false}},"Metadata":{"sys":{"MethodName":"archivelogs"}}}`
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/archivelogs", strings.NewReader(body))
		if err != nil {
			return
		}
		resp, err := c.client.Do(req)
		if err != nil {
			continue
		}
		if resp.StatusCode != http.StatusOK {
			c.failed.Add(1)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

// counting counts bytes.
type counting struct{ n *atomic.Int64 }

func (c counting) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

func (r report) printLoad(out io.Writer) {
	if len(r.Load) == 0 {
		return
	}
	t := newTable(out, "Lists of 100 and single records, callers in a closed loop", "beside", "GOMAXPROCS", "callers",
		"requests", "p50 ms", "p99 ms", "worst ms", "CPU ms a request", "peak MB", "429", "failed", "large", "large MB")
	for _, l := range r.Load {
		procs := "all"
		if l.Procs > 0 {
			procs = fmt.Sprint(l.Procs)
		}
		t.AppendRow(table.Row{l.Beside, procs, l.Callers, grouped(int64(l.Requests)), fmt.Sprintf("%.0f", l.P50),
			fmt.Sprintf("%.0f", l.P99), fmt.Sprintf("%.0f", l.Worst), fmt.Sprintf("%.2f", l.CPU),
			fmt.Sprintf("%.0f", l.PeakMB), l.Refused, l.Failed, l.Large, fmt.Sprintf("%.0f", l.LargeMB)})
	}
	t.Render()
	fmt.Fprintln(out, "Of ten requests, three are for the newest 100 sign-ins, four for 100 of some time, "+
		"three for one record.")
	fmt.Fprintln(out)
}

func (r report) printFiles(out io.Writer) {
	if len(r.Files) == 0 {
		return
	}
	t := newTable(out, "A file of all of it, compressed, GOMAXPROCS 1", "format", "records", "s", "CPU us a record",
		"records/s with a quarter of a core", "peak MB")
	for _, f := range r.Files {
		t.AppendRow(table.Row{f.Format, grouped(int64(f.Records)), fmt.Sprintf("%.1f", f.Seconds),
			fmt.Sprintf("%.0f", f.Micros), grouped(int64(f.quarter())), fmt.Sprintf("%.0f", f.PeakMB)})
	}
	t.Render()
	fmt.Fprintf(out, "The program reckons with %s records a second (internal/search).\n\n",
		grouped(search.RecordsASecond))
}

func (r report) judgeLoad() []aim {
	var aims []aim
	for _, f := range r.Files {
		aims = append(aims, aim{"records/s of a file as " + f.Format + " with a quarter of a core",
			fmt.Sprintf(">= %d", search.RecordsASecond), f.quarter(), f.quarter() >= search.RecordsASecond})
	}
	for _, l := range r.Load {
		most := aimLoadP99
		if l.Beside != besideNothing {
			most = aimLoadCollectMS
		}
		what := fmt.Sprintf("beside %s, GOMAXPROCS %d", l.Beside, l.Procs)
		aims = append(aims, aim{"p99 of 50 callers, ms, " + what, fmt.Sprintf("<= %.0f", most), l.P99, l.P99 <= most},
			aim{"peak memory, MB, " + what, fmt.Sprintf("< %.0f", aimLoadMB), l.PeakMB, l.PeakMB < aimLoadMB})
	}
	return aims
}
