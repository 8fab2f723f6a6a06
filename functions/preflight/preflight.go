// Package preflight is the HTTP function that tells what the app may do in its tenant and its storage account, and what each
// missing piece means.
package preflight

import (
	"context"
	"net/http"
	"time"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/preflight"
)

// Function answers GET /api/preflight.
type Function struct {
	Run     func(context.Context) []preflight.Check
	Cloud   string
	Graph   string // endpoint
	Now     func() time.Time
	BaseURL string // of links; empty: as forwarded
}

type report struct {
	Context string            `json:"@odata.context"`
	AsOf    string            `json:"asOfDateTime"`
	Status  preflight.Status  `json:"status"` // the worst of the checks'
	Cloud   string            `json:"cloud"`
	Graph   string            `json:"graphEndpoint"`
	Value   []preflight.Check `json:"value"`
}

// ServeHTTP makes the checks, which takes up to a minute: they keep to the ceiling of Graph's reports.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := answer.ReadParameters(r).Err(); err != nil {
		answer.Error(w, r, err)
		return
	}
	checks := f.Run(r.Context())
	answer.JSON(w, http.StatusOK, report{answer.BaseURL(r, f.BaseURL) + "/api/$metadata#preflight", answer.Time(f.Now()), preflight.Worst(checks), f.Cloud, f.Graph, checks})
}
