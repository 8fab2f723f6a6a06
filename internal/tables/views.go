package tables

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
	"github.com/entraledger/entraledger/internal/verify"
)

// Views keeps what derives from the archive's records, and can be made again. The newest successes
// of users are read from the records themselves.
type Views struct {
	client  *rows.Client
	codec   *codec
	archive *Archive // has the records
}

// Kept is derive.Store's. The index has tables of its own, by which searches go; every other view
// is kept in the months' tables of views.
func (v *Views) Kept(view derive.View) derive.Keeper {
	if view.Name == derive.IndexName {
		return indexKeeper{views: v, view: view}
	}
	return viewKeeper{client: v.client, view: view}
}

// DropViews is purge.Views's: it drops the month of every view.
func (v *Views) DropViews(ctx context.Context, stream entra.Stream, month time.Time) error {
	if err := v.client.DropRows(ctx, indexTable(month), string(stream), ""); err != nil {
		return err
	}
	return v.client.DropRows(ctx, viewsTable(month), string(stream), "")
}

// ReadContents is derive.Source's. Columns are made of the record's bytes, not of the row's.
func (v *Views) ReadContents(ctx context.Context, stream entra.Stream, from, to time.Time,
	needs derive.Needs) iter.Seq2[derive.Content, error] {
	return func(yield func(derive.Content, error) bool) {
		enough := false
		err := v.archive.inspectAll(ctx, stream, from, to, func(got verify.Inspected, rec entra.Record) error {
			c := contentOf(got, rec)
			if needs == derive.Records {
				c.Raw = got.Raw
			}
			if enough = !yield(c, nil); enough {
				return errEnough
			}
			return nil
		})
		if err != nil && !enough {
			yield(derive.Content{}, err)
		}
	}
}

// contentOf is what a view gets of a content. Of one that can't be read only the id is known, as
// its key has it.
func contentOf(got verify.Inspected, rec entra.Record) derive.Content {
	at, err := parseRowKey(got.Row)
	ownTexts(&rec)
	replaced := at.isVersion || at.arrived && !got.Superseded.IsZero()
	c := derive.Content{Key: rec.Key, Version: replaced, Columns: rec.Columns, Problem: got.Problem}
	if got.Problem != "" && err == nil && at.whole && at.part == 0 {
		c.Key = at.key
	}
	return c
}

// ownTexts gives a record's id and columns memory of their own: a view may keep them, and that of
// the record's bytes is used again.
func ownTexts(rec *entra.Record) {
	size := len(rec.ID)
	for i := range rec.Columns {
		size += len(rec.Columns[i].Text)
	}
	var b strings.Builder
	b.Grow(size)
	own := func(text *string) {
		from := b.Len()
		b.WriteString(*text)
		*text = b.String()[from:]
	}
	own(&rec.ID)
	for i := range rec.Columns {
		own(&rec.Columns[i].Text)
	}
}
