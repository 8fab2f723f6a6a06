// Package users is the HTTP function that returns everything that the snapshot has about one user.
package users

import (
	"context"
	_ "embed"
	"encoding/json"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Snapshot is what the function reads.
type Snapshot interface {
	User(ctx context.Context, id string, days int) (directory.Snapshot, json.RawMessage, error)
}

// New makes the function.
func New(snapshot Snapshot) web.Function {
	f := function{snapshot}
	return web.Function{Name: "users", Trigger: trigger, Operations: []web.Operation{{
		ID: "GetUser", Summary: "One user with all evidence", Text: "All that the snapshot knows of one user.",
		Role:       web.RoleRead,
		Path:       []web.Parameter{web.Text("id", "Object ID or user principal name")},
		Parameters: []web.Parameter{web.Whole("days", 90, 1, 3650, "Inactive after so many days")},
		Answers: web.Shape{Name: "userEvidence", Is: struct {
			about
			directory.UserRow
		}{}},
		Do: f.get,
	}}}
}

type function struct{ snapshot Snapshot }

// about precedes the user's own properties.
type about struct {
	Context     string                  `json:"@odata.context" text:"What this is"`
	AsOf        string                  `json:"asOfDateTime" text:"As of when"`
	Undisclosed []directory.Undisclosed `json:"undisclosed,omitempty" text:"What the tenant did not disclose"`
}

// get answers with the user's row.
func (f function) get(ctx context.Context, r web.Request) (web.Answer, error) {
	snap, row, err := f.snapshot.User(ctx, r.Path("id"), r.Query.Int("days"))
	if err != nil {
		return web.Answer{}, err
	}
	return web.Entity(about{r.Context("users/$entity"), web.Time(snap.AsOf), snap.Withheld()}, row), nil
}
