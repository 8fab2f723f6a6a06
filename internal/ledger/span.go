package ledger

import (
	"time"
)

// Span is a range of time, [from, to).
type Span struct{ From, To time.Time }

func (s Span) Contains(t time.Time) bool { return !t.Before(s.From) && t.Before(s.To) }
