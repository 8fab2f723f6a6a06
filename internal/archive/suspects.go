package archive

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Suspect is a span of a stream in which an execution wrote that lost its lease, died, or failed:
// rows may lie there that no coverage row counts, and some may still arrive.
type Suspect struct {
	From, To time.Time
	// What it wrote after its last commit is dated after Committed and before Next; both zero:
	// nobody knows.
	Committed, Next time.Time
	Since           time.Time // when its lease was found lost, by the storage service's clock
	Compared        bool      // rows and ledger were compared since
}

// maxSuspects bounds the list in the progress row; beyond it the oldest ones are joined.
const maxSuspects = 40

func (s Suspect) span() span { return span{entra.FloorHour(s.From), s.To} }

// wrote tells whether what is dated so may be a write of the suspect's after its last commit.
func (s Suspect) wrote(stamp time.Time) bool {
	return s.Next.IsZero() || stamp.After(s.Committed) && stamp.Before(s.Next)
}

// suspect adds to the progress what the last holder may have left, as its lease and the read under
// way tell.
func (p *Progress) suspect(last Lease) {
	if p.ReadingFrom.IsZero() {
		return
	}
	s := Suspect{From: p.ReadingFrom, To: p.ReadingTo, Since: last.ReadAt}
	if last.Fence > 0 {
		s.Committed, s.Next = last.Stamp, last.Base.Add(stampsOf)
	}
	p.Suspects = append(p.Suspects, s)
	for len(p.Suspects) > maxSuspects {
		a, b := p.Suspects[0], p.Suspects[1]
		joined := Suspect{From: earlier(a.From, b.From), To: later(a.To, b.To), Since: later(a.Since, b.Since)}
		p.Suspects = append([]Suspect{joined}, p.Suspects[2:]...)
	}
	p.ReadingFrom, p.ReadingTo = time.Time{}, time.Time{}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// suspected tells whether any of the suspects may still write into [from, to).
func (p *Progress) suspected(from, to time.Time) bool {
	return slices.ContainsFunc(p.Suspects, func(s Suspect) bool { return s.span().from.Before(to) && from.Before(s.To) })
}

// beingWritten tells whether a run may have written into [from, to) what it has not counted: one
// that is under way, or was stopped.
func (p *Progress) beingWritten(from, to time.Time) bool {
	return p.suspected(from, to) || entra.FloorHour(p.ReadingFrom).Before(to) && from.Before(p.ReadingTo)
}

// suspectsAtOnce is how much of a span is compared between two commits.
const suspectsAtOnce = 31 * 24 * time.Hour

// checkSuspects compares rows and ledger where a run that was stopped may have written, and marks
// the hours in doubt in which they differ. A span is checked at once, and once more when nothing of
// the run can arrive any more; then it is forgotten.
func (r *streamRun) checkSuspects(ctx context.Context) error {
	for i := 0; i < len(r.progress.Suspects); i++ {
		s := r.progress.Suspects[i]
		if now := r.storageTime(); s.Since.After(now) { // no clock of ours has written that
			s.Since, s.Compared = now, false
		}
		over := r.storageTime().Sub(s.Since) >= LateWrites
		if s.Compared && !over {
			continue
		}
		if err := r.compareSpan(ctx, s.span()); err != nil {
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
func (r *streamRun) compareSpan(ctx context.Context, s span) error {
	for part := s; part.from.Before(part.to); part.from = part.from.Add(suspectsAtOnce) {
		if r.outOfTime(ctx) {
			return r.reading.Err()
		}
		if err := r.compareHours(ctx, span{part.from, earlier(part.from.Add(suspectsAtOnce), part.to)}); err != nil {
			return err
		}
	}
	return nil
}

// compareHours marks the hours of a span in doubt whose rows are not what the ledger counts.
func (r *streamRun) compareHours(ctx context.Context, s span) error {
	known := make(map[time.Time]Coverage)
	for cov, err := range r.store.Windows(ctx, r.stream, s.from, s.to) {
		if err != nil {
			return err
		}
		known[cov.Start] = cov
	}
	stored, err := r.store.StoredByHour(ctx, r.stream, s.from, s.to)
	if err != nil {
		return err
	}
	for hour, cov := range known {
		if _, ok := stored[hour]; !ok && cov.counted() > 0 {
			stored[hour] = HourContents{}
		}
	}
	var rows []Coverage
	p := r.progress
	for _, hour := range slices.SortedFunc(maps.Keys(stored), time.Time.Compare) {
		was, ok := known[hour]
		if was.Doubt || was.State == WindowPurged || ok && was.agrees(stored[hour]) {
			continue // what is left of a purged hour is the purge's
		}
		now := was
		if !ok {
			now = Coverage{Window: entra.Window{Stream: r.stream, Start: hour}, State: WindowPartial, FirstReadAt: r.now, HasSum: true}
		}
		now.Doubt = true
		p.addToWindow(was, now)
		if rows = append(rows, now); len(rows) == MaxCommit {
			if p, err = r.hold.commit(ctx, p, rows, nil); err != nil {
				return err
			}
			r.progress, rows = p, rows[:0]
		}
	}
	if len(rows) > 0 {
		if p, err = r.hold.commit(ctx, p, rows, nil); err != nil {
			return err
		}
	}
	r.progress = p
	return nil
}

// counted is how many contents the row counts.
func (c *Coverage) counted() int64 { return c.Records + c.Versions + c.Unconfirmed + c.Unmet }

// agrees tells whether rows are what the ledger counts. Where no sum was kept, their number has to
// do.
func (c *Coverage) agrees(rows HourContents) bool {
	return c.counted() == rows.Count && (!c.HasSum || c.Sum == rows.Sum)
}
