// Package applications is the HTTP function that returns everything that the snapshot has about one
// application's credentials.
package applications

import (
	"context"
	_ "embed"
	"regexp"
	"strconv"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Snapshot is what the function reads.
type Snapshot interface {
	Application(ctx context.Context, appID string, within, unusedFor time.Duration) (directory.Application, error)
}

// Tenant is asked for what the snapshot does not have.
type Tenant interface {
	Federated(ctx context.Context, appID string) ([]directory.Federated, error)
}

// New makes the function.
func New(snapshot Snapshot, tenant Tenant) web.Function {
	f := function{snapshot, tenant}
	only := web.ByID("appId")
	only.Required = true
	return web.Function{Name: "applications", Trigger: trigger, Operations: []web.Operation{{
		Summary: "One application by an odd ID", Text: "A list that has one application, or none, " +
			"with all credentials.",
		Role: web.RoleRead, Parameters: append([]web.Parameter{only}, ages()...),
		Answers: web.Shape{Name: "applications", Rows: evidence{}, AsOf: true}, Do: f.list,
	}, {
		Given: "id", ID: "GetApplication", Summary: "One application with all credentials",
		Text: "All that the snapshot knows of one application.", Role: web.RoleRead,
		Path:       []web.Parameter{web.Text("id", "Client ID")},
		Parameters: append(ages(), federated()),
		Answers:    web.Shape{Name: "applicationEvidence", Is: application{}},
		Heavier:    asksGraph,
		Do:         f.get,
	}}}
}

func ages() []web.Parameter {
	return []web.Parameter{web.Whole("withinDays", 30, 0, 3650, "Expiring within so many days"),
		web.Whole("unusedDays", 30, 1, 3650, "Unused for so many days")}
}

// asksGraph is the class of a request for an application.
func asksGraph(r web.Request) web.Class {
	if r.Query.Text("federated") == "true" {
		return web.Long
	}
	return web.Short
}

func federated() web.Parameter {
	p := web.Choice("federated", "false", "Whether Graph is asked for the application's federated credentials",
		"true", "false")
	p.Note = "Those of the snapshot are among its credentials; these are as of now"
	return p
}

type function struct {
	snapshot Snapshot
	tenant   Tenant
}

type application struct {
	Context     string                  `json:"@odata.context" text:"What this is"`
	AsOf        string                  `json:"asOfDateTime" text:"As of when"`
	Undisclosed []directory.Undisclosed `json:"undisclosed,omitempty" text:"What the tenant did not disclose"`
	evidence
	Federated []federatedRow `json:"federatedIdentityCredentials,omitempty"`
}

// evidence is what the snapshot has of one.
type evidence struct {
	AppID       string                    `json:"appId" text:"Client ID"`
	DisplayName string                    `json:"appDisplayName" text:"Name"`
	LastUsed    string                    `json:"lastUsedDateTime,omitempty" text:"Last use by anybody, by the tenant's report"`
	Credentials []directory.CredentialRow `json:"credentials" text:"All of its credentials"`
}

func evidenceOf(app directory.Application) evidence {
	if app.Credentials == nil {
		app.Credentials = []directory.CredentialRow{}
	}
	return evidence{app.AppID, app.DisplayName, web.Time(app.LastUsed), app.Credentials}
}

// federatedRow is a federated credential in an answer.
type federatedRow struct {
	ID          string   `json:"id" text:"Its ID"`
	Name        string   `json:"name" text:"What it is called"`
	Issuer      string   `json:"issuer" text:"Whose tokens sign in as the application"`
	Subject     string   `json:"subject" text:"For whom they are issued"`
	Audiences   []string `json:"audiences" text:"What they are issued for"`
	Description string   `json:"description,omitempty" text:"What somebody wrote about it"`
}

// Texts are those that are too long for their line.
func (application) Texts() map[string]string {
	return map[string]string{
		"federatedIdentityCredentials": "Its federated credentials, as Graph has them now, where federated=true asks " +
			"for them and there are any",
	}
}

// get answers with the application's credentials.
func (f function) get(ctx context.Context, r web.Request) (web.Answer, error) {
	app, err := f.find(ctx, r.Query, r.Path("id"))
	var rows []federatedRow
	if r.Query.Text("federated") == "true" && (err == nil || entra.CodeOf(err) == entra.CodeNotFound) {
		var wrong error
		if rows, wrong = f.federated(ctx, r.Path("id")); wrong != nil {
			return web.Answer{}, wrong
		}
	}
	if err != nil && len(rows) == 0 {
		return web.Answer{}, err
	}
	return web.Object(application{r.Context("applications/$entity"), web.Time(app.Snapshot.AsOf),
		app.Snapshot.Withheld(), evidenceOf(app), rows}), nil
}

// list answers with the list of one application, for an id that no address takes.
func (f function) list(ctx context.Context, r web.Request) (web.Answer, error) {
	app, err := f.find(ctx, r.Query, r.Query.ID())
	out := web.List[evidence]{Of: "applications", AsOf: app.Snapshot.AsOf, Value: []evidence{evidenceOf(app)}}
	if err != nil && entra.CodeOf(err) == entra.CodeNotFound {
		out.Value, err = nil, nil
	}
	return out.Answer(), err
}

// find asks the snapshot for an application.
func (f function) find(ctx context.Context, q web.Query, appID string) (directory.Application, error) {
	const day = 24 * time.Hour
	within, unused := time.Duration(q.Int("withinDays"))*day, time.Duration(q.Int("unusedDays"))*day
	return f.snapshot.Application(ctx, appID, within, unused)
}

// id is the form of all ids of the directory.
var id = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// federated asks the tenant for the federated credentials of an application.
func (f function) federated(ctx context.Context, appID string) (rows []federatedRow, err error) {
	if !id.MatchString(appID) {
		return nil, web.Refuse("the application is "+strconv.Quote(appID),
			"with federated=true accepted is a client id such as 0b3c2a4e-0000-4000-8000-000000000000")
	}
	all, err := f.tenant.Federated(ctx, appID)
	for _, c := range all {
		rows = append(rows, federatedRow{c.ID, c.Name, c.Issuer, c.Subject, c.Audiences, c.Description})
	}
	return rows, err
}
