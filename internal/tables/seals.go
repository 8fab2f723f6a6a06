package tables

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

func sealKey(number int64) string { return fmt.Sprintf("%s%010d", sealMark, number) }

// encodeSeal is an entry of a stream's log; it lies in the ledger's table, so that it comes and goes with its commit.
func encodeSeal(s seal.Seal) []byte {
	b := newRow(string(s.Stream), sealKey(s.Number), 1024)
	b.text("Hour", s.Start.UTC().Format(entra.HourFormat))
	b.text("Leaves", fmt.Sprint(s.Leaves))
	b.binary("Root", s.Root[:])
	b.time("SealedAt", s.SealedAt)
	if s.Reason != "" {
		b.text("Reason", s.Reason)
	}
	b.binary("Stored", seal.EncodeHashes(s.Stored))
	return b.done().body
}

type sealRow struct {
	RowKey, Hour, Reason string
	Leaves               number
	Root, Stored         []byte
	SealedAt             time.Time
}

// decodeSeal reads an entry of a stream's log. One that is not what is written is an error that
// names its row.
func decodeSeal(stream entra.Stream, body []byte) (seal.Seal, error) {
	var row sealRow
	err := json.Unmarshal(body, &row)
	out := seal.Seal{Window: entra.Window{Stream: stream}, Leaves: int64(row.Leaves), SealedAt: row.SealedAt, Reason: row.Reason}
	if err == nil {
		out.Start, err = time.Parse(entra.HourFormat, row.Hour)
	}
	if err == nil && len(row.Root) != len(out.Root) {
		err = fmt.Errorf("its root has %d bytes", len(row.Root))
	}
	if err == nil {
		copy(out.Root[:], row.Root)
		out.Number, err = strconv.ParseInt(strings.TrimPrefix(row.RowKey, sealMark), 10, 64)
	}
	if err == nil {
		out.Stored, err = seal.DecodeHashes(row.Stored)
	}
	if err != nil {
		var key struct{ RowKey string }
		_ = json.Unmarshal(body, &key) // the key is a text, whatever the rest is
		return out, broken(key.RowKey, stream, "restore the row from a copy; the other streams go on", err)
	}
	return out, nil
}

// Seal is archive.Store's.
func (s *Store) Seal(ctx context.Context, stream entra.Stream, entry int64) (seal.Seal, error) {
	got, err := s.service.NewClient(coverageTable).GetEntity(ctx, string(stream), sealKey(entry), nil)
	if isCode(err, "TableNotFound", "ResourceNotFound") {
		return seal.Seal{}, &entra.Error{Code: entra.CodeTampered, Doing: fmt.Sprintf("read entry %d of the log of %s", entry, stream),
			Why: "it is not there, and nothing ever takes an entry away", Remedy: "restore the row from a copy"}
	}
	if err != nil {
		return seal.Seal{}, s.explain(fmt.Sprintf("read entry %d of the log of %s", entry, stream), err)
	}
	return decodeSeal(stream, got.Value)
}

// LogSize is archive.Store's.
func (s *Store) LogSize(ctx context.Context, stream entra.Stream, most int64) (int64, error) {
	var size int64
	next := func(from int64) error {
		size = from
		return s.query(ctx, coverageTable, string(stream), sealKey(from), sealMark+"~", "RowKey", func(body []byte) error {
			row, err := parseRow(body)
			if err == nil && row.RowKey == sealKey(size) {
				size++
			}
			return err
		})
	}
	err := next(max(0, most-1))
	if err == nil && most > 0 && size < most {
		err = next(0) // the last one is not there: how far it goes has to be counted
	}
	return size, err
}

// Seals lists a stream's log in order.
func (s *Store) Seals(ctx context.Context, stream entra.Stream) iter.Seq2[seal.Seal, error] {
	return func(yield func(seal.Seal, error) bool) {
		stopped := errors.New("the reader has enough")
		err := s.query(ctx, coverageTable, string(stream), sealMark, sealMark+"~", "", func(body []byte) error {
			entry, err := decodeSeal(stream, body)
			if err == nil && !yield(entry, nil) {
				return stopped
			}
			return err
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(seal.Seal{}, err)
		}
	}
}

// Leaves is archive.Store's: a query of keys, hashes and dates.
func (s *Store) Leaves(ctx context.Context, stream entra.Stream, from, to time.Time) (map[time.Time][]seal.Leaf, error) {
	out := make(map[time.Time][]seal.Leaf)
	err := s.eachMonth(stream, from, to, func(table, first, below string) error {
		return s.queryRange(ctx, table, first, below, "PartitionKey,RowKey,Hash,FirstSeen,Superseded,Came,Spells", func(body []byte) error {
			row, err := parseRow(body)
			if err != nil {
				return err
			}
			at, err := parseRowKey(row.RowKey)
			if err != nil || at.part > 0 {
				return err
			}
			l, err := row.leaf(at)
			if err != nil {
				return err
			}
			hour := entra.FloorHour(at.key.Time)
			out[hour] = append(out[hour], l)
			return nil
		})
	})
	return out, err
}

// leavesTable holds, for each seal of a month, what was sealed: it is dropped with the month.
func leavesTable(w entra.Window) string { return "leaves" + w.Start.UTC().Format("200601") }

// leavesKey begins the key of a seal's list. The whole key has the root, too: what an execution
// that lost the stream keeps of an entry that it never commits does not touch the list of the entry
// that was.
func leavesKey(s seal.Seal) string {
	return s.Start.UTC().Format(entra.HourFormat) + sealMark + fmt.Sprintf("%010d", s.Number)
}

// rootMark begins the part of the key that names the root.
const rootMark = "!r"

func listKey(s seal.Seal) string { return leavesKey(s) + rootMark + hex.EncodeToString(s.Root[:8]) }

// keptHash is how much of a hash a kept leaf has: enough to tell records of a window apart. The proof is the root.
const keptHash = 8

// KeepLeaves is archive.Store's.
func (s *Store) KeepLeaves(ctx context.Context, sealed seal.Seal, leaves []seal.Leaf) error {
	var list []byte
	for _, l := range leaves {
		list = append(list, l.Hash[:keptHash]...)
		list = append(list, l.Key...)
		list = append(list, '\n')
	}
	data, codecName, free := s.codec.encode(nil, list)
	defer free()
	lines := bigRows(string(sealed.Stream), listKey(sealed), data, func(b *rowBuilder, first bool) {
		if first {
			b.text("Codec", codecName)
		}
	})
	err := s.submitLastFirst(ctx, leavesTable(sealed.Window), aztables.TransactionTypeAdd, lines)
	if errors.Is(err, archive.ErrExists) {
		return s.restOfList(ctx, sealed, lines)
	}
	return err
}

// restOfList adds the rows of a list of which a run that died has written some. The key names the
// content, so the rows are these.
func (s *Store) restOfList(ctx context.Context, sealed seal.Seal, lines []line) error {
	for n := len(lines) - 1; n >= 0; n-- {
		err := s.submitLastFirst(ctx, leavesTable(sealed.Window), aztables.TransactionTypeAdd, lines[n:n+1])
		if err != nil && !errors.Is(err, archive.ErrExists) {
			return err
		}
	}
	return nil
}

// KeptLeaves gives back what KeepLeaves kept of a seal: keys, and the first bytes of the hashes. ok is false where
// there is nothing.
func (s *Store) KeptLeaves(ctx context.Context, sealed seal.Seal) (leaves []archive.KeptLeaf, ok bool, err error) {
	var rows, older []fetchedRow
	// A version before wrote the key without the root.
	from, own := leavesKey(sealed), listKey(sealed)
	err = s.query(ctx, leavesTable(sealed.Window), string(sealed.Stream), from, from+"~", "", func(body []byte) error {
		row, err := parseWholeRow(body)
		switch {
		case strings.HasPrefix(row.RowKey, own):
			rows = append(rows, row)
		case !strings.HasPrefix(row.RowKey, from+rootMark):
			older = append(older, row)
		}
		return err
	})
	if len(rows) == 0 { // one of a version before may lie beside the seal's own, of an entry that was never committed
		rows = older
	}
	if err != nil || len(rows) == 0 || len(rows) != max(1, rows[0].Parts) {
		return nil, false, err
	}
	list, err := s.decode(ctx, leavesTable(sealed.Window), data(rows), rows[0].Codec)
	if err != nil {
		return nil, false, fmt.Errorf("read what was sealed of %s: %w", sealed.Window, err)
	}
	for len(list) > keptHash {
		end := keptHash
		for end < len(list) && list[end] != '\n' {
			end++
		}
		leaf := archive.KeptLeaf{Key: string(list[keptHash:end])}
		copy(leaf.Hash[:], list[:keptHash])
		leaves = append(leaves, leaf)
		list = list[min(end+1, len(list)):]
	}
	return leaves, true, nil
}
