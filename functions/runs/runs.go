// Package runs is the HTTP function that lists what the last runs of the timers did.
package runs

import (
	"context"
	_ "embed"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/runs"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Config of the function.
type Config struct {
	Store  jobs.Store
	Timers []string // names of the functions that a timer starts
	Now    func() time.Time
}

// New makes the function.
func New(cfg Config) web.Function {
	timer := web.Words("function", "", "Timers whose runs are listed, with commas between; all where it is left out",
		cfg.Timers...)
	timer.Strict = true
	return web.Function{Name: "runs", Trigger: trigger, Operations: []web.Operation{{
		ID: "ListRuns", Summary: "What the last runs did",
		Text: "The last 20 runs of each timer, the newest first: when, how long, and what came of it.",
		Role: web.RoleRead, Parameters: []web.Parameter{timer, web.Format()},
		Answers: web.Shape{Name: "runs", Rows: row{}, AsOf: true, Count: true, Text: "One row a run, the newest first"},
		Do:      cfg.list,
	}}}
}

// row is one run. Keys without a value are left out.
type row struct {
	Function string       `json:"function" text:"Which timer"`
	ID       string       `json:"invocationId,omitempty" text:"Of the invocation: the app's log has its lines under it"`
	Start    string       `json:"startDateTime" text:"When it began"`
	End      string       `json:"endDateTime,omitempty" text:"When it ended; absent where it has not, or did not say so"`
	Seconds  float64      `json:"durationSeconds,omitempty" text:"How long it took"`
	Status   runs.Outcome `json:"status" enum:"running,done,handedOver,failed,unknown"`
	Summary  string       `json:"summary,omitempty" text:"What came of it, in one line"`
	Code     entra.Code   `json:"code,omitempty" text:"Why it failed, as a code"`
	Error    string       `json:"error,omitempty" text:"Why it failed, in one line"`
	Version  string       `json:"version,omitempty" text:"Version of the app that ran"`
}

// Texts are those that are too long for their line.
func (row) Texts() map[string]string {
	return map[string]string{
		"status": "running, done, handedOver (it was stopped, and the next one goes on from there), failed; " +
			"unknown: it was killed, or its end could not be stored",
	}
}

func (cfg Config) list(ctx context.Context, r web.Request) (web.Answer, error) {
	now := cfg.Now()
	list := web.List[row]{Of: "runs", AsOf: now, Value: []row{}, File: "runs"}
	asked := r.Query.List("function")
	for _, timer := range cfg.Timers {
		if len(asked) > 0 && !slices.Contains(asked, timer) {
			continue
		}
		kept, err := runs.Of(ctx, cfg.Store, timer)
		if err != nil {
			return web.Answer{}, err
		}
		for _, run := range kept {
			list.Value = append(list.Value, rowOf(timer, run, now))
		}
	}
	slices.SortStableFunc(list.Value, func(a, b row) int { return strings.Compare(b.Start, a.Start) })
	list.Count = new(int64(len(list.Value)))
	return list.Answer(), nil
}

func rowOf(timer string, run runs.Run, now time.Time) row {
	out := row{Function: timer, ID: run.ID, Start: web.Time(run.Began), End: web.Time(run.Ended),
		Status: run.State(now), Summary: run.Summary, Code: run.Code, Error: run.Error, Version: run.Version}
	if !run.Ended.IsZero() {
		out.Seconds = max(0, run.Ended.Sub(run.Began).Round(100*time.Millisecond).Seconds())
	}
	return out
}
