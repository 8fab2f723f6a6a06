package tables

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// fewRows is how many rows are read one by one; more are read by one query over their span.
const fewRows = 3

// superseded reads the rows whose place other contents will have, by key, where there are so many
// that a query over their span costs less than a request for each. Those that are not in it are
// read when their turn comes.
func (a *Archive) superseded(ctx context.Context, w entra.Window,
	changes []collect.Change) (map[string][]fetchedRow, error) {
	wanted := make(map[string]bool)
	var first, last time.Time
	for _, change := range changes {
		if change.Kind != collect.Supersede {
			continue
		}
		at := change.Record.Time
		if len(wanted) == 0 || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
		wanted[a.RowKey(change.Record.Key)] = true
	}
	out := make(map[string][]fetchedRow, len(wanted))
	if len(wanted) <= fewRows {
		return out, nil
	}
	from, below := timeRange(first, last)
	err := a.recordsIn(ctx, w, from, below, func(_ place, of []fetchedRow) error {
		rk := of[0].RowKey
		if wanted[rk] && of[0].etag.Value != nil && len(of) == max(1, of[0].Parts) {
			out[rk] = keepRows(of)
		}
		return nil
	})
	return out, err
}

// supersede keeps the current row as an earlier version and writes the new content in its place, if
// the row is still the one that was read.
func (a *Archive) supersede(ctx context.Context, w entra.Window, change collect.Change, seen time.Time,
	fetched map[string][]fetchedRow) (rows.Batch, ledger.Contents, error) {
	none := func(err error) (rows.Batch, ledger.Contents, error) { return rows.Batch{}, ledger.Contents{}, err }
	rk, _ := rowKey(change.Record.Key)
	current, was, err := a.currentOf(ctx, w, change, rk, fetched)
	if err != nil {
		return none(err)
	}
	var again []fetchedRow
	with, err := a.codec.encoderFor(ctx, w)
	if err != nil {
		return none(err)
	}
	old, err := a.codec.encodeRecord(with, w, was, current[0].dates().supersededAt(seen))
	if errors.Is(err, collect.ErrTooLarge) {
		// It was small enough when it was stored; the dictionary since made is none for it. The new
		// content can't have its place.
		return none(&collect.TooLarge{Key: change.Record.Key, Hash: change.Record.Hash, Size: len(was.Raw)})
	}
	if err != nil {
		return none(err)
	}
	when := dates{first: seen}
	if change.Again {
		if again, err = a.rowsOf(ctx, w, versionKey(rk, change.Record.Hash)); err != nil {
			return none(err)
		}
		when = again[0].dates().cameAgain(seen)
	}
	next, err := a.codec.encodeRecord(with, w, change.Record, when)
	if err != nil {
		return none(err)
	}
	b := exchange(old, next, current, again)
	if b.Size >= rows.MaxTransaction-rows.Overhead {
		// Old and new content together do not fit one transaction, so they can't change places in
		// one.
		return none(&collect.TooLarge{Key: change.Record.Key, Hash: change.Record.Hash, Size: b.Size})
	}
	added := ledger.Contents{}
	added.StoredBytes = old.stored() + next.stored() - sizeOf(current) - sizeOf(again)
	if again == nil {
		added.Versions, added.Bytes, added.Sum = 1, int64(len(change.Record.Raw)), ledger.SumOf(rk, change.Record.Hash)
	}
	return b, added, nil
}

// currentOf are the rows of the content that a change replaces, and its record. Errors:
// ledger.ErrMoved where it is not the one that the change was compared with, *collect.Altered.
func (a *Archive) currentOf(ctx context.Context, w entra.Window, change collect.Change, rk string,
	fetched map[string][]fetchedRow) ([]fetchedRow, entra.Record, error) {
	var err error
	of, ok := fetched[rk]
	if !ok {
		if of, err = a.rowsOf(ctx, w, rk); err != nil {
			return nil, entra.Record{}, err
		}
	}
	was, err := a.codec.decodeRecord(ctx, w, of)
	switch {
	case err != nil && entra.CodeOf(err) == entra.CodeTampered:
		return nil, was, &collect.Altered{Key: change.Record.Key, Hash: change.Record.Hash, Err: err}
	case err != nil:
		return nil, was, fmt.Errorf("read %s in table %s: %w", rk, TableName(w), err)
	case was.Hash != change.Was:
		return nil, was, ledger.ErrMoved
	}
	return of, was, nil
}

// exchange inserts the old content as an earlier version, replaces the current rows by those of the
// next one, and deletes the rows of the version that it was. Inserting is refused where another
// run has superseded the same content: that, and not only the ETag, which Azurite does not look at
// for a replacement within a transaction, keeps two runs apart.
func exchange(old, next encoded, current, again []fetchedRow) rows.Batch {
	b := old.batch(rows.Insert)
	for i, l := range next.lines {
		if i < len(current) {
			b.Add(rows.Action{Kind: rows.Swap, Row: l.Body, Revision: current[i].ETag})
		} else {
			b.Add(rows.Action{Kind: rows.Insert, Row: l.Body})
		}
	}
	if len(current) > len(next.lines) {
		drop(&b, current[len(next.lines):])
	}
	drop(&b, again)
	return b
}

// drop adds the deletion of rows, as they were read.
func drop(b *rows.Batch, of []fetchedRow) {
	for _, row := range of {
		b.Add(rows.Deletion(row.PartitionKey, row.RowKey, row.ETag))
	}
}
