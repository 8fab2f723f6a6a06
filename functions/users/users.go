// Package users is the HTTP function that tells all that the snapshot knows of one user.
package users

import (
	"encoding/json"
	"net/http"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/web"
)

// Function answers GET /api/users/{id}; the id may be a user principal name.
type Function struct {
	Reader  *directory.Reader
	BaseURL string // of links; empty: as forwarded
}

type envelope struct {
	Context     string                  `json:"@odata.context"`
	AsOf        string                  `json:"asOfDateTime"`
	Undisclosed []directory.Undisclosed `json:"undisclosed,omitempty"`
}

// ServeHTTP answers with the user's row.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := web.ReadParameters(r, "days")
	days := p.Int("days", 90, 1, 3650)
	err := p.Err()
	var (
		snap directory.Snapshot
		row  json.RawMessage
	)
	if err == nil {
		snap, row, err = f.Reader.User(r.Context(), r.PathValue("id"), days)
	}
	if err != nil {
		web.Error(w, r, err)
		return
	}
	web.Entity(w, envelope{web.BaseURL(r, f.BaseURL) + "/api/$metadata#users/$entity", web.Time(snap.AsOf), snap.Undisclosed}, row)
}
