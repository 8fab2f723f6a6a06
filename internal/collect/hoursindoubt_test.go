package collect_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/verify"
)

// TestRowsThatTheLedgerDoesNotCountAreInDoubtUntilGraphWasAsked: nothing of such an hour is counted
// or sealed before.
func TestRowsThatTheLedgerDoesNotCountAreInDoubtUntilGraphWasAsked(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-50*time.Hour), lab.Start.Add(lab.Days), 20*time.Minute)
		l.Runs(5*time.Minute, lab.Start.Add(11*time.Minute))
		hour := entra.FloorHour(lab.Start.Add(-20 * time.Hour))
		late := l.Tenant.Add(lab.Stream, "late", hour.Add(7*time.Minute), "stored, not counted")
		l.Plant(late)
		l.Dies(hour, hour.Add(time.Hour))
		time.Sleep(4 * time.Minute)
		asked := 0
		l.Tenant.Fails = func(entra.Stream) error { // Graph does not answer yet
			asked++
			return &entra.Error{Code: entra.CodeUnavailable, Doing: "read", Why: "Graph is down"}
		}
		before := l.Progress(lab.Stream)
		_, err := l.Run()
		require.Error(l, err)
		p, cov := l.Progress(lab.Stream), l.Hours(lab.Stream)[hour]
		require.True(l, cov.Doubt)
		require.EqualValues(l, 3, cov.Records, "it is not counted")
		require.Equal(l, before.Tally, p.Tally)
		require.EqualValues(l, 1, p.Doubts)
		require.Equal(l, hour, p.CompleteUntil())
		require.Positive(l, asked)
		l.Tenant.Fails = nil
		time.Sleep(5 * time.Minute)
		report, err := l.Run()
		require.NoError(l, err)
		cov = l.Hours(lab.Stream)[hour]
		require.False(l, cov.Doubt)
		require.EqualValues(l, 4, cov.Records)
		require.EqualValues(l, 4, cov.New, "a row that the read meets counts as new, whoever wrote it")
		require.Zero(l, cov.Unconfirmed+cov.Unmet)
		require.Positive(l, report.Streams[0].Reads)
		time.Sleep(11 * time.Minute)
		l.Runs(5*time.Minute, time.Now().Add(6*time.Minute))
		require.Empty(l, l.Progress(lab.Stream).Suspects)
		lab.CheckLedger(l.T, l.Store, lab.Stream)
		l.CheckClaims(lab.Stream)
	})
}

// TestRowsThatTwoWholeReadsDoNotMeetAreAFinding: Graph is asked twice before it is believed.
func TestRowsThatTwoWholeReadsDoNotMeetAreAFinding(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-50*time.Hour), lab.Start.Add(lab.Days), 20*time.Minute)
		l.SealIn()
		hour := entra.FloorHour(lab.Start.Add(-20 * time.Hour))
		forged, err := logs.ParseRecord(lab.Stream, []byte(lab.Record(lab.Stream, "forged",
			lab.Start.Sub(hour.Add(time.Minute)), "Graph never had it")))
		require.NoError(l, err)
		first := l.Hours(lab.Stream)[hour]
		last, err := l.Store.Seal(l.Context(), lab.Stream, first.LastSeal)
		require.NoError(l, err)
		_, err = l.Store.Insert(l.Context(), forged.Window(lab.Stream), []entra.Record{forged},
			last.SealedAt.Add(-time.Second))
		require.NoError(l, err)
		l.Dies(hour, hour.Add(time.Hour))
		time.Sleep(3 * time.Minute)
		require.NoError(l, ignore(l.Run()))
		cov := l.Hours(lab.Stream)[hour]
		require.True(l, cov.Doubt, "one answer of Graph is not believed")
		require.EqualValues(l, 1, cov.Unmet)
		time.Sleep(12 * time.Minute)
		require.NoError(l, ignore(l.Run()))
		cov = l.Hours(lab.Stream)[hour]
		require.False(l, cov.Doubt)
		require.EqualValues(l, 1, cov.Unmet, "it is counted apart")
		require.EqualValues(l, 3, cov.Records)
		require.Equal(l, ledger.WindowSealed, cov.State)
		entry, err := l.Store.Seal(l.Context(), lab.Stream, cov.LastSeal)
		require.NoError(l, err)
		require.Contains(l, entry.Reason,
			"contents came after the seal by a run that was stopped; 1 that two reads of the whole hour did not meet")
		findings, _ := lab.Verify(l.T, l.Store, l.Heads)
		found := lab.Tampering(findings)
		require.Len(l, found, 1, "%v", found)
		require.Equal(l, hour, found[0].Hour)
		require.Contains(l, found[0].Detail, "1 contents are there that two reads of the whole hour did not meet")
	})
}

func ignore(_ collect.Report, err error) error { return err }

// TestContentsThatGraphRefusesAsTooOldAreUnconfirmed: counted apart, and sealed with that word.
func TestContentsThatGraphRefusesAsTooOldAreUnconfirmed(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Keeps = 7 * lab.Days
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-3*lab.Days), lab.Start.Add(9*lab.Days), 45*time.Minute)
		l.Options.Passes, l.Options.Backfill = []time.Duration{3 * time.Hour, 5 * lab.Days}, 3*lab.Days
		l.Runs(5*time.Minute, lab.Start.Add(11*time.Minute))
		hour := entra.FloorHour(lab.Start.Add(-2 * lab.Days))
		held := l.Hours(lab.Stream)[hour]
		lone, err := logs.ParseRecord(lab.Stream, []byte(lab.Record(lab.Stream, "lone",
			lab.Start.Sub(hour.Add(time.Minute)), "of a run that died")))
		require.NoError(l, err)
		l.Plant(lone)
		l.Dies(hour, hour.Add(time.Hour))
		time.Sleep(8 * lab.Days)
		l.Runs(time.Hour, time.Now().Add(2*time.Hour+time.Minute))
		cov := l.Hours(lab.Stream)[hour]
		require.False(l, cov.Doubt)
		require.EqualValues(l, 1, cov.Unconfirmed)
		require.Equal(l, held.Records, cov.Records, "it is counted apart")
		require.Equal(l, ledger.WindowSealed, cov.State)
		entry, err := l.Store.Seal(l.Context(), lab.Stream, cov.LastSeal)
		require.NoError(l, err)
		require.Contains(l, entry.Reason, "1 unconfirmed")
		require.Equal(l, cov.Records+1, entry.Leaves, "and sealed")
		findings, _ := lab.Verify(l.T, l.Store, l.Heads)
		require.Empty(l, lab.Tampering(findings))
		require.True(l, slices.ContainsFunc(findings, func(f verify.Finding) bool {
			return f.Difference == verify.DiffUnconfirmed && f.Hour.Equal(hour) &&
				strings.Contains(f.Detail, "1 contents were stored by a run that died")
		}))
		p := l.Progress(lab.Stream)
		require.Contains(l, p.WhyNotRead(cov), "1 unconfirmed")
	})
}

// TestContentsThatComeBackKeepEveryEarlierSeal: A, B, A, B, A, with a seal after each.
func TestContentsThatComeBackKeepEveryEarlierSeal(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-50*time.Hour), lab.Start.Add(lab.Days), 20*time.Minute)
		hour := entra.FloorHour(lab.Start.Add(-20 * time.Hour))
		l.Tenant.Add(lab.Stream, "swings", hour.Add(5*time.Minute), "A")
		l.SealIn()
		for _, content := range []string{"B", "A", "B", "A", "C", "B"} {
			l.Tenant.Add(lab.Stream, "swings", hour.Add(5*time.Minute), content)
			time.Sleep(time.Hour)
			report, err := l.Collector(l.Store, l.Tenant).Range(l.Context(), lab.Execution(),
				[]entra.Stream{lab.Stream}, hour,
				hour.Add(time.Hour), lab.Budget)
			require.NoError(l, err)
			require.Equal(l, 1, report.Streams[0].Sealed)
			findings, _ := lab.Verify(l.T, l.Store, l.Heads)
			require.Empty(l, lab.Tampering(findings), "after %s", content)
		}
		lab.CheckLedger(l.T, l.Store, lab.Stream)
		cov := l.Hours(lab.Stream)[hour]
		require.EqualValues(l, 7, cov.Seals)
		require.EqualValues(l, 2, cov.Versions, "three contents, whichever came how often")
		// The dates alone lead to every seal, too: what was kept beside the seals is gone.
		emptyTable(l, "leaves"+hour.Format("200601"))
		findings, _ := lab.Verify(l.T, l.Store, l.Heads)
		for _, f := range lab.Tampering(findings) {
			require.Equal(l, verify.DiffDerived, f.Difference, "%v", f)
			require.Contains(l, f.Detail, "the seal itself agrees")
		}
	})
}

// emptyTable deletes every row of a table.
func emptyTable(l *lab.Lab, name string) {
	rows := l.Service.Rows(name)
	require.NotEmpty(l, rows, name)
	for _, r := range rows {
		_, err := l.Hand(name).DeleteEntity(l.Context(), r.Partition, r.Key, nil)
		require.NoError(l, err)
	}
}

// TestWhatARunWritesIsNoTamperingBeforeItIsCounted: verify may come between, or after the run was
// killed.
func TestWhatARunWritesIsNoTamperingBeforeItIsCounted(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-50*time.Hour), lab.Start.Add(lab.Days), 20*time.Minute)
		l.SealIn()
		hour := entra.FloorHour(lab.Start.Add(-20 * time.Hour))
		late := l.Tenant.Add(lab.Stream, "late", hour.Add(7*time.Minute), "stored, not counted")
		l.Plant(late)
		findings, _ := lab.Verify(l.T, l.Store, l.Heads)
		require.Len(l, lab.Tampering(findings), 1, "a row that no run has written")
		l.Dies(hour, hour.Add(time.Hour))
		findings, _ = lab.Verify(l.T, l.Store, l.Heads)
		require.Empty(l, lab.Tampering(findings))
		require.True(l, slices.ContainsFunc(findings,
			func(f verify.Finding) bool { return f.Difference == verify.DiffUnconfirmed && f.Hour.Equal(hour) }))
		time.Sleep(3 * time.Minute)
		require.NoError(l, ignore(l.Run()))
		findings, _ = lab.Verify(l.T, l.Store, l.Heads)
		require.Empty(l, lab.Tampering(findings))
		require.Equal(l, ledger.WindowReopened, l.Hours(lab.Stream)[hour].State, "more may still arrive")
		time.Sleep(11 * time.Minute)
		require.NoError(l, ignore(l.Run()))
		cov := l.Hours(lab.Stream)[hour]
		require.EqualValues(l, 2, cov.Seals, "it is sealed again with what came")
		require.EqualValues(l, 4, cov.Records)
	})
}

// TestHoursInDoubtWithManyPagesAreReadWhole: an ordered walk ends after a hundred pages, and spans
// of unordered streams shrink.
func TestHoursInDoubtWithManyPagesAreReadWhole(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		t.Run(fmt.Sprintf("ordered %v", ordered), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) { manyPages(l, ordered) })
		})
	}
}

func manyPages(l *lab.Lab, ordered bool) {
	l.Tenant.InOrder, l.Options.Backfill = ordered, 25*time.Hour
	hours, records := 12, 25
	if ordered {
		hours, records = 1, 130
	}
	first := entra.FloorHour(lab.Start.Add(-24 * time.Hour))
	for n := range hours {
		hour := first.Add(time.Duration(2*n) * time.Hour)
		l.Tenant.Fill(lab.Stream, hour, hour.Add(time.Duration(records)*20*time.Second), 20*time.Second)
	}
	l.Runs(5*time.Minute, lab.Start.Add(6*time.Minute))
	p, all := l.Progress(lab.Stream), l.Hours(lab.Stream)
	var doubts []ledger.Coverage
	for n := range hours {
		cov := all[first.Add(time.Duration(2*n)*time.Hour)]
		cov.Doubt, p.Doubts = true, p.Doubts+1
		doubts = append(doubts, cov)
	}
	p.DoubtFrom, p.DoubtTo = first, first.Add(24*time.Hour)
	l.Write(p, doubts...)
	if ordered { // its last page has uncounted records
		l.Plant(l.Tenant.Add(lab.Stream, "late", first.Add(59*time.Minute), ""))
		l.Dies(first, first.Add(time.Hour))
	}
	l.Tenant.PageSize, l.Tenant.PageTakes = 1, 50*time.Millisecond
	time.Sleep(time.Hour)
	_, err := l.Run()
	require.NoError(l, err)
	require.Zero(l, l.Progress(lab.Stream).Doubts, "one run is enough")
	for _, cov := range l.Hours(lab.Stream) {
		require.Zero(l, cov.Unmet+cov.Unconfirmed, "%s: what was not read yet is not missing", cov.Window)
	}
	l.CheckClaims(lab.Stream)
}
