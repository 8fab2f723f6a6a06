// Package snapshotdirectory is the timer function that notes every user's sign-in activity and every credential of an
// application.
package snapshotdirectory

import (
	"context"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
)

// Name is the function's, and its folder's.
const Name = "snapshotdirectory"

// Config of the function.
type Config struct {
	Snapshotter *directory.Snapshotter
	Budget      time.Duration // for which a run works
}

// Run makes the function. Its schedule fires several times a night: a large tenant takes more than one run, and a run that
// finds the snapshot done does nothing.
func Run(cfg Config) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		report, err := cfg.Snapshotter.Run(ctx, cfg.Budget, false)
		return report.Summary(), err
	}
}
