package verify

import (
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
)

// Purge is what the log says of months that were dropped.
type Purge struct {
	Stream   entra.Stream
	From, To time.Time // first hour, and the end of the last
	PurgedAt time.Time
	Rule     string
	Hours    int64
	Contents int64 // records and earlier versions; 0 where a version before did not count them
}

// reverted reports whether a purge of an hour was stopped, and how many of its contents were left
// then.
func (v *Verifier) reverted(s seal.Seal) (left int64, ok bool) {
	of := v.log.byHour[s.Start]
	next := slices.IndexFunc(of, func(o seal.Seal) bool { return o.Number > s.Number })
	if next < 0 || !strings.HasPrefix(of[next].Reason, ledger.RevertedMark) {
		return 0, false
	}
	return of[next].Leaves, true
}

// Purges lists what was dropped, as the log has it.
func (v *Verifier) Purges() []Purge {
	var out []Purge
	for _, s := range v.log.purges {
		rule, contents := ledger.RuleOf(s)
		if left, stopped := v.reverted(s); stopped {
			if contents -= left; contents <= 0 {
				continue // nothing of it was dropped
			}
		}
		if n := len(out) - 1; n >= 0 && out[n].PurgedAt.Equal(s.SealedAt) && out[n].Rule == rule &&
			!s.Start.After(out[n].To.Add(31*24*time.Hour)) {
			out[n].To = s.Window.End()
			out[n].Hours++
			out[n].Contents += contents
			continue
		}
		out = append(out, Purge{Stream: s.Stream, From: s.Start, To: s.Window.End(), PurgedAt: s.SealedAt, Rule: rule,
			Hours: 1, Contents: contents})
	}
	return out
}
