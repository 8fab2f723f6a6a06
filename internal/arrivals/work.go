package arrivals

import (
	"context"
	"errors"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/sealing"
)

// Store is where records are added.
type Store interface {
	ledger.LeaseStore
	sealing.Store
	// Identity is what all forms of a record share: id, second and outcome.
	Identity(s entra.Stream, rec entra.Record) string
	// InsertArrivals stores records of one window, and says what they count for. Those that can't be
	// stored whole are left out. ErrExists: one of them is there already; others may have been stored.
	InsertArrivals(ctx context.Context, w entra.Window, recs []entra.Record, origin string, seen time.Time) (Added,
		[]entra.Key, error)
	// CountArrivals sums up the arrivals of a window that count.
	CountArrivals(ctx context.Context, w entra.Window, counts func(seal.Leaf) bool) (Added, error)
	// InQuarantine counts a stream's records in quarantine.
	InQuarantine(ctx context.Context, s entra.Stream) (int64, error)
	// Restamp gives contents of a window a later FirstSeen, if they are still as they were read;
	// ledger.ErrMoved otherwise.
	Restamp(ctx context.Context, w entra.Window, contents []seal.Leaf, seen time.Time) error
}

// ErrExists says that a record is stored already.
var ErrExists = errors.New("arrival is stored already")

// Added is what arrivals count for.
type Added struct {
	Count, Bytes, StoredBytes int64
	Sum                       ledger.Sum
}

// Add adds a content, with its size as received and as stored.
func (a *Added) Add(l seal.Leaf, size, stored int64) {
	a.Count++
	a.Bytes += size
	a.StoredBytes += stored
	a.Sum.Add(ledger.SumOf(l.Key, l.Fixed()))
}

// work is what is done under one lease.
type work struct {
	adder    *Adder
	writer   *ledger.Writer
	progress ledger.Progress
	sealer   *sealing.Sealer
}

// release gives the lease back. What failed is as the ledger has it: the mark of an hour that was
// being written stays, and has whoever comes next look at it.
func (w *work) release(ctx context.Context, failed error) error {
	if failed != nil {
		return w.writer.ReleaseUnchanged(ctx)
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), ledger.StopGrace)
	defer stop()
	_, err := w.writer.Release(ctx, w.progress)
	if errors.Is(err, ledger.ErrMoved) && !w.writer.Lost() { // a commit of this call was executed late
		return w.writer.ReleaseUnchanged(ctx)
	}
	return err
}

// add adds what is missing of a window.
func (w *work) add(ctx context.Context, window entra.Window, records []entra.Record,
	origin entra.Origin) (out Result, err error) {
	store := w.adder.store
	cov, err := rowOf(ctx, store, window)
	if err != nil {
		return out, err
	}
	if err := w.adder.refusal(&w.progress, &cov, window); err != nil {
		return out, err
	}
	forms, err := store.StoredForms(ctx, window)
	if err != nil {
		return out, err
	}
	missing := missingOf(store, window.Stream, forms, records)
	if _, arrived := ledger.Parted(leavesOf(forms)); len(missing) > 0 || !cov.HoldsArrivals(arrived) {
		c := counting{store: store, writer: w.writer, progress: &w.progress, window: window}
		if err := c.write(ctx, missing, origin); err != nil {
			return out, err
		}
		out.Added, out.TooLarge = c.added, c.tooLarge
	}
	out.Present = len(records) - out.Added - len(out.TooLarge)
	out.Sealed, err = w.sealer.SealHour(ctx, window.Start)
	return out, errors.Join(err, w.sealer.Tampered)
}

func leavesOf(forms []ledger.Form) []seal.Leaf {
	out := make([]seal.Leaf, len(forms))
	for i, f := range forms {
		out[i] = f.Leaf
	}
	return out
}

// missingOf are the records of which no form is stored, each once.
func missingOf(store Store, stream entra.Stream, forms []ledger.Form, records []entra.Record) (out []entra.Record) {
	there := make(map[string]bool, len(forms)+len(records))
	for _, f := range forms {
		there[f.Identity] = true
	}
	for _, rec := range records {
		if is := store.Identity(stream, rec); !there[is] {
			there[is] = true
			out = append(out, rec)
		}
	}
	return out
}

// rowOf is the ledger's row of a window, or a new one.
func rowOf(ctx context.Context, store Store, window entra.Window) (ledger.Coverage, error) {
	for cov, err := range store.Windows(ctx, window.Stream, window.Start, window.End()) {
		return cov, err
	}
	return ledger.Coverage{Window: window, State: ledger.WindowPartial, HasSum: true}, nil
}
