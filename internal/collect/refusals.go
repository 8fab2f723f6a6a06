package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// What a source refuses may be a slip of the service. Within one request the source itself asks
// again; what follows is about refusals that last.

const (
	// believedAfter is how long a stream that had good answers may be refused before a run fails
	// for it, and how long its richest form before the poorer one is read.
	believedAfter = time.Hour
	// narrowest is how far the newest hours and the past are divided where Graph does not answer
	// for more; hours that are read again are read whole.
	narrowest = 15 * time.Minute
	// formTimeout is how long a run tries a form that was refused for long.
	formTimeout = time.Minute
	// narrowFor is how long spans stay as narrow as they had to be made.
	narrowFor = 24 * time.Hour
)

// refusals are the codes of answers that refuse, rather than fail.
func refusals() []entra.Code {
	return []entra.Code{entra.CodeRefused, entra.CodeNotFound, entra.CodeLicence, entra.CodePermission}
}

// isRefusal reports whether Graph refused the request.
func isRefusal(err error) bool { return err != nil && slices.Contains(refusals(), entra.CodeOf(err)) }

// tolerates reports whether a refusal does not fail the run yet: the stream had good answers, and
// the refusals are recent.
func (r *streamRun) tolerates(err error) bool {
	if !isRefusal(err) || r.started.LastSuccessAt.IsZero() {
		return false
	}
	if r.progress.RefusedSince.IsZero() {
		r.progress.RefusedSince = r.now
	}
	return r.now.Sub(r.progress.RefusedSince) < believedAfter
}

// width is the widest span to ask for; zero: any.
func (r *streamRun) width() time.Duration {
	if p := &r.progress; r.now.Sub(p.NarrowSince) < narrowFor {
		return p.Width
	}
	return 0
}

func (c *cursor) narrowest() time.Duration {
	if c.kind.rereads() {
		return time.Hour
	}
	return narrowest
}

// until is where a read ends that begins at a time: to, or earlier where spans are narrow.
func (r *streamRun) until(c cursor, at, to time.Time) time.Time {
	width := r.width()
	if !r.collector.source.Ordered(r.stream) && (width == 0 || r.span < width) {
		width = r.span
	}
	if width == 0 {
		return to
	}
	end := at.Add(max(width, c.narrowest()))
	if c.kind.rereads() {
		end = entra.FloorHour(end)
	}
	return entra.Earlier(end, to)
}

// recover inspects why a read ended, and reports whether another read may continue: a narrower one,
// one that begins later, or one in a poorer form.
func (r *streamRun) recover(ctx context.Context, rd *read, err error) (again bool, _ error) {
	switch {
	case err == nil || errors.Is(err, entra.ErrPagingLost):
		return false, err
	case r.outOfTime(ctx):
		if rd.pages == 0 && r.form == "" && r.progress.PoorSince.IsZero() && time.Since(rd.beganAt) > formTimeout {
			r.progress.PoorSince = r.now // it may hang; a good page ends that
		}
		return false, err
	case errors.Is(err, entra.ErrTooWide) && rd.query().Divisible:
		r.narrow(ctx, rd)
		return true, nil
	case entra.CodeOf(err) == entra.CodeRefused && rd.pages == 0:
		if found, failed := r.passOver(rd, err); found || failed != nil {
			return found, failed
		}
	}
	return r.fallBack(ctx, err)
}

// narrow halves the spans after one for which Graph did not answer.
func (r *streamRun) narrow(ctx context.Context, rd *read) {
	p := &r.progress
	p.Width = max((rd.asked.To.Sub(rd.start) / 2).Truncate(time.Minute), rd.cursor.narrowest())
	p.NarrowSince = r.now
	r.collector.log.InfoContext(ctx, r.source().Name+" did not answer for so long a span; shorter ones are asked for",
		"stream", r.stream,
		"from", rd.asked.From, "to", rd.asked.To, "next", p.Width.String())
}

// fallBack turns to the poorer form of a log when the richest one has been refused for long enough.
// Where the poorer one is refused, too, what the richest one said counts.
func (r *streamRun) fallBack(ctx context.Context, err error) (again bool, _ error) {
	switch {
	case !r.hasForms() || !refusesForm(err):
		return false, err
	case r.form != "":
		return false, r.richRefused
	}
	p := &r.progress
	if p.PoorSince.IsZero() {
		p.PoorSince = r.now
	}
	if r.now.Sub(p.PoorSince) < believedAfter {
		return false, err
	}
	r.form, r.richRefused = logs.Of(r.stream).Forms[1], err
	r.collector.log.WarnContext(ctx, "the richest form of a log is refused; a poorer one is read until it comes back",
		"stream", r.stream,
		"form", r.form, "since", p.PoorSince, "error", err.Error())
	return true, nil
}

// refusesForm reports whether an error may be about the requested form. A ceiling is not.
func refusesForm(err error) bool {
	return slices.Contains(append(refusals(), entra.CodeUnavailable, entra.CodeBrokenAnswer), entra.CodeOf(err))
}

// chooseForm starts a run in the poorer form if the richest one has long been refused and still is:
// a request for it may hang and consume the run's budget.
func (r *streamRun) chooseForm(ctx context.Context) {
	p := &r.progress
	if p.PoorSince.IsZero() || !r.hasForms() || r.now.Sub(p.PoorSince) < believedAfter {
		return
	}
	asking, stop := context.WithTimeout(r.reading, formTimeout)
	defer stop()
	hour := entra.FloorHour(r.now.Add(-lagOf(r.stream, r.collector.options)))
	err := r.ask(asking, ledger.Span{From: hour, To: hour.Add(time.Hour)})
	if err == nil {
		p.PoorSince = time.Time{}
	}
	hangs := errors.Is(err, context.DeadlineExceeded) && r.reading.Err() == nil
	if err == nil || !hangs && !refusesForm(err) {
		return
	}
	r.form, r.richRefused = logs.Of(r.stream).Forms[1], err
	r.collector.log.WarnContext(ctx, "the richest form of a log is still refused; a poorer one is read", "stream",
		r.stream,
		"form", r.form, "since", p.PoorSince, "error", err.Error())
}

// passOver finds the oldest time that Graph can be asked for, where it refused a read because it
// begins earlier.
func (r *streamRun) passOver(rd *read, refusal error) (found bool, _ error) {
	from := rd.asked.From
	if r.tenantNow().Sub(from) <= r.source().KeepsLeast {
		return false, nil
	}
	oldest, err := r.oldest(from)
	if err != nil || !oldest.After(from) {
		return false, err
	}
	r.askable, r.tooFar = oldest, refusal
	return true, nil
}

// skip moves a cursor past what Graph refuses to return. That span is lost unless it was read
// before.
func (r *streamRun) skip(ctx context.Context, c cursor, to time.Time) error {
	at := c.at(&r.progress)
	oldest := entra.Earlier(r.askable, entra.FloorHour(to))
	if !oldest.After(at) {
		return nil
	}
	r.collector.log.WarnContext(ctx,
		r.source().Name+" refuses to be asked for times so far back; reading goes on from the oldest that it takes",
		"stream", r.stream,
		"from", at, "to", oldest, "error", r.tooFar.Error())
	gone := &read{run: r, cursor: c, asked: ledger.Span{From: entra.FloorHour(at), To: oldest}, rich: true,
		gone:    oldest,
		goneWhy: r.source().Name + " refused to be asked for times so far back: " + entra.WhyOf(r.tooFar)}
	if err := gone.begin(ctx); err != nil {
		return err
	}
	return gone.commit(ctx, oldest, true)
}

// oldest searches by bisection for the first hour that Graph accepts, between a refused hour and
// the last seven days. It is zero if Graph refuses those too, or accepts the hour now: then the
// time is not the reason.
func (r *streamRun) oldest(refused time.Time) (time.Time, error) {
	takes, low := entra.FloorHour(r.tenantNow().Add(-r.source().KeepsLeast)).Add(2*time.Hour), entra.FloorHour(refused)
	if ok, err := r.canAsk(takes); err != nil || !ok {
		return time.Time{}, err
	}
	if ok, err := r.canAsk(low); err != nil || ok {
		return time.Time{}, err
	}
	month := entra.FloorHour(r.tenantNow().Add(-r.source().KeepsMost))
	for n := 0; takes.Sub(low) > time.Hour; n++ {
		middle := entra.FloorHour(low.Add(takes.Sub(low) / 2))
		// The likely answer comes first: what tenants keep.
		if likely := month.Add(time.Duration(1-n) * time.Hour); n < 2 && likely.After(low) && likely.Before(takes) {
			middle = likely
		}
		ok, err := r.canAsk(middle)
		if err != nil {
			return time.Time{}, err
		}
		if ok {
			takes = middle
		} else {
			low = middle
		}
	}
	// Slips come in clusters: what is to be given up is asked for again, in other words.
	first := entra.FloorHour(refused)
	for _, hour := range []time.Time{takes.Add(-time.Hour), entra.FloorHour(first.Add(takes.Sub(first) / 2)), first} {
		err := r.ask(r.reading, ledger.Span{From: hour, To: hour.Add(3 * time.Hour)})
		if err == nil {
			return time.Time{}, nil
		}
		if entra.CodeOf(err) != entra.CodeRefused {
			return time.Time{}, fmt.Errorf("look for the oldest time of %s: %w", r.stream, err)
		}
	}
	return takes, nil
}

// canAsk reports whether Graph accepts a query about an hour. Two different queries refused mean
// no.
func (r *streamRun) canAsk(hour time.Time) (bool, error) {
	for _, length := range []time.Duration{time.Hour, 2 * time.Hour} {
		err := r.ask(r.reading, ledger.Span{From: hour, To: hour.Add(length)})
		switch {
		case err == nil:
			return true, nil
		case entra.CodeOf(err) != entra.CodeRefused:
			return false, fmt.Errorf("look for the oldest time of %s: %w", r.stream, err)
		}
	}
	return false, nil
}

// ask asks for the first page of a span, and does not look at it.
func (r *streamRun) ask(ctx context.Context, s ledger.Span) error {
	for page, err := range r.collector.source.Pages(ctx, entra.Query{Stream: r.stream, From: s.From, To: s.To,
		Form: r.form}) {
		if err != nil {
			return err
		}
		page.Done()
		return nil
	}
	return ctx.Err()
}
