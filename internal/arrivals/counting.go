package arrivals

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

// insertTries is how often an hour is looked at again because an insert met a row.
const insertTries = 5

// counting writes the arrivals of one window and counts them, in the order of a read: the ledger
// says that the hour is being written, the rows follow, and then the row that counts them. Who comes
// after a run that was killed between finds that span among the suspects, and counts what is there:
// rows of the killed run get a date of this one, which the next commit covers.
type counting struct {
	store    Store
	writer   *ledger.Writer
	progress *ledger.Progress
	window   entra.Window

	sum      Added // of what was inserted, where that is all that there is to count
	recount  bool  // more may be there than sum
	added    int
	tooLarge []entra.Key
}

// Adopt counts the arrivals of a window that a run stored and did not count before it was stopped.
// Rows that no suspect can have written are left as they are: verify names them. What is left of a
// month that was purged is the purge's.
func Adopt(ctx context.Context, store Store, writer *ledger.Writer, progress *ledger.Progress,
	window entra.Window) error {
	cov, err := rowOf(ctx, store, window)
	if err != nil || wasPurged(progress, &cov) {
		return err
	}
	c := counting{store: store, writer: writer, progress: progress, window: window}
	return c.write(ctx, nil, entra.Origin{})
}

func (c *counting) commit(ctx context.Context, p ledger.Progress, rows ...ledger.Coverage) error {
	saved, err := c.writer.Commit(ctx, p, rows, nil)
	if err == nil {
		*c.progress = saved
	}
	return err
}

// write stores records, and counts them and what was left of interrupted runs.
func (c *counting) write(ctx context.Context, records []entra.Record, origin entra.Origin) error {
	p := *c.progress
	p.ReadingFrom, p.ReadingTo = c.window.Start, c.window.End()
	if err := c.commit(ctx, p); err != nil {
		return err
	}
	adopted := c.writer.Stamp()
	if err := c.adopt(ctx, adopted); err != nil {
		return err
	}
	if err := c.insert(ctx, records, origin); err != nil {
		return err
	}
	return c.count(ctx, adopted)
}

// adopt dates what interrupted runs left as this run's.
func (c *counting) adopt(ctx context.Context, at time.Time) error {
	cov, err := rowOf(ctx, c.store, c.window)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		forms, err := c.store.StoredForms(ctx, c.window)
		if err != nil {
			return err
		}
		_, arrived := ledger.Parted(leavesOf(forms))
		left := slices.DeleteFunc(slices.Clone(arrived), func(l seal.Leaf) bool { return !c.left(&cov, l) })
		if len(left) == 0 || cov.HoldsArrivals(arrived) {
			return nil
		}
		c.recount = true
		err = c.store.Restamp(ctx, c.window, left, at)
		if !errors.Is(err, ledger.ErrMoved) || try == insertTries {
			return err
		}
	}
}

// left reports whether an interrupted run may have stored a content and not counted it.
// Where the dates of a suspect are not known, only an hour tells of which nothing was counted yet.
func (c *counting) left(cov *ledger.Coverage, l seal.Leaf) bool {
	return slices.ContainsFunc(c.progress.Suspects, func(s ledger.Suspect) bool {
		return s.Span().From.Before(c.window.End()) && c.window.Start.Before(s.To) &&
			(!s.Next.IsZero() || cov.Imported == 0) && s.Wrote(l.FirstSeen)
	})
}

// insert stores those of the records of which no form is there.
func (c *counting) insert(ctx context.Context, records []entra.Record, origin entra.Origin) error {
	for try := 0; len(records) > 0; try++ {
		sum, large, err := c.store.InsertArrivals(ctx, c.window, records, origin.String(), c.writer.Stamp())
		c.sum, c.tooLarge = sum, large
		if !errors.Is(err, ErrExists) || try == insertTries {
			return err
		}
		c.recount = true
		// A request of before was carried out late, or one of this call before its answer was lost.
		forms, err := c.store.StoredForms(ctx, c.window)
		if err != nil {
			return err
		}
		records = missingOf(c.store, c.window.Stream, forms, records)
	}
	return nil
}

// count adds to the window's row what this run has stored, or dated, there.
func (c *counting) count(ctx context.Context, adopted time.Time) error {
	was, err := rowOf(ctx, c.store, c.window)
	if err != nil {
		return err
	}
	sum := c.sum
	if c.added = int(sum.Count); c.recount {
		c.added = 0
		sum, err = c.store.CountArrivals(ctx, c.window, func(l seal.Leaf) bool {
			if l.FirstSeen.After(adopted) {
				c.added++
			}
			return !l.FirstSeen.Before(adopted)
		})
	}
	if err != nil {
		return err
	}
	p, now := *c.progress, was
	p.ReadingFrom, p.ReadingTo = time.Time{}, time.Time{}
	if sum.Count == 0 {
		return c.commit(ctx, p)
	}
	columns := logs.Of(c.window.Stream).ColumnSet()
	if was.Contents() > 0 || was.ColumnSet > 0 {
		columns = min(was.ColumnSet, columns)
	}
	now.ColumnSet = columns
	now.Imported += sum.Count
	now.Bytes += sum.Bytes
	now.StoredBytes += sum.StoredBytes
	now.ImportedSum.Add(sum.Sum)
	if was.Seals > 0 {
		now.Reopen(laterReason(was.Reason, sum.Count))
	}
	now.Revise(was)
	p.Apply(was, now)
	p.Recounted = p.Recounted || !p.Started() // its totals are made of arrivals alone
	if logs.Of(c.window.Stream).Delivered {
		p.LastRunAt = entra.Later(p.LastRunAt, c.writer.Base)
		p.SteppedAt, p.LastSuccessAt = p.LastRunAt, p.LastRunAt
	}
	return c.commit(ctx, p, now)
}

// ArrivedLater begins the reason of a seal that covers arrivals which came after the one before.
const ArrivedLater = "arrived later"

func laterReason(before string, n int64) string {
	reason := fmt.Sprintf("%s: %d records", ArrivedLater, n)
	if before == "" || strings.HasPrefix(before, ArrivedLater) {
		return reason
	}
	return before + "; " + reason
}

// checkSuspects counts what interrupted runs left in the spans in which they may have written, at
// once and again when none of their requests can be carried out any more. A stream that is
// collected has collect for it, which asks the source for the rest.
func (w *work) checkSuspects(ctx context.Context) error {
	began, opened := time.Now(), w.writer.OpenedAt
	for i := 0; i < len(w.progress.Suspects); i++ {
		s := w.progress.Suspects[i]
		now := opened.Add(time.Since(began))
		over := now.Sub(s.Since) >= ledger.LateWrites
		if s.Compared && !over {
			continue
		}
		for hour := s.Span().From; hour.Before(s.To); hour = hour.Add(time.Hour) {
			if err := w.adoptIn(ctx, entra.Window{Stream: w.progress.Stream, Start: hour}); err != nil {
				return err
			}
		}
		left := slices.Clone(w.progress.Suspects)
		if left[i].Compared = true; over {
			left = slices.Delete(left, i, i+1)
			i--
		}
		w.progress.Suspects = left
	}
	return nil
}

// adoptIn is Adopt where rows and ledger differ.
func (w *work) adoptIn(ctx context.Context, window entra.Window) error {
	cov, err := rowOf(ctx, w.adder.store, window)
	if err != nil {
		return err
	}
	forms, err := w.adder.store.StoredForms(ctx, window)
	if err != nil {
		return err
	}
	if _, arrived := ledger.Parted(leavesOf(forms)); cov.HoldsArrivals(arrived) {
		return nil
	}
	return Adopt(ctx, w.adder.store, w.writer, &w.progress, window)
}
