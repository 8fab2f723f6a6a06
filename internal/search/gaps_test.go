package search_test

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/search"
)

// rows is a ledger's coverage rows in order, and counts what is read of them, by several at once.
type rows struct {
	all           []ledger.Coverage
	queries, read atomic.Int64
	broken        time.Time // the hour of a row that was altered
}

func (l *rows) Progress(context.Context, entra.Stream) (ledger.Progress, error) {
	return ledger.Progress{}, nil
}

func (l *rows) Windows(_ context.Context, _ entra.Stream, from, to time.Time) iter.Seq2[ledger.Coverage, error] {
	l.queries.Add(1)
	return func(yield func(ledger.Coverage, error) bool) {
		for _, c := range l.all {
			if c.End().After(from) && c.Start.Before(to) {
				l.read.Add(1)
				if c.Start.Equal(l.broken) {
					yield(ledger.Coverage{}, &entra.Error{Code: entra.CodeTampered, Doing: "read the row",
						Why: "it was altered"})
					return
				}
				if !yield(c, nil) {
					return
				}
			}
		}
	}
}

var (
	january = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	newest  = time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
)

// ledgerOf makes hourly rows from begin to newest in the state that stateOf says, and the progress
// that sums them up.
func ledgerOf(begin, purgedTo time.Time, stateOf func(time.Time) ledger.WindowState) (*rows, ledger.Progress) {
	l := &rows{}
	p := ledger.Progress{Stream: logs.Provisioning, Begin: begin, Backfilled: newest, TailBegin: newest,
		Watermark: newest, LastRunAt: newest,
		SealedTo: newest.AddDate(0, 0, -7), PurgedTo: purgedTo}
	for at := begin; at.Before(newest); at = at.Add(time.Hour) {
		c := ledger.Coverage{Window: entra.Window{Stream: logs.Provisioning, Start: at}, State: stateOf(at)}
		switch c.State {
		case ledger.WindowPurged:
			p.Purged++
			c.PurgedAt = time.Date(at.Year(), at.Month()+2, 10, 3, 30, 0, 0, time.UTC)
			c.Reason = "purged: ARCHIVE_RETENTION of provisioning is 35 days; contents: 5"
		case ledger.WindowLost:
			if p.Lost++; p.LostFrom.IsZero() {
				p.LostFrom = at
			}
			p.LostTo = c.End()
		}
		l.all = append(l.all, c)
	}
	return l, p
}

func gapsOf(t *testing.T, g *search.Gaps, p ledger.Progress, from, to time.Time) (texts []string) {
	t.Helper()
	gaps, err := g.Of(t.Context(), p, from, to)
	require.NoError(t, err)
	for _, gap := range gaps {
		texts = append(texts, gap.From.Format("01-02T15:04")+" "+gap.To.Format("01-02T15:04")+" "+gap.Reason)
	}
	return texts
}

const (
	rule     = " by ARCHIVE_RETENTION of provisioning is 35 days"
	lostLine = "Graph had forgotten it when it was read; nothing can bring it back"
)

func TestARangeWithoutGapsCostsNoRequest(t *testing.T) {
	september := january.AddDate(0, 8, 0)
	lostFrom := september.AddDate(0, 1, 0)
	l, p := ledgerOf(january, september, func(at time.Time) ledger.WindowState {
		switch {
		case at.Before(september):
			return ledger.WindowPurged
		case at.Equal(lostFrom):
			return ledger.WindowLost
		}
		return ledger.WindowSealed
	})
	g := search.NewGaps(l)
	require.Empty(t, gapsOf(t, g, p, lostFrom.AddDate(0, 0, 1), newest))
	require.Empty(t, gapsOf(t, g, p, september, lostFrom))
	require.Zero(t, l.queries.Load())
	p.Lost, p.Purged = 0, 0
	require.Empty(t, gapsOf(t, g, p, january, newest))
	require.Zero(t, l.queries.Load())
}

func TestGapsAreCutToTheRangeAndRemembered(t *testing.T) {
	march := january.AddDate(0, 2, 0)
	l, p := ledgerOf(january, march, func(at time.Time) ledger.WindowState {
		if at.Before(march) {
			return ledger.WindowPurged
		}
		return ledger.WindowSealed
	})
	g := search.NewGaps(l)
	want := []string{
		"01-15T12:30 02-01T00:00 purged on 2026-03-10" + rule,
		"02-01T00:00 03-01T00:00 purged on 2026-04-10" + rule,
	}
	for range 3 {
		require.Equal(t, want, gapsOf(t, g, p, january.Add(14*24*time.Hour+12*time.Hour+30*time.Minute), newest))
	}
	require.EqualValues(t, 1, l.queries.Load())
	p.Purged++ // another purge: what was known is old
	gapsOf(t, g, p, january.Add(14*24*time.Hour+12*time.Hour+30*time.Minute), newest)
	require.Greater(t, l.queries.Load(), int64(1))
}

func TestOfYearsThatWerePurgedOnlyTheLastEntryIsRead(t *testing.T) {
	begin, october := january.AddDate(-4, 0, 0), january.AddDate(0, 9, 0)
	lostFrom := october.AddDate(0, 0, 3)
	l, p := ledgerOf(begin, october, func(at time.Time) ledger.WindowState {
		switch {
		case at.Before(october):
			return ledger.WindowPurged
		case !at.Before(lostFrom) && at.Before(lostFrom.Add(5*time.Hour)):
			return ledger.WindowLost
		}
		return ledger.WindowSealed
	})
	g := search.NewGaps(l)
	require.Equal(t, []string{
		"01-01T00:00 10-01T00:00 month by month, the last one purged on 2026-11-10" + rule,
		"10-04T00:00 10-04T05:00 " + lostLine,
	}, gapsOf(t, g, p, begin, newest))
	require.LessOrEqual(t, l.queries.Load(), int64(2))
	require.LessOrEqual(t, l.read.Load(), int64(6), "hours are not read one by one")
	require.Equal(t, []string{"07-01T00:00 08-01T00:00 purged on 2026-09-10" + rule},
		gapsOf(t, g, p, january.AddDate(0, 6, 0), january.AddDate(0, 7, 0)))
}

func TestAMonthThatWasPurgedBehindOneThatAHoldKeepsIsAGap(t *testing.T) {
	march, april := january.AddDate(0, 2, 0), january.AddDate(0, 3, 0)
	l, p := ledgerOf(january.AddDate(0, 1, 0), time.Time{}, func(at time.Time) ledger.WindowState {
		if !at.Before(march) && at.Before(april) {
			return ledger.WindowPurged
		}
		return ledger.WindowSealed
	})
	require.Equal(t, []string{"03-01T00:00 04-01T00:00 purged on 2026-05-10" + rule},
		gapsOf(t, search.NewGaps(l), p, january, newest))
}

func TestWhatWasDeletedWhenTheArchiveBeganIsNoGap(t *testing.T) {
	l, p := ledgerOf(newest.AddDate(0, 0, -30), time.Time{}, func(at time.Time) ledger.WindowState {
		if at.Before(newest.AddDate(0, 0, -30).Add(27 * time.Hour)) {
			return ledger.WindowLost
		}
		return ledger.WindowSealed
	})
	first := &l.all[27]
	first.LostFrom, first.LostTo = first.Start, first.Start.Add(12*time.Minute)
	p.Lost, p.LostTo = 28, first.End()
	g := search.NewGaps(l)
	require.Empty(t, gapsOf(t, g, p, january, newest))
	begin, err := g.Begin(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, first.LostTo, begin)

	l, p = ledgerOf(january, january.AddDate(0, 1, 0), func(at time.Time) ledger.WindowState {
		if at.Before(january.AddDate(0, 1, 0)) {
			return ledger.WindowPurged
		}
		return ledger.WindowSealed
	})
	begin, err = search.NewGaps(l).Begin(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, january.AddDate(0, 1, 0), begin, "after what was purged")
	require.Zero(t, l.queries.Load())
}

// TestWhatWasImportedBeforeTheArchiveBeganAndPurgedIsAGap, one for each month, also of a log that was
// never read.
func TestWhatWasImportedBeforeTheArchiveBeganAndPurgedIsAGap(t *testing.T) {
	l, p := ledgerOf(january, time.Time{}, func(time.Time) ledger.WindowState { return ledger.WindowSealed })
	imported := func(at time.Time) ledger.Coverage {
		return ledger.Coverage{Window: entra.Window{Stream: logs.Provisioning, Start: at}, State: ledger.WindowPurged,
			PurgedAt: january.AddDate(0, 5, 9), Reason: "purged: ARCHIVE_RETENTION of provisioning is 35 " +
				"days; contents: 5"}
	}
	march, april := january.AddDate(-2, 2, 0), january.AddDate(-2, 3, 0)
	l.all = append([]ledger.Coverage{imported(march.Add(5 * time.Hour)), imported(march.Add(300 * time.Hour)),
		imported(april.Add(time.Hour))}, l.all...)
	p.Purged = 3
	want := []string{"03-01T05:00 03-13T13:00 purged on 2026-06-10" + rule,
		"04-01T01:00 04-01T02:00 purged on 2026-06-10" + rule}
	require.Equal(t, want, gapsOf(t, search.NewGaps(l), p, logs.Earliest(), newest))
	require.Equal(t, []string{"03-01T05:30 03-13T12:30 purged on 2026-06-10" + rule},
		gapsOf(t, search.NewGaps(l), p, march.Add(330*time.Minute), march.Add(300*time.Hour+30*time.Minute)))
	before := l.queries.Load()
	require.Empty(t, gapsOf(t, search.NewGaps(l), p, january, newest.AddDate(0, 0, -30)))
	require.LessOrEqual(t, l.queries.Load()-before, int64(1))

	never := ledger.Progress{Stream: logs.Provisioning, Purged: 3}
	require.Equal(t, want, gapsOf(t, search.NewGaps(l), never, march, april.AddDate(0, 1, 0)))
	shape, err := odata.ShapeOf(logs.Provisioning)
	require.NoError(t, err)
	q, err := search.New(logs.Provisioning, shape,
		"activityDateTime ge 2024-03-01T00:00:00Z and activityDateTime lt 2024-04-01T00:00:00Z")
	require.NoError(t, err)
	for _, of := range []ledger.Progress{p, never} {
		q.Within(of, newest)
		gaps, err := search.NewGaps(l).OfQuestion(t.Context(), q)
		require.NoError(t, err)
		require.Len(t, gaps, 1, "%v", of.Started())
	}
}
