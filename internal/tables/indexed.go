package tables

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// What a search asks of the index. A row that is not what was written is no error: its day is
// searched whole, and the log has a warning.

// IndexedUpTo is derive.Searchable's.
func (v *Views) IndexedUpTo(ctx context.Context, stream entra.Stream) (int64, error) {
	got, err := v.client.Get(ctx, coverageTable, string(stream), indexedMark, "read how far "+string(stream)+
		" is indexed")
	if rows.IsMissing(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	entries, state := parseIndexed(stream, got.Body)
	if state == differs {
		slog.WarnContext(ctx, "the index is not used: the row that says how far it goes is not what was written",
			"stream", stream, "table", coverageTable, "row", indexedMark)
		return 0, nil
	}
	return entries, nil
}

// eachMonth reads the rows of the index with keys in [from, below), month by month. take tells
// whether a row is what was written.
func (v *Views) eachMonth(ctx context.Context, stream entra.Stream, first, to time.Time, from, below string,
	take func(month time.Time, body []byte) bool) error {
	for month := monthOf(first); month.Before(to); month = month.AddDate(0, 1, 0) {
		wrong, last := 0, ""
		query := rows.Query{Filter: rows.In(string(stream), from, below)}
		for body, err := range v.client.Scan(ctx, indexTable(month), query) {
			if err != nil {
				return err
			}
			if !take(month, body) {
				wrong, last = wrong+1, rows.KeyOf(body).Row
			}
		}
		if wrong > 0 {
			slog.WarnContext(ctx, "rows of the index are not what was written: their days are searched whole; "+
				indexAgain,
				"stream", stream, "table", indexTable(month), "rows", wrong, "last", rows.Clip(last))
		}
	}
	return nil
}

// IndexedDays is derive.Finder's.
func (v *Views) IndexedDays(ctx context.Context, stream entra.Stream,
	from, to time.Time) (map[time.Time]derive.KnownDay, error) {
	out := make(map[time.Time]derive.KnownDay)
	err := v.eachMonth(ctx, stream, from, to, dayMark, dayMark+"~", func(month time.Time, body []byte) bool {
		key, of, state := parseIndexedDay(indexTable(month), stream, body)
		day, ok := dayOf(month, key)
		if ok && state != differs && of.version == derive.Index().Version {
			out[day] = derive.KnownDay{Revision: of.Revision, Checked: state == agrees}
		}
		return ok && state != differs
	})
	return out, err
}

// HoursOf is derive.Finder's.
func (v *Views) HoursOf(ctx context.Context, stream entra.Stream, value derive.Value,
	from, to time.Time) (map[time.Time]derive.Found, error) {
	out := make(map[time.Time]derive.Found)
	prefix := value.Column + "!" + rows.Escape(derive.ClipValue(value.Text)) + "!"
	bucket, hash := derive.IDHash(value.Text)
	if value.Column == "" {
		prefix = idMark + bucket + "!"
	}
	return out, v.eachMonth(ctx, stream, from, to, prefix, prefix+"~", func(month time.Time, body []byte) bool {
		row, state := parseIndexRow(indexTable(month), stream, body)
		day, ok := dayOf(month, row.key)
		if !ok {
			return false // it says nothing of any day
		}
		found, again := out[day]
		found.Hours |= row.hours
		for one := range slices.Chunk(row.ids, idBytes) {
			if bytes.Equal(one[:derive.IDHashBytes], hash) {
				found.Hours |= 1 << one[derive.IDHashBytes]
			}
		}
		found.Checked = state == agrees && (found.Checked || !again)
		found.Altered = found.Altered || state == differs
		out[day] = found
		return state != differs
	})
}
