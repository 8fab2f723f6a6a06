// Package purge is the HTTP function that returns what the next run of purgearchive would drop, and
// drops nothing.
package purge

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"slices"
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
	Clock   func(context.Context) (time.Time, error) // that of the timer purgearchive
}

// New makes the function.
func New(cfg Config) web.Function {
	return web.Function{Name: "purge", Trigger: trigger, Operations: []web.Operation{{
		ID: "PlanPurge", Summary: "What would be purged",
		Text: "The rules in force, the months that are past ARCHIVE_RETENTION, and whether the next run drops " +
			"them. Nothing is dropped by asking.",
		Role: web.RoleRead,
		Parameters: []web.Parameter{
			web.Text("stream", "One or several logs, with commas between; all by default"),
		},
		Answers: web.Shape{Name: "purge", Is: about{}, Rows: month{}, AsOf: true,
			Text: "Months that are past their retention"},
		Class: web.Long, Do: cfg.plan,
	}}}
}

// about is by what rules months are kept and dropped.
type about struct {
	Rules []rule `json:"rules" text:"How long each of the logs is kept: ARCHIVE_RETENTION"`
	Holds []hold `json:"holds" text:"What of them is never dropped: ARCHIVE_HOLD"`
}

type rule struct {
	Stream entra.Stream `json:"stream" text:"Which log"`
	Keep   string       `json:"keep" text:"forever, or days or hours, as 400d or 900h"`
}

type hold struct {
	Stream string `json:"stream" text:"Which log; all of them: *"`
	First  string `json:"firstDay" text:"First day that is kept"`
	Last   string `json:"lastDay" text:"Last day that is kept"`
}

// inForce are the rules that some streams are under.
func inForce(retention purge.Retention, asked []entra.Stream) about {
	out := about{Rules: []rule{}, Holds: []hold{}}
	for _, s := range asked {
		keep := "forever"
		if d := retention.Of(s); d > 0 {
			keep = lasting(d)
		}
		out.Rules = append(out.Rules, rule{s, keep})
	}
	for _, h := range retention.Holds {
		if slices.ContainsFunc(asked, h.On) {
			out.Holds = append(out.Holds, hold{cmp.Or(string(h.Stream), "*"), h.From.Format(time.DateOnly),
				h.LastDay().Format(time.DateOnly)})
		}
	}
	return out
}

// lasting is a time as ARCHIVE_RETENTION has it: in whole days, or else as it is.
func lasting(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d%day == 0:
		return fmt.Sprintf("%dd", int(d/day))
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", int(d/time.Hour))
	}
	return d.String()
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

// plan answers with the months, by the clock that the purge itself goes by.
func (cfg Config) plan(ctx context.Context, r web.Request) (web.Answer, error) {
	archived, err := cfg.Streams.All(ctx)
	if err != nil {
		return web.Answer{}, err
	}
	asked, err := web.Streams(r.Query.List("stream"), archived)
	if err != nil {
		return web.Answer{}, err
	}
	now, err := cfg.Clock(ctx)
	if err != nil {
		return web.Answer{}, err
	}
	out := web.List[month]{Of: "purge", AsOf: now, About: inForce(cfg.Purger.Retention(), asked)}
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
