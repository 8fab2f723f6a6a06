package tables

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
	"github.com/entraledger/entraledger/internal/verify"
)

// ReaderFlaws is verify.Beside's: readers' rows that are not what was written, or were added where
// nothing reads them. A row that is gone is not missed: its reader is told everything again.
func (u *Audit) ReaderFlaws(ctx context.Context) iter.Seq2[verify.Flaw, error] {
	return u.findings(func(f *flaws) error { return f.readers(ctx) })
}

func (f *flaws) readers(ctx context.Context) error {
	known := cursors.New(written{f.in.secrets}, nil, nil)
	for body, err := range f.in.client.Scan(ctx, readersTable, rows.Query{Filter: "PartitionKey ge ''"}) {
		if err != nil {
			return err
		}
		key := rows.KeyOf(body)
		if key.Partition != readersPartition {
			err = f.found(verify.DiffAdded, readersTable, key.Partition+" "+key.Row, time.Time{},
				"its partition is not one that Entra Ledger writes, and nothing reads it")
		} else {
			err = f.reader(ctx, known, key.Row, body)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reader names a reader's row that is not what was written.
func (f *flaws) reader(ctx context.Context, known *cursors.Cursors, row string, body []byte) error {
	reader, err := parseReader(body)
	if err == nil {
		_, err = known.Kept(ctx, reader)
	}
	if e, ok := errors.AsType[*entra.Error](err); ok && e.Code == entra.CodeTampered {
		return f.found(verify.DiffDerived, readersTable, row, time.Time{}, "%s; %s", e.Why, e.Remedy)
	}
	if rows.IsMissing(err) || errors.Is(err, timeline.ErrForeign) {
		return nil // the archive's secret is another one, or gone: the reader begins anew
	}
	return err
}

// written gives secrets that are there, and makes none.
type written struct{ of *Secrets }

// Secret is cursors.Keys's.
func (w written) Secret(ctx context.Context, name string) ([]byte, error) {
	return w.of.read(ctx, name)
}
