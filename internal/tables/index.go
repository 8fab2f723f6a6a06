package tables

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"golang.org/x/sync/errgroup"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

var _ archive.IndexStore = (*Store)(nil)

// The index of a month is a table; PartitionKey is the stream. RowKey is <column>!<value>!<day> for a value of a column, whose
// Hours says in which hours of the day it is there, and id!<bucket>!<day> for a part of the day's ids: for each the first bytes of
// its SHA-256, and its hour. day!<day> says that the day is indexed, and as of which seals. In the ledger's table a row says up to
// which entry of the log the index was brought.
const (
	dayMark     = "day!"
	idMark      = "id!"
	idBuckets   = 64
	idHashBytes = 5
	idBytes     = idHashBytes + 1
)

func indexTable(month time.Time) string { return "index" + month.UTC().Format("200601") }

func idHash(id string) (bucket string, hash []byte) {
	sum := sha256.Sum256([]byte(id))
	return fmt.Sprintf("%02d", sum[0]%idBuckets), sum[1 : 1+idHashBytes]
}

// dayIndex is what a day's records hold.
type dayIndex struct {
	columns []string
	values  map[string]archive.Hours // by <column>!<value>
	ids     map[string][]byte        // by bucket
}

// take adds one row of a table of records.
func (d *dayIndex) take(body []byte) error {
	var row map[string]any
	if err := json.Unmarshal(body, &row); err != nil {
		return fmt.Errorf("read a row to index it: %w", err)
	}
	key, _ := row["RowKey"].(string)
	p, err := parseRowKey(key)
	if err != nil || p.part > 0 {
		return err
	}
	id, hour := p.key.ID, p.key.Time.Hour()
	if !p.whole {
		id, _ = row["Id"].(string)
	}
	bucket, hash := idHash(id)
	d.ids[bucket] = append(append(d.ids[bucket], hash...), byte(hour))
	for _, name := range d.columns {
		if text, ok := row[name].(string); ok && text != "" {
			d.values[name+"!"+escape(entra.Clip(text, maxIDLength))] |= 1 << hour
		}
	}
	return nil
}

// indexRow is a row of the index: its key, and what it holds.
type indexRow struct {
	key   string
	hours archive.Hours // of a value
	ids   []byte        // of a bucket
}

func (r indexRow) encode(stream entra.Stream) ([]byte, error) {
	if r.ids == nil {
		b := newRow(string(stream), r.key, 128)
		b.int32("Hours", int32(r.hours))
		return b.done().body, nil
	}
	b := newRow(string(stream), r.key, len(r.ids)*4/3+256)
	if rest := b.chunks(r.ids); len(rest) > 0 {
		return nil, fmt.Errorf("index row %s of %s: its ids take %d bytes too many", r.key, stream, len(rest))
	}
	return b.done().body, nil
}

// with adds what another row of the same key holds: what the index knows only grows, so an older
// state of a day that is written late hides nothing.
func (r indexRow) with(other indexRow) (sum indexRow, grown bool) {
	sum = indexRow{key: r.key, hours: r.hours | other.hours, ids: other.ids}
	grown = sum.hours != other.hours
	known := make(map[[idBytes]byte]bool)
	for one := range slices.Chunk(other.ids, idBytes) {
		if len(one) == idBytes {
			known[[idBytes]byte(one)] = true
		}
	}
	for one := range slices.Chunk(r.ids, idBytes) {
		if !known[[idBytes]byte(one)] {
			sum.ids, grown = append(slices.Clip(sum.ids), one...), true
		}
	}
	if r.ids != nil && sum.ids == nil {
		sum.ids = []byte{}
	}
	return sum, grown
}

// rows are the day's rows of the index, in the order of their keys.
func (d *dayIndex) rows(day string) []indexRow {
	var out []indexRow
	for value, hours := range d.values {
		out = append(out, indexRow{key: value + "!" + day, hours: hours})
	}
	for bucket, ids := range d.ids {
		out = append(out, indexRow{key: idMark + bucket + "!" + day, ids: ids})
	}
	slices.SortFunc(out, func(a, b indexRow) int { return strings.Compare(a.key, b.key) })
	return out
}

// IndexDay is archive.IndexStore's.
func (s *Store) IndexDay(ctx context.Context, d archive.Day, state archive.IndexedDay, again bool) (int, error) {
	found := &dayIndex{columns: logs.Of(d.Stream).IndexedColumns(), values: make(map[string]archive.Hours), ids: make(map[string][]byte)}
	filter := fmt.Sprintf("PartitionKey ge %s and PartitionKey lt %s", quote(d.Start.Format(entra.HourFormat)), quote(d.Start.AddDate(0, 0, 1).Format(entra.HourFormat)))
	selected := "RowKey,Id," + strings.Join(found.columns, ",")
	table := TableName(entra.Window{Stream: d.Stream, Start: d.Start})
	if err := s.listWith(ctx, table, &aztables.ListEntitiesOptions{Filter: &filter, Select: &selected}, found.take); err != nil && !errors.Is(err, errNoTable) {
		return 0, err
	}
	day, index := d.Start.Format("02"), indexTable(d.Start)
	rows := found.rows(day)
	err := archive.ErrExists
	if !again {
		err = s.addToIndex(ctx, index, d.Stream, rows)
	}
	if errors.Is(err, archive.ErrExists) {
		err = s.growIndex(ctx, index, d.Stream, rows)
	}
	if err != nil {
		return 0, err
	}
	// The day is said to be indexed once all of it is there.
	b := newRow(string(d.Stream), dayMark+day, 256)
	b.text("LastSeal", fmt.Sprint(state.LastSeal))
	b.text("Seals", fmt.Sprint(state.Seals))
	body := b.done().body
	return len(found.values), s.submit(ctx, index, []aztables.TransactionAction{{ActionType: aztables.TransactionTypeInsertReplace, Entity: body}})
}

// addToIndex adds rows of a day that was not indexed yet.
func (s *Store) addToIndex(ctx context.Context, index string, stream entra.Stream, rows []indexRow) error {
	if len(rows) == 0 {
		return nil
	}
	batches := make([]batch, 0, len(rows))
	for _, row := range rows {
		body, err := row.encode(stream)
		if err != nil {
			return err
		}
		batches = append(batches, batch{actions: []aztables.TransactionAction{{ActionType: aztables.TransactionTypeAdd, Entity: body}}, size: len(body) + operationOverhead})
	}
	return s.submitAll(ctx, index, batches)
}

// growIndex adds what rows hold to those that may be there, one by one, each if it is still as it
// was read.
func (s *Store) growIndex(ctx context.Context, index string, stream entra.Stream, rows []indexRow) error {
	group, growing := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for _, row := range rows {
		group.Go(func() error {
			for range slotTries {
				err := s.growRow(growing, index, stream, row)
				if !errors.Is(err, errRowMoved) {
					return err
				}
			}
			return &entra.Error{Code: entra.CodeUnavailable, Doing: "index row " + row.key, Why: "others change it again and again", Remedy: "the next run tries again"}
		})
	}
	return group.Wait()
}

func (s *Store) growRow(ctx context.Context, index string, stream entra.Stream, row indexRow) error {
	got, err := s.service.NewClient(index).GetEntity(ctx, string(stream), row.key, nil)
	etag, grown := "", true
	switch {
	case isCode(err, "TableNotFound", "ResourceNotFound"):
	case err != nil:
		return s.explain("read row "+row.key+" of table "+index, err)
	default:
		var there struct{ Hours uint32 }
		if err := json.Unmarshal(got.Value, &there); err != nil {
			return fmt.Errorf("read row %s of table %s: %w", row.key, index, err)
		}
		whole, err := parseWholeRow(got.Value)
		if err != nil {
			return err
		}
		other := indexRow{key: row.key, hours: archive.Hours(there.Hours)}
		if row.ids != nil {
			other.ids = data([]fetchedRow{whole})
		}
		row, grown = row.with(other)
		etag = string(got.ETag)
	}
	if !grown {
		return nil
	}
	body, err := row.encode(stream)
	if err != nil {
		return err
	}
	_, err = s.replace(ctx, index, "index row "+row.key, body, etag)
	return err
}

const indexedMark = "indexed"

// IndexedUpTo is archive.Indexed's.
func (s *Store) IndexedUpTo(ctx context.Context, stream entra.Stream) (int64, error) {
	var row struct{ Entries number }
	got, err := s.service.NewClient(coverageTable).GetEntity(ctx, string(stream), indexedMark, nil)
	if isCode(err, "TableNotFound", "ResourceNotFound") {
		return 0, nil
	}
	if err == nil {
		err = json.Unmarshal(got.Value, &row)
	}
	return int64(row.Entries), s.explain("read how far "+string(stream)+" is indexed", err)
}

// SetIndexedUpTo is archive.IndexStore's.
func (s *Store) SetIndexedUpTo(ctx context.Context, stream entra.Stream, entries int64) error {
	b := newRow(string(stream), indexedMark, 128)
	b.text("Entries", fmt.Sprint(entries))
	return s.submit(ctx, coverageTable, []aztables.TransactionAction{{ActionType: aztables.TransactionTypeInsertReplace, Entity: b.done().body}})
}

// SealedSince is archive.Indexed's.
func (s *Store) SealedSince(ctx context.Context, stream entra.Stream, entry int64) ([]time.Time, error) {
	var out []time.Time
	err := s.query(ctx, coverageTable, string(stream), sealKey(entry), sealMark+"~", "RowKey,Hour", func(body []byte) error {
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

// eachIndexMonth reads the rows of the index with keys in [from, below), month by month.
func (s *Store) eachIndexMonth(ctx context.Context, stream entra.Stream, first, to time.Time, from, below string, take func(month time.Time, body []byte) error) error {
	for month := time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0, time.UTC); month.Before(to); month = month.AddDate(0, 1, 0) {
		if err := s.query(ctx, indexTable(month), string(stream), from, below, "", func(body []byte) error { return take(month, body) }); err != nil {
			return err
		}
	}
	return nil
}

// dayOf is the day at the end of a row key of the index.
func dayOf(month time.Time, rowKey string) (time.Time, error) {
	at := strings.LastIndexByte(rowKey, '!')
	return time.Parse("200601"+"02", month.Format("200601")+rowKey[at+1:])
}

// IndexedDays is archive.Index's.
func (s *Store) IndexedDays(ctx context.Context, stream entra.Stream, from, to time.Time) (map[time.Time]archive.IndexedDay, error) {
	out := make(map[time.Time]archive.IndexedDay)
	err := s.eachIndexMonth(ctx, stream, from, to, dayMark, dayMark+"~", func(month time.Time, body []byte) error {
		var row struct {
			RowKey          string
			LastSeal, Seals number
		}
		if err := json.Unmarshal(body, &row); err != nil {
			return fmt.Errorf("read the index of %s: %w", stream, err)
		}
		day, err := dayOf(month, row.RowKey)
		out[day] = archive.IndexedDay{LastSeal: int64(row.LastSeal), Seals: int64(row.Seals)}
		return err
	})
	return out, err
}

// HoursOf is archive.Index's.
func (s *Store) HoursOf(ctx context.Context, stream entra.Stream, v archive.Value, from, to time.Time) (map[time.Time]archive.Hours, error) {
	out := make(map[time.Time]archive.Hours)
	take := func(month time.Time, body []byte) error {
		var row struct {
			RowKey string
			Hours  uint32
		}
		if err := json.Unmarshal(body, &row); err != nil {
			return fmt.Errorf("read the index of %s: %w", stream, err)
		}
		day, err := dayOf(month, row.RowKey)
		out[day] |= archive.Hours(row.Hours)
		return err
	}
	prefix := v.Column + "!" + escape(entra.Clip(v.Text, maxIDLength)) + "!"
	if v.Column == "" {
		bucket, hash := idHash(v.Text)
		prefix = idMark + bucket + "!"
		take = func(month time.Time, body []byte) error {
			row, err := parseWholeRow(body)
			if err != nil {
				return err
			}
			day, err := dayOf(month, row.RowKey)
			for one := range slices.Chunk(data([]fetchedRow{row}), idBytes) {
				if len(one) == idBytes && bytes.Equal(one[:idHashBytes], hash) {
					out[day] |= 1 << one[idHashBytes]
				}
			}
			return err
		}
	}
	return out, s.eachIndexMonth(ctx, stream, from, to, prefix, prefix+"~", take)
}
