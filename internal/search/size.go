package search

import (
	"context"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

const (
	// RecordsASecond is how many records a file gets in a second from an instance of 512 MB, which
	// has a quarter of a core: the slowest form, CSV with all columns, compressed, takes 109
	// microseconds of a whole one a record, which is 2,300 a second. make bench measures that ("A
	// file of all of it").
	RecordsASecond = 2_000
	// LongestFile is how long a file may take by that.
	LongestFile = 6 * time.Minute
	// MostRecords is how many records may have to be read for a file.
	MostRecords = int64(LongestFile/time.Second) * RecordsASecond
)

// usualBytes is what a record counts for: of longer ones each part of this length counts as one.
const usualBytes = 2 << 10

// Hour is about how much there is to be read of an hour, or a part of it.
type Hour struct {
	From, To time.Time
	Records  int64 // long ones count as several
}

// Part is a time, and about how much there is to be read of it.
type Part = Hour

// Hours are those that have to be read for the question, as the ledger counts their records, the
// oldest first. It is an upper bound: what a filter leaves out has to be read, too, unless the index
// leaves out its hour. All of them are left out where the whole stream has fewer records than enough.
func (q Question) Hours(ctx context.Context, in Archive, enough int64) ([]Hour, error) {
	p := q.progress
	if p.Records+p.Versions+p.Imported <= enough && p.Bytes/usualBytes <= enough {
		return nil, nil
	}
	q.NewestFirst = false
	var out []Hour
	for part, err := range q.indexed(ctx, in, "") {
		if err != nil {
			return nil, err
		}
		if part.empty() {
			continue
		}
		for cov, err := range in.Windows(ctx, q.Stream, entra.FloorHour(part.from), part.to) {
			if entra.CodeOf(err) == entra.CodeTampered && err != nil {
				break // what can't be counted is no reason to refuse what can be read
			}
			if err != nil {
				return nil, err
			}
			of := span{cov.Start, cov.End()}.within(part)
			n := max(cov.Records+cov.Versions+cov.Imported, cov.Bytes/usualBytes)
			if of.empty() || n <= 0 {
				continue
			}
			share := float64(of.to.Sub(of.from)) / float64(time.Hour)
			out = append(out, Hour{of.from.UTC(), of.to.UTC(), int64(float64(n) * share)})
		}
	}
	return out, nil
}

// Sum is how much there is to be read of all hours.
func Sum(hours []Hour) (n int64) {
	for _, h := range hours {
		n += h.Records
	}
	return n
}

// Parts borders [from, to) into parts of which each has at most so much to be read: where months begin,
// if that does, else where days do, else hours. An hour that has more is cut into equal parts, of
// which each has half as much on average: how its records are spread is not known.
func Parts(from, to time.Time, hours []Hour, most int64) []Part {
	var out []Part
	open := Part{From: from, To: from}
	var borders []border // where the open part may end
	for _, h := range hours {
		if at, ok := beginsAfter(open.To, h.From); ok && open.Records > 0 {
			borders = append(borders, border{at, rankOf(at), open.Records})
		}
		for open.Records+h.Records > most && len(borders) > 0 {
			best := borders[0]
			for _, c := range borders {
				if c.rank >= best.rank {
					best = c
				}
			}
			out = append(out, Part{open.From, best.at, best.before})
			open = Part{best.at, open.To, open.Records - best.before}
			borders = after(borders, best)
		}
		if h.Records > most {
			if open.From.Before(h.From) {
				out = append(out, Part{open.From, h.From, open.Records})
			}
			out = append(out, minutesOf(h, most)...)
			open, borders = Part{From: h.To, To: h.To}, nil
			continue
		}
		open.Records += h.Records
		open.To = h.To
		borders = append(borders, border{h.To, rankOf(h.To), open.Records})
	}
	if open.From.Before(to) {
		out = append(out, Part{open.From, to, open.Records})
	}
	return out
}

// mostNamed bounds the parts that one answer names.
const mostNamed = 100

// Named are the parts that one answer names: behind the first of very many, the last one is all the
// rest, which is too much for one file, and has parts of its own. rest is how many these are.
func Named(parts []Part) (named []Part, rest int) {
	if len(parts) <= mostNamed {
		return parts, 0
	}
	last := parts[mostNamed-1:]
	whole := Part{From: last[0].From, To: last[len(last)-1].To, Records: Sum(last)}
	return append(slices.Clone(parts[:mostNamed-1]), whole), len(last)
}

// border is a place where a part may end: before it there is so much to be read.
type border struct {
	at     time.Time
	rank   int
	before int64
}

// rankOf tells the begin of a month from that of a day and of an hour.
func rankOf(t time.Time) int {
	switch {
	case t.Equal(monthStart(t)):
		return 2
	case t.Equal(t.Truncate(day)):
		return 1
	}
	return 0
}

// beginsAfter is where the month of an hour begins, or else its day, if that is after a time: there may
// be nothing to be read just before it, and of some reports a part of a day has sums of their own.
func beginsAfter(t, hour time.Time) (at time.Time, ok bool) {
	for _, at := range []time.Time{monthStart(hour), hour.Truncate(day)} {
		if at.After(t) {
			return at, true
		}
	}
	return at, false
}

func monthStart(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// after are the borders behind one, counted from it.
func after(borders []border, at border) []border {
	var out []border
	for _, c := range borders {
		if c.at.After(at.at) {
			out = append(out, border{c.at, c.rank, c.before - at.before})
		}
	}
	return out
}

// minutesOf borders one hour, into minutes at the least.
func minutesOf(h Hour, most int64) []Part {
	minutes := max(1, int64(h.To.Sub(h.From)/time.Minute))
	n := min(minutes, 2*((h.Records+most-1)/most))
	var out []Part
	for i := range n {
		begin := h.From.Add(time.Duration(i*minutes/n) * time.Minute)
		end := h.From.Add(time.Duration((i+1)*minutes/n) * time.Minute)
		if i == n-1 {
			end = h.To
		}
		share := float64(end.Sub(begin)) / float64(h.To.Sub(h.From))
		out = append(out, Part{begin, end, int64(float64(h.Records) * share)})
	}
	return out
}

// Together are the hours of several streams as those of one.
func Together(all ...[]Hour) []Hour {
	var out []Hour
	for _, hours := range all {
		for _, h := range hours {
			i, found := slices.BinarySearchFunc(out, h.From, func(o Hour, at time.Time) int {
				return o.From.Compare(at)
			})
			switch {
			case found:
				out[i].Records += h.Records
				out[i].To = latest(out[i].To, h.To)
			default:
				out = slices.Insert(out, i, h)
			}
		}
	}
	return out
}
