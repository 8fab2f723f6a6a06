package purge_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	functionpurge "github.com/entraledger/entraledger/functions/purge"
	"github.com/entraledger/entraledger/functions/purgearchive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

// clock tells the same time to the question and to the purge.
type clock func(context.Context) (time.Time, error)

// asked is the answer of GET /api/purge with some rules.
func asked(l *lab.Lab, rules purge.Retention, tells clock, query string) (int, map[string]any) {
	purger := purge.New(l.Store, l.Store, l.Heads, rules)
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", functionpurge.New(functionpurge.Config{Purger: purger,
		Streams: streams.New([]entra.Stream{lab.Stream, logs.Provisioning}, nil), Clock: tells}))
	require.NoError(l, err)
	w := httptest.NewRecorder()
	host.ServeHTTP(w, httptest.NewRequestWithContext(l.Context(), http.MethodGet, "/api/purge"+query, nil))
	var answer map[string]any
	require.NoError(l, json.Unmarshal(w.Body.Bytes(), &answer), "%s", w.Body)
	return w.Code, answer
}

// day is a day of 2026 or later, as settings have it.
func day(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return t
}

// kept is a hold as ARCHIVE_HOLD has it: with its last day.
func kept(s entra.Stream, first, last string) purge.Hold {
	return purge.Hold{Stream: s, From: day(first), To: day(last).AddDate(0, 0, 1)}
}

func TestTheRulesInForceAreShownAsTheyWereGiven(t *testing.T) {
	lab.InNovember(t, func(l *lab.Lab) {
		now := func(context.Context) (time.Time, error) { return time.Now(), nil }
		forever := func(s entra.Stream) any { return map[string]any{"stream": string(s), "keep": "forever"} }
		for name, c := range map[string]struct {
			rules       purge.Retention
			query       string
			rows, holds []any
		}{
			"nothing set": {rows: []any{forever(lab.Stream), forever(logs.Provisioning)}, holds: []any{}},
			"by stream": {rules: purge.Retention{Default: 400 * 24 * time.Hour,
				By: map[entra.Stream]time.Duration{logs.Provisioning: 0}},
				rows:  []any{map[string]any{"stream": string(lab.Stream), "keep": "400d"}, forever(logs.Provisioning)},
				holds: []any{}},
			"hours that are no days": {rules: purge.Retention{Default: 900 * time.Hour},
				rows: []any{map[string]any{"stream": string(lab.Stream), "keep": "900h"},
					map[string]any{"stream": string(logs.Provisioning), "keep": "900h"}}, holds: []any{}},
			"of one that is asked for": {query: "?stream=provisioning", rules: purge.Retention{Holds: []purge.Hold{
				kept(lab.Stream, "2026-01-01", "2026-01-31"), kept("", "2026-02-28", "2026-02-28")}},
				rows:  []any{forever(logs.Provisioning)},
				holds: []any{map[string]any{"stream": "*", "firstDay": "2026-02-28", "lastDay": "2026-02-28"}}},
			"several holds": {rules: purge.Retention{Holds: []purge.Hold{kept(lab.Stream, "2026-10-01", "2026-12-31"),
				kept("", "2024-02-29", "2024-02-29")}},
				rows: []any{forever(lab.Stream), forever(logs.Provisioning)},
				holds: []any{
					map[string]any{"stream": string(lab.Stream), "firstDay": "2026-10-01", "lastDay": "2026-12-31"},
					map[string]any{"stream": "*", "firstDay": "2024-02-29", "lastDay": "2024-02-29"}}},
		} {
			status, answer := asked(l, c.rules, now, c.query)
			require.Equal(l, http.StatusOK, status, name)
			require.Equal(l, c.rows, answer["rules"], name)
			require.Equal(l, c.holds, answer["holds"], name)
			require.Empty(l, answer["value"], name)
		}
	})
}

// TestThePlanIsWhatThePurgeDoes at the same time of the same clock, whatever the machine's says.
func TestThePlanIsWhatThePurgeDoes(t *testing.T) {
	lab.InNovember(t, func(l *lab.Lab) {
		l.SealOctober()
		due := lab.November.Add(purge.LeastRetention)
		held := purge.Retention{Default: purge.LeastRetention,
			Holds: []purge.Hold{kept("", "2026-10-05", "2026-10-31")}}
		for _, c := range []struct {
			name    string
			rules   purge.Retention
			at      time.Time
			because any // absent: it is dropped
			listed  bool
		}{
			{"a moment before its time", lab.Keep35, due.Add(-time.Second), nil, false},
			{"held to its last day", held, due, "ARCHIVE_HOLD keeps 2026-10-05 to 2026-10-31", true},
			{"held beside it", purge.Retention{Default: purge.LeastRetention,
				Holds: []purge.Hold{kept("", "2026-09-01", "2026-09-30"), kept("", "2026-11-01", "2026-11-01")}}, due,
				nil, true},
		} {
			tells := func(context.Context) (time.Time, error) { return c.at, nil }
			status, answer := asked(l, c.rules, tells, "?stream="+string(lab.Stream))
			require.Equal(l, http.StatusOK, status, c.name)
			require.Equal(l, c.at.UTC().Format(time.RFC3339), answer["asOfDateTime"], c.name)
			rows := answer["value"].([]any)
			require.Len(l, rows, map[bool]int{true: 1, false: 0}[c.listed], c.name)
			if c.listed {
				row := rows[0].(map[string]any)
				require.Equal(l, c.because, row["keptBecause"], c.name)
				require.Equal(l, c.because == nil, row["willBeDropped"], c.name)
			}
			purger := purge.New(l.Store, l.Store, l.Heads, c.rules)
			result, err := purgearchive.New(purgearchive.Config{Purger: purger, Budget: lab.Budget, Clock: tells,
				Streams: streams.New([]entra.Stream{lab.Stream}, nil)}).Timer(l.Context())
			require.NoError(l, err, c.name)
			switch {
			case !c.listed:
				require.Equal(l, "nothing is past its retention", result.Summary, c.name)
			case c.because != nil:
				require.Equal(l, "kept 2026-10 of "+string(lab.Stream)+": "+c.because.(string), result.Summary, c.name)
			default:
				require.Contains(l, result.Summary, "dropped 2026-10 of "+string(lab.Stream), c.name)
			}
		}
	})
}

func TestWithoutATimeThatCanBeTrustedThereIsNoPlan(t *testing.T) {
	lab.InNovember(t, func(l *lab.Lab) {
		status, answer := asked(l, lab.Keep35, func(context.Context) (time.Time, error) {
			return time.Time{}, &entra.Error{Code: entra.CodeConflict, Doing: "tell the time", Why: "no two agree"}
		}, "")
		require.Equal(l, http.StatusConflict, status)
		require.Contains(l, answer["error"].(map[string]any)["message"], "no two agree")
	})
}
