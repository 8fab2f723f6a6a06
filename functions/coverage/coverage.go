// Package coverage is the HTTP function that tells what the archive holds, stream by stream and hour by hour.
package coverage

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/streams"
)

// Function answers GET /api/coverage and GET /api/coverage/{stream}.
type Function struct {
	Ledger  archive.Ledger
	Gaps    *search.Gaps
	Stalled time.Duration // how long a stream may stand still before it is called failing
	Streams *streams.Known
	Now     func() time.Time
	BaseURL string // of links; empty: as forwarded
}

// stream is one row of /api/coverage. Keys without a value are left out.
type stream struct {
	Stream       entra.Stream   `json:"stream"`
	Status       archive.Status `json:"status"`
	Collected    bool           `json:"collected"`
	Begin        string         `json:"beginDateTime,omitempty"`
	Watermark    string         `json:"watermarkDateTime,omitempty"`
	BackfilledTo string         `json:"backfilledToDateTime,omitempty"`
	Complete     string         `json:"completeUntilDateTime,omitempty"`
	NextLoss     string         `json:"nextLossDateTime,omitempty"`
	SealedTo     string         `json:"sealedUntilDateTime,omitempty"`
	SettledTo    string         `json:"settledUntilDateTime,omitempty"`
	Unsealed     int64          `json:"windowsUnsealed"`
	Seals        int64          `json:"seals"`
	Done         int64          `json:"windowsDone"`
	Missing      int64          `json:"windowsMissing"`
	Lost         int64          `json:"windowsLost"`
	InDoubt      int64          `json:"windowsInDoubt"`
	Purged       int64          `json:"windowsPurged"`
	PurgedTo     string         `json:"purgedUntilDateTime,omitempty"`
	Records      int64          `json:"records"`
	Versions     int64          `json:"versions"`
	Quarantined  int64          `json:"quarantined"`
	Bytes        int64          `json:"bytes"`
	StoredBytes  int64          `json:"storedBytes"`
	Changed      int64          `json:"changed"`
	Thin         int64          `json:"windowsThin"`
	Awaits       int64          `json:"windowsAwaiting"`
	Late         int64          `json:"late"`
	Late3h       int64          `json:"lateUpTo3Hours"`
	Late24h      int64          `json:"lateUpTo24Hours"`
	Late48h      int64          `json:"lateUpTo48Hours"`
	Late7d       int64          `json:"lateUpTo7Days"`
	LateMore     int64          `json:"lateOver7Days"`
	LastRun      string         `json:"lastRunDateTime,omitempty"`
	LastError    *lastError     `json:"lastError,omitempty"`
	Gaps         []answer.Gap   `json:"gaps,omitempty"`
}

type lastError struct {
	DateTime string     `json:"dateTime"`
	Code     entra.Code `json:"code"`
	Message  string     `json:"message"`
}

// window is one row of /api/coverage/{stream}.
type window struct {
	Start       string              `json:"startDateTime"`
	End         string              `json:"endDateTime"`
	Status      archive.WindowState `json:"status"`
	Reason      string              `json:"reason,omitempty"`
	Passes      int                 `json:"passes"`
	Records     int64               `json:"records"`
	Versions    int64               `json:"versions"`
	Bytes       int64               `json:"bytes"`
	StoredBytes int64               `json:"storedBytes"`
	Fetched     int64               `json:"fetched"`
	New         int64               `json:"new"`
	Changed     int64               `json:"changed"`
	Enriched    int64               `json:"enriched"`
	Unchanged   int64               `json:"unchanged"`
	Quarantined int64               `json:"quarantined"`
	Late        int64               `json:"late"`
	Seals       int64               `json:"seals"`
	Unconfirmed int64               `json:"unconfirmed"`
	LostFrom    string              `json:"lostFromDateTime,omitempty"`
	LostTo      string              `json:"lostToDateTime,omitempty"`
	Sum         string              `json:"contentSum,omitempty"`
	Revision    int64               `json:"revision"`
	Form        string              `json:"form,omitempty"`
	Thin        bool                `json:"thin"`
	FirstRead   string              `json:"firstReadDateTime,omitempty"`
	LastRead    string              `json:"lastReadDateTime,omitempty"`
}

// ServeHTTP answers for all streams, or with the hours of one.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asCSV, err := answer.WantsCSV(r)
	if err == nil && r.PathValue("stream") != "" {
		err = f.windows(w, r, asCSV)
	} else if err == nil {
		err = f.streams(w, r, asCSV)
	}
	if err != nil {
		answer.Error(w, r, err)
	}
}

func (f *Function) streams(w http.ResponseWriter, r *http.Request, asCSV bool) error {
	if err := answer.CheckParameters(r, "$format"); err != nil {
		return err
	}
	now, base := f.Now(), answer.BaseURL(r, f.BaseURL)
	list := answer.List[stream]{Context: base + "/api/$metadata#coverage", AsOf: answer.Time(now), Value: []stream{}}
	all, err := f.Streams.All(r.Context())
	if err != nil {
		return err
	}
	for _, s := range all {
		p, err := f.Ledger.Progress(r.Context(), s)
		if entra.CodeOf(err) == entra.CodeTampered && err != nil {
			list.Value = append(list.Value, f.unreadable(s, now, err))
			continue
		}
		if err != nil {
			return err
		}
		row, err := f.rowOf(r.Context(), p, now)
		if err != nil {
			return err
		}
		list.Value = append(list.Value, row)
	}
	if asCSV {
		return answer.CSV(w, "coverage.csv", list.Value)
	}
	count := len(list.Value)
	list.Count = &count
	answer.JSON(w, http.StatusOK, list)
	return nil
}

// unreadable is the row of a stream of which the archive can't say how far it is.
func (f *Function) unreadable(s entra.Stream, now time.Time, err error) stream {
	return stream{Stream: s, Status: archive.StatusFailing, Collected: f.Streams.Collects(s),
		LastError: &lastError{DateTime: answer.Time(now), Code: entra.CodeOf(err), Message: err.Error()}}
}

func (f *Function) rowOf(ctx context.Context, p archive.Progress, now time.Time) (stream, error) {
	row := stream{
		Stream: p.Stream, Status: p.Status(now, f.Stalled), Collected: f.Streams.Collects(p.Stream), Watermark: answer.Time(p.Watermark),
		InDoubt: p.Doubts, Records: p.Records, Versions: p.Versions, Quarantined: p.Quarantined,
		Bytes: p.Bytes, StoredBytes: p.StoredBytes, LastRun: answer.Time(p.LastRunAt), SealedTo: answer.Time(p.SealedUntil()), SettledTo: answer.Time(p.SettledUntil()), Unsealed: p.Unsealed, Seals: p.Seals,
		Purged: p.Purged, PurgedTo: answer.Time(p.PurgedTo),
		Changed: p.Changed, Thin: p.Thin, Awaits: p.Awaits, Late: p.Late, Late3h: p.Lateness[0], Late24h: p.Lateness[1], Late48h: p.Lateness[2], Late7d: p.Lateness[3], LateMore: p.Lateness[4],
	}
	if p.Started() {
		if err := f.held(ctx, &row, p, now); err != nil {
			return row, err
		}
	}
	if p.LastError != "" {
		row.LastError = &lastError{DateTime: answer.Time(p.LastErrorAt), Code: p.LastErrorCode, Message: p.LastError}
	}
	if !row.Collected {
		// Nothing is expected of it: neither that it goes on, nor that its last run had no error.
		p.LastErrorAt, row.NextLoss = time.Time{}, ""
		row.Status = p.Status(now, 0)
		return row, nil
	}
	if err := p.Stalled(p.TenantTime(now), f.Stalled, nil); err != nil && !p.LastErrorAt.After(p.LastSuccessAt) {
		row.LastError = &lastError{DateTime: answer.Time(now), Code: entra.CodeOf(err), Message: err.Error()}
	}
	return row, nil
}

// end is the end of a stream's hours: of the one that holds now, or, where the stream is not
// collected any more, of the last one that was read.
func (f *Function) end(p *archive.Progress, now time.Time) time.Time {
	if p.Started() && !f.Streams.Collects(p.Stream) {
		return entra.FloorHour(p.Watermark.Add(time.Hour - entra.Tick))
	}
	_, end := p.Known(now)
	return end
}

// held says what of the hours is there, and what is not: every hour from the begin on that has
// ended is done, missing or lost, or was purged while a hold kept an earlier one.
func (f *Function) held(ctx context.Context, row *stream, p archive.Progress, now time.Time) error {
	begin, err := f.Gaps.Begin(ctx, p)
	if err != nil {
		return err
	}
	end := f.end(&p, now)
	gaps, err := f.Gaps.Of(ctx, p, begin, end)
	if err != nil {
		return err
	}
	if row.Collected {
		end = end.Add(-time.Hour) // the hour that holds now has not ended
	} else {
		end = entra.FloorHour(p.Watermark)
	}
	row.Begin, row.BackfilledTo = answer.Time(begin), answer.Time(p.Backfilled)
	row.Complete, row.NextLoss = answer.Time(p.CompleteUntil()), answer.Time(p.NextLoss())
	row.Missing = p.WindowsMissing(end)
	row.Gaps = answer.Gaps(gaps)
	notThere := row.Missing
	for _, g := range gaps {
		n := int64(entra.HoursBetween(g.From, g.To.Add(time.Hour-entra.Tick)))
		notThere += n
		if g.State == archive.WindowLost {
			row.Lost += n
		}
	}
	row.Done = max(0, int64(entra.HoursBetween(begin, end))-notThere)
	return nil
}

const (
	defaultTop = 100
	maxTop     = 1000
)

// statuses are what the parameter status accepts.
var statuses = []archive.WindowState{archive.WindowComplete, archive.WindowSealed, archive.WindowSettled, archive.WindowReopened, archive.WindowPartial, archive.WindowMissing, archive.WindowLost, archive.WindowPurged}

func (f *Function) windows(w http.ResponseWriter, r *http.Request, asCSV bool) error {
	name := r.PathValue("stream")
	s := entra.Stream(name)
	if err := f.Streams.Check(r.Context(), s); err != nil {
		return err
	}
	if err := answer.CheckParameters(r, "from", "to", "status", "$top", "$format"); err != nil {
		return err
	}
	now := f.Now()
	p, err := f.Ledger.Progress(r.Context(), s)
	if err != nil {
		return err
	}
	first, _ := p.Known(now)
	end := f.end(&p, now)
	q, err := readQuery(r.URL.Query(), now, first, end, asCSV)
	if err != nil {
		return err
	}
	base := answer.BaseURL(r, f.BaseURL)
	list := answer.List[window]{Context: base + "/api/$metadata#coverage/windows", AsOf: answer.Time(now), Value: []window{}}
	for cov, err := range archive.EveryHour(r.Context(), f.Ledger, s, q.from, q.to) {
		if err != nil {
			return err
		}
		if len(q.statuses) > 0 && !slices.Contains(q.statuses, cov.Word()) {
			continue
		}
		if len(list.Value) == q.top {
			next := r.URL.Query()
			for name, value := range map[string]string{"from": answer.Time(cov.Start), "to": answer.Time(q.to), "$top": strconv.Itoa(q.top)} {
				next.Set(name, value)
			}
			next.Del("code") // the caller's key is no part of a link
			list.NextLink = base + "/api/coverage/" + url.PathEscape(name) + "?" + next.Encode()
			break
		}
		list.Value = append(list.Value, windowOf(&p, cov, f.Streams.Collects(s)))
	}
	if asCSV {
		return answer.CSV(w, "coverage-"+name+".csv", list.Value)
	}
	answer.JSON(w, http.StatusOK, list)
	return nil
}

// windowOf is a row. Of a stream that is not collected any more nothing is read by the next run.
func windowOf(p *archive.Progress, c archive.Coverage, collected bool) window {
	sum, reason := "", p.WhyNotRead(c)
	if !collected && (c.State == archive.WindowMissing || c.State == archive.WindowPartial && !c.InPart()) {
		reason = "it was not read when the stream was taken out of ARCHIVE_STREAMS"
	}
	if c.HasSum {
		sum = hex.EncodeToString(c.Sum[:])
	}
	return window{Sum: sum, Revision: c.Revision, Unconfirmed: c.Unconfirmed + c.Unmet, LostFrom: answer.Time(c.LostFrom), LostTo: answer.Time(c.LostTo),
		Start: answer.Time(c.Start), End: answer.Time(c.End()), Status: c.Word(), Reason: reason, Passes: c.Passes,
		Records: c.Records, Versions: c.Versions, Bytes: c.Bytes, StoredBytes: c.StoredBytes,
		Fetched: c.Fetched, New: c.New, Changed: c.Changed, Enriched: c.Enriched, Form: c.Form, Thin: c.Thin(), Unchanged: c.Unchanged, Quarantined: c.Quarantined, Late: c.Late, Seals: c.Seals,
		FirstRead: answer.Time(c.FirstReadAt), LastRead: answer.Time(c.LastReadAt),
	}
}

// query is what is asked of one stream's hours.
type query struct {
	from, to time.Time
	statuses []archive.WindowState // empty: all
	top      int
}

// readQuery reads from, to, status and $top; what is not given is what the ledger has. A file is not cut into pages.
func readQuery(q url.Values, now, from, to time.Time, asCSV bool) (query, error) {
	out := query{from: from, to: to, top: defaultTop}
	if asCSV {
		out.top = math.MaxInt
	}
	span, err := answer.ReadRange(q, now)
	if err != nil {
		return out, err
	}
	if span.From.After(from) {
		out.from = span.From
	}
	if !span.To.IsZero() && span.To.Before(to) {
		out.to = span.To
	}
	refuse := func(name, accepted string) error {
		return &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query", Why: fmt.Sprintf("%s is %q", name, q.Get(name)), Remedy: "accepted is " + accepted}
	}
	if q.Has("status") {
		for text := range strings.SplitSeq(q.Get("status"), ",") {
			if !slices.Contains(statuses, archive.WindowState(text)) {
				return out, refuse("status", fmt.Sprintf("one or several of %v, with commas between", statuses))
			}
			out.statuses = append(out.statuses, archive.WindowState(text))
		}
	}
	if q.Has("$top") {
		top, err := strconv.Atoi(q.Get("$top"))
		if err != nil || top < 1 || top > maxTop {
			return out, refuse("$top", fmt.Sprintf("a whole number from 1 to %d", maxTop))
		}
		out.top = top
	}
	return out, nil
}
