package tables

import (
	"context"
	"encoding/hex"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// Quarantine is collect.Store's. PartitionKey is the stream, RowKey the bytes' SHA-256. Those of one
// row are written together. Bytes that need several rows are written last row first: the first row,
// which marks them as whole, comes last.
func (a *Archive) Quarantine(ctx context.Context, stream entra.Stream, rejected []collect.Rejected,
	seen time.Time) error {
	var batches []rows.Batch
	there := make(map[entra.Hash]bool, len(rejected)) // a row may be but once in a transaction
	for _, r := range rejected {
		if there[r.Hash] {
			continue
		}
		there[r.Hash] = true
		lines := a.codec.encodeRejected(stream, r, seen)
		if len(lines) == 1 && len(rejected) > 1 {
			var b rows.Batch
			b.Add(rows.Action{Kind: rows.Merge, Row: lines[0].Body})
			batches = append(batches, b)
			continue
		}
		if err := submitLastFirst(ctx, a.client, quarantineTable, rows.Merge, lines); err != nil {
			return err
		}
	}
	if len(batches) == 0 {
		return nil
	}
	return a.client.SubmitAll(ctx, quarantineTable, batches)
}

// inQuarantine filters a stream's rows of records in quarantine.
func inQuarantine(stream entra.Stream) string { return rows.In(string(stream), "0", "~") }

// InQuarantine is collect.Store's.
func (a *Archive) InQuarantine(ctx context.Context, stream entra.Stream) (int64, error) {
	var n int64
	query := rows.Query{Filter: inQuarantine(stream), Columns: "RowKey"}
	for body, err := range a.client.Scan(ctx, quarantineTable, query) {
		if err != nil {
			return n, err
		}
		row, err := parseRow(body)
		if err != nil {
			return n, err
		}
		if !strings.Contains(row.RowKey, partMark) {
			n++
		}
	}
	return n, nil
}

func (c *codec) encodeRejected(stream entra.Stream, r collect.Rejected, seen time.Time) []rows.Entity {
	data, codecName, free := c.encode(nil, r.Raw)
	defer free()
	key := hex.EncodeToString(r.Hash[:])
	return bigRows(string(stream), key, data, func(b *rows.Builder, first bool) {
		b.Time("LastSeen", seen) // on every row, so that what a kill left of a record is dropped with the others
		if !first {
			return
		}
		b.Text("Reason", rows.Clip(r.Reason))
		b.Text("Codec", codecName)
		b.Binary("Hash", r.Hash[:])
	})
}

// QuarantinedRecord is a record that could not be filed, as it was received.
type QuarantinedRecord struct {
	Raw      []byte
	Reason   string
	LastSeen time.Time
}

// Quarantined reads a stream's quarantine back, in the order of the records' hashes.
func (a *Archive) Quarantined(ctx context.Context, stream entra.Stream) iter.Seq2[QuarantinedRecord, error] {
	return func(yield func(QuarantinedRecord, error) bool) {
		var open []fetchedRow
		for body, err := range a.client.Scan(ctx, quarantineTable, rows.Query{Filter: inQuarantine(stream)}) {
			var row fetchedRow
			if err == nil {
				row, err = parseWholeRow(body)
			}
			isPart := strings.Contains(row.RowKey, partMark)
			switch {
			case err != nil:
			case !isPart && len(open) > 0:
				err = missingParts(open)
			case isPart && (len(open) == 0 || row.RowKey != partKey(open[0].RowKey, len(open))):
				continue // left by a write that ended before its first row: it is no record
			}
			if err != nil {
				yield(QuarantinedRecord{}, err)
				return
			}
			if open = append(open, row); len(open) < max(1, open[0].Parts) {
				continue
			}
			out, err := a.codec.decodeRejected(ctx, open)
			if open = nil; !yield(out, err) || err != nil {
				return
			}
		}
		if len(open) > 0 {
			yield(QuarantinedRecord{}, missingParts(open))
		}
	}
}

func (c *codec) decodeRejected(ctx context.Context, of []fetchedRow) (QuarantinedRecord, error) {
	raw, err := c.decode(ctx, quarantineTable, data(of), of[0].Codec)
	if err != nil {
		return QuarantinedRecord{}, fmt.Errorf("read quarantine row %s: %w", of[0].RowKey, err)
	}
	return QuarantinedRecord{Raw: raw, Reason: of[0].Reason, LastSeen: of[0].LastSeen}, nil
}

func missingParts(of []fetchedRow) error {
	return fmt.Errorf("read quarantine row %s: %d of its %d rows are there", of[0].RowKey, len(of), of[0].Parts)
}

// droppedMark is the row of a stream's quarantine that says when a purge last dropped something of
// it. It sorts before every record.
const droppedMark = "!dropped"
