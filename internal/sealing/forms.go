package sealing

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
)

// FormStore is where arrivals are stored.
type FormStore interface {
	// StoredForms lists what is stored of a window.
	StoredForms(ctx context.Context, w entra.Window) ([]ledger.Form, error)
	// Eclipse marks arrivals of a window as superseded at a time, if none of them is yet;
	// ledger.ErrMoved otherwise, and some of them may be marked then.
	Eclipse(ctx context.Context, w entra.Window, contents []seal.Leaf, at time.Time) error
	// EclipsedSize is by how much a marked row is larger, as the table counts it.
	EclipsedSize() int64
}

// eclipse marks the arrivals of a window of which another form is stored, and makes the row and the
// leaves say so. A run that is killed within it leaves marks that the next one counts. The date is
// committed before it is written: no row has one that no commit covers.
func (b *sealBatch) eclipse(ctx context.Context, now *ledger.Coverage, leaves []seal.Leaf) ([]seal.Leaf, error) {
	s := b.sealer
	for try := 0; ; try++ {
		forms, err := s.store.StoredForms(ctx, now.Window)
		if err != nil {
			return leaves, err
		}
		hidden := ledger.Eclipsed(forms)
		if len(hidden) == 0 {
			return markedIn(now, forms, leaves, s.store.EclipsedSize()), nil
		}
		if !b.dated {
			saved, err := s.writer.Commit(ctx, *s.progress, nil, nil)
			if err != nil {
				return leaves, err
			}
			*s.progress, b.dated = saved, true
			b.p.Revision, b.p.Run = saved.Revision, saved.Run
		}
		if err := s.store.Eclipse(ctx, now.Window, hidden, b.at); err != nil &&
			(!errors.Is(err, ledger.ErrMoved) || try == eclipseTries) {
			return leaves, err
		}
	}
}

// eclipseTries is how often marks are looked at again that another execution has written meanwhile.
const eclipseTries = 5

// markedIn makes a window's row and leaves say which of its arrivals are marked.
func markedIn(now *ledger.Coverage, forms []ledger.Form, leaves []seal.Leaf, size int64) []seal.Leaf {
	at, marked := make(map[string]time.Time), int64(0)
	for _, f := range forms {
		if f.Arrived() && !f.Superseded.IsZero() {
			at[f.Key] = f.Superseded
			marked++
		}
	}
	now.StoredBytes += (marked - now.Eclipsed) * size
	now.Eclipsed = marked
	leaves = slices.Clone(leaves)
	for i := range leaves {
		if leaves[i].Arrived() {
			leaves[i].Superseded = at[leaves[i].Key]
		}
	}
	return leaves
}
