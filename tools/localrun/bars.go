package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
)

// barScreen draws a bar for each stream.
type barScreen struct {
	mu       sync.Mutex
	out      io.Writer
	bars     progress.Writer
	rendered chan struct{} // closed when the bars have been drawn for the last time
	trackers map[string]*progress.Tracker
}

func (s *barScreen) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bars != nil {
		s.bars.Log(format, args...)
		return
	}
	fmt.Fprintf(s.out, format+"\n", args...)
}

func (s *barScreen) show(_ time.Time, streams []standing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bars == nil {
		s.begin()
	}
	for _, st := range streams {
		message := fmt.Sprintf("%-27s %15s windows %9s records %7s/s %10s", st.state.Stream,
			grouped(st.state.Done)+"/"+grouped(st.total), grouped(st.state.Records), grouped(int64(st.rate)),
			timeLeft(st))
		tracker := s.trackers[st.state.Stream]
		if tracker == nil {
			// A stream that is done for now continues when the next hour is over.
			tracker = &progress.Tracker{Message: message, AutoStopDisabled: true}
			s.trackers[st.state.Stream] = tracker
			s.bars.AppendTracker(tracker)
		}
		tracker.UpdateMessage(message)
		tracker.UpdateTotal(max(1, st.total)) // a total of 0 would be drawn as unknown
		tracker.SetValue(st.state.Done)
	}
}

func (s *barScreen) begin() {
	s.trackers = map[string]*progress.Tracker{}
	s.bars = progress.NewWriter()
	s.bars.SetOutputWriter(s.out)
	s.bars.SetAutoStop(false)
	s.bars.SetTrackerLength(16)
	s.bars.SetTrackerPosition(progress.PositionRight)
	s.bars.SetUpdateFrequency(200 * time.Millisecond)
	s.bars.Style().Visibility.Time = false
	s.bars.Style().Visibility.Value = false
	s.rendered = make(chan struct{})
	bars, rendered := s.bars, s.rendered
	go func() {
		defer close(rendered)
		bars.Render()
	}()
}

func (s *barScreen) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.bars != nil {
		// Stop does nothing where the drawing has not begun, so it is asked until it has effect.
		s.bars.Stop()
		select {
		case <-s.rendered:
			s.bars = nil
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *barScreen) writer() io.Writer { return s.out }
