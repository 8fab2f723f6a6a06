package tables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
	"github.com/entraledger/entraledger/internal/verify"
)

// SnapshotFlaws is verify.Beside's: rows of snapshots that are not what was written, are gone, or
// were added. All of them are replaced by the next snapshot.
func (u *Audit) SnapshotFlaws(ctx context.Context) iter.Seq2[verify.Flaw, error] {
	return u.findings(func(f *flaws) error { return f.snapshots(ctx) })
}

// neverDropped is how many of the newest whole snapshots keep their rows, whatever runs.
const neverDropped = 2

func (f *flaws) snapshots(ctx context.Context) error {
	known, ids, err := f.knownSnapshots(ctx)
	if err != nil {
		return err
	}
	whole := 0
	for _, snap := range known {
		if snap.Stage == directory.Whole {
			whole++
		}
		if snap.Stage == directory.Dropped {
			continue
		}
		if err := f.snapshotRows(ctx, snap, snap.Stage == directory.Whole && whole <= neverDropped); err != nil {
			return err
		}
	}
	return f.withoutRow(ctx, ids)
}

// knownSnapshots reads the snapshots' own rows, and names those that are not what was written. ids
// are of all rows, whether they can be read or not.
func (f *flaws) knownSnapshots(ctx context.Context) (known []directory.Snapshot, ids map[string]bool, err error) {
	ids = make(map[string]bool)
	for body, err := range f.in.client.Scan(ctx, snapshotsTable, rows.Query{Filter: "PartitionKey ge ''"}) {
		if err != nil {
			return nil, nil, err
		}
		key := rows.KeyOf(body)
		if key.Partition != snapshotsPartition {
			err := f.found(verify.DiffAdded, snapshotsTable, key.Partition+" "+key.Row, time.Time{},
				"its partition is not one that Entra Ledger writes, and nothing reads it")
			if err != nil {
				return nil, nil, err
			}
			continue
		}
		ids[idOfSnapshot(key.Row)] = true
		snap, err := f.in.directory.parseSnapshot(ctx, body)
		if err == nil {
			known = append(known, snap)
			continue
		}
		if err := f.notASnapshot(key.Row, err); err != nil {
			return nil, nil, err
		}
	}
	return known, ids, nil
}

// idOfSnapshot is the id of the snapshot whose row has a key.
func idOfSnapshot(key string) string {
	n, ok := rows.WholeNumber(gjson.Result{Type: gjson.String, Str: strings.TrimLeft(key, "0")})
	if !ok {
		return ""
	}
	return beganAt(n).Format(snapshotID)
}

// notASnapshot names a snapshot's row that is not what was written; other errors stay as they are.
func (f *flaws) notASnapshot(key string, err error) error {
	var e *entra.Error
	if !errors.As(err, &e) || e.Code != entra.CodeTampered {
		return err
	}
	return f.found(verify.DiffDerived, snapshotsTable, key, time.Time{},
		"nobody can answer from it, nor from a snapshot before it: %s; %s", e.Why, e.Remedy)
}

// withoutRow names the tables of snapshots of which the table of snapshots has no row: a row is
// there before its table, and stays.
func (f *flaws) withoutRow(ctx context.Context, ids map[string]bool) error {
	names, err := f.in.tableNames(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		id, ok := strings.CutPrefix(name, snapshotTable(""))
		began, wrong := time.Parse(snapshotID, id)
		if !ok || wrong != nil || ids[id] {
			continue
		}
		_, err := f.in.client.Get(ctx, snapshotsTable, snapshotsPartition, snapshotKey(began), "read snapshot "+id)
		if err == nil {
			continue // it was begun a moment ago
		}
		if !rows.IsMissing(err) {
			return err
		}
		err = f.found(verify.DiffDerived, snapshotsTable, snapshotKey(began), time.Time{},
			"the row of snapshot %s is not there, and its table %s is; answers are from another one", id, name)
		if err != nil {
			return err
		}
	}
	return nil
}

// snapshotRows names what is wrong with the rows of one snapshot. must says that they have to be
// there.
func (f *flaws) snapshotRows(ctx context.Context, snap directory.Snapshot, must bool) error {
	table, sums, named := snapshotTable(snap.ID), make(rowSums), make(map[string]bool)
	gone := false
	for body, err := range f.in.client.Scan(ctx, table, rows.Query{MustExist: true}) {
		if errors.Is(err, rows.ErrNoTable) {
			gone = true
			break
		}
		if err != nil {
			return err
		}
		key := rows.KeyOf(body)
		if key.Partition != directory.AskedMembers { // these come after the sums
			sums.add(key.Partition, gjson.GetBytes(body, checkColumn))
		}
		why, err := f.snapshotRow(ctx, table, key.Partition, body, snap)
		if err == nil && why != "" {
			named[key.Partition] = true
			err = f.found(verify.DiffDerived, table, key.Partition+" "+key.Row, time.Time{},
				"%s; the next snapshot replaces it (POST /api/snapshot)", why)
		}
		if err != nil {
			return err
		}
	}
	if snap.Stage != directory.Whole || gone && !must {
		return nil
	}
	if !gone && (snap.Sums == nil || maps.Equal(snap.Sums, sums.sums())) {
		return nil
	}
	now, err := f.in.directory.Snapshot(ctx, snap.ID) // it may have been dropped meanwhile
	if err != nil || now.Stage != directory.Whole {
		return ignoreTampered(err) // which is named already
	}
	if gone {
		return f.found(verify.DiffDerived, table, "", time.Time{},
			"the table of a whole snapshot is not there; POST /api/snapshot takes a new one")
	}
	return f.otherSums(table, snap, sums.sums(), named)
}

// snapshotRow says what is wrong with a row of a snapshot; empty: nothing.
func (f *flaws) snapshotRow(ctx context.Context, table, partition string, body []byte,
	snap directory.Snapshot) (string, error) {
	row, doc, err := f.in.directory.parseDocument(ctx, table, partition, body)
	var e *entra.Error
	switch {
	case rows.IsMissing(err) || rows.IsDropped(err):
		return "", nil // it is gone since it was listed: what is missing is told by the sums
	case ctx.Err() != nil || errors.As(err, &e) && e.Code != entra.CodeTampered:
		return "", err
	case err != nil:
		return "it can't be read", nil
	case row.Codec == "":
		return "it has no document", nil
	case row.Check == nil:
		if snap.Checked(partition) {
			return "it has lost its check", nil
		}
		return "", nil
	}
	parsed := gjson.ParseBytes(body)
	if bytes.Equal(row.Check, snapshotCheck(table, partition, row.RowKey, doc, columnsIn(parsed))) {
		return "", nil
	}
	if why := checkRead(table, partition, body, doc, true, false); why != "" {
		return why, nil
	}
	return "its columns are not those that were written, and a question by them is answered wrongly", nil
}

// otherSums names the partitions that have not the rows that were written. Where a row was named
// already, that explains its sum.
func (f *flaws) otherSums(table string, snap directory.Snapshot, now map[string]directory.RowSum,
	named map[string]bool) error {
	all := make(map[string]bool)
	for partition := range maps.Keys(snap.Sums) {
		all[partition] = true
	}
	for partition := range maps.Keys(now) {
		all[partition] = true
	}
	for _, partition := range slices.Sorted(maps.Keys(all)) {
		was, is := snap.Sums[partition], now[partition]
		detail := ""
		switch {
		case was.Rows != is.Rows:
			detail = fmt.Sprintf("the snapshot has %d rows there, and %d were written", is.Rows, was.Rows)
		case was != is && !named[partition]:
			detail = fmt.Sprintf("of the %d rows that were written some are not there, and others are", was.Rows)
		default:
			continue
		}
		if err := f.found(verify.DiffDerived, table, partition, time.Time{},
			"%s; POST /api/snapshot takes a new one", detail); err != nil {
			return err
		}
	}
	return nil
}

func ignoreTampered(err error) error {
	if entra.CodeOf(err) == entra.CodeTampered || errors.Is(err, directory.ErrNoSnapshot) {
		return nil
	}
	return err
}
