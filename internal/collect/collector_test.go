package collect_test

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

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

func TestTheFirstRunArchivesTailAndBackfill(t *testing.T) {
	for _, shuffled := range []bool{false, true} {
		t.Run(fmt.Sprintf("shuffled=%v", shuffled), func(t *testing.T) {
			tn, store := lab.NewTenant(), lab.NewStore(t)
			tn.Shuffled, tn.PageSize = shuffled, 100
			lab.Fill(tn, lab.Stream, 500, 80*time.Minute) // 27 days
			report, err := runOnce(t, tn, store, collect.Options{})
			require.NoError(t, err)
			require.True(t, report.Finished)
			current, earlier := stored(t, store, tn, lab.Stream)
			require.Equal(t, sorted(tn.Records[lab.Stream]), current)
			require.Empty(t, earlier)
			lab.CheckLedger(t, store, lab.Stream)
			p := lab.Progress(t, store, lab.Stream)
			require.Equal(t, ledger.StatusCurrent, p.Status(lab.Start, 0))
			require.Equal(t, lab.Start.Add(-5*time.Minute), p.Watermark)
			require.Zero(t, p.WindowsMissing(entra.FloorHour(lab.Start)))
			require.Equal(t, entra.FloorHour(lab.Start.Add(-499*80*time.Minute-10*time.Minute)), p.Begin,
				"nothing is claimed before the oldest record")
			require.LessOrEqual(t, tn.Served, 2*500/100+10, "few records cost few requests")

			before := tn.Served
			_, err = runOnce(t, tn, store, collect.Options{})
			require.NoError(t, err)
			require.LessOrEqual(t, tn.Served-before, 1, "a run with nothing new costs one request")
			lab.CheckLedger(t, store, lab.Stream)
		})
	}
}

func TestAnEmptyTenantHasNothingMissing(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	_, err := runOnce(t, tn, store, collect.Options{})
	require.NoError(t, err)
	p := lab.Progress(t, store, lab.Stream)
	require.Equal(t, ledger.StatusCurrent, p.Status(lab.Start, 0))
	require.Zero(t, p.WindowsMissing(entra.FloorHour(lab.Start)))
	require.Equal(t, 4, tn.Served, "of the past twice: that it is empty is not believed on one word")
}

func TestBackfillReadsTheOldestWindowFirstAfterTheTail(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	lab.Fill(tn, lab.Stream, 100, 6*time.Hour)
	_, err := runOnce(t, tn, store, collect.Options{})
	require.NoError(t, err)
	require.Equal(t, "2026-11-21T14:00:00Z 2026-11-21T14:25:00Z", tn.Reads[0], "the frontier")
	require.Equal(t, "2026-10-22T14:00:00Z 2026-11-21T14:00:00Z", tn.Reads[1], "thirty days in one read")
	require.Equal(t, []string{
		// before the oldest record, again
		"2026-10-22T14:00:00Z 2026-10-27T20:20:00Z",
		// a second read of what no pass reads again
		"2026-10-27T20:59:00Z 2026-11-08T21:00:00Z", "2026-11-08T20:59:00Z 2026-11-14T14:00:00Z",
		"2026-11-21T08:20:00Z 2026-11-21T14:00:00Z", // nothing follows the last record: asked for again
	}, tn.Reads[2:])
}

func TestTheStreamWithTheOldestUnreadWindowHasTheNextTurn(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	lab.Fill(tn, lab.Stream, 200, time.Hour)
	lab.Fill(tn, lab.Other, 200, time.Hour)
	_, err := runOnce(t, tn, store, collect.Options{Parallel: 1, Turn: 3}, lab.Stream, lab.Other)
	require.NoError(t, err)
	for _, s := range []entra.Stream{lab.Stream, lab.Other} {
		current, _ := stored(t, store, tn, s)
		require.Equal(t, sorted(tn.Records[s]), current)
		lab.CheckLedger(t, store, s)
	}
	first := slices.DeleteFunc(tn.Reads[2:], func(read string) bool {
		return !strings.HasSuffix(read,
			" 2026-11-21T14:00:00Z")
	})
	require.True(t, slices.IsSorted(first), "oldest first, over all streams: %q", tn.Reads)
}

func TestTheTailContinuesAtItsLastPosition(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	_, err := runOnce(t, tn, store, collect.Options{})
	require.NoError(t, err)
	tn.Clock = lab.Start.Add(3 * time.Hour) // the timer stalled
	tn.Add(lab.Stream, "between", -time.Hour, "")
	tn.Add(lab.Stream, "late", 6*time.Minute, "came after the first run, within the overlap")
	tn.Add(lab.Stream, "young", -3*time.Hour+time.Minute, "younger than the lag")
	_, err = runOnce(t, tn, store, collect.Options{})
	require.NoError(t, err)
	current, _ := stored(t, store, tn, lab.Stream)
	require.Equal(t, sorted(tn.Records[lab.Stream][:2]), current)
	lab.CheckLedger(t, store, lab.Stream)
	require.Contains(t, tn.Reads, "2026-11-21T14:23:00Z 2026-11-21T17:25:00Z")
}

func TestWhenTheClockJumpsBackNothingIsLostOrDoubled(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	lab.Fill(tn, lab.Stream, 30, time.Hour)
	_, err := runOnce(t, tn, store, collect.Options{})
	require.NoError(t, err)
	want := lab.Progress(t, store, lab.Stream)
	tn.Clock = lab.Start.Add(-6 * time.Hour)
	_, err = runOnce(t, tn, store, collect.Options{})
	require.Equal(t, entra.CodeConflict, entra.CodeOf(err))
	require.ErrorContains(t, err,
		"the archive was marked as read up to 2026-11-21T14:25:00Z, and it is 2026-11-21T08:30:00Z: a clock was wrong")
	got := lab.Progress(t, store, lab.Stream)
	require.False(t, got.Watermark.After(tn.Clock))
	require.Equal(t, ledger.StatusFailing, got.Status(tn.Clock, 0))
	require.Equal(t, want.Tally, got.Tally)
	tn.Clock = lab.Start.Add(time.Hour)
	tn.Add(lab.Stream, "new", -30*time.Minute, "")
	_, err = runOnce(t, tn, store, collect.Options{})
	require.NoError(t, err)
	current, earlier := stored(t, store, tn, lab.Stream)
	require.Equal(t, sorted(tn.Records[lab.Stream]), current)
	require.Empty(t, earlier)
	lab.CheckLedger(t, store, lab.Stream)
}

func TestRecordsThatRepeatOrChangeAreKeptOnceInEachContent(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	tn.PageSize = 2 // versions come on one page and on several
	for i := range 12 {
		id := fmt.Sprintf("id-%d", i/4)
		tn.Add(lab.Stream, id, time.Hour, fmt.Sprintf("content %d", i%3))
	}
	for range 3 {
		_, err := runOnce(t, tn, store, collect.Options{})
		require.NoError(t, err)
		current, earlier := stored(t, store, tn, lab.Stream)
		require.Len(t, current, 3, "one current row for each id and time")
		require.Equal(t, sorted(tn.Records[lab.Stream]), sorted(append(current, earlier...)),
			"every content that was served is there")
		require.Len(t, append(current, earlier...), 9, "and none twice")
		lab.CheckLedger(t, store, lab.Stream)
	}
}

func TestWhatCantBeFiledIsKeptInQuarantineAndCounted(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	lab.Fill(tn, lab.Stream, 20, time.Hour)
	bad := []string{`{"createdDateTime":"2026-11-21T14:10:00Z"}`, `{"id":"no time"}`, `["not an object"]`,
		`{"id":"odd time","createdDateTime":"soon"}`}
	good := len(tn.Records[lab.Stream])
	tn.Records[lab.Stream] = append(tn.Records[lab.Stream], bad...)
	for range 2 {
		report, err := runOnce(t, tn, store, collect.Options{})
		require.NoError(t, err)
		require.Positive(t, report.Streams[0].Quarantined)
		require.True(t, report.Streams[0].Balance.Holds())
		tn.Clock = tn.Clock.Add(time.Hour)
	}
	var kept []string
	for rec, err := range store.Quarantined(t.Context(), lab.Stream) {
		require.NoError(t, err)
		require.NotEmpty(t, rec.Reason)
		kept = append(kept, string(rec.Raw))
	}
	require.ElementsMatch(t, bad, kept)
	current, _ := stored(t, store, tn, lab.Stream)
	require.Equal(t, sorted(tn.Records[lab.Stream][:good]), current)
	require.EqualValues(t, len(bad), lab.Progress(t, store, lab.Stream).Quarantined)
	lab.CheckLedger(t, store, lab.Stream)
}

func TestARecordTooLargeToStoreGoesToQuarantineAndTheOthersAreStored(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	lab.Fill(tn, lab.Stream, 5, time.Minute)
	var noise strings.Builder
	for i := range 500_000 {
		fmt.Fprintf(&noise, "%x", uint32(i*2654435761))
	}
	tn.Add(lab.Stream, "huge", 12*time.Minute, noise.String()+noise.String())
	_, err := runOnce(t, tn, store, collect.Options{})
	require.NoError(t, err)
	current, _ := stored(t, store, tn, lab.Stream)
	require.Equal(t, sorted(tn.Records[lab.Stream][:5]), current)
	n, err := store.InQuarantine(t.Context(), lab.Stream)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	lab.CheckLedger(t, store, lab.Stream)
}

func TestPagingThatIsLostBeginsAgainAtTheLastRecordStored(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	lab.Fill(tn, lab.Stream, 100, time.Hour)
	lost := map[int]bool{4: true, 5: true, 9: true}
	tn.Before = func(page int) error {
		if lost[page] {
			delete(lost, page)
			return fmt.Errorf("skip token: %w", entra.ErrPagingLost)
		}
		return nil
	}
	report, err := runOnce(t, tn, store, collect.Options{})
	require.NoError(t, err)
	require.True(t, report.Finished)
	current, _ := stored(t, store, tn, lab.Stream)
	require.Equal(t, sorted(tn.Records[lab.Stream]), current)
	require.Less(t, tn.Served, 11+6, "only the lost page is read again")
	lab.CheckLedger(t, store, lab.Stream)
}

func TestPagingThatIsAlwaysLostFailsTheStreamAndNoOther(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	lab.Fill(tn, lab.Other, 30, time.Hour)
	good, bad := lab.NewTenant(), lab.NewTenant()
	good.Records, bad.Before = tn.Records, func(int) error { return entra.ErrPagingLost }
	report, err := runOnce(t, split{good, bad}, store, collect.Options{}, lab.Stream, lab.Other)
	require.Equal(t, entra.CodeBrokenAnswer, entra.CodeOf(err))
	require.ErrorContains(t, err, string(lab.Stream))
	require.Error(t, report.Streams[0].Err)
	require.NoError(t, report.Streams[1].Err)
	current, _ := stored(t, store, tn, lab.Other)
	require.Equal(t, sorted(tn.Records[lab.Other]), current)
	p := lab.Progress(t, store, lab.Stream)
	require.Equal(t, ledger.StatusFailing, p.Status(lab.Start, 0))
	require.NotEmpty(t, p.LastError)
	bad.Before = nil
	good.Clock = good.Clock.Add(5 * time.Minute)
	_, err = runOnce(t, split{good, bad}, store, collect.Options{}, lab.Stream, lab.Other)
	require.NoError(t, err)
	p = lab.Progress(t, store, lab.Stream)
	require.Equal(t, ledger.StatusCurrent, p.Status(lab.Start, 0))
	require.NotEmpty(t, p.LastError, "what was wrong can still be read")
}

// split serves one stream from bad and the others from good.
type split struct{ good, bad *lab.Tenant }

func (s split) Now(ctx context.Context) (time.Time, error) { return s.good.Now(ctx) }

func (s split) Ordered(name entra.Stream) bool { return true }

func (s split) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	if q.Stream == lab.Stream {
		return s.bad.Pages(ctx, q)
	}
	return s.good.Pages(ctx, q)
}

func TestPagesOutOfOrderAreStillStoredWhole(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	lab.Fill(tn, lab.Stream, 200, 3*time.Hour)
	page := 0
	tn.Mangle = func(p entra.Page) entra.Page {
		if page++; page%3 == 0 {
			slices.Reverse(p.Records)
		}
		return p
	}
	_, err := runOnce(t, tn, store, collect.Options{})
	require.NoError(t, err)
	current, _ := stored(t, store, tn, lab.Stream)
	require.Equal(t, sorted(tn.Records[lab.Stream]), current)
	lab.CheckLedger(t, store, lab.Stream)
}

func TestAGapThatGraphMayHaveDeletedIsNotCalledComplete(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	_, err := runOnce(t, tn, store, collect.Options{})
	require.NoError(t, err)
	tn.Clock = lab.Start.Add(20 * 24 * time.Hour) // no run for 20 days, and Graph keeps 10
	tn.Add(lab.Stream, "first", -10*24*time.Hour, "")
	_, err = runOnce(t, tn, store, collect.Options{})
	require.NoError(t, err)
	p := lab.Progress(t, store, lab.Stream)
	lost := 0
	for cov, err := range store.Windows(t.Context(), lab.Stream, lab.Start, tn.Clock) {
		require.NoError(t, err)
		if cov.State == ledger.WindowLost {
			lost++
			require.Less(t, cov.Start, lab.Start.Add(10*24*time.Hour).Truncate(time.Hour))
		}
	}
	require.Equal(t, 10*24-1, lost)
	require.EqualValues(t, lost+2, p.Lost, "and the hours in which it begins and ends, in part")
	require.Zero(t, p.WindowsMissing(entra.FloorHour(tn.Clock)))
	gaps, err := ledger.GapsOf(t.Context(), store, lab.Stream, p.LostFrom, p.LostTo)
	require.NoError(t, err)
	require.Len(t, gaps, 1)
	require.Equal(t, lab.Start.Add(-5*time.Minute), gaps[0].From)
	require.Equal(t, lab.Start.Add(10*24*time.Hour), gaps[0].To)
	lab.CheckLedger(t, store, lab.Stream)
}

func TestABudgetThatEndsIsNoErrorAndTheNextRunGoesOn(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	lab.Fill(tn, lab.Stream, 100, time.Hour)
	tn.Before = func(page int) error {
		if page == 5 {
			return context.DeadlineExceeded
		}
		return nil
	}
	collector := collect.New(slow{tn, 5}, store, nil, collect.Options{}, func() time.Time { return lab.Start },
		slog.New(slog.DiscardHandler))
	report, err := collector.Run(t.Context(), lab.Execution(), []entra.Stream{lab.Stream}, 500*time.Millisecond)
	require.NoError(t, err)
	require.False(t, report.Finished)
	require.Contains(t, report.Summary(), "next run goes on")
	tn.Before = nil
	lab.CheckLedger(t, store, lab.Stream)
	_, err = runOnce(t, tn, store, collect.Options{})
	require.NoError(t, err)
	current, _ := stored(t, store, tn, lab.Stream)
	require.Equal(t, sorted(tn.Records[lab.Stream]), current)
	lab.CheckLedger(t, store, lab.Stream)
}

// slow waits at page n until its context ends.
type slow struct {
	*lab.Tenant
	n int
}

func (s slow) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	s.Mu.Lock()
	s.Before = func(page int) error {
		if page >= s.n {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	s.Mu.Unlock()
	return s.Tenant.Pages(ctx, q)
}

var errStopped = errors.New("the process was killed here")

func TestAStopFromOutsideKeepsWhatIsCommitted(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	lab.Fill(tn, lab.Stream, 100, time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	tn.Before = func(page int) error {
		if page == 5 {
			cancel()
		}
		return nil
	}
	collector := collect.New(tn, store, nil, collect.Options{}, func() time.Time { return lab.Start },
		slog.New(slog.DiscardHandler))
	report, err := collector.Run(ctx, lab.Execution(), []entra.Stream{lab.Stream}, lab.Budget)
	require.NoError(t, err)
	require.False(t, report.Finished)
	tn.Before = nil
	_, err = runOnce(t, tn, store, collect.Options{})
	require.NoError(t, err)
	current, _ := stored(t, store, tn, lab.Stream)
	require.Equal(t, sorted(tn.Records[lab.Stream]), current)
	lab.CheckLedger(t, store, lab.Stream)
}
