// Package collect is the HTTP function that does by hand what the timer does, for the case that
// timers stall, and that reads a range of hours again.
package collect

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Kind is the kind of its jobs.
const Kind = "collect"

// Config of the function.
type Config struct {
	Collector *collect.Collector
	Jobs      jobs.Store
	Streams   *streams.Known
	Now       func() time.Time
	Slice     time.Duration // how long one request works
}

// New makes the function.
func New(cfg Config) web.Function {
	answers := web.Shape{Name: "collection", Is: about{}, Rows: streamDone{}, Text: "One row a log", Later: true}
	return web.Function{Name: "collect", Trigger: trigger, Operations: []web.Operation{
		{
			Method: http.MethodPost, ID: "Collect", Summary: "Read the logs now",
			Text: "Does what the timer does, or reads a range of hours again. What takes longer than 20 seconds is " +
				"answered with 202 and goes on while Location is asked.",
			Role: web.RoleOperate,
			Body: request{}, BodyTitle: "Logs to Read", BodyText: "What to read; everything may be left out",
			Answers: answers, Class: web.Long, Do: cfg.start,
		},
		{
			Given: "job", ID: "ContinueCollection", Summary: "Go on with a collection",
			Text: "Does the next part of a collection that Read the logs now answered with 202. " + web.UntilDone,
			Role: web.RoleRead, Path: []web.Parameter{web.Job()}, Answers: answers, Class: web.Long, Do: cfg.proceed,
		},
	}}
}

// request is the body of a POST; everything may be left out.
type request struct {
	Streams []string `json:"streams,omitempty" text:"Which logs; all by default"`
	From    string   `json:"from,omitempty" text:"Read again from" format:"date-time"`
	To      string   `json:"to,omitempty" text:"Read again up to" format:"date-time"`
}

// state is a collection between two slices.
type state struct {
	Streams  []entra.Stream
	From, To time.Time // zero: what the timer does
	// Each stream continues from where it is itself, and one that is done with is not read again.
	At       map[entra.Stream]time.Time // of a range: up to where a stream was read
	Finished []entra.Stream
	Done     []streamDone
	Failed   string
}

type streamDone struct {
	Stream    entra.Stream `json:"stream" text:"Which log"`
	Fetched   int64        `json:"fetched" text:"Records that Graph sent"`
	New       int64        `json:"new" text:"Records that were not there before"`
	Changed   int64        `json:"changed" text:"Records that came with another content"`
	Enriched  int64        `json:"enriched"`
	Unchanged int64        `json:"unchanged" text:"Records that were there with this content"`
	Rejected  int64        `json:"quarantined" text:"Records without a usable time and id"`
	Sealed    int64        `json:"windowsSealed" text:"Hours that were sealed"`
	Reached   string       `json:"reachedDateTime,omitempty" text:"How far it came"`
	Waiting   string       `json:"waitingFor,omitempty"`
	Error     string       `json:"error,omitempty" text:"Why it failed"`
}

// Texts are those that are too long for their line.
func (streamDone) Texts() map[string]string {
	return map[string]string{
		"enriched":   "Came in a richer form: all that the record had is in it, with equal values",
		"waitingFor": "Which execution has the log; this one goes on when it is free",
	}
}

func (cfg Config) runner() *jobs.Runner[state] {
	return &jobs.Runner[state]{Kind: Kind, Store: cfg.Jobs, Now: cfg.Now, Slice: cfg.Slice, Work: cfg.work}
}

func (cfg Config) start(ctx context.Context, r web.Request) (web.Answer, error) {
	s, err := cfg.read(ctx, r)
	if err != nil {
		return web.Answer{}, err
	}
	job, s, err := cfg.runner().Start(ctx, s)
	return answerOf(r, job, s, err)
}

func (cfg Config) proceed(ctx context.Context, r web.Request) (web.Answer, error) {
	job, s, err := cfg.runner().Continue(ctx, r.Path("job"))
	return answerOf(r, job, s, err)
}

// read reads which collection is asked for.
func (cfg Config) read(ctx context.Context, r web.Request) (state, error) {
	refuse := func(why string) (state, error) {
		return state{}, &entra.Error{Code: entra.CodeBadRequest, Doing: "read the body", Why: why,
			Remedy: `accepted is nothing, or {"streams": ["directoryAudits"], "from": "2026-11-21T00:00:00Z", ` +
				`"to": "2026-11-22T00:00:00Z"}, each of which may be left out`}
	}
	var asked request
	if err := r.ReadBody(&asked); err != nil {
		return refuse(err.Error())
	}
	which, err := cfg.collected(ctx, asked.Streams)
	if err != nil {
		return state{}, err
	}
	q := url.Values{}
	for name, value := range map[string]string{"from": asked.From, "to": asked.To} {
		if value != "" {
			q.Set(name, value)
		}
	}
	span, err := web.ReadRange(q, cfg.Now())
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
func (cfg Config) collected(ctx context.Context, names []string) ([]entra.Stream, error) {
	out, err := web.Streams(names, cfg.Streams.Collected())
	if err == nil {
		return out, nil
	}
	for _, name := range names {
		s := entra.Stream(strings.TrimSpace(name))
		if !cfg.Streams.Collects(s) && cfg.Streams.Check(ctx, s) == nil {
			return nil, streams.NotCollected(s)
		}
	}
	return nil, err
}

// work does one slice: a run as the timer makes it, or the next part of the range. Each slice is an
// execution of its own: another one may have the streams between two.
func (cfg Config) work(ctx context.Context, s state) (state, bool, error) {
	by := ledger.Execution{ID: uuid.NewString(), Work: "POST /api/collect"}
	left := s.left()
	if s.From.IsZero() {
		report, err := cfg.Collector.Run(ctx, by, left, cfg.Slice)
		s.book(report)
		return s.ended(ctx, report.Finished, err)
	}
	report, err := cfg.Collector.RangeFrom(ctx, by, left, s.from, s.To, cfg.Slice)
	s.book(report)
	return s.ended(ctx, err == nil && len(s.left()) == 0, err)
}

// left are the streams for which something is left to do.
func (s *state) left() []entra.Stream {
	done := func(stream entra.Stream) bool { return slices.Contains(s.Finished, stream) }
	return slices.DeleteFunc(slices.Clone(s.Streams), done)
}

// from is where a stream's range continues.
func (s *state) from(stream entra.Stream) time.Time { return entra.Later(s.From, s.At[stream]) }

// ended keeps why a collection failed: asking again does not change it. A slice that was cut, by
// its caller or the end of the process, has not failed for that: the next one continues.
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

func (s *state) book(report collect.Report) {
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
		d.Error, d.Waiting = "", ""
		if r.Reached.After(s.At[r.Stream]) { // it is not set where another execution has the stream
			if s.At == nil {
				s.At = make(map[entra.Stream]time.Time)
			}
			s.At[r.Stream], d.Reached = r.Reached, web.Time(r.Reached)
		}
		if r.RangeDone || s.From.IsZero() && r.Finished {
			s.Finished = append(s.Finished, r.Stream)
		}
		if r.Err != nil {
			d.Error = r.Err.Error()
		}
		if r.Overtaken {
			d.Waiting = fmt.Sprintf("%s has the stream (execution %s)", r.By.Work, r.By.ID)
		}
	}
}

// about is what the answer says of itself.
type about struct {
	Status  string `json:"status" text:"running, done or failed"`
	Message string `json:"message,omitempty" text:"Why it failed"`
}

func answerOf(r web.Request, job jobs.Job, s state, err error) (web.Answer, error) {
	if err != nil {
		return web.Answer{}, err
	}
	list := func(status string) web.List[streamDone] {
		return web.List[streamDone]{Of: "collection", About: about{status, s.Failed}, Value: s.Done}
	}
	switch {
	case !job.Done:
		return list("running").Later(r.JobAddress(Kind, job.ID)), nil
	case s.Failed != "":
		return list("failed").Answer(), nil
	}
	return list("done").Answer(), nil
}
