package status_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/runs"
	"github.com/entraledger/entraledger/internal/status"
)

var now = time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)

func one(l status.Log) status.Facts {
	l.Stream = "directoryAudits"
	return status.Facts{Logs: []status.Log{l}}
}

func failing(code entra.Code) status.Log {
	return status.Log{Collected: true, Status: ledger.StatusFailing,
		Failure: &status.Failure{Code: code, Message: "why"}}
}

func snapshot(s directory.Snapshot) status.Facts {
	if s.AsOf.IsZero() {
		s.AsOf = now.Add(-12 * time.Hour)
	}
	return status.Facts{Snapshot: &s}
}

func ran(outcome runs.Outcome) map[string]runs.Run {
	return map[string]runs.Run{"a": {Outcome: outcome, Error: "why"}}
}

func TestWhatNeedsSomebody(t *testing.T) {
	check := func(s preflight.Status) status.Facts {
		return status.Facts{Checks: []preflight.Check{{Name: "tables", Status: s, Detail: "it was asked",
			Consequence: "nothing is stored"}}}
	}
	nearly := status.Log{Collected: true, Missing: 5, NextLoss: now.Add(time.Hour)}
	far, left := nearly, nearly
	far.NextLoss = now.Add(4 * 24 * time.Hour)
	left.Collected = false
	gone := failing(entra.CodeLicence)
	gone.Collected = false
	once := failing(entra.CodeUnavailable)
	once.Status = ledger.StatusCurrent
	told := one(failing(entra.CodeLicence))
	told.Runs, told.Archiver = ran(runs.Failed), "a"
	behind := snapshot(directory.Snapshot{Stage: directory.Reading, Behind: &directory.Behind{Message: "why"}})
	behind.Runs, behind.Snapshotter = ran(runs.Failed), "a"
	of := func(days int) status.Facts {
		return snapshot(directory.Snapshot{Stage: directory.Whole, AsOf: now.AddDate(0, 0, -days)})
	}
	refused := func(code entra.Code) status.Facts {
		return snapshot(directory.Snapshot{Stage: directory.Whole,
			Undisclosed: []directory.Undisclosed{{What: "signInActivity", Code: code, Message: "why"}}})
	}
	for name, c := range map[string]struct {
		facts    status.Facts
		severity status.Severity // empty: nothing is needed
		kind     status.Kind
	}{
		"nothing": {one(status.Log{Collected: true, Status: ledger.StatusCurrent}), "", ""},
		"an archive that was never read": {one(status.Log{Collected: true, Status: ledger.StatusNotStarted}),
			status.Warning, status.NotStarted},
		"a log that was never collected": {one(status.Log{Status: ledger.StatusNotStarted}), "", ""},
		"a log that is new beside another": {status.Facts{Logs: []status.Log{
			{Collected: true, Status: ledger.StatusNotStarted},
			{Collected: true, Status: ledger.StatusCurrent}}}, "", ""},
		"no log at all":                       {status.Facts{}, "", ""},
		"a log without licence":               {one(failing(entra.CodeLicence)), status.Error, status.Failing},
		"a log without permission":            {one(failing(entra.CodePermission)), status.Error, status.Failing},
		"tampering":                           {one(failing(entra.CodeTampered)), status.Error, status.Tampered},
		"a log that is not read any more":     {one(gone), "", ""},
		"an error that the next run outlived": {one(once), "", ""},
		"hours about to be lost":              {one(nearly), status.Error, status.AboutToBeLost},
		"hours that have days":                {one(far), "", ""},
		"hours of a log that was left":        {one(left), "", ""},
		"hours in doubt":                      {one(status.Log{InDoubt: 1}), status.Notice, status.InDoubt},
		"lost hours":                          {one(status.Log{Lost: 2}), status.Notice, status.Lost},
		"quarantine":                          {one(status.Log{Quarantined: 2}), status.Notice, status.Quarantined},
		"events that did not come":            {one(status.Log{NotDelivered: 2}), status.Notice, status.NotDelivered},
		"a check that failed":                 {check(preflight.Failed), status.Error, status.CheckFailed},
		"a check that is limited":             {check(preflight.Limited), status.Notice, status.CheckFailed},
		"a check that is well":                {check(preflight.OK), "", ""},
		"a snapshot behind":                   {behind, status.Error, status.Snapshot},
		"a snapshot whose last run failed": {snapshot(directory.Snapshot{Stage: directory.Reading, LastError: "why"}),
			status.Warning, status.Snapshot},
		"a snapshot that failed once, and is whole": {
			snapshot(directory.Snapshot{Stage: directory.Whole, LastError: "why"}),
			"", ""},
		"a snapshot of last week": {of(7), "", ""},
		"a snapshot that is not made anew": {of(9),
			status.Warning, status.Snapshot},
		"runs that nobody can read": {status.Facts{Unreadable: []status.Unreadable{{Timer: "a", Why: "why"}}},
			status.Warning, status.RunFailed},
		"what was disclosed once": {snapshot(directory.Snapshot{Lost: []directory.Carried{{What: "users"}}}),
			status.Error,
			status.NotDisclosed},
		"what takes a permission":     {refused(entra.CodePermission), status.Warning, status.NotDisclosed},
		"what takes a licence":        {refused(entra.CodeLicence), status.Notice, status.NotDisclosed},
		"a run that failed":           {status.Facts{Runs: ran(runs.Failed)}, status.Warning, status.RunFailed},
		"a run that was handed over":  {status.Facts{Runs: ran(runs.HandedOver)}, "", ""},
		"a run that its log explains": {told, status.Error, status.Failing},
	} {
		t.Run(name, func(t *testing.T) {
			needs := status.Needs(c.facts, now)
			if c.severity == "" {
				require.Empty(t, needs)
				return
			}
			require.Len(t, needs, 1)
			require.Equal(t, c.severity, needs[0].Severity)
			require.Equal(t, c.kind, needs[0].Kind)
			require.Equal(t, c.severity != status.Notice, status.Somebody(needs))
		})
	}
}

func TestEachNeedSaysWhatToDoAndTheWorstIsFirst(t *testing.T) {
	facts := status.Facts{Runs: ran(runs.Failed), Logs: []status.Log{
		{Stream: "provisioning", Lost: 3, Quarantined: 1, InDoubt: 2, NotDelivered: 4},
		{Stream: "directoryAudits", Collected: true, Missing: 1, NextLoss: now.Add(time.Hour)},
	}}
	needs := status.Needs(facts, now)
	require.Equal(t, status.AboutToBeLost, needs[0].Kind)
	require.Equal(t, "2026-11-21T15:00:00Z", needs[0].Due)
	require.Contains(t, needs[0].Reason, "1 hour still")
	require.Equal(t, status.RunFailed, needs[1].Kind)
	require.Len(t, needs, 6)
	for _, n := range needs {
		require.True(t, n.Remedy != "" || n.Kind == status.RunFailed, "%s says in its own words what to do", n.Kind)
	}
}
