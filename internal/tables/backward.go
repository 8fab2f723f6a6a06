package tables

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// The service returns only the oldest rows first. So a reading with the newest first reads slices
// of time, each held in memory as a whole. The length of the next one follows from the number of
// rows so far. If a slice has too many rows, what was read of it is held until what is newer was
// returned, as far as there is room for it; beyond that only its bounds are.
const (
	sliceRows  = 8 * rows.PageRows // the most rows that a slice is meant to have: nearly all of its pages are full
	sliceBytes = 16 << 20          // of a slice's rows; more are not held at once
	heldBytes  = 16 << 20          // of the beginnings of slices that had too many
	tolerance  = 1.25              // how many times more rows than it was meant to have a slice is read to its end with
	growth     = 8                 // how many times longer than one slice the next one is at most
)

// span is a range of row keys, [from, below), that is left to be given.
type span struct {
	from, below string
	rows        [][]byte // all of its rows; nil: they are to be read
	bytes       int
	counted     bool // its rows were read before, and fit a slice
}

// backward reads the newest first.
type backward struct {
	*reading
	todo []span // the oldest first
	aim  int    // rows of the next slice
	held int    // bytes of rows of spans in todo
}

func (r *reading) backward(ctx context.Context) error {
	b := &backward{reading: r, todo: []span{{from: r.low, below: r.high}}, aim: sliceRows}
	if r.asked.Limit > 0 {
		b.aim = r.firstTop()
	}
	for len(b.todo) > 0 {
		next := b.todo[len(b.todo)-1]
		b.todo = b.todo[:len(b.todo)-1]
		if next.from >= next.below {
			continue
		}
		if next.rows == nil && !next.counted {
			begin, err := b.cut(next)
			if err != nil {
				return err
			}
			b.todo = append(b.todo, span{from: next.from, below: begin})
			next.from = begin
		}
		if next.rows == nil {
			whole, err := b.fetch(ctx, &next)
			if err != nil {
				return err
			}
			if !whole {
				continue
			}
		} else {
			b.held -= next.bytes
		}
		if err := b.giveAll(ctx, next.rows); err != nil {
			return err
		}
		if err := b.give(records.Archived{Place: next.from}); err != nil {
			return err
		}
	}
	return nil
}

// cut is where the last slice of a span begins: within one month, because each has a table of its
// own.
func (b *backward) cut(of span) (string, error) {
	last, err := keyTime(of.below)
	if err != nil {
		return "", err
	}
	if of.below == timeKey(last) {
		last = last.Add(-entra.Tick) // the last moment within
	}
	begin := last.Add(entra.Tick - b.width)
	if month := monthOf(last); begin.Before(month) {
		begin = month
	}
	return max(timeKey(begin), of.from), nil
}

// fetch reads the rows of a span. Where they are too many it is not whole: its parts are left to be
// given instead.
func (b *backward) fetch(ctx context.Context, s *span) (whole bool, err error) {
	s.rows = [][]byte{}
	query, err := b.query(s.from, s.below, rows.PageRows)
	if err != nil {
		return true, err
	}
	for page, err := range b.client.Pages(ctx, b.table, query) {
		if err != nil {
			return true, err
		}
		for _, row := range page.Rows {
			s.bytes += len(row)
		}
		s.rows = append(s.rows, page.Rows...)
		if !page.More || !b.tooMany(s) {
			continue
		}
		at, key := b.lastRecord(s)
		if key == "" {
			continue // there is no place to cut it
		}
		b.split(*s, at, key)
		return false, nil
	}
	b.measure(len(s.rows), s.from, s.below)
	return true, nil
}

// tooMany reports whether to read on in a slice of which there is more.
func (b *backward) tooMany(s *span) bool {
	switch {
	case s.bytes > sliceBytes || float64(len(s.rows)) > tolerance*sliceRows:
		return true
	case s.counted || len(s.rows) == 0:
		return false
	}
	_, key := b.lastRecord(s)
	if key == "" {
		return false
	}
	seen, all := between(s.from, key), between(s.from, s.below)
	return seen > 0 && float64(len(s.rows))*float64(all)/float64(seen) > tolerance*float64(b.aim)
}

// lastRecord is the last place where a span can be cut: before a record's first row, with its key;
// empty if there is none.
func (b *backward) lastRecord(s *span) (at int, key string) {
	var row fetchedRow
	for at = len(s.rows) - 1; at > 0; at-- {
		row.scan(s.rows[at], false)
		if row.isInPlace() && !row.isPart() && row.RowKey > s.from && row.RowKey < s.below {
			return at, row.RowKey
		}
	}
	return 0, ""
}

// split leaves the part of a span that was read, up to a key, and the rest of it to be given.
func (b *backward) split(s span, at int, key string) {
	b.measure(at, s.from, key)
	begin := span{from: s.from, below: key, counted: true}
	if b.held+s.bytes <= heldBytes {
		begin.rows, begin.bytes = s.rows[:at], s.bytes
		b.held += s.bytes
	}
	b.todo = append(b.todo, begin, span{from: key, below: s.below})
}

// measure chooses how long the next slice is by what one had.
func (b *backward) measure(n int, from, below string) {
	took := between(from, below)
	if took == 0 {
		return // rows of one moment say nothing of others
	}
	if n >= b.aim/2 {
		b.aim = min(2*b.aim, sliceRows)
	}
	// A little less than whole pages, so that few slices need one more for a few rows.
	wanted := float64(b.aim) - 2*math.Sqrt(float64(b.aim))
	next := growth * float64(took)
	if n > 0 {
		next = min(next, wanted/float64(n)*float64(took))
	}
	if n < fewInSlice && n < b.aim/4 {
		next = max(next, 2*float64(took))
	}
	b.width = time.Duration(min(max(next, float64(entra.Tick)), float64(longestSlice)))
}

// between is the time from one bound to another.
func between(from, below string) time.Duration {
	a, errA := keyTime(from)
	z, errZ := keyTime(below)
	if errA != nil || errZ != nil || z.Before(a) {
		return 0
	}
	return z.Sub(a)
}

// giveAll gives the records of rows, the newest first.
func (b *backward) giveAll(ctx context.Context, all [][]byte) error {
	var g group
	for i := len(all) - 1; i >= 0; i-- {
		g.read(all[i])
		g.begin()
		if g.last().isPart() && i > 0 {
			continue // its record's first row comes next
		}
		if err := b.giveReversed(ctx, g.rows()); err != nil {
			return err
		}
		g.drop()
	}
	return nil
}

// giveReversed gives the record of rows that were read from the last to the first, after those of
// them that are parts of none.
func (b *backward) giveReversed(ctx context.Context, of []fetchedRow) error {
	slices.Reverse(of)
	n := 1
	for n < len(of) && of[n].isPartOf(&of[0]) {
		n++
	}
	for i := len(of) - 1; i >= n; i-- {
		if err := b.giveRecord(ctx, of[i:i+1]); err != nil {
			return err
		}
	}
	return b.giveRecord(ctx, of[:n])
}
