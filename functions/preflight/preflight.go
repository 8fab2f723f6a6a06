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
	Binary  preflight.Binary
	Cloud   string
	Graph   string // endpoint
	Now     func() time.Time
	BaseURL string // of links; empty: as forwarded
}

type report struct {
	Context string            `json:"@odata.context"`
	AsOf    string            `json:"asOfDateTime"`
	Status  preflight.Status  `json:"status"` // the worst of the checks'
	Version string            `json:"version"`
	SHA256  string            `json:"binarySha256,omitempty"`
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
	if err := r.Context().Err(); err != nil { // what failed for that says nothing
		answer.Error(w, r, err)
		return
	}
	answer.JSON(w, http.StatusOK, report{
		Context: answer.BaseURL(r, f.BaseURL) + "/api/$metadata#preflight", AsOf: answer.Time(f.Now()),
		Status: preflight.Worst(checks), Value: checks,
		Version: f.Binary.Version, SHA256: f.Binary.SHA256, Cloud: f.Cloud, Graph: f.Graph,
	})
}
