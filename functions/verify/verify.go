// Package verify is the HTTP function that recomputes the archive and names what differs, and proves single records.
package verify

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/streams"
)

// Kind is the kind of its jobs.
const Kind = "verify"

// Function answers GET /api/verify, GET /api/verify/{job} and GET /api/verify/proof.
type Function struct {
	Evidence archive.Prover
	Heads    archive.Heads // nil: none are kept
	Jobs     jobs.Store
	Streams  *streams.Known
	Now      func() time.Time
	BaseURL  string        // of links; empty: as forwarded
	Slice    time.Duration // how long one request works
}

// ServeHTTP starts a verification, goes on with one, or proves a record.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	switch job := r.PathValue("job"); job {
	case "":
		err = f.start(w, r)
	case "proof":
		err = f.prove(w, r)
	default:
		err = f.proceed(w, r, job)
	}
	if err != nil {
		answer.Error(w, r, err)
	}
}

func (f *Function) runner() *jobs.Runner[archive.Verification] {
	return &jobs.Runner[archive.Verification]{Kind: Kind, Store: f.Jobs, Now: f.Now, Slice: f.Slice,
		Work: func(ctx context.Context, v archive.Verification) (archive.Verification, bool, error) {
			err := v.Work(ctx, f.Evidence, f.Heads, time.Now().Add(f.Slice))
			return v, v.Done(), err
		}}
}

func (f *Function) start(w http.ResponseWriter, r *http.Request) error {
	if err := answer.CheckParameters(r, "stream", "from", "to"); err != nil {
		return err
	}
	archived, err := f.Streams.All(r.Context())
	if err != nil {
		return err
	}
	asked, err := answer.Streams(r.URL.Query()["stream"], archived)
	if err != nil {
		return err
	}
	span, err := answer.ReadRange(r.URL.Query(), f.Now())
	if err != nil {
		return err
	}
	job, v, err := f.runner().Start(r.Context(), archive.Verification{Streams: asked, From: span.From, To: span.To})
	if err != nil {
		return err
	}
	f.answer(w, r, job, v)
	return nil
}

func (f *Function) proceed(w http.ResponseWriter, r *http.Request, id string) error {
	if err := answer.CheckParameters(r); err != nil {
		return err
	}
	job, v, err := f.runner().Continue(r.Context(), id)
	if err != nil {
		return err
	}
	f.answer(w, r, job, v)
	return nil
}

// finding is one row of the answer.
type finding struct {
	Difference archive.Difference `json:"difference"`
	Stream     entra.Stream       `json:"stream"`
	Hour       string             `json:"startDateTime,omitempty"`
	Table      string             `json:"table,omitempty"` // absent: the records'
	Row        string             `json:"rowKey,omitempty"`
	Detail     string             `json:"detail"`
}

// stretch is a range of hours of which one thing is to be said that is no sign of tampering.
type stretch struct {
	Difference archive.Difference `json:"difference"`
	Stream     entra.Stream       `json:"stream"`
	From       string             `json:"startDateTime"`
	To         string             `json:"endDateTime"`
	Hours      int64              `json:"windows"`
	Detail     string             `json:"detail"`
}

type head struct {
	Stream entra.Stream `json:"stream"`
	Size   int64        `json:"size"`
	Root   string       `json:"rootHash"`
}

// purge is what was dropped, as the log says.
type purge struct {
	Stream   entra.Stream `json:"stream"`
	From     string       `json:"startDateTime"`
	To       string       `json:"endDateTime"`
	PurgedAt string       `json:"purgedDateTime"`
	Rule     string       `json:"rule"`
	Hours    int64        `json:"windows"`
	Contents int64        `json:"contents"` // records and earlier versions; 0 where a version before did not count them
}

// repair is a progress row that was made anew, as the log says.
type repair struct {
	Stream     entra.Stream `json:"stream"`
	RepairedAt string       `json:"repairedDateTime"`
	Entry      int64        `json:"entry"`
	What       string       `json:"what"`
}

type verification struct {
	Context  string                       `json:"@odata.context"`
	Status   string                       `json:"status"` // running, intact, differs
	Percent  int64                        `json:"percentComplete"`
	Windows  int64                        `json:"windowsVerified"`
	Records  int64                        `json:"recordsVerified"`
	Counts   map[archive.Difference]int64 `json:"differences"`
	Heads    []head                       `json:"heads"`
	Purges   []purge                      `json:"purges"`
	Repairs  []repair                     `json:"repairs"`
	Unnamed  int64                        `json:"findingsNotListed"`
	Ranges   []stretch                    `json:"ranges"`
	Unranged int64                        `json:"rangesNotListed"` // hours
	Findings []finding                    `json:"value"`
}

func (f *Function) answer(w http.ResponseWriter, r *http.Request, job jobs.Job, v archive.Verification) {
	base := answer.BaseURL(r, f.BaseURL)
	out := verification{Context: base + "/api/$metadata#verification", Status: "intact", Percent: 100,
		Windows: v.Windows, Records: v.Records,
		Counts: v.Counts, Heads: []head{}, Purges: []purge{}, Repairs: []repair{}, Unnamed: v.More, Ranges: []stretch{}, Unranged: v.MoreOf, Findings: []finding{}}
	if out.Counts == nil {
		out.Counts = map[archive.Difference]int64{}
	}
	for _, h := range v.Heads {
		out.Heads = append(out.Heads, head{h.Stream, h.Size, h.Root.String()})
	}
	for _, p := range v.Purges {
		out.Purges = append(out.Purges, purge{p.Stream, answer.Time(p.From), answer.Time(p.To),
			answer.Time(p.PurgedAt), p.Rule, p.Hours, p.Contents})
	}
	for _, p := range v.Repairs {
		out.Repairs = append(out.Repairs, repair{p.Stream, answer.Time(p.RepairedAt), p.Entry, p.What})
	}
	for _, r := range v.Ranges {
		out.Ranges = append(out.Ranges, stretch{r.Difference, r.Stream, answer.Time(r.From), answer.Time(r.To),
			r.Hours, r.Detail})
	}
	for _, d := range v.Findings {
		out.Findings = append(out.Findings, finding{d.Difference, d.Stream, answer.Time(d.Hour), d.Table, d.Row,
			d.Detail})
	}
	switch {
	case !job.Done:
		out.Status, out.Percent = "running", percent(v)
		answer.Accepted(w, base+"/api/verify/"+url.PathEscape(job.ID), out)
		return
	case !v.Intact():
		out.Status = "differs"
	}
	answer.JSON(w, http.StatusOK, out)
}

// percent counts the streams as equal parts.
func percent(v archive.Verification) int64 {
	n := int64(len(v.Streams))
	part := int64(0)
	if !v.Next.IsZero() && v.Left > 0 {
		part = 50 // how many windows came before is not kept; the middle is never far wrong
	}
	return min(99, (int64(v.At)*100+part)/max(1, n))
}

func (f *Function) prove(w http.ResponseWriter, r *http.Request) error {
	if err := answer.CheckParameters(r, "stream", "id", "dateTime"); err != nil {
		return err
	}
	q := r.URL.Query()
	archived, err := f.Streams.All(r.Context())
	if err != nil {
		return err
	}
	asked, err := answer.Streams(q["stream"], archived)
	if err != nil {
		return err
	}
	when, err := entra.ParseTime(q.Get("dateTime"))
	if err != nil || len(asked) != 1 || q.Get("id") == "" {
		return &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query", Why: "a proof is of one record",
			Remedy: fmt.Sprintf("give stream (one of %v), id and dateTime, as 2026-11-21T14:05:10.9301252Z", archived)}
	}
	proof, err := archive.Prove(r.Context(), f.Evidence, asked[0], q.Get("id"), when)
	if err != nil {
		return err
	}
	answer.JSON(w, http.StatusOK, proof)
	return nil
}
