// Package cost is the HTTP function that tells what the logs cost a month, here and elsewhere.
package cost

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/cost"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/streams"
)

// Function answers GET /api/cost.
type Function struct {
	Ledger         archive.Ledger
	Streams        *streams.Known
	RequestsPer10s int // the archive's share of Graph's ceiling
	Now            func() time.Time
	BaseURL        string // of links; empty: as forwarded
}

// What infra/ deploys unless told otherwise, and what the app can't ask for.
const (
	defaultMonths, mostMonths = 12, 240
	defaultMemory             = "512"
	runsPerDay                = 288 // of archivelogs, every five minutes
)

// ServeHTTP answers with the forecast.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := f.serve(w, r); err != nil {
		answer.Error(w, r, err)
	}
}

func (f *Function) serve(w http.ResponseWriter, r *http.Request) error {
	q := answer.ReadParameters(r, "retentionMonths", "redundancy", "instanceMemoryMB", "$format")
	asCSV := q.CSV(r)
	plan := cost.Plan{Months: q.Int("retentionMonths", defaultMonths, 1, mostMonths)}
	plan.Redundancy = cost.Redundancy(q.Choice("redundancy", string(cost.Redundancies()[0]), redundancies()...))
	memory, err := strconv.Atoi(q.Choice("instanceMemoryMB", defaultMemory, defaultMemory, "2048", "4096"))
	if q.Err() != nil {
		return q.Err()
	}
	if err != nil {
		return err
	}
	logs, from, err := f.read(r.Context())
	if err != nil {
		return err
	}
	app := cost.App{Runs: runsPerDay, MemoryMB: float64(memory), RequestsPer10s: float64(f.RequestsPer10s)}
	out := forecastOf(logs, from, plan, app)
	if asCSV {
		return answer.CSV(w, "cost.csv", out.Value)
	}
	out.Context, out.AsOf = answer.BaseURL(r, f.BaseURL)+"/api/$metadata#cost", answer.Time(f.Now())
	answer.JSON(w, http.StatusOK, out)
	return nil
}

func redundancies() []string {
	var out []string
	for _, r := range cost.Redundancies() {
		out = append(out, string(r))
	}
	return out
}

// ledgerOf is what the ledger says of a log.
type ledgerOf struct {
	stream    entra.Stream
	collected bool
	progress  archive.Progress
	err       error // why its row of progress can't be used; nil: it can
	expect    cost.Forecast
}

// counts tells whether a day of the log is known and is to be expected.
func (l *ledgerOf) counts() bool { return l.err == nil && l.collected && l.expect.Known }

// read asks the ledger of each log for its progress and its last hours. The days end by the
// tenant's clock, as the last run of any log knew it.
func (f *Function) read(ctx context.Context) (logs []ledgerOf, from time.Time, err error) {
	all, err := f.Streams.All(ctx)
	if err != nil {
		return nil, from, err
	}
	var last archive.Progress
	for _, s := range all {
		l := ledgerOf{stream: s, collected: f.Streams.Collects(s)}
		l.progress, err = f.Ledger.Progress(ctx, s)
		switch {
		case err != nil && entra.CodeOf(err) == entra.CodeTampered:
			l.err = err // of the others something can be said all the same
		case err != nil:
			return nil, from, err
		case l.progress.LastRunAt.After(last.LastRunAt):
			last = l.progress
		}
		logs = append(logs, l)
	}
	from, to := cost.Span(last.TenantTime(f.Now()))
	for i := range logs {
		l := &logs[i]
		if l.err != nil {
			continue
		}
		if !l.progress.Started() {
			l.expect = cost.Expect(from, nil)
			continue
		}
		var hours []cost.Hour
		for cov, err := range f.Ledger.Windows(ctx, l.stream, from, to) {
			if err != nil && entra.CodeOf(err) != entra.CodeTampered {
				return nil, from, err
			}
			if l.err = err; err != nil {
				break
			}
			hours = append(hours, hourOf(cov))
		}
		l.expect = cost.Expect(from, hours)
	}
	return logs, from, nil
}

// hourOf is an hour as the forecast takes it. One that was purged says nothing any more.
func hourOf(c archive.Coverage) cost.Hour {
	h := cost.Hour{Start: c.Start, Records: c.Records, Contents: c.Records + c.Versions,
		Received: c.Bytes, Stored: c.StoredBytes}
	switch {
	case c.Doubt || c.State == archive.WindowPurged:
	case c.State == archive.WindowLost || c.InPart():
		h.State = cost.Lost
	case c.State.IsRead():
		h.State = cost.There
	case c.Awaits():
		h.State = cost.Awaiting
	}
	return h
}

// statuses of a row and of a destination.
const (
	measured     = "measured"     // every hour of the days counts
	partial      = "partial"      // some hours, or some logs, are left out
	unknown      = "unknown"      // there is nothing to go by: no amount is given
	notCollected = "notCollected" // nothing is added to the log
)

// rowOf is a log's row.
func rowOf(l ledgerOf, plan cost.Plan) row {
	e := l.expect
	out := row{Stream: l.stream, Collected: l.collected, Status: unknown, Reason: e.Why}
	if l.err != nil {
		out.Reason = l.err.Error()
		return out
	}
	out.WholeDays, out.There = &e.WholeDays, &e.There
	out.Awaiting, out.Missing, out.Lost = &e.Awaiting, &e.Missing, &e.Lost
	if !l.progress.Started() {
		out.Reason = "it was never read"
		if l.progress.LastError != "" {
			out.Reason += "; its last run failed: " + l.progress.LastError
		}
		return out
	}
	held := plan.Held(l.progress.StoredBytes, l.progress.Records+l.progress.Versions)
	out.HeldGB = new(gigabytes(held.KeptGB))
	switch {
	case !l.collected:
		out.Status = notCollected
		out.Reason = "ARCHIVE_STREAMS does not name it: nothing is added, and what is kept goes on to cost"
		out.Archive = billOf(held, true)
		return out
	case !e.Known:
		return out
	case e.Whole():
		out.Status = measured
	default:
		out.Status = partial
	}
	out.BytesFrom = "ledger"
	out.RecordsPerDay = new(math.Round(e.Day.Records*10) / 10)
	if e.Contents > 0 {
		out.BytesPerRecord, out.StoredPerRecord = new(e.Received/e.Contents), new(e.Stored/e.Contents)
	}
	out.Archive = billOf(plan.Of(cost.Archive, e.Day), true)
	out.StorageAccount = billOf(plan.Of(cost.StorageAccount, e.Day), true)
	out.LogAnalytics = billOf(plan.Of(cost.LogAnalytics, e.Day), true)
	out.EventHub = billOf(plan.Of(cost.EventHub, e.Day), false)
	return out
}

// forecastOf is the answer.
func forecastOf(logs []ledgerOf, from time.Time, plan cost.Plan, app cost.App) forecast {
	tables, blobs := plan.Redundancy.Times()
	out := forecast{From: answer.Time(from), To: answer.Time(from.AddDate(0, 0, cost.Week)), Currency: "USD",
		PricesAsOf: cost.AsOf, Prices: prices(), RetentionMonths: plan.Months, Redundancy: plan.Redundancy,
		Multiples: multiples{tables, blobs}, MemoryMB: int(app.MemoryMB), Notes: notes(), Value: []row{}}
	var (
		volume cost.Volume
		held   cost.Bill // of logs to which nothing is added
	)
	all := summary{without: []entra.Stream{}, least: measured}
	for _, l := range logs {
		r := rowOf(l, plan)
		out.Value = append(out.Value, r)
		switch r.Status {
		case unknown:
			all.without = append(all.without, l.stream)
		case notCollected:
			held = held.Add(plan.Held(l.progress.StoredBytes, l.progress.Records+l.progress.Versions))
		default:
			all.known++
			volume = volume.Add(l.expect.Day)
			if r.Status == partial {
				all.least = partial
			}
		}
	}
	out.Count = len(out.Value)
	for _, d := range cost.Destinations() {
		var sum cost.Bill
		for _, l := range logs {
			if l.counts() {
				sum = sum.Add(plan.Of(d, l.expect.Day))
			}
		}
		if d == cost.Archive {
			sum = sum.Add(held)
		}
		out.Destinations = append(out.Destinations, all.of(d, sum, plan.Shared(d, volume, app)))
	}
	return out
}

// summary is what is said of all logs together.
type summary struct {
	known   int // logs of which a day is known
	without []entra.Stream
	least   string // status of the known ones
}

func (s summary) of(d cost.Destination, sum cost.Bill, shared []cost.Part) destination {
	out := destination{Destination: d, Status: s.least, Without: s.without, Shared: []part{}}
	if s.known == 0 {
		out.Status, out.Reason = unknown, "of no log that is collected a day is known yet: see the reasons in value"
		return out
	}
	if len(s.without) > 0 {
		out.Status = partial
		out.Reason = fmt.Sprintf("without %v, of which no day is known: see the reasons in value", s.without)
	}
	for _, p := range shared {
		sum.USD += p.USD
		out.Shared = append(out.Shared, part{p.Name, dollars(p.USD)})
	}
	if out.Status == partial && out.Reason == "" {
		out.Reason = "some hours of some logs are not counted: see the reasons in value"
	}
	out.bill = billOf(sum, d != cost.EventHub)
	return out
}
