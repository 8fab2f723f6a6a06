// Package snapshot is the HTTP function that makes a snapshot of the directory now, and returns the
// state of the snapshots.
package snapshot

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Kind is the kind of its jobs.
const Kind = "snapshot"

// Config of the function.
type Config struct {
	Snapshotter *snapshots.Snapshotter
	Reader      *directory.Reader
	Jobs        jobs.Store
	Now         func() time.Time
	Slice       time.Duration // how long one request works
}

// New makes the function.
func New(cfg Config) web.Function {
	state := web.Shape{Name: "snapshotState", Is: answer{}, Later: true}
	return web.Function{Name: "snapshot", Trigger: trigger, Operations: []web.Operation{
		{
			ID: "ListSnapshots", Summary: "How it stands with snapshots",
			Text: "The latest snapshots of the directory, the newest first.", Role: web.RoleRead,
			Parameters: []web.Parameter{web.ByID("id")},
			Answers:    web.Shape{Name: "snapshots", Rows: row{}, AsOf: true, Text: "Snapshots, the newest first"},
			Do:         cfg.list,
		},
		{
			Method: http.MethodPost, ID: "TakeSnapshot", Summary: "Take a snapshot now",
			Text: "Reads the directory; what takes longer than 20 seconds is answered with 202 and goes " +
				"on while Location " +
				"is asked.",
			Role: web.RoleOperate, Parameters: []web.Parameter{accept()}, Answers: state,
			Class: web.Long, Do: cfg.start,
		},
		{
			Given: "job", ID: "ContinueSnapshot", Summary: "Go on with a snapshot",
			Text: "Does the next part of a snapshot that Take a snapshot now answered with 202. " + web.UntilDone,
			Role: web.RoleRead, Path: []web.Parameter{web.Job()}, Answers: state,
			Class: web.Long, Do: cfg.proceed,
		},
	}}
}

// accept declares what counts as never granted.
func accept() web.Parameter {
	p := web.Text("accept", "Names of what the tenant refuses on purpose, with commas between")
	p.Note = "As in `carried` and `lost`: `users`, `signInActivity`, `licences`, `group <id>`, ... " +
		"It then counts as never granted, and the timer no longer fails for it. What the tenant discloses " +
		"to the snapshot is not affected"
	return p
}

// row is one snapshot. Keys without a value are left out.
type row struct {
	ID            string                  `json:"id" text:"Its begin"`
	Status        string                  `json:"status"`
	AsOf          string                  `json:"asOfDateTime" text:"As of when"`
	Finished      string                  `json:"finishedDateTime,omitempty" text:"When it became whole"`
	Phase         directory.Phase         `json:"phase" text:"What is read at the moment"`
	Users         int64                   `json:"users" text:"Users read"`
	Applications  int64                   `json:"applicationsWithCredentials" text:"Applications"`
	Principals    int64                   `json:"servicePrincipalsWithCredentials" text:"Service principals"`
	Credentials   int64                   `json:"credentials" text:"Secrets and certificates of both"`
	GraphRequests int64                   `json:"graphRequests" text:"Pages read from Graph"`
	Undisclosed   []directory.Undisclosed `json:"undisclosed" text:"What the tenant did not disclose to the snapshot"`
	Carried       []carried               `json:"carried,omitempty" text:"What an older snapshot stands in for"`
	Lost          []lost                  `json:"lost,omitempty"`
	Accepted      []string                `json:"accepted,omitempty"`
	LastStep      string                  `json:"lastStepDateTime,omitempty" text:"When the reading last came further"`
	LastError     string                  `json:"lastError,omitempty"`
	LastFailure   *failure                `json:"lastFailure,omitempty" text:"Why it comes no further"`
}

// Texts are those that are too long for their line.
func (row) Texts() map[string]string {
	return map[string]string{
		"status": "reading, failing (the last run failed or made no step, or no snapshot has become " +
			"whole for too long), " +
			"stalled (no step for ARCHIVE_ALERT_AFTER), whole, dropped; running as an answer to a request that goes on",
		"lost": "What the tenant disclosed once and refuses now, and for which nothing stands in any more; " +
			"the timer fails until it is disclosed again or accepted",
		"accepted":  "What counts as never granted, where it is refused, because POST /api/snapshot was given accept",
		"lastError": "Why the last run failed, or why the timer fails: the message of lastFailure",
	}
}

// carried is something that is refused, and that an older snapshot disclosed.
type carried struct {
	What     string     `json:"resource" text:"What the tenant refuses: users, applications, group <id>, ..."`
	Snapshot string     `json:"snapshot" text:"The older snapshot"`
	AsOf     string     `json:"asOfDateTime" text:"As of when it is known"`
	Code     entra.Code `json:"code" text:"Why it is refused, as a code"`
	Message  string     `json:"message" text:"Why, and what to do"`
}

// lost is something that is refused, and that was disclosed once.
type lost struct {
	What    string     `json:"resource" text:"What the tenant refuses: users, applications, group <id>, ..."`
	AsOf    string     `json:"asOfDateTime" text:"When it was last disclosed"`
	Code    entra.Code `json:"code" text:"Why it is refused, as a code"`
	Message string     `json:"message" text:"Why, and what to do"`
}

// failure is why a snapshot makes no progress, as in coverage's answer about a stream.
type failure struct {
	DateTime string     `json:"dateTime" text:"When"`
	Code     entra.Code `json:"code" text:"As a code"`
	Message  string     `json:"message" text:"What failed, why, and what to do"`
}

// failureOf is what the timer says that fails, else why the last run failed; nil where neither
// does.
func failureOf(s directory.Snapshot) *failure {
	switch {
	case s.Stage == directory.Whole:
		return nil
	case s.Behind != nil:
		return &failure{web.Time(s.Behind.At), s.Behind.Code, s.Behind.Message}
	case s.LastError == "":
		return nil
	case s.LastErrorAt.IsZero(): // an older version wrote it
		return &failure{web.Time(s.Updated), entra.CodeInternal, s.LastError}
	}
	return &failure{web.Time(s.LastErrorAt), s.LastErrorCode, s.LastError}
}

func rowOf(s directory.Snapshot) row {
	r := row{ID: s.ID, Status: s.Status(), AsOf: web.Time(s.AsOf), Finished: web.Time(s.Finished),
		Phase: s.Phase, Users: s.Users, Applications: s.Applications, Principals: s.Principals,
		Credentials:   s.Credentials,
		GraphRequests: s.GraphRequests, Undisclosed: s.Undisclosed, LastError: s.LastError, LastFailure: failureOf(s)}
	if r.LastFailure != nil {
		r.LastError = r.LastFailure.Message
	}
	for _, c := range s.Carried {
		r.Carried = append(r.Carried, carried{c.What, c.Snapshot, web.Time(c.AsOf), c.Code, c.Message})
	}
	for _, c := range s.Lost {
		r.Lost = append(r.Lost, lost{c.What, web.Time(c.AsOf), c.Code, c.Message})
	}
	r.Accepted = s.Accepted
	if s.Stage == directory.Reading {
		r.LastStep = web.Time(s.LastStep())
	}
	if r.Undisclosed == nil {
		r.Undisclosed = []directory.Undisclosed{}
	}
	return r
}

// state is a snapshot that was asked for, between two slices.
type state struct {
	Begun    bool // the first slice has begun one, or found one in progress
	Snapshot directory.Snapshot
	Accept   []string `json:",omitempty"`
}

// answer is one snapshot, as an object.
type answer struct {
	Context string `json:"@odata.context" text:"What this is"`
	row
}

// list answers with the latest snapshots.
func (cfg Config) list(ctx context.Context, r web.Request) (web.Answer, error) {
	snaps, err := cfg.Reader.State(ctx)
	if err != nil {
		return web.Answer{}, err
	}
	list := web.List[row]{Of: "snapshots", AsOf: cfg.Now()}
	for _, s := range snaps {
		list.Value = append(list.Value, rowOf(s))
	}
	list.Value = web.Only(r.Query, list.Value, func(r row) string { return r.ID })
	return list.Answer(), nil
}

func (cfg Config) runner() *jobs.Runner[state] {
	return &jobs.Runner[state]{Kind: Kind, Store: cfg.Jobs, Now: cfg.Now, Slice: cfg.Slice, Work: cfg.slice}
}

func (cfg Config) start(ctx context.Context, r web.Request) (web.Answer, error) {
	accept, err := cfg.accepted(r.Query)
	if err != nil {
		return web.Answer{}, err
	}
	job, s, err := cfg.runner().Start(ctx, state{Accept: accept})
	return answerOf(r, job, s, err)
}

func (cfg Config) proceed(ctx context.Context, r web.Request) (web.Answer, error) {
	job, s, err := cfg.runner().Continue(ctx, r.Path("job"))
	return answerOf(r, job, s, err)
}

func answerOf(r web.Request, job jobs.Job, s state, err error) (web.Answer, error) {
	if err != nil {
		return web.Answer{}, err
	}
	out := answer{r.Context("snapshots/$entity"), rowOf(s.Snapshot)}
	if !job.Done {
		out.Status = "running"
		return web.Later(r.JobAddress(Kind, job.ID), out), nil
	}
	return web.Object(out), nil
}

// slice continues the snapshot. Only the first one starts one: the request is for one snapshot,
// whichever run finishes it.
func (cfg Config) slice(ctx context.Context, s state) (state, bool, error) {
	if s.Begun {
		snaps, err := cfg.Reader.State(ctx)
		if err != nil {
			return s, false, err
		}
		for _, snap := range snaps {
			if snap.ID == s.Snapshot.ID && snap.Stage != directory.Reading && s.accepts(snap) {
				s.Snapshot = snap
				return s, true, nil
			}
		}
	}
	report, err := cfg.Snapshotter.Run(ctx, cfg.Slice, true, s.Accept...)
	// What was begun continues with the next slice.
	if cut := report.Stopped && report.Snapshot.ID != ""; err != nil && !cut {
		return s, false, err
	}
	s.Begun, s.Snapshot = true, report.Snapshot
	return s, (report.Finished || report.Idle) && s.accepts(s.Snapshot), nil
}

// accepts tells whether a snapshot counts as never granted all that was asked to. Another run may
// have ended it first; one more is taken then.
func (s state) accepts(snap directory.Snapshot) bool {
	return !slices.ContainsFunc(s.Accept, func(what string) bool { return !slices.Contains(snap.Accepted, what) })
}

// accepted reads what is to count as never granted.
func (cfg Config) accepted(q web.Query) ([]string, error) {
	var out []string
	for item := range strings.SplitSeq(q.Text("accept"), ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		known := cfg.Snapshotter.Resources()
		at := slices.IndexFunc(known, func(name string) bool { return strings.EqualFold(name, item) })
		if at < 0 {
			return nil, &entra.Error{Code: entra.CodeBadRequest, Doing: "read accept",
				Why:    fmt.Sprintf("%q is nothing that a snapshot reads", item),
				Remedy: "accepted are " + strings.Join(known, ", ")}
		}
		out = append(out, known[at])
	}
	if q.Has("accept") && len(out) == 0 {
		return nil, &entra.Error{Code: entra.CodeBadRequest, Doing: "read accept", Why: "it is empty",
			Remedy: "name what GET /api/snapshot lists as carried or lost, or leave accept out"}
	}
	return out, nil
}
