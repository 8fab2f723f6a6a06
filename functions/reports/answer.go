package reports

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/report"
	"github.com/entraledger/entraledger/internal/skiptoken"
	"github.com/entraledger/entraledger/internal/web"
)

// UndisclosedHeader says what of a report is not known because records do not say it.
const UndisclosedHeader = "X-EntraLedger-Undisclosed"

// asked is a report that is asked for, and where its answer goes on.
type asked struct {
	report.Question
	cfg  Config
	top  int
	csv  bool
	cut  bool // a file, too, ends with the page
	at   place
	walk skiptoken.Walk
}

// place is where a walk through a report's pages stands. The time that it is of is part of it: an
// end that was not given is the moment of the first page.
type place struct {
	Window report.Window `json:"w"`
	Rows   report.Place  `json:"p,omitzero"`
	Job    string        `json:"j,omitempty"`
	Offset int           `json:"o,omitempty"` // rows of a job or of snapshots that were given
}

// report answers with a page of a report, or with all of it as a file.
func (cfg Config) report(parameter string, old bool) func(context.Context, web.Request) (web.Answer, error) {
	return func(ctx context.Context, r web.Request) (web.Answer, error) {
		rep := report.Find(r.Path(parameter), old) // it was found
		if rep.Gone != "" {
			return web.Answer{}, &entra.Error{Code: entra.CodeRetired, Doing: "answer " + rep.Name,
				Why: "the first reports API had it, and it is retired", Remedy: "its place has " + rep.Gone}
		}
		a, err := cfg.read(ctx, r, rep)
		if err != nil {
			return web.Answer{}, err
		}
		switch {
		case rep.Unknown != "":
			return web.Answer{}, a.unknown(rep.Unknown, "")
		case rep.Snapshots != nil:
			return a.snapshots(ctx, r)
		case rep.Whole != nil:
			return a.whole(ctx, r)
		case len(rep.From) == 0:
			return web.Answer{}, a.unknown(rep.NoData, "")
		}
		return a.paged(ctx, r)
	}
}

// read reads a request for a report, and refuses a caller who may not have its records.
func (cfg Config) read(ctx context.Context, r web.Request, rep *report.Report) (asked, error) {
	a := asked{cfg: cfg, top: r.Query.Int("$top"), csv: r.Query.CSV(), cut: r.Query.Has("$top")}
	a.Report = rep
	if r.Query.Declares("merged") && r.Query.Text("merged") == "true" {
		if a.Merged = true; len(rep.Merges) == 0 {
			return a, web.Refuse("merged is true, and Entra's own logs have nothing beside "+rep.Name, "leave it out")
		}
	}
	for _, s := range rep.Streams(a.Merged) {
		if err := r.MayRead(s); err != nil {
			return a, err
		}
	}
	now, err := cfg.Sources.Clock(ctx, rep)
	if err != nil {
		return a, err
	}
	filter := r.Query.Text("$filter")
	if a.Window, err = report.ReadWindow(filter, r.Query.Has("$filter"), now); err != nil {
		return a, err
	}
	a.walk.Question = strings.Join([]string{rep.Name, filter, r.Query.Text("$format")}, "\n")
	if a.Merged {
		a.walk.Question += "\nmerged"
	}
	if a.walk.Secret, err = cfg.Secrets.Secret(ctx, secretName); err != nil {
		return a, err
	}
	if token := r.Query.Text("$skiptoken"); token != "" {
		if err = a.walk.Read(token, &a.at); err == nil {
			a.Window = a.at.Window
		}
		return a, err
	}
	a.at.Window = a.Window
	return a, nil
}

// unknown is the error of a report of which nothing can be said: an empty list would say that there
// is nothing.
func (a asked) unknown(why, remedy string) error {
	return &entra.Error{Code: entra.CodeUnknown, Doing: "answer " + a.Report.Name + " from " +
		a.Window.From.UTC().Format(time.RFC3339) + " to " + a.Window.To.UTC().Format(time.RFC3339),
		Why: why, Remedy: remedy}
}

// elsewhere is what to do about a time of which the archive has nothing.
const elsewhere = "ask for a time of which the archive has something: GET /api/coverage"

// next is the link of the walk's next page.
func (a asked) next(r web.Request, at place) string {
	at.Window = a.Window
	return r.NextLink(a.walk.Seal(at))
}

// paged answers with a page of rows that come straight from the archive.
func (a asked) paged(ctx context.Context, r web.Request) (web.Answer, error) {
	covered, err := a.cfg.Sources.Covers(ctx, a.Question)
	if err != nil {
		return web.Answer{}, err
	}
	web.SetGaps(r.Header, covered.Gaps)
	if covered.Unknown != "" {
		return web.Answer{}, a.unknown(covered.Unknown, elsewhere)
	}
	if a.csv && !a.cut {
		if err := a.tooLong(ctx, r); err != nil {
			return web.Answer{}, err
		}
		return a.file(ctx, r)
	}
	page, doubts, err := a.page(ctx, a.at.Rows, a.top)
	if err != nil {
		return web.Answer{}, err
	}
	if covered, err = a.cfg.Sources.Since(ctx, a.Question, covered); err != nil {
		return web.Answer{}, err
	}
	return a.answer(r, answered{rows: page.Rows, gaps: covered.Gaps, tampered: page.Tampered, doubts: doubts,
		more: page.More, next: place{Rows: page.At}})
}

// slicesOfDay is how many slices of time the first day of a page may take.
const slicesOfDay = 4

// page reads a page, or what one request can read of it, and says what is not known.
func (a asked) page(ctx context.Context, at report.Place, top int) (report.Page, string, error) {
	until := time.Now().Add(a.cfg.Slice)
	if a.Report.Daily != nil {
		page, doubts, err := a.cfg.Sources.Daily(ctx, a.Question, a.cfg.days, at, top, until,
			time.Now().Add(slicesOfDay*a.cfg.Slice))
		return page, strings.Join(doubts, "; "), err
	}
	page, err := a.cfg.Sources.Rows(ctx, a.Question, at, top, until)
	if err != nil {
		return page, "", err
	}
	doubts, nothing := report.Withheld(a.Report, page.At)
	if nothing && !page.More && page.At.Rows == 0 {
		return page, "", a.unknown(doubts, "")
	}
	return page, doubts, nil
}

// answered is what there is to answer.
type answered struct {
	rows     []report.Row
	gaps     []ledger.Gap
	tampered int
	doubts   string
	more     bool
	next     place
}

// answer writes a page. Where a search met nothing yet, that is no answer: it goes on at Location.
func (a asked) answer(r web.Request, got answered) (web.Answer, error) {
	web.SetGaps(r.Header, got.gaps)
	web.SetTampered(r.Header, got.tampered)
	setUndisclosed(r.Header, got.doubts)
	if a.csv && (len(got.rows) > 0 || !got.more) {
		return a.csvOf(got.rows), nil
	}
	rows := make([]json.RawMessage, 0, len(got.rows))
	for _, row := range got.rows {
		rows = append(rows, a.object(row))
	}
	out := a.list(rows)
	said := out.About.(about)
	said.Withheld, said.Tampered, said.Gaps = got.doubts, int64(got.tampered), listed(got.gaps)
	if got.more && len(rows) == 0 {
		said.Status = "running"
		out.About = said
		return out.Later(a.next(r, got.next)), nil
	}
	out.About = said
	if got.more {
		out.NextLink = a.next(r, got.next)
	}
	return out.Answer(), nil
}

// mostGaps is how many gaps are listed one by one.
const mostGaps = 200

// listed are the gaps for an answer: the first mostGaps, and one more that covers the rest and says
// how many they are.
func listed(gaps []ledger.Gap) []web.Gap {
	if len(gaps) <= mostGaps {
		return web.Gaps(gaps)
	}
	rest := gaps[mostGaps:]
	last := ledger.Gap{From: rest[0].From, Reason: fmt.Sprintf("%d more gaps lie here; ask for less time", len(rest))}
	for _, g := range rest {
		last.To = entra.Later(last.To, g.To)
	}
	return web.Gaps(append(slices.Clone(gaps[:mostGaps]), last))
}

func setUndisclosed(h http.Header, doubts string) {
	if doubts != "" {
		h.Set(UndisclosedHeader, web.Printable(entra.Clip(doubts, 600)))
	}
}

// snapshots answers with what snapshots of the directory counted.
func (a asked) snapshots(ctx context.Context, r web.Request) (web.Answer, error) {
	counts, why, err := a.cfg.Sources.Directory.UserCounts(ctx, a.Window.From, a.Window.To)
	if err != nil {
		return web.Answer{}, err
	}
	if len(counts) == 0 {
		return web.Answer{}, a.unknown(why, "")
	}
	return a.part(r, a.Report.Snapshots(counts), answered{})
}

// part answers with a page of rows that are all there.
func (a asked) part(r web.Request, rows []report.Row, got answered) (web.Answer, error) {
	from := min(a.at.Offset, len(rows))
	to := len(rows)
	if !a.csv || a.cut {
		to = min(from+a.top, len(rows))
	}
	got.rows, got.more = rows[from:to], to < len(rows)
	got.next.Job, got.next.Offset = a.at.Job, to
	return a.answer(r, got)
}

// whole answers with a sum over the whole time. What one request can't do is a job, at which the
// requests to Location work; a result of several pages is kept, too, so that all are of one sum.
func (a asked) whole(ctx context.Context, r web.Request) (web.Answer, error) {
	var (
		job   jobs.Job
		state report.Job
		err   error
	)
	if a.at.Job == "" {
		if err := a.cfg.Jobs.DropJobs(ctx, Kind, a.cfg.Now().Add(-kept)); err != nil {
			return web.Answer{}, err
		}
		job, state, err = a.runner().Start(ctx, report.Job{Name: a.Report.Name, Window: a.Window, Merged: a.Merged})
		a.at.Job = job.ID
	} else {
		job, state, err = a.runner().Continue(ctx, a.at.Job)
		if entra.CodeOf(err) == entra.CodeNotFound && err != nil {
			err = &entra.Error{Code: entra.CodeTokenExpired, Doing: "go on with " + a.Report.Name,
				Why:    "a sum is kept for a day, and this one is gone",
				Remedy: "begin again without $skiptoken"}
		}
	}
	if err == nil && !a.isOf(state) {
		err = &entra.Error{Code: entra.CodeTampered, Doing: "go on with " + a.Report.Name,
			Why:    "job " + a.at.Job + " is of another report or time than its link",
			Remedy: "begin again without $skiptoken"}
	}
	if err != nil {
		return web.Answer{}, err
	}
	if !job.Done {
		web.SetGaps(r.Header, state.Lacks)
		out := a.list([]json.RawMessage{})
		said := out.About.(about)
		said.Status = "running"
		out.About = said
		return out.Later(a.next(r, place{Job: job.ID})), nil
	}
	if state.Unknown != "" {
		web.SetGaps(r.Header, state.Lacks)
		return web.Answer{}, a.unknown(state.Unknown, "")
	}
	return a.part(r, state.Rows, answered{gaps: state.Lacks, tampered: state.Tampered, doubts: state.Doubt})
}

// isOf reports whether a job is the one of this question.
func (a asked) isOf(j report.Job) bool {
	return j.Name == a.Report.Name && j.Merged == a.Merged && j.Window.From.Equal(a.Window.From) &&
		j.Window.To.Equal(a.Window.To)
}

// Kind is the kind of its jobs.
const Kind = "reports"

// kept is for how long the jobs are: their rows name users, and are no part of what retention
// drops.
const kept = 24 * time.Hour

func (a asked) runner() *jobs.Runner[report.Job] {
	return &jobs.Runner[report.Job]{Kind: Kind, Store: a.cfg.Jobs, Now: a.cfg.Now, Slice: a.cfg.Slice,
		Keep: func(j report.Job) bool { return len(j.Rows) > a.top && (!a.csv || a.cut) },
		Work: func(ctx context.Context, j report.Job) (report.Job, bool, error) {
			j, err := a.cfg.Sources.Work(ctx, j, time.Now().Add(a.cfg.Slice))
			return j, j.Done(), err
		}}
}
