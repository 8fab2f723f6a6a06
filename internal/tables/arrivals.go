package tables

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// Records that were not read from their source: rows of a record's table with the mark of an
// arrival in their key, and the column Origin.

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// eclipsed reports whether a row is that of an arrival which another form of its record took the
// place of.
func (row *fetchedRow) eclipsed() bool { return row.Origin != "" && !row.Superseded.IsZero() }

// noOrigin stands for the origin of an arrival whose column was taken away: what it fixes differs
// from all that was sealed or counted, and verify names the row.
const noOrigin = "?"

// originAt is a row's origin by its key, which says whether it is an arrival.
func (row *fetchedRow) originAt(at place) string {
	switch {
	case !at.arrived:
		return ""
	case row.Origin == "":
		return noOrigin
	}
	return row.Origin
}

// Identity is arrivals.Store's.
func (*Archive) Identity(s entra.Stream, rec entra.Record) string {
	key, _ := rowKey(rec.Key)
	return ledger.Identity(key, logs.Of(s).OutcomeOf(rec.Columns))
}

// outcome is a row's, as its column has it.
func (row *fetchedRow) outcome(log *logs.Log) string {
	c, ok := row.column(log.Outcome)
	if !ok {
		return ""
	}
	if plain := c.Plain(); plain != nil {
		return strings.ToLower(string(plain))
	}
	if text, ok := c.Text(); ok {
		return strings.ToLower(text)
	}
	return string(c.Value)
}

// StoredForms is sealing.Store's: a query of keys, hashes, dates, origins and outcomes.
func (a *Archive) StoredForms(ctx context.Context, w entra.Window) ([]ledger.Form, error) {
	log, columns := logs.Of(w.Stream), leafColumns
	if log.Outcome != "" {
		columns += "," + log.Outcome
	}
	var out []ledger.Form
	err := a.eachContent(ctx, w.Stream, w.Start, w.End(), columns, func(_ string, row fetchedRow, at place) error {
		l, err := row.leaf(at)
		out = append(out, ledger.Form{Identity: ledger.Identity(row.RowKey, row.outcome(log)), Leaf: l})
		return err
	})
	return out, err
}

// InsertArrivals is arrivals.Store's.
func (a *Archive) InsertArrivals(ctx context.Context, w entra.Window, recs []entra.Record, origin string,
	seen time.Time) (added arrivals.Added, tooLarge []entra.Key, err error) {
	with, err := a.codec.encoderFor(ctx, w, recs...)
	if err != nil {
		return added, nil, err
	}
	batches := make([]rows.Batch, 0, len(recs))
	for _, rec := range recs {
		key := ownKey(w.Stream, rec, true)
		enc, err := a.codec.encodeAs(with, w, rec, key, dates{first: seen, origin: origin})
		if errors.Is(err, collect.ErrTooLarge) {
			tooLarge = append(tooLarge, rec.Key)
			continue
		}
		if err != nil {
			return arrivals.Added{}, nil, err
		}
		batches = append(batches, enc.batch(rows.Insert))
		added.Add(seal.Leaf{Key: key, Hash: rec.Hash, Origin: origin}, int64(len(rec.Raw)), enc.stored())
	}
	err = a.client.SubmitAll(ctx, TableName(w), batches)
	if errors.Is(err, rows.ErrExists) {
		err = fmt.Errorf("%w: %w", arrivals.ErrExists, err)
	}
	return added, tooLarge, err
}

// CountArrivals is arrivals.Store's.
func (a *Archive) CountArrivals(ctx context.Context, w entra.Window, counts func(seal.Leaf) bool) (arrivals.Added,
	error) {
	var sum arrivals.Added
	err := a.records(ctx, w, func(at place, of []fetchedRow) error {
		if !at.arrived {
			return nil
		}
		l, err := of[0].leaf(at)
		if err != nil || !counts(l) {
			return err
		}
		size, err := a.codec.decodedSize(ctx, TableName(w), data(of), of[0].Codec)
		sum.Add(l, size, sizeOf(of))
		return err
	})
	return sum, err
}

// Eclipse is sealing.Store's. It marks the arrivals in the order of their keys; one that another
// execution has marked meanwhile keeps that date.
func (a *Archive) Eclipse(ctx context.Context, w entra.Window, contents []seal.Leaf, at time.Time) error {
	table, partition := TableName(w), partitionKey(w)
	for _, l := range contents {
		doing := "mark row " + l.Key + " of table " + table
		got, err := a.client.Get(ctx, table, partition, l.Key, doing)
		if err != nil {
			return refused(err)
		}
		row, err := parseRow(got.Body)
		if err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		if row.eclipsed() || row.Origin == "" {
			return fmt.Errorf("%s: %w", doing, ledger.ErrMoved)
		}
		b := rows.NewEntity(partition, l.Key, 128)
		b.Time("Superseded", at)
		if err := a.client.Merge(ctx, table, doing, b.Done().Body, got.Revision); err != nil {
			return refused(err)
		}
	}
	return nil
}

// EclipsedSize is sealing.Store's.
func (*Archive) EclipsedSize() int64 {
	b := rows.NewEntity("", "", 64)
	before := b.Done().Stored
	b = rows.NewEntity("", "", 64)
	b.Time("Superseded", time.Unix(0, 0))
	return b.Done().Stored - before
}
