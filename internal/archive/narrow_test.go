package archive_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

// tooWide is how a tenant answers that serves no span of more than most, after some time.
func tooWide(most, takes time.Duration) func(int, entra.Query) answer {
	return func(_ int, q entra.Query) answer {
		switch {
		case q.To.Sub(q.From) <= most:
			return answer{}
		case q.Divisible:
			return answer{takes: takes, err: entra.ErrTooWide}
		}
		return answer{takes: takes, err: &entra.Error{Code: entra.CodeUnavailable, Doing: "read", Why: "Graph answers 504"}}
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
	for most, ordered := range map[time.Duration]bool{days: true, 6 * time.Hour: false, time.Hour + 10*time.Minute: true} {
		t.Run(name(most, "ordered", ordered), func(t *testing.T) {
			inLab(t, func(l *lab) { l.narrows(most, ordered) })
		})
	}
}

func (l *lab) narrows(most time.Duration, ordered bool) {
	l.options.Backfill, l.options.Passes = 12*days, []time.Duration{3 * time.Hour, 24 * time.Hour}
	l.tenant.keeps, l.tenant.ordered = 60*days, ordered
	// Many hours without a record: what proves that Graph remembers lies far back.
	l.tenant.fill(stream, start.Add(-12*days), start.Add(30*days), 59*time.Hour)
	u := &unruly{forgetful: l.tenant, answer: tooWide(most, 0)}
	l.runsOf(u, 1)
	p := l.progress(stream)
	require.False(l, p.Backfilling())
	require.Positive(l, p.Width)
	require.LessOrEqual(l, p.Width, most)
	refused := 0
	for _, q := range u.questions(0) {
		if q.To.Sub(q.From) > most {
			refused++
		}
	}
	require.LessOrEqual(l, refused, 14, "it is not asked for what is too wide again and again")
	l.atTruth(stream, start.Add(-12*days))

	asked := u.count()
	time.Sleep(7 * time.Hour)
	l.runsOf(u, 2)
	require.LessOrEqual(l, widest(u.questions(asked)), most, "what works stays")

	time.Sleep(40 * time.Hour) // the last record lies further back than a question may reach
	l.runsOf(u, 2)
	time.Sleep(10 * days) // an outage, in which the mark grows old
	asked = u.count()
	l.runsOf(u, 3)
	require.Greater(l, widest(u.questions(asked)), most, "wide spans are tried again")
	l.atTruth(stream, start.Add(-12*days))
	for _, cov := range l.hours(stream) {
		require.NotEqual(l, archive.WindowLost, cov.State, "Graph has it still: %s", cov.Window)
		require.False(l, cov.InPart() && cov.Start.After(start), "Graph has it still: %s", cov.Window)
	}

	asked = u.count()
	from := entra.FloorHour(start.Add(-5 * days))
	report, err := l.collector(l.store, u).Range(l.Context(), execution(), []entra.Stream{stream}, from, from.Add(4*days), 8*time.Minute)
	require.NoError(l, err)
	require.True(l, report.Streams[0].RangeDone)
	require.LessOrEqual(l, widest(u.questions(asked)), most)

	u.answer = nil
	time.Sleep(25 * time.Hour)
	asked = u.count()
	_, err = l.collector(l.store, u).Range(l.Context(), execution(), []entra.Stream{stream}, from, from.Add(4*days), 8*time.Minute)
	require.NoError(l, err)
	if ordered {
		require.Equal(l, 4*days, widest(u.questions(asked)), "Graph is well again")
	}
}

// TestSilenceForWideSpansEatsNoTwoBudgets: the tenant takes 90 s to say that a span is too wide.
func TestSilenceForWideSpansEatsNoTwoBudgets(t *testing.T) {
	for _, most := range []time.Duration{days, time.Hour + 10*time.Minute} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			inLab(t, func(l *lab) {
				l.options.Backfill, l.options.Passes = 10*days, []time.Duration{3 * time.Hour, 400 * days}
				l.tenant.fill(stream, start.Add(-10*days), start.Add(30*days), 5*time.Hour)
				u := &unruly{forgetful: l.tenant, answer: tooWide(most, 90*time.Second)}
				var widths []time.Duration
				runs, p := 0, l.progress(stream)
				for ; runs == 0 || p.Backfilling(); runs++ {
					require.Less(l, runs, 4)
					asked := u.count()
					_, err := l.runOf(u, 8*time.Minute)
					require.NoError(l, err)
					if runs > 0 {
						require.LessOrEqual(l, widest(u.questions(asked)), widths[runs-1], "the next run goes on from there")
					}
					p = l.progress(stream)
					widths = append(widths, p.Width+2*time.Minute)
					time.Sleep(5 * time.Minute)
				}
				l.Log("runs: ", runs, ", widths: ", widths)
				time.Sleep(20 * time.Minute)
				l.runsOf(u, 2)
				l.atTruth(stream, start.Add(-10*days))
			})
		})
	}
}

// TestWhatIsTooWideAndCannotBeDividedIsAnError: nothing goes round in circles.
func TestWhatIsTooWideAndCannotBeDividedIsAnError(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-days), start, time.Hour)
		u := &unruly{forgetful: l.tenant, answer: func(int, entra.Query) answer { return answer{err: entra.ErrTooWide} }}
		_, err := l.runOf(u, 8*time.Minute)
		require.ErrorIs(l, err, entra.ErrTooWide)
		require.LessOrEqual(l, u.count(), 5)
	})
}

// TestEnrichingDividesWideSpans as every other read does.
func TestEnrichingDividesWideSpans(t *testing.T) {
	inLab(t, func(l *lab) {
		u := l.filledPoorly(stream, 8*days, 5*time.Hour)
		u.answer = tooWide(6*time.Hour, 0)
		l.runsOf(u, 2)
		require.Zero(l, l.progress(stream).Thin)
		l.atTruth(stream, start.Add(-8*days))
	})
}
