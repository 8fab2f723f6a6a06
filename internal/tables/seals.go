package tables

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// encodeSeal is an entry of a stream's log; it is in the ledger's table, so that it comes and goes
// with its commit.
func encodeSeal(s seal.Seal) []byte {
	b := rows.NewEntity(string(s.Stream), sealKey(s.Number), 1024)
	b.Text("Hour", s.Start.UTC().Format(entra.HourFormat))
	b.Text("Leaves", fmt.Sprint(s.Leaves))
	b.Binary("Root", s.Root[:])
	b.Time("SealedAt", s.SealedAt)
	if remark := s.Remark(); remark != "" {
		b.Text("Reason", remark)
	}
	b.Binary("Stored", seal.EncodeHashes(s.Stored))
	return b.Done().Body
}

type sealRow struct {
	RowKey, Hour, Reason string
	Leaves               rows.Number
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

// Seal is collect.Store's.
func (a *Archive) Seal(ctx context.Context, stream entra.Stream, entry int64) (seal.Seal, error) {
	doing := fmt.Sprintf("read entry %d of the log of %s", entry, stream)
	got, err := a.client.Get(ctx, coverageTable, string(stream), sealKey(entry), doing)
	if rows.IsMissing(err) {
		return seal.Seal{}, &entra.Error{Code: entra.CodeTampered, Doing: doing,
			Why: "it is not there, and nothing ever takes an entry away", Remedy: "restore the row from a copy"}
	}
	if err != nil {
		return seal.Seal{}, err
	}
	return decodeSeal(stream, got.Body)
}

// LogSize is collect.Store's.
func (a *Archive) LogSize(ctx context.Context, stream entra.Stream, most int64) (int64, error) {
	size, err := a.countLog(ctx, stream, max(0, most-1))
	if err == nil && most > 0 && size < most {
		size, err = a.countLog(ctx, stream, 0) // the last one is not there: how far it goes has to be counted
	}
	return size, err
}

// countLog counts the entries from a number on, as far as none is missing.
func (a *Archive) countLog(ctx context.Context, stream entra.Stream, from int64) (int64, error) {
	size := from
	for body, err := range a.client.Scan(ctx, coverageTable, rows.Query{Filter: logFilter(stream, from),
		Columns: "RowKey"}) {
		if err != nil {
			return size, err
		}
		row, err := parseRow(body)
		if err != nil {
			return size, err
		}
		if row.RowKey == sealKey(size) {
			size++
		}
	}
	return size, nil
}

// logFilter filters the entries of a stream's log from a number on.
func logFilter(stream entra.Stream, from int64) string {
	return rows.In(string(stream), sealKey(from), sealMark+"~")
}

// wholeLog filters all rows among a stream's log.
func wholeLog(stream entra.Stream) string { return rows.In(string(stream), sealMark, sealMark+"~") }

// Seals lists a stream's log in order.
func (a *Archive) Seals(ctx context.Context, stream entra.Stream) iter.Seq2[seal.Seal, error] {
	all := a.client.Scan(ctx, coverageTable, rows.Query{Filter: wholeLog(stream)})
	return decoded(all, func(body []byte) (seal.Seal, error) { return decodeSeal(stream, body) })
}

// SealedSince is derive.Searchable's.
func (a *Archive) SealedSince(ctx context.Context, stream entra.Stream, entry int64) ([]time.Time, error) {
	var out []time.Time
	query := rows.Query{Filter: logFilter(stream, entry), Columns: "RowKey,Hour"}
	for body, err := range a.client.Scan(ctx, coverageTable, query) {
		if err != nil {
			return out, err
		}
		var row struct{ Hour string }
		if err := json.Unmarshal(body, &row); err != nil {
			return out, fmt.Errorf("read the log of %s: %w", stream, err)
		}
		hour, err := time.Parse(entra.HourFormat, row.Hour)
		out = append(out, hour)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}
