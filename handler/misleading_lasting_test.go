package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/archivetest"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestWhereEveryWalkEndsOnItsSecondPageAnOrderedLogIsReadToItsEnd: the rest of such a walk is
// queried from its last record on, as often as needed.
func TestWhereEveryWalkEndsOnItsSecondPageAnOrderedLogIsReadToItsEnd(t *testing.T) {
	for _, kind := range []simtenant.Kind{simtenant.EndsShort, simtenant.EndsEmpty} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			m := newMisled(t, 41, 30, deep)
			ordered := slices.DeleteFunc(logs.Streams(), func(s entra.Stream) bool { return !logs.Of(s).Ordered })
			m.misleads(simtenant.Fault{Kind: kind}, []shape{{page: 2}}, 0, ordered...)
			m.killedAfter(9, 0)
			m.runs(10*time.Minute, 1)
			m.killedAfter(5, 26*hour)
			m.runs(30*hour, 2)
			require.Zero(m, m.requireTruthOrSaid())
			m.requireExact()
			m.Logf("it happened %d times in %d requests", m.tenant.Happened(kind), m.logRequests())
		})
	}
}

// TestWhatCanBeBorneIsBorneForEver: the tenant misleads each log in another way and never stops. No
// run fails, and the logs are read all the same.
func TestWhatCanBeBorneIsBorneForEver(t *testing.T) {
	for shift := range 2 {
		bearForEver(t, shift)
	}
}

// bearForEver lets the tenant misbehave in one way on each log; shift says in which.
func bearForEver(t *testing.T, shift int) {
	t.Run(fmt.Sprint("shift ", shift), func(t *testing.T) {
		t.Parallel()
		m := newMisled(t, uint64(71+shift), 30, shallow)
		m.timeout = 300 * time.Millisecond
		for i, stream := range m.streams {
			f := borne()[(i+3*shift)%len(borne())]
			f.Stream = stream
			m.tenant.Inject(f)
		}
		m.killedAfter(12, 0)
		m.runs(10*time.Minute, 2)
		m.killedAfter(6, 26*hour)
		m.runs(30*hour, 2)
		require.Zero(m, m.requireTruthOrSaid())
		m.requireExact()
		for _, f := range borne() {
			require.Positive(m, m.tenant.Happened(f.Kind), f.Kind)
		}
		m.requireBorne()
		m.Logf("%d requests", m.logRequests())
	})
}

// borne are the faults that cause no message about a log.
func borne() []simtenant.Fault {
	return []simtenant.Fault{
		{Kind: simtenant.WideSpan, Span: 20 * hour, Body: "html"},
		{Kind: simtenant.WideSpan, Span: 20 * hour, Delay: time.Second},
		{Kind: simtenant.LongLinks},
		{Kind: simtenant.EmptyPage, Every: 2},
		{Kind: simtenant.UnsupportedQuery, Page: 1, Every: 2},
		{Kind: simtenant.NoLicence, Every: 2},
		{Kind: simtenant.FreshCycle, Page: 2, Every: 2},
	}
}

// TestWhereThreeReadsOfAnHourDifferItIsSealedAsUnconfirmedWithTheCounts: each read leaves out other
// records of one hour, or, of every second log, the third one none.
func TestWhereThreeReadsOfAnHourDifferItIsSealedAsUnconfirmedWithTheCounts(t *testing.T) {
	t.Parallel()
	m := newMisled(t, 43, 0, deep)
	at := entra.FloorHour(m.begin.Add(-5 * day))
	for n := range 12 { // three pages
		m.put(fmt.Sprint("r", n), at.Add(time.Duration(n)*time.Minute), time.Time{}, "A")
	}
	reads := [][]simtenant.Fault{
		{{Page: 1, Records: 1, After: 1}, {Page: 2, Records: 3, After: 1}, {Page: 3, Records: 2, After: 2}},
		{{Page: 2, Records: 3}, {Page: 3, Records: 2, After: 1}},
	}
	for i, stream := range m.streams {
		for _, f := range reads[i%2] {
			f.Kind, f.Stream, f.Count = simtenant.LeavesOut, stream, 1
			m.tenant.Inject(f)
		}
	}
	m.runs(0, 1)
	m.killedAfter(4, 20*time.Minute)
	m.runs(30*hour, 2)
	p := m.start()
	for i, stream := range m.streams {
		cov := m.window(stream, at)
		require.Equal(m, ledger.WindowSealed, cov.State, stream)
		require.EqualValues(m, 12, cov.Records, "%s: what any read has met is kept", stream)
		want := []string{"unconfirmed: its reads differ, they met 11, 9, 10 records",
			"unconfirmed: its reads differ, they met 9, 10, 12 records"}[i%2]
		require.Equal(m, want, cov.ReadsDiffer(), stream)
		_, body := p.raw("/api/coverage/" + string(stream) + "?from=" + at.Format(time.RFC3339) + "&$top=1")
		require.Equal(m, want, gjson.GetBytes(body, "value.0.reason").Str, "%s", body)
		_, body = p.raw("/api/coverage/" + string(stream) + "?from=" + at.Add(hour).Format(time.RFC3339) + "&$top=1")
		require.Empty(m, gjson.GetBytes(body, "value.0.reason").Str, "%s", body)
	}
	m.requireExact()
}

// TestBetaRefusedForLongMakesHoursThinUntilItComesBack refuses beta to every log for two hours.
func TestBetaRefusedForLongMakesHoursThinUntilItComesBack(t *testing.T) {
	for name, good := range map[string]bool{"after good answers": true, "from the first run on": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refuseBeta(t, good)
		})
	}
}

// refuseBeta lets beta be refused from the first run on, or after a good one.
func refuseBeta(t *testing.T, good bool) {
	m := newMisled(t, 47, 60, shallow)
	if good {
		m.runs(0, 1)
	}
	for i, stream := range m.streams {
		m.tenant.Inject(simtenant.Fault{Kind: simtenant.Refused, Form: entra.FormBeta, Stream: stream,
			Status: []int{400, 404, 501, 403}[i%4]})
	}
	if good {
		m.runs(20*time.Minute, 4) // to 50 minutes: nothing fails
	} else {
		require.ErrorContains(m, m.run(20*time.Minute), "6 of 7 streams failed", "provisioning is read from v1.0")
	}
	require.Zero(m, m.thin())
	require.ErrorContains(m, m.run(82*time.Minute), "4 of 7 streams failed", "those that have no form but beta")
	m.killedAfter(6, 90*time.Minute)
	require.ErrorContains(m, m.run(2*hour), "4 of 7 streams failed")
	thin := m.thin()
	require.Positive(m, thin)
	m.requireThinShown()

	m.tenant.ClearFaults()
	m.killedAfter(8, 2*hour+10*time.Minute)
	m.runs(2*hour+20*time.Minute, 1)
	require.LessOrEqual(m, m.thin(), int64(len(ofTwoForms())), "the hour that has just ended is left to its pass")
	m.runs(30*hour, 2)
	require.Zero(m, m.thin())
	require.Zero(m, m.requireTruthOrSaid())
	m.requireExact()
	for _, stream := range m.streams {
		require.Zero(m, m.progress(stream).Changed, stream)
		require.Zero(m, m.progress(stream).Lost, stream)
	}
	m.Logf("%d hours were thin; %d requests", thin, m.logRequests())
}

// requireThinShown checks what coverage says while beta is refused.
func (m *misled) requireThinShown() {
	m.Helper()
	p := m.start()
	defer p.kill()
	for _, row := range p.coverage() {
		stream := entra.Stream(row["stream"].(string))
		goesOn := slices.Contains(logs.Of(stream).Forms, entra.FormV1)
		require.Equal(m, goesOn, row["status"] == "current", "%v", row)
		require.Equal(m, slices.Contains(ofTwoForms(), stream), row["windowsThin"].(float64) > 0, "%v", row)
		if goesOn {
			require.WithinDuration(m, m.tenant.Now(), m.progress(stream).Watermark, 10*time.Minute)
		}
	}
}

// thin counts hours in a poorer form.
func (m *misled) thin() (n int64) {
	for _, stream := range m.streams {
		p := m.progress(stream)
		n += p.Thin
	}
	return n
}

// TestABackfillOfAYearEndsWhereGraphCanBeAsked is ARCHIVE_BACKFILL=365d of a tenant that refuses
// times too far back.
func TestABackfillOfAYearEndsWhereGraphCanBeAsked(t *testing.T) {
	t.Parallel()
	const takes = 9*day + 5*hour
	m := newMisled(t, 53, 40, 10*day)
	m.options.Backfill, m.env["ARCHIVE_BACKFILL"] = 365*day, "365d"
	m.tenant.Inject(simtenant.Fault{Kind: simtenant.TooFarBack, Span: takes})
	m.killedAfter(12, 0)
	m.runs(10*time.Minute, 1)
	asked, refused := m.logRequests(), m.tenant.Happened(simtenant.TooFarBack)
	m.runs(30*hour, 2)
	require.Equal(m, refused, m.tenant.Happened(simtenant.TooFarBack), "it is not asked again")
	for _, stream := range m.streams {
		p := m.progress(stream)
		require.False(m, p.Backfilling(), stream)
		require.False(m, p.Begin.Before(entra.FloorHour(m.begin.Add(-takes))), "%s begins at %s", stream, p.Begin)
		require.WithinDuration(m, m.begin.Add(-takes), p.Begin, 24*hour, stream)
		require.Equal(m, ledger.StatusCurrent, p.Status(m.tenant.Now(), 0), stream)
	}
	out := m.requireTruthOrSaid()
	require.Zero(m, out.unconfirmed+out.lost)
	require.LessOrEqual(m, out.before, 6*len(m.streams), "hours before what Graph takes")
	m.requireExact()
	m.Logf("%d requests for %d logs, %d of them refused; %+v", asked, len(m.streams), refused, out)
}

// TestAfterAPauseOfAHundredDaysWhatCannotBeAskedForIsLostWithTheReason and the logs are read on.
func TestAfterAPauseOfAHundredDaysWhatCannotBeAskedForIsLostWithTheReason(t *testing.T) {
	t.Parallel()
	pauseForAHundredDays(t, logs.DirectoryAudits, logs.SignInsInteractiveUser, logs.Provisioning)
}

// pauseForAHundredDays reads logs, and again after the pause. No logs: all.
func pauseForAHundredDays(t *testing.T, streams ...entra.Stream) {
	const pause, takes = 100 * day, 9*day + 5*hour
	m := newMisled(t, 59, 20, shallow)
	if len(streams) > 0 {
		m.streams, m.env["ARCHIVE_STREAMS"] = streams, strings.Join(names(streams), ",")
	}
	m.runs(0, 1)
	stopped := m.progress(m.streams[0]).Watermark
	for n := range 20 {
		m.put(fmt.Sprint("r", n), m.begin.Add(pause-takes+hour+time.Duration(n)*11*hour), time.Time{}, "A")
	}
	m.tenant.Inject(simtenant.Fault{Kind: simtenant.TooFarBack, Span: takes})
	m.killedAfter(5, pause)
	m.runs(pause+10*time.Minute, 2)
	refused := m.tenant.Happened(simtenant.TooFarBack)
	m.runs(pause+4*hour, 2)
	require.Equal(m, refused, m.tenant.Happened(simtenant.TooFarBack), "it is not asked again")
	p := m.start()
	for _, row := range p.coverage() {
		require.Equal(m, "current", row["status"], "%v", row)
		require.Zero(m, row["windowsMissing"], "%v", row)
		require.Zero(m, row["windowsInDoubt"], "%v", row)
		text := fmt.Sprint(row["gaps"])
		require.Contains(m, text, "Graph refused to be asked for times so far back: ", "%v", row)
	}
	for _, stream := range m.streams {
		gaps, err := ledger.GapsOf(m.Context(), m.store, stream, m.begin, m.begin.Add(pause))
		require.NoError(m, err)
		require.WithinDuration(m, stopped, gaps[0].From, 10*time.Minute, stream)
		require.WithinDuration(m, m.begin.Add(pause-takes), gaps[len(gaps)-1].To, 12*hour, stream)
		m.requireSince(stream, m.begin.Add(pause-takes).Add(hour), m.begin.Add(pause))
	}
	m.requireIntact(m.streams...)
	m.Logf("%d requests, %d of them refused", m.logRequests(), refused)
}

func names(streams []entra.Stream) (out []string) {
	for _, s := range streams {
		out = append(out, string(s))
	}
	return out
}

// requireSince checks a stream's current contents of a span.
func (m *misled) requireSince(stream entra.Stream, from, to time.Time) {
	m.Helper()
	var want, got []string
	for raw := range m.tenant.Truth(stream) {
		if rec, err := logs.ParseRecord(stream, raw); err == nil && !rec.Time.Before(from) && rec.Time.Before(to) {
			want = append(want, named(rec))
		}
	}
	for start := entra.FloorHour(from); start.Before(to); start = start.Add(time.Hour) {
		for rec, err := range m.store.Records(m.Context(), entra.Window{Stream: stream, Start: start}) {
			require.NoError(m, err)
			got = append(got, named(rec.Record))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	require.NotEmpty(m, want)
	require.Equal(m, want, got, stream)
}

// TestOneRefusalInARowOfGoodAnswersFailsNothingAndOneThatLastsDoes refuses one run of 50, each log
// in another way, and then every run.
func TestOneRefusalInARowOfGoodAnswersFailsNothingAndOneThatLastsDoes(t *testing.T) {
	t.Parallel()
	m := newMisled(t, 61, 10, hour)
	no := func() {
		for i, stream := range m.streams {
			f := []simtenant.Fault{{Kind: simtenant.NoLicence}, {Kind: simtenant.NoPermission},
				{Kind: simtenant.UnsupportedQuery},
				{Kind: simtenant.Refused, Status: 404}}[i%4]
			f.Stream = stream
			m.tenant.Inject(f)
		}
	}
	for n := range 50 {
		if n == 20 {
			no()
		}
		require.NoError(m, m.run(time.Duration(n)*5*time.Minute), "run %d", n)
		if n == 20 {
			require.GreaterOrEqual(m, m.refusals(), 2*len(m.streams), "it is asked again before it is believed")
		}
		m.tenant.ClearFaults()
	}
	m.requireBorne()
	no()
	since := 50 * 5 * time.Minute
	m.runs(since, 1)
	m.runs(since+30*time.Minute, 3) // to 50 minutes
	m.requireBorne()
	report, err := m.runReport(since + hour + time.Minute)
	require.ErrorContains(m, err, "7 of 7 streams failed")
	for _, s := range report.Streams {
		require.Contains(m, []entra.Code{entra.CodeLicence, entra.CodePermission, entra.CodeRefused,
			entra.CodeNotFound}, entra.CodeOf(s.Err), s.Stream)
		p := m.progress(s.Stream)
		require.Equal(m, ledger.StatusFailing, p.Status(m.tenant.Now(), 0), s.Stream)
	}
	m.tenant.ClearFaults()
	m.runs(since+2*hour, 1)
	m.requireBorne()
	m.runs(since+6*hour, 2)
	require.Zero(m, m.requireTruthOrSaid())
	m.requireExact()
	m.Logf("%d requests in 60 runs", m.logRequests())
}

func (m *misled) runReport(after time.Duration) (collect.Report, error) {
	m.tenant.Freeze(m.begin.Add(after))
	return m.collector(archivetest.Later{Store: m.store}).Run(m.Context(), archivetest.Execution(), m.streams,
		runBudget)
}

// refusals counts the requests that were refused.
func (m *misled) refusals() (n int) {
	for _, r := range m.tenant.Requests() {
		if r.Status >= 400 {
			n++
		}
	}
	return n
}

// requireBorne checks that no stream counts as failing.
func (m *misled) requireBorne() {
	m.Helper()
	for _, stream := range m.streams {
		p := m.progress(stream)
		require.Equal(m, ledger.StatusCurrent, p.Status(m.tenant.Now(), 0), stream)
	}
}
