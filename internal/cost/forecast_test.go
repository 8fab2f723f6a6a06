package cost_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/cost"
)

// from is a Saturday; the last whole days before the 21st at 14:30.
var (
	now  = time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)
	from = time.Date(2026, 11, 14, 0, 0, 0, 0, time.UTC)
)

// week makes the hours of a span: by day 100 records of 1,000 bytes, of which 300 are stored, and
// by night 10.
func week(but func(i int, h *cost.Hour) bool) []cost.Hour {
	var out []cost.Hour
	for i := range cost.Week * 24 {
		h := cost.Hour{Start: from.Add(time.Duration(i) * time.Hour), State: cost.There,
			Counts: cost.Counts{Records: 10}}
		if at := h.Start.Hour(); at >= 8 && at < 20 {
			h.Records = 100
		}
		h.Received, h.Stored = 1000*h.Records, 300*h.Records
		if but == nil || but(i, &h) {
			out = append(out, h)
		}
	}
	return out
}

func TestASpanIsSevenWholeDaysBeforeTheDayThatIsNotOver(t *testing.T) {
	a, b := cost.Span(now)
	require.Equal(t, from, a)
	require.Equal(t, from.AddDate(0, 0, 7), b)
	a, b = cost.Span(time.Date(2026, 11, 21, 0, 30, 0, 0, time.FixedZone("east", 2*3600)))
	require.Equal(t, from.AddDate(0, 0, -1), a, "days are UTC's")
	require.Equal(t, time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), b)
}

func TestADayIsExpectedFromWhatTheHoursSay(t *testing.T) {
	const perDay = 12*100 + 12*10
	cases := []struct {
		name                           string
		hours                          []cost.Hour
		records                        float64 // a day; negative: not known
		days                           int
		there, awaiting, missing, lost int
		why                            string
	}{
		{"all hours", week(nil), perDay, 7, 168, 0, 0, 0, ""},
		{"none", nil, -1, 0, 0, 0, 168, 0, "no hour of the last 7 whole days was read"},
		{"all await a second read", week(func(_ int, h *cost.Hour) bool {
			h.State = cost.Awaiting
			return true
		}), -1, 0, 0, 168, 0, 0,
			"168 were read once and await a second read"},
		{"behind since the evening of the fourth day", week(func(i int, _ *cost.Hour) bool {
			return i < 3*24+20
		}), perDay, 3, 92, 0, 76, 0, "76 of 168 hours are not counted"},
		{"every night is missing but one", week(func(i int, h *cost.Hour) bool {
			return i < 24 || h.Records == 100
		}), perDay, 1, 24 + 6*12, 0, 6 * 12, 0, "72 of 168"},
		{"no night is there", week(func(_ int, h *cost.Hour) bool {
			return h.Records == 100
		}), -1, 0, 84, 0, 84, 0, "some hour of the day is not among them"},
		{"a day is lost", week(func(i int, h *cost.Hour) bool {
			if i >= 144 {
				h.State, h.Records = cost.Lost, 0
			}
			return true
		}), perDay, 6, 144, 0, 0, 24, "24 of 168"},
		{"one day more than seven", append(week(nil), cost.Hour{Start: from.AddDate(0, 0, 7), State: cost.There,
			Counts: cost.Counts{Records: 1e9}},
			cost.Hour{Start: from.Add(-time.Hour), State: cost.There, Counts: cost.Counts{Records: 1e9}}),
			perDay, 7, 168, 0, 0, 0, ""},
		{"a quiet log", week(func(_ int, h *cost.Hour) bool {
			*h = cost.Hour{Start: h.Start, State: cost.There}
			return true
		}), 0, 7, 168, 0, 0, 0, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := cost.Expect(from, c.hours)
			require.Equal(t, c.records >= 0, f.Known)
			require.Equal(t, []int{c.days, c.there, c.awaiting, c.missing, c.lost},
				[]int{f.WholeDays, f.There, f.Awaiting, f.Missing, f.Lost})
			require.Equal(t, c.why == "", f.Why == "")
			require.Contains(t, f.Why, c.why)
			require.Equal(t, c.why == "", f.Whole())
			if !f.Known {
				require.Zero(t, f.Day, "nothing is made up")
				return
			}
			require.InDelta(t, c.records, f.Day.Records, 1e-6)
			require.InDelta(t, c.records*1000, f.Day.Received, 1e-3)
			require.InDelta(t, c.records*300, f.Day.Stored, 1e-3)
		})
	}
}

func TestAnImpossibleHourCountsAsNotRead(t *testing.T) {
	const most = math.MaxInt64
	for name, spoil := range map[string]func(c *cost.Counts){
		"records below nothing":           func(c *cost.Counts) { c.Records = -10 },
		"versions below nothing":          func(c *cost.Counts) { c.Versions = -1 },
		"received below nothing":          func(c *cost.Counts) { c.Received = -1e6 },
		"stored below nothing":            func(c *cost.Counts) { c.Stored = math.MinInt64 },
		"all received there can be":       func(c *cost.Counts) { c.Received = most },
		"all stored there can be":         func(c *cost.Counts) { c.Stored = most },
		"a sum beyond what a number has":  func(c *cost.Counts) { c.Records, c.Versions = most, most },
		"a petabyte in ten records":       func(c *cost.Counts) { c.Received = 1e15 },
		"a terabyte of rows, no contents": func(c *cost.Counts) { c.Records, c.Stored = 0, 1e12 },
	} {
		t.Run(name, func(t *testing.T) {
			f := cost.Expect(from, week(func(i int, h *cost.Hour) bool {
				if i == 50 || i == 74 {
					spoil(&h.Counts)
				}
				return true
			}))
			require.True(t, f.Known)
			require.False(t, f.Whole())
			require.Equal(t, []int{166, 2, 2}, []int{f.There, f.Missing, f.Impossible})
			require.InDelta(t, 1320, f.Day.Records, 1e-6, "of the five days that have the hour")
			require.Contains(t, f.Why, "2 of 168 hours are not counted")
			require.Contains(t, f.Why, "of 2 of them the ledger counts less than nothing or more than an hour can "+
				"hold, the first at 2026-11-16T02:00:00Z")

			f = cost.Expect(from, week(func(_ int, h *cost.Hour) bool { spoil(&h.Counts); return true }))
			require.False(t, f.Known)
			require.Zero(t, f.Day)
			require.Equal(t, []int{168, 168}, []int{f.Missing, f.Impossible})
			require.Contains(t, f.Why, "no hour of the last 7 whole days counts; of 168 of them")
		})
	}
}

func TestTheBusiestWeekThatCanBeIsAddedUp(t *testing.T) {
	f := cost.Expect(from, week(func(_ int, h *cost.Hour) bool {
		h.Counts = cost.Counts{Records: 1e9, Versions: 1e9, Received: 1e15, Stored: 1e15}
		return true
	}))
	require.True(t, f.Whole())
	require.InEpsilon(t, 24e15, f.Day.Received, 1e-9)
	require.EqualValues(t, 168e15, f.Counted.Stored)
	received, _, ok := f.BytesPerContent()
	require.True(t, ok)
	require.EqualValues(t, 500_000, received)
}

func TestTheTotalsOfALogHaveLimitsAsWell(t *testing.T) {
	for name, c := range map[string]struct {
		total cost.Counts
		can   bool
	}{
		"nothing":                  {cost.Counts{}, true},
		"a large tenant's decade":  {cost.Counts{Records: 1e10, Versions: 1e6, Received: 6e13, Stored: 1e13}, true},
		"below nothing":            {cost.Counts{Records: 10, Stored: -1}, false},
		"all there can be":         {cost.Counts{Records: math.MaxInt64, Versions: math.MaxInt64, Received: 1}, false},
		"bytes of nothing":         {cost.Counts{Received: 1e12}, false},
		"a past that was imported": {cost.Counts{Arrived: 1e7, Received: 6e10, Stored: 1e10}, true},
		"less than no import":      {cost.Counts{Records: 10, Arrived: -1}, false},
	} {
		require.Equal(t, c.can, c.total.OfALog(), name)
	}
}

// TestWhatWasImportedIsNoPartOfADay: its records are not counted, and neither are its bytes.
func TestWhatWasImportedIsNoPartOfADay(t *testing.T) {
	plain := cost.Expect(from, week(nil))
	with := cost.Expect(from, week(func(i int, h *cost.Hour) bool {
		if i%3 == 0 {
			h.Arrived = 5 * h.Records
			h.Received, h.Stored = 6*h.Received, 6*h.Stored
		}
		return true
	}))
	require.InDelta(t, plain.Day.Records, with.Day.Records, 1e-9)
	require.InDelta(t, plain.Day.Received, with.Day.Received, 1e-6)
	require.InDelta(t, plain.Day.Stored, with.Day.Stored, 1e-6)
	for _, f := range []cost.Forecast{plain, with} {
		received, stored, ok := f.BytesPerContent()
		require.Equal(t, []any{int64(1000), int64(300), true}, []any{received, stored, ok})
	}
}
