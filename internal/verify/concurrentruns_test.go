package verify_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/verify"
)

// slowStore is a store of a process whose every request is slow, so that others come between.
func slowStore(l *lab.Lab, seed uint64) *tablestest.Store {
	store, w := l.Process()
	var mu sync.Mutex // several requests are in progress
	random := rand.New(rand.NewPCG(seed, 1))
	w.Before = func(*memstorage.Request) {
		mu.Lock()
		wait := time.Duration(random.IntN(9)) * time.Millisecond
		mu.Unlock()
		time.Sleep(wait)
	}
	return store
}

// works lets runs, ranges, a purge and an indexer follow each other, while records come and change.
func works(l *lab.Lab) (done chan error) {
	done = make(chan error, 1)
	store := slowStore(l, 1)
	go func() {
		done <- func() error {
			for n := range 6 {
				at := time.Now().Add(-30 * time.Minute)
				l.Tenant.Add(lab.Stream, fmt.Sprint("new-", n), at, "A")
				l.Tenant.Add(lab.Stream, "again", lab.November.Add(40*time.Hour), fmt.Sprint(n%3))
				c := l.Collector(store, l.Tenant)
				if _, err := c.Run(l.Context(), lab.Execution(), []entra.Stream{lab.Stream}, lab.Budget); err != nil {
					return err
				}
				if _, err := c.Range(l.Context(), lab.Execution(), []entra.Stream{lab.Stream},
					lab.November.Add(40*time.Hour),
					lab.November.Add(41*time.Hour), lab.Budget); err != nil {
					return err
				}
				if n%3 == 2 {
					if _, err := l.Purge(store, lab.Keep35); err != nil {
						return err
					}
					if _, err := derive.Update(l.Context(), store, lab.Execution(), lab.Stream, false,
						time.Now().Add(time.Hour)); err != nil {
						return err
					}
				}
				time.Sleep(time.Duration(n%4) * time.Second)
			}
			return nil
		}()
	}()
	return done
}

// TestVerifyBesideRunsAndPurgesFindsNothing: verify reads while others collect, seal, purge and
// index, is killed between any two hours, and continues.
func TestVerifyBesideRunsAndPurgesFindsNothing(t *testing.T) {
	lab.InAt(t, lab.November.Add(5*time.Hour), func(l *lab.Lab) {
		l.Options.Backfill, l.Tenant.Keeps = 8*time.Hour, 60*lab.Days
		l.Tenant.Fill(lab.Stream, lab.November.Add(-4*time.Hour), lab.November.Add(50*time.Hour), 20*time.Minute)
		l.Runs(3*time.Hour, lab.November.Add(60*time.Hour))
		l.Until(lab.December)
		_, err := l.Collector(l.Store, l.Tenant).Run(l.Context(), lab.Execution(), []entra.Stream{lab.Stream},
			10*time.Minute)
		require.NoError(l, err)
		done := works(l)
		verified, slices := 0, 0
		for ended := false; !ended; verified++ {
			select {
			case err := <-done:
				require.NoError(l, err)
				ended = true
			default:
			}
			store := slowStore(l, uint64(verified))
			v := verify.Verification{Streams: []entra.Stream{lab.Stream}}
			for !v.Done() {
				length := time.Hour
				if verified%2 == 0 {
					length = 40 * time.Millisecond
				}
				require.NoError(l, v.Work(l.Context(), store, l.Heads, time.Now().Add(length)))
				slices++
				body, err := json.Marshal(v) // it is killed, and another process continues
				require.NoError(l, err)
				v = verify.Verification{}
				require.NoError(l, json.Unmarshal(body, &v))
			}
			requireSound(l, v)
		}
		require.Greater(l, verified, 2)
		require.Greater(l, slices, 10*verified/2)
		require.Positive(l, l.Progress(lab.Stream).Purged)
	})
}

func requireSound(l *lab.Lab, v verify.Verification) {
	l.Helper()
	bad := slices.DeleteFunc(slices.Clone(v.Findings),
		func(f verify.Finding) bool { return !f.Difference.IsTampering() })
	require.Empty(l, bad)
	require.True(l, v.Intact())
}

// TestFindingsOfTamperingAreNeverCrowdedOut: a thousand hours that are not sealed are one line.
func TestFindingsOfTamperingAreNeverCrowdedOut(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(lab.Days), 3*time.Hour)
		l.Runs(5*time.Minute, lab.Start.Add(11*time.Minute))
		p := l.Progress(lab.Stream)
		var rows []ledger.Coverage
		first := p.Begin.Add(-1008 * time.Hour)
		for n := range 1008 {
			hour := first.Add(time.Duration(n) * time.Hour)
			rows = append(rows, ledger.Coverage{Window: entra.Window{Stream: lab.Stream, Start: hour},
				State: ledger.WindowComplete, HasSum: true, Passes: 1,
				FirstReadAt: p.LastRunAt, LastReadAt: p.LastRunAt, PassedAt: p.LastRunAt})
		}
		p.Begin = first
		for part := range slices.Chunk(rows, ledger.MaxCommit) {
			l.Write(p, part...)
			p = l.Progress(lab.Stream)
		}
		for _, r := range l.Service.Rows(lab.TableOf(lab.Start)) {
			e := get(l, lab.TableOf(lab.Start), r.Partition, r.Key)
			set(l, lab.TableOf(lab.Start), e.With("Codec", "zip"))
		}
		v := verify.Verification{Streams: []entra.Stream{lab.Stream}}
		require.NoError(l, v.Work(l.Context(), l.Store, l.Heads, time.Now().Add(time.Hour)))
		require.EqualValues(l, 1008, v.Counts[verify.DiffUnsealed])
		require.True(l, slices.ContainsFunc(v.Ranges, func(r verify.Range) bool {
			return r.Difference == verify.DiffUnsealed && r.Hours >= 1000
		}), "%v", v.Ranges)
		require.Positive(l, v.Counts[verify.DiffAltered])
		require.True(l, v.Findings[0].Difference.IsTampering())
		for _, f := range v.Findings {
			require.NotEqual(l, verify.DiffUnsealed, f.Difference)
			require.NotEqual(l, verify.DiffMissing, f.Difference)
		}
	})
}

// TestAVerificationFitsTheRowOfItsJob: with as many findings and ranges as it names, each as long
// as may be.
func TestAVerificationFitsTheRowOfItsJob(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-30*time.Hour), lab.Start, 30*time.Second)
		l.Options.Backfill = 30 * time.Hour
		l.Runs(5*time.Minute, lab.Start.Add(6*time.Minute))
		random := rand.New(rand.NewPCG(3, 3))
		for n, r := range l.Service.Rows(lab.TableOf(lab.Start)) {
			if n == 1500 {
				break
			}
			e := get(l, lab.TableOf(lab.Start), r.Partition, r.Key)
			set(l, lab.TableOf(lab.Start), e.With("Codec", fmt.Sprint(random.Uint64())))
		}
		v := verify.Verification{Streams: []entra.Stream{lab.Stream}}
		require.NoError(l, v.Work(l.Context(), l.Store, l.Heads, time.Now().Add(time.Hour)))
		require.Len(l, v.Findings, verify.MaxFindings)
		require.Positive(l, v.More)
		body, err := json.Marshal(v)
		require.NoError(l, err)
		require.Less(l, len(body), 600<<10, "a row takes 704 KiB, and it is compressed")
	})
}
