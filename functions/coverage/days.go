package coverage

import (
	"iter"
	"slices"

	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/web"
)

// day is one row of /api/coverage/{stream}?by=day.
type day struct {
	window
	byHour
}

// either is a row of an hour or of a day, for who describes it.
type either struct {
	window
	*byHour
}

// Texts are those that are too long for their line.
func (day) Texts() map[string]string { return nil }

// Texts are those that are too long for their line.
func (either) Texts() map[string]string { return nil }

// byHour is what the row of a day says of its hours.
type byHour struct {
	Hours         string  `json:"hours"`
	RecordsByHour []int64 `json:"recordsByHour" text:"Of a day: the records of each of its 24 hours, with imported ones"`
	LateHours     []int   `json:"lateHours,omitempty" text:"Of a day: its hours with late records, from 0 to 23"`
	ThinHours     []int   `json:"thinHours,omitempty" text:"Of a day: its thin hours, from 0 to 23"`
}

// Texts are those that are too long for their line.
func (byHour) Texts() map[string]string {
	return map[string]string{
		"hours": "Of a day: the states of its 24 hours, a letter each: L lost, M missing, P partial, R reopened, " +
			"I imported, D delivered, C complete, S sealed, T settled, X purged, - not part of the archive",
	}
}

// days are the rows of the days of those hours, where one of them is asked for.
func days(r web.Request, hours iter.Seq2[ledger.Coverage, error]) iter.Seq2[placed[day], error] {
	wanted := wantedBy(r)
	return func(yield func(placed[day], error) bool) {
		for d, err := range ledger.Days(hours) {
			if err == nil && !slices.ContainsFunc(d.Windows, wanted) {
				continue
			}
			if !yield(placed[day]{dayOf(d), d.First()}, err) {
				return
			}
		}
	}
}

// dayOf is the row of a day: sums of its hours. What can't be summed up is the least of them, as
// for passes and the first read, or left out, as a content sum.
func dayOf(d ledger.Day) day {
	if len(d.Windows) == 0 {
		return day{}
	}
	of := byHour{Hours: d.Letters(), RecordsByHour: make([]int64, 24)}
	sum, first := d.Sum(), d.Windows[0]
	for _, c := range d.Windows {
		hour := c.Start.UTC().Hour()
		of.RecordsByHour[hour] = c.Records + c.Imported
		if c.Late > 0 {
			of.LateHours = append(of.LateHours, hour)
		}
		if c.Thin() {
			of.ThinHours = append(of.ThinHours, hour)
		}
		first.Passes = min(first.Passes, c.Passes)
		if !c.FirstReadAt.IsZero() && (first.FirstReadAt.IsZero() || c.FirstReadAt.Before(first.FirstReadAt)) {
			first.FirstReadAt = c.FirstReadAt
		}
		if c.LastReadAt.After(first.LastReadAt) {
			first.LastReadAt = c.LastReadAt
		}
	}
	thin := slices.ContainsFunc(d.Windows, func(c ledger.Coverage) bool { return c.Thin() })
	return day{byHour: of, window: window{
		Start: web.Time(d.First()), End: web.Time(d.End()), Status: d.Word(), Passes: first.Passes,
		Records: sum.Records, Versions: sum.Versions, Bytes: sum.Bytes, StoredBytes: sum.StoredBytes,
		Fetched: sum.Fetched, New: sum.New, Changed: sum.Changed, Enriched: sum.Enriched, Unchanged: sum.Unchanged,
		Quarantined: sum.Quarantined, Late: sum.Late, Seals: sum.Seals, Revision: sum.Revision,
		Unconfirmed: sum.Unconfirmed + sum.Unmet, Thin: thin,
		FirstRead: web.Time(first.FirstReadAt), LastRead: web.Time(first.LastReadAt),
		Imported: sum.Imported, Eclipsed: sum.Eclipsed,
	}}
}
