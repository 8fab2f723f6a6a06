package cost_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/cost"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
)

var (
	now   = time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)
	today = now.Truncate(24 * time.Hour)
)

// counting counts requests to the tables.
type counting struct {
	http.RoundTripper
	requests atomic.Int64
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	return c.RoundTripper.RoundTrip(r)
}

// lab is a ledger, and the function that asks it.
type lab struct {
	*testing.T
	store    *tablestest.Store
	requests *counting
}

func newLab(t *testing.T) *lab {
	service := memstorage.New(func() time.Time { return now })
	counted := &counting{RoundTripper: service}
	store, err := tablestest.New(tables.Config{ConnectionString: service.ConnectionString(),
		HTTP: &http.Client{Transport: counted}})
	require.NoError(t, err)
	return &lab{T: t, store: store, requests: counted}
}

// log writes the ledger of a log: for each of the last days, from seven days ago on, 24 hours with
// ten records of 1,000 bytes, of which 300 are stored; change may make another hour of one, and
// false leaves it out.
func (l *lab) log(s entra.Stream, change func(i int, c *ledger.Coverage) bool) {
	begin := today.AddDate(0, 0, -7)
	p := ledger.Progress{Stream: s, Begin: begin, Backfilled: begin, TailBegin: begin,
		Watermark: now.Add(-6 * time.Minute),
		LastRunAt: now.Add(-time.Minute), LastSuccessAt: now.Add(-time.Minute),
		Tally: ledger.Tally{Records: 2_000_000, Bytes: 2e9, StoredBytes: 6e8}}
	var rows []ledger.Coverage
	for i := range 7*24 + 14 {
		c := ledger.Coverage{Window: entra.Window{Stream: s, Start: begin.Add(time.Duration(i) * time.Hour)},
			State:  ledger.WindowComplete,
			Passes: 2, Records: 10, Bytes: 10_000, StoredBytes: 3_000}
		if change == nil || change(i, &c) {
			rows = append(rows, c)
		}
	}
	for len(rows) > 0 {
		n := min(90, len(rows))
		var err error
		p, err = l.store.Commit(l.Context(), ledger.Lease{}, p, rows[:n], nil)
		require.NoError(l, err)
		rows = rows[n:]
	}
}

// serve makes the app, in which some logs are collected.
func (l *lab) serve(collected ...entra.Stream) http.Handler {
	return l.serveWith(purge.Retention{}, collected...)
}

func (l *lab) serveWith(keep purge.Retention, collected ...entra.Stream) http.Handler {
	return l.app(cost.Config{Ledger: l.store, Streams: streams.New(collected, l.store), Retention: keep,
		RequestsPer10s: 4,
		Now:            func() time.Time { return now }})
}

func (l *lab) app(cfg cost.Config) http.Handler {
	host, err := web.Serve(slog.New(slog.DiscardHandler), "https://ledger.example", cost.New(cfg))
	require.NoError(l, err)
	return host
}

// ran changes a log's row of progress.
func (l *lab) ran(s entra.Stream, change func(p *ledger.Progress)) {
	p, err := l.store.Progress(l.Context(), s)
	require.NoError(l, err)
	change(&p)
	_, err = l.store.Commit(l.Context(), ledger.Lease{}, p, nil, nil)
	require.NoError(l, err)
}

func ask(app http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func get(t *testing.T, app http.Handler, path string) (status int, answer map[string]any) {
	w := ask(app, path)
	require.NotContains(t, w.Body.String(), "null", "Parse JSON breaks on null")
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer), "%s", w.Body)
	return w.Code, answer
}

// named is the element of a list that has a value under a name.
func named(t *testing.T, list any, name, value string) map[string]any {
	for _, item := range list.([]any) {
		if item.(map[string]any)[name] == value {
			return item.(map[string]any)
		}
	}
	require.Failf(t, "not in the list", "%s %s: %v", name, value, list)
	return nil
}

func TestTheForecastSaysWhatItRestsOn(t *testing.T) {
	l := newLab(t)
	l.log(logs.Provisioning, nil)
	status, answer := get(t, l.serve(logs.Provisioning), "/api/cost?code=key")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "https://ledger.example/api/$metadata#cost", answer["@odata.context"])
	require.Equal(t, []any{"2026-11-14T00:00:00Z", "2026-11-21T00:00:00Z", "2026-11-21T14:30:00Z", "USD", 12.0, "ZRS",
		512.0, 1.0},
		[]any{answer["startDateTime"], answer["endDateTime"], answer["asOfDateTime"], answer["currency"],
			answer["retentionMonths"], answer["redundancy"], answer["instanceMemoryMB"], answer["@odata.count"]})
	require.Equal(t, map[string]any{"tableStorage": 1.25, "blobStorage": 1.25, "blobWrites": 1.25},
		answer["redundancyMultiples"])
	require.NotEmpty(t, answer["notes"])
	require.Equal(t, map[string]any{"name": "logAnalyticsIngestion", "what": "Log Analytics, ingestion", "usd": 2.3,
		"per": "GB, the first 31 days' retention included", "source": "publicPages"},
		named(t, answer["prices"], "name", "logAnalyticsIngestion"))
	row := answer["value"].([]any)[0].(map[string]any)
	require.Equal(t, []any{"provisioning", true, "measured", 7.0, 168.0, 0.0, 0.0, 0.0, 240.0, 1000.0, 300.0, "ledger"},
		[]any{row["stream"], row["collected"], row["status"], row["daysCounted"], row["windowsCounted"],
			row["windowsAwaiting"], row["windowsMissing"], row["windowsLost"],
			row["recordsPerDay"], row["bytesPerRecord"], row["storedBytesPerRecord"], row["bytesFrom"]})
	require.NotContains(t, row, "reason")
	require.InDelta(t, (6e8+2e6*66)/(1<<30), row["heldGB"], 1e-4)
	require.Equal(t, map[string]any{"gbPerMonth": 0.0073, "usdPerMonth": 0.0021}, row["eventHub"],
		"an Event Hub keeps nothing")
	for _, name := range []string{"archive", "storageAccount", "logAnalytics", "eventHub"} {
		require.Equal(t, "measured", named(t, answer["destinations"], "destination", name)["status"])
	}
	archive := named(t, answer["destinations"], "destination", "archive")
	shared := 0.0
	for _, part := range archive["shared"].([]any) {
		shared += part.(map[string]any)["usdPerMonth"].(float64)
	}
	require.InDelta(t, archive["usdPerMonth"], shared+row["archive"].(map[string]any)["usdPerMonth"].(float64), 0.001)
}

func TestParametersChangeThePlan(t *testing.T) {
	l := newLab(t)
	l.log(logs.Provisioning, nil)
	app := l.serve(logs.Provisioning)
	kept := func(query string) (gb, usd float64) {
		_, answer := get(t, app, "/api/cost"+query)
		row := answer["value"].([]any)[0].(map[string]any)["storageAccount"].(map[string]any)
		return row["keptGB"].(float64), row["usdPerMonth"].(float64)
	}
	year, cheap := kept("?redundancy=LRS")
	decade, dear := kept("?retentionMonths=120&redundancy=GZRS")
	require.InDelta(t, 10*year, decade, 0.001)
	require.Greater(t, dear, cheap)
	flex := func(query string) any {
		_, answer := get(t, app, "/api/cost"+query)
		return named(t, named(t, answer["destinations"], "destination", "archive")["shared"], "name",
			"flexConsumption")["usdPerMonth"]
	}
	require.Zero(t, flex(""), "the free grant")
	require.Greater(t, flex("?instanceMemoryMB=4096"), flex("?instanceMemoryMB=2048"))
}

func TestAnEmptyArchiveGetsNothingInvented(t *testing.T) {
	_, answer := get(t, newLab(t).serve(logs.DirectoryAudits, logs.Provisioning), "/api/cost")
	require.Len(t, answer["value"], 2)
	for _, item := range answer["value"].([]any) {
		row := item.(map[string]any)
		require.Equal(t, []any{"unknown", "it was never read"}, []any{row["status"], row["reason"]})
		for _, absent := range []string{"recordsPerDay", "bytesPerRecord", "bytesFrom", "archive", "storageAccount",
			"logAnalytics", "eventHub", "heldGB"} {
			require.NotContains(t, row, absent)
		}
	}
	for _, item := range answer["destinations"].([]any) {
		d := item.(map[string]any)
		require.Equal(t, "unknown", d["status"])
		require.Contains(t, d["reason"], "no log")
		require.NotContains(t, d, "usdPerMonth")
		require.NotContains(t, d, "gbPerMonth")
		require.Empty(t, d["shared"])
	}
}

func TestALogOfWhichNothingIsKnownIsNamedAndLeftOut(t *testing.T) {
	l := newLab(t)
	l.log(logs.Provisioning, nil)
	l.log(logs.DirectoryAudits, func(i int, c *ledger.Coverage) bool {
		c.State, c.Passes = ledger.WindowPartial, 1
		return true
	})
	_, answer := get(t, l.serve(logs.DirectoryAudits, logs.Provisioning), "/api/cost")
	audits := named(t, answer["value"], "stream", "directoryAudits")
	require.Equal(t, []any{"unknown", 0.0, 168.0, 0.0}, []any{audits["status"], audits["windowsCounted"],
		audits["windowsAwaiting"], audits["windowsMissing"]})
	require.Contains(t, audits["reason"], "await a second read")
	d := named(t, answer["destinations"], "destination", "logAnalytics")
	require.Equal(t, []any{"partial", []any{"directoryAudits"}}, []any{d["status"], d["withoutStreams"]})
	provisioning := named(t, answer["value"], "stream", "provisioning")
	require.Equal(t, provisioning["logAnalytics"].(map[string]any)["gbPerMonth"], d["gbPerMonth"])
}

func TestGapsAndHoursInDoubtAreListedAndDoNotMakeTheLogLookQuiet(t *testing.T) {
	l := newLab(t)
	l.log(logs.Provisioning, func(i int, c *ledger.Coverage) bool {
		switch {
		case i < 24:
			*c = ledger.Coverage{Window: c.Window, State: ledger.WindowLost}
		case i < 36:
			c.Doubt = true
		case i < 40:
			c.LostFrom, c.LostTo = c.Start, c.Start.Add(time.Minute)
		case i < 48:
			return false
		}
		return true
	})
	_, answer := get(t, l.serve(logs.Provisioning), "/api/cost")
	row := answer["value"].([]any)[0].(map[string]any)
	require.Equal(t, []any{"partial", 5.0, 120.0, 20.0, 28.0, 240.0},
		[]any{row["status"], row["daysCounted"], row["windowsCounted"], row["windowsMissing"], row["windowsLost"],
			row["recordsPerDay"]})
	require.Contains(t, row["reason"], "48 of 168 hours are not counted")
	require.Equal(t, "partial", named(t, answer["destinations"], "destination", "archive")["status"])
}

func TestALogThatIsNotCollectedAnyMoreCostsOnlyWhatIsKept(t *testing.T) {
	l := newLab(t)
	l.log(logs.Provisioning, nil)
	l.log(logs.DirectoryAudits, nil)
	_, answer := get(t, l.serve(logs.DirectoryAudits), "/api/cost")
	row := named(t, answer["value"], "stream", "provisioning")
	require.Equal(t, []any{"notCollected", false}, []any{row["status"], row["collected"]})
	require.Contains(t, row["reason"], "ARCHIVE_STREAMS does not name it")
	require.NotContains(t, row, "logAnalytics")
	kept := row["archive"].(map[string]any)
	require.Equal(t, []any{0.0, row["heldGB"]}, []any{kept["gbPerMonth"], kept["keptGB"]})
	audits := named(t, answer["value"], "stream", "directoryAudits")["archive"].(map[string]any)
	all := named(t, answer["destinations"], "destination", "archive")
	require.Equal(t, "measured", all["status"])
	require.Empty(t, all["withoutStreams"])
	require.InDelta(t, kept["keptGB"].(float64)+audits["keptGB"].(float64), all["keptGB"], 0.0002)
	elsewhere := named(t, answer["value"], "stream", "directoryAudits")["logAnalytics"].(map[string]any)
	require.Equal(t, elsewhere["keptGB"], named(t, answer["destinations"], "destination", "logAnalytics")["keptGB"])
}

func TestARowOfProgressThatCannotBeUsedHoldsUpNoOtherLog(t *testing.T) {
	l := newLab(t)
	l.log(logs.Provisioning, nil)
	l.log(logs.DirectoryAudits, nil)
	function := l.app(cost.Config{Ledger: oneIsBroken{l.store, logs.DirectoryAudits}, RequestsPer10s: 4,
		Streams: streams.New([]entra.Stream{logs.DirectoryAudits, logs.Provisioning}, nil), Now: func() time.Time {
			return now
		}})
	_, answer := get(t, function, "/api/cost")
	row := named(t, answer["value"], "stream", "directoryAudits")
	require.Equal(t, "unknown", row["status"])
	require.Contains(t, row["reason"], "somebody changed it")
	require.NotContains(t, row, "windowsMissing", "nobody knows")
	require.Equal(t, "measured", named(t, answer["value"], "stream", "provisioning")["status"])
}

func TestARowOfProgressThatIsOutOfTimeMovesNoDays(t *testing.T) {
	const month = 30 * 24 * time.Hour
	for name, c := range map[string]struct {
		collected []entra.Stream
		change    func(p *ledger.Progress)
	}{
		"of a log that is not collected any more": {[]entra.Stream{logs.Provisioning}, func(p *ledger.Progress) {
			p.ClockOffset, p.LastRunAt = -15*time.Hour, now.Add(-16*time.Hour)
		}},
		"whose clock is ahead": {[]entra.Stream{logs.Provisioning, logs.DirectoryAudits},
			func(p *ledger.Progress) {
				p.ClockOffset, p.LastRunAt = month, now.Add(month)
			}},
		"whose last run is not over yet": {[]entra.Stream{logs.Provisioning, logs.DirectoryAudits},
			func(p *ledger.Progress) {
				p.ClockOffset, p.LastRunAt = -month, now.Add(month)
			}},
		"that is old": {[]entra.Stream{logs.Provisioning, logs.DirectoryAudits},
			func(p *ledger.Progress) {
				p.ClockOffset, p.LastRunAt = -month, now.Add(-month)
			}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.log(logs.Provisioning, nil)
			l.log(logs.DirectoryAudits, nil)
			l.ran(logs.Provisioning, func(p *ledger.Progress) { p.LastRunAt = now.Add(-17 * time.Hour) })
			l.ran(logs.DirectoryAudits, c.change)
			_, answer := get(t, l.serve(c.collected...), "/api/cost")
			require.Equal(t, "2026-11-21T00:00:00Z", answer["endDateTime"])
			require.Equal(t, "measured", named(t, answer["value"], "stream", "provisioning")["status"])
			require.Equal(t, "measured", named(t, answer["destinations"], "destination", "archive")["status"])
		})
	}
}

func TestATenantWithATimeOfItsOwnMayBeAhead(t *testing.T) {
	l := newLab(t)
	l.log(logs.Provisioning, nil)
	l.ran(logs.Provisioning, func(p *ledger.Progress) {
		p.ClockOffset, p.LastRunAt = 24*time.Hour, now.Add(24*time.Hour)
	})
	function := l.app(cost.Config{Ledger: l.store, Streams: streams.New([]entra.Stream{logs.Provisioning}, nil),
		RequestsPer10s: 4,
		Simulated:      true, Now: func() time.Time { return now }})
	_, answer := get(t, function, "/api/cost")
	require.Equal(t, "2026-11-22T00:00:00Z", answer["endDateTime"])
}

func TestEachLogIsKeptAsLongAsTheSettingSays(t *testing.T) {
	l := newLab(t)
	l.log(logs.Provisioning, nil)
	l.log(logs.DirectoryAudits, nil)
	const day = 24 * time.Hour
	months := func(keep purge.Retention, query string) map[string]any {
		_, answer := get(t, l.serveWith(keep, logs.Provisioning, logs.DirectoryAudits), "/api/cost"+query)
		out := map[string]any{"": []any{answer["retentionMonths"], answer["retentionFrom"]},
			"note": answer["notes"].([]any)[0]}
		for _, s := range []string{"provisioning", "directoryAudits"} {
			row := named(t, answer["value"], "stream", s)
			out[s] = []any{row["retentionMonths"], row["retentionFrom"]}
			perMonth := row["storageAccount"].(map[string]any)["keptGB"].(float64) / row["retentionMonths"].(float64)
			require.InDelta(t, 0.0068, perMonth, 0.0001, "what is kept goes by the log's own months")
		}
		return out
	}
	forever := months(purge.Retention{}, "")
	require.Equal(t, []any{12.0, "assumed"}, forever["provisioning"])
	require.Contains(t, forever["note"], "It keeps [provisioning directoryAudits] for ever: 12 months are assumed")

	keep := purge.Retention{Default: 730 * day, By: map[entra.Stream]time.Duration{logs.DirectoryAudits: 400 * day}}
	got := months(keep, "")
	require.Equal(t, []any{24.0, "setting"}, got[""])
	require.Equal(t, []any{24.0, "setting"}, got["provisioning"])
	require.Equal(t, []any{14.0, "setting"}, got["directoryAudits"], "400 days are 13 months and some days")
	require.NotContains(t, got["note"], "for ever")

	mixed := months(purge.Retention{Default: 0, By: map[entra.Stream]time.Duration{logs.DirectoryAudits: 35 * day}}, "")
	require.Equal(t, []any{2.0, "setting"}, mixed["directoryAudits"])
	require.Contains(t, mixed["note"], "It keeps [provisioning] for ever")

	asked := months(keep, "?retentionMonths=6")
	require.Equal(t, []any{6.0, "query"}, asked["directoryAudits"])
	require.Contains(t, asked["note"], "6 months, as retentionMonths asks")
}

func TestWhatLogAnalyticsDoesNotKeepForSoLongHasNoAmount(t *testing.T) {
	l := newLab(t)
	l.log(logs.Provisioning, nil)
	l.log(logs.DirectoryAudits, nil)
	longest := purge.Retention{By: map[entra.Stream]time.Duration{logs.DirectoryAudits: 36_500 * 24 * time.Hour}}
	app := l.serveWith(longest, logs.Provisioning, logs.DirectoryAudits)
	_, answer := get(t, app, "/api/cost")
	audits := named(t, answer["value"], "stream", "directoryAudits")
	require.Equal(t, []any{"measured", 1_200.0}, []any{audits["status"], audits["retentionMonths"]})
	require.Equal(t, "logAnalytics is left out: Log Analytics keeps records for 144 months (12 years) at most, and "+
		"1200 are asked for", audits["reason"])
	require.NotContains(t, audits, "logAnalytics")
	require.Contains(t, audits, "storageAccount")
	d := named(t, answer["destinations"], "destination", "logAnalytics")
	require.Equal(t, []any{"partial", []any{"directoryAudits"}}, []any{d["status"], d["withoutStreams"]})
	require.Contains(t, d["reason"], "144 months (12 years) at most")
	require.Equal(t, "measured", named(t, answer["destinations"], "destination", "archive")["status"])
	ledger := func(answer map[string]any) float64 {
		return named(t, named(t, answer["destinations"], "destination", "archive")["shared"], "name",
			"ledger")["usdPerMonth"].(float64)
	}
	_, ofAYear := get(t, app, "/api/cost?retentionMonths=12")
	require.InEpsilon(t, 100*ledger(ofAYear), ledger(answer), 0.01,
		"the ledger is kept for as long as the log that is kept longest")

	_, answer = get(t, app, "/api/cost?retentionMonths=145")
	d = named(t, answer["destinations"], "destination", "logAnalytics")
	require.Equal(t, "notOffered", d["status"])
	require.NotContains(t, d, "usdPerMonth")
	require.NotContains(t, d, "gbPerMonth")
	require.Equal(t, "measured", named(t, answer["destinations"], "destination", "storageAccount")["status"])
}

func TestTheAnswerTakesAFewRequestsHoweverMuchIsArchived(t *testing.T) {
	l := newLab(t)
	for _, s := range logs.Streams() {
		l.log(s, nil)
	}
	app := l.serve(logs.Streams()...)
	before := l.requests.requests.Load()
	_, answer := get(t, app, "/api/cost")
	require.Len(t, answer["value"], len(logs.Streams()))
	// Which logs there are, delivered ones too, and of those that are read their progress and their hours.
	most := int64(len(logs.All()) + 2*len(logs.Streams()))
	require.LessOrEqual(t, l.requests.requests.Load()-before, most)
	require.Greater(t, l.requests.requests.Load()-before, int64(0))
}

func TestTheFileHasALineForEachLogAndNoZeroForWhatIsNotKnown(t *testing.T) {
	l := newLab(t)
	l.log(logs.Provisioning, nil)
	app := l.serve(logs.Provisioning, logs.DirectoryAudits)
	lines := strings.Split(strings.TrimSpace(ask(app, "/api/cost?$format=csv").Body.String()), "\r\n")
	require.Len(t, lines, 3)
	require.Contains(t, lines[0], "logAnalytics.usdPerMonth")
	require.Contains(t, lines[2], "directoryAudits,true,unknown,it was never "+
		"read,12,assumed,0,0,0,168,0,,,,,,,,,,,,,,,,,", "%s", lines[2])
}

func TestABadQuestionIsAnsweredWithWhatIsAccepted(t *testing.T) {
	app := newLab(t).serve(logs.Provisioning)
	for query, says := range map[string]string{
		"retentionMonths=0":                   "a whole number from 1 to 1200",
		"retentionMonths=year":                "a whole number from 1 to 1200",
		"retentionMonths=1e3":                 "a whole number from 1 to 1200",
		"retentionMonths=99999":               "a whole number from 1 to 1200",
		"retentionMonths=":                    "a whole number from 1 to 1200",
		"retentionMonths=1&retentionMonths=2": "one value",
		"redundancy=Standard_ZRS":             "ZRS, LRS, GRS, RAGRS, GZRS, RAGZRS",
		"redundancy=zrs":                      "ZRS, LRS",
		"instanceMemoryMB=1024":               "512, 2048, 4096",
		"retention=12":                        "retentionMonths, redundancy, instanceMemoryMB, $format",
		"$format=xml":                         "json and csv",
	} {
		status, answer := get(t, app, "/api/cost?"+query)
		require.Equal(t, http.StatusBadRequest, status, query)
		problem := answer["error"].(map[string]any)
		require.Contains(t, problem["message"], says, query)
		require.Equal(t, "badRequest", problem["code"], query)
	}
}

// oneIsBroken is a ledger in which a log's row of progress was altered.
type oneIsBroken struct {
	ledger.Reader
	stream entra.Stream
}

func (b oneIsBroken) Progress(ctx context.Context, s entra.Stream) (ledger.Progress, error) {
	if s == b.stream {
		return ledger.Progress{}, &entra.Error{Code: entra.CodeTampered, Doing: "read row progress",
			Why: "somebody changed it"}
	}
	return b.Reader.Progress(ctx, s)
}
