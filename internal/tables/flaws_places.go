package tables

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

// Rows among the records that lie where no hour of the archive is. Nothing that reads an hour would
// meet them.

// outOfMonth names the rows of a month's table whose partition lies before or behind the month.
func (f *flaws) outOfMonth(ctx context.Context, table string, month time.Time) error {
	first, end := month.Format(entra.HourFormat), month.AddDate(0, 1, 0).Format(entra.HourFormat)
	other := func(partition, key string) error { return f.misplaced(table, partition, key) }
	for _, filter := range []string{"PartitionKey lt " + quote(first), "PartitionKey ge " + quote(end)} {
		if err := f.keysOf(ctx, table, filter, other); err != nil {
			return err
		}
	}
	if f.purgedAndWatched(month) {
		return f.leftOfPurge(ctx, table, month)
	}
	return f.outOfTime(ctx, table, month)
}

func (f *flaws) misplaced(table, partition, key string) error {
	return f.found(archive.DiffAdded, table, partition+" "+key, time.Time{},
		"its partition %q is no hour of the table's month", entra.Clip(partition, 80))
}

// purgedAndWatched tells whether a month was purged, and the time is over in which something may
// still have arrived.
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
		return f.found(archive.DiffAdded, table, hour.Format(entra.HourFormat)+" "+key, hour,
			"the month was purged, and the hour has rows again")
	}, nil)
}

// outOfTime names what lies before the archive's begin, or behind its watermark: hours that it
// can't have, and rows whose partition is no hour. What lies between is met by whoever inspects the
// records.
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
	now, err := f.Now(ctx)
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
		return f.found(archive.DiffAdded, table, hour.Format(entra.HourFormat)+" "+key, hour,
			"the hour has not come yet")
	}, other)
}

// beforeBegin names an hour with rows before the archive's begin, unless the ledger has it: then
// the begin is what is wrong, and whoever verifies the ledger says so.
func (f *flaws) beforeBegin(ctx context.Context, table string, hour time.Time, key string) error {
	err := f.readProgress(ctx)
	if begin := f.progress.Begin; err != nil || begin.IsZero() || !hour.Before(entra.FloorHour(begin)) {
		return err
	}
	known := false
	filter := fmt.Sprintf("PartitionKey eq %s and RowKey eq %s", quote(string(f.stream)),
		quote(hour.Format(entra.HourFormat)))
	err = f.keysOf(ctx, coverageTable, filter, func(string, string) error { known = true; return nil })
	if err != nil || known {
		return err
	}
	return f.found(archive.DiffAdded, table, hour.Format(entra.HourFormat)+" "+key, hour,
		"the archive begins at %s, and the ledger has no row of the hour", f.progress.Begin.Format(time.RFC3339))
}

// hoursOf yields each hour of [from, to), within one month, that has rows, with the key of the
// first, and each row whose partition is no hour. Either may be nil. It reads keys alone, and where
// an hour has more than a page of them goes on behind it.
func (f *flaws) hoursOf(ctx context.Context, table string, from, to time.Time, hour func(time.Time, string) error,
	other func(partition, key string) error) error {
	low, below := "ge "+quote(from.Format(entra.HourFormat)), to.Format(entra.HourFormat)
	if !to.Equal(entra.FloorHour(to)) {
		below += "~"
	}
	for {
		filter := fmt.Sprintf("PartitionKey %s and PartitionKey lt %s", low, quote(below))
		columns, top, n := "PartitionKey,RowKey", int32(keysAtOnce), 0
		enough, last := errors.New("enough"), ""
		err := f.listWith(ctx, table, &aztables.ListEntitiesOptions{Filter: &filter, Select: &columns, Top: &top},
			func(body []byte) error {
				row := gjson.ParseBytes(body)
				partition, key := row.Get("PartitionKey").Str, row.Get("RowKey").Str
				start, err := time.Parse(entra.HourFormat, partition)
				isHour := err == nil && start.Format(entra.HourFormat) == partition
				n++
				switch {
				case isHour && partition == last:
					if n >= keysAtOnce {
						return enough
					}
					return nil
				case isHour:
					if last = partition; hour != nil {
						return hour(start, key)
					}
				case other != nil:
					return other(partition, key)
				}
				return nil
			})
		if err == nil || errors.Is(err, errNoTable) {
			return nil
		}
		if !errors.Is(err, enough) {
			return err
		}
		low = "gt " + quote(last)
	}
}

// keysAtOnce is how many keys a page has.
const keysAtOnce = 1000
