// Package purgearchive is the timer function that drops months which are past the archive's own
// retention.
package purgearchive

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/parallel"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Name is the function's, and its folder's.
const Name = "purgearchive"

// Config of the function.
type Config struct {
	Purger  *purge.Purger
	Retire  func(context.Context, entra.Stream) error // seals what a stream holds that is not collected any more
	Clock   func(context.Context) (time.Time, error)  // one that can be trusted: by it months are dropped
	Streams *streams.Known
	Budget  time.Duration
}

// New makes the function.
func New(cfg Config) web.Function {
	return web.Function{Name: Name, Trigger: trigger, Timer: cfg.run, Deadline: cfg.Budget + web.AfterBudget}
}

// run is one run. One stream's failure is its own; the invocation then fails.
func (cfg Config) run(ctx context.Context) (web.Result, error) {
	done, err := cfg.purges(ctx)
	kept, lines := false, []string{}
	for _, p := range done {
		kept = kept || p.months > 0
		lines = append(lines, p.lines...)
	}
	if len(lines) == 0 && err == nil {
		lines = []string{"nothing is past its retention"}
	}
	return web.Ended(ctx, Name, strings.Join(lines, "; "), kept, err)
}

// purged is what became of a stream's months that are past their retention.
type purged struct {
	lines  []string
	months int // that were dropped, or whose purge was reverted
}

func (cfg Config) purges(ctx context.Context) ([]purged, error) {
	ctx, stop := context.WithTimeout(ctx, cfg.Budget)
	defer stop()
	now, err := cfg.Clock(ctx)
	if err != nil {
		return nil, err
	}
	all, err := cfg.Streams.All(ctx)
	if err != nil {
		return nil, err
	}
	var (
		out    = make([]purged, len(all))
		errs   = make([]error, len(all))
		purges = parallel.New()
	)
	// Side by side: one whose stream another execution has holds up no other.
	for i, s := range all {
		purges.Go(func() error {
			errs[i] = parallel.Recovered(func() (err error) {
				out[i], err = cfg.purge(ctx, s, now)
				return err
			})
			return nil
		})
	}
	_ = purges.Wait() // every stream keeps its own error
	return out, errors.Join(errs...)
}

// purge purges one stream.
func (cfg Config) purge(ctx context.Context, s entra.Stream, now time.Time) (out purged, err error) {
	if !cfg.Streams.Collects(s) {
		err = cfg.Retire(ctx, s)
	}
	months, purging := cfg.Purger.Run(ctx, ledger.Execution{ID: uuid.NewString(), Work: Name}, s, now)
	for _, m := range months {
		month := m.Month.Format("2006-01")
		if m.Dropped || m.Reverted > 0 {
			out.months++
		}
		switch {
		case m.Reverted > 0:
			out.lines = append(out.lines, fmt.Sprintf("sealed %d hours of %s of %s again that an interrupted purge "+
				"had begun to drop: %s", m.Reverted, month, s, m.Kept))
		case m.Dropped:
			out.lines = append(out.lines, fmt.Sprintf("dropped %s of %s (%d records)", month, s, m.Records))
		case m.Kept != "":
			out.lines = append(out.lines, fmt.Sprintf("kept %s of %s: %s", month, s, m.Kept))
		}
	}
	return out, errors.Join(err, purging)
}
