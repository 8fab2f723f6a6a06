// Package snapshot is the HTTP function that takes a snapshot of the directory now, and tells how it stands with snapshots.
package snapshot

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
)

// Kind is the kind of its jobs.
const Kind = "snapshot"

// Function answers GET and POST /api/snapshot, and GET /api/snapshot/{job}.
type Function struct {
	Snapshotter *directory.Snapshotter
	Reader      *directory.Reader
	Jobs        jobs.Store
	Now         func() time.Time
	BaseURL     string        // of links; empty: as forwarded
	Slice       time.Duration // how long one request works
}

// row is one snapshot. Keys without a value are left out.
type row struct {
	ID            string                  `json:"id"`
	Status        string                  `json:"status"`
	AsOf          string                  `json:"asOfDateTime"`
	Finished      string                  `json:"finishedDateTime,omitempty"`
	Phase         directory.Phase         `json:"phase"`
	Users         int64                   `json:"users"`
	Applications  int64                   `json:"applicationsWithCredentials"`
	Principals    int64                   `json:"servicePrincipalsWithCredentials"`
	Credentials   int64                   `json:"credentials"`
	GraphRequests int64                   `json:"graphRequests"`
	Undisclosed   []directory.Undisclosed `json:"undisclosed"`
	LastStep      string                  `json:"lastStepDateTime,omitempty"` // while it is read
	LastError     string                  `json:"lastError,omitempty"`        // lastFailure's message
	LastFailure   *failure                `json:"lastFailure,omitempty"`
}

// failure is why a snapshot comes no further, as coverage tells it of a stream.
type failure struct {
	DateTime string     `json:"dateTime"`
	Code     entra.Code `json:"code"`
	Message  string     `json:"message"`
}

// failureOf is what the timer says that fails, else why the last run failed; nil where neither
// does.
func failureOf(s directory.Snapshot) *failure {
	switch {
	case s.Stage == directory.Whole:
		return nil
	case s.Behind != nil:
		return &failure{answer.Time(s.Behind.At), s.Behind.Code, s.Behind.Message}
	case s.LastError == "":
		return nil
	case s.LastErrorAt.IsZero(): // an older version noted it
		return &failure{answer.Time(s.Updated), entra.CodeInternal, s.LastError}
	}
	return &failure{answer.Time(s.LastErrorAt), s.LastErrorCode, s.LastError}
}

func rowOf(s directory.Snapshot) row {
	r := row{ID: s.ID, Status: s.Status(), AsOf: answer.Time(s.AsOf), Finished: answer.Time(s.Finished), Phase: s.Phase, Users: s.Users, Applications: s.Applications,
		Principals: s.Principals, Credentials: s.Credentials, GraphRequests: s.GraphRequests, Undisclosed: s.Undisclosed, LastError: s.LastError, LastFailure: failureOf(s)}
	if r.LastFailure != nil {
		r.LastError = r.LastFailure.Message
	}
	if s.Stage == directory.Reading {
		r.LastStep = answer.Time(s.LastStep())
	}
	if r.Undisclosed == nil {
		r.Undisclosed = []directory.Undisclosed{}
	}
	return r
}

// state is a snapshot that was asked for, between two slices.
type state struct {
	Begun    bool // the first slice has begun one, or found one under way
	Snapshot directory.Snapshot
}

// ServeHTTP starts a snapshot, goes on with one, or lists them.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := answer.ReadParameters(r).Err()
	switch {
	case err != nil:
	case r.Method == http.MethodPost || r.PathValue("job") != "":
		err = f.work(w, r)
	default:
		err = f.list(w, r)
	}
	if err != nil {
		answer.Error(w, r, err)
	}
}

func (f *Function) list(w http.ResponseWriter, r *http.Request) error {
	snaps, err := f.Reader.State(r.Context())
	if err != nil {
		return err
	}
	list := answer.List[row]{Context: answer.BaseURL(r, f.BaseURL) + "/api/$metadata#snapshots", AsOf: answer.Time(f.Now()), Value: []row{}}
	for _, s := range snaps {
		list.Value = append(list.Value, rowOf(s))
	}
	answer.JSON(w, http.StatusOK, list)
	return nil
}

func (f *Function) work(w http.ResponseWriter, r *http.Request) error {
	runner := &jobs.Runner[state]{Kind: Kind, Store: f.Jobs, Now: f.Now, Slice: f.Slice, Work: f.slice}
	var (
		job jobs.Job
		s   state
		err error
	)
	if id := r.PathValue("job"); id != "" {
		job, s, err = runner.Continue(r.Context(), id)
	} else {
		job, s, err = runner.Start(r.Context(), state{})
	}
	if err != nil {
		return err
	}
	base := answer.BaseURL(r, f.BaseURL)
	out := struct {
		Context string `json:"@odata.context"`
		row
	}{base + "/api/$metadata#snapshots/$entity", rowOf(s.Snapshot)}
	if !job.Done {
		out.Status = "running"
		answer.Accepted(w, base+"/api/snapshot/"+url.PathEscape(job.ID), out)
		return nil
	}
	answer.JSON(w, http.StatusOK, out)
	return nil
}

// slice goes on with the snapshot. Only the first one begins one: what is asked for is one snapshot, whoever finishes it.
func (f *Function) slice(ctx context.Context, s state) (state, bool, error) {
	if s.Begun {
		snaps, err := f.Reader.State(ctx)
		if err != nil {
			return s, false, err
		}
		for _, snap := range snaps {
			if snap.ID == s.Snapshot.ID && snap.Stage != directory.Reading {
				s.Snapshot = snap
				return s, true, nil
			}
		}
	}
	report, err := f.Snapshotter.Run(ctx, f.Slice, true)
	if cut := report.Stopped && report.Snapshot.ID != ""; err != nil && !cut { // what was begun goes on with the next slice
		return s, false, err
	}
	s.Begun, s.Snapshot = true, report.Snapshot
	return s, report.Finished || report.Idle, nil
}
