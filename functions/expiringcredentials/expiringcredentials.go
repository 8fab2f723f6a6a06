// Package expiringcredentials is the HTTP function that lists the secrets and certificates that
// have expired, expire soon, or are not used.
package expiringcredentials

import (
	"context"
	_ "embed"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Snapshot is what the function reads.
type Snapshot interface {
	Credentials(ctx context.Context, q directory.CredentialQuery, top int, count bool, token string) (
		directory.CredentialPage, error)
	EachCredential(ctx context.Context, q directory.CredentialQuery, row func(directory.CredentialRow) error) error
	CredentialSummary(ctx context.Context, q directory.CredentialQuery) (
		directory.Snapshot, int64, []directory.Count, error)
}

const (
	defaultWithin = 30
	defaultUnused = 30
	maxDays       = 3650
	day           = 24 * time.Hour
)

// New makes the function.
func New(snapshot Snapshot) web.Function {
	f := function{snapshot}
	return web.Function{Name: "expiringcredentials", Trigger: trigger, Operations: []web.Operation{
		{
			ID: "ListExpiringCredentials", Summary: "Which credentials expire",
			Text: "Secrets and certificates of applications by state, each once, with owners and successors.",
			Role: web.RoleRead,
			Parameters: slices.Concat(filters(),
				web.ListParameters(directory.MaxTop, web.Names[directory.CredentialRow](),
					directory.CredentialOrders())),
			Answers: web.Shape{Name: "expiringCredentials", Is: about{}, Rows: directory.CredentialRow{}, AsOf: true,
				Count: true, Pages: true, Text: "Credentials, by their end"},
			Do: f.list,
		},
		{
			Given: "view", Word: "summary", ID: "SummarizeCredentials", Summary: "Count credentials",
			Text: "Counts by state, kind, origin and owner, for charts.", Role: web.RoleRead,
			Parameters: append(web.Refusing(filters(), "appId", "successor", "selfRotating", "exclude", "newSince",
				"reader"), web.Format()),
			Answers: web.Shape{Name: "expiringCredentialsSummary", Is: aboutCounts{}, Rows: directory.Count{},
				AsOf: true,
				Text: "Bars of charts"},
			Do: f.summary,
		},
		f.counting(),
	}}
}

// filters are what both views accept.
func filters() []web.Parameter {
	state := web.Words("state", string(directory.Expiring),
		"expired, expiring, unused, valid, several with commas between, or all", string(directory.Expired),
		string(directory.Expiring), string(directory.Unused), string(directory.Valid), "all")
	state.Note = "The first that fits"
	unused := web.Whole("unusedDays", defaultUnused, 1, maxDays, "Unused for so many days")
	unused.Note = "By the tenant's report of use, or since it began"
	return append([]web.Parameter{
		web.Whole("withinDays", defaultWithin, 0, maxDays, "Expiring within so many days"),
		state,
		web.Choice("kind", "all", "Secrets, certificates or both",
			string(directory.Secret), string(directory.Certificate), "all"),
		web.Choice("origin", "all", "On applications, service principals or both",
			string(directory.OnApplication), string(directory.OnServicePrincipal), "all"),
		web.Text("appId", "Client ID of one application"),
		web.Text("owner", "ID or sign-in name of an owner, or none"),
		unused,
		web.Choice("successor", "all", "Those that nothing newer replaces, those beside which there is something newer, "+
			"or both", "none", "present", "all"),
		web.Flag("selfRotating", "Whether they are renewed without a person"),
		web.Text("exclude", "Client IDs, object IDs or key IDs, with commas between"),
	}, web.Since()...)
}

type function struct{ snapshot Snapshot }

// about is what the list says of itself.
type about struct {
	Now         string                  `json:"statesAtDateTime" text:"The moment for which states are told"`
	NewSince    string                  `json:"newSinceDateTime,omitempty"`
	Answered    string                  `json:"answeredAtDateTime" text:"When it was answered"`
	NextCursor  string                  `json:"nextCursor,omitempty"`
	Undisclosed []directory.Undisclosed `json:"undisclosed,omitempty" text:"What the tenant did not disclose"`
}

// Texts are those that are too long for their line.
func (about) Texts() map[string]string {
	return map[string]string{
		"newSinceDateTime": "The snapshot up to which was told before; what is listed is new since then",
		"nextCursor":       "On the last page: newSince of the next call, which then tells what is new",
	}
}

// list answers with a page, or a file.
func (f function) list(ctx context.Context, r web.Request) (web.Answer, error) {
	q, err := question(r.Query)
	if err != nil {
		return web.Answer{}, err
	}
	l := r.Query.ListQuery()
	q.Order.By, q.Order.Desc = l.By, l.Desc
	if r.Query.CSV() {
		return web.File("expiring-credentials.csv", l.Fields, func(row func(directory.CredentialRow) error) error {
			return f.snapshot.EachCredential(ctx, q, row)
		}), nil
	}
	page, err := f.snapshot.Credentials(ctx, q, l.Top, l.Count, l.Token)
	if err != nil {
		return web.Answer{}, err
	}
	out := web.List[web.Selected]{Of: "expiringCredentials", AsOf: page.Snapshot.AsOf, Count: page.Count,
		About: about{web.Time(page.Now), web.Time(page.Since), web.Time(page.Answered), page.Cursor,
			page.Snapshot.Undisclosed}}
	for _, row := range page.Rows {
		out.Value = append(out.Value, web.Selected{Object: row, Fields: l.Fields})
	}
	if page.Next != "" {
		out.NextLink = r.NextLink(page.Next)
	}
	return out.Answer(), nil
}

// question reads what both views accept.
func question(p web.Query) (directory.CredentialQuery, error) {
	q := directory.CredentialQuery{
		Within: time.Duration(p.Int("withinDays")) * day, UnusedFor: time.Duration(p.Int("unusedDays")) * day,
		AppID: p.Text("appId"), Owner: p.Text("owner"), Exclude: p.List("exclude"),
		SelfRotating: p.Flag("selfRotating"),
	}
	switch p.Text("successor") {
	case "none":
		q.Successor = new(false)
	case "present":
		q.Successor = new(true)
	}
	if states := p.List("state"); !slices.Contains(states, "all") {
		for _, s := range states {
			q.States = append(q.States, directory.State(s))
		}
	}
	if kind := p.Text("kind"); kind != "all" {
		q.Kind = directory.Kind(kind)
	}
	if origin := p.Text("origin"); origin != "all" {
		q.Origin = directory.Origin(origin)
	}
	since, err := p.Since()
	q.NewSince = directory.NewSince(since)
	return q, err
}

// aboutCounts is what the summary says of itself.
type aboutCounts struct {
	Undisclosed []directory.Undisclosed `json:"undisclosed,omitempty" text:"What the tenant did not disclose"`
	Total       int64                   `json:"total" text:"Credentials in the asked states"`
}

// summary answers with counts.
func (f function) summary(ctx context.Context, r web.Request) (web.Answer, error) {
	q, err := question(r.Query)
	if err != nil {
		return web.Answer{}, err
	}
	snap, total, counts, err := f.snapshot.CredentialSummary(ctx, q)
	if err != nil {
		return web.Answer{}, err
	}
	return web.List[directory.Count]{Of: "expiringCredentialsSummary", AsOf: snap.AsOf, Value: counts,
		About: aboutCounts{snap.Undisclosed, total}, File: "expiring-credentials-summary"}.Answer(), nil
}
