package derive

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// How a period is made. One run at a time has the stream's lease, but a request of one that lost it
// may still be carried out minutes later. So the rows of a run stand under an edition of their own,
// the run's fence, and only those are believed that the period's stamp names:
//
//  1. The stamp says that the period is being made. It is replaced if it is still as it was read:
//     no stamp of an earlier run can be written from here on.
//  2. The rows are written.
//  3. Rows of earlier editions are deleted. No run deletes those of a later one.
//  4. The stamp names the rows, if it is still the one of step 1.
//
// A run that is killed leaves the period as not made, and rows that nobody believes; the next one
// makes it again. A view whose rows grow needs none of this: whatever is carried out late hides
// nothing, and its stamp is written after its rows.

// Report is what a run did for a stream.
type Report struct {
	Days   int  // periods that were made, without those of views aside
	Values int  // rows of them that count
	Left   bool // the time was over before everything was made
}

// Runner brings views up to date.
type Runner struct {
	Store Store
	Views []View
}

// Update brings the program's views of a stream up to date.
func Update(ctx context.Context, store Store, by ledger.Execution, s entra.Stream, again bool,
	until time.Time) (Report, error) {
	return Runner{Store: store, Views: Views()}.Update(ctx, by, s, again, until)
}

// Update makes a stream's periods that are not, or no longer, made of what the ledger vouches for,
// the newest first, until a moment. With again, all of them are, whatever their stamps say. It has
// the stream's lease while it works, so that no purge drops what is being made, and leaves it to
// whoever waits for it.
func (r Runner) Update(ctx context.Context, by ledger.Execution, s entra.Stream, again bool,
	until time.Time) (Report, error) {
	p, err := r.Store.Progress(ctx, s)
	if err != nil || !p.Started() && p.ImportedHours == 0 {
		return Report{}, err
	}
	behind, err := r.behind(ctx, &p, again)
	if err != nil || len(behind) == 0 {
		return Report{}, err
	}
	waiting, stop := context.WithDeadline(ctx, until)
	defer stop()
	// it dates nothing, and goes by no clock
	h, p, err := ledger.Acquire(waiting, r.Store, by, s, func(*ledger.Writer) time.Time { return time.Time{} })
	var held *ledger.Held
	if errors.As(err, &held) || errors.Is(waiting.Err(), context.DeadlineExceeded) && isOnlyLate(err) {
		return Report{Left: true}, nil
	}
	if err != nil {
		return Report{}, err
	}
	h.KeepAlive(ctx)
	run := &run{store: r.Store, writer: h, progress: p, again: again, until: until}
	for _, v := range behind {
		if err = run.follow(ctx, v); err != nil || run.report.Left {
			break
		}
	}
	return run.report, errors.Join(err, h.ReleaseUnchanged(ctx))
}

// isOnlyLate tells whether taking a lease failed for nothing but that its time was over.
func isOnlyLate(err error) bool {
	return errors.Is(err, ledger.ErrMoved) || err != nil && entra.Without(err, context.Canceled,
		context.DeadlineExceeded) == nil
}

// behind are the views that have not followed all of a stream's log.
func (r Runner) behind(ctx context.Context, p *ledger.Progress, again bool) ([]View, error) {
	var out []View
	for _, v := range r.Views {
		if v.lastOf(p).IsZero() || v.Streams != nil && !v.Streams(p.Stream) {
			continue
		}
		if entries, err := r.Store.Kept(v).Mark(ctx, p.Stream); err != nil {
			return nil, err
		} else if entries != p.Seals || again {
			out = append(out, v)
		}
	}
	return out, nil
}

// lastOf is a time behind which there is nothing to make yet; zero: nowhere is.
func (v View) lastOf(p *ledger.Progress) time.Time {
	switch {
	case v.When == Settled:
		return entra.Later(p.SealedTo, p.ImportedTo)
	case p.Seals > 0:
		return entra.Later(p.Watermark, p.ImportedTo)
	}
	return time.Time{}
}

// run is one run of a stream that has its lease.
type run struct {
	store    Store
	writer   *ledger.Writer
	progress ledger.Progress
	again    bool
	until    time.Time
	report   Report
}

// work is a period that is to be made.
type work struct {
	period Period
	is     Vouched
	was    Stamp
}

// follow brings a view up to date, and marks how much of the log it has followed.
func (r *run) follow(ctx context.Context, v View) error {
	keeper, upTo := r.store.Kept(v), r.progress.Seals
	first, _ := r.progress.Span(time.Time{})
	last := v.lastOf(&r.progress)
	first = v.Unit.Start(first)
	for month := Month.Start(last); !Month.End(month).Before(first); month = month.AddDate(0, -1, 0) {
		todo, followed, err := r.todo(ctx, v, month)
		if err != nil {
			return err
		}
		upTo = min(upTo, followed)
		for _, one := range todo {
			if time.Now().After(r.until) || r.writer.Yields() {
				r.report.Left = true
				return nil
			}
			if r.writer.Expired() {
				if err := r.writer.Acquire(ctx); err != nil {
					return err
				}
			}
			if err := r.make(ctx, v, one); err != nil {
				return err
			}
		}
	}
	return keeper.SetMark(ctx, r.progress.Stream, upTo)
}

// todo lists the periods of a month that are to be made, the newest first, and how many entries of
// the log the view has followed once they are.
func (r *run) todo(ctx context.Context, v View, month time.Time) (out []work, followed int64, err error) {
	s, end := r.progress.Stream, Month.End(month)
	followed = r.progress.Seals
	now, err := VouchedFor(ctx, r.store, v, s, month, end)
	if err != nil {
		return nil, 0, err
	}
	stamps, err := r.store.Kept(v).Stamps(ctx, s, month, end)
	if err != nil {
		return nil, 0, err
	}
	for start := month; start.Before(end); start = v.Unit.End(start) {
		is, vouched := now[start]
		was := stamps[start]
		period := v.Period(s, start)
		switch {
		case !vouched && was.State == StampMade: // what was sealed since it was made stays unfollowed
			followed = min(followed, was.Revision.LastSeal+1)
		case !vouched || was.Names(is.Revision, v.Version) && !r.again:
		case v.Merge == nil && r.progress.Suspected(period.Start, period.End):
			followed = min(followed, r.progress.Seals-1) // rows may lie there that the ledger does not count
		default:
			out = append(out, work{period: period, is: is, was: was})
		}
	}
	slices.Reverse(out)
	return out, followed, nil
}

// make makes one period.
func (r *run) make(ctx context.Context, v View, w work) error {
	keeper := r.store.Kept(v)
	made, err := r.compute(ctx, v, w)
	if err != nil {
		return err
	}
	stamp := Stamp{State: StampMade, Revision: w.is.Revision, Version: v.Version}
	draft := Draft{Period: w.period, Was: w.was}
	if v.Merge == nil {
		stamp.Edition, draft.Edition = r.writer.Fence(), r.writer.Fence()
		open, err := keeper.PutStamp(ctx, w.period, Stamp{State: StampOpen, Edition: draft.Edition, Tag: w.was.Tag})
		if err != nil {
			return r.refused(ctx, v, w.period, err)
		}
		stamp.Tag = open.Tag
	}
	if stamp.Together, err = keeper.PutRows(ctx, draft, made); err != nil {
		return err
	}
	if v.Merge == nil {
		if err := keeper.DropStale(ctx, draft); err != nil {
			return err
		}
	}
	if _, err := keeper.PutStamp(ctx, w.period, stamp); err != nil {
		return r.refused(ctx, v, w.period, err)
	}
	if v.Aside {
		return nil
	}
	r.report.Days++
	for _, row := range made {
		if v.Counts == nil || v.Counts(row.Key) {
			r.report.Values++
		}
	}
	return nil
}

// compute computes the rows of a period. What it is made of and can't be believed is computed from
// the records.
func (r *run) compute(ctx context.Context, v View, w work) ([]Row, error) {
	if v.Over == nil {
		return Compute(ctx, r.store, v, w.period, w.is.Spans)
	}
	over := v.Over()
	parts, err := Believed(ctx, r.store, over, w.period.Stream, w.period.Start, w.period.End)
	if err != nil {
		return nil, err
	}
	var all []Row
	for at := w.period.Start; at.Before(w.period.End); at = over.Unit.End(at) {
		rows, ok := parts[at]
		if part := over.Period(w.period.Stream, at); !ok {
			if rows, err = Compute(ctx, r.store, over, part, within(w.is.Spans, part)); err != nil {
				return nil, err
			}
		}
		all = append(all, rows...)
	}
	return v.Of(w.period, func(yield func(Content) bool) {
		for _, row := range all {
			if !yield(Content{Raw: row.Content}) {
				return
			}
		}
	})
}

// within are the parts of spans that lie in a period.
func within(spans []ledger.Span, p Period) (out []ledger.Span) {
	for _, s := range spans {
		s.From, s.To = entra.Later(s.From, p.Start), entra.Earlier(s.To, p.End)
		if s.From.Before(s.To) {
			out = append(out, s)
		}
	}
	return out
}

// refused explains why a stamp was not written. Where it is another execution's, the error says
// whose. A request of an earlier run may have been carried out late, or one of this run's before
// its answer was lost: the next run makes the period.
func (r *run) refused(ctx context.Context, v View, p Period, err error) error {
	if !errors.Is(err, ledger.ErrMoved) {
		return err
	}
	if lost := r.writer.Acquire(ctx); lost != nil {
		return lost
	}
	return &entra.Error{Code: entra.CodeUnavailable, Doing: "make view " + v.Name + " of " + string(p.Stream),
		Why:    "a late request changed the stamp of " + p.Start.Format(entra.HourFormat),
		Remedy: "the next run makes it", Err: err}
}
