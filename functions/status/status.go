// Package status is the HTTP function that tells whether the archive is whole, and what needs
// somebody.
package status

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/runs"
	"github.com/entraledger/entraledger/internal/status"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Config of the function.
type Config struct {
	Logs      func(context.Context) ([]status.Log, error)
	Snapshots *directory.Reader
	Store     jobs.Store // of the latest checks and the last runs
	Version   string     // of the app: the checks are a version's
	Timers    []string
	Now       func() time.Time

	Archiver, Snapshotter string // the timers that read logs and directory
}

// New makes the function.
func New(cfg Config) web.Function {
	do := func(ctx context.Context, _ web.Request) (web.Answer, error) {
		facts, err := cfg.Facts(ctx)
		if err != nil {
			return web.Answer{}, err
		}
		list := web.List[status.Need]{Of: "status", AsOf: cfg.Now(), File: "status",
			Value: append([]status.Need{}, status.Needs(facts, cfg.Now())...)}
		list.About = about{NeedsNobody: !status.Somebody(list.Value)}
		list.Count = new(int64(len(list.Value)))
		return list.Answer(), nil
	}
	return web.Function{Name: "status", Trigger: trigger, Operations: []web.Operation{{
		ID: "ListNeeds", Summary: "What needs somebody",
		Text: "What does not get better without a person, each with what to do: what fails, is about to be lost, " +
			"was changed, or is refused. handler status prints the same.",
		Role: web.RoleRead, Parameters: []web.Parameter{web.Format()},
		Answers: web.Shape{Name: "status", Is: about{}, Rows: status.Need{}, AsOf: true, Count: true,
			Text: "One row a need, what is worst first"},
		Do: do,
	}}}
}

// about is what the list says of itself.
type about struct {
	NeedsNobody bool `json:"needsNobody" text:"Whether nothing needs somebody now; notices do not count"`
}

// Facts reads all that is looked at.
func (cfg Config) Facts(ctx context.Context) (facts status.Facts, err error) {
	facts = status.Facts{Runs: map[string]runs.Run{}, Archiver: cfg.Archiver, Snapshotter: cfg.Snapshotter}
	if facts.Logs, err = cfg.Logs(ctx); err != nil {
		return facts, err
	}
	snapshots, err := cfg.Snapshots.State(ctx)
	if err != nil {
		return facts, err
	}
	if len(snapshots) > 0 {
		facts.Snapshot = &snapshots[0]
	}
	facts.Checks, _, err = preflight.Latest(ctx, cfg.Store, cfg.Version)
	switch {
	case err == nil, entra.CodeOf(err) == entra.CodeNotFound:
	case entra.CodeOf(err) == entra.CodeTampered: // the other needs are told all the same
		facts.Checks = []preflight.Check{{Name: "stored checks", Status: preflight.Failed, Code: entra.CodeTampered,
			Detail: err.Error()}}
	default:
		return facts, err
	}
	for _, timer := range cfg.Timers {
		kept, err := runs.Of(ctx, cfg.Store, timer)
		switch {
		case err == nil:
		case entra.CodeOf(err) == entra.CodeTampered:
			facts.Unreadable = append(facts.Unreadable, status.Unreadable{Timer: timer, Code: entra.CodeTampered,
				Why: err.Error()})
		default:
			return facts, err
		}
		if run, ok := lastEnded(kept, cfg.Now()); ok {
			facts.Runs[timer] = run
		}
	}
	return facts, nil
}

// silent is how many runs in a row may say nothing of their end: a deployment kills one.
const silent = 3

// lastEnded is the newest run that said how it ended; where the newest ones were all killed, it is
// one that failed.
func lastEnded(kept []runs.Run, now time.Time) (runs.Run, bool) {
	killed := 0
	for _, run := range kept {
		switch run.State(now) {
		case runs.Running:
		case runs.Unknown:
			if killed++; killed == silent {
				run.Outcome = runs.Failed
				run.Error = fmt.Sprintf("none of the last %d runs said how it ended: they were killed, or "+
					"ran out of memory",
					silent)
				return run, true
			}
		default:
			return run, true
		}
	}
	return runs.Run{}, false
}
