package archive_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
)

// hand is somebody who can write every table.
func (l *lab) hand(table string) *aztables.Client {
	service, err := aztables.NewServiceClientFromConnectionString(l.service.ConnectionString(),
		&aztables.ClientOptions{ClientOptions: policy.ClientOptions{Transport: &http.Client{Transport: l.service}}})
	require.NoError(l, err)
	return service.NewClient(table)
}

func tableOf(at time.Time) string { return tables.TableName(entra.WindowOf(stream, at)) }

// plant stores a record as a run does that dies before it counts it, under a stamp after the last
// holder's.
func (l *lab) plant(rec entra.Record) {
	_, lease, err := l.store.State(l.Context(), stream)
	require.NoError(l, err)
	_, err = l.store.Insert(l.Context(), rec.Window(stream), []entra.Record{rec}, lease.Stamp.Add(entra.Tick))
	require.NoError(l, err)
}

// dies says in the ledger that a run was killed while it read a span: its lease is taken, and it
// never gives it back.
func (l *lab) dies(from, to time.Time) {
	p, lease, err := l.store.State(l.Context(), stream)
	require.NoError(l, err)
	p.ReadingFrom, p.ReadingTo = from, to
	lease.Execution, lease.Length = archive.Execution{ID: "dead", Work: "a test"}, archive.LeaseLength
	lease.Fence++
	_, err = l.store.Commit(l.Context(), lease, p, nil, nil)
	require.NoError(l, err)
}

func TestASumTellsContentsApartInAnyOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	all := make([]archive.Sum, 200)
	for i := range all {
		all[i] = archive.SumOf(fmt.Sprint("key-", i), entra.HashOf([]byte(fmt.Sprint(i))))
	}
	total := func() (s archive.Sum) {
		for _, one := range all {
			s.Add(one)
		}
		return s
	}
	want := total()
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	require.Equal(t, want, total())
	less := want
	less.Sub(all[7])
	require.NotEqual(t, want, less)
	less.Add(all[7])
	require.Equal(t, want, less)
	twice := want
	twice.Add(all[7])
	require.NotEqual(t, want, twice, "a content that is there twice shows")
	h := entra.HashOf([]byte("x"))
	require.NotEqual(t, archive.SumOf("a", h), archive.SumOf("b", h), "the key counts")
	require.NotEqual(t, archive.SumOf("a", h), archive.SumOf("a", entra.HashOf([]byte("y"))), "the content counts")
	var zero archive.Sum
	zero.Sub(all[0])
	zero.Add(all[0])
	require.Zero(t, zero, "carries go through all bytes")
}

// TestRowsThatTheLedgerDoesNotCountAreInDoubtUntilGraphWasAsked: nothing of such an hour is counted
// or sealed before.
func TestRowsThatTheLedgerDoesNotCountAreInDoubtUntilGraphWasAsked(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-50*time.Hour), start.Add(days), 20*time.Minute)
		l.runs(5*time.Minute, start.Add(11*time.Minute))
		hour := entra.FloorHour(start.Add(-20 * time.Hour))
		late := l.tenant.add(stream, "late", hour.Add(7*time.Minute), "stored, not counted")
		l.plant(late)
		l.dies(hour, hour.Add(time.Hour))
		time.Sleep(4 * time.Minute)
		asked := 0
		l.tenant.fails = func(entra.Stream) error { // Graph does not answer yet
			asked++
			return &entra.Error{Code: entra.CodeUnavailable, Doing: "read", Why: "Graph is down"}
		}
		before := l.progress(stream)
		_, err := l.run()
		require.Error(l, err)
		p, cov := l.progress(stream), l.hours(stream)[hour]
		require.True(l, cov.Doubt)
		require.EqualValues(l, 3, cov.Records, "it is not counted")
		require.Equal(l, before.Tally, p.Tally)
		require.EqualValues(l, 1, p.Doubts)
		require.Equal(l, hour, p.CompleteUntil())
		require.Positive(l, asked)
		l.tenant.fails = nil
		time.Sleep(5 * time.Minute)
		report, err := l.run()
		require.NoError(l, err)
		cov = l.hours(stream)[hour]
		require.False(l, cov.Doubt)
		require.EqualValues(l, 4, cov.Records)
		require.EqualValues(l, 4, cov.New, "a row that the read meets counts as new, whoever wrote it")
		require.Zero(l, cov.Unconfirmed+cov.Unmet)
		require.Positive(l, report.Streams[0].Reads)
		time.Sleep(11 * time.Minute)
		l.runs(5*time.Minute, time.Now().Add(6*time.Minute))
		require.Empty(l, l.progress(stream).Suspects)
		checkLedger(l.T, l.store, stream)
		l.checkClaims(stream)
	})
}

// sealIn lets the timer go on until everything up to start is sealed.
func (l *lab) sealIn() {
	l.runs(5*time.Minute, time.Now().Add(11*time.Minute))
	time.Sleep(4 * time.Hour)
	l.runs(5*time.Minute, time.Now().Add(11*time.Minute))
	require.False(l, l.progress(stream).SealedTo.Before(entra.FloorHour(start)))
}

// TestRowsThatTwoWholeReadsDoNotMeetAreAFinding: Graph is asked twice before it is believed.
func TestRowsThatTwoWholeReadsDoNotMeetAreAFinding(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-50*time.Hour), start.Add(days), 20*time.Minute)
		l.sealIn()
		hour := entra.FloorHour(start.Add(-20 * time.Hour))
		forged, err := logs.ParseRecord(stream, []byte(record(stream, "forged", start.Sub(hour.Add(time.Minute)), "Graph never had it")))
		require.NoError(l, err)
		first := l.hours(stream)[hour]
		last, err := l.store.Seal(l.Context(), stream, first.LastSeal)
		require.NoError(l, err)
		_, err = l.store.Insert(l.Context(), forged.Window(stream), []entra.Record{forged}, last.SealedAt.Add(-time.Second))
		require.NoError(l, err)
		l.dies(hour, hour.Add(time.Hour))
		time.Sleep(3 * time.Minute)
		require.NoError(l, ignore(l.run()))
		cov := l.hours(stream)[hour]
		require.True(l, cov.Doubt, "one answer of Graph is not believed")
		require.EqualValues(l, 1, cov.Unmet)
		time.Sleep(12 * time.Minute)
		require.NoError(l, ignore(l.run()))
		cov = l.hours(stream)[hour]
		require.False(l, cov.Doubt)
		require.EqualValues(l, 1, cov.Unmet, "it is counted apart")
		require.EqualValues(l, 3, cov.Records)
		require.Equal(l, archive.WindowSealed, cov.State)
		entry, err := l.store.Seal(l.Context(), stream, cov.LastSeal)
		require.NoError(l, err)
		require.Contains(l, entry.Reason, "contents came after the seal by a run that was stopped; 1 that two reads of the whole hour did not meet")
		findings, _ := verify(l.T, l.store, l.heads)
		found := tampering(findings)
		require.Len(l, found, 1, "%v", found)
		require.Equal(l, hour, found[0].Hour)
		require.Contains(l, found[0].Detail, "1 contents are there that two reads of the whole hour did not meet")
	})
}

func ignore(_ archive.Report, err error) error { return err }

// TestWhereGraphCanNotBeAskedAnyMoreContentsAreUnconfirmed: counted apart, and sealed with that
// word.
func TestWhereGraphCanNotBeAskedAnyMoreContentsAreUnconfirmed(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.keeps = 7 * days
		l.tenant.fill(stream, start.Add(-3*days), start.Add(9*days), 45*time.Minute)
		l.options.Passes, l.options.Backfill = []time.Duration{3 * time.Hour, 5 * days}, 3*days
		l.runs(5*time.Minute, start.Add(11*time.Minute))
		hour := entra.FloorHour(start.Add(-2 * days))
		held := l.hours(stream)[hour]
		lone, err := logs.ParseRecord(stream, []byte(record(stream, "lone", start.Sub(hour.Add(time.Minute)), "of a run that died")))
		require.NoError(l, err)
		l.plant(lone)
		l.dies(hour, hour.Add(time.Hour))
		time.Sleep(8 * days)
		l.runs(time.Hour, time.Now().Add(2*time.Hour+time.Minute))
		cov := l.hours(stream)[hour]
		require.False(l, cov.Doubt)
		require.EqualValues(l, 1, cov.Unconfirmed)
		require.Equal(l, held.Records, cov.Records, "it is counted apart")
		require.Equal(l, archive.WindowSealed, cov.State)
		entry, err := l.store.Seal(l.Context(), stream, cov.LastSeal)
		require.NoError(l, err)
		require.Contains(l, entry.Reason, "1 unconfirmed")
		require.Equal(l, cov.Records+1, entry.Leaves, "and sealed")
		findings, _ := verify(l.T, l.store, l.heads)
		require.Empty(l, tampering(findings))
		require.True(l, slices.ContainsFunc(findings, func(f archive.Finding) bool {
			return f.Difference == archive.DiffUnconfirmed && f.Hour.Equal(hour) && strings.Contains(f.Detail, "1 contents were stored by a run that died")
		}))
		p := l.progress(stream)
		require.Contains(l, p.WhyNotRead(cov), "1 unconfirmed")
	})
}

// TestContentsThatComeBackKeepEveryEarlierSeal: A, B, A, B, A, with a seal after each.
func TestContentsThatComeBackKeepEveryEarlierSeal(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-50*time.Hour), start.Add(days), 20*time.Minute)
		hour := entra.FloorHour(start.Add(-20 * time.Hour))
		l.tenant.add(stream, "swings", hour.Add(5*time.Minute), "A")
		l.sealIn()
		for _, content := range []string{"B", "A", "B", "A", "C", "B"} {
			l.tenant.add(stream, "swings", hour.Add(5*time.Minute), content)
			time.Sleep(time.Hour)
			report, err := l.collector(l.store, l.tenant).Range(l.Context(), execution(), []entra.Stream{stream}, hour, hour.Add(time.Hour), budget)
			require.NoError(l, err)
			require.Equal(l, 1, report.Streams[0].Sealed)
			findings, _ := verify(l.T, l.store, l.heads)
			require.Empty(l, tampering(findings), "after %s", content)
		}
		checkLedger(l.T, l.store, stream)
		cov := l.hours(stream)[hour]
		require.EqualValues(l, 7, cov.Seals)
		require.EqualValues(l, 2, cov.Versions, "three contents, whichever came how often")
		// The dates alone lead to every seal, too: what was kept beside the seals is gone.
		l.emptyTable("leaves" + hour.Format("200601"))
		findings, _ := verify(l.T, l.store, l.heads)
		for _, f := range tampering(findings) {
			require.Equal(l, archive.DiffDerived, f.Difference, "%v", f)
			require.Contains(l, f.Detail, "the seal itself agrees")
		}
	})
}

// emptyTable takes every row of a table away.
func (l *lab) emptyTable(name string) {
	rows := l.service.Rows(name)
	require.NotEmpty(l, rows, name)
	for _, r := range rows {
		_, err := l.hand(name).DeleteEntity(l.Context(), r.Partition, r.Key, nil)
		require.NoError(l, err)
	}
}

// TestWhatARunWritesIsNoTamperingBeforeItIsCounted: verify may come between, or after the run was
// killed.
func TestWhatARunWritesIsNoTamperingBeforeItIsCounted(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-50*time.Hour), start.Add(days), 20*time.Minute)
		l.sealIn()
		hour := entra.FloorHour(start.Add(-20 * time.Hour))
		late := l.tenant.add(stream, "late", hour.Add(7*time.Minute), "stored, not counted")
		l.plant(late)
		findings, _ := verify(l.T, l.store, l.heads)
		require.Len(l, tampering(findings), 1, "a row that no run has written")
		l.dies(hour, hour.Add(time.Hour))
		findings, _ = verify(l.T, l.store, l.heads)
		require.Empty(l, tampering(findings))
		require.True(l, slices.ContainsFunc(findings, func(f archive.Finding) bool { return f.Difference == archive.DiffUnconfirmed && f.Hour.Equal(hour) }))
		time.Sleep(3 * time.Minute)
		require.NoError(l, ignore(l.run()))
		findings, _ = verify(l.T, l.store, l.heads)
		require.Empty(l, tampering(findings))
		require.Equal(l, archive.WindowReopened, l.hours(stream)[hour].State, "more may still arrive")
		time.Sleep(11 * time.Minute)
		require.NoError(l, ignore(l.run()))
		cov := l.hours(stream)[hour]
		require.EqualValues(l, 2, cov.Seals, "it is sealed again with what came")
		require.EqualValues(l, 4, cov.Records)
	})
}

// TestHoursInDoubtWithManyPagesAreReadWhole: an ordered walk ends after a hundred pages, and spans
// of unordered streams shrink.
func TestHoursInDoubtWithManyPagesAreReadWhole(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		t.Run(fmt.Sprintf("ordered %v", ordered), func(t *testing.T) {
			inLab(t, func(l *lab) { l.manyPages(ordered) })
		})
	}
}

func (l *lab) manyPages(ordered bool) {
	l.tenant.ordered, l.options.Backfill = ordered, 25*time.Hour
	hours, records := 12, 25
	if ordered {
		hours, records = 1, 130
	}
	first := entra.FloorHour(start.Add(-24 * time.Hour))
	for n := range hours {
		hour := first.Add(time.Duration(2*n) * time.Hour)
		l.tenant.fill(stream, hour, hour.Add(time.Duration(records)*20*time.Second), 20*time.Second)
	}
	l.runs(5*time.Minute, start.Add(6*time.Minute))
	p, all := l.progress(stream), l.hours(stream)
	var doubts []archive.Coverage
	for n := range hours {
		cov := all[first.Add(time.Duration(2*n)*time.Hour)]
		cov.Doubt, p.Doubts = true, p.Doubts+1
		doubts = append(doubts, cov)
	}
	p.DoubtFrom, p.DoubtTo = first, first.Add(24*time.Hour)
	l.write(p, doubts...)
	if ordered { // its last page has what nobody has counted
		l.plant(l.tenant.add(stream, "late", first.Add(59*time.Minute), ""))
		l.dies(first, first.Add(time.Hour))
	}
	l.tenant.pageSize, l.tenant.pageTakes = 1, 50*time.Millisecond
	time.Sleep(time.Hour)
	_, err := l.run()
	require.NoError(l, err)
	require.Zero(l, l.progress(stream).Doubts, "one run is enough")
	for _, cov := range l.hours(stream) {
		require.Zero(l, cov.Unmet+cov.Unconfirmed, "%s: what was not read yet is not missing", cov.Window)
	}
	l.checkClaims(stream)
}
