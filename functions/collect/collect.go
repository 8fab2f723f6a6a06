// Package collect is the HTTP function that does by hand what the timer does, for the case that timers stall, and that
// reads a range of hours again.
package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/streams"
)

// Kind is the kind of its jobs.
const Kind = "collect"

// Function answers POST /api/collect and GET /api/collect/{job}.
type Function struct {
	Collector *archive.Collector
	Jobs      jobs.Store
	Streams   *streams.Known
	Now       func() time.Time
	BaseURL   string        // of links; empty: as forwarded
	Slice     time.Duration // how long one request works
}

// request is the body of a POST; everything may be left out.
type request struct {
	Streams []string `json:"streams"`
	From    string   `json:"from"`
	To      string   `json:"to"`
}

// state is a collection between two slices.
type state struct {
	Streams  []entra.Stream
	From, To time.Time // zero: what the timer does
	Done     []streamDone
	Failed   string
}

type streamDone struct {
	Stream    entra.Stream `json:"stream"`
	Fetched   int64        `json:"fetched"`
	New       int64        `json:"new"`
	Changed   int64        `json:"changed"`
	Enriched  int64        `json:"enriched"`
	Unchanged int64        `json:"unchanged"`
	Rejected  int64        `json:"quarantined"`
	Sealed    int64        `json:"windowsSealed"`
	Reached   string       `json:"reachedDateTime,omitempty"`
	Waiting   string       `json:"waitingFor,omitempty"`
	Error     string       `json:"error,omitempty"`
}

// maxBody bounds a request's body.
const maxBody = 64 << 10

// ServeHTTP starts a collection or goes on with one.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := f.serve(w, r); err != nil {
		answer.Error(w, r, err)
	}
}

func (f *Function) serve(w http.ResponseWriter, r *http.Request) error {
	if err := answer.CheckParameters(r); err != nil {
		return err
	}
	id := r.PathValue("job")
	runner := &jobs.Runner[state]{Kind: Kind, Store: f.Jobs, Now: f.Now, Slice: f.Slice, Work: f.work}
	var (
		job jobs.Job
		s   state
		err error
	)
	if id != "" {
		job, s, err = runner.Continue(r.Context(), id)
	} else {
		if s, err = f.read(r.Context(), http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
			return err
		}
		job, s, err = runner.Start(r.Context(), s)
	}
	if err != nil {
		return err
	}
	f.answer(w, r, job, s)
	return nil
}

func (f *Function) read(ctx context.Context, body io.Reader) (state, error) {
	refuse := func(why string) (state, error) {
		return state{}, &entra.Error{Code: entra.CodeBadRequest, Doing: "read the body", Why: why,
			Remedy: `accepted is nothing, or {"streams": ["directoryAudits"], "from": "2026-11-21T00:00:00Z", "to": "2026-11-22T00:00:00Z"}, each of which may be left out`}
	}
	var asked request
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&asked); err != nil && !errors.Is(err, io.EOF) {
		return refuse(err.Error())
	}
	which, err := f.collected(ctx, asked.Streams)
	if err != nil {
		return state{}, err
	}
	q := url.Values{}
	for name, value := range map[string]string{"from": asked.From, "to": asked.To} {
		if value != "" {
			q.Set(name, value)
		}
	}
	span, err := answer.ReadRange(q, f.Now())
	if err != nil {
		return state{}, err
	}
	if span.From.IsZero() != span.To.IsZero() {
		return refuse("a range needs both from and to")
	}
	return state{Streams: which, From: span.From, To: span.To}, nil
}

// collected reads names of streams. One that is archived and not collected any more is refused by
// what it is.
func (f *Function) collected(ctx context.Context, names []string) ([]entra.Stream, error) {
	out, err := answer.Streams(names, f.Streams.Collected())
	if err == nil {
		return out, nil
	}
	for _, name := range names {
		s := entra.Stream(strings.TrimSpace(name))
		if !f.Streams.Collects(s) && f.Streams.Check(ctx, s) == nil {
			return nil, streams.NotCollected(s)
		}
	}
	return nil, err
}

// work does one slice: a run as the timer makes it, or the next part of the range. Each slice is an
// execution of its own: another one may have the streams between two.
func (f *Function) work(ctx context.Context, s state) (state, bool, error) {
	by := archive.Execution{ID: uuid.NewString(), Work: "POST /api/collect"}
	if s.From.IsZero() {
		report, err := f.Collector.Run(ctx, by, s.Streams, f.Slice)
		s.book(report)
		return s.ended(ctx, report.Finished, err)
	}
	report, err := f.Collector.Range(ctx, by, s.Streams, s.From, s.To, f.Slice)
	s.book(report)
	// The streams go on together from where the slowest one is; what another has read already costs a re-read.
	var next time.Time
	for _, r := range report.Streams {
		reached := r.Reached
		if reached.IsZero() {
			reached = s.From // another execution had it
		}
		if r.Err == nil && !r.RangeDone && (next.IsZero() || reached.Before(next)) {
			next = reached
		}
	}
	if !next.IsZero() {
		s.From = next
	}
	return s.ended(ctx, next.IsZero(), err)
}

// ended keeps why a collection failed: asking again does not change it. A slice that was cut, by its
// caller or the end of the process, has not failed for that: the next one goes on.
func (s state) ended(ctx context.Context, finished bool, err error) (state, bool, error) {
	if err != nil && len(s.Done) == 0 {
		return s, false, err // nothing was done: the next request tries again
	}
	if ctx.Err() != nil && !(finished && err == nil) {
		return s, false, nil
	}
	if err != nil {
		s.Failed = err.Error()
	}
	return s, finished || err != nil, nil
}

func (s *state) book(report archive.Report) {
	for _, r := range report.Streams {
		i := slices.IndexFunc(s.Done, func(d streamDone) bool { return d.Stream == r.Stream })
		if i < 0 {
			i = len(s.Done)
			s.Done = append(s.Done, streamDone{Stream: r.Stream})
		}
		d := &s.Done[i]
		d.Fetched += r.Fetched
		d.New += r.New
		d.Changed += r.Changed
		d.Enriched += r.Enriched
		d.Unchanged += r.Unchanged
		d.Rejected += r.Quarantined
		d.Sealed += int64(r.Sealed)
		d.Reached, d.Error, d.Waiting = answer.Time(r.Reached), "", ""
		if r.Err != nil {
			d.Error = r.Err.Error()
		}
		if r.Overtaken {
			d.Waiting = fmt.Sprintf("%s has the stream (execution %s)", r.By.Work, r.By.ID)
		}
	}
}

type collection struct {
	Context string       `json:"@odata.context"`
	Status  string       `json:"status"` // running, done, failed
	Message string       `json:"message,omitempty"`
	Value   []streamDone `json:"value"`
}

func (f *Function) answer(w http.ResponseWriter, r *http.Request, job jobs.Job, s state) {
	base := answer.BaseURL(r, f.BaseURL)
	out := collection{Context: base + "/api/$metadata#collection", Status: "done", Message: s.Failed, Value: s.Done}
	if out.Value == nil {
		out.Value = []streamDone{}
	}
	switch {
	case !job.Done:
		out.Status = "running"
		answer.Accepted(w, base+"/api/collect/"+url.PathEscape(job.ID), out)
		return
	case s.Failed != "":
		out.Status = "failed"
	}
	answer.JSON(w, http.StatusOK, out)
}
