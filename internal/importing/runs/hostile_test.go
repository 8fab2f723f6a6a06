package runs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/dev/keptfiles"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/importing"
	"github.com/entraledger/entraledger/internal/importing/runs"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/verify"
)

var errDied = errors.New("the process died")

// dies is an archive that takes some hours, and no more.
func dies(t *testing.T, to *arrivals.Adder, hours int) adder {
	return func(ctx context.Context, s entra.Stream, hour time.Time, recs []entra.Record,
		o entra.Origin) (arrivals.Result, error) {
		if hours--; hours < 0 {
			return arrivals.Result{}, errDied
		}
		return to.Add(ctx, runner(t, nil).Execution, s, hour, recs, o)
	}
}

// TestAFileThatIsChangedWhileItIsReadAddsNothing: its records would name another file's hash.
func TestAFileThatIsChangedWhileItIsReadAddsNothing(t *testing.T) {
	long, short := keptfiles.Envelopes(some(9)), keptfiles.Envelopes(some(5))
	for name, c := range map[string][2][]byte{"grown": {short, long}, "cut": {long, long[:len(long)-9]},
		"shorter": {long, short}} {
		t.Run(name, func(t *testing.T) {
			store, to := archive(t, purge.Retention{})
			path := write(t, "f.jsonl", c[0])
			r := runner(t, to)
			hashed := false
			r.Now = func() time.Time {
				if !hashed { // the time of the origin: the file was hashed
					hashed = true
					require.NoError(t, os.WriteFile(path, c[1], 0o600))
				}
				return now
			}
			_, err := r.Import(t.Context(), of(path))
			require.Equal(t, entra.CodeConflict, entra.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, "changed while it was read")
			require.Empty(t, contents(t, store))
			got, err := r.Import(t.Context(), of(path))
			require.NoError(t, err)
			require.Equal(t, got.Records, got.Added)
		})
	}
}

// TestASpoolBelongsToOneArchive: what is done for one counts for no other, and the other's tenant is
// compared anew.
func TestASpoolBelongsToOneArchive(t *testing.T) {
	all := some(9)
	path := write(t, "f.jsonl", keptfiles.Envelopes(all))
	_, first := archive(t, purge.Retention{})
	store, second := archive(t, purge.Retention{})
	r := runner(t, dies(t, first, 3))
	r.Archive = "first"
	_, err := r.Import(t.Context(), of(path))
	require.ErrorIs(t, err, errDied)

	other := runner(t, second)
	other.Folder, other.Archive = r.Folder, "second"
	got, err := other.Import(t.Context(), of(path))
	require.NoError(t, err)
	require.EqualValues(t, len(all), got.Added)
	require.Len(t, contents(t, store), len(all))

	foreign := runner(t, adder(func(context.Context, entra.Stream, time.Time, []entra.Record,
		entra.Origin) (arrivals.Result, error) {
		t.Error("something was added to another tenant's archive")
		return arrivals.Result{}, nil
	}))
	foreign.Folder, foreign.Archive, foreign.Tenant = r.Folder, "first", "00000000-1111-4222-8333-abcdefabcdef"
	_, err = foreign.Import(t.Context(), runs.File{Path: path, By: "ann"})
	require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err), "%v", err)
}

// TestRecordsFromBeforeThereWereLogsAreRefused, and the rest of their file is imported.
func TestRecordsFromBeforeThereWereLogsAreRefused(t *testing.T) {
	audit := func(id, at string) keptfiles.Record {
		return keptfiles.Record{Stream: logs.DirectoryAudits, Raw: fmt.Appendf(nil,
			`{"id":%q,"activityDateTime":%q,"activityDisplayName":"x","result":"success"}`, id, at)}
	}
	store, to := archive(t, purge.Retention{})
	got, err := runner(t, to).Import(t.Context(), of(write(t, "f.jsonl", keptfiles.Envelopes([]keptfiles.Record{
		audit("a", "1600-01-01T00:00:00Z"), audit("b", "1601-01-01T00:00:00Z"), audit("c", "1970-01-01T00:00:00Z"),
		audit("d", "2009-12-31T23:59:59.9999999Z"), audit("e", "2010-01-01T00:00:00Z")}))))
	require.NoError(t, err)
	require.Equal(t, map[importing.Reason]int64{runs.Past: 4}, got.Refused)
	require.EqualValues(t, 1, got.Added)
	p, err := store.Progress(t.Context(), logs.DirectoryAudits)
	require.NoError(t, err)
	require.Equal(t, 2010, p.ImportedFrom.Year())
}

// TestAPurgedMonthStaysPurged whatever retention, hold or file says later.
func TestAPurgedMonthStaysPurged(t *testing.T) {
	at := time.Date(2025, 1, 7, 3, 4, 5, 0, time.UTC)
	recs := []keptfiles.Record{{Stream: logs.DirectoryAudits, Raw: fmt.Appendf(nil,
		`{"id":"a","activityDateTime":%q,"activityDisplayName":"x","result":"success"}`, at.Format(time.RFC3339))}}
	hold := purge.Retention{Default: purge.LeastRetention, Holds: []purge.Hold{{From: at, To: at.Add(time.Hour)}}}
	store, to := archive(t, hold)
	first, err := runner(t, to).Import(t.Context(), of(write(t, "f.jsonl", keptfiles.Envelopes(recs))))
	require.NoError(t, err)
	require.EqualValues(t, 1, first.Added)
	gone := purge.Retention{Default: purge.LeastRetention}
	months, err := purge.New(store, store, nil, gone).Run(t.Context(), runner(t, nil).Execution, logs.DirectoryAudits,
		now)
	require.NoError(t, err)
	require.Len(t, months, 1)
	require.True(t, months[0].Dropped, months[0].Kept)
	again, err := runner(t, to).Import(t.Context(), of(write(t, "f.jsonl", keptfiles.Envelopes(recs))))
	require.NoError(t, err)
	require.Equal(t, map[importing.Reason]int64{runs.NotKept: 1}, again.Refused)
	require.Contains(t, again.Months[0].Why, "purged")
	require.False(t, again.Whole())
	require.Empty(t, stored(t, store, logs.DirectoryAudits))
	v := verify.Verification{Streams: []entra.Stream{logs.DirectoryAudits}}
	require.NoError(t, v.Work(t.Context(), store, nil, time.Now().Add(time.Minute)))
	require.Empty(t, v.Findings)
}

// TestWhatAStateThatWasLostHadDoneIsAskedAgain: the numbers of what is done are those of a reading.
func TestWhatAStateThatWasLostHadDoneIsAskedAgain(t *testing.T) {
	all := some(9)
	path := write(t, "f.jsonl", keptfiles.Envelopes(all))
	store, to := archive(t, purge.Retention{})
	r := runner(t, dies(t, to, 3))
	_, err := r.Import(t.Context(), of(path))
	require.ErrorIs(t, err, errDied)
	states, err := filepath.Glob(filepath.Join(r.Folder, "*", "state.json"))
	require.NoError(t, err)
	require.Len(t, states, 1)
	require.NoError(t, os.WriteFile(states[0], nil, 0o600))
	calls := 0
	r.Adder = adder(func(ctx context.Context, s entra.Stream, hour time.Time, recs []entra.Record,
		o entra.Origin) (arrivals.Result, error) {
		calls += len(recs)
		return to.Add(ctx, r.Execution, s, hour, recs, o)
	})
	got, err := r.Import(t.Context(), of(path))
	require.NoError(t, err)
	require.Equal(t, len(all), calls)
	require.EqualValues(t, len(all), got.Added+got.Present)
	require.Len(t, contents(t, store), len(all))
}

// TestWhateverTextIsInARecord that is taken, the archive is intact after it, and it is there once.
func TestWhateverTextIsInARecord(t *testing.T) {
	sign := func(id, name, code string) string {
		return fmt.Sprintf(`{"id":"%s","createdDateTime":"2026-11-21T14:05:06Z","signInEventTypes":["interactiveUser"],`+
			`"userPrincipalName":"%s","status":{"errorCode":%s}}`, id, name, code) + "\n"
	}
	var file string
	for i, text := range []string{"M\xfcller", `\u0000`, `a/b#?\\c`, `x\ud800`, "\u007f\u0085\u2028", "~~",
		"!x0!v00!p001"} {
		file += sign(fmt.Sprint(i), text, "0") + sign(text, "x", "0")
	}
	for i, code := range []string{`"0"`, "0.0", `"a/b#?\\c"`, `{"a":1}`, "null", "5e1",
		"123456789012345678901234567890"} {
		file += sign(fmt.Sprint("c", i), "x", code)
	}
	store, to := archive(t, purge.Retention{})
	got, err := runner(t, to).Import(t.Context(), of(write(t, "f.jsonl", []byte(file))))
	require.NoError(t, err)
	require.Equal(t, map[importing.Reason]int64{importing.NotJSON: 2}, got.Refused)
	require.EqualValues(t, 19, got.Added)
	v := verify.Verification{Streams: []entra.Stream{logs.SignInsInteractiveUser}}
	require.NoError(t, v.Work(t.Context(), store, nil, time.Now().Add(time.Minute)))
	for _, f := range v.Findings {
		require.Equal(t, verify.DiffMissing, f.Difference, "%+v", f)
	}
	again, err := runner(t, to).Import(t.Context(), of(write(t, "f.jsonl", []byte(file+"\n"))))
	require.NoError(t, err)
	require.Zero(t, again.Added)
}
