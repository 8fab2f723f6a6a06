package collect_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// A stream that is not collected any more, with an hour in doubt, is sealed and falls under
// retention.
func TestARetiredStreamWithAnHourInDoubtIsSealed(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-30*time.Hour), lab.Start.Add(lab.Days), 20*time.Minute)
		l.Options.Backfill = lab.Days
		l.Runs(5*time.Minute, lab.Start.Add(11*time.Minute))
		hour := entra.FloorHour(lab.Start.Add(-2 * time.Hour))
		l.Plant(l.Tenant.Add(lab.Stream, "late", hour.Add(7*time.Minute), "stored, not counted"))
		l.Dies(hour, hour.Add(time.Hour))
		l.Until(lab.Start.Add(40 * lab.Days))
		for range 5 {
			require.NoError(l, l.Collector(l.Store, l.Tenant).Retire(l.Context(), lab.Execution(), lab.Stream,
				lab.Budget))
			time.Sleep(lab.Days)
		}
		p := l.Progress(lab.Stream)
		require.Zero(l, p.Doubts)
		require.False(l, p.SealedTo.Before(p.Watermark), "sealed to %s of %s", p.SealedTo, p.Watermark)
	})
}

// A stream that is not collected any more, with hours that await a second read.
func TestARetiredStreamWhoseHoursAwaitAReadIsSealed(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		u := four(l, true, []string{"abcd", "abcd"})
		shown := u.Answer
		u.Answer = secondFails(u)
		_, err := l.RunOf(u, 8*time.Minute)
		require.Error(l, err)
		require.Positive(l, l.Progress(lab.Stream).Awaits)
		u.Answer = shown
		l.Until(lab.Start.Add(40 * lab.Days))
		asked := count(u)
		for range 3 {
			require.NoError(l, l.Collector(l.Store, u).Retire(l.Context(), lab.Execution(), lab.Stream, lab.Budget))
			time.Sleep(lab.Days)
		}
		p := l.Progress(lab.Stream)
		require.Zero(l, p.Awaits)
		require.False(l, p.SealedTo.Before(p.Watermark), "sealed to %s of %s", p.SealedTo, p.Watermark)
		require.Equal(l, asked, count(u), "Graph has forgotten it all")
		checkReason(l, hourOfFour, "unconfirmed: Graph had forgotten it before it could be read a "+
			"second time (4 records)")
	})
}

// retire drops what was lost of the last hour before.
func TestRetireKeepsWhatWasLostBefore(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-30*time.Hour), lab.Start.Add(lab.Days), 20*time.Minute)
		l.Options.Backfill = lab.Days
		l.Until(entra.FloorHour(lab.Start).Add(45 * time.Minute))
		_, err := l.Run()
		require.NoError(l, err)
		p := l.Progress(lab.Stream)
		hour := entra.FloorHour(p.Watermark)
		cov, ok := l.Hours(lab.Stream)[hour]
		require.True(l, ok)
		require.Equal(l, ledger.WindowPartial, cov.State)
		// an outage ended within this hour
		cov.LostFrom, cov.LostTo = hour, hour.Add(20*time.Minute)
		p.Lost, p.LostFrom, p.LostTo = 1, hour, hour.Add(time.Hour)
		l.Write(p, cov)
		l.Until(lab.Start.Add(40 * lab.Days))
		require.NoError(l, l.Collector(l.Store, l.Tenant).Retire(l.Context(), lab.Execution(), lab.Stream, lab.Budget))
		cov = l.Hours(lab.Stream)[hour]
		require.Equal(l, hour, cov.LostFrom.UTC(), "known from %s to %s", cov.LostFrom, cov.LostTo)
	})
}

// Paging is lost after many pages of an unordered stream: rows of the second half are dropped.
func TestAnUnorderedWalkThatIsLostDropsNoRows(t *testing.T) {
	t.Run("after full pages", func(t *testing.T) { loseWalk(t, func(s collect.Source) collect.Source { return s }) })
	t.Run("after an empty page", func(t *testing.T) {
		loseWalk(t,
			func(s collect.Source) collect.Source { return gappy{s} })
	})
}

// The index goes by the storage service's clock alone, and every date after it is wrong for good.
func TestAWrongStorageClockDatesNothing(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-60*time.Hour), lab.Start.Add(lab.Days), 20*time.Minute)
		l.Options.Backfill = 60 * time.Hour
		l.SealIn()
		l.Storage = 40 * lab.Days
		_, err := derive.Update(l.Context(), l.Store, lab.Execution(), lab.Stream, true, time.Now().Add(time.Minute))
		require.NoError(l, err)
		l.Storage = 0
		time.Sleep(5 * time.Minute)
		_, err = l.Run()
		require.NoError(l, err)
		require.False(l, l.Lease().Base.After(time.Now().Add(time.Hour)), "what is written now is dated %s",
			l.Lease().Base)
	})
}
