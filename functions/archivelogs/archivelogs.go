// Package archivelogs is the timer function that copies every log stream into the archive.
package archivelogs

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

// Name is the function's, and its folder's.
const Name = "archivelogs"

// writeGrace is how long pages that came within the budget may take to be written.
const writeGrace = 45 * time.Second

// Run makes the function: one run of collector over streams, asking for pages for at most budget. The platform kills
// without notice, so the run ends itself well before functionTimeout.
func Run(collector *archive.Collector, streams []entra.Stream, budget time.Duration) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		ctx, stop := context.WithTimeout(ctx, budget+writeGrace)
		defer stop()
		report, err := collector.Run(ctx, uuid.NewString(), streams, budget)
		return report.Summary(), err
	}
}
