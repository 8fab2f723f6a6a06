package tables

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

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
	if remark := s.Remark(); remark != "" {
		b.text("Reason", remark)
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
	out := seal.Seal{Window: entra.Window{Stream: stream}, Leaves: int64(row.Leaves), SealedAt: row.SealedAt}
	out.SetRemark(row.Reason)
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
