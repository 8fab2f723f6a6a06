package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Stalled is the error of a stream that has not moved for longer than most, though its runs may
// have ended without a failure: overtaken, refused, going round in circles, out of time. cause is
// why the last run ended, where that is known. nil where the stream moves, or was never read. now
// is the tenant's time.
func (p *Progress) Stalled(now time.Time, most time.Duration, cause error) error {
	if most <= 0 || p.SteppedAt.IsZero() {
		return nil
	}
	what, since := "", time.Time{}
	switch {
	case now.Sub(p.SteppedAt) > most && now.Sub(p.Watermark) > most:
		what, since = "keep up with "+string(p.Stream), p.SteppedAt
	case p.Backfilling() && now.Sub(p.BackfilledAt) > most:
		what, since = "read the past of "+string(p.Stream), p.BackfilledAt
	default:
		return nil
	}
	why := fmt.Sprintf("no run has made a step since %s, %s ago", since.Format(time.RFC3339),
		now.Sub(since).Round(time.Minute))
	return &entra.Error{Code: stalledCode(cause), Doing: what, Why: why + causeOf(p, cause), Err: cause,
		Remedy: "nothing that is stored is lost; if the next runs do not move it either, look at the runs of " +
			"archivelogs; ARCHIVE_ALERT_AFTER says when this fails"}
}

func stalledCode(cause error) entra.Code {
	if code := entra.CodeOf(cause); cause != nil && code != entra.CodeInternal && code != entra.CodeConflict {
		return code
	}
	return entra.CodeBehind
}

func causeOf(p *Progress, cause error) string {
	var held *Held
	switch {
	case errors.As(cause, &held):
		return fmt.Sprintf("; %s has the stream (execution %s)", held.By.Work, held.By.ID)
	case errors.Is(cause, ErrYielded):
		return "; the last run gave the stream to another execution that waited for it"
	case errors.Is(cause, ErrMoved):
		return "; the last run found the ledger moved on"
	case errors.Is(cause, context.Canceled):
		return "; the last run was stopped before its first step, because its process ended"
	case cause != nil:
		return "; the last run's time was over before its first step: " + cause.Error()
	case p.LastError != "" && !p.LastErrorAt.Before(p.LastSuccessAt):
		return "; the last error: " + p.LastError
	}
	return ""
}
