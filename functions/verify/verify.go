// Package verify is the HTTP function that recomputes the archive and names what differs, and
// proves single records.
package verify

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/verify"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Kind is the kind of its jobs.
const Kind = "verify"

// Config of the function.
type Config struct {
	Evidence verify.Prover
	Heads    verify.HeadLister // nil: none are kept
	Jobs     jobs.Store
	Streams  *streams.Known
	Now      func() time.Time
	Slice    time.Duration // how long one request works
}

// New makes the function.
func New(cfg Config) web.Function {
	answers := web.Shape{Name: "verification", Is: about{}, Rows: finding{}, Text: "Findings", Later: true}
	which := web.Text("stream", "One or several logs, with commas between; all by default")
	which.Repeated = true
	required := func(p web.Parameter) web.Parameter { p.Required = true; return p }
	return web.Function{Name: "verify", Trigger: trigger, Operations: []web.Operation{
		{
			ID: "Verify", Summary: "Verify the archive",
			Text: "Compares what is stored with the seals; what takes longer than 20 seconds is answered " +
				"with 202 and goes " +
				"on while Location is asked.",
			Role: web.RoleRead, Parameters: slices.Concat([]web.Parameter{which}, web.FromTo("First moment", "Up to")),
			Answers: answers, Class: web.Long, Do: cfg.start,
		},
		{
			Given: "job", Word: "proof", ID: "ProveRecord", Summary: "Prove one record",
			Text: "What a third party needs to check that a record is part of the archive.", Role: web.RoleRead,
			Parameters: []web.Parameter{required(web.Text("stream", "The log")),
				required(web.Text("id", "ID of the record")),
				required(web.Text("dateTime", "Time of the record"))},
			Answers: web.Shape{Name: "proof", Is: seal.Proof{}}, Class: web.Long, Incomplete: cfg.notOne,
			Do: cfg.prove,
		},
		cfg.sealOperation(),
		{
			Given: "job", ID: "ContinueVerification", Summary: "Go on with a verification",
			Text: "Does the next part of a verification that Verify the archive answered with 202. " + web.UntilDone,
			Role: web.RoleRead, Path: []web.Parameter{web.Job()}, Answers: answers, Class: web.Long, Do: cfg.proceed,
		},
	}}
}

func (cfg Config) runner() *jobs.Runner[verify.Verification] {
	return &jobs.Runner[verify.Verification]{Kind: Kind, Store: cfg.Jobs, Now: cfg.Now, Slice: cfg.Slice,
		Work: func(ctx context.Context, v verify.Verification) (verify.Verification, bool, error) {
			err := v.Work(ctx, cfg.Evidence, cfg.Heads, time.Now().Add(cfg.Slice))
			return v, v.Done(), err
		}}
}

// asked are the streams that are asked for, and those that could be.
func (cfg Config) asked(ctx context.Context, r web.Request) (asked, archived []entra.Stream, err error) {
	if archived, err = cfg.Streams.All(ctx); err != nil {
		return nil, nil, err
	}
	asked, err = web.Streams(r.Query.All("stream"), archived)
	return asked, archived, err
}

func (cfg Config) start(ctx context.Context, r web.Request) (web.Answer, error) {
	asked, _, err := cfg.asked(ctx, r)
	if err != nil {
		return web.Answer{}, err
	}
	span, err := r.Range(cfg.Now())
	if err != nil {
		return web.Answer{}, err
	}
	job, v, err := cfg.runner().Start(ctx, verify.Verification{Streams: asked, From: span.From, To: span.To})
	return answerOf(r, job, v, err)
}

func (cfg Config) proceed(ctx context.Context, r web.Request) (web.Answer, error) {
	job, v, err := cfg.runner().Continue(ctx, r.Path("job"))
	return answerOf(r, job, v, err)
}

// finding is one row of the answer.
type finding struct {
	Difference verify.Difference `json:"difference" text:"altered, removed, added, log, ledger, derived, unconfirmed"`
	Stream     entra.Stream      `json:"stream" text:"Which log"`
	Hour       string            `json:"startDateTime,omitempty" text:"In which hour"`
	Table      string            `json:"table,omitempty" text:"In which table; absent: the table of the records"`
	Row        string            `json:"rowKey,omitempty" text:"In which row"`
	Detail     string            `json:"detail" text:"In a sentence"`
}

// stretch is a range of hours of which one thing is to be said that is no sign of tampering.
type stretch struct {
	Difference verify.Difference `json:"difference" text:"unsealed or missing"`
	Stream     entra.Stream      `json:"stream" text:"Which log"`
	From       string            `json:"startDateTime" text:"First hour"`
	To         string            `json:"endDateTime" text:"End of the last"`
	Hours      int64             `json:"windows" text:"Hours"`
	Detail     string            `json:"detail" text:"In a sentence"`
}

type head struct {
	Stream entra.Stream `json:"stream" text:"Which log"`
	Size   int64        `json:"size" text:"Entries"`
	Root   string       `json:"rootHash" text:"Root of the log"`
}

// purge is what was dropped, as the log says.
type purge struct {
	Stream   entra.Stream `json:"stream" text:"Which log"`
	From     string       `json:"startDateTime" text:"First hour"`
	To       string       `json:"endDateTime" text:"End of the last"`
	PurgedAt string       `json:"purgedDateTime" text:"When"`
	Rule     string       `json:"rule" text:"By which rule"`
	Hours    int64        `json:"windows" text:"Hours"`
	Contents int64        `json:"contents"`
}

// Texts are those that are too long for their line.
func (purge) Texts() map[string]string {
	return map[string]string{
		"contents": "Records and earlier versions; 0 where a version before did not count them",
	}
}

// repair is a rebuilt progress row, from the log.
type repair struct {
	Stream     entra.Stream `json:"stream" text:"Which log"`
	RepairedAt string       `json:"repairedDateTime" text:"When"`
	Entry      int64        `json:"entry" text:"Entry of the log that says so"`
	What       string       `json:"what" text:"What was done"`
}

// about is what the answer says of itself.
type about struct {
	Status   string                      `json:"status" text:"running, intact or differs"`
	Percent  int64                       `json:"percentComplete" text:"How far it is"`
	Windows  int64                       `json:"windowsVerified" text:"Hours"`
	Records  int64                       `json:"recordsVerified" text:"Records"`
	Counts   map[verify.Difference]int64 `json:"differences" text:"How many findings of each kind"`
	Heads    []head                      `json:"heads" text:"Heads of the logs"`
	Purges   []purge                     `json:"purges" text:"What was dropped, as the log says"`
	Repairs  []repair                    `json:"repairs" text:"Rows of progress that were made anew, as the log says"`
	Unnamed  int64                       `json:"findingsNotListed" text:"Findings beyond those listed"`
	Ranges   []stretch                   `json:"ranges"`
	Unranged int64                       `json:"rangesNotListed" text:"Hours beyond those of the ranges listed"`
}

// Texts are those that are too long for their line.
func (about) Texts() map[string]string {
	return map[string]string{
		"ranges": "Hours of which there is no sign of tampering, and that are not sealed, or missing",
	}
}

func answerOf(r web.Request, job jobs.Job, v verify.Verification, err error) (web.Answer, error) {
	if err != nil {
		return web.Answer{}, err
	}
	out := web.List[finding]{Of: "verification", Value: findings(v)}
	switch {
	case !job.Done:
		out.About = aboutOf(v, "running", percent(v))
		return out.Later(r.JobAddress(Kind, job.ID)), nil
	case !v.Intact():
		out.About = aboutOf(v, "differs", 100)
	default:
		out.About = aboutOf(v, "intact", 100)
	}
	return out.Answer(), nil
}

func findings(v verify.Verification) []finding {
	var out []finding
	for _, d := range v.Findings {
		out = append(out, finding{d.Difference, d.Stream, web.Time(d.Hour), d.Table, d.Row, d.Detail})
	}
	return out
}

func aboutOf(v verify.Verification, status string, percent int64) about {
	out := about{Status: status, Percent: percent, Windows: v.Windows, Records: v.Records, Counts: v.Counts,
		Heads: []head{}, Purges: []purge{}, Repairs: []repair{}, Unnamed: v.More, Ranges: []stretch{},
		Unranged: v.MoreOf}
	if out.Counts == nil {
		out.Counts = map[verify.Difference]int64{}
	}
	for _, h := range v.Heads {
		out.Heads = append(out.Heads, head{h.Stream, h.Size, h.Root.String()})
	}
	for _, p := range v.Purges {
		out.Purges = append(out.Purges, purge{p.Stream, web.Time(p.From), web.Time(p.To), web.Time(p.PurgedAt), p.Rule,
			p.Hours, p.Contents})
	}
	for _, p := range v.Repairs {
		out.Repairs = append(out.Repairs, repair{p.Stream, web.Time(p.RepairedAt), p.Entry, p.What})
	}
	for _, r := range v.Ranges {
		out.Ranges = append(out.Ranges, stretch{r.Difference, r.Stream, web.Time(r.From), web.Time(r.To), r.Hours,
			r.Detail})
	}
	return out
}

// percent counts the streams as equal parts.
func percent(v verify.Verification) int64 {
	n := int64(len(v.Streams))
	part := int64(0)
	if !v.Next.IsZero() && v.Left > 0 {
		part = 50 // how many windows came before is not kept; the middle is never far wrong
	}
	return min(99, (int64(v.At)*100+part)/max(1, n))
}

// prove answers with the proof of one record.
func (cfg Config) prove(ctx context.Context, r web.Request) (web.Answer, error) {
	asked, archived, err := cfg.asked(ctx, r)
	if err != nil {
		return web.Answer{}, err
	}
	when, err := entra.ParseTime(r.Query.Text("dateTime"))
	if err != nil || len(asked) != 1 {
		return web.Answer{}, notOne(archived)
	}
	if err := r.MayRead(asked[0]); err != nil { // a proof has the record in it
		return web.Answer{}, err
	}
	proof, err := verify.Prove(ctx, cfg.Evidence, asked[0], r.Query.Text("id"), when)
	if err != nil {
		return web.Answer{}, err
	}
	return web.Object(proof), nil
}

// notOne is the error of a question for a proof that does not say of which record.
func (cfg Config) notOne(ctx context.Context, r web.Request) error {
	_, archived, err := cfg.asked(ctx, r)
	if err != nil {
		return err
	}
	return notOne(archived)
}

func notOne(archived []entra.Stream) error {
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query", Why: "a proof is of one record",
		Remedy: fmt.Sprintf("give stream (one of %v), id and dateTime, as 2026-11-21T14:05:10.9301252Z", archived)}
}
