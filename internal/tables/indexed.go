package tables

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

// What a search asks of the index. A row that is not what was written is no error: its day is
// searched whole, and the log has a warning.

const indexedMark = "indexed"

func indexedCheck(stream entra.Stream, entries int64) []byte {
	return checkOf(coverageTable, string(stream), indexedMark, fmt.Append(nil, entries))
}

// parseIndexed reads the row that says how far the index was brought.
func parseIndexed(stream entra.Stream, body []byte) (entries int64, state checkState) {
	row := gjson.ParseBytes(body)
	entries, ok := wholeNumber(row.Get("Entries"))
	if !ok || entries < 0 {
		return 0, differs
	}
	return entries, compareCheck(row, indexedCheck(stream, entries))
}

// IndexedUpTo is archive.Indexed's.
func (s *Store) IndexedUpTo(ctx context.Context, stream entra.Stream) (int64, error) {
	got, err := s.service.NewClient(coverageTable).GetEntity(ctx, string(stream), indexedMark, nil)
	if isCode(err, "TableNotFound", "ResourceNotFound") {
		return 0, nil
	}
	if err != nil {
		return 0, s.explain("read how far "+string(stream)+" is indexed", err)
	}
	entries, state := parseIndexed(stream, got.Value)
	if state == differs {
		slog.WarnContext(ctx, "the index is not used: the row that says how far it goes is not what was written",
			"stream", stream, "table", coverageTable, "row", indexedMark)
		return 0, nil
	}
	return entries, nil
}

// SetIndexedUpTo is archive.IndexStore's.
func (s *Store) SetIndexedUpTo(ctx context.Context, stream entra.Stream, entries int64) error {
	b := newRow(string(stream), indexedMark, 128)
	b.text("Entries", fmt.Sprint(entries))
	b.binary(checkColumn, indexedCheck(stream, entries))
	return s.submit(ctx, coverageTable,
		[]aztables.TransactionAction{{ActionType: aztables.TransactionTypeInsertReplace, Entity: b.done().body}})
}

// SealedSince is archive.Indexed's.
func (s *Store) SealedSince(ctx context.Context, stream entra.Stream, entry int64) ([]time.Time, error) {
	var out []time.Time
	err := s.query(ctx, coverageTable, string(stream), sealKey(entry), sealMark+"~", "RowKey,Hour",
		func(body []byte) error {
			var row struct{ Hour string }
			if err := json.Unmarshal(body, &row); err != nil {
				return fmt.Errorf("read the log of %s: %w", stream, err)
			}
			hour, err := time.Parse(entra.HourFormat, row.Hour)
			out = append(out, hour)
			return err
		})
	return out, err
}

// eachIndexMonth reads the rows of the index with keys in [from, below), month by month. take tells
// whether a row is what was written.
func (s *Store) eachIndexMonth(ctx context.Context, stream entra.Stream, first, to time.Time, from, below string,
	take func(month time.Time, body []byte) bool) error {
	for month := time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0,
		time.UTC); month.Before(to); month = month.AddDate(0, 1, 0) {
		wrong, row := 0, ""
		err := s.query(ctx, indexTable(month), string(stream), from, below, "", func(body []byte) error {
			if !take(month, body) {
				wrong, row = wrong+1, gjson.GetBytes(body, "RowKey").Str
			}
			return nil
		})
		if err != nil {
			return err
		}
		if wrong > 0 {
			slog.WarnContext(ctx,
				"rows of the index are not what was written: their days are searched whole; "+indexAgain,
				"stream", stream, "table", indexTable(month), "rows", wrong, "last", clip(row))
		}
	}
	return nil
}

// dayOf is the day at the end of a row key of the index.
func dayOf(month time.Time, rowKey string) (time.Time, bool) {
	at := strings.LastIndexByte(rowKey, '!')
	day, err := time.Parse("200601"+"02", month.Format("200601")+rowKey[at+1:])
	return day, err == nil
}

// IndexedDays is archive.Index's.
func (s *Store) IndexedDays(ctx context.Context, stream entra.Stream, from,
	to time.Time) (map[time.Time]archive.KnownDay, error) {
	out := make(map[time.Time]archive.KnownDay)
	err := s.eachIndexMonth(ctx, stream, from, to, dayMark, dayMark+"~", func(month time.Time, body []byte) bool {
		key, of, state := parseIndexedDay(indexTable(month), stream, body)
		day, ok := dayOf(month, key)
		if ok && state != differs {
			out[day] = archive.KnownDay{IndexedDay: of.IndexedDay, Checked: state == agrees}
		}
		return ok && state != differs
	})
	return out, err
}

// HoursOf is archive.Index's.
func (s *Store) HoursOf(ctx context.Context, stream entra.Stream, v archive.Value, from,
	to time.Time) (map[time.Time]archive.Found, error) {
	out := make(map[time.Time]archive.Found)
	prefix := v.Column + "!" + escape(entra.Clip(v.Text, maxIDLength)) + "!"
	bucket, hash := idHash(v.Text)
	if v.Column == "" {
		prefix = idMark + bucket + "!"
	}
	return out, s.eachIndexMonth(ctx, stream, from, to, prefix, prefix+"~", func(month time.Time, body []byte) bool {
		row, state := parseIndexRow(indexTable(month), stream, body)
		day, ok := dayOf(month, row.key)
		if !ok {
			return false // it says nothing of any day
		}
		found, again := out[day]
		found.Hours |= row.hours
		for one := range slices.Chunk(row.ids, idBytes) {
			if bytes.Equal(one[:idHashBytes], hash) {
				found.Hours |= 1 << one[idHashBytes]
			}
		}
		found.Checked = state == agrees && (found.Checked || !again)
		found.Altered = found.Altered || state == differs
		out[day] = found
		return state != differs
	})
}
