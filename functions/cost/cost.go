// Package cost is the HTTP function that computes what the logs cost a month, here and elsewhere.
package cost

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"time"

	"github.com/entraledger/entraledger/internal/cost"
	"github.com/entraledger/entraledger/internal/ledger"
	tenantlogs "github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Config of the function.
type Config struct {
	Ledger         ledger.Reader
	Streams        *streams.Known
	Retention      purge.Retention // for how long the archive keeps what
	RequestsPer10s int             // the archive's share of Graph's ceiling
	Simulated      bool            // the tenant has a time of its own, which may be later than ours
	Now            func() time.Time
}

// What infra/ deploys by default, and what the app cannot read.
const (
	defaultMemory = "512"
	runsPerDay    = 288 // of archivelogs, every five minutes
)

// New makes the function.
func New(cfg Config) web.Function {
	months := web.Whole("retentionMonths", 0, 1, mostMonths, "For how many months everything is kept; without it, "+
		"for as long as ARCHIVE_RETENTION says of each log")
	months.Default = ""
	months.Note = "The amounts are of a month after that. 12 where `ARCHIVE_RETENTION` keeps a log for ever"
	memory := web.Choice("instanceMemoryMB", defaultMemory, "Memory of an instance of the app",
		defaultMemory, "2048", "4096")
	memory.Number = true
	return web.Function{Name: "cost", Trigger: trigger, Operations: []web.Operation{{
		ID: "ForecastCost", Summary: "What the logs cost a month",
		Text: "Gigabytes and US dollars a month by log, in this archive and at each destination of " +
			"diagnostic settings: " +
			"a forecast from the last seven whole days.",
		Role: web.RoleRead,
		Parameters: []web.Parameter{
			months,
			web.Choice("redundancy", redundancies()[0],
				"Of the archive's storage account, and of one for diagnostic settings",
				redundancies()...),
			memory,
			web.Format(),
		},
		Answers: web.Shape{Name: "cost", Is: forecast{}, Rows: row{}, AsOf: true, Count: true, Text: "One row a log"},
		Class:   web.Long,
		Do:      cfg.forecasts,
	}}}
}

// forecasts answers with the forecast.
func (cfg Config) forecasts(ctx context.Context, r web.Request) (web.Answer, error) {
	logs, from, err := cfg.read(ctx)
	if err != nil {
		return web.Answer{}, err
	}
	app := cost.App{Runs: runsPerDay, MemoryMB: float64(r.Query.Int("instanceMemoryMB")),
		RequestsPer10s: float64(cfg.RequestsPer10s)}
	keep := retention{r.Query.Int("retentionMonths"), cfg.Retention}
	about, rows := forecastOf(logs, from, keep, cost.Redundancy(r.Query.Text("redundancy")), app)
	return web.List[row]{Of: "cost", AsOf: cfg.Now(), About: about, Count: new(int64(len(rows))), Value: rows,
		File: "cost"}.Answer(), nil
}

func redundancies() []string {
	var out []string
	for _, r := range cost.Redundancies() {
		out = append(out, string(r))
	}
	return out
}

// statuses of a row and of a destination.
const (
	measured     = "measured"     // every hour of the days counts
	partial      = "partial"      // some hours, or some logs, are left out
	unknown      = "unknown"      // there is nothing to go by: no amount is given
	notCollected = "notCollected" // nothing is added to the log
	notOffered   = "notOffered"   // the destination does not keep logs for so long: no amount is given
)

const oddTotals = "the ledger's totals of it are less than nothing, or more than a log can have"

// rowOf is a log's row.
func rowOf(l *ledgerOf, plan cost.Plan) row {
	e := &l.expect
	out := row{Stream: l.stream, Collected: l.collected, Status: unknown, Reason: e.Why}
	if l.err != nil {
		out.Reason = l.err.Error()
		return out
	}
	out.WholeDays, out.There = &e.WholeDays, &e.There
	out.Awaiting, out.Missing, out.Lost = &e.Awaiting, &e.Missing, &e.Lost
	held, ok := l.held(plan)
	if !l.progress.Started() {
		return l.neverRead(out, held, ok)
	}
	if ok {
		out.HeldGB = new(gigabytes(held.KeptGB))
	} else {
		out.because("heldGB is left out: " + oddTotals)
	}
	switch {
	case !l.collected && !ok:
		out.Reason = "ARCHIVE_STREAMS does not name it, and what is kept is not known: " + oddTotals
	case !l.collected:
		out.Status = notCollected
		out.Reason = "ARCHIVE_STREAMS does not name it: nothing is added, and what is kept goes on to cost"
		out.Archive = billOf(held, true)
	case e.Known:
		out.expects(e, plan)
	}
	return out
}

// neverRead is the row of a log of which nothing was read. What came otherwise is held, and costs.
func (l *ledgerOf) neverRead(out row, held cost.Bill, known bool) row {
	p := &l.progress
	out.Reason = "it was never read"
	if tenantlogs.Of(l.stream).Delivered {
		out.Reason = "it can't be read: how much is delivered is not forecast"
	}
	if p.Imported > 0 {
		out.because(fmt.Sprintf("%d records of it were imported or delivered", p.Imported))
		if known {
			out.HeldGB = new(gigabytes(held.KeptGB))
		} else {
			out.because("heldGB is left out: " + oddTotals)
		}
	}
	if p.LastError != "" {
		out.Reason += "; its last run failed: " + p.LastError
	}
	return out
}

// expects adds what is known of a day, and what that costs at each destination.
func (r *row) expects(e *cost.Forecast, plan cost.Plan) {
	r.Status, r.BytesFrom = partial, "ledger"
	if e.Whole() {
		r.Status = measured
	}
	r.RecordsPerDay = new(math.Round(e.Day.Records*10) / 10)
	if received, stored, ok := e.BytesPerContent(); ok {
		r.BytesPerRecord, r.StoredPerRecord = &received, &stored
	}
	at := func(d cost.Destination) *bill {
		if why := plan.Refusal(d); why != "" {
			r.because(string(d) + " is left out: " + why)
			return nil
		}
		return billOf(plan.Of(d, e.Day), d != cost.EventHub)
	}
	r.Archive, r.StorageAccount = at(cost.Archive), at(cost.StorageAccount)
	r.LogAnalytics, r.EventHub = at(cost.LogAnalytics), at(cost.EventHub)
}

// because adds a reason to those that the row has.
func (r *row) because(reason string) {
	if r.Reason != "" {
		r.Reason += "; "
	}
	r.Reason += reason
}

// forecastOf is the answer: what is said of all logs, and a row for each.
func forecastOf(
	logs []ledgerOf, from time.Time, keep retention, redundancy cost.Redundancy, app cost.App,
) (forecast, []row) {
	times := redundancy.Times()
	out := forecast{From: web.Time(from), To: web.Time(from.AddDate(0, 0, cost.Week)), Currency: "USD",
		PricesAsOf: cost.AsOf, Prices: prices(), Redundancy: redundancy, MemoryMB: int(app.MemoryMB),
		Multiples: multiples{times.Tables, times.Blobs, times.BlobWrites},
		Notes:     append([]string{keep.note(logs)}, notes()...)}
	out.RetentionMonths, out.RetentionFrom = keep.of("")
	var (
		sums []*sum
		rows []row
	)
	for _, d := range cost.Destinations() {
		sums = append(sums, newSum(d))
	}
	for i := range logs {
		l := &logs[i]
		months, source := keep.of(l.stream)
		plan := cost.Plan{Months: months, Redundancy: redundancy}
		r := rowOf(l, plan)
		r.RetentionMonths, r.RetentionFrom = months, source
		rows = append(rows, r)
		for _, s := range sums {
			s.add(l, plan, r.Status)
		}
	}
	for _, s := range sums {
		out.Destinations = append(out.Destinations, s.destination(app))
	}
	return out, rows
}
