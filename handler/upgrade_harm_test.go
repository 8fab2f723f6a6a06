package main

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/verify"
)

// drain fires both versions at once, as when a platform drains an instance while the next one
// starts.
func drain(t *testing.T, before string) {
	v := newVersions(t, before, logs.SignInsServicePrincipal, logs.SignInsNonInteractiveUser)
	old, now := v.startBefore(), v.start()
	v.put("first", v.begin.Add(-9*day), time.Time{}, "the oldest of every stream")
	// Each request is delayed, so that the second one begins while the first one is in progress.
	v.tenant.Inject(simtenant.Fault{Kind: simtenant.Slow, Delay: 10 * time.Millisecond})
	after := time.Duration(0)
	for round := range 10 {
		id := fmt.Sprintf("round %d", round)
		v.put(id, v.begin.Add(after-hour), time.Time{}, "A")
		v.put(id+", late", v.begin.Add(-5*day), time.Time{}, "late")
		if round > 0 {
			v.change(fmt.Sprintf("round %d", round-1), v.begin.Add(after-6*hour), "B")
		}
		v.tenant.Freeze(v.begin.Add(after))
		first, second := old, now
		if round%2 == 0 {
			first, second = now, old
		}
		v.fireBoth(first, second, round/2)
		after += 5 * hour
	}
	v.tenant.ClearFaults()
	old.stop()
	for _, p := range []*process{old, now} {
		require.Regexp(t, "taken the stream over|left to another execution", p.stdout.String(), "both were overtaken")
	}
	for range 3 { // reads everything that is due, then what is in doubt, then seals
		v.at(after+8*day, now)
		v.lateWritesArrived()
		after += 10 * time.Minute
	}
	v.requireTruth()
	v.requireLedger()
	v.requireVerified(now)
	for _, stream := range v.streams {
		require.Empty(v, v.progress(stream).Suspects)
		require.False(v, v.progress(stream).SealedTo.Before(entra.FloorHour(v.begin.Add(after)).Add(-hour)), stream)
	}
}

// fireBoth fires a handler, and another one when the tenant has had some requests of it.
func (v *versions) fireBoth(first, second *process, requests int) {
	from := len(v.tenant.Requests())
	var both sync.WaitGroup
	done := make(chan struct{})
	both.Go(func() {
		defer close(done)
		_, _, _ = first.fire() // either may find that the other has the stream
	})
	for ended := false; !ended && len(v.tenant.Requests())-from < requests; {
		select {
		case <-done:
			ended = true
		default:
			runtime.Gosched()
		}
	}
	_, _, _ = second.fire()
	both.Wait()
}

// mendHarmed leaves in the ledger what the faults of the version before leave.
func mendHarmed(t *testing.T, before string) {
	v := newVersions(t, before, logs.SignInsServicePrincipal, logs.SignInsNonInteractiveUser)
	old := v.startBefore()
	v.put("first", v.begin.Add(-9*day), time.Time{}, "the oldest of every stream")
	at := v.begin.Add(-26 * hour)
	v.put("uncounted", at, time.Time{}, "A")
	v.put("without a row", at.Add(5*hour), time.Time{}, "A")
	v.at(0, old)
	v.at(10*time.Minute, old)
	v.requireLedger()
	old.stop()
	counted, watermark := v.streams[0], v.streams[1]

	v.harm(counted, at, at.Add(5*hour))
	// A clock was wrong.
	future := aztables.EDMDateTime(v.begin.Add(3 * day))
	v.edit(watermark, "progress", map[string]any{"Watermark": future})

	now := v.start()
	v.tenant.Freeze(v.begin.Add(hour))
	status, body, err := now.fire()
	require.NoError(v, err)
	require.GreaterOrEqual(v, status, 400, "the platform has to see it")
	require.Contains(v, fmt.Sprint(body), "a clock was wrong")
	require.Contains(v, now.stdout.String(), "the ledger counted seals that were never written")
	v.at(2*hour, now)
	v.lateWritesArrived()
	v.at(9*day, now)
	v.at(9*day+10*time.Minute, now)
	v.requireTruth()
	v.requireLedger()
	v.requireVerified(now)
	v.requireReadable(now)
	for _, stream := range v.streams {
		p, sealed := v.progress(stream), int64(0)
		for _, cov := range v.windows(stream) {
			require.True(v, cov.State == ledger.WindowSealed || !cov.Start.Before(p.SealedTo), "%s is %s", cov.Window,
				cov.State)
			sealed += cov.Seals
		}
		require.Equal(v, sealed, p.Seals, "every entry is of an hour")
		require.False(v, p.SealedTo.Before(v.begin.Add(2*day).Truncate(hour)), stream)
	}
}

// harm leaves a seal counted that was never written, an hour that counts a record less than it has,
// and one without a row.
func (v *versions) harm(stream entra.Stream, fewer, without time.Time) {
	p, row := v.progress(stream), v.window(stream, fewer)
	v.edit(stream, row.Start.Format(entra.HourFormat), map[string]any{"Records": aztables.EDMInt64(row.Records - 1),
		"New": aztables.EDMInt64(row.New - 1), "Fetched": aztables.EDMInt64(row.Fetched - 1)})
	gone := v.window(stream, without)
	_, err := v.ledgerTable().DeleteEntity(v.Context(), string(stream), gone.Start.Format(entra.HourFormat), nil)
	require.NoError(v, err)
	v.edit(stream, "progress", map[string]any{"Seals": aztables.EDMInt64(p.Seals + 1),
		"SealedTo":        aztables.EDMDateTime(p.SealedTo.Add(hour)),
		"Records":         aztables.EDMInt64(p.Records - 1 - gone.Records),
		"WindowsComplete": aztables.EDMInt64(p.WindowsComplete - 1)})
}

// nameHarmed has a late write of the version before come to an hour that was sealed: no run looks
// there by itself.
func nameHarmed(t *testing.T, before string) {
	v := newVersions(t, before, logs.SignInsServicePrincipal)
	stream, at := v.streams[0], v.begin.Add(-8*day)
	old := v.startBefore()
	v.put("first", v.begin.Add(-9*day), time.Time{}, "the oldest")
	v.at(0, old)
	v.at(10*time.Minute, old)
	old.stop()
	v.put("stranger", at, time.Time{}, "A")
	rec, err := logs.ParseRecord(stream, bulky(stream, "stranger", at, "A"))
	require.NoError(t, err)
	_, err = v.store.Insert(t.Context(), rec.Window(stream), []entra.Record{rec}, v.begin.Add(20*time.Minute))
	require.NoError(t, err)

	now := v.start()
	v.at(hour, now)
	v.lateWritesArrived()
	v.at(2*hour, now)
	_, answer := now.ask(http.MethodGet, "/api/verify", "")
	require.Equal(t, "differs", answer["status"])
	findings := answer["value"].([]any)
	named := 0
	for _, f := range findings {
		finding := f.(map[string]any)
		if finding["difference"] == string(verify.DiffAdded) {
			named++
			require.Equal(t, entra.FloorHour(at).Format(time.RFC3339), finding["startDateTime"])
			require.Contains(t, finding["rowKey"], "stranger")
		}
	}
	require.Equal(t, 1, named, "%v", findings)

	v.again(now, at)
	v.at(3*hour, now)
	require.EqualValues(t, 2, v.window(stream, at).Seals)
	v.requireTruth()
	v.requireLedger()
	v.requireVerified(now)
}

// comeBack has contents come back over their seals. The version before treats the second time as a
// change of what was sealed, and fails.
func comeBack(t *testing.T, before string) {
	v := newVersions(t, before, logs.SignInsServicePrincipal)
	stream, at := v.streams[0], v.begin.Add(-8*day)
	old := v.startBefore()
	v.put("there and back", at, time.Time{}, "A")
	v.at(0, old)
	v.at(10*time.Minute, old)
	after := 20 * time.Minute
	show := func(p *process, text string) (int, map[string]any) {
		v.change("there and back", at, text)
		v.tenant.Freeze(v.begin.Add(after))
		after += 10 * time.Minute
		return p.ask(http.MethodPost, "/api/collect", hourOf(at))
	}
	for _, text := range []string{"B", "A"} {
		_, answer := show(old, text)
		require.Contains(t, fmt.Sprint(answer), "windowsSealed:1")
	}
	_, answer := show(old, "B")
	require.Contains(t, fmt.Sprint(answer), "is not what is stored now")
	require.Equal(t, ledger.WindowReopened, v.window(stream, at).State)

	now := v.start()
	v.at(after, now)
	v.lateWritesArrived()
	after += 10 * time.Minute
	v.at(after, now)
	seals := v.window(stream, at).Seals
	require.EqualValues(t, 4, seals, "the hour is sealed again")
	v.requireLedger()
	v.requireVerified(now)
	handlers := []*process{now, now, old, now, old, now}
	for i, text := range []string{"A", "B", "C", "B", "D", "A"} {
		after += 10 * time.Minute
		_, answer := show(handlers[i], text)
		require.Contains(t, fmt.Sprint(answer), "windowsSealed:1", "%d", i)
		v.requireVerified(now)
		v.requireTruth()
		v.requireLedger()
	}
	require.EqualValues(t, 3, v.window(stream, at).Versions)
}

// mendPurge interrupts a purge of the version before between the log and the tables.
func mendPurge(t *testing.T, before string) {
	v := newVersions(t, before, logs.SignInsServicePrincipal)
	stream, account := v.streams[0], v.env["ARCHIVE_STORAGE"]
	v.env["ARCHIVE_BACKFILL"], v.env["ARCHIVE_RETENTION"] = "20d", "35d"
	tables, address := v.tableGate()
	v.env["ARCHIVE_STORAGE"] = address
	old := v.startBefore()
	v.env["ARCHIVE_STORAGE"] = account
	v.put("old", v.begin.Add(-13*day), time.Time{}, "of February")
	v.at(0, old)
	v.at(10*time.Minute, old)
	tables.bar(func(r *http.Request) bool {
		return r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/Tables(")
	})
	v.tenant.Freeze(v.begin.Add(25 * day))
	status, body, err := old.invoke("purgearchive")
	require.NoError(t, err)
	require.GreaterOrEqual(t, status, 400, "%v", body)
	old.stop()
	purged := v.window(stream, v.begin.Add(-13*day))
	require.Equal(t, ledger.WindowPurged, purged.State)
	stored, err := v.store.Count(t.Context(), purged.Window)
	require.NoError(t, err)
	require.EqualValues(t, 1, stored.Records, "the log says that it was purged, and it is there")

	v.env["ARCHIVE_HOLD"] = "*=2024-02-01/2024-02-29"
	now := v.start()
	require.Contains(t, v.purge(now), "of 2024-02 of signIns.servicePrincipal again that an interrupted purge "+
		"had begun to drop")
	require.Zero(t, v.progress(stream).Purged)
	require.Equal(t, ledger.WindowSealed, v.window(stream, v.begin.Add(-13*day)).State)
	v.at(25*day, now)
	v.lateWritesArrived()
	v.at(25*day+10*time.Minute, now)
	v.requireTruth()
	v.requireLedger()
	v.requireVerified(now)
	v.requireReadable(now)
	now.stop()

	delete(v.env, "ARCHIVE_HOLD")
	now = v.start()
	require.Contains(t, v.purge(now), "dropped 2024-02 of signIns.servicePrincipal")
	require.Equal(t, ledger.WindowPurged, v.window(stream, v.begin.Add(-13*day)).State)
	v.requireLedger()
	v.requireVerified(now)
	purges := v.progress(stream).Purged
	require.Positive(t, purges)

	old = v.startBefore()
	v.at(25*day+hour, old)
	require.Zero(t, v.progress(stream).Purged, "the version before drops what it does not know")
	v.requireVerified(old, now)
	v.at(25*day+2*hour, now)
	p := v.progress(stream)
	require.Equal(t, []any{purges, time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)}, []any{p.Purged, p.PurgedTo})
	v.requireLedger()
}

// purge fires the timer that purges, and returns its log.
func (v *versions) purge(p *process) string {
	v.Helper()
	status, body, err := p.invoke("purgearchive")
	require.NoError(v, err)
	require.Equal(v, http.StatusOK, status, "%v", body)
	return fmt.Sprint(body["Logs"])
}
