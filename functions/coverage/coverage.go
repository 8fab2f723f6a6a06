// Package coverage is the HTTP function that returns what the archive has, stream by stream and
// hour by hour.
package coverage

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/status"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Config of the function.
type Config struct {
	Ledger  ledger.Reader
	Gaps    *search.Gaps
	Stalled time.Duration // how long a stream may make no progress before it is called failing
	Streams *streams.Known
	Secrets Secrets
	Now     func() time.Time

	Deliveries Deliveries // nil: no log is sent
}

// Secrets has what signs the skip tokens.
type Secrets interface {
	Secret(ctx context.Context, name string) ([]byte, error)
}

const (
	maxTop     = 1000
	secretName = "coverage"
)

// statuses are what the parameter status accepts.
var statuses = []ledger.WindowState{ledger.WindowComplete, ledger.WindowSealed, ledger.WindowSettled,
	ledger.WindowReopened, ledger.WindowPartial, ledger.WindowImported, ledger.WindowDelivered,
	ledger.WindowMissing, ledger.WindowLost, ledger.WindowPurged}

// New makes the function.
func New(cfg Config) web.Function {
	return web.Function{Name: "coverage", Trigger: trigger, Operations: []web.Operation{
		{
			ID: "ListCoverage", Summary: "What the archive holds",
			Text: "One row for each log: up to when it is complete, and what is missing.", Role: web.RoleRead,
			Parameters: []web.Parameter{web.ByID("stream"), web.Format()},
			Answers:    web.Shape{Name: "coverage", Rows: stream{}, AsOf: true, Count: true, Text: "One row a log"},
			Do:         cfg.streams,
		},
		{
			Given: "stream", ID: "ListCoverageOfStream", Summary: "What the archive holds of a log",
			Text: "One row for each hour of a log, or, with by=day, for each day.", Role: web.RoleRead,
			Path:       []web.Parameter{web.Text("stream", "One of the archived logs, such as directoryAudits")},
			Parameters: hourParameters(),
			Answers: web.Shape{Name: "windows", Rows: either{}, AsOf: true, Pages: true,
				Text: "One row an hour, or a day"},
			Heavier: web.Walking("status", "by"), Find: cfg.find, Do: cfg.windows,
		},
	}}
}

func hourParameters() []web.Parameter {
	status := web.Words("status", "", "complete, sealed, settled, reopened, partial, imported, delivered, missing, "+
		"lost, purged, or several with commas between")
	for _, s := range statuses {
		status.Accepted = append(status.Accepted, string(s))
	}
	status.Strict = true
	status.Wants = fmt.Sprintf("one or several of %v, with commas between", statuses)
	by := web.Choice("by", "hour", "What a row is of: an hour, or a day (UTC) with its hours in sum", "hour", "day")
	return append(web.FromTo("First hour", "Up to"), by, status, web.Top(maxTop, "Rows of a page"), web.Format(),
		web.SkipToken())
}

// stream is one row of /api/coverage. Keys without a value are left out.
type stream struct {
	Stream       entra.Stream  `json:"stream" text:"Which log"`
	Status       ledger.Status `json:"status" text:"notStarted, failing, backfilling, current, delivered"`
	Collected    bool          `json:"collected"`
	Begin        string        `json:"beginDateTime,omitempty" text:"First moment that the archive holds"`
	Watermark    string        `json:"watermarkDateTime,omitempty" text:"Newest that is read"`
	BackfilledTo string        `json:"backfilledToDateTime,omitempty" text:"How far the backfill has come"`
	Complete     string        `json:"completeUntilDateTime,omitempty"`
	NextLoss     string        `json:"nextLossDateTime,omitempty"`
	SealedTo     string        `json:"sealedUntilDateTime,omitempty" text:"Sealed up to here"`
	SettledTo    string        `json:"settledUntilDateTime,omitempty" text:"Sealed after the last pass up to here"`
	Unsealed     int64         `json:"windowsUnsealed" text:"Hours that wait to be sealed, or to be sealed again"`
	Seals        int64         `json:"seals" text:"How many entries the log of seals has of it"`
	Done         int64         `json:"windowsDone" text:"Hours that are there"`
	Missing      int64         `json:"windowsMissing" text:"Hours that are still to be read"`
	Lost         int64         `json:"windowsLost" text:"Hours that are lost for good, whole or in part"`
	InDoubt      int64         `json:"windowsInDoubt"`
	Purged       int64         `json:"windowsPurged" text:"Hours that were dropped by ARCHIVE_RETENTION"`
	PurgedTo     string        `json:"purgedUntilDateTime,omitempty"`
	Records      int64         `json:"records" text:"Records that are archived"`
	Versions     int64         `json:"versions" text:"Earlier contents of records that changed"`
	Quarantined  int64         `json:"quarantined" text:"Records without a usable time and id"`
	Bytes        int64         `json:"bytes" text:"Size of records and versions, as received"`
	StoredBytes  int64         `json:"storedBytes" text:"Size of their rows, as Azure counts it"`
	Changed      int64         `json:"changed" text:"Records that came with another content"`
	Thin         int64         `json:"windowsThin" text:"Hours with records in a poorer form than Graph has"`
	Awaits       int64         `json:"windowsAwaiting" text:"Hours that were read once and await a second read"`
	Late         int64         `json:"late" text:"Records that came after their hour was read"`
	Late3h       int64         `json:"lateUpTo3Hours" text:"Late ones, up to 3 hours old when found"`
	Late24h      int64         `json:"lateUpTo24Hours" text:"Late ones, 3 to 24 hours old when found"`
	Late48h      int64         `json:"lateUpTo48Hours" text:"Late ones, 24 to 48 hours old when found"`
	Late7d       int64         `json:"lateUpTo7Days" text:"Late ones, 2 to 7 days old when found"`
	LateMore     int64         `json:"lateOver7Days" text:"Late ones, older than 7 days when found"`
	LastRun      string        `json:"lastRunDateTime,omitempty" text:"Last run"`
	LastError    *lastError    `json:"lastError,omitempty" text:"Why it fails"`
	Gaps         []web.Gap     `json:"gaps,omitempty" text:"What is not there between the begin and now, and why"`
	Imported     int64         `json:"imported,omitempty"`
	ImportedIn   int64         `json:"windowsImported,omitempty" text:"Hours that hold some of those"`
	ImportedFrom string        `json:"importedFromDateTime,omitempty" text:"First hour that may hold some"`
	ImportedTo   string        `json:"importedToDateTime,omitempty" text:"After the last one"`
	Deliveries   []delivery    `json:"deliveries,omitempty" text:"Of a log that servers send: what came of each"`
}

// Texts are those that are too long for their line.
func (stream) Texts() map[string]string {
	return map[string]string{
		"collected":             "Whether it is still read from the tenant: ARCHIVE_STREAMS names it",
		"imported":              "Records that were imported or delivered, and not read; none of them is among records",
		"completeUntilDateTime": "Complete from the begin up to here, but for the gaps",
		"nextLossDateTime":      "When Graph forgets the oldest hour that is missing",
		"windowsInDoubt":        "Hours that Graph is asked for again, because rows and ledger differ",
		"purgedUntilDateTime":   "Everything before was dropped by ARCHIVE_RETENTION",
	}
}

type lastError struct {
	DateTime string     `json:"dateTime" text:"When"`
	Code     entra.Code `json:"code" text:"As a code"`
	Message  string     `json:"message" text:"What failed, why, and what to do"`
}

// streams answers with a row for each stream.
func (cfg Config) streams(ctx context.Context, r web.Request) (web.Answer, error) {
	now := cfg.Now()
	list := web.List[stream]{Of: "coverage", AsOf: now, File: "coverage"}
	all, err := cfg.Streams.All(ctx)
	if err != nil {
		return web.Answer{}, err
	}
	asked := web.Only(r.Query, slices.Clone(all), func(s entra.Stream) string { return string(s) })
	err = cfg.each(ctx, now, asked, func(_ ledger.Progress, row stream) { list.Value = append(list.Value, row) })
	if err != nil {
		return web.Answer{}, err
	}
	list.Count = new(int64(len(list.Value)))
	return list.Answer(), nil
}

// each hands over the row of each stream, with its progress as far as it can be read.
func (cfg Config) each(
	ctx context.Context, now time.Time, of []entra.Stream, do func(ledger.Progress, stream),
) error {
	for _, s := range of {
		p, err := cfg.Ledger.Progress(ctx, s)
		if entra.CodeOf(err) == entra.CodeTampered && err != nil {
			do(ledger.Progress{Stream: s}, cfg.unreadable(s, now, err))
			continue
		}
		if err != nil {
			return err
		}
		row, err := cfg.rowOf(ctx, p, now)
		if err != nil {
			return err
		}
		do(p, row)
	}
	return nil
}

// Logs tells how it stands with each log, as the rows of /api/coverage do.
func (cfg Config) Logs(ctx context.Context) ([]status.Log, error) {
	var out []status.Log
	all, err := cfg.Streams.All(ctx)
	if err != nil {
		return nil, err
	}
	err = cfg.each(ctx, cfg.Now(), all, func(p ledger.Progress, row stream) {
		l := status.Log{Stream: row.Stream, Status: row.Status, Collected: row.Collected, Records: row.Records,
			Missing: row.Missing, Lost: row.Lost, InDoubt: row.InDoubt, Quarantined: row.Quarantined,
			Arrived: row.Imported}
		if row.Complete != "" {
			l.CompleteUntil = p.CompleteUntil()
		}
		if row.NextLoss != "" {
			l.NextLoss = p.NextLoss()
		}
		if row.LastError != nil {
			l.Failure = &status.Failure{Code: row.LastError.Code, Message: row.LastError.Message}
		}
		for _, d := range row.Deliveries {
			l.NotDelivered += d.Missing
		}
		out = append(out, l)
	})
	return out, err
}

// unreadable is the row of a stream of which the archive can't say how far it is.
func (cfg Config) unreadable(s entra.Stream, now time.Time, err error) stream {
	return stream{Stream: s, Status: ledger.StatusFailing, Collected: cfg.Streams.Collects(s),
		LastError: &lastError{DateTime: web.Time(now), Code: entra.CodeOf(err), Message: err.Error()}}
}

func (cfg Config) rowOf(ctx context.Context, p ledger.Progress, now time.Time) (stream, error) {
	row := stream{
		Stream: p.Stream, Status: p.Status(now, cfg.Stalled), Collected: cfg.Streams.Collects(p.Stream),
		Watermark: web.Time(p.Watermark),
		InDoubt:   p.Doubts, Records: p.Records, Versions: p.Versions, Quarantined: p.Quarantined,
		Bytes: p.Bytes, StoredBytes: p.StoredBytes, LastRun: web.Time(p.LastRunAt),
		SealedTo: web.Time(p.SealedUntil()), SettledTo: web.Time(p.SettledUntil()), Unsealed: p.Unsealed,
		Seals:    p.Seals,
		Imported: p.Imported, ImportedIn: p.ImportedHours, ImportedFrom: web.Time(p.ImportedFrom),
		ImportedTo: web.Time(p.ImportedTo),
		Purged:     p.Purged, PurgedTo: web.Time(p.PurgedTo),
		Changed: p.Changed, Thin: p.Thin, Awaits: p.Awaits, Late: p.Late, Late3h: p.Lateness[0],
		Late24h: p.Lateness[1], Late48h: p.Lateness[2], Late7d: p.Lateness[3], LateMore: p.Lateness[4],
	}
	if err := cfg.delivered(ctx, &row); err != nil {
		return row, err
	}
	if p.Started() {
		if err := cfg.held(ctx, &row, p, now); err != nil {
			return row, err
		}
	}
	if p.LastError != "" {
		row.LastError = &lastError{DateTime: web.Time(p.LastErrorAt), Code: p.LastErrorCode, Message: p.LastError}
	}
	if !row.Collected {
		// Nothing is expected of it: neither that it continues, nor that its last run had no error.
		p.LastErrorAt, row.NextLoss = time.Time{}, ""
		row.Status = p.Status(now, 0)
		return row, nil
	}
	if err := p.Stalled(p.TenantTime(now), cfg.Stalled, nil); err != nil && !p.LastErrorAt.After(p.LastSuccessAt) {
		row.LastError = &lastError{DateTime: web.Time(now), Code: entra.CodeOf(err), Message: err.Error()}
	}
	return row, nil
}

// end is the end of a stream's hours: of the one that holds now, or, where the stream is not
// collected any more, of the last one that was read.
func (cfg Config) end(p *ledger.Progress, now time.Time) time.Time {
	if p.Started() && !cfg.Streams.Collects(p.Stream) {
		return entra.FloorHour(p.Watermark.Add(time.Hour - entra.Tick))
	}
	_, end := p.Known(now)
	return end
}

// held says what of the hours is there, and what is not: every hour from the begin on that has
// ended is done, missing or lost, or was purged while a hold kept an earlier one.
func (cfg Config) held(ctx context.Context, row *stream, p ledger.Progress, now time.Time) error {
	begin, err := cfg.Gaps.Begin(ctx, p)
	if err != nil {
		return err
	}
	end := cfg.end(&p, now)
	gaps, err := cfg.Gaps.Of(ctx, p, begin, end)
	if err != nil {
		return err
	}
	if row.Collected {
		end = end.Add(-time.Hour) // the hour that holds now has not ended
	} else {
		end = entra.FloorHour(p.Watermark)
	}
	row.Begin, row.BackfilledTo = web.Time(begin), web.Time(p.Backfilled)
	row.Complete, row.NextLoss = web.Time(p.CompleteUntil()), web.Time(p.NextLoss())
	row.Missing = p.WindowsMissing(end)
	row.Gaps = web.Gaps(gaps)
	notThere := row.Missing
	for _, g := range gaps {
		n := int64(entra.HoursBetween(g.From, g.To.Add(time.Hour-entra.Tick)))
		notThere += n
		if g.State == ledger.WindowLost {
			row.Lost += n
		}
	}
	row.Done = max(0, int64(entra.HoursBetween(begin, end))-notThere)
	return nil
}
