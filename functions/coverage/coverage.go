// Package coverage is the HTTP function that tells what the archive holds, stream by stream and hour by hour.
package coverage

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

// Function answers GET /api/coverage and GET /api/coverage/{stream}.
type Function struct {
	Ledger  archive.Ledger
	Streams []entra.Stream // that are archived
	Now     func() time.Time
	BaseURL string // of links; empty: as forwarded
}

// stream is one row of /api/coverage. Keys without a value are left out.
type stream struct {
	Stream       entra.Stream   `json:"stream"`
	Status       archive.Status `json:"status"`
	Begin        string         `json:"beginDateTime,omitempty"`
	Watermark    string         `json:"watermarkDateTime,omitempty"`
	BackfilledTo string         `json:"backfilledToDateTime,omitempty"`
	Done         int64          `json:"windowsDone"`
	Missing      int64          `json:"windowsMissing"`
	Records      int64          `json:"records"`
	Versions     int64          `json:"versions"`
	Quarantined  int64          `json:"quarantined"`
	Bytes        int64          `json:"bytes"`
	StoredBytes  int64          `json:"storedBytes"`
	LastRun      string         `json:"lastRunDateTime,omitempty"`
	LastError    *lastError     `json:"lastError,omitempty"`
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
	Passes      int                 `json:"passes"`
	Records     int64               `json:"records"`
	Versions    int64               `json:"versions"`
	Bytes       int64               `json:"bytes"`
	StoredBytes int64               `json:"storedBytes"`
	Fetched     int64               `json:"fetched"`
	New         int64               `json:"new"`
	Changed     int64               `json:"changed"`
	Unchanged   int64               `json:"unchanged"`
	Quarantined int64               `json:"quarantined"`
	FirstRead   string              `json:"firstReadDateTime,omitempty"`
	LastRead    string              `json:"lastReadDateTime,omitempty"`
}

// ServeHTTP answers for all streams, or with the hours of one.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := f.answer(r)
	if err != nil {
		answer.Error(w, r, err)
		return
	}
	answer.JSON(w, http.StatusOK, body)
}

func (f *Function) answer(r *http.Request) (any, error) {
	if name := r.PathValue("stream"); name != "" {
		return f.windows(r, name)
	}
	if err := answer.CheckParameters(r); err != nil {
		return nil, err
	}
	now, base := f.Now(), answer.BaseURL(r, f.BaseURL)
	list := answer.List[stream]{Context: base + "/api/$metadata#coverage", AsOf: answer.Time(now), Value: []stream{}}
	for _, s := range f.Streams {
		p, err := f.Ledger.Progress(r.Context(), s)
		if err != nil {
			return nil, err
		}
		list.Value = append(list.Value, rowOf(p, now))
	}
	count := len(list.Value)
	list.Count = &count
	return list, nil
}

func rowOf(p archive.Progress, now time.Time) stream {
	from, to := p.Hours(now)
	row := stream{
		Stream: p.Stream, Status: p.Status(), Begin: answer.Time(from), Watermark: answer.Time(p.Watermark),
		Done: p.WindowsComplete, Records: p.Records, Versions: p.Versions, Quarantined: p.Quarantined,
		Bytes: p.Bytes, StoredBytes: p.StoredBytes, LastRun: answer.Time(p.LastRunAt),
	}
	if p.Started() {
		row.Missing = p.WindowsMissing(to.Add(-time.Hour))
		row.BackfilledTo = answer.Time(p.Backfilled)
	}
	if p.LastError != "" {
		row.LastError = &lastError{DateTime: answer.Time(p.LastErrorAt), Code: p.LastErrorCode, Message: p.LastError}
	}
	return row
}

const (
	defaultTop = 100
	maxTop     = 1000
)

func (f *Function) windows(r *http.Request, name string) (any, error) {
	s := entra.Stream(name)
	if !slices.Contains(f.Streams, s) {
		return nil, &entra.Error{Code: entra.CodeNotFound, Doing: "find stream " + strconv.Quote(name), Why: "it is not archived",
			Remedy: fmt.Sprintf("archived are %v", f.Streams)}
	}
	if err := answer.CheckParameters(r, "from", "to", "$top"); err != nil {
		return nil, err
	}
	now := f.Now()
	p, err := f.Ledger.Progress(r.Context(), s)
	if err != nil {
		return nil, err
	}
	from, to := p.Hours(now)
	q, err := readRange(r.URL.Query(), now, from, to)
	if err != nil {
		return nil, err
	}
	base := answer.BaseURL(r, f.BaseURL)
	list := answer.List[window]{Context: base + "/api/$metadata#coverage/windows", AsOf: answer.Time(now), Value: []window{}}
	if q.to.Before(to) {
		to = q.to
	}
	if q.from.After(from) {
		from = q.from
	}
	for cov, err := range archive.EveryHour(r.Context(), f.Ledger, s, from, to) {
		if err != nil {
			return nil, err
		}
		if len(list.Value) == q.top {
			next := url.Values{"from": {answer.Time(cov.Start)}, "to": {answer.Time(to)}, "$top": {strconv.Itoa(q.top)}}
			list.NextLink = base + "/api/coverage/" + url.PathEscape(name) + "?" + next.Encode()
			break
		}
		list.Value = append(list.Value, windowOf(cov))
	}
	return list, nil
}

func windowOf(c archive.Coverage) window {
	return window{
		Start: answer.Time(c.Start), End: answer.Time(c.End()), Status: c.State, Passes: c.Passes,
		Records: c.Records, Versions: c.Versions, Bytes: c.Bytes, StoredBytes: c.StoredBytes,
		Fetched: c.Fetched, New: c.New, Changed: c.Changed, Unchanged: c.Unchanged, Quarantined: c.Quarantined,
		FirstRead: answer.Time(c.FirstReadAt), LastRead: answer.Time(c.LastReadAt),
	}
}

type hourRange struct {
	from, to time.Time
	top      int
}

// readRange reads from, to and $top; what is not given is what the ledger has.
func readRange(q url.Values, now, from, to time.Time) (hourRange, error) {
	out := hourRange{from: from, to: to, top: defaultTop}
	span, err := answer.ReadRange(q, now)
	if err != nil {
		return out, err
	}
	if !span.From.IsZero() {
		out.from = span.From
	}
	if !span.To.IsZero() {
		out.to = span.To
	}
	if q.Has("$top") {
		top, err := strconv.Atoi(q.Get("$top"))
		if err != nil || top < 1 || top > maxTop {
			return out, &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query", Why: fmt.Sprintf("$top is %q", q.Get("$top")),
				Remedy: fmt.Sprintf("accepted is a whole number from 1 to %d", maxTop)}
		}
		out.top = top
	}
	return out, nil
}
