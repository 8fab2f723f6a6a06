package repair_test

import (
	"context"
	"io"
	"iter"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/repair"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/verify"
)

// TestOfTwoRepairsAtOnceOneRepairs: the other finds nothing left.
func TestOfTwoRepairsAtOnceOneRepairs(t *testing.T) {
	for _, h := range harms() {
		t.Run(h.name, func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				journeys()[0].begin(l)
				h.do(l)
				var (
					group sync.WaitGroup
					errs  = make([]error, 3)
				)
				for i := range errs {
					store, _ := l.Process()
					group.Go(func() { _, errs[i] = repairs(l, store) })
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
				l.CheckClaims(lab.Stream)
				lab.CheckLedgerTotals(l)
				require.Empty(l, tampered(l))
			})
		})
	}
}

// TestARepairBesideARun: only the lease's owner works. A run that has it rewrites the row itself; a
// run that comes while a repair has it commits nothing.
func TestARepairBesideARun(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(lab.Days), 10*time.Minute)
		b := l.Start(l.Store, l.Slowly(20, 10*time.Second), 0, 8*time.Minute)
		time.Sleep(65 * time.Second)
		require.True(l, l.Lease().Held())
		remove(l, "progress")
		_, err := repairs(l, l.Store)
		<-b.Done
		require.NoError(l, b.Err)
		require.Equal(l, entra.CodeConflict, entra.CodeOf(err), "%v", err)
		require.ErrorContains(l, err, "nothing of it is to be repaired")
		l.Runs(10*time.Minute, time.Now().Add(time.Hour))

		remove(l, "progress")
		held := &repair.Repairing{Stream: lab.Stream, By: lab.Execution()}
		require.NoError(l, repairer(l, slowEvidence{l.Store}).Work(l.Context(), held, time.Now().Add(15*time.Second)))
		require.False(l, held.Done)
		_, err = l.Run()
		require.Equal(l, entra.CodeTampered, entra.CodeOf(err), "nobody gets at it meanwhile")
		short, stop := context.WithTimeout(l.Context(), 10*time.Second)
		defer stop()
		err = repairer(l, l.Store).Work(short, &repair.Repairing{Stream: lab.Stream, By: lab.Execution()},
			time.Now().Add(time.Minute))
		require.ErrorContains(l, err, "a test has it (execution "+held.By.ID)
		require.NoError(l, repairer(l, l.Store).Work(l.Context(), held, time.Now().Add(time.Minute)))
		require.True(l, held.Done)
		l.Runs(10*time.Minute, time.Now().Add(time.Hour))
		l.CheckClaims(lab.Stream)
		require.Empty(l, tampered(l))
	})
}

// TestARepairThatIsKilledAtAnyRequestIsDoneByTheNext: before the request is executed, or after it
// with its answer lost.
func TestARepairThatIsKilledAtAnyRequestIsDoneByTheNext(t *testing.T) {
	for _, h := range harms() {
		t.Run(h.name, func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				journeys()[0].begin(l)
				h.do(l)
				ready, shelved := l.Service.Snapshot(), len(l.Heads.All)
				store, whole := l.Process()
				_, err := repairs(l, store)
				require.NoError(l, err)
				require.GreaterOrEqual(l, whole.Writes, 4)
				for at := 1; at <= whole.Writes; at++ {
					for _, carriedOut := range []bool{false, true} {
						l.Service.Restore(ready)
						l.Heads.All = l.Heads.All[:shelved]
						store, connection := l.Process()
						connection.DiesAt, connection.Stored = at, carriedOut
						_, err := repairs(l, store)
						time.Sleep(ledger.LeaseLength)
						_, again := repairs(l, l.Store)
						if again != nil { // the first one was past its commit
							require.Equal(l, entra.CodeConflict, entra.CodeOf(again), "%d %v: %v, then %v", at,
								carriedOut, err, again)
							require.ErrorContains(l, again, "the last repair was on")
						}
						l.Progress(lab.Stream)
						every(l, 20*time.Minute, time.Hour)
						lab.CheckLedgerTotals(l)
						require.Empty(l, tampered(l), "killed at %d, carried out: %v", at, carriedOut)
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
			lab.In(t, func(l *lab.Lab) {
				journeys()[0].begin(l)
				h.do(l)
				store := losing(l)
				w, err := repairs(l, store)
				require.NoError(l, err)
				require.True(l, w.Done)
				notes := 0
				for entry, err := range l.Store.Seals(l.Context(), lab.Stream) {
					require.NoError(l, err)
					if _, ok := ledger.RepairOf(entry); ok {
						notes++
					}
				}
				require.Equal(l, 1, notes)
				every(l, 20*time.Minute, time.Hour)
				require.Empty(l, tampered(l))
			})
		})
	}
}

// TestARepairGoesOnWhereItsLastSliceEnded: and restarts after a commit in between.
func TestARepairGoesOnWhereItsLastSliceEnded(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		journeys()[0].begin(l)
		remove(l, "progress")
		for _, plan := range []bool{true, false} {
			w, slices := &repair.Repairing{Stream: lab.Stream, By: lab.Execution(), Plan: plan}, 0
			for ; !w.Done; slices++ {
				hours := w.Verification.Windows
				require.NoError(l, repairer(l, slowEvidence{l.Store}).Work(l.Context(), w,
					time.Now().Add(20*time.Second)))
				require.Greater(l, w.Verification.Windows, hours)
				time.Sleep(5 * time.Second)
			}
			require.Greater(l, slices, 1)
		}
		l.Progress(lab.Stream)

		remove(l, "progress")
		w := &repair.Repairing{Stream: lab.Stream, By: lab.Execution()}
		require.NoError(l, repairer(l, slowEvidence{l.Store}).Work(l.Context(), w, time.Now().Add(20*time.Second)))
		hours := w.Verification.Windows
		require.Positive(l, hours)
		time.Sleep(ledger.LeaseLength)
		_, err := repairs(l, l.Store)
		require.NoError(l, err)
		err = repairer(l, l.Store).Work(l.Context(), w, time.Now().Add(20*time.Second))
		require.ErrorContains(l, err, "nothing of it is to be repaired")
	})
}

// slowEvidence needs ten seconds for each day.
type slowEvidence struct{ *tablestest.Store }

func (s slowEvidence) Inspect(
	ctx context.Context, stream entra.Stream, from, to time.Time,
) iter.Seq2[verify.Inspected, error] {
	time.Sleep(10 * time.Second)
	return s.Store.Inspect(ctx, stream, from, to)
}

// losing is a store that hears no first answer to a write.
func losing(l *lab.Lab) *tablestest.Store {
	store, err := tablestest.New(tables.Config{ConnectionString: l.Service.ConnectionString(),
		HTTP: &http.Client{Transport: &deaf{Wire: &lab.Wire{Service: l.Service}}}})
	require.NoError(l, err)
	return store
}

// deaf is a connection that breaks off at every other answer to a write.
type deaf struct {
	*lab.Wire
	mu    sync.Mutex
	heard bool
}

// RoundTrip is http.RoundTripper's.
func (d *deaf) RoundTrip(req *http.Request) (*http.Response, error) {
	before := d.Wire.Count()
	resp, err := d.Wire.RoundTrip(req)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || d.Wire.Count() == before {
		return resp, err
	}
	if d.heard = !d.heard; d.heard {
		return nil, io.ErrUnexpectedEOF
	}
	return resp, nil
}
