package archive_test

import (
	"context"
	"io"
	"iter"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// TestOfTwoRepairsAtOnceOneRepairs: the other finds nothing left.
func TestOfTwoRepairsAtOnceOneRepairs(t *testing.T) {
	for _, h := range harms() {
		t.Run(h.name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				journeys()[0].begin(l)
				h.do(l)
				var (
					group sync.WaitGroup
					errs  = make([]error, 3)
				)
				for i := range errs {
					store, _ := l.process()
					group.Go(func() { _, errs[i] = l.repairs(store) })
				}
				group.Wait()
				done := 0
				for _, err := range errs {
					if err == nil {
						done++
						continue
					}
					require.Equal(l, entra.CodeConflict, entra.CodeOf(err), "%v", err)
					require.ErrorContains(l, err, "nothing of it is to be repaired")
				}
				require.Equal(l, 1, done)
				every(l, 20*time.Minute, 2*time.Hour)
				l.checkClaims(stream)
				checkLedgerTotals(l)
				require.Empty(l, l.tampered())
			})
		})
	}
}

// TestARepairBesideARun: whoever has the lease works. A run that has it writes the row anew by
// itself; one that comes while a repair has it commits nothing.
func TestARepairBesideARun(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-2*days), start.Add(days), 10*time.Minute)
		b := l.start(l.store, l.slowly(20, 10*time.Second), 0, 8*time.Minute)
		time.Sleep(65 * time.Second)
		require.True(l, l.lease().Held())
		l.remove("progress")
		_, err := l.repairs(l.store)
		<-b.done
		require.NoError(l, b.err)
		require.Equal(l, entra.CodeConflict, entra.CodeOf(err), "%v", err)
		require.ErrorContains(l, err, "nothing of it is to be repaired")
		l.runs(10*time.Minute, time.Now().Add(time.Hour))

		l.remove("progress")
		held := &archive.Repairing{Stream: stream, By: execution()}
		require.NoError(l, l.repairer(slowEvidence{l.store}).Work(l.Context(), held, time.Now().Add(15*time.Second)))
		require.False(l, held.Done)
		_, err = l.run()
		require.Equal(l, entra.CodeTampered, entra.CodeOf(err), "nobody gets at it meanwhile")
		short, stop := context.WithTimeout(l.Context(), 10*time.Second)
		defer stop()
		err = l.repairer(l.store).Work(short, &archive.Repairing{Stream: stream, By: execution()}, time.Now().Add(time.Minute))
		require.ErrorContains(l, err, "a test has it (execution "+held.By.ID)
		require.NoError(l, l.repairer(l.store).Work(l.Context(), held, time.Now().Add(time.Minute)))
		require.True(l, held.Done)
		l.runs(10*time.Minute, time.Now().Add(time.Hour))
		l.checkClaims(stream)
		require.Empty(l, l.tampered())
	})
}

// TestARepairThatIsKilledAtAnyRequestIsDoneByTheNext: before the request is carried out, or after
// it with its answer lost.
func TestARepairThatIsKilledAtAnyRequestIsDoneByTheNext(t *testing.T) {
	for _, h := range harms() {
		t.Run(h.name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				journeys()[0].begin(l)
				h.do(l)
				ready, shelved := l.service.Snapshot(), len(l.heads.heads)
				store, whole := l.process()
				_, err := l.repairs(store)
				require.NoError(l, err)
				require.GreaterOrEqual(l, whole.writes, 4)
				for at := 1; at <= whole.writes; at++ {
					for _, carriedOut := range []bool{false, true} {
						l.service.Restore(ready)
						l.heads.heads = l.heads.heads[:shelved]
						store, connection := l.process()
						connection.diesAt, connection.stored = at, carriedOut
						_, err := l.repairs(store)
						time.Sleep(archive.LeaseLength)
						_, again := l.repairs(l.store)
						if again != nil { // the first one was past its commit
							require.Equal(l, entra.CodeConflict, entra.CodeOf(again), "%d %v: %v, then %v", at, carriedOut, err, again)
							require.ErrorContains(l, again, "the last repair was on")
						}
						l.progress(stream)
						every(l, 20*time.Minute, time.Hour)
						checkLedgerTotals(l)
						require.Empty(l, l.tampered(), "killed at %d, carried out: %v", at, carriedOut)
					}
				}
			})
		})
	}
}

// TestARepairWhoseAnswersAreLostIsCarriedOutOnce: the SDK asks again, and its second try is
// refused.
func TestARepairWhoseAnswersAreLostIsCarriedOutOnce(t *testing.T) {
	for _, h := range harms() {
		t.Run(h.name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				journeys()[0].begin(l)
				h.do(l)
				store := l.losing()
				w, err := l.repairs(store)
				require.NoError(l, err)
				require.True(l, w.Done)
				notes := 0
				for entry, err := range l.store.Seals(l.Context(), stream) {
					require.NoError(l, err)
					if _, ok := archive.RepairOf(entry); ok {
						notes++
					}
				}
				require.Equal(l, 1, notes)
				every(l, 20*time.Minute, time.Hour)
				require.Empty(l, l.tampered())
			})
		})
	}
}

// TestARepairGoesOnWhereItsLastSliceEnded: and begins anew where somebody committed in between.
func TestARepairGoesOnWhereItsLastSliceEnded(t *testing.T) {
	inLab(t, func(l *lab) {
		journeys()[0].begin(l)
		l.remove("progress")
		for _, plan := range []bool{true, false} {
			w, slices := &archive.Repairing{Stream: stream, By: execution(), Plan: plan}, 0
			for ; !w.Done; slices++ {
				hours := w.Verification.Windows
				require.NoError(l, l.repairer(slowEvidence{l.store}).Work(l.Context(), w, time.Now().Add(20*time.Second)))
				require.Greater(l, w.Verification.Windows, hours)
				time.Sleep(5 * time.Second)
			}
			require.Greater(l, slices, 1)
		}
		l.progress(stream)

		l.remove("progress")
		w := &archive.Repairing{Stream: stream, By: execution()}
		require.NoError(l, l.repairer(slowEvidence{l.store}).Work(l.Context(), w, time.Now().Add(20*time.Second)))
		hours := w.Verification.Windows
		require.Positive(l, hours)
		time.Sleep(archive.LeaseLength)
		_, err := l.repairs(l.store)
		require.NoError(l, err)
		err = l.repairer(l.store).Work(l.Context(), w, time.Now().Add(20*time.Second))
		require.ErrorContains(l, err, "nothing of it is to be repaired")
	})
}

// slowEvidence takes ten seconds for each day.
type slowEvidence struct{ *tablestest.Store }

func (s slowEvidence) Inspect(ctx context.Context, stream entra.Stream, from, to time.Time) iter.Seq2[archive.Inspected, error] {
	time.Sleep(10 * time.Second)
	return s.Store.Inspect(ctx, stream, from, to)
}

// losing is a store that hears no first answer to a write.
func (l *lab) losing() *tablestest.Store {
	store, err := tablestest.New(tables.Config{ConnectionString: l.service.ConnectionString(), HTTP: &http.Client{Transport: &deaf{wire: &wire{service: l.service}}}})
	require.NoError(l, err)
	return store
}

// deaf is a connection that breaks off at every other answer to a write.
type deaf struct {
	*wire
	mu    sync.Mutex
	heard bool
}

// RoundTrip is http.RoundTripper's.
func (d *deaf) RoundTrip(req *http.Request) (*http.Response, error) {
	before := d.wire.count()
	resp, err := d.wire.RoundTrip(req)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || d.wire.count() == before {
		return resp, err
	}
	if d.heard = !d.heard; d.heard {
		return nil, io.ErrUnexpectedEOF
	}
	return resp, nil
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writes
}
