// Package purge is the HTTP function that tells what the next run of purgearchive would drop, and drops nothing.
package purge

import (
	"net/http"
	"time"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/streams"
)

// Function answers GET /api/purge.
type Function struct {
	Purger  *archive.Purger
	Streams *streams.Known
	Now     func() time.Time
	BaseURL string // of links; empty: as forwarded
}

type month struct {
	Stream      entra.Stream `json:"stream"`
	Month       string       `json:"month,omitempty"`
	Records     int64        `json:"records"`
	StoredBytes int64        `json:"storedBytes"`
	Rule        string       `json:"rule"`
	Dropped     bool         `json:"willBeDropped"`
	Kept        string       `json:"keptBecause,omitempty"`
}

// ServeHTTP answers with the plan.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := f.serve(w, r); err != nil {
		answer.Error(w, r, err)
	}
}

func (f *Function) serve(w http.ResponseWriter, r *http.Request) error {
	p := answer.ReadParameters(r, "stream")
	if p.Err() != nil {
		return p.Err()
	}
	archived, err := f.Streams.All(r.Context())
	if err != nil {
		return err
	}
	asked, err := answer.Streams(p.List("stream"), archived)
	if err != nil {
		return err
	}
	now := f.Now()
	out := answer.List[month]{Context: answer.BaseURL(r, f.BaseURL) + "/api/$metadata#purge", AsOf: answer.Time(now), Value: []month{}}
	for _, s := range asked {
		months, err := f.Purger.Plan(r.Context(), s, now)
		if entra.CodeOf(err) == entra.CodeTampered && err != nil && len(asked) > 1 {
			out.Value = append(out.Value, month{Stream: s, Kept: err.Error()}) // the others are told all the same
			continue
		}
		if err != nil {
			return err
		}
		for _, m := range months {
			out.Value = append(out.Value, month{m.Stream, m.Month.Format("2006-01"), m.Records, m.StoredBytes, m.Rule, m.Kept == "", m.Kept})
		}
	}
	answer.JSON(w, http.StatusOK, out)
	return nil
}
