package runs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/dev/keptfiles"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/dev/memstorage/memtest"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/importing"
	"github.com/entraledger/entraledger/internal/importing/runs"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// now is the time of the imports.
var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// adder is an archive that takes records, or a part of one.
type adder func(ctx context.Context, stream entra.Stream, hour time.Time, recs []entra.Record,
	origin entra.Origin) (arrivals.Result, error)

func (a adder) Add(ctx context.Context, _ ledger.Execution, stream entra.Stream, hour time.Time, recs []entra.Record,
	origin entra.Origin) (arrivals.Result, error) {
	return a(ctx, stream, hour, recs, origin)
}

// archive is an archive in memory.
func archive(t *testing.T, keep purge.Retention) (*tablestest.Store, *arrivals.Adder) {
	service := memstorage.New(func() time.Time { return now })
	store, err := tablestest.New(tables.Config{ConnectionString: memtest.Serve(t, service)})
	require.NoError(t, err)
	return store, arrivals.New(store, nil, keep, func() time.Time { return now }, slog.New(slog.DiscardHandler))
}

func runner(t *testing.T, to runs.Adder) *runs.Runner {
	return &runs.Runner{Adder: to, Execution: ledger.Execution{ID: uuid.NewString(), Work: "test"},
		Tenant:   keptfiles.Tenant,
		Archives: func(s entra.Stream) bool { return s != logs.CustomSecurityAttributeAudits }, Folder: t.TempDir(),
		Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
}

func write(t *testing.T, name string, body []byte) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, body, 0o600))
	return path
}

func of(path string) runs.File { return runs.File{Path: path, Tenant: keptfiles.Tenant, By: "ann"} }

// some are n sign-ins and n audits of a few hours, unsorted.
func some(n int) (out []keptfiles.Record) {
	for i := range n {
		at := now.Add(-time.Duration(10+(i*37)%240) * time.Minute).Format(time.RFC3339)
		out = append(out, keptfiles.Record{Stream: logs.SignInsInteractiveUser, Raw: fmt.Appendf(nil,
			`{"id":"s%d","createdDateTime":%q,"userId":"u","status":{"errorCode":0},`+
				`"signInEventTypes":["interactiveUser"]}`, i, at)},
			keptfiles.Record{Stream: logs.DirectoryAudits, Raw: fmt.Appendf(nil,
				`{"id":"a%d","activityDateTime":%q,"activityDisplayName":"Update user",`+
					`"loggedByService":"Core Directory","result":"success"}`, i, at)})
	}
	return out
}

// sample reads the published records of a log beside this repository.
func sample(t *testing.T, s entra.Stream) (out []keptfiles.Record) {
	body, err := os.ReadFile(filepath.Join("../../../../shared/samples", string(s)+".jsonl"))
	require.NoError(t, err)
	for line := range bytes.Lines(body) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			out = append(out, keptfiles.Record{Stream: s, Raw: asGraph(t, line)})
		}
	}
	return out
}

// asGraph writes what Graph has as names and numbers so: some of the published records were columns
// of Log Analytics before.
func asGraph(t *testing.T, line []byte) []byte {
	var rec map[string]any
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	require.NoError(t, d.Decode(&rec))
	changed := false
	policies, _ := rec["appliedConditionalAccessPolicies"].([]any)
	for _, p := range policies {
		for _, name := range []string{"conditionsSatisfied", "conditionsNotSatisfied"} {
			n, ok := p.(map[string]any)[name].(json.Number)
			names := map[json.Number]string{"0": "none", "1": "application", "2": "users", "3": "application,users"}[n]
			if ok && names != "" {
				p.(map[string]any)[name], changed = names, true
			}
		}
	}
	if risk, ok := rec["riskLevelDuringsignIn"]; ok {
		delete(rec, "riskLevelDuringsignIn")
		rec["riskLevelDuringSignIn"], changed = risk, true
	}
	if kind, ok := rec["userType"].(string); ok && strings.ToLower(kind) != kind {
		rec["userType"], changed = strings.ToLower(kind), true
	}
	if text, ok := rec["processingTimeInMilliseconds"].(string); ok && text != "" {
		rec["processingTimeInMilliseconds"], changed = json.Number(text), true
	}
	if !changed {
		return line
	}
	out, err := json.Marshal(rec)
	require.NoError(t, err)
	return out
}

// stored are the contents of a stream, by key.
func stored(t *testing.T, store *tablestest.Store, s entra.Stream) map[string]records.Archived {
	out := map[string]records.Archived{}
	all := records.Reading{Stream: s, From: now.AddDate(-20, 0, 0), To: now.AddDate(1, 0, 0)}
	for rec, err := range store.Read(t.Context(), all) {
		require.NoError(t, err)
		require.Empty(t, rec.Tampered)
		if rec.Raw != nil {
			rec.Raw = bytes.Clone(rec.Raw)
			out[rec.Key.Time.Truncate(time.Second).Format(time.RFC3339)+" "+rec.Key.ID+" "+outcome(rec.Raw)] = rec
		}
	}
	return out
}

func outcome(raw []byte) string {
	var rec struct {
		Status struct{ ErrorCode json.Number }
		Result string
		Info   struct{ Status string } `json:"provisioningStatusInfo"`
	}
	if err := json.Unmarshal(raw, &rec); err != nil {
		return err.Error()
	}
	return rec.Status.ErrorCode.String() + rec.Result + rec.Info.Status
}

// TestAnImportOfPublishedRecordsEqualsGraphs in every form: the same records are there as if they
// had been read from Graph, with Graph's values as far as the form has them, and each says where it
// came from.
func TestAnImportOfPublishedRecordsEqualsGraphs(t *testing.T) {
	var all []keptfiles.Record
	for _, s := range []entra.Stream{logs.SignInsInteractiveUser, logs.SignInsServicePrincipal, logs.DirectoryAudits,
		logs.Provisioning} {
		all = append(all, sample(t, s)...)
	}
	for name, form := range keptfiles.Forms() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, to := archive(t, purge.Retention{})
			file := form(all)
			got, err := runner(t, to).Import(t.Context(), of(write(t, name, file)))
			require.NoError(t, err)
			sum := sha256.Sum256(file)
			for _, s := range []entra.Stream{logs.SignInsInteractiveUser, logs.SignInsServicePrincipal,
				logs.DirectoryAudits,
				logs.Provisioning} {
				want := map[string][][]byte{}
				for _, r := range all {
					if r.Stream == s {
						rec, err := logs.ParseRecord(s, r.Raw)
						require.NoError(t, err)
						key := rec.Time.Truncate(time.Second).Format(time.RFC3339) + " " + rec.ID + " " + outcome(r.Raw)
						want[key] = append(want[key], r.Raw)
					}
				}
				if s == logs.Provisioning && name == "log-analytics" { // its table has no time of the activity
					require.Equal(t, map[importing.Reason]int64{importing.NoTime: 4}, got.Refused)
					want = nil
				}
				is := stored(t, store, s)
				require.Len(t, is, len(want), s)
				for key, forms := range want {
					rec := is[key]
					require.Contains(t, string(rec.Origin), fmt.Sprintf("%x", sum))
					require.Contains(t, string(rec.Origin), "imported")
					same := false
					for _, raw := range forms {
						same = same || entra.Enriches(withoutType(t, rec.Raw, raw), raw)
					}
					require.True(t, same, "%s %v", key, differ(t, rec.Raw, forms[0]))
				}
			}
			require.Equal(t, got.Records, got.Added+got.Present)
		})
	}
}

// withoutType removes what the test's own form adds to a sign-in.
func withoutType(t *testing.T, raw, of []byte) []byte {
	var rec, was map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(raw, &rec))
	require.NoError(t, json.Unmarshal(of, &was))
	if _, ok := was["signInEventTypes"]; !ok {
		delete(rec, "signInEventTypes")
	}
	out, err := json.Marshal(rec)
	require.NoError(t, err)
	return out
}

// differ names the members of a record that Graph's lacks, or has with another value.
func differ(t *testing.T, raw, graphs []byte) (names []string) {
	var rec, was map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(raw, &rec))
	require.NoError(t, json.Unmarshal(graphs, &was))
	for name, v := range rec {
		if !entra.Enriches([]byte(`{"v":`+string(v)+`}`), []byte(`{"v":`+string(was[name])+`}`)) {
			names = append(names, fmt.Sprintf("%s: %s, Graph's %s", name, v, was[name]))
		}
	}
	return names
}

// contents are the texts of what is stored of the two logs, without where it came from.
func contents(t *testing.T, store *tablestest.Store) map[string]string {
	out := map[string]string{}
	for _, s := range []entra.Stream{logs.SignInsInteractiveUser, logs.DirectoryAudits} {
		for key, rec := range stored(t, store, s) {
			out[string(s)+" "+key] = string(rec.Raw)
		}
	}
	return out
}

// TestAnImportKilledAnywhereGoesOn and ends as one that was not killed, with the same summary.
func TestAnImportKilledAnywhereGoesOn(t *testing.T) {
	all := some(12)
	for name, form := range keptfiles.Forms() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, name+".json", form(all))
			wholeStore, to := archive(t, purge.Retention{})
			whole, err := runner(t, to).Import(t.Context(), of(path))
			require.NoError(t, err)
			require.EqualValues(t, len(all), whole.Added)
			for kill := 1; kill < 60; kill += 11 {
				store, to := archive(t, purge.Retention{})
				// A process dies before, in or after each of its steps; the next has its folder.
				steps, folder, deaths := 0, t.TempDir(), 0
				var got runs.Summary
				for {
					ctx, die := context.WithCancel(t.Context())
					left := kill
					step := func() {
						steps, left = steps+1, left-1
						if left == 0 {
							die()
						}
					}
					r := runner(t, adder(func(ctx context.Context, s entra.Stream, hour time.Time, recs []entra.Record,
						o entra.Origin) (arrivals.Result, error) {
						if step(); ctx.Err() != nil {
							return arrivals.Result{}, ctx.Err()
						}
						out, err := to.Add(ctx, ledger.Execution{ID: "x", Work: "test"}, s, hour, recs, o)
						step()
						return out, errors.Join(err, ctx.Err())
					}))
					r.Folder, r.Every = folder, 1
					r.Now = func() time.Time {
						step()
						return now
					}
					got, err = r.Import(ctx, of(path))
					die()
					if err == nil {
						break
					}
					require.ErrorIs(t, err, context.Canceled)
					deaths++
					kill++ // each lives a little longer, so that this ends
				}
				require.Positive(t, steps)
				require.Equal(t, contents(t, wholeStore), contents(t, store), "killed at %d", kill)
				require.Equal(t, whole.Records, got.Records)
				require.Equal(t, whole.Entries, got.Entries)
				require.Equal(t, got.Records, got.Added+got.Present)
				left, err := os.ReadDir(folder)
				require.NoError(t, err)
				for _, f := range left {
					require.True(t, strings.HasSuffix(f.Name(), ".lock"), f.Name())
				}
			}
		})
	}
}

// TestTwoImportsAtOnce of one file add each record once: on two machines, and on one.
func TestTwoImportsAtOnce(t *testing.T) {
	all := some(15)
	path := write(t, "kept.jsonl", keptfiles.Envelopes(all))
	t.Run("on two machines", func(t *testing.T) {
		store, to := archive(t, purge.Retention{})
		var sum [2]runs.Summary
		var both sync.WaitGroup
		for i := range sum {
			both.Go(func() {
				var err error
				sum[i], err = runner(t, to).Import(t.Context(), of(path))
				if err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		require.EqualValues(t, len(all), sum[0].Added+sum[1].Added)
		require.EqualValues(t, len(all), sum[0].Present+sum[1].Present)
		require.Len(t, contents(t, store), len(all))
	})
	t.Run("on one", func(t *testing.T) {
		_, to := archive(t, purge.Retention{})
		var second error
		r := runner(t, nil)
		r.Adder = adder(func(ctx context.Context, s entra.Stream, hour time.Time, recs []entra.Record,
			o entra.Origin) (arrivals.Result, error) {
			other := *r
			_, second = other.Import(ctx, of(path))
			return to.Add(ctx, r.Execution, s, hour, recs, o)
		})
		_, err := r.Import(t.Context(), of(path))
		require.NoError(t, err)
		require.Equal(t, entra.CodeConflict, entra.CodeOf(second), "%v", second)
	})
}

// TestAnotherTenantsFileAddsNothing whatever of it names the other one, and neither does one of
// which nothing says whose it is.
func TestAnotherTenantsFileAddsNothing(t *testing.T) {
	own := keptfiles.Envelopes(some(5))
	other := bytes.ReplaceAll(own, []byte(keptfiles.Tenant), []byte("00000000-1111-4222-8333-abcdefabcdef"))
	never := adder(func(context.Context, entra.Stream, time.Time, []entra.Record, entra.Origin) (arrivals.Result,
		error) {
		t.Error("something was added")
		return arrivals.Result{}, nil
	})
	for name, c := range map[string]struct {
		body   []byte
		tenant string
		why    string
	}{
		"another one's":                  {other, "", "names tenant 00000000"},
		"another one's, said to be ours": {other, keptfiles.Tenant, "names tenant 00000000"},
		"ours at first":                  {append(bytes.Clone(own), other...), "", "names tenant 00000000"},
		"rows of another one": {bytes.ReplaceAll(keptfiles.Rows(some(3)), []byte(keptfiles.Tenant),
			[]byte("x")), "", "names tenant x"},
		"nobody says whose": {keptfiles.Portal(some(3)), "", "do not say of which tenant"},
		"said to be another one's": {keptfiles.Portal(some(3)), "00000000-1111-4222-8333-abcdefabcdef",
			"--tenant names"},
		"ours, and some that name no tenant": {append(bytes.Clone(own), keptfiles.Portal(some(1))[2:]...), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.why == "" {
				c.body = append(bytes.Clone(own), append(some(1)[0].Raw, '\n')...)
				c.why = "do not say of which tenant"
			}
			r := runner(t, never)
			r.Every = 1
			file := runs.File{Path: write(t, "f.jsonl", c.body), Tenant: c.tenant, By: "ann"}
			_, err := r.Import(t.Context(), file)
			require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err))
			require.ErrorContains(t, err, c.why)
			left, err := os.ReadDir(r.Folder)
			require.NoError(t, err)
			for _, f := range left {
				require.False(t, f.IsDir(), "the spool is left")
			}
		})
	}
	upper := runner(t, adder(func(_ context.Context, _ entra.Stream, _ time.Time, recs []entra.Record,
		_ entra.Origin) (arrivals.Result, error) {
		return arrivals.Result{Added: len(recs)}, nil
	}))
	upper.Tenant = strings.ToUpper(keptfiles.Tenant)
	_, err := upper.Import(t.Context(), runs.File{Path: write(t, "f.jsonl", own), By: "ann"})
	require.NoError(t, err, "ids are compared without regard to case")
}

// TestMonthsThatAreNotKeptAreRefused with their number; a held month takes what comes.
func TestMonthsThatAreNotKeptAreRefused(t *testing.T) {
	audit := func(id string, at time.Time) keptfiles.Record {
		return keptfiles.Record{Stream: logs.DirectoryAudits, Raw: fmt.Appendf(nil,
			`{"id":%q,"activityDateTime":%q,"activityDisplayName":"x","result":"success"}`, id,
			at.Format(time.RFC3339))}
	}
	old, held := time.Date(2025, 1, 7, 3, 4, 5, 0, time.UTC), time.Date(2025, 3, 7, 3, 4, 5, 0, time.UTC)
	recs := []keptfiles.Record{audit("old1", old), audit("old2", old.Add(time.Minute)), audit("held", held),
		audit("new", now.Add(-time.Hour)), audit("future", now.Add(48*time.Hour)),
		{Stream: logs.CustomSecurityAttributeAudits, Raw: audit("attributes", now).Raw}}
	store, to := archive(t, purge.Retention{Default: 90 * 24 * time.Hour,
		Holds: []purge.Hold{{From: held.AddDate(0, 0, -1),
			To: held.AddDate(0, 0, 1)}}})
	got, err := runner(t, to).Import(t.Context(), of(write(t, "f.jsonl", keptfiles.Envelopes(recs))))
	require.NoError(t, err)
	require.Equal(t, map[importing.Reason]int64{runs.NotKept: 2, runs.Future: 1, runs.NotArchived: 1}, got.Refused)
	require.EqualValues(t, 2, got.Added)
	require.False(t, got.Whole())
	require.Len(t, got.Months, 3)
	require.Equal(t, []any{"2025-01", int64(2), int64(0)}, []any{got.Months[0].Month, got.Months[0].NotKept,
		got.Months[0].Added})
	require.Contains(t, got.Months[0].Why, "past its retention")
	require.Len(t, stored(t, store, logs.DirectoryAudits), 2)
	var out bytes.Buffer
	got.Print(&out)
	require.Contains(t, out.String(), "directoryAudits              2025-01: 0 added, 0 present, 2 refused: its "+
		"month is past its retention")
}

// TestFilesOfAFolder are all below it but those that are hidden.
func TestFilesOfAFolder(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"tenantId=x/y=2026/PT1H.json", "b.json", ".hidden/c.json", ".d.json"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(root, name), nil, 0o600))
	}
	got, err := runs.Files([]string{root, filepath.Join(root, "b.json")})
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(root, "b.json"), filepath.Join(root, "tenantId=x/y=2026/PT1H.json")}, got)
	_, err = runs.Files([]string{filepath.Join(root, "nothing")})
	require.Error(t, err)
}
