package main

import "time"

// rateSpan is how far back a rate looks: long enough to be calm, short enough to follow.
const rateSpan = 8 * time.Second

// pace turns the counts of one stream, seen now and then, into rates.
type pace struct{ seen []sample }

type sample struct {
	at            time.Time
	done, records int64
}

// standing is how far a stream has come.
type standing struct {
	state   streamState
	total   int64         // windows, done and missing
	rate    float64       // records a second
	left    time.Duration // until all windows are done
	hasLeft bool          // false while the remaining time cannot be computed
}

// add stores the stream's state at a time and returns its rates.
func (p *pace) add(at time.Time, state streamState) standing {
	p.seen = append(p.seen, sample{at, state.Done, state.Records})
	// One sample older than the span stays, so that the span is covered.
	for len(p.seen) > 2 && at.Sub(p.seen[1].at) >= rateSpan {
		p.seen = p.seen[1:]
	}
	s := standing{state: state, total: state.Done + state.Missing, hasLeft: state.Missing == 0 && state.Done > 0}
	first := p.seen[0]
	seconds := at.Sub(first.at).Seconds()
	if seconds <= 0 {
		return s
	}
	s.rate = max(0, float64(state.Records-first.records)/seconds)
	if windows := float64(state.Done-first.done) / seconds; windows > 0 && state.Missing > 0 {
		s.left, s.hasLeft = time.Duration(float64(state.Missing)/windows*float64(time.Second)), true
	}
	return s
}

// tracking keeps the pace of every stream.
type tracking struct{ paces map[string]*pace }

func newTracking() *tracking { return &tracking{paces: map[string]*pace{}} }

func (p *tracking) add(at time.Time, states []streamState) []standing {
	standings := make([]standing, len(states))
	for i, state := range states {
		if p.paces[state.Stream] == nil {
			p.paces[state.Stream] = &pace{}
		}
		standings[i] = p.paces[state.Stream].add(at, state)
	}
	return standings
}

// done adds up what all streams have, to see whether a run brought anything.
func done(states []streamState) (sum int64) {
	for _, s := range states {
		sum += s.Done
	}
	return sum
}

// unfinished reports whether a stream is left for a further run.
func unfinished(states []streamState) bool {
	for _, s := range states {
		if s.Status == backfilling {
			return true
		}
	}
	return false
}
