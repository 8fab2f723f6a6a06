package cost_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestWhatWasImportedIsHeldAndCosts, also of a log that was never read, however large it is.
func TestWhatWasImportedIsHeldAndCosts(t *testing.T) {
	l := newLab(t)
	of := func(stream entra.Stream, imported int64, failure string) ledger.Progress {
		return ledger.Progress{Stream: stream, Imported: imported, ImportedHours: 3,
			ImportedFrom: today.AddDate(-2, 0, 0),
			ImportedTo:   today.AddDate(-1, 0, 0), LastError: failure,
			Tally: ledger.Tally{Bytes: 60 << 30, StoredBytes: 10 << 30}}
	}
	for _, p := range []ledger.Progress{of(logs.Provisioning, 10_000_000, "no licence"),
		of(logs.IdentityManager, 10_000_000, ""),
		of(logs.SignInsManagedIdentity, 1, "")} {
		_, err := l.store.Commit(t.Context(), ledger.Lease{}, p, nil, nil)
		require.NoError(t, err)
	}
	_, answer := get(t, l.serve(logs.Provisioning, logs.IdentityManager, logs.SignInsManagedIdentity), "/api/cost")
	row := named(t, answer["value"], "stream", string(logs.Provisioning))
	require.Equal(t, "it was never read; 10000000 records of it were imported or delivered; its last run "+
		"failed: no licence",
		row["reason"])
	require.Greater(t, row["heldGB"], 10.0)
	require.Less(t, row["heldGB"], 15.0)
	row = named(t, answer["value"], "stream", string(logs.IdentityManager))
	require.Contains(t, row["reason"], "it can't be read")
	require.Greater(t, row["heldGB"], 10.0)
	row = named(t, answer["value"], "stream", string(logs.SignInsManagedIdentity))
	require.Contains(t, row["reason"], "heldGB is left out")
	require.NotContains(t, row, "heldGB")
}

func TestCountsThatCannotBeAreNamedAndNotReckonedWith(t *testing.T) {
	l := newLab(t)
	l.log(logs.Provisioning, func(i int, c *ledger.Coverage) bool {
		switch i {
		case 30:
			c.Bytes, c.StoredBytes, c.Records = -1_000_000, -1_000_000_000_000, -10
		case 60:
			c.Bytes, c.StoredBytes = math.MaxInt64, math.MaxInt64
		}
		return true
	})
	l.ran(logs.Provisioning, func(p *ledger.Progress) { p.StoredBytes = -1 })
	ask := func(collected entra.Stream) (row, answer map[string]any) {
		_, answer = get(t, l.serve(collected), "/api/cost")
		return named(t, answer["value"], "stream", "provisioning"), answer
	}
	row, _ := ask(logs.Provisioning)
	require.Equal(t, []any{"partial", 166.0, 2.0, 240.0, 1000.0},
		[]any{row["status"], row["windowsCounted"], row["windowsMissing"], row["recordsPerDay"], row["bytesPerRecord"]})
	require.Contains(t, row["reason"], "of 2 of them the ledger counts less than nothing or more than an hour can "+
		"hold, the first at 2026-11-15T06:00:00Z")
	require.Contains(t, row["reason"], "heldGB is left out")
	require.NotContains(t, row, "heldGB")

	row, answer := ask(logs.DirectoryAudits)
	require.Equal(t, "unknown", row["status"], "nobody knows what is kept of it")
	require.Contains(t, row["reason"], "ARCHIVE_STREAMS does not name it")
	require.NotContains(t, row, "archive")
	require.Contains(t, named(t, answer["destinations"], "destination", "archive")["withoutStreams"], "provisioning")
	require.NotContains(t, named(t, answer["destinations"], "destination", "eventHub")["withoutStreams"],
		"provisioning", "it is not sent anywhere")
}

func TestTheDaysEndByTheTenantsClock(t *testing.T) {
	l := newLab(t)
	l.log(logs.Provisioning, nil)
	l.ran(logs.Provisioning, func(p *ledger.Progress) {
		p.ClockOffset, p.LastRunAt = -15*time.Hour, now.Add(-15*time.Hour-time.Minute)
	})
	_, answer := get(t, l.serve(logs.Provisioning), "/api/cost")
	require.Equal(t, "2026-11-20T00:00:00Z", answer["endDateTime"])
	require.Equal(t, []any{"partial", 24.0}, []any{answer["value"].([]any)[0].(map[string]any)["status"],
		answer["value"].([]any)[0].(map[string]any)["windowsMissing"]})
}
