package ledger

import (
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Suspect is a span of a stream in which an execution wrote that lost its lease, died, or failed:
// rows may lie there that no coverage row counts, and some may still arrive.
type Suspect struct {
	From, To time.Time
	// Its writes after its last commit are dated after Committed and before Next; both zero:
	// unknown.
	Committed, Next time.Time
	Since           time.Time // when its lease was found lost, by the storage service's clock
	Compared        bool      // rows and ledger were compared since
}

// maxSuspects bounds the list in the progress row; beyond it the oldest ones are joined.
const maxSuspects = 40

func (s Suspect) Span() Span { return Span{entra.FloorHour(s.From), s.To} }

// Wrote reports whether a write with this date may be the suspect's, after its last commit.
func (s Suspect) Wrote(stamp time.Time) bool {
	return s.Next.IsZero() || stamp.After(s.Committed) && stamp.Before(s.Next)
}

// Suspect adds to the progress what the last owner may have left, from its lease and the read in
// progress.
func (p *Progress) Suspect(last Lease) {
	if p.ReadingFrom.IsZero() {
		return
	}
	s := Suspect{From: p.ReadingFrom, To: p.ReadingTo, Since: last.ReadAt}
	if last.Fence > 0 {
		s.Committed, s.Next = last.Stamp, last.Base.Add(FenceGap)
	}
	p.Suspects = append(p.Suspects, s)
	for len(p.Suspects) > maxSuspects {
		a, b := p.Suspects[0], p.Suspects[1]
		joined := Suspect{From: entra.Earlier(a.From, b.From), To: entra.Later(a.To, b.To),
			Since: entra.Later(a.Since, b.Since)}
		p.Suspects = append([]Suspect{joined}, p.Suspects[2:]...)
	}
	p.ReadingFrom, p.ReadingTo = time.Time{}, time.Time{}
}

// Suspected reports whether any of the suspects may still write into [from, to).
func (p *Progress) Suspected(from, to time.Time) bool {
	return slices.ContainsFunc(p.Suspects, func(s Suspect) bool {
		return s.Span().From.Before(to) && from.Before(s.To)
	})
}

// BeingWritten reports whether a run may have written uncounted records into [from, to): one in
// progress, or an interrupted one.
func (p *Progress) BeingWritten(from, to time.Time) bool {
	return p.Suspected(from, to) || entra.FloorHour(p.ReadingFrom).Before(to) && from.Before(p.ReadingTo)
}
