// Package repair is the HTTP function that rebuilds a stream's row of progress from the rows of its
// hours and its log, or returns what a rebuild would write. It requires the master key.
package repair

import (
	"context"
	_ "embed"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/repair"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Kind is the kind of its jobs.
const Kind = "repair"

// Config of the function.
type Config struct {
	Repairer *repair.Repairer
	Jobs     jobs.Store
	Streams  *streams.Known
	Now      func() time.Time
	Slice    time.Duration // how long one request works
}

// New makes the function. No flow should have the master key, so it is no part of the connector.
func New(cfg Config) web.Function {
	answers := web.Shape{Name: "repair", Is: repairing{}, Later: true}
	stream := web.Text("stream", "The log whose row of progress is looked at")
	stream.Required = true
	return web.Function{Name: "repair", Trigger: trigger, Operations: []web.Operation{
		{
			Summary: "What a repair would make", Text: "What is wrong with a row of progress. Nothing is " +
				"written by asking.",
			Role: web.RoleRead, Parameters: []web.Parameter{stream}, Answers: answers,
			Class: web.Long, Do: cfg.plan,
			Incomplete: func(context.Context, web.Request) error { return refuse("no stream is named", true) },
		},
		{
			Method: http.MethodPost, Summary: "Make a row of progress anew", Text: "The body names the log.",
			Role: web.RoleOperate, Body: request{}, BodyTitle: "Log", BodyText: "Which log", Answers: answers,
			Class: web.Long, Do: cfg.repair,
		},
		{
			Given: "job", Summary: "Go on with a repair", Text: "Does the next part of a repair that was started.",
			Role: web.RoleRead, Path: []web.Parameter{web.Job()}, Answers: answers,
			Class: web.Long, Do: cfg.proceed,
		},
	}}
}

// request is the body of a POST.
type request struct {
	Stream string `json:"stream" text:"The log whose row of progress is made anew"`
}

func (cfg Config) runner() *jobs.Runner[repair.Repairing] {
	return &jobs.Runner[repair.Repairing]{Kind: Kind, Store: cfg.Jobs, Now: cfg.Now, Slice: cfg.Slice,
		Work: func(ctx context.Context, s repair.Repairing) (repair.Repairing, bool, error) {
			err := cfg.Repairer.Work(ctx, &s, time.Now().Add(cfg.Slice))
			return s, s.Done, err
		}}
}

func (cfg Config) plan(ctx context.Context, r web.Request) (web.Answer, error) {
	return cfg.start(ctx, r, r.Query.Text("stream"), true)
}

func (cfg Config) repair(ctx context.Context, r web.Request) (web.Answer, error) {
	var asked request
	if err := r.ReadBody(&asked); err != nil {
		return web.Answer{}, refuse(err.Error(), false)
	}
	if asked.Stream == "" {
		return web.Answer{}, refuse("no stream is named", false)
	}
	return cfg.start(ctx, r, asked.Stream, false)
}

func (cfg Config) start(ctx context.Context, r web.Request, stream string, plan bool) (web.Answer, error) {
	asked := repair.Repairing{Stream: entra.Stream(stream), Plan: plan,
		By: ledger.Execution{ID: uuid.NewString(), Work: r.Method() + " /api/repair"}}
	if err := cfg.Streams.Check(ctx, asked.Stream); err != nil {
		return web.Answer{}, err
	}
	job, s, err := cfg.runner().Start(ctx, asked)
	return answerOf(r, job, s, err)
}

func (cfg Config) proceed(ctx context.Context, r web.Request) (web.Answer, error) {
	job, s, err := cfg.runner().Continue(ctx, r.Path("job"))
	return answerOf(r, job, s, err)
}

func refuse(why string, plan bool) error {
	accepted := `a body {"stream": "directoryAudits"}`
	if plan {
		accepted = "?stream=directoryAudits"
	}
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "read what to repair", Why: why,
		Remedy: "accepted is " + accepted}
}

// repairing is the answer.
type repairing struct {
	Context string       `json:"@odata.context" text:"What this is"`
	Status  string       `json:"status" text:"running, planned or repaired"`
	Stream  entra.Stream `json:"stream" text:"Which log"`
	Wrong   []string     `json:"wrong" text:"What was found"`
	Windows int64        `json:"windowsVerified" text:"Hours of this log"`
	Records int64        `json:"recordsVerified" text:"Records of this log"`

	Rows         int64  `json:"rows" text:"Hours that the row is made from; 0 where the row is kept"`
	Entries      int64  `json:"entries" text:"Entries of the log"`
	Begin        string `json:"beginDateTime,omitempty" text:"First moment that the archive holds"`
	BackfilledTo string `json:"backfilledToDateTime,omitempty" text:"How far the backfill has come"`
	Watermark    string `json:"watermarkDateTime,omitempty" text:"Newest that is read"`
	SettledTo    string `json:"settledUntilDateTime,omitempty" text:"Sealed after the last pass up to here"`
	PurgedTo     string `json:"purgedUntilDateTime,omitempty" text:"Everything before was dropped"`
	Stored       int64  `json:"records" text:"Records"`
	Versions     int64  `json:"versions" text:"Versions"`
	Entry        *int64 `json:"entry,omitempty" text:"Entry of the log that says so"`
	Reason       string `json:"reason,omitempty" text:"What it says"`
}

func answerOf(r web.Request, job jobs.Job, s repair.Repairing, err error) (web.Answer, error) {
	if err != nil {
		return web.Answer{}, err
	}
	p := s.Rebuilt
	out := repairing{Context: r.Context("repair"), Status: "repaired", Stream: s.Stream, Wrong: s.Wrong,
		Windows: s.Verification.Windows, Records: s.Verification.Records, Rows: s.Rows, Entries: p.Seals,
		Begin: web.Time(p.Begin), BackfilledTo: web.Time(p.Backfilled), Watermark: web.Time(p.Watermark),
		SettledTo: web.Time(p.SealedTo), PurgedTo: web.Time(p.PurgedTo), Stored: p.Records, Versions: p.Versions}
	if out.Wrong == nil {
		out.Wrong = []string{}
	}
	if s.Reason != "" {
		out.Entry, out.Reason = &s.Entry, s.Reason
	}
	switch {
	case !job.Done:
		out.Status = "running"
		return web.Later(r.JobAddress(Kind, job.ID), out), nil
	case s.Plan:
		out.Status = "planned"
	}
	return web.Object(out), nil
}
