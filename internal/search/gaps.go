package search

import (
	"context"
	"sync"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

const (
	// namedByMonth is up to which length of what was purged each month's purge is named.
	namedByMonth = 100 * day
	// leastPurged is how many hours a purge drops at least, unless some of the month were lost:
	// those of a month.
	leastPurged = 28 * 24
	// mostRemembered bounds the memory for ranges that were asked for.
	mostRemembered = 256
)

// Gaps returns the parts of a range whose records the archive does not have, and why: they were
// purged, or lost for good. The ledger's answer for a range is cached until the stream's counts
// change.
type Gaps struct {
	ledger ledger.Reader

	mu    sync.Mutex
	known map[gapsAsked][]ledger.Gap
}

// gapsAsked is a range, and all that its gaps depend on.
type gapsAsked struct {
	stream             entra.Stream
	early              [2]int64 // Unix nanoseconds
	prefix, rest, cut  [2]int64
	purged, lost       int64
	lostFrom, lostUpTo int64
}

// NewGaps makes a Gaps.
func NewGaps(l ledger.Reader) *Gaps {
	return &Gaps{ledger: l, known: make(map[gapsAsked][]ledger.Gap)}
}

// OfQuestion lists the gaps of the question's time; without a time in its filter, of all that the
// ledger covers.
func (g *Gaps) OfQuestion(ctx context.Context, q Question) ([]ledger.Gap, error) {
	return g.Of(ctx, q.progress, q.covers.from, q.covers.to)
}

// Of lists the gaps of [from, to), oldest first and cut to it. A range that can have none costs no
// request. Where a long time was purged month by month, only the last month's entry is read. What
// Graph no longer had when the archive began is no gap: the archive begins after it. What was
// imported before it, and purged, is one. Who gets the list must not change it.
func (g *Gaps) Of(ctx context.Context, p ledger.Progress, from, to time.Time) ([]ledger.Gap, error) {
	if p.Purged == 0 && p.Lost == 0 {
		return nil, nil
	}
	begin, _ := p.Known(p.LastRunAt)
	early := span{from, to}.within(beforeRead(p, begin, to))
	prefix := span{from, to}.within(span{begin, p.PurgedTo})
	rest := span{from, to}.within(mayHaveGaps(p, begin))
	if !p.Started() { // nothing is known of it but what was imported
		prefix, rest = span{}, span{}
	}
	if early.empty() && prefix.empty() && rest.empty() {
		return nil, nil
	}
	edges := span{from, to}.within(span{begin, latest(prefix.to, rest.to)})
	asked := gapsAsked{stream: p.Stream, early: early.key(), prefix: prefix.key(), rest: rest.key(), cut: edges.key(),
		purged: p.Purged, lost: p.Lost, lostFrom: p.LostFrom.UnixNano(), lostUpTo: p.LostTo.UnixNano()}
	g.mu.Lock()
	out, ok := g.known[asked]
	g.mu.Unlock()
	if ok {
		return out, nil
	}
	out, err := g.imported(ctx, p.Stream, early)
	if err != nil {
		return nil, err
	}
	all, err := g.read(ctx, p.Stream, prefix, rest)
	if err != nil {
		return nil, err
	}
	out = append(out, cut(all, edges, begin)...)
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.known) >= mostRemembered {
		clear(g.known)
	}
	g.known[asked] = out
	return out, nil
}

// beforeRead is the time before the archive begins, of which something may have been imported and
// purged.
func beforeRead(p ledger.Progress, begin, to time.Time) span {
	switch {
	case p.Purged == 0:
		return span{}
	case p.Started():
		to = begin
	}
	return span{logs.Earliest(), to}
}

// imported lists what was purged of a time that was never read. A month is dropped at once, and only
// its hours in which something had arrived have rows: from the first to the last one it is one gap.
func (g *Gaps) imported(ctx context.Context, s entra.Stream, asked span) (out []ledger.Gap, err error) {
	if asked.empty() {
		return nil, nil
	}
	all, err := ledger.GapsOf(ctx, g.ledger, s, asked.from, asked.to)
	for _, gap := range all {
		if gap.State != ledger.WindowPurged {
			continue
		}
		in := span{gap.From, gap.To}.within(asked)
		if n := len(out) - 1; n >= 0 && out[n].Reason == gap.Reason && sameMonth(out[n].From, gap.From) {
			out[n].To = in.to
			continue
		}
		gap.From, gap.To = in.from, in.to
		out = append(out, gap)
	}
	return out, err
}

func sameMonth(a, b time.Time) bool { return a.Year() == b.Year() && a.Month() == b.Month() }

// mayHaveGaps is the part of what the archive holds that has to be looked at: where hours are lost,
// or, where a hold had kept an earlier month, all that is old enough to be purged.
func mayHaveGaps(p ledger.Progress, begin time.Time) span {
	out := span{p.LostFrom, p.LostTo}
	if p.Lost == 0 {
		out = span{}
	}
	before := max(0, int64(entra.HoursBetween(begin, p.PurgedTo))) // hours that were purged at the begin, or lost
	if p.Purged > before || p.Purged > 0 && p.Lost >= leastPurged && p.LostFrom.Before(p.PurgedTo) {
		// what is purged is sealed to its end
		month := time.Date(p.SealedTo.Year(), p.SealedTo.Month(), 1, 0, 0, 0, 0, time.UTC)
		out = span{begin, latest(out.to, month)}
	}
	if out.from.Before(p.PurgedTo) {
		out.from = p.PurgedTo
	}
	return out
}

// read asks the ledger.
func (g *Gaps) read(ctx context.Context, s entra.Stream, prefix, rest span) ([]ledger.Gap, error) {
	switch {
	case prefix.empty() && rest.empty():
		return nil, nil
	case prefix.empty():
		return ledger.GapsOf(ctx, g.ledger, s, rest.from, rest.to)
	case rest.empty():
		return g.purged(ctx, s, prefix)
	case rest.to.Sub(prefix.from) <= namedByMonth:
		return ledger.GapsOf(ctx, g.ledger, s, prefix.from, rest.to)
	}
	out, err := g.purged(ctx, s, prefix)
	if err != nil {
		return nil, err
	}
	more, err := ledger.GapsOf(ctx, g.ledger, s, rest.from, rest.to)
	return append(out, more...), err
}

// purged names the purges of a time that is purged to its end.
func (g *Gaps) purged(ctx context.Context, s entra.Stream, all span) ([]ledger.Gap, error) {
	if all.to.Sub(all.from) <= namedByMonth {
		return ledger.GapsOf(ctx, g.ledger, s, all.from, all.to)
	}
	last, err := ledger.GapsOf(ctx, g.ledger, s, all.to.Add(-1), all.to)
	if err != nil {
		return nil, err
	}
	out := ledger.Gap{From: all.from, To: all.to, State: ledger.WindowPurged,
		Reason: "purged by ARCHIVE_RETENTION, month by month"}
	if len(last) > 0 && last[0].State == ledger.WindowPurged {
		out.Reason = "month by month, the last one " + last[0].Reason
	}
	return []ledger.Gap{out}, nil
}

// cut leaves out what is outside of the edges, and what was lost before the archive began.
func cut(all []ledger.Gap, edges span, begin time.Time) []ledger.Gap {
	var out []ledger.Gap
	for _, gap := range all {
		in := span{gap.From, gap.To}.within(edges)
		if in.empty() || gap.State == ledger.WindowLost && entra.FloorHour(gap.From).Equal(begin) {
			continue
		}
		gap.From, gap.To = in.from, in.to
		out = append(out, gap)
	}
	return out
}

// Begin is the first instant that the archive holds of a stream: after what was purged, and after
// the part of the first hour that Graph no longer had when the archive began. Zero: nothing was
// read yet.
func (g *Gaps) Begin(ctx context.Context, p ledger.Progress) (time.Time, error) {
	held, _ := p.Hours(p.LastRunAt)
	if p.Lost == 0 || p.LostFrom.After(held) || !p.LostTo.After(held) {
		return held, nil
	}
	// Neighbours that are lost are one gap: what comes after the first hours does not change it.
	for until := held.Add(time.Hour); ; until = until.Add(day) {
		first, err := ledger.GapsOf(ctx, g.ledger, p.Stream, held, until)
		if err != nil || len(first) == 0 || !entra.FloorHour(first[0].From).Equal(held) {
			return held, err
		}
		if first[0].To.Before(until) || !until.Before(p.LostTo) {
			return first[0].To, nil
		}
	}
}

func (s span) empty() bool { return !s.from.Before(s.to) }

func (s span) within(o span) span {
	if o.from.After(s.from) {
		s.from = o.from
	}
	if o.to.Before(s.to) {
		s.to = o.to
	}
	return s
}

// key is the span as a part of a map's key; all empty ones are the same.
func (s span) key() [2]int64 {
	if s.empty() {
		return [2]int64{}
	}
	return [2]int64{s.from.UnixNano(), s.to.UnixNano()}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
