package sealing

import (
	"time"

	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
)

// change is what an execution has done to a window since it was sealed last.
type change struct {
	added ledger.Sum // over the contents that it has stored
	asked bool       // it has recounted the window, against all that Graph has of it
}

// Changed records the execution's change of a window. asked: it has recounted the window, against
// all that Graph has of it.
func (s *Sealer) Changed(was, now ledger.Coverage, asked bool) {
	c := s.changed[now.Start]
	if asked || c.asked {
		s.changed[now.Start] = change{asked: true}
		return
	}
	c.added.Add(now.Sum)
	c.added.Sub(was.Sum)
	s.changed[now.Start] = c
}

// HasChanges reports whether the execution has changed a window since it was sealed last.
func (s *Sealer) HasChanges() bool { return len(s.changed) > 0 }

// explains reports whether what was read of a window is what its last seal lists and what this
// execution has stored since, or was compared with Graph. Arrivals are explained by the ledger that
// counts them: no source can be asked, and each says that it is one.
func (s *Sealer) explains(hour time.Time, before *SealedBefore, leaves []seal.Leaf) bool {
	c, ok := s.changed[hour]
	leaves, arrived := ledger.Parted(leaves)
	if c.asked {
		return true
	}
	if !ok && len(arrived) == 0 {
		return false
	}
	if before != nil {
		read, _ := ledger.Parted(before.Leaves)
		c.added.Add(ledger.SumOfLeaves(read))
	}
	return c.added == ledger.SumOfLeaves(leaves)
}
