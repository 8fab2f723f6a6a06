// Package applications is the HTTP function that returns everything that the snapshot has about one
// application's credentials.
package applications

import (
	"context"
	_ "embed"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Snapshot is what the function reads.
type Snapshot interface {
	Application(ctx context.Context, appID string, within, unusedFor time.Duration) (directory.Application, error)
}

// New makes the function.
func New(snapshot Snapshot) web.Function {
	f := function{snapshot}
	return web.Function{Name: "applications", Trigger: trigger, Operations: []web.Operation{{
		ID: "GetApplication", Summary: "One application with all credentials",
		Text: "All that the snapshot knows of one application.", Role: web.RoleRead,
		Path: []web.Parameter{web.Text("id", "Client ID")},
		Parameters: []web.Parameter{
			web.Whole("withinDays", 30, 0, 3650, "Expiring within so many days"),
			web.Whole("unusedDays", 30, 1, 3650, "Unused for so many days"),
		},
		Answers: web.Shape{Name: "applicationEvidence", Is: application{}},
		Do:      f.get,
	}}}
}

type function struct{ snapshot Snapshot }

type application struct {
	Context     string                    `json:"@odata.context" text:"What this is"`
	AsOf        string                    `json:"asOfDateTime" text:"As of when"`
	Undisclosed []directory.Undisclosed   `json:"undisclosed,omitempty" text:"What the tenant did not disclose"`
	AppID       string                    `json:"appId" text:"Client ID"`
	DisplayName string                    `json:"appDisplayName" text:"Name"`
	LastUsed    string                    `json:"lastUsedDateTime,omitempty"`
	Credentials []directory.CredentialRow `json:"credentials" text:"All of its credentials"`
}

// Texts are those that are too long for their line.
func (application) Texts() map[string]string {
	return map[string]string{
		"lastUsedDateTime": "Last use by anybody, by the report of the tenant",
	}
}

// get answers with the application's credentials.
func (f function) get(ctx context.Context, r web.Request) (web.Answer, error) {
	const day = 24 * time.Hour
	within, unused := time.Duration(r.Query.Int("withinDays"))*day, time.Duration(r.Query.Int("unusedDays"))*day
	app, err := f.snapshot.Application(ctx, r.Path("id"), within, unused)
	if err != nil {
		return web.Answer{}, err
	}
	return web.Object(application{r.Context("applications/$entity"), web.Time(app.Snapshot.AsOf),
		app.Snapshot.Undisclosed,
		app.AppID, app.DisplayName, web.Time(app.LastUsed), app.Credentials}), nil
}
