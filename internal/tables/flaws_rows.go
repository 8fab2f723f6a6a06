package tables

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
	"github.com/entraledger/entraledger/internal/verify"
)

// Flaws of dictionaries and of the quarantine.

// dictionaryFlaws names the dictionaries of a stream's tables whose bytes are not what their number
// says. One that is gone is missed by the records that need it.
func (f *flaws) dictionaryFlaws(ctx context.Context, prefix string) error {
	query := rows.Query{Filter: rows.Spanning(prefix+"0", prefix+afterDigits)}
	for body, err := range f.in.client.Scan(ctx, dictionaryTable, query) {
		if err != nil {
			return err
		}
		row := gjson.ParseBytes(body)
		table, key := row.Get("PartitionKey").Str, row.Get("RowKey").Str
		content, err := base64.StdEncoding.DecodeString(row.Get("Dictionary").Str)
		if err == nil && dictionaryKey(dictionaryID(content)) == key {
			continue
		}
		err = f.found(verify.DiffAltered, dictionaryTable, table+" "+key, time.Time{},
			"its bytes are not those whose number is its key: no record of %s that needs it can be read", table)
		if err != nil {
			return err
		}
	}
	return nil
}

// quarantine names what is wrong with the records that could not be filed.
func (f *flaws) quarantine(ctx context.Context) error {
	there, err := f.quarantined(ctx, "0", "~", func(key, _ string) error {
		// Once more: a run that meets the record writes it row by row.
		_, err := f.quarantined(ctx, key, key+`"`, func(again, why string) error {
			if again != key {
				return nil
			}
			return f.found(verify.DiffAltered, quarantineTable, key, time.Time{}, "%s", why)
		})
		return err
	})
	if err != nil || there >= f.progress.Quarantined {
		return err
	}
	// A purge drops what is past its retention, and the ledger counts at the end of a run.
	if err := f.readProgress(ctx); err != nil {
		return err
	}
	dropped, err := f.droppedSince(ctx, f.progress.LastRunAt)
	if err != nil || dropped {
		return err
	}
	there, err = f.quarantined(ctx, "0", "~", func(string, string) error { return nil })
	if err != nil || there >= f.progress.Quarantined {
		return err
	}
	return f.found(verify.DiffRemoved, quarantineTable, "", time.Time{},
		"%d records are in quarantine, and the ledger counted %d at %s; nobody can say which are gone",
		there, f.progress.Quarantined, f.progress.LastRunAt.Format(time.RFC3339))
}

// rejectedRows are the rows of one record in quarantine.
type rejectedRows struct {
	first gjson.Result
	key   string // empty: there are none
	n     int
	data  []byte
	bad   bool // one of them can't be read
}

// quarantined counts the records in quarantine with keys in [from, below), and yields the keys of
// those that are not what was written, with the reason.
func (f *flaws) quarantined(ctx context.Context, from, below string,
	wrong func(key, why string) error) (n int64, err error) {
	var open rejectedRows
	flush := func() error {
		if open.key == "" {
			return nil
		}
		why, err := f.rejectedFlaw(ctx, open)
		if open.key = ""; err != nil || why == "" {
			return err
		}
		return wrong(open.first.Get("RowKey").Str, why)
	}
	query := rows.Query{Filter: rows.In(string(f.stream), from, below)}
	for body, err := range f.in.client.Scan(ctx, quarantineTable, query) {
		if err != nil {
			return n, err
		}
		row := gjson.ParseBytes(body)
		at := row.Get("RowKey").Str
		chunk, ok := rows.ChunksOf(row)
		if before, _, isPart := strings.Cut(at, partMark); isPart {
			if before == open.key && at == partKey(open.key, open.n) {
				open.n, open.data, open.bad = open.n+1, append(open.data, chunk...), open.bad || !ok
			}
			continue // else it was left by a write that ended before its first row: it is no record
		}
		if err := flush(); err != nil {
			return n, err
		}
		n++
		open = rejectedRows{first: row, key: at, n: 1, data: chunk, bad: !ok}
	}
	return n, flush()
}

// rejectedFlaw says what is wrong with a record in quarantine; empty: nothing.
func (f *flaws) rejectedFlaw(ctx context.Context, of rejectedRows) (string, error) {
	parts, bad := int64(1), of.bad
	if column := of.first.Get("Parts"); rows.Given(column) {
		var ok bool
		if parts, ok = rows.WholeNumber(column); !ok {
			bad = true
		}
	}
	hash, err := hex.DecodeString(of.key)
	switch {
	case err != nil || len(hash) != len(entra.Hash{}) || strings.ToLower(of.key) != of.key:
		return "its key is no SHA-256", nil
	case bad:
		return "it is not a row that Entra Ledger writes", nil
	case int64(of.n) != max(1, parts):
		return "some of its rows are not there", nil
	}
	raw, err := f.in.archive.codec.decode(ctx, quarantineTable, of.data, of.first.Get("Codec").Str)
	if code := entra.CodeOf(err); ctx.Err() != nil || code != entra.CodeInternal && code != entra.CodeTampered {
		return "", err
	}
	if err != nil {
		return "its bytes can't be decompressed: they are not those that were written", nil
	}
	if is := entra.HashOf(raw); !bytes.Equal(is[:], hash) {
		return "its bytes have another SHA-256 than its key says", nil
	}
	if column := of.first.Get("Hash"); column.Str != base64.StdEncoding.EncodeToString(hash) {
		return "its Hash is not the SHA-256 of its bytes", nil
	}
	return "", nil
}

// droppedSince reports whether something of the quarantine was dropped since a moment, or shortly
// before, by the service's clock.
func (f *flaws) droppedSince(ctx context.Context, moment time.Time) (dropped bool, err error) {
	query := rows.Query{Filter: rows.In(string(f.stream), droppedMark, droppedMark+"~"), Columns: "Timestamp"}
	for body, err := range f.in.client.Scan(ctx, quarantineTable, query) {
		if err != nil {
			return dropped, err
		}
		at, err := time.Parse(time.RFC3339Nano, gjson.GetBytes(body, "Timestamp").Str)
		dropped = err != nil || at.After(moment.Add(-10*time.Minute))
	}
	return dropped, nil
}
