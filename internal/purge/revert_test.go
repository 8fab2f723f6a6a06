package purge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/ledger"
)

// The deletion that a killed purge had sent is executed after the purge of its hours was reverted.
func TestALateDropDoesNotFollowARevertedPurge(t *testing.T) {
	lab.InNovember(t, func(l *lab.Lab) {
		l.SealOctober()
		store, w := l.Process()
		w.Before = func(r *memstorage.Request) {
			w.Mu.Lock()
			defer w.Mu.Unlock()
			if !w.Dead && strings.HasPrefix(r.String(), "DELETE Tables") {
				w.Dead = true
				go func() { time.Sleep(4 * time.Minute); r.Execute() }() // within the four tries of 60 s
			}
		}
		_, err := l.Purge(store, lab.Keep35)
		require.Error(l, err)
		time.Sleep(3 * time.Minute)
		_, err = l.Purge(l.Store, heldOctober())
		require.NoError(l, err)
		time.Sleep(15 * time.Minute)
		_, err = l.Purge(l.Store, heldOctober())
		require.NoError(l, err)
		v := lab.Verification(l)
		require.True(l, v.Intact(), "the log vouches for what was dropped after it: %v", v.Counts)
	})
}

// An hour that was never read whole is whole after a reverted purge.
func TestAnHourOfARevertedPurgeIsStillInPart(t *testing.T) {
	lab.InNovember(t, func(l *lab.Lab) {
		l.SealOctober()
		hour := lab.November.Add(-2 * time.Hour)
		p, cov := l.Progress(lab.Stream), l.Hours(lab.Stream)[hour]
		require.Equal(l, ledger.WindowSealed, cov.State)
		cov.LostFrom, cov.LostTo = hour.Add(10*time.Minute), hour.Add(30*time.Minute)
		p.Lost, p.LostFrom, p.LostTo = 1, hour, hour.Add(time.Hour)
		p.WindowsComplete--
		l.Write(p, cov)
		interrupt(l)
		time.Sleep(20 * time.Minute)
		_, err := l.Purge(l.Store, heldOctober())
		require.NoError(l, err)
		cov = l.Hours(lab.Stream)[hour]
		require.Equal(l, ledger.WindowSealed, cov.State)
		require.False(l, cov.Whole(), "it is called whole: %+v", cov)
	})
}
