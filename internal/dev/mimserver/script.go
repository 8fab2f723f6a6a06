package mimserver

import (
	"errors"
	"fmt"
	"time"
)

// Place is up to where a log was sent, as the script in tools/mim keeps it.
type Place struct {
	RecordID  int64
	At        time.Time
	PartsFrom int64 // the first event of the first batch of which parts were refused; 0: none were
}

// Script follows the protocol of the script in tools/mim.
type Script struct {
	Server     *Server
	Place      Place                   // kept from run to run
	Post       func(body []byte) error // nil: it was answered with 200
	Save       func(p Place) error     // keeps the place; an error is a kill before it
	ReadAtOnce int                     // events; 0: 500
	MostBytes  int                     // of a batch; 0: 1 MiB less 1 KiB
	Now        func() time.Time        // by the server's clock; nil: the script ends without a mark
}

// ErrNotTaken is an answer other than 200.
var ErrNotTaken = errors.New("the delivery was not taken")

// ErrPartsRefused is the answer 422: all was taken but parts, for which there is no key.
var ErrPartsRefused = errors.New("parts were refused")

// again is how far before its place a run begins by time: events may be logged out of order.
const again = 10 * time.Minute

// run is one run of the script.
type run struct {
	*Script
	last, partsFrom int64
	trying          bool // the batch at hand is sent for its parts alone
	since           time.Time
}

// Run is one run: events after the place, in batches; the place moves after each that was taken.
// Where the newest number is below the place, the log was rebuilt, and the run begins by time.
// A run that sent everything ends with a mark: the log was read to its end. ErrPartsRefused: everything
// was sent, and parts are still refused.
func (s *Script) Run() error {
	r := run{Script: s, last: s.Place.RecordID, partsFrom: s.Place.PartsFrom}
	switch newest := s.Server.Newest(); {
	case newest == 0:
		return nil
	case newest < r.last:
		r.last, r.partsFrom = 0, 0
		if r.since = s.Place.At.Add(-again); s.Server.Events[len(s.Server.Events)-1].At.Before(r.since) {
			r.since = time.Time{} // the clock was ahead, and was set back
		}
	}
	place := s.Place
	if r.trying = r.partsFrom > 0; r.trying {
		r.last = r.partsFrom - 1
	}
	var asked time.Time
	for {
		if s.Now != nil {
			asked = s.Now()
		}
		events := later(s.Server.Events, r.last, r.since, orElse(s.ReadAtOnce, 500))
		if len(events) == 0 {
			break
		}
		for _, batch := range s.Server.Batches(events, orElse(s.MostBytes, 1<<20-1<<10)) {
			moved, err := r.complete(batch)
			if err != nil {
				return err
			}
			if !moved {
				r.last = place.RecordID
				break
			}
		}
	}
	switch {
	case r.partsFrom > 0:
		return ErrPartsRefused
	case s.Now == nil:
		return nil
	}
	return s.Post(s.Server.MarkOf(asked))
}

// complete sends a batch and moves the place behind it; false: it was tried for its parts alone, and
// these are still refused.
func (r *run) complete(batch []Event) (moved bool, err error) {
	reached := batch[len(batch)-1]
	err = r.Post(r.Server.Body(batch))
	refused := errors.Is(err, ErrPartsRefused)
	if err != nil && !refused {
		return false, fmt.Errorf("send events up to %d: %w", reached.RecordID, err)
	}
	if r.trying {
		if r.trying = false; refused {
			return false, nil
		}
		r.partsFrom = 0
	} else if refused && r.partsFrom == 0 {
		r.partsFrom = batch[0].RecordID
	}
	place := Place{reached.RecordID, reached.At, r.partsFrom}
	if r.Save != nil {
		if err := r.Save(place); err != nil {
			return false, err
		}
	}
	r.Place, r.last = place, reached.RecordID
	return true, nil
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
