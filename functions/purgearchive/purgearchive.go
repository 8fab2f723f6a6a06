// Package purgearchive is the timer function that drops months which are past the archive's own retention.
package purgearchive

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/streams"
)

// Name is the function's, and its folder's.
const Name = "purgearchive"

// Config of the function.
type Config struct {
	Purger  *archive.Purger
	Retire  func(context.Context, entra.Stream) error // seals what a stream holds that is not collected any more
	Clock   func(context.Context) (time.Time, error)  // one that can be trusted: by it months are dropped
	Streams *streams.Known
	Budget  time.Duration
}

// Run makes the function. One stream's failure is its own; the invocation then fails.
func Run(cfg Config) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		ctx, stop := context.WithTimeout(ctx, cfg.Budget)
		defer stop()
		now, err := cfg.Clock(ctx)
		if err != nil {
			return "", err
		}
		all, err := cfg.Streams.All(ctx)
		if err != nil {
			return "", err
		}
		var (
			lines []string
			errs  []error
		)
		for _, s := range all {
			if !cfg.Streams.Collects(s) {
				if err := cfg.Retire(ctx, s); err != nil {
					errs = append(errs, err)
				}
			}
			months, err := cfg.Purger.Run(ctx, archive.Execution{ID: uuid.NewString(), Work: Name}, s, now)
			if err != nil {
				errs = append(errs, err)
			}
			for _, m := range months {
				switch {
				case m.TakenBack > 0:
					lines = append(lines, fmt.Sprintf("sealed %d hours of %s of %s again that an interrupted purge had begun to drop: %s", m.TakenBack, m.Month.Format("2006-01"), s, m.Kept))
				case m.Dropped:
					lines = append(lines, fmt.Sprintf("dropped %s of %s (%d records)", m.Month.Format("2006-01"), s, m.Records))
				case m.Kept != "":
					lines = append(lines, fmt.Sprintf("kept %s of %s: %s", m.Month.Format("2006-01"), s, m.Kept))
				}
			}
		}
		if len(lines) == 0 {
			lines = []string{"nothing is past its retention"}
		}
		return strings.Join(lines, "; "), errors.Join(errs...)
	}
}
