package tables

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

var _ archive.Evidence = (*Store)(nil)

// Inspect is archive.Evidence's.
func (s *Store) Inspect(ctx context.Context, stream entra.Stream, from, to time.Time) iter.Seq2[archive.Inspected, error] {
	return func(yield func(archive.Inspected, error) bool) {
		stopped := errors.New("the reader has enough")
		err := s.eachMonth(stream, from, to, func(table, first, below string) error {
			in := inspection{Store: s, stream: stream, yield: func(row archive.Inspected) error {
				if !yield(row, nil) {
					return stopped
				}
				return nil
			}}
			if err := s.queryRange(ctx, table, first, below, "", func(body []byte) error { return in.take(ctx, body) }); err != nil {
				return err
			}
			return in.flush(ctx)
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(archive.Inspected{}, err)
		}
	}
}

// eachMonth calls read with the table of each month of [from, to), and the partitions of it: from first up to below.
func (s *Store) eachMonth(stream entra.Stream, from, to time.Time, read func(table, first, below string) error) error {
	for start := entra.FloorHour(from); start.Before(to); {
		end := time.Date(start.Year(), start.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		if end.After(to) {
			end = to
		}
		below := end.UTC().Format(entra.HourFormat)
		if end.After(entra.FloorHour(end)) {
			below += "~"
		}
		if err := read(TableName(entra.Window{Stream: stream, Start: start}), start.Format(entra.HourFormat), below); err != nil {
			return err
		}
		start = end
	}
	return nil
}

// inspection gathers the rows of one record after the other.
type inspection struct {
	*Store
	stream entra.Stream
	yield  func(archive.Inspected) error
	rows   []fetchedRow
}

func (in *inspection) take(ctx context.Context, body []byte) error {
	row, err := parseWholeRow(body)
	if err != nil {
		if err := in.flush(ctx); err != nil {
			return err
		}
		return in.notOurs(body, err)
	}
	if n := len(in.rows); n > 0 && row.PartitionKey == in.rows[0].PartitionKey && strings.HasPrefix(row.RowKey, in.rows[0].RowKey+partMark) {
		in.rows = append(in.rows, row)
		return nil
	}
	if err := in.flush(ctx); err != nil {
		return err
	}
	in.rows = []fetchedRow{row}
	return nil
}

func (in *inspection) flush(ctx context.Context) error {
	if len(in.rows) == 0 {
		return nil
	}
	start, err := time.Parse(entra.HourFormat, in.rows[0].PartitionKey)
	if err != nil {
		return fmt.Errorf("inspect %s: partition %q is no hour", in.stream, in.rows[0].PartitionKey)
	}
	got, err := in.inspect(ctx, entra.Window{Stream: in.stream, Start: start}, in.rows[0].RowKey, in.rows)
	in.rows = nil
	if err != nil {
		return err
	}
	got.Hour = start
	return in.yield(got)
}

// notOurs yields a row whose columns are of other kinds than those that are written.
func (in *inspection) notOurs(body []byte, cause error) error {
	var row struct{ PartitionKey, RowKey string }
	if err := json.Unmarshal(body, &row); err != nil {
		return cause
	}
	start, err := time.Parse(entra.HourFormat, row.PartitionKey)
	if err != nil {
		return cause
	}
	return in.yield(archive.Inspected{Row: row.RowKey, Hour: start, Leaf: seal.Leaf{Key: row.RowKey}, Problem: "it is not a row that Entra Ledger writes"})
}

// inspect recomputes everything that the rows of one record say of it. An error is one of reading, not of what was read.
func (s *Store) inspect(ctx context.Context, w entra.Window, key string, rows []fetchedRow) (archive.Inspected, error) {
	first := rows[0]
	out := archive.Inspected{Row: key, Leaf: seal.Leaf{Key: key, FirstSeen: first.FirstSeen, Superseded: first.Superseded, Came: first.Came}}
	copy(out.Hash[:], first.Hash)
	wrong := func(format string, args ...any) (archive.Inspected, error) {
		out.Problem = fmt.Sprintf(format, args...)
		return out, nil
	}
	var err error
	if out.Spells, err = parseSpells(first.Spells); err != nil {
		return wrong("its column Spells is not one that Entra Ledger writes")
	}
	at, err := parseRowKey(key)
	if err != nil || at.part > 0 {
		return wrong("its key is not one that Entra Ledger writes")
	}
	if at.isVersion {
		out.Key = key[:strings.LastIndex(key, versionMark)]
	}
	if len(rows) != max(1, first.Parts) {
		return wrong("it has %d rows, and %d were written", len(rows), max(1, first.Parts))
	}
	raw, err := s.decode(ctx, TableName(w), data(rows), first.Codec)
	if entra.CodeOf(err) != entra.CodeInternal && err != nil || ctx.Err() != nil {
		return out, err // the dictionary, or the connection
	}
	if err != nil {
		return wrong("its bytes can't be decompressed: they are not those that were written")
	}
	out.Raw = raw
	if hash := entra.HashOf(raw); !bytes.Equal(hash[:], first.Hash) {
		return wrong("its bytes have the SHA-256 %x, and %x was written", hash, first.Hash)
	}
	rec, err := logs.ParseRecord(w.Stream, raw)
	if err != nil {
		return wrong("its bytes are no record of %s: %v", w.Stream, err)
	}
	if own, _ := rowKey(rec.Key); own != out.Key || rec.Window(w.Stream) != w {
		return wrong("it stands under a key that is not its record's (%s)", own)
	}
	if at.isVersion && !bytes.Equal(at.version[:archive.VersionHashBytes], rec.Hash[:archive.VersionHashBytes]) {
		return wrong("it stands under the key of another content")
	}
	out.Set = columnSet(logs.Of(w.Stream), rec, first)
	return out, nil
}
