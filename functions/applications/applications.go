// Package applications is the HTTP function that tells all that the snapshot knows of one application's credentials.
package applications

import (
	"net/http"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/web"
)

// Function answers GET /api/applications/{id}; the id is the appId.
type Function struct {
	Reader  *directory.Reader
	BaseURL string // of links; empty: as forwarded
}

type application struct {
	Context     string                    `json:"@odata.context"`
	AsOf        string                    `json:"asOfDateTime"`
	Undisclosed []directory.Undisclosed   `json:"undisclosed,omitempty"`
	AppID       string                    `json:"appId"`
	DisplayName string                    `json:"appDisplayName"`
	LastUsed    string                    `json:"lastUsedDateTime,omitempty"`
	Credentials []directory.CredentialRow `json:"credentials"`
}

// ServeHTTP answers with the application's credentials.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const day = 24 * time.Hour
	p := web.ReadParameters(r, "withinDays", "unusedDays")
	within, unused := p.Int("withinDays", 30, 0, 3650), p.Int("unusedDays", 30, 1, 3650)
	err := p.Err()
	var app directory.Application
	if err == nil {
		app, err = f.Reader.Application(r.Context(), r.PathValue("id"), time.Duration(within)*day, time.Duration(unused)*day)
	}
	if err != nil {
		web.Error(w, r, err)
		return
	}
	web.JSON(w, http.StatusOK, application{web.BaseURL(r, f.BaseURL) + "/api/$metadata#applications/$entity", web.Time(app.Snapshot.AsOf),
		app.Snapshot.Undisclosed, app.AppID, app.DisplayName, web.Time(app.LastUsed), app.Credentials})
}
