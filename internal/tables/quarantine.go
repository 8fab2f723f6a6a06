package tables

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

// Quarantine is archive.Store's. PartitionKey is the stream, RowKey the bytes' SHA-256. Bytes that need several rows
// are written last row first: the first row, which vouches for the others, comes when they are there.
func (s *Store) Quarantine(ctx context.Context, stream entra.Stream, rejected []archive.Rejected, seen time.Time) error {
	for _, r := range rejected {
		lines := s.codec.encodeRejected(stream, r, seen)
		if err := s.submitLastFirst(ctx, quarantineTable, aztables.TransactionTypeInsertMerge, lines); err != nil {
			return err
		}
	}
	return nil
}

// InQuarantine is archive.Store's.
func (s *Store) InQuarantine(ctx context.Context, stream entra.Stream) (int64, error) {
	var n int64
	err := s.query(ctx, quarantineTable, string(stream), "0", "~", "RowKey", func(body []byte) error {
		row, err := parseRow(body)
		if err == nil && !strings.Contains(row.RowKey, partMark) {
			n++
		}
		return err
	})
	return n, err
}

func (c *codec) encodeRejected(stream entra.Stream, r archive.Rejected, seen time.Time) []line {
	data, codecName, free := c.encode(nil, r.Raw)
	defer free()
	key := hex.EncodeToString(r.Hash[:])
	return bigRows(string(stream), key, data, func(b *rowBuilder, first bool) {
		b.time("LastSeen", seen) // on every row, so that what a kill left of a record is dropped with the others
		if !first {
			return
		}
		b.text("Reason", clip(r.Reason))
		b.text("Codec", codecName)
		b.binary("Hash", r.Hash[:])
	})
}

// bigRows spreads bytes over as many rows as they need; describe adds to the first one what it says of them all.
func bigRows(partition, key string, data []byte, describe func(b *rowBuilder, first bool)) []line {
	const perRow = chunksPerRow * maxProperty
	parts := max(1, (len(data)+perRow-1)/perRow)
	lines := make([]line, parts)
	for n := range lines {
		rk := key
		if n > 0 {
			rk = partKey(key, n)
		}
		b := newRow(partition, rk, min(len(data), perRow)*4/3+1024)
		describe(b, n == 0)
		if n == 0 {
			b.int32("Parts", int32(parts))
		}
		data = b.chunks(data)
		lines[n] = b.done()
	}
	return lines
}

// submitLastFirst writes rows one by one: the first row, which vouches for the others, comes when they are there.
func (s *Store) submitLastFirst(ctx context.Context, table string, kind aztables.TransactionType, lines []line) error {
	for n := len(lines) - 1; n >= 0; n-- {
		if err := s.submit(ctx, table, []aztables.TransactionAction{{ActionType: kind, Entity: lines[n].body}}); err != nil {
			return err
		}
	}
	return nil
}

// QuarantinedRecord is a record that could not be filed, as it was received.
type QuarantinedRecord struct {
	Raw      []byte
	Reason   string
	LastSeen time.Time
}

// Quarantined reads a stream's quarantine back, in the order of the records' hashes.
func (s *Store) Quarantined(ctx context.Context, stream entra.Stream) iter.Seq2[QuarantinedRecord, error] {
	return func(yield func(QuarantinedRecord, error) bool) {
		var (
			stopped = errors.New("the reader has enough")
			rows    []fetchedRow
		)
		err := s.query(ctx, quarantineTable, string(stream), "0", "~", "", func(body []byte) error {
			row, err := parseWholeRow(body)
			if err != nil {
				return err
			}
			switch isPart := strings.Contains(row.RowKey, partMark); {
			case !isPart && len(rows) > 0:
				return missingParts(rows)
			case isPart && (len(rows) == 0 || row.RowKey != partKey(rows[0].RowKey, len(rows))):
				return nil // left by a write that ended before its first row: nothing vouches for it
			}
			if rows = append(rows, row); len(rows) < max(1, rows[0].Parts) {
				return nil
			}
			raw, err := s.decode(ctx, quarantineTable, data(rows), rows[0].Codec)
			if err != nil {
				return fmt.Errorf("read quarantine row %s: %w", rows[0].RowKey, err)
			}
			out := QuarantinedRecord{Raw: raw, Reason: rows[0].Reason, LastSeen: rows[0].LastSeen}
			rows = nil
			if !yield(out, nil) {
				return stopped
			}
			return nil
		})
		if err == nil && len(rows) > 0 {
			err = missingParts(rows)
		}
		if err != nil && !errors.Is(err, stopped) {
			yield(QuarantinedRecord{}, err)
		}
	}
}

func missingParts(rows []fetchedRow) error {
	return fmt.Errorf("read quarantine row %s: %d of its %d rows are there", rows[0].RowKey, len(rows), rows[0].Parts)
}
