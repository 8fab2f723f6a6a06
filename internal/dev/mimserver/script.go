package mimserver

import (
	"errors"
	"fmt"
	"time"
)

// Place is up to where a log was sent, as the script in tools/mim keeps it.
type Place struct {
	RecordID int64
	At       time.Time
}

// Script follows the protocol of the script in tools/mim.
type Script struct {
	Server     *Server
	Place      Place                   // kept from run to run
	Post       func(body []byte) error // nil: it was answered with 200
	Save       func(p Place) error     // keeps the place; an error is a kill before it
	ReadAtOnce int                     // events; 0: 500
	MostBytes  int                     // of a batch; 0: 1 MiB less 1 KiB
}

// ErrNotTaken is an answer other than 200.
var ErrNotTaken = errors.New("the delivery was not taken")

// again is how far before its place a run begins by time: events may be logged out of order.
const again = 10 * time.Minute

// Run is one run: events after the place, in batches; the place moves after each that was taken.
// Where the newest number is below the place, the log was rebuilt, and the run begins by time.
func (s *Script) Run() error {
	last, byTime := s.Place.RecordID, false
	switch newest := s.Server.Newest(); {
	case newest == 0:
		return nil
	case newest < last:
		last, byTime = 0, true
	}
	since := s.Place.At.Add(-again)
	for {
		events := s.Server.After(last, orElse(s.ReadAtOnce, 500))
		if byTime {
			events = later(s.Server.Events, last, since, orElse(s.ReadAtOnce, 500))
		}
		if len(events) == 0 {
			return nil
		}
		for _, batch := range s.Server.Batches(events, orElse(s.MostBytes, 1<<20-1<<10)) {
			if err := s.Post(s.Server.Body(batch)); err != nil {
				return fmt.Errorf("send events up to %d: %w", batch[len(batch)-1].RecordID, err)
			}
			reached := batch[len(batch)-1]
			place := Place{reached.RecordID, reached.At}
			if s.Save != nil {
				if err := s.Save(place); err != nil {
					return err
				}
			}
			s.Place, last = place, reached.RecordID
		}
	}
}

// later are up to most events with numbers after one that were logged since a moment.
func later(all []Event, number int64, since time.Time, most int) []Event {
	var out []Event
	for _, e := range all {
		if e.RecordID > number && !e.At.Before(since) && len(out) < most {
			out = append(out, e)
		}
	}
	return out
}

func orElse(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}
