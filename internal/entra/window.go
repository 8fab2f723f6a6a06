package entra

import (
	"fmt"
	"time"
)

// HourFormat writes an hour as the archive's tables do.
const HourFormat = "2006-01-02T15"

// Window is one UTC hour of one stream, [Start, Start+1h).
type Window struct {
	Stream Stream
	Start  time.Time
}

// WindowOf is the window that holds t.
func WindowOf(s Stream, t time.Time) Window { return Window{Stream: s, Start: FloorHour(t)} }

// End is the first instant after the window.
func (w Window) End() time.Time { return w.Start.Add(time.Hour) }

// String is the stream and the hour.
func (w Window) String() string { return fmt.Sprintf("%s %s", w.Stream, w.Start.Format(HourFormat)) }

// FloorHour is the start of the UTC hour that holds t.
func FloorHour(t time.Time) time.Time { return t.UTC().Truncate(time.Hour) }

// HoursBetween counts the whole windows from the hour of from up to the hour of to; never negative.
func HoursBetween(from, to time.Time) int {
	return max(0, int(FloorHour(to).Sub(FloorHour(from))/time.Hour))
}
