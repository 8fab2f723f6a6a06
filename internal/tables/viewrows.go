package tables

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// The views of a month are a table; PartitionKey is the stream. row!<view>!<period>!<edition>!<key>
// is a row with its content, stamp!<view>!<period> the stamp of a period; a period is named by its
// first hour. In a table beside those of months a row for each view says how much of the log it has
// followed. Each row has a check.
const (
	rowMark   = "row!"
	stampMark = "stamp!"

	// maxViewKey keeps a row key below the 512 characters that Azurite refuses.
	maxViewKey = 400
)

// viewKeeper keeps one view.
type viewKeeper struct {
	client *rows.Client
	view   derive.View
}

func (k viewKeeper) stampKey(start time.Time) string {
	return stampMark + k.view.Name + "!" + start.UTC().Format(entra.HourFormat)
}

// editionKey begins the keys of the rows of an edition. Those of earlier ones sort before it.
func (k viewKeeper) editionKey(p derive.Period, edition int64) string {
	return fmt.Sprintf("%s%s!%s!%019d!", rowMark, k.view.Name, p.Start.UTC().Format(entra.HourFormat), edition)
}

// checkOfStamp is the check of a period's stamp.
func checkOfStamp(table string, stream entra.Stream, key string, s derive.Stamp) []byte {
	content := fmt.Append(nil, "stamp ", s.State, " ", s.Revision.LastSeal, " ", s.Revision.Seals, " ", s.Version, " ",
		s.Edition, " ", s.Together.Rows, " ", s.Together.Sum)
	return checkOf(table, string(stream), key, content)
}

func encodeStamp(table string, stream entra.Stream, key string, s derive.Stamp) []byte {
	b := rows.NewEntity(string(stream), key, 320)
	b.Bool("Made", s.State == derive.StampMade)
	b.Text("LastSeal", fmt.Sprint(s.Revision.LastSeal))
	b.Text("Seals", fmt.Sprint(s.Revision.Seals))
	b.Int32(versionColumn, int32(s.Version))
	b.Text("Edition", fmt.Sprint(s.Edition))
	b.Int32("Rows", int32(s.Together.Rows))
	b.Binary("Sum", binary.BigEndian.AppendUint64(nil, s.Together.Sum))
	b.Binary(checkColumn, checkOfStamp(table, stream, key, s))
	return b.Done().Body
}

// parseStamp reads a row that was written by encodeStamp; one that differs from its check, or has
// none, is altered.
func parseStamp(table string, stream entra.Stream, body []byte) derive.Stamp {
	row := gjson.ParseBytes(body)
	out := derive.Stamp{State: derive.StampOpen}
	if row.Get("Made").Bool() {
		out.State = derive.StampMade
	}
	number := func(name string) int64 {
		n, _ := rows.WholeNumber(row.Get(name)) // the check tells of one that is none
		return n
	}
	out.Revision = derive.Revision{LastSeal: number("LastSeal"), Seals: number("Seals")}
	out.Version, out.Edition = int(number(versionColumn)), number("Edition")
	out.Together.Rows = int(number("Rows"))
	if sum, err := base64.StdEncoding.DecodeString(row.Get("Sum").Str); err == nil && len(sum) == checkBytes {
		out.Together.Sum = number64(sum)
	}
	tag := row.Get("odata\\.etag").Str
	if compareCheck(row, checkOfStamp(table, stream, row.Get("RowKey").Str, out)) != agrees {
		out = derive.Stamp{State: derive.StampAltered}
	}
	out.Tag = tag
	return out
}

// Stamps is derive.Keeper's.
func (k viewKeeper) Stamps(ctx context.Context, stream entra.Stream,
	from, to time.Time) (map[time.Time]derive.Stamp, error) {
	out := make(map[time.Time]derive.Stamp)
	for month := monthOf(from); month.Before(to); month = month.AddDate(0, 1, 0) {
		query := rows.Query{Filter: rows.In(string(stream), k.stampKey(from), k.stampKey(to))}
		for body, err := range k.client.Scan(ctx, viewsTable(month), query) {
			if err != nil {
				return nil, err
			}
			key := rows.KeyOf(body).Row
			if start, ok := exactHour(key[strings.LastIndexByte(key, '!')+1:]); ok {
				out[start] = parseStamp(viewsTable(month), stream, body)
			}
		}
	}
	return out, nil
}

// PutStamp is derive.Keeper's.
func (k viewKeeper) PutStamp(ctx context.Context, p derive.Period, stamp derive.Stamp) (derive.Stamp, error) {
	table, key := viewsTable(p.Start), k.stampKey(p.Start)
	tag, err := k.client.Replace(ctx, table, "write row "+key+" of table "+table,
		encodeStamp(table, p.Stream, key, stamp), stamp.Tag)
	if errors.Is(err, rows.ErrMoved) {
		return k.whoStamped(ctx, p, stamp)
	}
	stamp.Tag = tag
	return stamp, err
}

// whoStamped tells a stamp that was written and its answer lost from one that came too late.
func (k viewKeeper) whoStamped(ctx context.Context, p derive.Period, stamp derive.Stamp) (derive.Stamp, error) {
	all, err := k.Stamps(ctx, p.Stream, p.Start, p.End)
	if err != nil {
		return stamp, err
	}
	is := all[p.Start]
	if stamp.Tag = is.Tag; is == stamp {
		return is, nil
	}
	return stamp, fmt.Errorf("write the stamp of %s of view %s: %w", p.Start.Format(entra.HourFormat), k.view.Name,
		ledger.ErrMoved)
}

// PutRows is derive.Keeper's.
func (k viewKeeper) PutRows(ctx context.Context, d derive.Draft, made []derive.Row) (is derive.Together, err error) {
	table, prefix := viewsTable(d.Period.Start), k.editionKey(d.Period, d.Edition)
	batches := make([]rows.Batch, len(made))
	for i, row := range made {
		key := prefix + rows.Escape(row.Key)
		b := rows.NewEntity(string(d.Period.Stream), key, len(row.Content)*4/3+256)
		if rest := b.Chunks(row.Content); len(rest) > 0 || len(key) > maxViewKey {
			return is, fmt.Errorf("write row %s of view %s: its key has %d characters, its content %d bytes too many",
				entra.Clip(row.Key, 80), k.view.Name, max(0, len(key)-maxViewKey), len(rest))
		}
		check := checkOf(table, string(d.Period.Stream), key, row.Content)
		b.Binary(checkColumn, check)
		batches[i].Add(rows.Action{Kind: rows.Put, Row: b.Done().Body})
		is.Rows++
		is.Sum += number64(check)
	}
	if len(batches) == 0 {
		return is, nil
	}
	return is, k.client.SubmitAll(ctx, table, batches)
}

// DropStale is derive.Keeper's.
func (k viewKeeper) DropStale(ctx context.Context, d derive.Draft) error {
	from, below := k.editionKey(d.Period, 0), k.editionKey(d.Period, d.Edition)
	return k.client.DropRows(ctx, viewsTable(d.Period.Start), string(d.Period.Stream),
		"RowKey ge "+rows.Quote(from)+" and RowKey lt "+rows.Quote(below))
}

// Rows is derive.Keeper's.
func (k viewKeeper) Rows(ctx context.Context, p derive.Period, edition int64) (out []derive.Row, is derive.Together,
	err error) {
	table, prefix := viewsTable(p.Start), k.editionKey(p, edition)
	for body, err := range k.client.Scan(ctx, table,
		rows.Query{Filter: rows.In(string(p.Stream), prefix, prefix+"~~")}) {
		if err != nil {
			return nil, derive.Together{}, err
		}
		row := gjson.ParseBytes(body)
		stored := row.Get("RowKey").Str
		key, unreadable := rows.Unescape(strings.TrimPrefix(stored, prefix))
		content, whole := rows.ChunksOf(row)
		check := checkOf(table, string(p.Stream), stored, content)
		if unreadable != nil || !whole || compareCheck(row, check) != agrees {
			continue
		}
		out = append(out, derive.Row{Key: key, Content: slices.Clone(content)})
		is.Rows++
		is.Sum += number64(check)
	}
	return out, is, nil
}

// Mark is derive.Keeper's.
func (k viewKeeper) Mark(ctx context.Context, stream entra.Stream) (int64, error) {
	doing := "read how far view " + k.view.Name + " of " + string(stream) + " was brought"
	got, err := k.client.Get(ctx, viewsPrefix, string(stream), k.view.Name, doing)
	if rows.IsMissing(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	row := gjson.ParseBytes(got.Body)
	entries, ok := rows.WholeNumber(row.Get("Entries"))
	if !ok || compareCheck(row, k.markCheck(stream, entries)) != agrees { // or of another version
		return 0, nil
	}
	return entries, nil
}

func (k viewKeeper) markCheck(stream entra.Stream, entries int64) []byte {
	return checkOf(viewsPrefix, string(stream), k.view.Name, fmt.Append(nil, entries, " of version ", k.view.Version))
}

// SetMark is derive.Keeper's.
func (k viewKeeper) SetMark(ctx context.Context, stream entra.Stream, entries int64) error {
	b := rows.NewEntity(string(stream), k.view.Name, 160)
	b.Text("Entries", fmt.Sprint(entries))
	b.Int32(versionColumn, int32(k.view.Version))
	b.Binary(checkColumn, k.markCheck(stream, entries))
	return k.client.Submit(ctx, viewsPrefix, rows.Action{Kind: rows.Put, Row: b.Done().Body})
}
