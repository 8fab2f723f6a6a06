// Package clocks tells the time where one of three clocks may be wrong.
package clocks

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Tolerance is how far two clocks that agree may be apart.
const Tolerance = 5 * time.Minute

// Readings are what three clocks said at about the same moment.
type Readings struct {
	SourceName, SourceTitle  string // of the source, within a sentence and in full
	Source, Storage, Machine time.Time
}

// Agreed is the time that two of the clocks agree on within five minutes: the source's if it is one
// of them, as records are dated by it, otherwise the storage service's. wrong names the clock that
// says otherwise; empty where all agree. Where no two agree the error has entra.CodeConflict, and
// nothing may be decided by any of them.
func (c Readings) Agreed() (now time.Time, wrong string, err error) {
	near := func(a, b time.Time) bool { return !a.IsZero() && !b.IsZero() && a.Sub(b).Abs() <= Tolerance }
	source, machine := near(c.Source, c.Storage), near(c.Source, c.Machine)
	switch {
	case source && machine:
		return c.Source.UTC(), "", nil
	case source:
		return c.Source.UTC(), c.odd("this machine's", c.Machine, c.Source), nil
	case machine:
		return c.Source.UTC(), c.odd("the storage service's", c.Storage, c.Source), nil
	case near(c.Storage, c.Machine):
		return c.Storage.UTC(), c.odd(c.SourceTitle+"'s", c.Source, c.Storage), nil
	}
	return time.Time{}, "", &entra.Error{Code: entra.CodeConflict, Doing: "tell the time",
		Why: fmt.Sprintf("no two of three clocks agree within %s: %s says %s, the storage service %s, this machine %s",
			Tolerance, c.SourceTitle, said(c.Source), said(c.Storage), said(c.Machine)),
		Remedy: "nothing was read or moved; the next run tries again; if it stays, look at the service health of " +
			c.SourceName + " and of the storage account"}
}

func (c Readings) odd(name string, t, right time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s clock says %s, the others %s", name, said(t), said(right))
}

func said(t time.Time) string {
	if t.IsZero() {
		return "nothing"
	}
	return t.UTC().Format(time.RFC3339)
}

// Two is the error of a machine's clock that the storage service's is apart from, where there is no
// third one to tell which is wrong: nothing may be dated or kept by it. Where the service told no
// time, as where it has no table yet, nothing is known against the machine's.
func Two(storage, machine time.Time) error {
	if storage.IsZero() || storage.Sub(machine).Abs() <= Tolerance {
		return nil
	}
	return &entra.Error{Code: entra.CodeConflict, Doing: "tell the time",
		Why:    fmt.Sprintf("this machine's clock says %s, and the storage service's %s", said(machine), said(storage)),
		Remedy: "nothing was added: set the machine's clock, and try again"}
}

// Timekeeper tells the time for whatever is decided by it. Storage is nil where the tenant is a
// simulated one with a time of its own, which counts alone then.
type Timekeeper struct {
	SourceName, SourceTitle string // within a sentence and in full
	Source, Storage         func(context.Context) (time.Time, error)
	Machine                 func() time.Time
	Log                     *slog.Logger
}

// Now is the time that two of the three clocks agree on. The third is named in the log. A clock
// that does not answer agrees with none.
func (t Timekeeper) Now(ctx context.Context) (time.Time, error) {
	asked, err := t.Source(ctx)
	if err != nil || t.Storage == nil {
		return asked.UTC(), err
	}
	clocks := Readings{SourceName: t.SourceName, SourceTitle: t.SourceTitle, Source: asked, Machine: t.Machine()}
	if clocks.Storage, err = t.Storage(ctx); err != nil {
		t.Log.WarnContext(ctx, "the storage service tells no time", "error", err.Error())
	}
	return clocks.Now(ctx, t.Log)
}

// Now is Agreed, with the clock that says otherwise named in the log.
func (c Readings) Now(ctx context.Context, log *slog.Logger) (time.Time, error) {
	now, wrong, err := c.Agreed()
	if ended := ctx.Err(); ended != nil && err != nil { // a clock that was not read agrees with none
		err = fmt.Errorf("tell the time: %w", ended)
	}
	if wrong != "" {
		log.WarnContext(ctx, "a clock is wrong, and is not gone by", "clock", wrong)
	}
	return now, err
}
