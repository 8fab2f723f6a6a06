package web

import (
	"context"

	"github.com/entraledger/entraledger/internal/entra"
)

// Result is how a timer's run ended that did not fail.
type Result struct {
	Summary string // one line for people
	// HandedOver says that the run was stopped before its end, and that the next one continues from
	// what it has kept.
	HandedOver bool
}

// Stopped is how a timer's run ends that was stopped before its end. It is handed over if it stored
// progress for the next run. Otherwise it fails: a success would hide that each run is stopped
// without progress.
func Stopped(function, summary string, kept bool) (Result, error) {
	if kept {
		return Result{Summary: summary, HandedOver: true}, nil
	}
	return Result{Summary: summary}, &entra.Error{Code: entra.CodeUnavailable, Doing: "run " + function,
		Why: "it was stopped before it could do anything, because this process ends",
		Remedy: "nothing is lost, and the next run goes on; if that lasts, find out why the platform " +
			"ends the app so often"}
}

// Ended is how a timer's run ends that may have been stopped, which its error then says in part or
// whole. What failed by itself fails the invocation, in its own words.
func Ended(ctx context.Context, function, summary string, kept bool, err error) (Result, error) {
	if err == nil || ctx.Err() == nil {
		return Result{Summary: summary}, err
	}
	if failed := entra.Without(err, context.Canceled); failed != nil {
		return Result{Summary: summary}, failed
	}
	return Stopped(function, summary, kept)
}
