package tables

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

var _ archive.Evidence = (*Store)(nil)

// Inspect is archive.Evidence's.
func (s *Store) Inspect(ctx context.Context, w entra.Window) iter.Seq2[archive.Inspected, error] {
	return func(yield func(archive.Inspected, error) bool) {
		var (
			stopped = errors.New("the reader has enough")
			rows    []fetchedRow
			first   string
		)
		flush := func() error {
			if len(rows) == 0 {
				return nil
			}
			got, err := s.inspect(ctx, w, first, rows)
			rows = nil
			if err == nil && !yield(got, nil) {
				return stopped
			}
			return err
		}
		err := s.query(ctx, TableName(w), partitionKey(w), "", "\x7f", "", func(body []byte) error {
			row, err := parseWholeRow(body)
			if err != nil {
				return notOurs(body, err, yield, stopped)
			}
			if len(rows) > 0 && strings.HasPrefix(row.RowKey, first+partMark) {
				rows = append(rows, row)
				return nil
			}
			if err := flush(); err != nil {
				return err
			}
			first, rows = row.RowKey, []fetchedRow{row}
			return nil
		})
		if err == nil {
			err = flush()
		}
		if err != nil && !errors.Is(err, stopped) {
			yield(archive.Inspected{}, err)
		}
	}
}

// notOurs yields a row whose columns are of other kinds than those that are written.
func notOurs(body []byte, cause error, yield func(archive.Inspected, error) bool, stopped error) error {
	var row struct{ RowKey string }
	if err := json.Unmarshal(body, &row); err != nil {
		return cause
	}
	out := archive.Inspected{Row: row.RowKey, Leaf: seal.Leaf{Key: row.RowKey}, Problem: "it is not a row that Entra Ledger writes"}
	if !yield(out, nil) {
		return stopped
	}
	return nil
}

// inspect recomputes everything that the rows of one record say of it. An error is one of reading, not of what was read.
func (s *Store) inspect(ctx context.Context, w entra.Window, key string, rows []fetchedRow) (archive.Inspected, error) {
	first := rows[0]
	out := archive.Inspected{Row: key, Leaf: seal.Leaf{Key: key, FirstSeen: first.FirstSeen, Superseded: first.Superseded}}
	copy(out.Hash[:], first.Hash)
	wrong := func(format string, args ...any) (archive.Inspected, error) {
		out.Problem = fmt.Sprintf(format, args...)
		return out, nil
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
	rec, err := entra.ParseRecord(w.Stream, raw)
	if err != nil {
		return wrong("its bytes are no record of %s: %v", w.Stream, err)
	}
	if own, _ := rowKey(rec.Key); own != out.Key || rec.Window(w.Stream) != w {
		return wrong("it stands under a key that is not its record's (%s)", own)
	}
	if at.isVersion && !bytes.Equal(at.version[:archive.VersionHashBytes], rec.Hash[:archive.VersionHashBytes]) {
		return wrong("it stands under the key of another content")
	}
	return out, nil
}
