// Package inactiveusers is the HTTP function that lists the users who have stopped signing in, with
// the reason.
package inactiveusers

import (
	"context"
	_ "embed"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Snapshot is what the function reads.
type Snapshot interface {
	Users(ctx context.Context, q directory.UserQuery, top int, count bool, token string) (directory.UserPage, error)
	EachUser(ctx context.Context, q directory.UserQuery, row func(directory.UserRow) error) error
	UserSummary(ctx context.Context, q directory.UserQuery) (directory.Snapshot, int64, []directory.Count, error)
}

// Exceptions reads groups that a question leaves out, where nobody has read them yet.
type Exceptions interface {
	// Read reports whether there were any; the question is then answered when it is asked again.
	Read(ctx context.Context, q directory.UserQuery, token string) (asked bool, err error)
}

const (
	defaultDays = 90
	// maxDays is ten years: Microsoft has recorded sign-ins since April 2020.
	maxDays = 3650
)

// New makes the function.
func New(snapshot Snapshot, exceptions Exceptions) web.Function {
	f := function{snapshot, exceptions}
	return web.Function{Name: "inactiveusers", Trigger: trigger, Operations: []web.Operation{
		{
			ID: "ListInactiveUsers", Summary: "Who is inactive",
			Text: "Users who show no sign of life, with the timestamp or rule that decided.", Role: web.RoleRead,
			Parameters: slices.Concat(filters(), []web.Parameter{web.ByID("id")},
				web.ListParameters(directory.MaxTop, web.Names[directory.UserRow](), directory.UserOrders())),
			Answers: web.Shape{Name: "inactiveUsers", Is: about{}, Rows: directory.UserRow{}, AsOf: true, Count: true,
				Pages: true, Later: true, Text: "Users, the longest inactive first"},
			Heavier: web.Walking(walking...), Do: f.list,
		},
		{
			Given: "view", Word: "summary", ID: "SummarizeInactiveUsers", Summary: "Count inactive users",
			Text: "Counts by age band, type, enabled, licensed and so on, for charts.", Role: web.RoleRead,
			Parameters: append(web.Refusing(filters(), "before", "exclude", "department", "domain",
				"externalUserState", "newSince", "reader"), web.Format()),
			Answers: web.Shape{Name: "inactiveUsersSummary", Is: aboutCounts{}, Rows: directory.Count{}, AsOf: true,
				Text: "Bars of charts"},
			Do: f.summary,
		},
		f.counting(),
	}}
}

// walking are the parameters with which a page takes a walk through all users, or all of them in
// memory, or Graph may have to be asked for a group.
var walking = []string{"exclude", "newSince", "reader", "before", "department", "domain", "externalUserState",
	"$filter", "$orderby"}

// filters are what both views accept.
func filters() []web.Parameter {
	exclude := web.Text("exclude", "IDs or sign-in names of users, and IDs of groups, with commas between")
	exclude.Note = "Up to 100. Groups of `SNAPSHOT_GROUPS` are read with the snapshot; of another one Graph is asked " +
		"once, and the answer is 202. What is neither is " +
		"refused: an account that " +
		"somebody needs must not be reported for a mistyped exception. Given and empty it is refused, too. " +
		"Of a group of which nothing confirms that all members came, those of the snapshot before stay left out"
	days := web.Whole("days", defaultDays, 1, maxDays, "Without a sign of life for so many days")
	days.Note = "Counted from `asOfDateTime`"
	department := web.Text("department", "Their department, whatever its case")
	department.Note = "Given and empty it is refused"
	domain := web.Text("domain", "The domain of their sign-in name, whatever its case")
	domain.Note = "That of a guest is this tenant's, as a rule. Given and empty it is refused"
	before := web.Moment("before", "", "Instead of days: since before a date or time")
	before.Note = "Up to 24 hours before `asOfDateTime`"
	return append([]web.Parameter{
		days,
		before,
		web.Choice("userType", "all", "Members, guests or both", "member", "guest", "all"),
		web.Flag("enabled", "Whether the account may sign in"),
		web.Flag("licensed", "Whether it has a licence"),
		web.Flag("synced", "Whether it is synchronised from on-premises"),
		web.Choice("neverSignedIn", "include", "Those who never signed in", "include", "only", "exclude"),
		web.Choice("state", directory.Inactive, "Inactive users, those of whom nobody knows, or all",
			directory.Inactive, directory.Unknown, "all"),
		department,
		domain,
		web.Choice("externalUserState", "all", "Guests who accepted the invitation, those who did not, or all users",
			"Accepted", "PendingAcceptance", "all"),
		exclude,
	}, web.Since()...)
}

type function struct {
	snapshot   Snapshot
	exceptions Exceptions
}

// about is what the list says of itself.
type about struct {
	Before      string                  `json:"inactiveBeforeDateTime"`
	NewSince    string                  `json:"newSinceDateTime,omitempty"`
	Answered    string                  `json:"answeredAtDateTime" text:"When it was answered"`
	NextCursor  string                  `json:"nextCursor,omitempty"`
	Undisclosed []directory.Undisclosed `json:"undisclosed,omitempty" text:"What the tenant did not disclose"`
}

// Texts are those that are too long for their line.
func (about) Texts() map[string]string {
	return map[string]string{
		"inactiveBeforeDateTime": "Who shows no sign of life since then is inactive",
		"newSinceDateTime":       "The snapshot up to which was told before; what is listed is new since then",
		"nextCursor":             "On the last page: newSince of the next call, which then tells what is new",
	}
}

// list answers with a page, or a file.
func (f function) list(ctx context.Context, r web.Request) (web.Answer, error) {
	q, err := question(r.Query)
	if err != nil {
		return web.Answer{}, err
	}
	q.ID = r.Query.ID()
	l := r.Query.ListQuery()
	q.Order.By, q.Order.Desc = l.By, l.Desc
	if asked, err := f.exceptions.Read(ctx, q, l.Token); err != nil || asked {
		return askAgain(r), err
	}
	if r.Query.CSV() {
		return web.File("inactive-users.csv", l.Fields, func(row func(directory.UserRow) error) error {
			return f.snapshot.EachUser(ctx, q, row)
		}), nil
	}
	page, err := f.snapshot.Users(ctx, q, l.Top, l.Count, l.Token)
	if err != nil {
		return web.Answer{}, err
	}
	out := web.List[json.RawMessage]{Of: "inactiveUsers", AsOf: page.Snapshot.AsOf, Count: page.Count, Value: page.Rows,
		About: about{web.Time(page.Cutoff), web.Time(page.Since), web.Time(page.Answered), page.Cursor,
			page.Snapshot.Withheld()}}
	for i, row := range out.Value {
		out.Value[i] = web.Project(row, l.Fields)
	}
	if page.Next != "" {
		out.NextLink = r.NextLink(page.Next)
	}
	return out.Answer(), nil
}

// reading is what is answered where a group was read that the question leaves out.
type reading struct {
	Status string `json:"status"`
	Where  string `json:"location"`
}

// askAgain answers that the same request is answered from now on.
func askAgain(r web.Request) web.Answer {
	where := r.Link(nil)
	return web.Later(where, reading{"readingGroups", where})
}

// question reads what both views accept.
func question(p web.Query) (directory.UserQuery, error) {
	q := directory.UserQuery{Days: p.Int("days"), Before: p.Time("before"), Enabled: p.Flag("enabled"),
		Licensed: p.Flag("licensed"), Synced: p.Flag("synced"), Exclude: p.List("exclude"), State: p.Text("state")}
	if p.Has("days") && p.Has("before") {
		return q, web.Refuse("both days and before are given", "give one of the two")
	}
	if p.Has("exclude") && len(q.Exclude) == 0 {
		return q, web.Refuse("exclude is given, and names nobody: a variable may have come out empty",
			"name who is left out, or leave out the parameter")
	}
	for _, name := range []string{"department", "domain"} {
		if p.Has(name) && strings.TrimSpace(p.Text(name)) == "" {
			return q, web.Refuse(name+" is given, and empty: a variable may have come out empty",
				"say which one is asked for, or leave out the parameter")
		}
	}
	if p.Has("before") {
		q.Days = 0
	}
	switch p.Text("userType") {
	case "member":
		q.Guest = new(false)
	case "guest":
		q.Guest = new(true)
	}
	switch p.Text("neverSignedIn") {
	case "only":
		q.Never = new(true)
	case "exclude":
		q.Never = new(false)
	}
	texts := directory.UserTexts{Department: p.Text("department"), Domain: p.Text("domain"),
		ExternalState: p.Text("externalUserState")}
	if texts.ExternalState == "all" {
		texts.ExternalState = ""
	}
	if strings.Contains(texts.Domain, "@") {
		return q, web.Refuse("domain is "+strconv.Quote(texts.Domain), "give what follows the @")
	}
	if !texts.None() {
		q.Texts = &texts
	}
	if q.State == "all" {
		q.State = ""
	}
	since, err := p.Since()
	q.NewSince = directory.NewSince(since)
	return q, err
}

// aboutCounts is what the summary says of itself.
type aboutCounts struct {
	Before      string                  `json:"inactiveBeforeDateTime"`
	Undisclosed []directory.Undisclosed `json:"undisclosed,omitempty" text:"What the tenant did not disclose"`
	Total       int64                   `json:"total" text:"Users in the asked state"`
}

// Texts are those that are too long for their line.
func (aboutCounts) Texts() map[string]string {
	return map[string]string{
		"inactiveBeforeDateTime": "Who shows no sign of life since then is inactive",
	}
}

// summary answers with counts.
func (f function) summary(ctx context.Context, r web.Request) (web.Answer, error) {
	q, err := question(r.Query)
	if err != nil {
		return web.Answer{}, err
	}
	snap, total, counts, err := f.snapshot.UserSummary(ctx, q)
	if err != nil {
		return web.Answer{}, err
	}
	before := snap.AsOf.Add(-time.Duration(q.Days) * 24 * time.Hour)
	return web.List[directory.Count]{Of: "inactiveUsersSummary", AsOf: snap.AsOf, Value: counts,
		About: aboutCounts{web.Time(before), snap.Withheld(), total}, File: "inactive-users-summary"}.Answer(), nil
}
