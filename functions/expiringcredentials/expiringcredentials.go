// Package expiringcredentials is the HTTP function that lists the secrets and certificates that
// have expired, expire soon, or are not used.
package expiringcredentials

import (
	"context"
	_ "embed"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Snapshot is what the function reads.
type Snapshot interface {
	Credentials(ctx context.Context, q directory.CredentialQuery, top int, count bool, token string) (
		directory.CredentialPage, error)
	CredentialHint(ctx context.Context, q directory.CredentialQuery) (string, error)
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
			Parameters: slices.Concat(filters(), []web.Parameter{web.ByID("keyId")},
				web.ListParameters(directory.MaxTop, web.Names[directory.CredentialRow](),
					directory.CredentialOrders())),
			Answers: web.Shape{Name: "expiringCredentials", Is: about{}, Rows: directory.CredentialRow{}, AsOf: true,
				Count: true, Pages: true, Text: "Credentials, by their end"},
			Heavier: web.Walking("newSince", "reader", "$filter", "$orderby", "$count"), Do: f.list,
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
		kind(),
		web.Choice("origin", "all", "On applications, service principals or both",
			string(directory.OnApplication), string(directory.OnServicePrincipal), "all"),
		web.Text("appId", "Client ID of one application"),
		owner(),
		unused,
		web.Choice("successor", "all", "Those that nothing newer replaces, those beside which there is "+
			"something newer, "+
			"or both", "none", "present", "all"),
		web.Flag("selfRotating", "Whether they are renewed without a person"),
		microsoft(),
		web.Text("exclude", "Client IDs, object IDs or key IDs, with commas between"),
	}, web.Since()...)
}

func kind() web.Parameter {
	p := web.Choice("kind", "all", "Secrets, certificates, federated credentials, or all",
		string(directory.Secret), string(directory.Certificate), string(directory.FederatedKind), "all")
	p.Note = "Federated credentials have no end: they are valid, and never expiring or unused"
	return p
}

func owner() web.Parameter {
	p := web.Text("owner", "ID, sign-in name or mail address of an owner, or none")
	p.Note = "None asks for those of whose owners none can be written to; noOwnerReason says why"
	return p
}

func microsoft() web.Parameter {
	p := web.Choice("microsoft", "exclude", "Those on Microsoft's own service principals: left out "+
		"unless they sign SAML "+
		"tokens, included, or alone", "exclude", string(timeline.WithMicrosoft), string(timeline.OnlyMicrosoft))
	p.Note = "Nobody here renews what signs no SAML tokens. With only, state=all and a reader a flow " +
		"is told each that " +
		"somebody adds"
	return p
}

type function struct{ snapshot Snapshot }

// about is what the list says of itself.
type about struct {
	Now         string                  `json:"statesAtDateTime" text:"The moment for which states are told"`
	NewSince    string                  `json:"newSinceDateTime,omitempty"`
	Answered    string                  `json:"answeredAtDateTime" text:"When it was answered"`
	NextCursor  string                  `json:"nextCursor,omitempty"`
	Hint        string                  `json:"hint,omitempty" text:"What of the question fits nothing"`
	Microsoft   int64                   `json:"newOnMicrosoftPrincipals,omitempty"`
	Undisclosed []directory.Undisclosed `json:"undisclosed,omitempty" text:"What the tenant did not disclose"`
}

// Texts are those that are too long for their line.
func (about) Texts() map[string]string {
	return map[string]string{
		"newSinceDateTime": "The snapshot up to which was told before; what is listed is new since then",
		"newOnMicrosoftPrincipals": "Credentials that the snapshot before did not have on Microsoft's own service " +
			"principals; microsoft=only lists these principals' credentials",
		"nextCursor": "On the last page: newSince of the next call, which then tells what is new",
	}
}

// list answers with a page, or a file.
func (f function) list(ctx context.Context, r web.Request) (web.Answer, error) {
	q, err := question(r.Query)
	if err != nil {
		return web.Answer{}, err
	}
	q.KeyID = r.Query.ID()
	l := r.Query.ListQuery()
	q.Order.By, q.Order.Desc = l.By, l.Desc
	if r.Query.CSV() {
		hint, err := f.snapshot.CredentialHint(ctx, q)
		if err != nil {
			return web.Answer{}, err
		}
		web.SetHint(r.Header, hint)
		return web.File("expiring-credentials.csv", l.Fields, func(row func(directory.CredentialRow) error) error {
			return f.snapshot.EachCredential(ctx, q, row)
		}), nil
	}
	page, err := f.snapshot.Credentials(ctx, q, l.Top, l.Count, l.Token)
	if err != nil {
		return web.Answer{}, err
	}
	web.SetHint(r.Header, page.Hint)
	out := web.List[web.Selected]{Of: "expiringCredentials", AsOf: page.Snapshot.AsOf, Count: page.Count,
		About: about{web.Time(page.Now), web.Time(page.Since), web.Time(page.Answered), page.Cursor,
			page.Hint, page.Snapshot.MicrosoftNew, page.Snapshot.Withheld()}}
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
	if m := p.Text("microsoft"); m != "exclude" {
		q.Microsoft = timeline.Microsoft(m)
	}
	if err := check(p); err != nil {
		return q, err
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

// id is the form of all ids of the directory.
var id = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// check refuses ids that can be none: with a mistyped one nothing would be found, or left out.
func check(p web.Query) error {
	const remedy = "accepted are ids such as 0b3c2a4e-0000-4000-8000-000000000000"
	if p.Has("appId") && !id.MatchString(p.Text("appId")) {
		return web.Refuse("appId is "+strconv.Quote(p.Text("appId")), remedy)
	}
	if p.Has("exclude") && len(p.List("exclude")) == 0 {
		return web.Refuse("exclude is given, and names nothing: a variable may have come out empty",
			"name what is left out, or leave out the parameter")
	}
	for _, item := range p.List("exclude") {
		if !id.MatchString(item) {
			return web.Refuse("exclude has "+strconv.Quote(item), remedy+", with commas between")
		}
	}
	if owner := p.Text("owner"); p.Has("owner") && owner != "none" && !id.MatchString(owner) && !isName(owner) {
		return web.Refuse("owner is "+strconv.Quote(owner), remedy+", a sign-in name, a mail address, or none")
	}
	return nil
}

// isName tells whether a text can be a sign-in name or a mail address.
func isName(text string) bool {
	name, domain, ok := strings.Cut(text, "@")
	return ok && name != "" && domain != "" && !strings.ContainsAny(text, " ,;\t\r\n") &&
		!strings.Contains(domain, "@")
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
		About: aboutCounts{snap.Withheld(), total}, File: "expiring-credentials-summary"}.Answer(), nil
}
