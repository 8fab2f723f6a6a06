package archive_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// slowStore is a store of a process whose every request takes a while, so that others come between.
func (l *lab) slowStore(seed uint64) *tablestest.Store {
	store, w := l.process()
	var mu sync.Mutex // several requests are under way
	random := rand.New(rand.NewPCG(seed, 1))
	w.before = func(*memstorage.Request) {
		mu.Lock()
		wait := time.Duration(random.IntN(9)) * time.Millisecond
		mu.Unlock()
		time.Sleep(wait)
	}
	return store
}

// works lets runs, ranges, a purge and an indexer follow each other, while records come and change.
func (l *lab) works() (done chan error) {
	done = make(chan error, 1)
	store := l.slowStore(1)
	go func() {
		done <- func() error {
			for n := range 6 {
				at := time.Now().Add(-30 * time.Minute)
				l.tenant.add(stream, fmt.Sprint("new-", n), at, "A")
				l.tenant.add(stream, "again", november.Add(40*time.Hour), fmt.Sprint(n%3))
				c := l.collector(store, l.tenant)
				if _, err := c.Run(l.Context(), execution(), []entra.Stream{stream}, budget); err != nil {
					return err
				}
				if _, err := c.Range(l.Context(), execution(), []entra.Stream{stream}, november.Add(40*time.Hour),
					november.Add(41*time.Hour), budget); err != nil {
					return err
				}
				if n%3 == 2 {
					if _, err := l.purge(store, keep35); err != nil {
						return err
					}
					if _, err := archive.UpdateIndex(l.Context(), store, execution(), stream, false,
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
// index, is killed between any two hours, and goes on.
func TestVerifyBesideRunsAndPurgesFindsNothing(t *testing.T) {
	inLabAt(t, november.Add(5*time.Hour), func(l *lab) {
		l.options.Backfill, l.tenant.keeps = 8*time.Hour, 60*days
		l.tenant.fill(stream, november.Add(-4*time.Hour), november.Add(50*time.Hour), 20*time.Minute)
		l.runs(3*time.Hour, november.Add(60*time.Hour))
		l.until(december)
		_, err := l.collector(l.store, l.tenant).Run(l.Context(), execution(), []entra.Stream{stream}, 10*time.Minute)
		require.NoError(l, err)
		done := l.works()
		verified, slices := 0, 0
		for ended := false; !ended; verified++ {
			select {
			case err := <-done:
				require.NoError(l, err)
				ended = true
			default:
			}
			store := l.slowStore(uint64(verified))
			v := archive.Verification{Streams: []entra.Stream{stream}}
			for !v.Done() {
				length := time.Hour
				if verified%2 == 0 {
					length = 40 * time.Millisecond
				}
				require.NoError(l, v.Work(l.Context(), store, l.heads, time.Now().Add(length)))
				slices++
				body, err := json.Marshal(v) // it is killed, and another process goes on
				require.NoError(l, err)
				v = archive.Verification{}
				require.NoError(l, json.Unmarshal(body, &v))
			}
			requireSound(l, v)
		}
		require.Greater(l, verified, 2)
		require.Greater(l, slices, 10*verified/2)
		require.Positive(l, l.progress(stream).Purged)
	})
}

func requireSound(l *lab, v archive.Verification) {
	l.Helper()
	bad := slices.DeleteFunc(slices.Clone(v.Findings),
		func(f archive.Finding) bool { return !f.Difference.IsTampering() })
	require.Empty(l, bad)
	require.True(l, v.Intact())
}

// TestFindingsOfTamperingAreNeverCrowdedOut: a thousand hours that are not sealed are one line.
func TestFindingsOfTamperingAreNeverCrowdedOut(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-2*days), start.Add(days), 3*time.Hour)
		l.runs(5*time.Minute, start.Add(11*time.Minute))
		p := l.progress(stream)
		var rows []archive.Coverage
		first := p.Begin.Add(-1008 * time.Hour)
		for n := range 1008 {
			hour := first.Add(time.Duration(n) * time.Hour)
			rows = append(rows, archive.Coverage{Window: entra.Window{Stream: stream, Start: hour},
				State: archive.WindowComplete, HasSum: true, Passes: 1,
				FirstReadAt: p.LastRunAt, LastReadAt: p.LastRunAt, PassedAt: p.LastRunAt})
		}
		p.Begin = first
		for part := range slices.Chunk(rows, archive.MaxCommit) {
			l.write(p, part...)
			p = l.progress(stream)
		}
		for _, r := range l.service.Rows(tableOf(start)) {
			e := l.get(tableOf(start), r.Partition, r.Key)
			l.set(tableOf(start), e.with("Codec", "zip"))
		}
		v := archive.Verification{Streams: []entra.Stream{stream}}
		require.NoError(l, v.Work(l.Context(), l.store, l.heads, time.Now().Add(time.Hour)))
		require.EqualValues(l, 1008, v.Counts[archive.DiffUnsealed])
		require.True(l, slices.ContainsFunc(v.Ranges, func(r archive.Range) bool {
			return r.Difference == archive.DiffUnsealed && r.Hours >= 1000
		}), "%v", v.Ranges)
		require.Positive(l, v.Counts[archive.DiffAltered])
		require.True(l, v.Findings[0].Difference.IsTampering())
		for _, f := range v.Findings {
			require.NotEqual(l, archive.DiffUnsealed, f.Difference)
			require.NotEqual(l, archive.DiffMissing, f.Difference)
		}
	})
}

// TestAVerificationFitsTheRowOfItsJob: with as many findings and ranges as it names, each as long
// as may be.
func TestAVerificationFitsTheRowOfItsJob(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-30*time.Hour), start, 30*time.Second)
		l.options.Backfill = 30 * time.Hour
		l.runs(5*time.Minute, start.Add(6*time.Minute))
		random := rand.New(rand.NewPCG(3, 3))
		for n, r := range l.service.Rows(tableOf(start)) {
			if n == 1500 {
				break
			}
			e := l.get(tableOf(start), r.Partition, r.Key)
			l.set(tableOf(start), e.with("Codec", fmt.Sprint(random.Uint64())))
		}
		v := archive.Verification{Streams: []entra.Stream{stream}}
		require.NoError(l, v.Work(l.Context(), l.store, l.heads, time.Now().Add(time.Hour)))
		require.Len(l, v.Findings, archive.MaxFindings)
		require.Positive(l, v.More)
		body, err := json.Marshal(v)
		require.NoError(l, err)
		require.Less(l, len(body), 600<<10, "a row takes 704 KiB, and it is compressed")
	})
}
