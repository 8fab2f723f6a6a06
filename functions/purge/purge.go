// Package purge is the HTTP function that returns what the next run of purgearchive would drop, and
// drops nothing.
package purge

import (
	"context"
	_ "embed"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Config of the function.
type Config struct {
	Purger  *purge.Purger
	Streams *streams.Known
	Now     func() time.Time
}

// New makes the function.
func New(cfg Config) web.Function {
	return web.Function{Name: "purge", Trigger: trigger, Operations: []web.Operation{{
		ID: "PlanPurge", Summary: "What would be purged",
		Text: "Months that are past ARCHIVE_RETENTION, and whether the next run drops them. Nothing is " +
			"dropped by asking.",
		Role: web.RoleRead,
		Parameters: []web.Parameter{
			web.Text("stream", "One or several logs, with commas between; all by default"),
		},
		Answers: web.Shape{Name: "purge", Rows: month{}, AsOf: true, Text: "Months that are past their retention"},
		Do:      cfg.plan,
	}}}
}

type month struct {
	Stream      entra.Stream `json:"stream" text:"Which log"`
	Month       string       `json:"month,omitempty" text:"As 2026-10"`
	Records     int64        `json:"records" text:"Records and earlier versions"`
	StoredBytes int64        `json:"storedBytes" text:"What they take"`
	Rule        string       `json:"rule" text:"By which it is past its retention"`
	Dropped     bool         `json:"willBeDropped" text:"Whether the next run of purgearchive drops it"`
	Kept        string       `json:"keptBecause,omitempty" text:"Why it is kept"`
}

// plan answers with the months.
func (cfg Config) plan(ctx context.Context, r web.Request) (web.Answer, error) {
	archived, err := cfg.Streams.All(ctx)
	if err != nil {
		return web.Answer{}, err
	}
	asked, err := web.Streams(r.Query.List("stream"), archived)
	if err != nil {
		return web.Answer{}, err
	}
	now := cfg.Now()
	out := web.List[month]{Of: "purge", AsOf: now}
	for _, s := range asked {
		months, err := cfg.Purger.Plan(ctx, s, now)
		if entra.CodeOf(err) == entra.CodeTampered && err != nil && len(asked) > 1 {
			out.Value = append(out.Value, month{Stream: s, Kept: err.Error()}) // the others are returned all the same
			continue
		}
		if err != nil {
			return web.Answer{}, err
		}
		for _, m := range months {
			out.Value = append(out.Value, month{m.Stream, m.Month.Format("2006-01"), m.Records, m.StoredBytes, m.Rule,
				m.Kept == "", m.Kept})
		}
	}
	return out.Answer(), nil
}
