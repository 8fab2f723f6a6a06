package main

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/archivetest"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/verify"
)

// misled is an archive of every log, of a tenant that misleads a reader who believes one answer.
type misled struct {
	*versions
	options collect.Options
	timeout time.Duration // of one request, in this process
	also    bool          // the tenant has shown records that it does not show any more
}

// runBudget is how long one run may take. None needs a tenth of it.
const runBudget = 20 * time.Second

// deep reaches beyond the shortest retention, so that Graph may have deleted its begin; shallow
// costs less.
const deep, shallow = 8 * day, 40 * hour

// newMisled makes a tenant with so many records of each log, dated from half a day before the
// backfill's begin to 30 hours after the first run.
func newMisled(t *testing.T, seed uint64, records int, backfill time.Duration) *misled {
	exactly := make(map[entra.Stream]int)
	for _, stream := range logs.Streams() {
		exactly[stream] = records
	}
	v := newVersionsOf(t, "", simtenant.Config{Now: upgradeBegin, PageSize: 5, Retention: 40 * day,
		Generate: &generate.Config{Seed: seed, Users: 12, Apps: 3, Days: int(backfill/day) + 2, Policies: 1,
			Exactly: exactly, End: upgradeBegin.Add(30 * hour)}}, logs.Streams()...)
	v.env["ARCHIVE_BACKFILL"], v.env["ARCHIVE_PASSES"] = fmt.Sprintf("%dh", backfill/hour), "3h"
	return &misled{versions: v, timeout: 2 * time.Second,
		options: collect.Options{Backfill: backfill, Passes: []time.Duration{3 * hour}, Simulated: true}}
}

// collector is what wire makes of the archive, in this process and without long pauses.
func (m *misled) collector(store collect.Store) *collect.Collector {
	source, err := graph.New(graph.Config{Endpoint: m.graph.URL, Scope: "https://graph.microsoft.com/.default",
		Credential: m,
		Limiter:    graph.NewLimiter(100_000), BackOff: time.Millisecond, Timeout: m.timeout, Log: m.logger()})
	require.NoError(m, err)
	return collect.New(source, store, m.heads, m.options, time.Now, m.logger())
}

// run is one run of the timer at a time after the begin, long after the one before has ended or
// was killed.
func (m *misled) run(after time.Duration) error {
	m.tenant.Freeze(m.begin.Add(after))
	_, err := m.collector(archivetest.Later{Store: m.store}).Run(m.Context(), archivetest.Execution(), m.streams,
		runBudget)
	return err
}

// runs are runs in a row, ten minutes apart, none of which may fail.
func (m *misled) runs(after time.Duration, n int) {
	m.Helper()
	for i := range n {
		require.NoError(m, m.run(after+time.Duration(i)*10*time.Minute), "run %d from %s on", i, after)
	}
}

// twoRuns begin at once: each waits for the streams that the other has.
func (m *misled) twoRuns(after time.Duration) {
	m.tenant.Freeze(m.begin.Add(after))
	var both sync.WaitGroup
	for range 2 {
		c := m.collector(m.store)
		both.Go(func() { _, _ = c.Run(m.Context(), archivetest.Execution(), m.streams, runBudget) })
	}
	both.Wait()
}

// killedAfter fires the timer of a process at a time after the begin, and kills it after so many
// requests for logs.
func (m *misled) killedAfter(requests int, after time.Duration) {
	m.Helper()
	m.tenant.Freeze(m.begin.Add(after))
	p, asked := m.start(), m.logRequests()
	m.dies(p, "archivelogs", func() bool { return m.logRequests() >= asked+requests })
}

// dies invokes a timer and kills the process once something holds, or when the run has ended.
func (s *system) dies(p *process, timer string, once func() bool) {
	s.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _, _ = p.invoke(timer) // it is killed
	}()
	require.Eventually(s, func() bool {
		select {
		case <-ended:
			return true
		default:
			return once()
		}
	}, 30*time.Second, time.Millisecond)
	p.kill()
	<-ended
}

// logRequests counts the requests for logs.
func (m *misled) logRequests() (n int) {
	for _, r := range m.tenant.Requests() {
		if slices.Contains(m.streams, r.Stream) {
			n++
		}
	}
	return n
}

// shape is which pages a fault happens to, and how often.
type shape struct{ page, after, every, count int }

// refusing are the shapes of faults that are noticed: what is asked again is answered.
func refusing() []shape {
	return []shape{{page: 1, count: 1}, {page: 2, count: 1}, {page: 1, every: 2}, {page: -1, every: 2}, {every: 2}}
}

// hiding are the shapes of faults that hide records: one answer does. What two questions hide is
// not known to anybody.
func hiding() []shape {
	return []shape{{page: 1, count: 1}, {page: 2, count: 1}, {page: 1, after: 1, count: 1},
		{page: -1, after: 2, count: 1},
		{after: 5, count: 1}}
}

// misleads makes the tenant misbehave in one way on logs, in another shape on each.
func (m *misled) misleads(f simtenant.Fault, shapes []shape, shift int, streams ...entra.Stream) {
	for i, stream := range streams {
		s := shapes[(i+shift)%len(shapes)]
		f.Stream, f.Page, f.After, f.Every, f.Count = stream, s.page, s.after, s.every, s.count
		if f.Form != "" {
			f.Form = logs.Of(stream).Form() // the one that is read
		}
		m.tenant.Inject(f)
	}
}

// outcome is what the ledger says of hours in which it does not have the tenant's truth.
type outcome struct {
	unconfirmed, lost, before int // hours whose reads differ; that are lost; before the archive's begin
}

// requireTruthOrSaid holds the current contents against the tenant, hour by hour: they are the
// same, or the ledger says what it does not know.
func (m *misled) requireTruthOrSaid() (out outcome) {
	m.Helper()
	until := m.tenant.Now().Add(-6 * time.Minute)
	for _, stream := range m.streams {
		p, rows := m.progress(stream), make(map[time.Time]ledger.Coverage)
		for _, cov := range m.windows(stream) {
			rows[cov.Start] = cov
			if cov.ReadsDiffer() != "" {
				require.Contains(m, p.WhyNotRead(cov), "unconfirmed: ")
			}
		}
		require.Zero(m, p.Awaits+p.Doubts, "%s: nothing waits for a read", stream)
		require.Empty(m, p.Suspects, stream)
		want, got := m.shownByHour(stream, until), m.currentByHour(stream, until)
		for at := range got {
			if _, ok := want[at]; !ok {
				want[at] = nil
			}
		}
		for at, records := range want {
			cov := rows[at]
			switch {
			case slices.Equal(records, got[at]):
			case m.also && isSubset(records, got[at]):
			case at.Before(p.Begin):
				out.before++
			case cov.State == ledger.WindowLost || cov.InPart():
				require.NotEmpty(m, p.WhyNotRead(cov))
				out.lost++
			case cov.ReadsDiffer() != "":
				out.unconfirmed++
			default:
				require.Equal(m, records, got[at], "%s is %s after %d passes, reads %q", cov.Window, cov.State,
					cov.Passes, cov.Reads)
			}
		}
	}
	return out
}

// shownByHour is what the tenant shows of a stream in what the archive reaches, each hour's sorted.
func (m *misled) shownByHour(stream entra.Stream, until time.Time) map[time.Time][]string {
	out := make(map[time.Time][]string)
	for raw := range m.tenant.Truth(stream) {
		rec, err := logs.ParseRecord(stream, raw)
		require.NoError(m, err)
		at := entra.FloorHour(rec.Time)
		if rec.Time.Before(until) && !at.Before(entra.FloorHour(m.begin.Add(-m.options.Backfill))) {
			out[at] = append(out[at], named(rec))
		}
	}
	return sortEach(out)
}

func (m *misled) currentByHour(stream entra.Stream, until time.Time) map[time.Time][]string {
	out := make(map[time.Time][]string)
	for _, rec := range m.current(stream) {
		if at := entra.FloorHour(rec.Time); rec.Time.Before(until) {
			out[at] = append(out[at], named(rec))
		}
	}
	return sortEach(out)
}

// named identifies a record and its content in a readable line.
func named(rec entra.Record) string {
	return fmt.Sprintf("%s %s %x of %d bytes", rec.Time.Format(time.RFC3339Nano), rec.ID, rec.Hash[:6], len(rec.Raw))
}

func isSubset(of, all []string) bool {
	return !slices.ContainsFunc(of, func(s string) bool { return !slices.Contains(all, s) })
}

func sortEach(by map[time.Time][]string) map[time.Time][]string {
	for _, list := range by {
		slices.Sort(list)
	}
	return by
}

// requireExact checks that the ledger is exact and that nothing differs from what was sealed.
func (m *misled) requireExact() {
	m.Helper()
	if !m.also {
		m.requireLedger()
		m.requireIntact(m.streams...)
		return
	}
	// What only a killed run has met is kept, and said to be unconfirmed.
	v := verify.Verification{Streams: m.streams}
	require.NoError(m, v.Work(m.Context(), m.store, m.heads, time.Now().Add(time.Minute)))
	require.True(m, v.Done())
	for _, f := range v.Findings {
		if !f.Difference.IsTampering() {
			continue
		}
		require.Positive(m, m.window(f.Stream, f.Hour).Unmet, "%+v", f)
	}
}
