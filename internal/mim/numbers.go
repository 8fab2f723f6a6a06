package mim

import (
	"slices"
	"time"
)

// Computer is what is known of the deliveries of one server's log.
type Computer struct {
	Name  string
	First time.Time // when anything of it was first delivered
	Last  time.Time // and last
	// Newest is the newest time of an event that was filed by its own time.
	Newest time.Time
	// Read is up to when its log was read to its end and sent; zero: whoever sends it does not say.
	Read        time.Time `json:",omitzero"`
	Events      int64     // that were delivered, each time they were
	Duplicates  int64     // of them, those whose record was there
	Quarantined int64
	Runs        []Run // of the log's numbers; the last one is the present log's
	Older       int64 // numbers that were missing in runs and spans that are not kept any more
	Altered     bool  `json:"-"` // its row is not what was written: nothing else is known
}

// Run is one numbering of a log: it ends where numbers begin again, because the log was rebuilt.
type Run struct {
	Spans []Span    `json:"s"` // in order, not touching
	Last  time.Time `json:"t"` // of the event with the greatest number
}

// Span is a span of numbers that all came, and the times of its first and last event; zero where
// these were filed by arrival.
type Span struct {
	From  int64     `json:"f"`
	To    int64     `json:"t"`
	Begin time.Time `json:"b,omitzero"`
	End   time.Time `json:"e,omitzero"`
}

// Gap is a span of numbers that did not come, and the times between which they were logged; zero
// where that is not known.
type Gap struct {
	From, To      int64
	After, Before time.Time
}

const (
	mostRuns  = 8   // of a computer
	mostSpans = 100 // of all its runs
)

// disorder is by how much the times of events may be out of the order of their numbers: several
// threads write into one log.
const disorder = time.Minute

// Numbered is an event's number, and its time; zero where it was filed by arrival.
type Numbered struct {
	RecordID int64
	At       time.Time
}

// Count adds the numbers of events. Numbers begin again where an event has a smaller number than the
// greatest and is later than it, by more than disorder, by its own clock.
func (c *Computer) Count(events []Numbered) {
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b Numbered) int {
		if n := a.At.Compare(b.At); n != 0 && !a.At.IsZero() && !b.At.IsZero() {
			return n
		}
		return int(max(-1, min(1, a.RecordID-b.RecordID)))
	})
	for _, e := range events {
		if e.At.After(c.Newest) {
			c.Newest = e.At
		}
		if e.RecordID > 0 {
			c.count(e)
		}
	}
	c.trim()
}

func (c *Computer) count(e Numbered) {
	if len(c.Runs) == 0 {
		c.Runs = append(c.Runs, Run{})
	}
	run := &c.Runs[len(c.Runs)-1]
	if !e.At.IsZero() && !run.Last.IsZero() && e.RecordID <= run.greatest() && e.At.After(run.Last.Add(disorder)) {
		c.Runs = append(c.Runs, Run{})
		run = &c.Runs[len(c.Runs)-1]
	} else if !e.At.IsZero() {
		run = c.runOf(e)
	}
	if e.RecordID > run.greatest() && e.At.After(run.Last) {
		run.Last = e.At
	}
	run.add(e.RecordID, e.At)
}

// runOf is the run that an event belongs to: an older one, where the event is of its time, or has a
// greater number than an event of the present run that is later.
func (c *Computer) runOf(e Numbered) *Run {
	last := len(c.Runs) - 1
	for i := range c.Runs[:last] {
		if run := &c.Runs[i]; !e.At.After(run.Last) {
			return run
		}
	}
	if last > 0 && e.RecordID > c.Runs[last].greatest() && e.At.Before(c.Runs[last].Last) {
		return &c.Runs[last-1]
	}
	return &c.Runs[last]
}

func (r *Run) greatest() int64 {
	if len(r.Spans) == 0 {
		return 0
	}
	return r.Spans[len(r.Spans)-1].To
}

// add adds a number, and the time of its event.
func (r *Run) add(n int64, at time.Time) {
	i, _ := slices.BinarySearchFunc(r.Spans, n, func(s Span, n int64) int {
		switch {
		case s.To < n-1:
			return -1
		case s.From > n+1:
			return 1
		}
		return 0
	})
	if i < len(r.Spans) && r.Spans[i].From <= n+1 && r.Spans[i].To >= n-1 {
		s := &r.Spans[i]
		switch {
		case n < s.From:
			s.From, s.Begin = n, at
		case n > s.To:
			s.To, s.End = n, at
		}
		if i+1 < len(r.Spans) && r.Spans[i+1].From <= s.To+1 {
			s.To, s.End = r.Spans[i+1].To, r.Spans[i+1].End
			r.Spans = slices.Delete(r.Spans, i+1, i+2)
		}
		return
	}
	r.Spans = slices.Insert(r.Spans, i, Span{n, n, at, at})
}

// trim keeps what is known short: the oldest gaps become a number.
func (c *Computer) trim() {
	for len(c.Runs) > mostRuns {
		c.Older += missingIn(c.Runs[0])
		c.Runs = slices.Delete(c.Runs, 0, 1)
	}
	total := 0
	for _, r := range c.Runs {
		total += len(r.Spans)
	}
	for i := range c.Runs {
		for ; total > mostSpans && len(c.Runs[i].Spans) > 1; total-- {
			spans := c.Runs[i].Spans
			c.Older += spans[1].From - spans[0].To - 1
			spans[1].From, spans[1].Begin = spans[0].From, spans[0].Begin
			c.Runs[i].Spans = slices.Delete(spans, 0, 1)
		}
	}
}

func missingIn(r Run) (n int64) {
	for i := 1; i < len(r.Spans); i++ {
		n += r.Spans[i].From - r.Spans[i-1].To - 1
	}
	return n
}

// Gaps are the numbers that did not come between some that did, the oldest run first.
func (c *Computer) Gaps() []Gap {
	var out []Gap
	for _, r := range c.Runs {
		for i := 1; i < len(r.Spans); i++ {
			g := Gap{From: r.Spans[i-1].To + 1, To: r.Spans[i].From - 1, After: r.Spans[i-1].End,
				Before: r.Spans[i].Begin}
			if !g.Before.IsZero() && g.After.After(g.Before) { // a clock was set back between them
				g.After, g.Before = g.Before, g.After
			}
			out = append(out, g)
		}
	}
	return out
}

// Missing is how many numbers did not come, those that are not listed any more included.
func (c *Computer) Missing() int64 {
	n := c.Older
	for _, r := range c.Runs {
		n += missingIn(r)
	}
	return n
}

// Greatest is the greatest number of the present log; 0: none came.
func (c *Computer) Greatest() int64 {
	if len(c.Runs) == 0 {
		return 0
	}
	return c.Runs[len(c.Runs)-1].greatest()
}
