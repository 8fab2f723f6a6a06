package report

import (
	"context"
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/search"
)

// Place is where a walk through a report's rows goes on.
type Place struct {
	After map[entra.Stream]string `json:"k,omitempty"` // of each log, the last record that was read to its end
	Skip  int                     `json:"n,omitempty"` // rows of the record after it that were given
	Day   time.Time               `json:"d,omitzero"`  // of sums of days: the day
	Key   string                  `json:"r,omitempty"` // and its last row
	// Over the pages so far: how many records said what the report is about, and how many did not.
	Disclosed int64 `json:"y,omitempty"`
	Withheld  int64 `json:"u,omitempty"`
	Rows      int64 `json:"c,omitempty"`
}

// Page is some rows, and where the next ones begin.
type Page struct {
	Rows     []Row
	Tampered int // how many rows stand for records that were altered
	More     bool
	At       Place
	TimedOut bool // it was cut short
}

// Rows gives up to top rows after a place, the newest first. It ends at a moment, with what it has.
func (s *Sources) Rows(ctx context.Context, q Question, at Place, top int, until time.Time) (Page, error) {
	of, err := s.logs(ctx, q)
	if err != nil {
		return Page{}, err
	}
	page := Page{At: at}
	page.At.After = map[entra.Stream]string{}
	for name, place := range at.After {
		page.At.After[name] = place
	}
	for item, err := range s.merged(ctx, of, q.Window, at.After, true) {
		if err != nil {
			return page, err
		}
		if !page.take(q.Report, item, top) {
			page.More = true
			return page, nil
		}
		if time.Now().After(until) {
			page.More, page.TimedOut = true, true
			return page, nil
		}
	}
	return page, nil
}

// take adds the rows of a record, and reports whether all of them had a place on the page.
func (p *Page) take(r *Report, item item, top int) bool {
	rows := p.rowsOf(r, item)
	skip := min(p.At.Skip, len(rows))
	for i, row := range rows[skip:] {
		if len(p.Rows) == top {
			p.At.Skip = skip + i
			return false
		}
		p.Rows = append(p.Rows, row)
		p.At.Rows++
		if row[Tampered] != nil {
			p.Tampered++
		}
	}
	if len(rows) > 0 || p.At.Skip == 0 {
		p.At.Skip = 0
	}
	p.count(r, item)
	p.At.After[item.stream] = item.rec.Place
	return true
}

func (p *Page) rowsOf(r *Report, item item) []Row {
	switch {
	case !item.matches:
		return nil
	case item.rec.Tampered != "":
		return []Row{tampered(item.rec)}
	}
	return r.Each(recordOf(item.stream, item.rec))
}

// count counts whether a record says what the report is about.
func (p *Page) count(r *Report, item item) {
	switch {
	case r.Discloses == nil || !item.matches || item.rec.Tampered != "":
	case r.Discloses(recordOf(item.stream, item.rec)):
		p.At.Disclosed++
	default:
		p.At.Withheld++
	}
}

// item is what a walk through logs meets: a record, or how far it is.
type item struct {
	stream  entra.Stream
	rec     records.Archived
	matches bool
}

// merged yields what the logs have of a time in one order of time, from a place of each on.
func (s *Sources) merged(
	ctx context.Context, of []log, w Window, after map[entra.Stream]string, newestFirst bool,
) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		var all []*cursor
		for _, l := range of {
			if !l.archived {
				continue
			}
			q, err := s.asks(l, w, newestFirst)
			if err != nil {
				yield(item{}, err)
				return
			}
			c := &cursor{newestFirst: newestFirst}
			var stop func()
			c.next, stop = iter.Pull2(walk(ctx, s.Archive, q, after[l.Stream]))
			defer stop()
			c.advance()
			all = append(all, c)
		}
		for {
			first := firstOf(all)
			if first == nil {
				return
			}
			if !yield(first.head, first.err) || first.err != nil {
				return
			}
			first.advance()
		}
	}
}

// cursor is a walk through one log.
type cursor struct {
	next        func() (item, error, bool)
	newestFirst bool

	head item
	err  error
	at   time.Time
	ok   bool
}

func (c *cursor) advance() {
	c.head, c.err, c.ok = c.next()
	if at, ok := search.TimeOf(c.head.rec.Place); ok {
		c.at = at
	}
}

// firstOf is the cursor whose head comes first; an error comes before all. nil: all are at their
// end.
func firstOf(all []*cursor) *cursor {
	var first *cursor
	for _, c := range all {
		switch {
		case !c.ok:
		case c.err != nil:
			return c
		case first == nil, c.newestFirst && c.at.After(first.at), !c.newestFirst && c.at.Before(first.at):
			first = c
		}
	}
	return first
}

// walk yields what a question meets in a log.
func walk(ctx context.Context, from search.Archive, q search.Question, after string) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		err := q.Each(ctx, from, after, func(rec records.Archived, matches bool) (bool, error) {
			return yield(item{q.Stream, rec, matches}, nil), nil
		})
		if err != nil {
			yield(item{}, err)
		}
	}
}
