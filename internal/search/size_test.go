package search_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/search"
)

// evenly are hours from one time up to another that have the same number of records each.
func evenly(from, to time.Time, records int64) (out []search.Hour) {
	for at := from; at.Before(to); at = at.Add(time.Hour) {
		out = append(out, search.Hour{From: at, To: at.Add(time.Hour), Records: records})
	}
	return out
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text+":00Z")
	if err != nil {
		panic(err)
	}
	return t
}

func TestPartsAreMonthsWhereTheseAreSmallEnoughElseDaysElseHoursElseMinutes(t *testing.T) {
	from, to := at("2026-09-15T00:00"), at("2026-12-01T00:00")
	for name, c := range map[string]struct {
		each, most int64
		first      []string // begins of the first parts
		least      int      // parts
	}{
		"all at once": {1, 100_000, []string{"2026-09-15T00:00"}, 1},
		"months":      {10, 8_000, []string{"2026-09-15T00:00", "2026-10-01T00:00", "2026-11-01T00:00"}, 3},
		"days":        {10, 250, []string{"2026-09-15T00:00", "2026-09-16T00:00", "2026-09-17T00:00"}, 77},
		"hours":       {10, 20, []string{"2026-09-15T00:00", "2026-09-15T02:00", "2026-09-15T04:00"}, 924},
		"half hours":  {10, 10, []string{"2026-09-15T00:00", "2026-09-15T01:00"}, 77 * 24},
		"minutes":     {20, 10, []string{"2026-09-15T00:00", "2026-09-15T00:15", "2026-09-15T00:30"}, 77 * 24 * 4},
	} {
		t.Run(name, func(t *testing.T) {
			hours := evenly(from, to, c.each)
			parts := search.Parts(from, to, hours, c.most)
			require.Len(t, parts, c.least)
			for i, want := range c.first {
				require.Equal(t, at(want), parts[i].From)
			}
			next, sum := from, int64(0)
			for _, p := range parts {
				require.Equal(t, next, p.From, "no time is left out or comes twice")
				require.LessOrEqual(t, p.Records, c.most)
				next = p.To
				sum += p.Records
			}
			require.Equal(t, to, next)
			require.Equal(t, search.Sum(hours), sum)
		})
	}
}

func TestAnHourThatIsTooMuchIsCutBetweenOthers(t *testing.T) {
	hours := evenly(at("2026-09-15T00:00"), at("2026-09-15T06:00"), 10)
	hours[3].Records = 250
	parts := search.Parts(hours[0].From, at("2026-09-15T09:00"), hours, 100)
	require.Equal(t, search.Part{From: at("2026-09-15T00:00"), To: at("2026-09-15T03:00"), Records: 30}, parts[0])
	require.Equal(t, search.Part{From: at("2026-09-15T03:00"), To: at("2026-09-15T03:10"), Records: 41}, parts[1])
	require.Len(t, parts, 1+6+1)
	require.Equal(t, search.Part{From: at("2026-09-15T04:00"), To: at("2026-09-15T09:00"), Records: 20}, parts[7])
}

func TestHoursWithoutRecordsBelongToAPart(t *testing.T) {
	hours := append(evenly(at("2026-09-15T03:00"), at("2026-09-15T04:00"), 60),
		evenly(at("2026-09-17T03:00"), at("2026-09-17T04:00"), 60)...)
	parts := search.Parts(at("2026-09-01T00:00"), at("2026-10-01T00:00"), hours, 100)
	require.Equal(t, []search.Part{{From: at("2026-09-01T00:00"), To: at("2026-09-17T00:00"), Records: 60},
		{From: at("2026-09-17T00:00"), To: at("2026-10-01T00:00"), Records: 60}}, parts)
	require.Equal(t, parts[:1], search.Parts(at("2026-09-01T00:00"), at("2026-09-17T00:00"), hours[:1], 100))
}

// TestADayIsOnePartThoughNothingIsBeforeItsEnd: reports have sums of days.
func TestADayIsOnePartThoughNothingIsBeforeItsEnd(t *testing.T) {
	var hours []search.Hour // of working days
	for day := at("2026-10-28T00:00"); day.Before(at("2026-11-04T00:00")); day = day.AddDate(0, 0, 1) {
		hours = append(hours, evenly(day.Add(9*time.Hour), day.Add(17*time.Hour), 10)...)
	}
	for most, want := range map[int64][]string{
		80:  {"2026-10-28T12:00", "2026-10-29T00:00", "2026-10-30T00:00", "2026-10-31T00:00"},
		130: {"2026-10-28T12:00", "2026-10-30T00:00", "2026-10-31T00:00"},
		350: {"2026-10-28T12:00", "2026-11-01T00:00"},
	} {
		from := at("2026-10-28T12:00")
		parts := search.Parts(from, at("2026-11-04T00:00"), hours[3:], most)
		for i, begin := range want {
			require.Equal(t, at(begin), parts[i].From, "%d at most", most)
		}
		for _, p := range parts {
			require.LessOrEqual(t, p.Records, most)
		}
		require.Equal(t, search.Sum(hours[3:]), search.Sum(parts))
	}
}

// TestTheLastOfVeryManyPartsIsTheRest: none is without an address.
func TestTheLastOfVeryManyPartsIsTheRest(t *testing.T) {
	from, to := at("2026-09-01T00:00"), at("2026-11-01T00:00")
	all := search.Parts(from, to, evenly(from, to, 10), 10)
	require.Len(t, all, 61*24)
	next, count := all, 0
	for len(next) > 0 {
		named, rest := search.Named(next)
		require.LessOrEqual(t, len(named), 100)
		require.Equal(t, next[0], named[0])
		last := named[len(named)-1]
		require.Equal(t, to, last.To)
		require.Equal(t, search.Sum(next), search.Sum(named))
		if count += len(named); rest == 0 {
			break
		}
		count--
		next = search.Parts(last.From, to, evenly(last.From, to, 10), 10)
		require.Len(t, next, rest)
	}
	require.Equal(t, len(all), count)
}
