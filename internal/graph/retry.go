package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/entraledger/entraledger/internal/entra"
)

// request is one request for a page.
type request struct {
	doing      string // for errors
	url        string
	permission string // the least that it needs
	walking    bool   // it follows a next link
	wait       func(context.Context) error
	licence    string // of the directory: what needs it, and what to do without; empty: a log
	divisible  string // the span that is asked for, where less can be asked for; empty: it can't
	accept     string // the type of the answer; empty: JSON
	eventual   bool   // Graph answers from its index
}

// again marks an error after which the same request may be tried again.
type again struct {
	error
	row   *Refusal
	after time.Duration // what Retry-After asked for
}

func (a *again) Unwrap() []error {
	if a.after > 0 {
		return []error{a.error, &backoff.RetryAfterError{Duration: a.after}}
	}
	return []error{a.error}
}

// ask makes a request, with retries, and reads the answer. What read can't understand is asked for
// again.
func ask[T any](ctx context.Context, c *Client, r request, read func(answer) (T, error)) (T, error) {
	var none T
	return retry(ctx, c, r.doing, func() (T, error) {
		a, err := c.send(ctx, r)
		if err != nil {
			return none, c.unanswered(ctx, r, err)
		}
		if a.status != http.StatusOK {
			return none, r.refused(a)
		}
		v, err := read(a)
		if err != nil {
			return none, r.answered(Unreadable, "", "", err)
		}
		return v, nil
	})
}

// retry tries op, with growing, jittered pauses, until it succeeds, gives an error that is no
// again, or gives one that is believed. The tries of each row of the table count for themselves,
// and all together are at most two more than Config.Tries. A Retry-After that ends after the
// context's deadline is not waited for.
func retry[T any](ctx context.Context, c *Client, doing string, op func() (T, error)) (T, error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.Multiplier, pauses.MaxInterval = c.cfg.BackOff, 2, 32*c.cfg.BackOff
	if c.cfg.Steady {
		pauses.RandomizationFactor = 0
	}
	var (
		seen  = make(map[*Refusal]uint)
		total uint
	)
	return backoff.Retry(ctx, func() (T, error) {
		res, err := op()
		if err == nil {
			return res, nil
		}
		more, ok := errors.AsType[*again](err)
		if !ok {
			return res, backoff.Permanent(err)
		}
		seen[more.row]++
		total++
		if deadline, ok := ctx.Deadline(); ok && time.Now().Add(more.after).After(deadline) {
			return res, backoff.Permanent(more.doubted(seen[more.row], total, c.cfg.Tries))
		}
		if more.row.Becomes == entra.CodeThrottled {
			c.cfg.Limiter.Pause(more.after)
		}
		if seen[more.row] >= more.row.tries(c.cfg.Tries) || total >= c.cfg.Tries+2 {
			return res, backoff.Permanent(more.doubted(seen[more.row], total, c.cfg.Tries))
		}
		return res, err
	},
		backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, wait time.Duration) {
			c.cfg.Log.InfoContext(ctx, "trying again", "doing", doing, "code", entra.CodeOf(err),
				"after", wait.Round(time.Millisecond).String(), "error", err.Error())
		}))
}

// doubted is the error where there are no more tries: the answer's own, unless it is a refusal that
// came less often than the table asks for. Nobody may act on such a one.
func (a *again) doubted(seen, total, tries uint) error {
	if a.row.Tries == 0 || seen >= a.row.tries(tries) {
		return a.error
	}
	own, ok := errors.AsType[*entra.Error](a.error)
	if !ok {
		return a.error
	}
	return &entra.Error{Code: entra.CodeUnavailable, Doing: own.Doing,
		Why:    fmt.Sprintf("%s, but only in %d of %d tries", own.Why, seen, total),
		Remedy: "the next run asks again; if it stays, look at Microsoft 365 service health"}
}
