package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// misleading is a way in which the tenant misleads who reads its logs.
type misleading struct {
	simtenant.Fault
	shapes   []shape
	backfill time.Duration
	streams  []entra.Stream // nil: all
}

// misleadings are those faults. Refusals in every second answer are the most that the program can
// tolerate: a page that is refused more often is never returned.
func misleadings() []misleading {
	type fault = simtenant.Fault
	return []misleading{
		{fault{Kind: simtenant.EndsShort}, hiding(), deep, nil},
		{fault{Kind: simtenant.EndsEmpty}, hiding(), deep, nil},
		{fault{Kind: simtenant.LeavesOut, Records: 2}, hiding(), deep, nil},
		{fault{Kind: simtenant.LinkCycle}, refusing(), shallow, nil},
		{fault{Kind: simtenant.FreshCycle}, refusing(), shallow, nil},
		{fault{Kind: simtenant.EmptyPage}, refusing(), shallow, nil},
		{fault{Kind: simtenant.WideSpan, Span: 20 * hour, Body: "html"}, refusing(), shallow, nil},
		{fault{Kind: simtenant.WideSpan, Span: 20 * hour, Delay: time.Second}, refusing(), shallow, nil},
		{fault{Kind: simtenant.TooFarBack, Span: 7*day + 7*hour}, refusing(), deep, nil},
		{fault{Kind: simtenant.UnsupportedQuery}, refusing(), shallow, nil},
		{fault{Kind: simtenant.UnsupportedQuery, Code: "UnknownError"}, refusing(), shallow, nil},
		{fault{Kind: simtenant.NoLicence}, refusing(), shallow, nil},
		{fault{Kind: simtenant.NoPermission}, refusing(), shallow, nil},
		{fault{Kind: simtenant.Refused, Form: entra.FormBeta}, refusing(), shallow, nil},
		{fault{Kind: simtenant.Refused, Form: entra.FormBeta, Status: 404}, refusing(), shallow, nil},
		{fault{Kind: simtenant.LongLinks}, refusing(), shallow, nil},
		{fault{Kind: simtenant.ThinThenRich, Records: 2}, refusing(), shallow, ofTwoForms()},
		{fault{Kind: simtenant.RichThenThin, Records: 2}, refusing(), shallow, ofTwoForms()},
		{fault{Kind: simtenant.OtherTime, Form: entra.FormBeta, Delay: 7 * time.Minute}, hiding(), shallow, nil},
	}
}

// ofTwoForms are the logs that Graph gives in two forms.
func ofTwoForms() []entra.Stream {
	return slices.DeleteFunc(logs.Streams(), func(s entra.Stream) bool { return len(logs.Of(s).Forms) < 2 })
}

func (l misleading) name() string {
	name := string(l.Kind)
	for _, more := range []string{l.Code, fmt.Sprint(l.Status), l.Delay.String()} {
		if more != "" && more != "0" && more != "0s" {
			name += ", " + more
		}
	}
	return name
}

// TestHoweverTheTenantMisleadsEveryLogEndsAtItsTruth plays each way on every log, in the shapes in
// turn: one on the first walk, another a day later. The process is killed in the middle of both.
func TestHoweverTheTenantMisleadsEveryLogEndsAtItsTruth(t *testing.T) {
	all := misleadings()
	half := (len(all) + 1) / 2
	for i := range half {
		misleadLogs(t, all[i], all[(i+half)%len(all)], i)
	}
}

// misleadLogs plays one way on the first walk and another one on later walks. shift says which log
// gets which shape, and at which requests the process is killed.
func misleadLogs(t *testing.T, first, later misleading, shift int) {
	t.Run(first.name()+" and then "+later.name(), func(t *testing.T) {
		t.Parallel()
		began := time.Now()
		m := newMisled(t, uint64(31+shift), 30, max(first.backfill, later.backfill))
		m.also = first.Kind == simtenant.OtherTime || later.Kind == simtenant.OtherTime
		m.misleadRuns(first, shift, 0, 4+5*(shift%4))
		asked := m.logRequests()
		m.misleadRuns(later, shift+2, 26*hour, 3+shift%7)
		m.runs(30*hour, 2)
		require.Zero(m, m.requireTruthOrSaid())
		m.requireExact()
		require.Less(m, m.logRequests(), 600, "no walk goes round")
		m.Logf("%s happened %d times in %d requests, %s %d times in %d; %s", first.Kind, m.tenant.Happened(first.Kind),
			asked,
			later.Kind, m.tenant.Happened(later.Kind), m.logRequests()-asked,
			time.Since(began).Round(10*time.Millisecond))
	})
}

// misleadRuns has the tenant mislead two runs, of which one is killed, or three at a time after the
// begin, and then behave again.
func (m *misled) misleadRuns(l misleading, shift int, after time.Duration, kill int) {
	m.Helper()
	if l.streams == nil {
		l.streams = m.streams
	}
	m.timeout = 2 * time.Second
	if l.Delay == time.Second {
		m.timeout = 300 * time.Millisecond
	}
	m.misleads(l.Fault, l.shapes, shift, l.streams...)
	m.killedAfter(kill, after)
	_ = m.run(after + 10*time.Minute)
	if shift%4 == 0 {
		m.twoRuns(after + 20*time.Minute)
	}
	require.Positive(m, m.tenant.Happened(l.Kind))
	m.tenant.ClearFaults()
	m.runs(after+30*time.Minute, 1)
}
