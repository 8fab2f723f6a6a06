package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// screen is where a person, or a log of CI, follows the run.
type screen interface {
	// say prints a line that stays.
	say(format string, args ...any)
	// show brings the streams up to date.
	show(at time.Time, streams []standing)
	// rest ends the display of progress and leaves it as it is; a later show begins a new one.
	rest()
	// writer is for whole blocks of text, after rest.
	writer() io.Writer
}

// newScreen draws bars on a terminal, and prints lines elsewhere or where bars is false.
func newScreen(out *os.File, bars bool) screen {
	info, err := out.Stat()
	if bars && err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" {
		return &barScreen{out: out}
	}
	return &lineScreen{out: out}
}

// lineEvery is how often a stream that continues gets a line.
const lineEvery = 3 * time.Second

// lineScreen prints one aligned line for each stream that changed.
type lineScreen struct {
	mu      sync.Mutex
	out     io.Writer
	printed map[string]streamState
	last    time.Time
	waiting []standing
}

func (s *lineScreen) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format+"\n", args...)
}

func (s *lineScreen) show(at time.Time, streams []standing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = streams
	if at.Sub(s.last) >= lineEvery {
		s.last = at
		s.print()
	}
}

// rest prints what changed since the last lines, so that the end is not left out.
func (s *lineScreen) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.print()
	s.last = time.Time{}
}

func (s *lineScreen) print() {
	if s.printed == nil {
		s.printed = map[string]streamState{}
	}
	for _, st := range s.waiting {
		before := s.printed[st.state.Stream]
		if before.Done == st.state.Done && before.Records == st.state.Records && before.Missing == st.state.Missing {
			continue
		}
		s.printed[st.state.Stream] = st.state
		fmt.Fprintf(s.out, "%-27s %7s of %7s windows  %9s records  %7s/s  %s\n", st.state.Stream,
			grouped(st.state.Done), grouped(st.total), grouped(st.state.Records), grouped(int64(st.rate)), timeLeft(st))
	}
	s.waiting = nil
}

func (s *lineScreen) writer() io.Writer { return s.out }

// timeLeft is the time until a stream is done, in words.
func timeLeft(st standing) string {
	switch {
	case st.state.LastError != nil && st.state.Status == "failing":
		return "failing: " + st.state.LastError.Code
	case !st.hasLeft:
		return ""
	case st.left == 0:
		return "done"
	}
	return st.left.Round(time.Second).String() + " left"
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, text = "-", text[1:]
	}
	var b strings.Builder
	for i, digit := range text {
		if i > 0 && (len(text)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return sign + b.String()
}
