package report

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

const day = 24 * time.Hour

// Days remembers the sums of the day that was read last, because pages of one day follow each
// other.
type Days struct {
	mu   sync.Mutex
	key  string
	sums daySums
}

// daySums are the sums of a day, or of the part of it that is asked about.
type daySums struct {
	rows     []Keyed
	tampered int
	doubt    string
}

// Daily gives up to top rows of sums of days after a place: the newest day first, and within a day
// in the order of keys. It ends at a moment, between two days. Its first day may take until a later
// one, latest: if it can't be read by then that is an error, for sums of a part of it would be wrong.
func (s *Sources) Daily(
	ctx context.Context, q Question, known *Days, at Place, top int, until, latest time.Time,
) (Page, []string, error) {
	page := Page{At: at}
	of, err := s.logs(ctx, q)
	if err != nil {
		return page, nil, err
	}
	held, err := s.held(of, q.Window)
	if err != nil || !held.From.Before(held.To) {
		return page, nil, err
	}
	if page.At.Day.IsZero() {
		page.At.Day, page.At.Key = held.To.Add(-1).Truncate(day), ""
	}
	var doubts []string
	first := page.At.Day
	for ; !page.At.Day.Before(held.From.Truncate(day)); page.At.Day, page.At.Key = page.At.Day.Add(-day), "" {
		ends := until
		if page.At.Day.Equal(first) {
			ends = latest
		}
		sums, late, err := s.day(ctx, q, of, known, page.At.Day, ends)
		switch {
		case err != nil:
			return page, nil, err
		case late && page.At.Day.Equal(first):
			return page, nil, tooLong(q, first)
		case late:
			page.More, page.TimedOut = true, true
			return page, doubts, nil
		}
		if page.At.Key == "" {
			page.Tampered += sums.tampered // each is counted once on the way through all pages
			if sums.doubt != "" {
				doubts = append(doubts, page.At.Day.Format(time.DateOnly)+": "+sums.doubt)
			}
		}
		if !page.takeDay(sums, top) {
			return page, doubts, nil
		}
	}
	return page, doubts, nil
}

// takeDay adds the rows of a day after the page's place, and reports whether all of them had one.
func (p *Page) takeDay(sums daySums, top int) bool {
	for _, row := range sums.rows {
		if row.Key <= p.At.Key {
			continue
		}
		if p.More = len(p.Rows) == top; p.More {
			return false
		}
		p.Rows = append(p.Rows, row.Row)
		p.At.Key = row.Key
		p.At.Rows++
	}
	return true
}

// tooLong is the error of a day that has too many records for one request. To ask again would not help.
func tooLong(q Question, day time.Time) error {
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "sum up " + q.Report.Name + " of " +
		day.Format(time.DateOnly),
		Why: "a day of it can't be read in the time of one request", Remedy: "ask for some hours of it"}
}

// held is the part of a time in which any of some logs may have records.
func (s *Sources) held(of []log, w Window) (out Window, err error) {
	for _, l := range of {
		q, err := s.asks(l, w, true)
		if err != nil {
			return out, err
		}
		if !l.archived || !q.From.Before(q.To) {
			continue
		}
		if out.From.IsZero() || q.From.Before(out.From) {
			out.From = q.From
		}
		out.To = entra.Later(out.To, q.To)
	}
	return out, nil
}

// day sums up one day, unless it is the one that was read last and nothing has changed since. late
// says that it could not be read until a moment.
func (s *Sources) day(
	ctx context.Context, q Question, of []log, known *Days, start, until time.Time,
) (out daySums, late bool, err error) {
	w := Window{entra.Later(q.Window.From, start), entra.Earlier(q.Window.To, start.Add(day))}
	key := fmt.Sprint(q.Report.Name, q.Merged, w.From.UnixNano(), w.To.UnixNano(), revisionOf(of))
	if out, ok := known.get(key); ok {
		return out, false, nil
	}
	sums := q.Report.Daily()
	for item, err := range s.merged(ctx, of, w, nil, false) {
		if err != nil {
			return out, false, err
		}
		if time.Now().After(until) {
			return out, true, nil
		}
		out.tampered += addTo(sums, item)
	}
	out.rows = sums.Rows()
	out.doubt, _ = sums.Doubt()
	for _, row := range out.rows {
		row.Row[eventTime] = start
	}
	known.put(key, out)
	return out, false, nil
}

func (d *Days) get(key string) (daySums, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sums, d.key == key
}

func (d *Days) put(key string, sums daySums) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.key, d.sums = key, sums
}

// addTo adds a record to sums, and returns how many were altered: what they were nobody knows.
func addTo(sums Sums, i item) int {
	switch {
	case !i.matches:
		return 0
	case i.rec.Tampered != "":
		return 1
	}
	sums.Add(recordOf(i.stream, i.rec))
	return 0
}
