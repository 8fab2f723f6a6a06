package tables

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/parallel"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// indexKeeper keeps the index, whose rows grow.
type indexKeeper struct {
	views *Views
	view  derive.View
}

// Stamps is derive.Keeper's.
func (k indexKeeper) Stamps(ctx context.Context, stream entra.Stream,
	from, to time.Time) (map[time.Time]derive.Stamp, error) {
	out := make(map[time.Time]derive.Stamp)
	err := k.views.eachMonth(ctx, stream, from, to, dayMark, dayMark+"~", func(month time.Time, body []byte) bool {
		key, of, state := parseIndexedDay(indexTable(month), stream, body)
		day, ok := dayOf(month, key)
		if !ok {
			return false
		}
		stamp := derive.Stamp{State: derive.StampAltered}
		if state != differs {
			together := derive.Together{Rows: of.rows, Sum: of.sum}
			stamp = derive.Stamp{State: derive.StampMade, Revision: of.Revision, Version: of.version,
				Together: together}
		}
		out[day] = stamp
		return state != differs
	})
	return out, err
}

// PutStamp is derive.Keeper's. The day is said to be indexed once all of it is there.
func (k indexKeeper) PutStamp(ctx context.Context, p derive.Period, stamp derive.Stamp) (derive.Stamp, error) {
	index := indexTable(p.Start)
	day := indexedDay{Revision: stamp.Revision, version: stamp.Version, rows: stamp.Together.Rows,
		sum: stamp.Together.Sum}
	body := day.encode(index, p.Stream, dayMark+p.Start.Format("02"))
	return stamp, k.views.client.Submit(ctx, index, rows.Action{Kind: rows.Put, Row: body})
}

// PutRows is derive.Keeper's. What the rows are together is said of those that the day's records
// make: the stored ones may hold more.
func (k indexKeeper) PutRows(ctx context.Context, d derive.Draft, made []derive.Row) (derive.Together, error) {
	stream, index := d.Period.Stream, indexTable(d.Period.Start)
	all := indexRows(d.Period.Start.Format("02"), made)
	err := rows.ErrExists
	if d.Was.State != derive.StampMade {
		err = k.add(ctx, index, stream, all)
	}
	if errors.Is(err, rows.ErrExists) {
		err = k.grow(ctx, index, stream, all)
	}
	day := newIndexedDay(index, stream, derive.Revision{}, all)
	return derive.Together{Rows: day.rows, Sum: day.sum}, err
}

// add inserts rows of a day that was not indexed yet.
func (k indexKeeper) add(ctx context.Context, index string, stream entra.Stream, made []indexRow) error {
	if len(made) == 0 {
		return nil
	}
	batches := make([]rows.Batch, len(made))
	for i, row := range made {
		body, err := row.encode(index, stream)
		if err != nil {
			return err
		}
		batches[i].Add(rows.Action{Kind: rows.Insert, Row: body})
	}
	return k.views.client.SubmitAll(ctx, index, batches)
}

// grow adds what rows hold to those that may be there, one by one, each if it is still as it was
// read.
func (k indexKeeper) grow(ctx context.Context, index string, stream entra.Stream, made []indexRow) error {
	group, growing := parallel.WithContext(ctx)
	group.SetLimit(rows.Writers)
	for _, row := range made {
		group.Go(func() error {
			for range tries {
				err := k.growRow(growing, index, stream, row)
				if !errors.Is(err, rows.ErrMoved) {
					return err
				}
			}
			return &entra.Error{Code: entra.CodeUnavailable, Doing: "index row " + row.key,
				Why: "others change it again and again", Remedy: "the next run tries again"}
		})
	}
	return group.Wait()
}

func (k indexKeeper) growRow(ctx context.Context, index string, stream entra.Stream, row indexRow) error {
	got, err := k.views.client.Get(ctx, index, string(stream), row.key, "read row "+row.key+" of table "+index)
	if err != nil && !rows.IsMissing(err) {
		return err
	}
	if err == nil {
		other, state := parseIndexRow(index, stream, got.Body)
		grown := true
		if state != differs { // else nothing of it is worth keeping
			var content []byte
			content, grown = k.view.Merge(other.content(), row.content())
			row = newIndexRow(row.key, content)
			grown = grown || state == unchecked
		}
		if !grown {
			return nil
		}
	}
	body, err := row.encode(index, stream)
	if err != nil {
		return err
	}
	_, err = k.views.client.Replace(ctx, index, "index row "+row.key, body, got.Revision)
	return err
}

// DropStale is derive.Keeper's: what is known of a day only grows.
func (indexKeeper) DropStale(context.Context, derive.Draft) error { return nil }

// Rows is derive.Keeper's.
func (k indexKeeper) Rows(ctx context.Context, p derive.Period, _ int64) (out []derive.Row, is derive.Together,
	err error) {
	end := "!" + p.Start.Format("02")
	err = k.views.eachMonth(ctx, p.Stream, p.Start, p.End, "", "~", func(month time.Time, body []byte) bool {
		key := rows.KeyOf(body).Row
		if !strings.HasSuffix(key, end) || strings.HasPrefix(key, dayMark) {
			return true
		}
		row, state := parseIndexRow(indexTable(month), p.Stream, body)
		column, value, _ := strings.Cut(strings.TrimSuffix(key, end), "!")
		text, unreadable := rows.Unescape(value)
		if state == differs || unreadable != nil {
			return false
		}
		out = append(out, derive.Row{Key: column + "!" + text, Content: slices.Clone(row.content())})
		is.Rows++
		is.Sum += number64(row.check(indexTable(month), p.Stream))
		return true
	})
	return out, is, err
}

// Mark is derive.Keeper's.
func (k indexKeeper) Mark(ctx context.Context, stream entra.Stream) (int64, error) {
	return k.views.IndexedUpTo(ctx, stream)
}

// SetMark is derive.Keeper's.
func (k indexKeeper) SetMark(ctx context.Context, stream entra.Stream, entries int64) error {
	row := encodeIndexed(stream, entries, k.view.Version)
	return k.views.client.Submit(ctx, coverageTable, rows.Action{Kind: rows.Put, Row: row})
}
