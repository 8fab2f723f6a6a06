package collect_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// tooWide is how a tenant answers that serves no span of more than most, after some time.
func tooWide(most, takes time.Duration) func(int, entra.Query) lab.Answer {
	return func(_ int, q entra.Query) lab.Answer {
		switch {
		case q.To.Sub(q.From) <= most:
			return lab.Answer{}
		case q.Divisible:
			return lab.Answer{Takes: takes, Err: entra.ErrTooWide}
		}
		return lab.Answer{Takes: takes, Err: &entra.Error{Code: entra.CodeUnavailable, Doing: "read",
			Why: "Graph answers 504"}}
	}
}

// widest is the longest span of some questions.
func widest(asked []entra.Query) (w time.Duration) {
	for _, q := range asked {
		w = max(w, q.To.Sub(q.From))
	}
	return w
}

// TestWhereWideSpansTimeOutNarrowerOnesAreAskedFor: the past, the newest hours after a pause,
// passes and second reads; what works is asked for a day long, then wide spans again.
func TestWhereWideSpansTimeOutNarrowerOnesAreAskedFor(t *testing.T) {
	for most, ordered := range map[time.Duration]bool{lab.Days: true, 6 * time.Hour: false,
		time.Hour + 10*time.Minute: true} {
		t.Run(name(most, "ordered", ordered), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) { narrows(l, most, ordered) })
		})
	}
}

func narrows(l *lab.Lab, most time.Duration, ordered bool) {
	l.Options.Backfill, l.Options.Passes = 12*lab.Days, []time.Duration{3 * time.Hour, 24 * time.Hour}
	l.Tenant.Keeps, l.Tenant.InOrder = 60*lab.Days, ordered
	// Many hours are empty: the record that proves what Graph still has is far back.
	l.Tenant.Fill(lab.Stream, lab.Start.Add(-12*lab.Days), lab.Start.Add(30*lab.Days), 59*time.Hour)
	u := &lab.Unruly{Forgetful: l.Tenant, Answer: tooWide(most, 0)}
	l.RunsOf(u, 1)
	p := l.Progress(lab.Stream)
	require.False(l, p.Backfilling())
	require.Positive(l, p.Width)
	require.LessOrEqual(l, p.Width, most)
	refused := 0
	for _, q := range u.Questions(0) {
		if q.To.Sub(q.From) > most {
			refused++
		}
	}
	require.LessOrEqual(l, refused, 14, "it is not asked for what is too wide again and again")
	atTruth(l, lab.Stream, lab.Start.Add(-12*lab.Days))

	asked := count(u)
	time.Sleep(7 * time.Hour)
	l.RunsOf(u, 2)
	require.LessOrEqual(l, widest(u.Questions(asked)), most, "what works stays")

	time.Sleep(40 * time.Hour) // the last record is older than a query may reach
	l.RunsOf(u, 2)
	time.Sleep(10 * lab.Days) // an outage, in which the mark grows old
	asked = count(u)
	l.RunsOf(u, 3)
	require.Greater(l, widest(u.Questions(asked)), most, "wide spans are tried again")
	atTruth(l, lab.Stream, lab.Start.Add(-12*lab.Days))
	for _, cov := range l.Hours(lab.Stream) {
		require.NotEqual(l, ledger.WindowLost, cov.State, "Graph has it still: %s", cov.Window)
		require.False(l, cov.InPart() && cov.Start.After(lab.Start), "Graph has it still: %s", cov.Window)
	}

	asked = count(u)
	from := entra.FloorHour(lab.Start.Add(-5 * lab.Days))
	report, err := l.Collector(l.Store, u).Range(l.Context(), lab.Execution(), []entra.Stream{lab.Stream}, from,
		from.Add(4*lab.Days), 8*time.Minute)
	require.NoError(l, err)
	require.True(l, report.Streams[0].RangeDone)
	require.LessOrEqual(l, widest(u.Questions(asked)), most)

	u.Answer = nil
	time.Sleep(25 * time.Hour)
	asked = count(u)
	_, err = l.Collector(l.Store, u).Range(l.Context(), lab.Execution(), []entra.Stream{lab.Stream}, from,
		from.Add(4*lab.Days), 8*time.Minute)
	require.NoError(l, err)
	if ordered {
		require.Equal(l, 4*lab.Days, widest(u.Questions(asked)), "Graph is well again")
	}
}

// TestSilenceForWideSpansEatsNoTwoBudgets: the tenant needs 90 s to refuse a span that is too wide.
func TestSilenceForWideSpansEatsNoTwoBudgets(t *testing.T) {
	for _, most := range []time.Duration{lab.Days, time.Hour + 10*time.Minute} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				l.Options.Backfill, l.Options.Passes = 10*lab.Days, []time.Duration{3 * time.Hour, 400 * lab.Days}
				l.Tenant.Fill(lab.Stream, lab.Start.Add(-10*lab.Days), lab.Start.Add(30*lab.Days), 5*time.Hour)
				u := &lab.Unruly{Forgetful: l.Tenant, Answer: tooWide(most, 90*time.Second)}
				var widths []time.Duration
				runs, p := 0, l.Progress(lab.Stream)
				for ; runs == 0 || p.Backfilling(); runs++ {
					require.Less(l, runs, 4)
					asked := count(u)
					_, err := l.RunOf(u, 8*time.Minute)
					require.NoError(l, err)
					if runs > 0 {
						require.LessOrEqual(l, widest(u.Questions(asked)), widths[runs-1],
							"the next run goes on from there")
					}
					p = l.Progress(lab.Stream)
					widths = append(widths, p.Width+2*time.Minute)
					time.Sleep(5 * time.Minute)
				}
				l.Log("runs: ", runs, ", widths: ", widths)
				time.Sleep(20 * time.Minute)
				l.RunsOf(u, 2)
				atTruth(l, lab.Stream, lab.Start.Add(-10*lab.Days))
			})
		})
	}
}

// TestWhatIsTooWideAndCannotBeDividedIsAnError: nothing goes round in circles.
func TestWhatIsTooWideAndCannotBeDividedIsAnError(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-lab.Days), lab.Start, time.Hour)
		u := &lab.Unruly{Forgetful: l.Tenant, Answer: func(int,
			entra.Query) lab.Answer {
			return lab.Answer{Err: entra.ErrTooWide}
		}}
		_, err := l.RunOf(u, 8*time.Minute)
		require.ErrorIs(l, err, entra.ErrTooWide)
		require.LessOrEqual(l, count(u), 5)
	})
}

// TestEnrichingDividesWideSpans as every other read does.
func TestEnrichingDividesWideSpans(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		u := filledPoorly(l, lab.Stream, 8*lab.Days, 5*time.Hour)
		u.Answer = tooWide(6*time.Hour, 0)
		l.RunsOf(u, 2)
		require.Zero(l, l.Progress(lab.Stream).Thin)
		atTruth(l, lab.Stream, lab.Start.Add(-8*lab.Days))
	})
}
