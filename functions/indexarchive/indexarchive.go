// Package indexarchive is the timer function that indexes the days that are sealed, so that
// searches over years are quick.
package indexarchive

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/parallel"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Name is the function's, and its folder's.
const Name = "indexarchive"

// Config of the function.
type Config struct {
	Store   derive.Store
	Streams *streams.Known
	Budget  time.Duration // for which a run works; the next continues
	// Expire puts aside parts of Identity Manager's requests that have waited for a day, and drops
	// questions that no link may ask for any more; nil: nothing does.
	Expire func(context.Context) error
}

// New makes the function.
func New(cfg Config) web.Function {
	return web.Function{Name: Name, Trigger: trigger, Timer: cfg.run, Deadline: cfg.Budget + web.AfterBudget}
}

// run is one run.
func (cfg Config) run(ctx context.Context) (web.Result, error) {
	all, err := cfg.Streams.All(ctx)
	if err != nil {
		return web.Ended(ctx, Name, "", false, err)
	}
	until := time.Now().Add(cfg.Budget)
	expired := cfg.expire(ctx)
	var (
		total   derive.Report
		reports = make([]derive.Report, len(all))
		errs    = make([]error, len(all))
		indexes = parallel.New()
	)
	// Side by side: one whose stream another execution has holds up no other.
	for i, s := range all {
		indexes.Go(func() error {
			by := ledger.Execution{ID: uuid.NewString(), Work: Name}
			errs[i] = parallel.Recovered(func() (err error) {
				reports[i], err = derive.Update(ctx, cfg.Store, by, s, false, until)
				return err
			})
			return nil
		})
	}
	_ = indexes.Wait() // every stream keeps its own error
	for _, report := range reports {
		total.Days += report.Days
		total.Values += report.Values
		total.Left = total.Left || report.Left
	}
	line := fmt.Sprintf("%d days indexed with %d values", total.Days, total.Values)
	if total.Left {
		line += "; the next run goes on"
	}
	if total.Left {
		errs = append(errs, ctx.Err()) // a stop may have ended the wait for a stream
	}
	return web.Ended(ctx, Name, line, total.Days > 0, errors.Join(append(errs, expired)...))
}

func (cfg Config) expire(ctx context.Context) error {
	if cfg.Expire == nil {
		return nil
	}
	return cfg.Expire(ctx)
}
