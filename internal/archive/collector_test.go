package archive_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

func TestTheFirstRunArchivesFrontierAndBackfill(t *testing.T) {
	for _, shuffled := range []bool{false, true} {
		t.Run(fmt.Sprintf("shuffled=%v", shuffled), func(t *testing.T) {
			tn, store := newTenant(), newStore(t)
			tn.shuffled, tn.pageSize = shuffled, 100
			fill(tn, stream, 500, 80*time.Minute) // 27 days
			report, err := collect(t, tn, store, archive.Options{})
			require.NoError(t, err)
			require.True(t, report.Finished)
			current, earlier := stored(t, store, tn, stream)
			require.Equal(t, sorted(tn.records[stream]), current)
			require.Empty(t, earlier)
			checkLedger(t, store, stream)
			p := progress(t, store, stream)
			require.Equal(t, archive.StatusCurrent, p.Status(start, 0))
			require.Equal(t, start.Add(-5*time.Minute), p.Watermark)
			require.Zero(t, p.WindowsMissing(entra.FloorHour(start)))
			require.Equal(t, entra.FloorHour(start.Add(-499*80*time.Minute-10*time.Minute)), p.Begin, "nothing is claimed before the oldest record")
			require.LessOrEqual(t, tn.pages, 2*500/100+10, "few records cost few requests")

			before := tn.pages
			_, err = collect(t, tn, store, archive.Options{})
			require.NoError(t, err)
			require.LessOrEqual(t, tn.pages-before, 1, "a run with nothing new costs one request")
			checkLedger(t, store, stream)
		})
	}
}

func TestAnEmptyTenantHasNothingMissing(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	_, err := collect(t, tn, store, archive.Options{})
	require.NoError(t, err)
	p := progress(t, store, stream)
	require.Equal(t, archive.StatusCurrent, p.Status(start, 0))
	require.Zero(t, p.WindowsMissing(entra.FloorHour(start)))
	require.Equal(t, 4, tn.pages, "of the past twice: that it is empty is not believed on one word")
}

func TestBackfillReadsTheOldestWindowFirstAndFrontierComesBefore(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	fill(tn, stream, 100, 6*time.Hour)
	_, err := collect(t, tn, store, archive.Options{})
	require.NoError(t, err)
	require.Equal(t, "2026-11-21T14:00:00Z 2026-11-21T14:25:00Z", tn.reads[0], "the frontier")
	require.Equal(t, "2026-10-22T14:00:00Z 2026-11-21T14:00:00Z", tn.reads[1], "thirty days in one read")
	require.Equal(t, []string{
		"2026-10-22T14:00:00Z 2026-10-27T20:20:00Z",                                              // before the oldest record, once more
		"2026-10-27T20:59:00Z 2026-11-08T21:00:00Z", "2026-11-08T20:59:00Z 2026-11-14T14:00:00Z", // a second read of what no pass reads again
		"2026-11-21T08:20:00Z 2026-11-21T14:00:00Z", // nothing follows the last record: asked for once more
	}, tn.reads[2:])
}

func TestTheStreamWithTheOldestUnreadWindowHasTheNextTurn(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	fill(tn, stream, 200, time.Hour)
	fill(tn, other, 200, time.Hour)
	_, err := collect(t, tn, store, archive.Options{Parallel: 1, Turn: 3}, stream, other)
	require.NoError(t, err)
	for _, s := range []entra.Stream{stream, other} {
		current, _ := stored(t, store, tn, s)
		require.Equal(t, sorted(tn.records[s]), current)
		checkLedger(t, store, s)
	}
	first := slices.DeleteFunc(tn.reads[2:], func(read string) bool { return !strings.HasSuffix(read, " 2026-11-21T14:00:00Z") })
	require.True(t, slices.IsSorted(first), "oldest first, over all streams: %q", tn.reads)
}

func TestTheFrontierGoesOnWhereItStood(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	_, err := collect(t, tn, store, archive.Options{})
	require.NoError(t, err)
	tn.now = start.Add(3 * time.Hour) // the timer stalled
	tn.add(stream, "between", -time.Hour, "")
	tn.add(stream, "late", 6*time.Minute, "came after the first run, within the overlap")
	tn.add(stream, "young", -3*time.Hour+time.Minute, "younger than the lag")
	_, err = collect(t, tn, store, archive.Options{})
	require.NoError(t, err)
	current, _ := stored(t, store, tn, stream)
	require.Equal(t, sorted(tn.records[stream][:2]), current)
	checkLedger(t, store, stream)
	require.Contains(t, tn.reads, "2026-11-21T14:23:00Z 2026-11-21T17:25:00Z")
}

func TestWhenTheClockJumpsBackNothingIsLostOrDoubled(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	fill(tn, stream, 30, time.Hour)
	_, err := collect(t, tn, store, archive.Options{})
	require.NoError(t, err)
	want := progress(t, store, stream)
	tn.now = start.Add(-6 * time.Hour)
	_, err = collect(t, tn, store, archive.Options{})
	require.Equal(t, entra.CodeConflict, entra.CodeOf(err))
	require.ErrorContains(t, err, "the archive was marked as read up to 2026-11-21T14:25:00Z, and it is 2026-11-21T08:30:00Z: a clock was wrong")
	got := progress(t, store, stream)
	require.False(t, got.Watermark.After(tn.now))
	require.Equal(t, archive.StatusFailing, got.Status(tn.now, 0))
	require.Equal(t, want.Tally, got.Tally)
	tn.now = start.Add(time.Hour)
	tn.add(stream, "new", -30*time.Minute, "")
	_, err = collect(t, tn, store, archive.Options{})
	require.NoError(t, err)
	current, earlier := stored(t, store, tn, stream)
	require.Equal(t, sorted(tn.records[stream]), current)
	require.Empty(t, earlier)
	checkLedger(t, store, stream)
}

func TestRecordsThatRepeatOrChangeAreKeptOnceInEachContent(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	tn.pageSize = 2 // versions come on one page and on several
	for i := range 12 {
		id := fmt.Sprintf("id-%d", i/4)
		tn.add(stream, id, time.Hour, fmt.Sprintf("content %d", i%3))
	}
	for range 3 {
		_, err := collect(t, tn, store, archive.Options{})
		require.NoError(t, err)
		current, earlier := stored(t, store, tn, stream)
		require.Len(t, current, 3, "one current row for each id and time")
		require.Equal(t, sorted(tn.records[stream]), sorted(append(current, earlier...)), "every content that was served is there")
		require.Len(t, append(current, earlier...), 9, "and none twice")
		checkLedger(t, store, stream)
	}
}

func TestWhatCantBeFiledIsKeptInQuarantineAndCounted(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	fill(tn, stream, 20, time.Hour)
	bad := []string{`{"createdDateTime":"2026-11-21T14:10:00Z"}`, `{"id":"no time"}`, `["not an object"]`, `{"id":"odd time","createdDateTime":"soon"}`}
	good := len(tn.records[stream])
	tn.records[stream] = append(tn.records[stream], bad...)
	for range 2 {
		report, err := collect(t, tn, store, archive.Options{})
		require.NoError(t, err)
		require.Positive(t, report.Streams[0].Quarantined)
		require.True(t, report.Streams[0].Balance.Holds())
		tn.now = tn.now.Add(time.Hour)
	}
	var kept []string
	for rec, err := range store.Quarantined(t.Context(), stream) {
		require.NoError(t, err)
		require.NotEmpty(t, rec.Reason)
		kept = append(kept, string(rec.Raw))
	}
	require.ElementsMatch(t, bad, kept)
	current, _ := stored(t, store, tn, stream)
	require.Equal(t, sorted(tn.records[stream][:good]), current)
	require.EqualValues(t, len(bad), progress(t, store, stream).Quarantined)
	checkLedger(t, store, stream)
}

func TestARecordTooLargeToStoreGoesToQuarantineAndTheOthersAreStored(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	fill(tn, stream, 5, time.Minute)
	var noise strings.Builder
	for i := range 500_000 {
		fmt.Fprintf(&noise, "%x", uint32(i*2654435761))
	}
	tn.add(stream, "huge", 12*time.Minute, noise.String()+noise.String())
	_, err := collect(t, tn, store, archive.Options{})
	require.NoError(t, err)
	current, _ := stored(t, store, tn, stream)
	require.Equal(t, sorted(tn.records[stream][:5]), current)
	n, err := store.InQuarantine(t.Context(), stream)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	checkLedger(t, store, stream)
}

func TestPagingThatIsLostBeginsAgainAtTheLastRecordStored(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	fill(tn, stream, 100, time.Hour)
	lost := map[int]bool{4: true, 5: true, 9: true}
	tn.before = func(page int) error {
		if lost[page] {
			delete(lost, page)
			return fmt.Errorf("skip token: %w", entra.ErrPagingLost)
		}
		return nil
	}
	report, err := collect(t, tn, store, archive.Options{})
	require.NoError(t, err)
	require.True(t, report.Finished)
	current, _ := stored(t, store, tn, stream)
	require.Equal(t, sorted(tn.records[stream]), current)
	require.Less(t, tn.pages, 11+6, "only the lost page is read again")
	checkLedger(t, store, stream)
}

func TestPagingThatIsAlwaysLostFailsTheStreamAndNoOther(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	fill(tn, other, 30, time.Hour)
	good, bad := newTenant(), newTenant()
	good.records, bad.before = tn.records, func(int) error { return entra.ErrPagingLost }
	report, err := collect(t, split{good, bad}, store, archive.Options{}, stream, other)
	require.Equal(t, entra.CodeBrokenAnswer, entra.CodeOf(err))
	require.ErrorContains(t, err, string(stream))
	require.Error(t, report.Streams[0].Err)
	require.NoError(t, report.Streams[1].Err)
	current, _ := stored(t, store, tn, other)
	require.Equal(t, sorted(tn.records[other]), current)
	p := progress(t, store, stream)
	require.Equal(t, archive.StatusFailing, p.Status(start, 0))
	require.NotEmpty(t, p.LastError)
	bad.before = nil
	good.now = good.now.Add(5 * time.Minute)
	_, err = collect(t, split{good, bad}, store, archive.Options{}, stream, other)
	require.NoError(t, err)
	p = progress(t, store, stream)
	require.Equal(t, archive.StatusCurrent, p.Status(start, 0))
	require.NotEmpty(t, p.LastError, "what was wrong can still be read")
}

// split serves one stream from bad and the others from good.
type split struct{ good, bad *tenant }

func (s split) Now(ctx context.Context) (time.Time, error) { return s.good.Now(ctx) }
func (s split) Ordered(name entra.Stream) bool             { return true }
func (s split) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	if q.Stream == stream {
		return s.bad.Pages(ctx, q)
	}
	return s.good.Pages(ctx, q)
}

func TestPagesOutOfOrderAreStillStoredWhole(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	fill(tn, stream, 200, 3*time.Hour)
	page := 0
	tn.mangle = func(p entra.Page) entra.Page {
		if page++; page%3 == 0 {
			slices.Reverse(p.Records)
		}
		return p
	}
	_, err := collect(t, tn, store, archive.Options{})
	require.NoError(t, err)
	current, _ := stored(t, store, tn, stream)
	require.Equal(t, sorted(tn.records[stream]), current)
	checkLedger(t, store, stream)
}

func TestAGapThatGraphMayHaveForgottenIsNotCalledComplete(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	_, err := collect(t, tn, store, archive.Options{})
	require.NoError(t, err)
	tn.now = start.Add(20 * 24 * time.Hour) // nobody looked for 20 days, and Graph keeps 10
	tn.add(stream, "first", -10*24*time.Hour, "")
	_, err = collect(t, tn, store, archive.Options{})
	require.NoError(t, err)
	p := progress(t, store, stream)
	lost := 0
	for cov, err := range store.Windows(t.Context(), stream, start, tn.now) {
		require.NoError(t, err)
		if cov.State == archive.WindowLost {
			lost++
			require.Less(t, cov.Start, start.Add(10*24*time.Hour).Truncate(time.Hour))
		}
	}
	require.Equal(t, 10*24-1, lost)
	require.EqualValues(t, lost+2, p.Lost, "and the hours in which it begins and ends, in part")
	require.Zero(t, p.WindowsMissing(entra.FloorHour(tn.now)))
	gaps, err := archive.GapsOf(t.Context(), store, stream, p.LostFrom, p.LostTo)
	require.NoError(t, err)
	require.Len(t, gaps, 1)
	require.Equal(t, start.Add(-5*time.Minute), gaps[0].From)
	require.Equal(t, start.Add(10*24*time.Hour), gaps[0].To)
	checkLedger(t, store, stream)
}

func TestABudgetThatEndsIsNoErrorAndTheNextRunGoesOn(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	fill(tn, stream, 100, time.Hour)
	tn.before = func(page int) error {
		if page == 5 {
			return context.DeadlineExceeded
		}
		return nil
	}
	collector := archive.NewCollector(slow{tn, 5}, store, nil, archive.Options{}, func() time.Time { return start }, slog.New(slog.DiscardHandler))
	report, err := collector.Run(t.Context(), execution(), []entra.Stream{stream}, 500*time.Millisecond)
	require.NoError(t, err)
	require.False(t, report.Finished)
	require.Contains(t, report.Summary(), "next run goes on")
	tn.before = nil
	checkLedger(t, store, stream)
	_, err = collect(t, tn, store, archive.Options{})
	require.NoError(t, err)
	current, _ := stored(t, store, tn, stream)
	require.Equal(t, sorted(tn.records[stream]), current)
	checkLedger(t, store, stream)
}

// slow waits at page n until its context ends.
type slow struct {
	*tenant
	n int
}

func (s slow) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	s.mu.Lock()
	s.before = func(page int) error {
		if page >= s.n {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	s.mu.Unlock()
	return s.tenant.Pages(ctx, q)
}

var errStopped = errors.New("the process was killed here")

func TestAStopFromOutsideKeepsWhatIsCommitted(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	fill(tn, stream, 100, time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	tn.before = func(page int) error {
		if page == 5 {
			cancel()
		}
		return nil
	}
	collector := archive.NewCollector(tn, store, nil, archive.Options{}, func() time.Time { return start }, slog.New(slog.DiscardHandler))
	report, err := collector.Run(ctx, execution(), []entra.Stream{stream}, budget)
	require.NoError(t, err)
	require.False(t, report.Finished)
	tn.before = nil
	_, err = collect(t, tn, store, archive.Options{})
	require.NoError(t, err)
	current, _ := stored(t, store, tn, stream)
	require.Equal(t, sorted(tn.records[stream]), current)
	checkLedger(t, store, stream)
}
