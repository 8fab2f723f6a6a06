package web

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/parallel"
)

// ran is how a timer's run ended.
type ran struct {
	result  Result
	err     error
	stopped bool // before it ended
}

// AfterBudget is how long a timer's run may take once its budget is over: what it has begun by then,
// it ends.
const AfterBudget = 5 * time.Minute

// longestRun is the deadline of a timer that declares none.
const longestRun = 5 * time.Minute

// invoke runs a timer. One that is past its deadline and does not end is answered with 503, and keeps
// its place until it ends.
func (h *Host) invoke(w http.ResponseWriter, r *http.Request, f Function, e envelope, release func()) {
	start := time.Now()
	h.log.InfoContext(r.Context(), "invocation begins", "function", f.Name, "pastDue", e.pastDue(), "retry", e.retry())
	ctx, end := context.WithTimeout(r.Context(), cmp.Or(f.Deadline, longestRun))
	stopped := context.AfterFunc(h.stopping, end)
	working, resting := h.turns.Long(ctx)
	done := make(chan ran, 1)
	var got ran
	parallel.Start(func() (err error) {
		defer release()
		defer resting()
		defer func() {
			if cause := recover(); cause != nil {
				err = h.panicked(r, cause)
			}
		}()
		got.result, err = f.Timer(working)
		return err
	}, func(err error) {
		got.err, got.stopped = err, ctx.Err() != nil
		stopped()
		end()
		done <- got
	})
	select {
	case got := <-done:
		h.invoked(w, r, f.Name, got, time.Since(start))
	case <-time.After(cmp.Or(f.Deadline, longestRun) + h.limits.Grace):
		h.log.ErrorContext(r.Context(), "a function hangs: it is past its deadline, and keeps its place",
			"function", f.Name)
		Error(w, r, overdue(Long, cmp.Or(f.Deadline, longestRun)))
	}
}

// invoked answers a run that has ended.
func (h *Host) invoked(w http.ResponseWriter, r *http.Request, function string, got ran, took time.Duration) {
	text := took.Round(time.Millisecond).String()
	if got.err != nil {
		// The host ignores the body of a failed invocation: the log is where the reason is read.
		h.log.ErrorContext(r.Context(), "invocation failed", "function", function, "took", text, "code",
			entra.CodeOf(got.err), "error", got.err.Error(), "stopped", got.stopped)
		Error(w, r, told(r, got.err))
		return
	}
	line, message := got.result.Summary, "invocation done"
	if got.result.HandedOver {
		line, message = "stopped, because this process ends; the next run goes on from there: "+line,
			"invocation handed over"
	}
	h.log.InfoContext(r.Context(), message, "function", function, "took", text, "summary", line)
	JSON(w, http.StatusOK, invocationResult{Outputs: map[string]any{}, Logs: []string{line}})
}
