package coverage

import (
	"context"
	"encoding/hex"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/skiptoken"
	"github.com/entraledger/entraledger/internal/turns"
	"github.com/entraledger/entraledger/internal/web"
)

// window is one row of /api/coverage/{stream}.
type window struct {
	Start       string             `json:"startDateTime" text:"First moment of the hour"`
	End         string             `json:"endDateTime" text:"First moment after it"`
	Status      ledger.WindowState `json:"status"`
	Reason      string             `json:"reason,omitempty"`
	Passes      int                `json:"passes" text:"How often the hour was read completely"`
	Records     int64              `json:"records" text:"Records that are archived"`
	Versions    int64              `json:"versions" text:"Earlier contents of records that changed"`
	Bytes       int64              `json:"bytes" text:"Size of records and versions, as received"`
	StoredBytes int64              `json:"storedBytes" text:"Size of their rows, as Azure counts it"`
	Fetched     int64              `json:"fetched" text:"Records that Graph sent, over all reads"`
	New         int64              `json:"new" text:"Records that were not there before"`
	Changed     int64              `json:"changed" text:"Records that came with another content"`
	Enriched    int64              `json:"enriched"`
	Unchanged   int64              `json:"unchanged" text:"Records that were there with this content"`
	Quarantined int64              `json:"quarantined" text:"Records without a usable time and id"`
	Late        int64              `json:"late" text:"Records that came after their hour was read"`
	Seals       int64              `json:"seals" text:"How many entries the log of seals has of it"`
	Unconfirmed int64              `json:"unconfirmed"`
	LostFrom    string             `json:"lostFromDateTime,omitempty" text:"Of this part of the hour nothing is known"`
	LostTo      string             `json:"lostToDateTime,omitempty" text:"End of that part"`
	Sum         string             `json:"contentSum,omitempty"`
	Revision    int64              `json:"revision" text:"How often what the hour holds has changed"`
	Form        string             `json:"form,omitempty" text:"Poorest form of the records: v1.0 or beta"`
	Thin        bool               `json:"thin" text:"Records may be stored in a poorer form than Graph has"`
	FirstRead   string             `json:"firstReadDateTime,omitempty" text:"First read"`
	LastRead    string             `json:"lastReadDateTime,omitempty" text:"Last read"`
	Imported    int64              `json:"imported,omitempty"`
	Eclipsed    int64              `json:"importedSuperseded,omitempty"`
}

// Texts are those that are too long for their line.
func (window) Texts() map[string]string {
	return map[string]string{
		"status": "complete, sealed, settled, reopened, partial, imported or delivered (it holds nothing that was " +
			"read), missing, lost, purged; of a day: that of its hour that concerns most",
		"imported":           "Records that were imported or delivered, and not read; none of them is among records",
		"importedSuperseded": "Of those: another form of the same record is there, and answers have that one",
		"reason":             "Why it is not complete or not there, why it is sealed again, or that it has no sum",
		"unconfirmed":        "Contents that a run stored before it died, and that Graph did not show again",
		"enriched":           "Came in a richer form: all that the record had is in it, with equal values",
		"contentSum": "Sum over all contents that are counted, in hexadecimal digits; " +
			"absent where a version before counted them",
	}
}

// find looks for the stream that the path names.
func (cfg Config) find(ctx context.Context, r web.Request) error {
	return cfg.Streams.Check(ctx, entra.Stream(r.Path("stream")))
}

// windows answers with the hours of a stream, or its days.
func (cfg Config) windows(ctx context.Context, r web.Request) (web.Answer, error) {
	now, s := cfg.Now(), entra.Stream(r.Path("stream"))
	p, err := cfg.Ledger.Progress(ctx, s)
	if err != nil {
		return web.Answer{}, err
	}
	walk, span, err := cfg.walk(ctx, r, now)
	if err != nil {
		return web.Answer{}, err
	}
	read, _ := p.Known(now)
	from, to := read, cfg.end(&p, now)
	if p.ImportedHours > 0 { // before what was read, only those hours are listed in which something arrived
		from, to = p.Earliest(), entra.Later(to, p.ImportedTo)
	}
	if span.From.After(from) {
		from = span.From
	}
	if !span.To.IsZero() && span.To.Before(to) {
		to = span.To
	}
	hours := known(ctx, ledger.EveryHour(ctx, cfg.Ledger, p.Stream, from, to), read)
	if r.Query.Text("by") == "day" {
		return answer(ctx, cfg, r, walk, now, to, days(r, hours))
	}
	return answer(ctx, cfg, r, walk, now, to, hourly(r, &p, cfg.Streams.Collects(s), hours))
}

// placed is a row, and its first moment.
type placed[T any] struct {
	row T
	at  time.Time
}

// answer is a list of rows: a page of it, or a file. to is where the walk ends.
func answer[T any](
	ctx context.Context, cfg Config, r web.Request, walk skiptoken.Walk, now, to time.Time,
	rows iter.Seq2[placed[T], error],
) (web.Answer, error) {
	if r.Query.CSV() && !r.Query.Has("$top") { // a file is not cut into pages by itself
		return web.File("coverage-"+r.Path("stream")+".csv", nil, func(write func(T) error) error {
			for next, err := range rows {
				if err != nil {
					return err
				}
				if err := write(next.row); err != nil {
					return err
				}
			}
			return nil
		}), nil
	}
	top := r.Query.Int("$top")
	list := web.List[T]{Of: "coverage/windows", AsOf: now, File: "coverage-" + r.Path("stream")}
	for next, err := range rows {
		if err != nil {
			return web.Answer{}, err
		}
		if len(list.Value) == top {
			if walk.Secret, err = cfg.Secrets.Secret(ctx, secretName); err != nil {
				return web.Answer{}, err
			}
			list.NextLink = r.NextLink(walk.Seal(place{From: next.at, To: to}))
			break
		}
		list.Value = append(list.Value, next.row)
	}
	return list.Answer(), nil
}

// hourly are the rows of those hours that the request asks for.
func hourly(
	r web.Request, p *ledger.Progress, collected bool, hours iter.Seq2[ledger.Coverage, error],
) iter.Seq2[placed[window], error] {
	wanted := wantedBy(r)
	return func(yield func(placed[window], error) bool) {
		for cov, err := range hours {
			if err == nil && !wanted(cov) {
				continue
			}
			if !yield(placed[window]{windowOf(p, cov, collected), cov.Start}, err) {
				return
			}
		}
	}
}

// known are the hours of which the ledger says something: from read, the first one that was read, on
// all of them, and before it those in which something arrived.
func known(
	ctx context.Context, hours iter.Seq2[ledger.Coverage, error], read time.Time,
) iter.Seq2[ledger.Coverage, error] {
	return func(yield func(ledger.Coverage, error) bool) {
		for cov, err := range hours {
			if err == nil && cov.State == ledger.WindowMissing && (read.IsZero() || cov.Start.Before(read)) {
				continue
			}
			if !yield(cov, err) {
				return
			}
			turns.Yield(ctx)
		}
	}
}

// wantedBy tells which hours have a status that the request asks for.
func wantedBy(r web.Request) func(ledger.Coverage) bool {
	asked := r.Query.List("status")
	return func(c ledger.Coverage) bool { return len(asked) == 0 || slices.Contains(asked, string(c.Word())) }
}

// place is where a walk through a stream's hours goes on. It ends where it ended when it began,
// whatever hours come in between.
type place struct {
	From time.Time `json:"f"`
	To   time.Time `json:"t"`
}

// walk is the walk that the request is a page of, and the span that is left of it. The secret is
// read where a token is to be read or written: a list of one page needs none.
func (cfg Config) walk(ctx context.Context, r web.Request, now time.Time) (skiptoken.Walk, web.Range, error) {
	span, err := r.Range(now)
	walk := skiptoken.Walk{Question: strings.Join([]string{r.Path("stream"), web.Time(span.From), web.Time(span.To),
		r.Query.Text("status")}, "\n")}
	if by := r.Query.Text("by"); by != "" && by != "hour" {
		walk.Question += "\n" + by
	}
	token := r.Query.Text("$skiptoken")
	if err != nil || token == "" {
		return walk, span, err
	}
	if walk.Secret, err = cfg.Secrets.Secret(ctx, secretName); err != nil {
		return walk, span, err
	}
	var at place
	err = walk.Read(token, &at)
	return walk, web.Range{From: at.From, To: at.To}, err
}

// windowOf is a row. Of a stream that is not collected any more nothing is read by the next run.
func windowOf(p *ledger.Progress, c ledger.Coverage, collected bool) window {
	sum, reason := "", p.WhyNotRead(c)
	if !collected && (c.State == ledger.WindowMissing || c.State == ledger.WindowPartial && !c.InPart()) {
		reason = "it was not read when the stream was taken out of ARCHIVE_STREAMS"
	}
	if c.HasSum {
		sum = hex.EncodeToString(c.Sum[:])
	}
	return window{Sum: sum, Revision: c.Revision, Unconfirmed: c.Unconfirmed + c.Unmet,
		LostFrom: web.Time(c.LostFrom), LostTo: web.Time(c.LostTo),
		Start: web.Time(c.Start), End: web.Time(c.End()), Status: c.Word(), Reason: reason, Passes: c.Passes,
		Records: c.Records, Versions: c.Versions, Imported: c.Imported, Eclipsed: c.Eclipsed,
		Bytes: c.Bytes, StoredBytes: c.StoredBytes,
		Fetched: c.Fetched, New: c.New, Changed: c.Changed, Enriched: c.Enriched, Form: c.Form, Thin: c.Thin(),
		Unchanged: c.Unchanged, Quarantined: c.Quarantined, Late: c.Late, Seals: c.Seals,
		FirstRead: web.Time(c.FirstReadAt), LastRead: web.Time(c.LastReadAt),
	}
}
