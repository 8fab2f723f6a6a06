package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/verify"
)

const (
	// versionBefore is the commit whose handler has no leases and no sums. It is tried with streams
	// that both versions read in the same form.
	versionBefore = "ae48709"
	// thinVersion is the commit whose handler reads interactive sign-ins and audits from v1.0, and
	// believes every walk.
	thinVersion = "81587c3"
	// onceVersion is the commit whose handler seals an hour after its last pass, and covers no
	// dates.
	onceVersion = "7905891"
)

// buildVersion builds the handler of a commit from the repository's history.
func buildVersion(t *testing.T, commit string) (binary string) {
	dir := t.TempDir()
	require.NoError(t, exec.CommandContext(t.Context(), "git", "cat-file", "-e", commit+"^{commit}").Run(),
		"the clone does not have commit "+commit+": git fetch --unshallow, or fetch-depth: 0")
	tree := filepath.Join(dir, "before.tar")
	run := func(where string, name string, args ...string) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = where
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s %v: %s", name, args, out)
	}
	run("..", "git", "archive", "-o", tree, commit)
	run(dir, "tar", "-xf", tree)
	binary = filepath.Join(dir, "handler-before")
	// Without paths in it, so that the build cache has it the next time.
	run(dir, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./handler")
	return binary
}

// versions is an archive that handlers of both versions work on.
type versions struct {
	*system
	before  string // the binary of the version before
	begin   time.Time
	streams []entra.Stream
}

// upgradeBegin is when the first run is. All times of the test are in the past.
var upgradeBegin = time.Date(2024, 3, 12, 0, 40, 0, 0, time.UTC)

// newVersions makes a tenant whose records begin nine days before the first run.
func newVersions(t *testing.T, before string, streams ...entra.Stream) *versions {
	return newVersionsOf(t, before, simtenant.Config{Now: upgradeBegin, PageSize: 50, Retention: 90 * 24 * time.Hour,
		AlwaysNewer: true,
		Generate: &generate.Config{Seed: 17, Users: 8, Apps: 3, Days: 24, End: upgradeBegin.AddDate(0, 0, 15),
			Policies: 1}}, streams...)
}

// newVersionsOf makes the archive of a tenant.
func newVersionsOf(t *testing.T, before string, cfg simtenant.Config, streams ...entra.Stream) *versions {
	s := newSystem(t, cfg)
	s.tenant.Freeze(upgradeBegin)
	names := make([]string, len(streams))
	for i, stream := range streams {
		names[i] = string(stream)
	}
	s.env["ARCHIVE_STREAMS"], s.env["ARCHIVE_BACKFILL"] = strings.Join(names, ","), "10d"
	s.env["ARCHIVE_ALERT_AFTER"] = "720h"
	return &versions{system: s, before: before, begin: upgradeBegin, streams: streams}
}

func (v *versions) startBefore() *process { return v.startBinary(v.before) }

// stop ends a process that has no work in progress.
func (p *process) stop() { p.kill() }

// put makes every stream show a record from a time on.
func (v *versions) put(id string, at, visible time.Time, text string) {
	for _, stream := range v.streams {
		require.NoError(v, v.tenant.Add(stream, bulky(stream, id, at, text), visible))
	}
}

// change gives a record that was put another content.
func (v *versions) change(id string, at time.Time, text string) {
	for _, stream := range v.streams {
		require.Equal(v, 1, v.tenant.Change(stream, id, bulky(stream, id, at, text)))
	}
}

// at sets the tenant's clock to a time after the begin and fires the timer.
func (v *versions) at(after time.Duration, p *process) {
	v.Helper()
	v.tenant.Freeze(v.begin.Add(after))
	v.fireWell(p)
}

func (v *versions) fireWell(p *process) {
	v.Helper()
	status, body, err := p.fire()
	require.NoError(v, err)
	require.Equal(v, http.StatusOK, status, "%v", body)
}

// hourOf is a body of POST /api/collect: the hour of a time.
func hourOf(at time.Time) string {
	from := entra.FloorHour(at)
	return fmt.Sprintf(`{"from":%q,"to":%q}`, from.Format(time.RFC3339), from.Add(time.Hour).Format(time.RFC3339))
}

// again reads the hour of a time again, in every stream.
func (v *versions) again(p *process, at time.Time) {
	v.Helper()
	status, answer := p.ask(http.MethodPost, "/api/collect", hourOf(at))
	require.Equal(v, http.StatusOK, status, "%v", answer)
	require.Equal(v, "done", answer["status"], "%v", answer)
}

// requireVerified asks handlers whether what is stored is what was sealed.
func (v *versions) requireVerified(handlers ...*process) {
	v.Helper()
	for _, p := range handlers {
		status, answer := p.ask(http.MethodGet, "/api/verify", "")
		require.Equal(v, http.StatusOK, status)
		require.Equal(v, "intact", answer["status"], "%v", answer["value"])
		require.NotContains(v, answer["differences"], string(verify.DiffUnconfirmed), "%v", answer["value"])
	}
}

// requireReadable reads every stream by $filter and as a download, and compares it with the tenant
// line for line.
func (v *versions) requireReadable(p *process) {
	v.Helper()
	until := v.tenant.Now().Add(-6 * time.Minute).Truncate(time.Second)
	for _, stream := range v.streams {
		truth := v.truth(stream, until)
		filter := fmt.Sprintf("%s ge %s and %[1]s lt %[3]s", logs.Of(stream).TimeProperty,
			v.begin.AddDate(0, 0, -20).Format(time.RFC3339), until.Format(time.RFC3339))
		log := logs.Of(stream)
		if !log.Unfiltered {
			filter += fmt.Sprintf(" and signInEventTypes/any(t: t eq '%s')", log.EventType)
		}
		got := pages(v.T, p.url+"/api/auditLogs/"+log.Collection+"?$top=1000&$filter="+url.QueryEscape(filter), "")
		slices.Sort(got)
		require.Equal(v, truth, got, stream)
		file := log.Files[0].Name
		resp, body := p.download(file + "?format=ndjson&to=" + until.Format(time.RFC3339))
		require.Equal(v, http.StatusOK, resp.StatusCode, "%s", body)
		require.Equal(v, truth, lines(body), file)
	}
}

// truth is what the tenant shows of a stream before a time, sorted; records that can't be filed are
// left out.
func (v *versions) truth(stream entra.Stream, until time.Time) []string {
	var out []string
	for raw := range v.tenant.Truth(stream) {
		if rec, err := logs.ParseRecord(stream, raw); err == nil && rec.Time.Before(until) {
			out = append(out, string(raw))
		}
	}
	slices.Sort(out)
	return out
}

// requireTruth checks that the current contents are what the tenant shows, each stored once.
func (v *versions) requireTruth() {
	v.Helper()
	until := v.tenant.Now().Add(-6 * time.Minute)
	for _, stream := range v.streams {
		var got []string
		for _, rec := range v.current(stream) {
			if rec.Time.Before(until) {
				got = append(got, string(rec.Raw))
			}
		}
		slices.Sort(got)
		require.Equal(v, v.truth(stream, until), got, stream)
	}
}

// current are a stream's current contents.
func (v *versions) current(stream entra.Stream) (out []entra.Record) {
	for hour := range v.storedByHour(stream) {
		for rec, err := range v.store.Records(v.Context(), entra.Window{Stream: stream, Start: hour}) {
			require.NoError(v, err)
			if rec.Superseded.IsZero() {
				out = append(out, rec.Record)
			}
		}
	}
	return out
}

func (v *versions) storedByHour(stream entra.Stream) map[time.Time]ledger.HourContents {
	stored, err := v.store.StoredByHour(v.Context(), stream, v.begin.AddDate(0, -1, 0), v.begin.AddDate(0, 2, 0))
	require.NoError(v, err)
	return stored
}

// requireLedger compares the ledger's totals with its rows, those with the tables, and the log with
// both.
func (v *versions) requireLedger() {
	v.Helper()
	for _, stream := range v.streams {
		stored := v.storedByHour(stream)
		p, sum := v.progress(stream), ledger.Progress{}
		var log []seal.Seal
		for entry, err := range v.store.Seals(v.Context(), stream) {
			require.NoError(v, err)
			log = append(log, entry)
		}
		require.Equal(v, []int64{int64(len(log)), int64(len(log))}, []int64{p.Seals, p.Heads},
			"%s: entries, seals, heads", stream)
		for _, cov := range v.windows(stream) {
			v.requireRow(cov, stored[cov.Start], log)
			delete(stored, cov.Start)
			sum.Records, sum.Versions = sum.Records+cov.Records, sum.Versions+cov.Versions
			sum.Bytes, sum.StoredBytes = sum.Bytes+cov.Bytes, sum.StoredBytes+cov.StoredBytes
			sum.Changed, sum.Late = sum.Changed+cov.Changed, sum.Late+cov.Late
			sum.WindowsComplete += count(cov.Whole())
			sum.Reopened += count(cov.State == ledger.WindowReopened)
			sum.Lost += count(cov.State == ledger.WindowLost || cov.InPart())
			sum.Purged += count(cov.State == ledger.WindowPurged)
		}
		require.Empty(v, stored, "%s: hours with records and without a row", stream)
		want := []any{sum.Tally, sum.Changed, sum.Late, sum.WindowsComplete, sum.Reopened, sum.Lost, sum.Purged,
			int64(0)}
		got := []any{p.Tally, p.Changed, p.Late, p.WindowsComplete, p.Reopened, p.Lost, p.Purged, p.Doubts}
		require.Equal(v, want, got, "%s: the totals are the sums of the rows", stream)
	}
}

func count(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// requireRow compares one row with what is stored of its hour and with its seal.
func (v *versions) requireRow(cov ledger.Coverage, stored ledger.HourContents, log []seal.Seal) {
	v.Helper()
	require.False(v, cov.Doubt, "%s", cov.Window)
	require.Zero(v, cov.Unconfirmed+cov.Unmet, "%s", cov.Window)
	require.Equal(v, stored.Count, cov.Records+cov.Versions, "%s: contents that are stored, and counted", cov.Window)
	require.Equal(v, cov.Fetched, cov.New+cov.Changed+cov.Enriched+cov.Unchanged+cov.Quarantined, "%s balances",
		cov.Window)
	if cov.HasSum {
		require.Equal(v, stored.Sum, cov.Sum, "%s", cov.Window)
	}
	if stored.Count > 0 {
		has, err := v.store.Count(v.Context(), cov.Window)
		require.NoError(v, err)
		counted := ledger.Tally{Records: cov.Records, Versions: cov.Versions, Bytes: cov.Bytes,
			StoredBytes: cov.StoredBytes}
		require.Equal(v, has.Tally, counted, "%s", cov.Window)
	}
	if cov.State == ledger.WindowSealed {
		last := log[cov.LastSeal]
		require.Equal(v, cov.Window, last.Window)
		require.Equal(v, stored.Count, last.Leaves, "%s: contents that are stored, and sealed", cov.Window)
	}
}

func (v *versions) progress(stream entra.Stream) ledger.Progress {
	p, err := v.store.Progress(v.Context(), stream)
	require.NoError(v, err)
	return p
}

func (v *versions) windows(stream entra.Stream) (out []ledger.Coverage) {
	for cov, err := range v.store.Windows(v.Context(), stream, v.begin.AddDate(0, -2, 0), v.begin.AddDate(0, 2, 0)) {
		require.NoError(v, err)
		out = append(out, cov)
	}
	return out
}

// window is the row of the hour of a time.
func (v *versions) window(stream entra.Stream, at time.Time) ledger.Coverage {
	for cov, err := range v.store.Windows(v.Context(), stream, entra.FloorHour(at),
		entra.FloorHour(at).Add(time.Hour)) {
		require.NoError(v, err)
		return cov
	}
	require.Fail(v, "there is no row", "%s %s", stream, at)
	return ledger.Coverage{}
}

func (v *versions) ledgerTable() *aztables.Client {
	service, err := aztables.NewServiceClientFromConnectionString(v.env["ARCHIVE_STORAGE"], nil)
	require.NoError(v, err)
	return service.NewClient("coverage")
}

// edit changes columns of a row of the ledger, as an earlier version may have left them. A nil
// value deletes a column.
func (v *versions) edit(stream entra.Stream, row string, columns map[string]any) {
	v.Helper()
	table := v.ledgerTable()
	got, err := table.GetEntity(v.Context(), string(stream), row, nil)
	require.NoError(v, err)
	var entity aztables.EDMEntity
	require.NoError(v, json.Unmarshal(got.Value, &entity))
	for name, value := range columns {
		if delete(entity.Properties, name); value != nil {
			entity.Properties[name] = value
		}
	}
	body, err := json.Marshal(entity)
	require.NoError(v, err)
	_, err = table.UpdateEntity(v.Context(), body,
		&aztables.UpdateEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	require.NoError(v, err)
}

// lateWritesArrived lets the time pass after which nothing of an execution that was stopped can
// arrive any more.
func (v *versions) lateWritesArrived() {
	v.Helper()
	for _, stream := range v.streams {
		got, err := v.ledgerTable().GetEntity(v.Context(), string(stream), "progress", nil)
		require.NoError(v, err)
		text := gjson.GetBytes(got.Value, "Suspects").Str
		if text == "" {
			continue
		}
		spans := strings.Fields(text)
		for i, span := range spans {
			parts := strings.Split(span, "/")
			since, err := time.Parse(time.RFC3339Nano, strings.TrimSuffix(parts[4], "!")) // "!": it was compared once
			require.NoError(v, err)
			parts[4] = since.Add(-ledger.LateWrites).Format("2006-01-02T15:04:05.0000000Z")
			spans[i] = strings.Join(parts, "/")
		}
		v.edit(stream, "progress", map[string]any{"Suspects": strings.Join(spans, " ")})
	}
}
