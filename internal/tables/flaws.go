package tables

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables/rows"
	"github.com/entraledger/entraledger/internal/verify"
)

// Audit reads what is stored as it is, with what is wrong with it: the records and the ledger row
// by row, and flaws of what is beside them: of the index, the quarantine, dictionaries, snapshots,
// readers, and rows where nothing looks. Such a flaw is yielded, and ends nothing. Each is looked at again
// before it is, so that a run that writes meanwhile is no flaw.
type Audit struct {
	client    *rows.Client
	archive   *Archive
	views     *Views
	directory *Directory
	secrets   *Secrets
}

// Flaws is verify.Beside's. With a span, they are those of the days of [from, to): of its index,
// which is read month by month, so a month costs little more than a day. Without a span they are
// those that are about no time: quarantine, dictionaries, and rows where nothing looks.
func (u *Audit) Flaws(ctx context.Context, stream entra.Stream, from, to time.Time) iter.Seq2[verify.Flaw, error] {
	return u.findings(func(f *flaws) error {
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
func (u *Audit) StrayFlaws(ctx context.Context) iter.Seq2[verify.Flaw, error] {
	return u.findings(func(f *flaws) error { return f.strays(ctx) })
}

// findings runs a search for flaws.
func (u *Audit) findings(search func(*flaws) error) iter.Seq2[verify.Flaw, error] {
	return func(yield func(verify.Flaw, error) bool) {
		f := &flaws{in: u, yield: func(flaw verify.Flaw) error {
			if !yield(flaw, nil) {
				return errEnough
			}
			return nil
		}}
		if err := search(f); err != nil && !errors.Is(err, errEnough) {
			yield(verify.Flaw{}, err)
		}
	}
}

// tableNames lists the account's tables.
func (u *Audit) tableNames(ctx context.Context) ([]string, error) {
	return u.client.Tables(ctx, "list the tables of the account", "", "")
}

// flaws is a search for flaws.
type flaws struct {
	in       *Audit
	stream   entra.Stream
	progress ledger.Progress // zero where its row can't be read
	yield    func(verify.Flaw) error
}

func (f *flaws) found(d verify.Difference, table, row string, hour time.Time, format string, args ...any) error {
	return f.yield(verify.Flaw{Difference: d, Table: table, Row: entra.Clip(row, rows.MaxProperty>>6), Hour: hour,
		Detail: fmt.Sprintf(format, args...)})
}

// readProgress reads the stream's progress. A row that can't be read is named by the check of the
// ledger.
func (f *flaws) readProgress(ctx context.Context) error {
	p, err := f.in.archive.Progress(ctx, f.stream)
	if err != nil && entra.CodeOf(err) != entra.CodeTampered {
		return err
	}
	if f.progress = p; err != nil {
		f.progress = ledger.Progress{Stream: f.stream}
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
	if err := f.deliveredFlaws(ctx); err != nil {
		return err
	}
	prefix := logs.Of(f.stream).Table
	names, err := f.in.tableNames(ctx)
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
		month := monthOf(from)
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

// monthOfTable is the month in a table's name.
func monthOfTable(name, prefix string) (time.Time, bool) {
	text, ok := strings.CutPrefix(name, prefix)
	if !ok || len(text) != len(monthFormat) {
		return time.Time{}, false
	}
	month, err := time.Parse(monthFormat, text)
	return month, err == nil
}

// strays finds the partitions that are no known stream's.
func (f *flaws) strays(ctx context.Context) error {
	names, err := f.in.tableNames(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		known := partitionsOf(name)
		if known == nil {
			continue
		}
		for first, err := range f.in.client.Partitions(ctx, name) {
			if err != nil {
				return err
			}
			if known(first.Partition) {
				continue
			}
			err := f.found(verify.DiffAdded, name, first.Partition+" "+first.Row, time.Time{},
				"its partition %q is of no stream that Entra Ledger has, so nothing reads it",
				entra.Clip(first.Partition, 80))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// partitionsOf lists the partitions that a table may have; nil for a table that is checked
// elsewhere, or is not Entra Ledger's.
func partitionsOf(table string) func(partition string) bool {
	if table == dictionaryTable {
		return isRecordTable
	}
	_, index := monthOfTable(table, indexPrefix)
	_, leaves := monthOfTable(table, leavesPrefix)
	if table != coverageTable && table != quarantineTable && !index && !leaves {
		return nil
	}
	return func(partition string) bool {
		_, err := logs.Parse(partition)
		return err == nil
	}
}

// isRecordTable reports whether a table is one of records.
func isRecordTable(name string) bool {
	return slices.ContainsFunc(logs.All(), func(l *logs.Log) bool {
		_, ok := monthOfTable(name, l.Table)
		return ok
	})
}
