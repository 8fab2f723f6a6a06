// Package users is the HTTP function that returns everything that the snapshot has about one user.
package users

import (
	"context"
	_ "embed"
	"encoding/json"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
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
	UserDetails(ctx context.Context, id string, now time.Time) directory.UserDetails
}

// New makes the function.
func New(snapshot Snapshot, tenant Tenant, now func() time.Time) web.Function {
	f := function{snapshot, tenant, now}
	return web.Function{Name: "users", Trigger: trigger, Operations: []web.Operation{{
		ID: "GetUser", Summary: "One user with all evidence", Text: "All that the snapshot knows of one user.",
		Role:       web.RoleRead,
		Path:       []web.Parameter{web.Text("id", "Object ID or user principal name")},
		Parameters: []web.Parameter{web.Whole("days", 90, 1, 3650, "Inactive after so many days"), withDetails()},
		Answers: web.Shape{Name: "userEvidence", Is: struct {
			about
			directory.UserRow
		}{}},
		Do: f.get,
	}}}
}

func withDetails() web.Parameter {
	p := web.Choice("details", "false", "Whether Graph is asked for what is not part of the snapshot", "true", "false")
	p.Note = "Leave date, manager, sponsors, roles, groups, applications, and what the mailbox is for"
	return p
}

type function struct {
	snapshot Snapshot
	tenant   Tenant
	now      func() time.Time
}

// about precedes the user's own properties.
type about struct {
	Context     string                  `json:"@odata.context" text:"What this is"`
	AsOf        string                  `json:"asOfDateTime" text:"As of when"`
	Undisclosed []directory.Undisclosed `json:"undisclosed,omitempty" text:"What the tenant did not disclose"`
	Details     *directory.UserDetails  `json:"details,omitempty" text:"As Graph has them now, where details=true"`
}

// get answers with the user's row.
func (f function) get(ctx context.Context, r web.Request) (web.Answer, error) {
	snap, row, err := f.snapshot.User(ctx, r.Path("id"), r.Query.Int("days"))
	if err != nil {
		return web.Answer{}, err
	}
	about := about{r.Context("users/$entity"), web.Time(snap.AsOf), snap.Withheld(), nil}
	if r.Query.Text("details") == "true" {
		var user directory.UserRow
		if err := json.Unmarshal(row, &user); err != nil {
			return web.Answer{}, err
		}
		about.Details = new(f.tenant.UserDetails(ctx, user.ID, f.now()))
	}
	return web.Entity(about, row), nil
}
