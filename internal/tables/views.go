package tables

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// Views keeps what derives from the archive's records, and can be made again: the index, by which
// searches go. The newest successes of users are read from the records themselves.
type Views struct {
	client  *rows.Client
	codec   *codec
	archive *Archive // has the records
}

// DropViews is purge.Views's: it drops the index of a month.
func (v *Views) DropViews(ctx context.Context, stream entra.Stream, month time.Time) error {
	return v.client.DropRows(ctx, indexTable(month), string(stream), "")
}

// IndexDay is derive.Store's.
func (v *Views) IndexDay(ctx context.Context, d derive.Day, state derive.IndexedDay, again bool) (int, error) {
	found := newDayIndex(d.Stream)
	if err := v.archive.inspectAll(ctx, d.Stream, d.Start, d.Start.AddDate(0, 0, 1), found.take); err != nil {
		return 0, err
	}
	day, index := d.Start.Format("02"), indexTable(d.Start)
	made := found.rows(day)
	err := rows.ErrExists
	if !again {
		err = v.add(ctx, index, d.Stream, made)
	}
	if errors.Is(err, rows.ErrExists) {
		err = v.grow(ctx, index, d.Stream, made)
	}
	if err != nil {
		return 0, err
	}
	// The day is said to be indexed once all of it is there.
	body := newIndexedDay(index, d.Stream, state, made).encode(index, d.Stream, dayMark+day)
	return len(found.values), v.client.Submit(ctx, index, rows.Action{Kind: rows.Put, Row: body})
}

// add inserts rows of a day that was not indexed yet.
func (v *Views) add(ctx context.Context, index string, stream entra.Stream, made []indexRow) error {
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
	return v.client.SubmitAll(ctx, index, batches)
}

// grow adds what rows hold to those that may be there, one by one, each if it is still as it was
// read.
func (v *Views) grow(ctx context.Context, index string, stream entra.Stream, made []indexRow) error {
	group, growing := errgroup.WithContext(ctx)
	group.SetLimit(rows.Writers)
	for _, row := range made {
		group.Go(func() error {
			for range tries {
				err := v.growRow(growing, index, stream, row)
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

func (v *Views) growRow(ctx context.Context, index string, stream entra.Stream, row indexRow) error {
	got, err := v.client.Get(ctx, index, string(stream), row.key, "read row "+row.key+" of table "+index)
	if err != nil && !rows.IsMissing(err) {
		return err
	}
	if err == nil {
		other, state := parseIndexRow(index, stream, got.Body)
		grown := true
		if state != differs { // else nothing of it is worth keeping
			row, grown = row.with(other)
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
	_, err = v.client.Replace(ctx, index, "index row "+row.key, body, got.Revision)
	return err
}

// SetIndexedUpTo is derive.Store's.
func (v *Views) SetIndexedUpTo(ctx context.Context, stream entra.Stream, entries int64) error {
	b := rows.NewEntity(string(stream), indexedMark, 128)
	b.Text("Entries", fmt.Sprint(entries))
	b.Binary(checkColumn, indexedCheck(stream, entries))
	return v.client.Submit(ctx, coverageTable, rows.Action{Kind: rows.Put, Row: b.Done().Body})
}
