// Package users is the HTTP function that returns everything that the snapshot has about one user.
package users

import (
	"context"
	_ "embed"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Snapshot is what the function reads.
type Snapshot interface {
	User(ctx context.Context, id string, days int) (directory.Snapshot, json.RawMessage, error)
}

// Tenant is asked for what the snapshot does not have.
type Tenant interface {
	// UserDetails asks for all but some lists, which rest names.
	UserDetails(ctx context.Context, id string, now time.Time) (details directory.UserDetails, rest []string)
	// UserList reads one more page of such a list, and gives the link to the next.
	UserList(ctx context.Context, word, id, link string, nth int, into *directory.UserDetails) (next string, err error)
}

// Kind is the kind of its jobs.
const Kind = "users"

// Config of the function.
type Config struct {
	Snapshot Snapshot
	Tenant   Tenant
	Jobs     jobs.Store
	Now      func() time.Time
	Slice    time.Duration // how long one request works
}

// New makes the function.
func New(cfg Config) web.Function {
	id := web.Text("id", "Object ID or user principal name")
	evidence := web.Shape{Name: "userEvidence", Later: true, Is: struct {
		about
		directory.UserRow
	}{}}
	days := web.Whole("days", 90, 1, 3650, "Inactive after so many days")
	only := web.ByID("id")
	only.Required = true
	return web.Function{Name: "users", Trigger: trigger, Operations: []web.Operation{
		{
			Summary: "One user by an odd ID", Text: "A list that has one user, or nobody, with all evidence.",
			Role: web.RoleRead, Parameters: []web.Parameter{only, days},
			Answers: web.Shape{Name: "users", Rows: directory.UserRow{}, AsOf: true}, Do: cfg.list,
		},
		{
			Given: "id", ID: "GetUser", Summary: "One user with all evidence",
			Text: "All that the snapshot knows of one user. " +
				"With details, the answer is 202: roles, groups and applications are read while Location is asked.",
			Role: web.RoleRead, Path: []web.Parameter{id},
			Parameters: []web.Parameter{days, withDetails()},
			Answers:    evidence, Heavier: asksGraph, Do: cfg.get,
		},
		{
			Given: "job", ID: "ContinueUser", Summary: "Go on with the details of a user",
			Text: "Reads more roles, groups and applications of a user whose details were asked for. " + web.UntilDone,
			Role: web.RoleRead, Path: []web.Parameter{id, web.Job()}, Answers: evidence, Class: web.Long,
			Do: cfg.proceed,
		},
	}}
}

// asksGraph is the class of a request for a user.
func asksGraph(r web.Request) web.Class {
	if r.Query.Text("details") == "true" {
		return web.Long
	}
	return web.Short
}

func withDetails() web.Parameter {
	p := web.Choice("details", "false", "Whether Graph is asked for what is not part of the snapshot", "true", "false")
	p.Note = "Leave date, manager, sponsors, roles, groups, applications, and what the mailbox is for"
	return p
}

// about precedes the user's own properties.
type about struct {
	Context     string                  `json:"@odata.context" text:"What this is"`
	AsOf        string                  `json:"asOfDateTime" text:"As of when"`
	Undisclosed []directory.Undisclosed `json:"undisclosed,omitempty" text:"What the tenant did not disclose"`
	Status      string                  `json:"status,omitempty" text:"running, while roles, groups and applications are read"`
	Details     *directory.UserDetails  `json:"details,omitempty" text:"As Graph has them now, where details=true"`
}

// state is a user whose details were asked for, between two requests.
type state struct {
	About about
	Row   json.RawMessage // the user's own properties
	ID    string
	Begun bool
	Rest  []string // the lists that are still to be read
	Link  string   // the next page of the first of them; empty: its first
	Pages int      // of it that were read
}

// list answers with the list of one user, for an id that no address takes.
func (cfg Config) list(ctx context.Context, r web.Request) (web.Answer, error) {
	snap, row, err := cfg.Snapshot.User(ctx, r.Query.ID(), r.Query.Int("days"))
	out := web.List[json.RawMessage]{Of: "users", AsOf: snap.AsOf, Value: []json.RawMessage{row}}
	if entra.CodeOf(err) == entra.CodeNotFound && err != nil {
		out.Value, err = nil, nil
	}
	return out.Answer(), err
}

// get answers with the user's row.
func (cfg Config) get(ctx context.Context, r web.Request) (web.Answer, error) {
	snap, row, err := cfg.Snapshot.User(ctx, r.Path("id"), r.Query.Int("days"))
	if err != nil {
		return web.Answer{}, err
	}
	about := about{Context: r.Context("users/$entity"), AsOf: web.Time(snap.AsOf), Undisclosed: snap.Withheld()}
	if r.Query.Text("details") != "true" {
		return web.Entity(about, row), nil
	}
	var user directory.UserRow
	if err := json.Unmarshal(row, &user); err != nil {
		return web.Answer{}, err
	}
	job, s, err := cfg.runner().Start(ctx, state{About: about, Row: row, ID: user.ID})
	return answerOf(r, job, s, err)
}

// proceed goes on with the lists.
func (cfg Config) proceed(ctx context.Context, r web.Request) (web.Answer, error) {
	job, s, err := cfg.runner().Continue(ctx, r.Path("job"))
	if err == nil && !strings.EqualFold(inPath(s.ID), r.Path("id")) {
		err = jobs.NotFound(Kind, r.Path("job"))
	}
	return answerOf(r, job, s, err)
}

func (cfg Config) runner() *jobs.Runner[state] {
	return &jobs.Runner[state]{Kind: Kind, Store: cfg.Jobs, Now: cfg.Now, Slice: cfg.Slice, Work: cfg.work}
}

// inPath is the part of a job's address that names the user.
func inPath(id string) string {
	if web.InPath(id) {
		return id
	}
	return "-"
}

// answerOf has what is known already also where lists are still read.
func answerOf(r web.Request, job jobs.Job, s state, err error) (web.Answer, error) {
	if err != nil {
		return web.Answer{}, err
	}
	if job.Done {
		return web.Entity(s.About, s.Row), nil
	}
	s.About.Status = "running"
	head, err := json.Marshal(s.About)
	if err != nil {
		return web.Answer{}, err
	}
	return web.Later(r.JobAddress(Kind+"/"+url.PathEscape(inPath(s.ID)), job.ID),
		json.RawMessage(slices.Concat(head[:len(head)-1], []byte(","), s.Row[1:]))), nil
}

// work asks for what is answered at once, and with the next requests for the lists, page by page.
func (cfg Config) work(ctx context.Context, s state) (state, bool, error) {
	if !s.Begun {
		details, rest := cfg.Tenant.UserDetails(ctx, s.ID, cfg.Now())
		s.About.Details, s.Rest, s.Begun = &details, rest, true
		return s, len(rest) == 0, nil
	}
	details := *s.About.Details
	s.About.Details = &details
	slice, stop := context.WithTimeout(ctx, cfg.Slice)
	defer stop()
	for len(s.Rest) > 0 && slice.Err() == nil {
		next, err := cfg.Tenant.UserList(ctx, s.Rest[0], s.ID, s.Link, s.Pages, &details)
		if err != nil {
			return s, false, err
		}
		s.Link, s.Pages = next, s.Pages+1
		if next == "" {
			s.Rest, s.Pages = s.Rest[1:], 0
		}
	}
	return s, len(s.Rest) == 0, nil
}
