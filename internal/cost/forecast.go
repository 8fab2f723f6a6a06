package cost

import (
	"fmt"
	"time"
)

// State says what an hour is good for.
type State int

// The states of an hour.
const (
	Missing  State = iota // not read to its end yet, or in doubt
	Awaiting              // read once; a second read has to agree
	Lost                  // the tenant had forgotten it, or a part of it, before it was read
	There                 // read completely: it counts
)

// Hour is what the ledger says of one hour of a log.
type Hour struct {
	Start    time.Time
	State    State
	Records  int64 // distinct ones
	Contents int64 // records and their earlier versions
	Received int64 // bytes of the contents, as the tenant sent them
	Stored   int64 // bytes of their rows, as Table Storage counts them
}

// Volume is what a log brings a day.
type Volume struct {
	Records  float64
	Received float64 // bytes
	Stored   float64 // bytes
}

// Add sums up two logs.
func (v Volume) Add(o Volume) Volume {
	return Volume{v.Records + o.Records, v.Received + o.Received, v.Stored + o.Stored}
}

func (v Volume) over(n float64) Volume { return Volume{v.Records / n, v.Received / n, v.Stored / n} }

// Forecast is a day as it is to be expected, and what that rests on.
type Forecast struct {
	Known     bool
	Why       string // one sentence: why it is not known, or what it leaves out; empty: nothing
	Day       Volume
	WholeDays int // days of which every hour counts

	There, Awaiting, Missing, Lost int // hours

	Contents, Received, Stored int64 // of the hours that count
}

// Whole tells whether no hour is left out.
func (f Forecast) Whole() bool { return f.Known && f.Awaiting+f.Missing+f.Lost == 0 }

// Span is the last whole days before a moment, in UTC.
func Span(now time.Time) (from, to time.Time) {
	to = now.UTC().Truncate(day)
	return to.AddDate(0, 0, -Week), to
}

// Expect forecasts a day from the hours of a Span. Each hour of the day is averaged over the days
// that have it, so that missing nights don't count as busy hours, nor missing mornings as quiet
// ones. Where an hour of the day is there on no day, nothing is known.
func Expect(from time.Time, hours []Hour) Forecast {
	var (
		f      Forecast
		seen   [24]int
		sums   [24]Volume
		perDay = make(map[time.Time]int)
	)
	to := from.AddDate(0, 0, Week)
	for _, h := range hours {
		if h.Start.Before(from) || !h.Start.Before(to) {
			continue
		}
		switch h.State {
		case Awaiting:
			f.Awaiting++
			continue
		case Lost:
			f.Lost++
			continue
		case Missing:
			continue
		}
		at := h.Start.UTC().Hour()
		seen[at]++
		sums[at] = sums[at].Add(Volume{float64(h.Records), float64(h.Received), float64(h.Stored)})
		perDay[h.Start.UTC().Truncate(day)]++
		f.There++
		f.Contents += h.Contents
		f.Received += h.Received
		f.Stored += h.Stored
	}
	f.Missing = Week*24 - f.There - f.Awaiting - f.Lost
	for _, n := range perDay {
		if n == 24 {
			f.WholeDays++
		}
	}
	f.Known = true
	for at, n := range seen {
		if n == 0 {
			f.Known, f.Day = false, Volume{}
			break
		}
		f.Day = f.Day.Add(sums[at].over(float64(n)))
	}
	f.Why = f.why()
	return f
}

// why says in a sentence what is not known, or what was left out.
func (f *Forecast) why() string {
	switch {
	case f.Whole():
		return ""
	case f.There == 0 && f.Awaiting > 0:
		return fmt.Sprintf("no hour of the last %d whole days counts yet: %d were read once and await a second read",
			Week, f.Awaiting)
	case f.There == 0:
		return fmt.Sprintf("no hour of the last %d whole days was read", Week)
	case !f.Known:
		return fmt.Sprintf("of the last %d whole days only %d of %d hours count, and some hour of the day is not among them",
			Week, f.There, Week*24)
	}
	return fmt.Sprintf("%d of %d hours are not counted: working days and weekends may be out of proportion",
		Week*24-f.There, Week*24)
}
