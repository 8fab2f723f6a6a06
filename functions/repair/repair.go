// Package repair is the HTTP function that makes a stream's row of progress anew, from the rows of
// its hours and its log, or tells what that would make. It asks for the master key.
package repair

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/streams"
)

// Kind is the kind of its jobs.
const Kind = "repair"

// Function answers GET /api/repair, POST /api/repair and GET /api/repair/{job}.
type Function struct {
	Repairer *archive.Repairer
	Jobs     jobs.Store
	Streams  *streams.Known
	Now      func() time.Time
	BaseURL  string        // of links; empty: as forwarded
	Slice    time.Duration // how long one request works
}

// maxBody bounds a request's body.
const maxBody = 64 << 10

// ServeHTTP plans a repair, starts one, or goes on with one.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := f.serve(w, r); err != nil {
		answer.Error(w, r, err)
	}
}

func (f *Function) serve(w http.ResponseWriter, r *http.Request) error {
	runner := &jobs.Runner[archive.Repairing]{Kind: Kind, Store: f.Jobs, Now: f.Now, Slice: f.Slice,
		Work: func(ctx context.Context, s archive.Repairing) (archive.Repairing, bool, error) {
			err := f.Repairer.Work(ctx, &s, time.Now().Add(f.Slice))
			return s, s.Done, err
		}}
	var (
		job jobs.Job
		s   archive.Repairing
		err error
	)
	if id := r.PathValue("job"); id != "" {
		if err := answer.CheckParameters(r); err != nil {
			return err
		}
		job, s, err = runner.Continue(r.Context(), id)
	} else {
		if s, err = f.read(w, r); err != nil {
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

// read reads which stream is asked for: a plan's in the query, a repair's in the body.
func (f *Function) read(w http.ResponseWriter, r *http.Request) (archive.Repairing, error) {
	out := archive.Repairing{Plan: r.Method != http.MethodPost, By: archive.Execution{ID: uuid.NewString(), Work: r.Method + " /api/repair"}}
	name := r.URL.Query().Get("stream")
	if out.Plan {
		if err := answer.CheckParameters(r, "stream"); err != nil {
			return out, err
		}
	} else {
		if err := answer.CheckParameters(r); err != nil {
			return out, err
		}
		var err error
		if name, err = readBody(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
			return out, err
		}
	}
	if name == "" {
		return out, refuse("no stream is named", out.Plan)
	}
	out.Stream = entra.Stream(name)
	return out, f.Streams.Check(r.Context(), out.Stream)
}

func readBody(body io.Reader) (string, error) {
	var asked struct {
		Stream string `json:"stream"`
	}
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&asked); err != nil && !errors.Is(err, io.EOF) {
		return "", refuse(err.Error(), false)
	}
	return asked.Stream, nil
}

func refuse(why string, plan bool) error {
	accepted := `a body {"stream": "directoryAudits"}`
	if plan {
		accepted = "?stream=directoryAudits"
	}
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "read what to repair", Why: why, Remedy: "accepted is " + accepted}
}

// repairing is the answer.
type repairing struct {
	Context string       `json:"@odata.context"`
	Status  string       `json:"status"` // running, planned, repaired
	Stream  entra.Stream `json:"stream"`
	Wrong   []string     `json:"wrong"`
	Windows int64        `json:"windowsVerified"`
	Records int64        `json:"recordsVerified"`

	Rows         int64  `json:"rows"` // of hours; 0 where the row of progress is kept
	Entries      int64  `json:"entries"`
	Begin        string `json:"beginDateTime,omitempty"`
	BackfilledTo string `json:"backfilledToDateTime,omitempty"`
	Watermark    string `json:"watermarkDateTime,omitempty"`
	SettledTo    string `json:"settledUntilDateTime,omitempty"`
	PurgedTo     string `json:"purgedUntilDateTime,omitempty"`
	Stored       int64  `json:"records"`
	Versions     int64  `json:"versions"`
	Entry        *int64 `json:"entry,omitempty"` // number of the log's entry that says so
	Reason       string `json:"reason,omitempty"`
}

func (f *Function) answer(w http.ResponseWriter, r *http.Request, job jobs.Job, s archive.Repairing) {
	base, p := answer.BaseURL(r, f.BaseURL), s.Rebuilt
	out := repairing{Context: base + "/api/$metadata#repair", Status: "repaired", Stream: s.Stream, Wrong: s.Wrong,
		Windows: s.Verification.Windows, Records: s.Verification.Records, Rows: s.Rows, Entries: p.Seals,
		Begin: answer.Time(p.Begin), BackfilledTo: answer.Time(p.Backfilled), Watermark: answer.Time(p.Watermark),
		SettledTo: answer.Time(p.SealedTo), PurgedTo: answer.Time(p.PurgedTo), Stored: p.Records, Versions: p.Versions}
	if out.Wrong == nil {
		out.Wrong = []string{}
	}
	if s.Reason != "" {
		out.Entry, out.Reason = &s.Entry, s.Reason
	}
	switch {
	case !job.Done:
		out.Status = "running"
		answer.Accepted(w, base+"/api/repair/"+url.PathEscape(job.ID), out)
		return
	case s.Plan:
		out.Status = "planned"
	}
	answer.JSON(w, http.StatusOK, out)
}
