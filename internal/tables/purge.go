package tables

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// Months is purge.Store's.
func (a *Archive) Months(ctx context.Context, stream entra.Stream) ([]time.Time, error) {
	prefix := logs.Of(stream).Table
	names, err := a.client.Tables(ctx, "list the tables of "+string(stream), prefix+"0", prefix+afterDigits)
	if err != nil {
		return nil, err
	}
	var out []time.Time
	for _, name := range names {
		if month, err := time.Parse(monthFormat, strings.TrimPrefix(name, prefix)); err == nil {
			out = append(out, month)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out, nil
}

// afterDigits is the character after "9".
const afterDigits = ":"

// DropMonth is purge.Store's. The records go first: what is left of a drop that is killed
// can then still be read with its dictionary, and compared with what was sealed.
func (a *Archive) DropMonth(ctx context.Context, stream entra.Stream, month time.Time) error {
	w := entra.Window{Stream: stream, Start: month}
	if err := a.client.DropTable(ctx, TableName(w)); err != nil {
		return err
	}
	if err := a.client.DropRows(ctx, leavesTable(w), string(stream), ""); err != nil {
		return err
	}
	if err := a.codec.dropDictionary(ctx, TableName(w)); err != nil {
		return err
	}
	if d := a.deliveriesOf(logs.Of(stream)); d != nil {
		return d.dropDecided(ctx, month)
	}
	return nil
}

// DropQuarantined is purge.Store's.
func (a *Archive) DropQuarantined(ctx context.Context, stream entra.Stream, before time.Time) (int64, error) {
	if d := a.deliveriesOf(logs.Of(stream)); d != nil {
		if err := d.dropOld(ctx, before); err != nil {
			return 0, err
		}
	}
	var keys []string
	older := "LastSeen lt " + rows.Literal(before)
	filter := fmt.Sprintf("PartitionKey eq %s and RowKey ge '0' and %s", rows.Quote(string(stream)), older)
	for key, err := range a.client.Keys(ctx, quarantineTable, filter) {
		if err != nil {
			return 0, err
		}
		if !strings.Contains(key.Row, partMark) {
			keys = append(keys, key.Row)
		}
	}
	if len(keys) > 0 {
		// verify must not report what is dropped as removed: until the next run the ledger counts
		// it.
		mark := rows.NewEntity(string(stream), droppedMark, 128).Done().Body
		if err := a.client.Submit(ctx, quarantineTable, rows.Action{Kind: rows.Put, Row: mark}); err != nil {
			return 0, err
		}
	}
	if err := a.client.DropRows(ctx, quarantineTable, string(stream), "RowKey ge '0' and "+older); err != nil {
		return 0, err
	}
	for _, key := range keys { // the other rows of a record that a version before wrote have no date
		more := fmt.Sprintf("RowKey ge %s and RowKey lt %s", rows.Quote(partKey(key, 0)), rows.Quote(partKey(key, 999)))
		if err := a.client.DropRows(ctx, quarantineTable, string(stream), more); err != nil {
			return 0, err
		}
	}
	return int64(len(keys)), nil
}
