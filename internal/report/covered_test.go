package report_test

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/report"
	"github.com/entraledger/entraledger/internal/search/searchtest"
)

// books are the ledgers of some logs.
type books struct {
	*searchtest.Archive
	progress map[entra.Stream]ledger.Progress
	hours    map[entra.Stream]map[int]ledger.Coverage // by the hour of the day
}

// Progress is ledger.Reader's.
func (b books) Progress(_ context.Context, s entra.Stream) (ledger.Progress, error) {
	return b.progress[s], nil
}

// Windows is ledger.Reader's.
func (b books) Windows(_ context.Context, s entra.Stream, from, to time.Time) iter.Seq2[ledger.Coverage, error] {
	return func(yield func(ledger.Coverage, error) bool) {
		for hour := range 48 {
			cov, ok := b.hours[s][hour]
			cov.Window = entra.Window{Stream: s, Start: midnight.Add(time.Duration(hour) * time.Hour)}
			if ok && !cov.Start.Before(from) && cov.Start.Before(to) && !yield(cov, nil) {
				return
			}
		}
	}
}

// TestCoverageSaysOfEachHourWhatItLacks has a ledger of every state.
func TestCoverageSaysOfEachHourWhatItLacks(t *testing.T) {
	complete := ledger.Coverage{State: ledger.WindowComplete, HasSum: true}
	hour := func(n float64) time.Time { return midnight.Add(time.Duration(n * float64(time.Hour))) }
	full := map[int]ledger.Coverage{}
	for n := range 24 {
		full[n] = complete
	}
	started := ledger.Progress{Stream: logs.DirectoryAudits, Begin: hour(2), Backfilled: hour(2), TailBegin: hour(2),
		Watermark: hour(22), LastRunAt: hour(22), LastSuccessAt: hour(22)}
	with := func(n int, cov ledger.Coverage) map[int]ledger.Coverage {
		out := map[int]ledger.Coverage{}
		for at, c := range full {
			if at >= 2 && at < 22 {
				out[at] = c
			}
		}
		out[n] = cov
		return out
	}
	for name, c := range map[string]struct {
		progress ledger.Progress
		hours    map[int]ledger.Coverage
		from, to float64
		gaps     []string // from, to, and a part of the reason
		unknown  string
	}{
		"all there":      {started, with(5, complete), 3, 10, nil, ""},
		"parts of hours": {started, with(5, complete), 3.5, 3.75, nil, ""},
		"before the archive": {started, with(5, complete), 0, 10, []string{"0 2 the archive begins at 2026-11-20T02"},
			""},
		"only before it": {started, with(5, complete), 0, 1.5, []string{"0 1.5 the archive begins"},
			"the archive begins"},
		"imported before it": {started, with(1, ledger.Coverage{State: ledger.WindowPartial, Bytes: 9}), 0, 3,
			[]string{"0 1 the archive begins", "1 2 "}, ""},
		"purged": {started, with(5, ledger.Coverage{State: ledger.WindowPurged, Reason: "the rule"}), 4, 7,
			[]string{"5 6 purged by the rule"}, ""},
		"only purged": {started, with(5, ledger.Coverage{State: ledger.WindowPurged, Reason: "the rule"}), 5.25, 5.5,
			[]string{"5.25 5.5 purged by the rule"}, "purged by the rule"},
		"lost": {started, with(5, ledger.Coverage{State: ledger.WindowLost}), 5, 6,
			[]string{"5 6 Graph had forgotten it"}, "Graph had forgotten it"},
		"lost and imported": {started, with(5, ledger.Coverage{State: ledger.WindowLost, Bytes: 9}), 5, 6,
			[]string{"5 6 Graph had forgotten it"}, ""},
		"lost in part": {started, with(5, ledger.Coverage{State: ledger.WindowComplete, LostFrom: hour(5),
			LostTo: hour(5.5)}), 4, 7, []string{"5 5.5 Graph had forgotten that part"}, ""},
		"lost in a part that is not asked for": {started, with(5, ledger.Coverage{State: ledger.WindowComplete,
			LostFrom: hour(5), LostTo: hour(5.5)}), 5.5, 7, nil, ""},
		"in doubt": {started, with(5, ledger.Coverage{State: ledger.WindowComplete, Doubt: true}), 4, 7,
			[]string{"5 6 rows and ledger differ"}, ""},
		"read once": {started, with(5, ledger.Coverage{State: ledger.WindowPartial, Passes: 1}), 5, 6,
			[]string{"5 6 it was read once"}, ""},
		"reads that differ": {started, with(5, ledger.Coverage{State: ledger.WindowSealed, Reads: "3 4 5"}), 5, 6,
			[]string{"5 6 "}, ""},
		"the newest": {started, with(22, ledger.Coverage{State: ledger.WindowPartial}), 21, 24,
			[]string{"22 24 the hour is read up to"}, ""},
		"only the newest": {started, with(5, complete), 23, 24, []string{"23 24 "}, "the hour is read up to"},
		"the future": {started, with(5, complete), 30, 31, []string{"30 31 it has not happened yet"},
			"it has not happened"},
		"never read": {ledger.Progress{Stream: logs.DirectoryAudits, LastError: "no licence"}, nil, 3, 4,
			[]string{"3 4 its last run failed: no licence"}, "its last run failed: no licence"},
		"an age before Entra": {started, with(5, complete), -24 * 365 * 900, 3,
			[]string{"-7884000 2 the archive begins"},
			""},
	} {
		t.Run(name, func(t *testing.T) {
			b := books{searchtest.New(t, logs.DirectoryAudits, midnight),
				map[entra.Stream]ledger.Progress{logs.DirectoryAudits: c.progress},
				map[entra.Stream]map[int]ledger.Coverage{logs.DirectoryAudits: c.hours}}
			s := &report.Sources{Archive: b, Streams: archived{logs.DirectoryAudits}, Now: b.Now}
			got, err := s.Covers(t.Context(), report.Question{Report: report.Find("auditEvents", true),
				Window: report.Window{From: hour(c.from), To: hour(c.to)}})
			require.NoError(t, err)
			require.Len(t, got.Gaps, len(c.gaps), "%v", got.Gaps)
			for i, want := range c.gaps {
				var from, to float64
				_, err := fmt.Sscan(want, &from, &to)
				require.NoError(t, err)
				require.Equal(t, []time.Time{hour(from), hour(to)}, []time.Time{got.Gaps[i].From, got.Gaps[i].To})
				_, rest, _ := cut(want)
				require.Contains(t, got.Gaps[i].Reason, rest)
			}
			if c.unknown == "" {
				require.Empty(t, got.Unknown)
			} else {
				require.Contains(t, got.Unknown, c.unknown)
			}
		})
	}
}

// cut cuts two words off.
func cut(text string) (first, rest string, ok bool) {
	var a, b string
	_, err := fmt.Sscan(text, &a, &b)
	return a, text[min(len(text), len(a)+len(b)+2):], err == nil
}

// TestALogThatIsNotArchivedIsAGapOfTheOther and the report is unknown only where no log has
// anything.
func TestALogThatIsNotArchivedIsAGapOfTheOther(t *testing.T) {
	full := map[int]ledger.Coverage{}
	for n := range 24 {
		full[n] = ledger.Coverage{State: ledger.WindowComplete}
	}
	interactive, other := logs.SignInsInteractiveUser, logs.SignInsNonInteractiveUser
	p := ledger.Progress{Stream: interactive, Begin: midnight, Backfilled: midnight, TailBegin: midnight,
		Watermark: midnight.Add(24 * time.Hour)}
	b := books{searchtest.New(t, interactive, midnight), map[entra.Stream]ledger.Progress{interactive: p},
		map[entra.Stream]map[int]ledger.Coverage{interactive: full}}
	q := report.Question{Report: report.Find("irregularSignInActivityEvents", true),
		Window: report.Window{From: midnight, To: noon}}
	for _, of := range []archived{{interactive}, {interactive, other}} {
		s := &report.Sources{Archive: b, Streams: of, Now: b.Now}
		got, err := s.Covers(t.Context(), q)
		require.NoError(t, err)
		require.Empty(t, got.Unknown)
		require.Len(t, got.Gaps, 1)
		require.Contains(t, got.Gaps[0].Reason, "signIns.nonInteractiveUser: ")
		require.Equal(t, noon, got.Gaps[0].To)
	}
	got, err := (&report.Sources{Archive: b, Streams: archived{}, Now: b.Now}).Covers(t.Context(), q)
	require.NoError(t, err)
	require.Contains(t, got.Unknown, "signIns.interactiveUser is not archived")
	require.Contains(t, got.Unknown, "signIns.nonInteractiveUser is not archived")

	// What was purged between two looks is in the second one, and what was read is in the first.
	s := &report.Sources{Archive: b, Streams: archived{interactive, other}, Now: b.Now}
	before, err := s.Covers(t.Context(), q)
	require.NoError(t, err)
	same, err := s.Since(t.Context(), q, before)
	require.NoError(t, err)
	require.Equal(t, before, same)
	p.Revision++
	b.progress[interactive], full[3] = p, ledger.Coverage{State: ledger.WindowPurged, Reason: "the rule"}
	after, err := s.Since(t.Context(), q, before)
	require.NoError(t, err)
	require.Len(t, after.Gaps, 2)
}
