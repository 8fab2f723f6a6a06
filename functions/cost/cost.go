// Package cost is the HTTP function that tells what the logs cost a month, here and elsewhere.
package cost

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/cost"
	"github.com/entraledger/entraledger/internal/streams"
)

// Function answers GET /api/cost.
type Function struct {
	Ledger         archive.Ledger
	Streams        *streams.Known
	Retention      archive.Retention // for how long the archive keeps what
	RequestsPer10s int               // the archive's share of Graph's ceiling
	Simulated      bool              // the tenant has a time of its own, which may be later than ours
	Now            func() time.Time
	BaseURL        string // of links; empty: as forwarded
}

// What infra/ deploys unless told otherwise, and what the app can't ask for.
const (
	defaultMemory = "512"
	runsPerDay    = 288 // of archivelogs, every five minutes
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
	keep := retention{q.Int("retentionMonths", 0, 1, mostMonths), f.Retention}
	redundancy := cost.Redundancy(q.Choice("redundancy", string(cost.Redundancies()[0]), redundancies()...))
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
	out := forecastOf(logs, from, keep, redundancy, app)
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
	if !l.progress.Started() {
		out.Reason = "it was never read"
		if l.progress.LastError != "" {
			out.Reason += "; its last run failed: " + l.progress.LastError
		}
		return out
	}
	held, ok := l.held(plan)
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

// forecastOf is the answer.
func forecastOf(logs []ledgerOf, from time.Time, keep retention, redundancy cost.Redundancy, app cost.App) forecast {
	times := redundancy.Times()
	out := forecast{From: answer.Time(from), To: answer.Time(from.AddDate(0, 0, cost.Week)), Currency: "USD",
		PricesAsOf: cost.AsOf, Prices: prices(), Redundancy: redundancy, MemoryMB: int(app.MemoryMB),
		Multiples: multiples{times.Tables, times.Blobs, times.BlobWrites},
		Notes:     append([]string{keep.note(logs)}, notes()...), Count: len(logs), Value: []row{}}
	out.RetentionMonths, out.RetentionFrom = keep.of("")
	var sums []*sum
	for _, d := range cost.Destinations() {
		sums = append(sums, newSum(d))
	}
	for i := range logs {
		l := &logs[i]
		months, source := keep.of(l.stream)
		plan := cost.Plan{Months: months, Redundancy: redundancy}
		r := rowOf(l, plan)
		r.RetentionMonths, r.RetentionFrom = months, source
		out.Value = append(out.Value, r)
		for _, s := range sums {
			s.add(l, plan, r.Status)
		}
	}
	for _, s := range sums {
		out.Destinations = append(out.Destinations, s.destination(app))
	}
	return out
}
