package tables

import (
	"context"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
	"github.com/entraledger/entraledger/internal/verify"
)

// Rows among the records that are in no hour of the archive. Nothing that reads an hour would find
// them.

// outOfMonth names the rows of a month's table whose partition is before or after the month.
func (f *flaws) outOfMonth(ctx context.Context, table string, month time.Time) error {
	first, end := month.Format(entra.HourFormat), month.AddDate(0, 1, 0).Format(entra.HourFormat)
	for _, filter := range []string{"PartitionKey lt " + rows.Quote(first), "PartitionKey ge " + rows.Quote(end)} {
		for key, err := range f.in.client.Keys(ctx, table, filter) {
			if err != nil {
				return err
			}
			if err := f.misplaced(table, key.Partition, key.Row); err != nil {
				return err
			}
		}
	}
	if f.purgedAndWatched(month) {
		return f.leftOfPurge(ctx, table, month)
	}
	return f.outOfTime(ctx, table, month)
}

func (f *flaws) misplaced(table, partition, key string) error {
	return f.found(verify.DiffAdded, table, partition+" "+key, time.Time{},
		"its partition %q is no hour of the table's month", entra.Clip(partition, 80))
}

// purgedAndWatched reports whether a month was purged, and no late write can arrive any more.
func (f *flaws) purgedAndWatched(month time.Time) bool {
	for _, drop := range f.progress.Drops {
		if drop.Month.Equal(month) {
			return false
		}
	}
	return !f.progress.PurgedTo.IsZero() && !month.AddDate(0, 1, 0).After(f.progress.PurgedTo)
}

// leftOfPurge names the hours of a purged month that have rows.
func (f *flaws) leftOfPurge(ctx context.Context, table string, month time.Time) error {
	return f.hoursOf(ctx, table, month, month.AddDate(0, 1, 0), func(hour time.Time, key string) error {
		if err := f.readProgress(ctx); err != nil || !f.purgedAndWatched(month) {
			return err
		}
		return f.found(verify.DiffAdded, table, hour.Format(entra.HourFormat)+" "+key, hour,
			"the month was purged, and the hour has rows again")
	}, nil)
}

// outOfTime names what is before the archive's begin, or after its watermark: hours that it can't
// have, and rows whose partition is no hour. What is between is found where the records are
// inspected.
func (f *flaws) outOfTime(ctx context.Context, table string, month time.Time) error {
	if f.progress.Begin.IsZero() {
		return nil // how far the archive reaches is not known yet
	}
	begin, end := entra.FloorHour(f.progress.Begin), month.AddDate(0, 1, 0)
	other := func(partition, key string) error { return f.misplaced(table, partition, key) }
	if month.Before(begin) {
		below := begin
		if end.Before(begin) {
			below = end
		}
		err := f.hoursOf(ctx, table, month, below, func(hour time.Time, key string) error {
			return f.beforeBegin(ctx, table, hour, key)
		}, other)
		if err != nil {
			return err
		}
	}
	now, err := f.in.client.Now(ctx, coverageTable)
	if err != nil {
		return err
	}
	future := now.Add(time.Hour) // clocks differ a little
	from := entra.FloorHour(f.progress.Watermark)
	if from.Before(month) {
		from = month
	}
	if !from.Before(end) {
		return nil
	}
	return f.hoursOf(ctx, table, from, end, func(hour time.Time, key string) error {
		if !hour.After(future) {
			return nil
		}
		return f.found(verify.DiffAdded, table, hour.Format(entra.HourFormat)+" "+key, hour,
			"the hour has not come yet")
	}, other)
}

// beforeBegin names an hour with rows before the archive's begin, unless the ledger has it: then
// the begin is what is wrong, and the check of the ledger says so.
func (f *flaws) beforeBegin(ctx context.Context, table string, hour time.Time, key string) error {
	err := f.readProgress(ctx)
	if begin := f.progress.Begin; err != nil || begin.IsZero() || !hour.Before(entra.FloorHour(begin)) {
		return err
	}
	known, err := f.in.client.Any(ctx, coverageTable, rows.Of(string(f.stream), hour.Format(entra.HourFormat)))
	if err != nil || known {
		return err
	}
	return f.found(verify.DiffAdded, table, hour.Format(entra.HourFormat)+" "+key, hour,
		"the archive begins at %s, and the ledger has no row of the hour", f.progress.Begin.Format(time.RFC3339))
}

// hoursOf yields each hour of [from, to), within one month, that has rows, with the key of the
// first, and each row whose partition is no hour. Either may be nil. It reads keys alone, and where
// an hour has more than a page of them continues behind it.
func (f *flaws) hoursOf(ctx context.Context, table string, from, to time.Time, hour func(time.Time, string) error,
	other func(partition, key string) error) error {
	low, below := "ge "+rows.Quote(from.Format(entra.HourFormat)), to.Format(entra.HourFormat)
	if !to.Equal(entra.FloorHour(to)) {
		below += "~"
	}
	for more := true; more; {
		filter := fmt.Sprintf("PartitionKey %s and PartitionKey lt %s", low, rows.Quote(below))
		n, last := 0, ""
		more = false
		for key, err := range f.in.client.Keys(ctx, table, filter) {
			if err != nil {
				return err
			}
			n++
			start, isHour := exactHour(key.Partition)
			switch {
			case isHour && key.Partition == last:
				more = n >= rows.PageRows
			case isHour:
				if last = key.Partition; hour != nil {
					err = hour(start, key.Row)
				}
			case other != nil:
				err = other(key.Partition, key.Row)
			}
			if err != nil {
				return err
			}
			if more {
				break
			}
		}
		low = "gt " + rows.Quote(last)
	}
	return nil
}

// exactHour reads the key of a partition, which has to be written as an hour is.
func exactHour(partition string) (time.Time, bool) {
	start, err := time.Parse(entra.HourFormat, partition)
	return start, err == nil && start.Format(entra.HourFormat) == partition
}
