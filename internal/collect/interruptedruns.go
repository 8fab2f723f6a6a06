package collect

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// suspectsAtOnce is how much of a span is compared between two commits.
const suspectsAtOnce = 31 * 24 * time.Hour

// checkSuspects compares rows and ledger where an interrupted run may have written, and marks the
// hours that differ as in doubt. A span is checked at once, and again when no write of that run can
// arrive any more; then it is dropped.
func (r *streamRun) checkSuspects(ctx context.Context) error {
	for i := 0; i < len(r.progress.Suspects); i++ {
		s := r.progress.Suspects[i]
		if now := r.storageTime(); s.Since.After(now) { // no clock of ours has written that
			s.Since, s.Compared = now, false
		}
		over := r.storageTime().Sub(s.Since) >= ledger.LateWrites
		if s.Compared && !over {
			continue
		}
		if err := r.compareSpan(ctx, s.Span()); err != nil {
			return err
		}
		left := slices.Clone(r.progress.Suspects)
		left[i].Since = s.Since
		if left[i].Compared = true; over {
			left = slices.Delete(left, i, i+1)
			i--
		}
		r.progress.Suspects = left
	}
	return nil
}

// compareSpan is compareHours for spans of any length. It ends early, with the budget's error, when
// time is up.
func (r *streamRun) compareSpan(ctx context.Context, s ledger.Span) error {
	for part := s; part.From.Before(part.To); part.From = part.From.Add(suspectsAtOnce) {
		if r.outOfTime(ctx) {
			return r.reading.Err()
		}
		if err := r.compareHours(ctx, ledger.Span{From: part.From, To: entra.Earlier(part.From.Add(suspectsAtOnce),
			part.To)}); err != nil {
			return err
		}
	}
	return nil
}

// compareHours marks the hours of a span as in doubt whose rows differ from the ledger's count.
func (r *streamRun) compareHours(ctx context.Context, s ledger.Span) error {
	known := make(map[time.Time]ledger.Coverage)
	for cov, err := range r.collector.store.Windows(ctx, r.stream, s.From, s.To) {
		if err != nil {
			return err
		}
		known[cov.Start] = cov
	}
	stored, err := r.collector.store.StoredByHour(ctx, r.stream, s.From, s.To)
	if err != nil {
		return err
	}
	for hour, cov := range known {
		if _, ok := stored[hour]; !ok && cov.Counted() > 0 {
			stored[hour] = ledger.HourContents{}
		}
	}
	var rows []ledger.Coverage
	p := r.progress
	for _, hour := range slices.SortedFunc(maps.Keys(stored), time.Time.Compare) {
		was, ok := known[hour]
		if !ok && stored[hour].Count == 0 { // it holds nothing but arrivals
			continue
		}
		if was.Doubt || was.State == ledger.WindowPurged || ok && was.Agrees(stored[hour]) {
			continue // what is left of a purged hour is the purge's
		}
		now := was
		if !ok {
			now = ledger.Coverage{Window: entra.Window{Stream: r.stream, Start: hour}, State: ledger.WindowPartial,
				FirstReadAt: r.now, HasSum: true}
		}
		now.Doubt = true
		p.Apply(was, now)
		if rows = append(rows, now); len(rows) == ledger.MaxCommit {
			if p, err = r.writer.Commit(ctx, p, rows, nil); err != nil {
				return err
			}
			r.progress, rows = p, rows[:0]
		}
	}
	if len(rows) > 0 {
		if p, err = r.writer.Commit(ctx, p, rows, nil); err != nil {
			return err
		}
	}
	r.progress = p
	return r.adopt(ctx, known, stored)
}

// adopt counts the arrivals that an interrupted run stored in hours and did not count.
func (r *streamRun) adopt(ctx context.Context, known map[time.Time]ledger.Coverage,
	stored map[time.Time]ledger.HourContents) error {
	for _, hour := range slices.SortedFunc(maps.Keys(stored), time.Time.Compare) {
		if cov := known[hour]; stored[hour].Arrivals <= cov.Imported || cov.State == ledger.WindowPurged {
			continue
		}
		err := arrivals.Adopt(ctx, r.collector.store, r.writer, &r.progress,
			entra.Window{Stream: r.stream, Start: hour})
		if err != nil {
			return err
		}
	}
	return nil
}
