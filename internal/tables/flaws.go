package tables

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// Flaws is archive.Beside's: what is wrong with rows beside a stream's records and its ledger. With
// a span, they are those of the days of [from, to): of its index, which is read month by month, so
// a month costs little more than a day. Without a span they are those that are about no time:
// quarantine, dictionaries, and rows that lie where nothing looks. What is wrong is yielded, and
// ends nothing. Each is looked at once more before it is, so that whoever writes meanwhile is no
// flaw.
func (s *Store) Flaws(ctx context.Context, stream entra.Stream, from, to time.Time) iter.Seq2[archive.Flaw, error] {
	return s.findings(func(f *flaws) error {
		f.stream = stream
		if err := f.readProgress(ctx); err != nil {
			return err
		}
		if to.IsZero() {
			return f.timeless(ctx)
		}
		return f.span(ctx, from, to)
	})
}

// StrayFlaws are the partitions of tables of Entra Ledger that are no known stream's. Other tables
// are not its own.
func (s *Store) StrayFlaws(ctx context.Context) iter.Seq2[archive.Flaw, error] {
	return s.findings(func(f *flaws) error { return f.strays(ctx) })
}

// findings runs a search for flaws.
func (s *Store) findings(search func(*flaws) error) iter.Seq2[archive.Flaw, error] {
	return func(yield func(archive.Flaw, error) bool) {
		stopped := errors.New("the reader has enough")
		f := &flaws{Store: s, yield: func(flaw archive.Flaw) error {
			if !yield(flaw, nil) {
				return stopped
			}
			return nil
		}}
		if err := search(f); err != nil && !errors.Is(err, stopped) {
			yield(archive.Flaw{}, err)
		}
	}
}

// flaws is a search for flaws.
type flaws struct {
	*Store
	stream   entra.Stream
	progress archive.Progress // zero where its row can't be read
	yield    func(archive.Flaw) error
}

func (f *flaws) found(d archive.Difference, table, row string, hour time.Time, format string, args ...any) error {
	return f.yield(archive.Flaw{Difference: d, Table: table, Row: entra.Clip(row, maxProperty>>6), Hour: hour,
		Detail: fmt.Sprintf(format, args...)})
}

// readProgress reads how the stream stands. A row that can't be read is named by whoever verifies
// the ledger.
func (f *flaws) readProgress(ctx context.Context) error {
	p, err := f.Progress(ctx, f.stream)
	if err != nil && entra.CodeOf(err) != entra.CodeTampered {
		return err
	}
	if f.progress = p; err != nil {
		f.progress = archive.Progress{Stream: f.stream}
	}
	return nil
}

// timeless finds what is about no time.
func (f *flaws) timeless(ctx context.Context) error {
	if err := f.quarantine(ctx); err != nil {
		return err
	}
	if err := f.indexedUpTo(ctx); err != nil {
		return err
	}
	prefix := logs.Of(f.stream).Table
	names, err := f.tableNames(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		month, ok := monthOfTable(name, prefix)
		if !ok {
			continue
		}
		if err := f.outOfMonth(ctx, name, month); err != nil {
			return err
		}
	}
	return f.dictionaryFlaws(ctx, prefix)
}

// span finds what is about the days of [from, to).
func (f *flaws) span(ctx context.Context, from, to time.Time) error {
	log, err := f.lastSeals(ctx)
	if err != nil {
		return err
	}
	from = entra.FloorHour(from)
	for from.Before(to) {
		month := time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, time.UTC)
		end := month.AddDate(0, 1, 0)
		if to.Before(end) {
			end = to
		}
		if err := f.index(ctx, month, from, end, log); err != nil {
			return err
		}
		from = end
	}
	return nil
}

// tableNames lists the account's tables.
func (s *Store) tableNames(ctx context.Context) ([]string, error) {
	pager := s.service.NewListTablesPager(nil)
	var out []string
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, s.explain("list the tables of the account", err)
		}
		for _, table := range page.Tables {
			if table.Name != nil {
				out = append(out, *table.Name)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// monthOfTable is the month in a table's name.
func monthOfTable(name, prefix string) (time.Time, bool) {
	text, ok := strings.CutPrefix(name, prefix)
	if !ok || len(text) != len("200601") {
		return time.Time{}, false
	}
	month, err := time.Parse("200601", text)
	return month, err == nil
}

// keysOf yields the keys of the rows that a filter lets through.
func (s *Store) keysOf(ctx context.Context, table, filter string, yield func(partition, key string) error) error {
	return s.list(ctx, table, filter, "PartitionKey,RowKey", func(body []byte) error {
		row := gjson.ParseBytes(body)
		return yield(row.Get("PartitionKey").Str, row.Get("RowKey").Str)
	})
}

// eachPartition yields the partitions of a table with the key of the first row of each, by a
// request for each.
func (s *Store) eachPartition(ctx context.Context, table string, yield func(partition, key string) error) error {
	var last string
	for first := true; ; first = false {
		filter, columns, one := "PartitionKey gt "+quote(last), "PartitionKey,RowKey", int32(1)
		if first {
			filter = "PartitionKey ge ''"
		}
		enough, is := errors.New("enough"), false
		var key string
		err := s.listWith(ctx, table, &aztables.ListEntitiesOptions{Filter: &filter, Select: &columns, Top: &one},
			func(body []byte) error {
				row := gjson.ParseBytes(body)
				last, key, is = row.Get("PartitionKey").Str, row.Get("RowKey").Str, true
				return enough
			})
		switch {
		case errors.Is(err, errNoTable):
			return nil
		case err != nil && !errors.Is(err, enough):
			return err
		case !is:
			return nil
		}
		if err := yield(last, key); err != nil {
			return err
		}
	}
}

// strays finds the partitions that are no known stream's.
func (f *flaws) strays(ctx context.Context) error {
	names, err := f.tableNames(ctx)
	if err != nil {
		return err
	}
	known := make(map[string]bool)
	for _, stream := range logs.Streams() {
		known[string(stream)] = true
	}
	for _, name := range names {
		ours := name == coverageTable || name == quarantineTable
		for _, prefix := range []string{"index", "leaves"} {
			_, month := monthOfTable(name, prefix)
			ours = ours || month
		}
		is := func(partition string) bool { return known[partition] }
		if name == dictionaryTable {
			ours, is = true, isRecordTable
		}
		if !ours {
			continue
		}
		err := f.eachPartition(ctx, name, func(partition, key string) error {
			if is(partition) {
				return nil
			}
			return f.found(archive.DiffAdded, name, partition+" "+key, time.Time{},
				"its partition %q is of no stream that Entra Ledger has, so nothing reads it", entra.Clip(partition,
					80))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// isRecordTable tells whether a table is one of records.
func isRecordTable(name string) bool {
	return slices.ContainsFunc(logs.All(), func(l *logs.Log) bool {
		_, ok := monthOfTable(name, l.Table)
		return ok
	})
}
