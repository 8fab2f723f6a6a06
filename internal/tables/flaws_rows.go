package tables

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

// Flaws of dictionaries and of the quarantine.

// dictionaryFlaws names the dictionaries of a stream's tables whose bytes are not what their number
// says. One that is gone is missed by the records that need it.
func (f *flaws) dictionaryFlaws(ctx context.Context, prefix string) error {
	// ":" is the character after "9".
	filter := "PartitionKey ge " + quote(prefix+"0") + " and PartitionKey lt " + quote(prefix+":")
	return f.list(ctx, dictionaryTable, filter, "", func(body []byte) error {
		row := gjson.ParseBytes(body)
		table, key := row.Get("PartitionKey").Str, row.Get("RowKey").Str
		content, err := base64.StdEncoding.DecodeString(row.Get("Dictionary").Str)
		if err == nil && dictionaryKey(dictionaryID(content)) == key {
			return nil
		}
		return f.found(archive.DiffAltered, dictionaryTable, table+" "+key, time.Time{},
			"its bytes are not those whose number is its key: no record of %s that needs it can be read", table)
	})
}

// quarantine names what is wrong with the records that could not be filed.
func (f *flaws) quarantine(ctx context.Context) error {
	there, err := f.quarantined(ctx, "0", "~", func(key, _ string) error {
		// Once more: a run that meets the record writes it row by row.
		_, err := f.quarantined(ctx, key, key+`"`, func(again, why string) error {
			if again != key {
				return nil
			}
			return f.found(archive.DiffAltered, quarantineTable, key, time.Time{}, "%s", why)
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
	return f.found(archive.DiffRemoved, quarantineTable, "", time.Time{},
		"%d records are in quarantine, and the ledger counted %d at %s; nobody can say which are gone",
		there, f.progress.Quarantined, f.progress.LastRunAt.Format(time.RFC3339))
}

// quarantined counts the records in quarantine with keys in [from, below), and yields the keys of
// those that are not what was written, with the reason.
func (f *flaws) quarantined(ctx context.Context, from, below string, wrong func(key, why string) error) (n int64,
	err error) {
	var (
		first gjson.Result
		key   string
		rows  int
		data  []byte
		bad   bool
	)
	flush := func() error {
		if key == "" {
			return nil
		}
		why, err := f.rejectedFlaw(ctx, key, first, data, rows, bad)
		if key = ""; err != nil || why == "" {
			return err
		}
		return wrong(first.Get("RowKey").Str, why)
	}
	err = f.query(ctx, quarantineTable, string(f.stream), from, below, "", func(body []byte) error {
		row := gjson.ParseBytes(body)
		at := row.Get("RowKey").Str
		chunk, ok := chunksOf(row)
		if before, _, isPart := strings.Cut(at, partMark); isPart {
			if before == key && at == partKey(key, rows) {
				rows, data, bad = rows+1, append(data, chunk...), bad || !ok
			}
			return nil // else it was left by a write that ended before its first row: nothing vouches for it
		}
		if err := flush(); err != nil {
			return err
		}
		n++
		first, key, rows, data, bad = row, at, 1, chunk, !ok
		return nil
	})
	if err == nil {
		err = flush()
	}
	return n, err
}

// rejectedFlaw says what is wrong with a record in quarantine; empty: nothing.
func (f *flaws) rejectedFlaw(ctx context.Context, key string, first gjson.Result, data []byte, rows int,
	bad bool) (string, error) {
	parts := int64(1)
	if column := first.Get("Parts"); given(column) {
		var ok bool
		if parts, ok = wholeNumber(column); !ok {
			bad = true
		}
	}
	hash, err := hex.DecodeString(key)
	switch {
	case err != nil || len(hash) != len(entra.Hash{}) || strings.ToLower(key) != key:
		return "its key is no SHA-256", nil
	case bad:
		return "it is not a row that Entra Ledger writes", nil
	case int64(rows) != max(1, parts):
		return "some of its rows are not there", nil
	}
	raw, err := f.decode(ctx, quarantineTable, data, first.Get("Codec").Str)
	if code := entra.CodeOf(err); ctx.Err() != nil || code != entra.CodeInternal && code != entra.CodeTampered {
		return "", err
	}
	if err != nil {
		return "its bytes can't be decompressed: they are not those that were written", nil
	}
	if of := entra.HashOf(raw); !bytes.Equal(of[:], hash) {
		return "its bytes have another SHA-256 than its key says", nil
	}
	if column := first.Get("Hash"); column.Str != base64.StdEncoding.EncodeToString(hash) {
		return "its Hash is not the SHA-256 of its bytes", nil
	}
	return "", nil
}

// droppedMark is the row of a stream's quarantine that says when a purge last dropped something of
// it. It sorts before every record.
const droppedMark = "!dropped"

// droppedSince tells whether something of the quarantine was dropped since a moment, or shortly
// before, by the service's clock.
func (f *flaws) droppedSince(ctx context.Context, moment time.Time) (dropped bool, err error) {
	err = f.query(ctx, quarantineTable, string(f.stream), droppedMark, droppedMark+"~", "Timestamp",
		func(body []byte) error {
			at, err := time.Parse(time.RFC3339Nano, gjson.GetBytes(body, "Timestamp").Str)
			dropped = err != nil || at.After(moment.Add(-10*time.Minute))
			return nil
		})
	return dropped, err
}
