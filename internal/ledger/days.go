package ledger

import (
	"iter"
	"slices"
	"time"
)

// Day is the windows of one UTC day of a stream, in order; at most 24.
type Day struct {
	Start   time.Time
	Windows []Coverage
}

// Days groups windows that come in order by their UTC day. A day without a window is left out.
func Days(windows iter.Seq2[Coverage, error]) iter.Seq2[Day, error] {
	return func(yield func(Day, error) bool) {
		var day Day
		for cov, err := range windows {
			if err != nil {
				yield(Day{}, err)
				return
			}
			if start := cov.Start.Truncate(24 * time.Hour); !start.Equal(day.Start) || day.Windows == nil {
				if day.Windows != nil && !yield(day, nil) {
					return
				}
				day = Day{Start: start}
			}
			day.Windows = append(day.Windows, cov)
		}
		if day.Windows != nil {
			yield(day, nil)
		}
	}
}

// First is the first moment that the day has a window of; the zero time where it has none.
func (d Day) First() time.Time {
	if len(d.Windows) == 0 {
		return time.Time{}
	}
	return d.Windows[0].Start
}

// End is the first moment after its last window.
func (d Day) End() time.Time {
	if len(d.Windows) == 0 {
		return time.Time{}
	}
	return d.Windows[len(d.Windows)-1].End()
}

// byConcern are the words of windows, from what concerns a reader most to what does least.
func byConcern() []WindowState {
	return []WindowState{WindowLost, WindowMissing, WindowPartial, WindowReopened, WindowImported, WindowDelivered,
		WindowComplete, WindowSealed, WindowSettled, WindowPurged}
}

// Word is the day's state in answers: that of its window that concerns a reader most.
func (d Day) Word() WindowState {
	worst := WindowPurged
	order := byConcern()
	for i := range d.Windows {
		if word := d.Windows[i].Word(); slices.Index(order, word) < slices.Index(order, worst) {
			worst = word
		}
	}
	return worst
}

// letters stand for the words of windows in Day.Letters.
func letters() map[WindowState]byte {
	return map[WindowState]byte{WindowLost: 'L', WindowMissing: 'M', WindowPartial: 'P', WindowReopened: 'R',
		WindowImported: 'I', WindowDelivered: 'D',
		WindowComplete: 'C', WindowSealed: 'S', WindowSettled: 'T', WindowPurged: 'X'}
}

// Letters are the states of the day's 24 hours, a letter each: L lost, M missing, P partial,
// R reopened, I imported, D delivered, C complete, S sealed, T settled, X purged, and - where the day has no such window.
func (d Day) Letters() string {
	out := []byte("------------------------")
	of := letters()
	for i := range d.Windows {
		out[d.Windows[i].Start.UTC().Hour()] = of[d.Windows[i].Word()]
	}
	return string(out)
}

// Sum adds up the windows' counts. What can't be added up is zero.
func (d Day) Sum() (sum Coverage) {
	for i := range d.Windows {
		c := &d.Windows[i]
		sum.Records += c.Records
		sum.Versions += c.Versions
		sum.Bytes += c.Bytes
		sum.StoredBytes += c.StoredBytes
		sum.Fetched += c.Fetched
		sum.New += c.New
		sum.Changed += c.Changed
		sum.Enriched += c.Enriched
		sum.Unchanged += c.Unchanged
		sum.Quarantined += c.Quarantined
		sum.Late += c.Late
		sum.Seals += c.Seals
		sum.Revision += c.Revision
		sum.Unconfirmed += c.Unconfirmed
		sum.Unmet += c.Unmet
		sum.Imported += c.Imported
		sum.Eclipsed += c.Eclipsed
	}
	return sum
}
