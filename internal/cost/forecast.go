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
	Lost                  // the tenant had deleted it, or a part of it, before it was read
	There                 // read completely: it counts
)

// Hour is what the ledger says of one hour of a log.
type Hour struct {
	Start time.Time
	State State
	Counts
}

// Volume is what logs bring a day.
type Volume struct {
	Logs     float64 // that bring anything: diagnostic settings send each by itself
	Records  float64
	Received float64 // bytes
	Stored   float64 // bytes
}

// Add sums up two logs.
func (v Volume) Add(o Volume) Volume {
	return Volume{v.Logs + o.Logs, v.Records + o.Records, v.Received + o.Received, v.Stored + o.Stored}
}

func (v Volume) over(n float64) Volume {
	return Volume{v.Logs, v.Records / n, v.Received / n, v.Stored / n}
}

// Forecast is a day as it is to be expected, and what that rests on.
type Forecast struct {
	Known     bool
	Why       string // one sentence: why it is not known, or what it leaves out; empty: nothing
	Day       Volume
	WholeDays int // days of which every hour counts

	There, Awaiting, Missing, Lost int // hours

	// Impossible counts those of the missing hours whose counts can't be, ImpossibleAt is the
	// first.
	Impossible   int
	ImpossibleAt time.Time

	Counted Counts // of the hours that count
}

// Whole reports whether no hour is left out.
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
		if h.Start.Before(from) || !h.Start.Before(to) || !f.counts(h) {
			continue
		}
		at := h.Start.UTC().Hour()
		seen[at]++
		received, stored := h.read()
		sums[at] = sums[at].Add(Volume{0, float64(h.Records), received, stored})
		perDay[h.Start.UTC().Truncate(day)]++
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
	if f.Day.Records > 0 {
		f.Day.Logs = 1
	}
	f.Why = f.why() + f.whatCannotBe()
	return f
}

// counts adds an hour to what was found, and reports whether the forecast counts it.
func (f *Forecast) counts(h Hour) bool {
	switch {
	case h.State == Awaiting:
		f.Awaiting++
	case h.State == Lost:
		f.Lost++
	case h.State == Missing:
	case !h.OfAnHour():
		f.impossible(h.Start)
	default:
		f.There++
		f.Counted = f.Counted.add(h.Counts)
		return true
	}
	return false
}

func (f *Forecast) impossible(at time.Time) {
	f.Impossible++
	if f.ImpossibleAt.IsZero() || at.Before(f.ImpossibleAt) {
		f.ImpossibleAt = at
	}
}

// whatCannotBe continues with the sentence where counts can't be.
func (f *Forecast) whatCannotBe() string {
	if f.Impossible == 0 {
		return ""
	}
	return fmt.Sprintf("; of %d of them the ledger counts less than nothing or more than an hour can hold, "+
		"the first at %s: they are taken for not read, GET /api/verify tells what differs",
		f.Impossible, f.ImpossibleAt.UTC().Format(time.RFC3339))
}

// BytesPerContent are the mean bytes of a record or an earlier version of one: as received, and of
// its row; false if there is none.
func (f *Forecast) BytesPerContent() (received, stored int64, ok bool) {
	n := f.Counted.contents()
	if n == 0 {
		return 0, 0, false
	}
	return f.Counted.Received / n, f.Counted.Stored / n, true
}

// why says in a sentence what is not known, or what was left out.
func (f *Forecast) why() string {
	switch {
	case f.Whole():
		return ""
	case f.There == 0 && f.Awaiting > 0:
		return fmt.Sprintf("no hour of the last %d whole days counts yet: %d were read once and await a second read",
			Week, f.Awaiting)
	case f.There == 0 && f.Impossible > 0:
		return fmt.Sprintf("no hour of the last %d whole days counts", Week)
	case f.There == 0:
		return fmt.Sprintf("no hour of the last %d whole days was read", Week)
	case !f.Known:
		return fmt.Sprintf("of the last %d whole days only %d of %d hours count, "+
			"and some hour of the day is not among them",
			Week, f.There, Week*24)
	}
	return fmt.Sprintf("%d of %d hours are not counted: working days and weekends may be out of proportion",
		Week*24-f.There, Week*24)
}
