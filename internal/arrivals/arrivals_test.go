package arrivals_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/verify"
)

// past is an hour from long before the tenant's logs begin.
var past = entra.FloorHour(lab.Start.Add(-200 * lab.Days))

func origin(file string) entra.Origin {
	return entra.Origin{Kind: entra.Imported, SHA256: sha256.Sum256([]byte(file)), At: lab.Start,
		By: "ann@contoso.example", Name: file}
}

// signIn is a record of the lab's stream, with an outcome.
func signIn(id string, at time.Time, outcome int, content string) entra.Record {
	raw := fmt.Sprintf(`{"id":%q,"createdDateTime":%q,"status":{"errorCode":%d},"content":%q}`, id,
		at.Format(time.RFC3339Nano), outcome, content)
	rec, err := logs.ParseRecord(lab.Stream, []byte(raw))
	if err != nil {
		panic(err) // the text is the test's own
	}
	return rec
}

// some are n records of an hour.
func some(hour time.Time, n int) (out []entra.Record) {
	for i := range n {
		at := hour.Add(time.Duration(i)*time.Minute + 930*time.Millisecond)
		out = append(out, signIn(fmt.Sprint("past-", i), at, 0, "A"))
	}
	return out
}

func adderOf(l *lab.Lab, store arrivals.Store, keep purge.Retention) *arrivals.Adder {
	return arrivals.New(store, l.Heads, keep, time.Now, slog.New(slog.DiscardHandler))
}

func add(l *lab.Lab, hour time.Time, recs []entra.Record, file string) arrivals.Result {
	l.Helper()
	out, err := adderOf(l, l.Store, purge.Retention{}).Add(l.Context(), lab.Execution(), lab.Stream, hour, recs,
		origin(file))
	require.NoError(l, err)
	return out
}

// rowAt is the ledger's row of an hour.
func rowAt(l *lab.Lab, hour time.Time) ledger.Coverage {
	l.Helper()
	for cov, err := range l.Store.Windows(l.Context(), lab.Stream, hour, hour.Add(time.Hour)) {
		require.NoError(l, err)
		return cov
	}
	require.FailNow(l, "no row", "%s", hour)
	return ledger.Coverage{}
}

// answered are the ids that a reading gives of an hour.
func answered(l *lab.Lab, hour time.Time) (ids []string) {
	l.Helper()
	whole := records.Reading{Stream: lab.Stream, From: hour, To: hour.Add(time.Hour)}
	for rec, err := range l.Store.Read(l.Context(), whole) {
		require.NoError(l, err)
		if rec.Raw != nil || rec.Tampered != "" {
			require.Empty(l, rec.Tampered, rec.Row)
			ids = append(ids, rec.Key.ID)
		}
	}
	return ids
}

func inOrder(l *lab.Lab) {
	l.Helper()
	require.Empty(l, lab.Tampering(l.Findings()))
}

// TestWhatIsImportedIsSealedAndNeverComplete, is answered, and is present the second time.
func TestWhatIsImportedIsSealedAndNeverComplete(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		first := add(l, past, some(past, 3), "kept.json")
		require.Equal(l, arrivals.Result{Added: 3, Sealed: true}, first)
		again := add(l, past, some(past, 3), "kept.json")
		require.Equal(l, arrivals.Result{Present: 3, Sealed: true}, again)
		cov := rowAt(l, past)
		require.Equal(l, []any{ledger.WindowImported, int64(3), int64(0), int64(1), int64(0)},
			[]any{cov.Word(), cov.Imported, cov.Records, cov.Seals, cov.Fetched})
		require.Equal(l, []string{"past-0", "past-1", "past-2"}, answered(l, past))
		p := l.Progress(lab.Stream)
		require.False(l, p.Started())
		require.EqualValues(l, 3, p.Imported)
		require.Equal(l, p.Seals, p.Heads)
		inOrder(l)
		later := add(l, past, append(some(past, 3), signIn("later", past.Add(59*time.Minute), 0, "A")), "more.json")
		require.Equal(l, arrivals.Result{Added: 1, Present: 3, Sealed: true}, later)
		cov = rowAt(l, past)
		require.EqualValues(l, 2, cov.Seals)
		require.Equal(l, "arrived later: 1 records", l.Entry(cov).Reason)
		inOrder(l)
	})
}

// TestTheArchiveGoesOnBesideWhatWasImported before its first run and after it.
func TestTheArchiveGoesOnBesideWhatWasImported(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-50*time.Hour), lab.Start.Add(lab.Days), 20*time.Minute)
		add(l, past, some(past, 3), "kept.json")
		within := entra.FloorHour(lab.Start.Add(-20 * time.Hour))
		add(l, within, some(within, 2), "kept.json")
		require.Equal(l, ledger.WindowImported, new(rowAt(l, within)).Word())
		l.Runs(5*time.Minute, lab.Start.Add(6*time.Hour))
		cov := rowAt(l, within)
		require.Equal(l, []any{ledger.WindowSettled, int64(2), int64(3)}, []any{cov.Word(), cov.Imported, cov.Records})
		require.Equal(l, ledger.WindowImported, new(rowAt(l, past)).Word())
		require.Len(l, answered(l, within), 5)
		inOrder(l)
		p := l.Progress(lab.Stream)
		require.Zero(l, p.Unsealed)
		require.Zero(l, p.Doubts)
		require.Equal(l, ledger.StatusCurrent, p.Status(time.Now(), time.Hour))
		// An hour that is settled takes more, and is settled again.
		add(l, within, append(some(within, 2), signIn("more", within.Add(time.Minute), 50074, "A")), "more.json")
		cov = rowAt(l, within)
		require.Equal(l, []any{ledger.WindowSettled, int64(3)}, []any{cov.Word(), cov.Imported})
		require.Contains(l, l.Entry(cov).Reason, "arrived later")
		l.Runs(5*time.Minute, time.Now().Add(time.Hour))
		require.Equal(l, cov, rowAt(l, within))
		inOrder(l)
	})
}

// TestTwoFormsOfOneRecordAreOne whichever came first: what was read stands.
func TestTwoFormsOfOneRecordAreOne(t *testing.T) {
	at := entra.FloorHour(lab.Start.Add(-20 * time.Hour)).Add(10 * time.Minute)
	graph := signIn("one", at, 50074, "Graph's")
	file := signIn("one", at.Add(9301252*entra.Tick), 50074, "the file's")
	other := signIn("one", at.Add(9301252*entra.Tick), 0, "the file's")
	t.Run("read first", func(t *testing.T) {
		lab.In(t, func(l *lab.Lab) {
			l.Tenant.AddRaw(lab.Stream, string(graph.Raw))
			l.Runs(5*time.Minute, lab.Start.Add(21*time.Minute))
			out := add(l, at, []entra.Record{file, other}, "kept.json")
			require.Equal(l, arrivals.Result{Added: 1, Present: 1, Sealed: true}, out)
			require.Len(l, answered(l, entra.FloorHour(at)), 2)
			inOrder(l)
		})
	})
	same := signIn("one", at, 50074, "the file's")
	for name, came := range map[string]entra.Record{"imported first": file, "imported with the same time": same} {
		t.Run(name, func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				l.Tenant.AddRaw(lab.Stream, string(graph.Raw))
				add(l, at, []entra.Record{came, other}, "kept.json")
				before := l.Entry(rowAt(l, entra.FloorHour(at)))
				inOrder(l)
				l.Runs(5*time.Minute, lab.Start.Add(5*time.Hour))
				cov := rowAt(l, entra.FloorHour(at))
				require.Equal(l, []any{int64(1), int64(0), int64(2), int64(1), int64(0)},
					[]any{cov.Records, cov.Versions, cov.Imported, cov.Eclipsed, cov.Changed})
				require.True(l, cov.Sealed())
				require.Len(l, answered(l, entra.FloorHour(at)), 2, "the file's form is left out")
				require.Equal(l, before.Leaves+1, l.Entry(cov).Leaves, "it is still a leaf of each seal")
				inOrder(l)
			})
		})
	}
	t.Run("two files", func(t *testing.T) {
		lab.In(t, func(l *lab.Lab) {
			add(l, at, []entra.Record{file}, "kept.json")
			out := add(l, at, []entra.Record{graph, file, other, other}, "other.json")
			require.Equal(l, arrivals.Result{Added: 1, Present: 3, Sealed: true}, out)
		})
	})
}

// TestAnImportCantPassForAReading: its origin is a part of its leaf, and of its proof.
func TestAnImportCantPassForAReading(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		recs := some(past, 3)
		add(l, past, recs, "kept.json")
		proof, err := verify.Prove(l.Context(), l.Store, lab.Stream, recs[1].ID, recs[1].Time)
		require.NoError(l, err)
		require.Equal(l, origin("kept.json").String(), proof.Origin)
		_, err = seal.Check(proof, nil)
		require.NoError(l, err)
		for _, text := range []string{"", origin("another.json").String(), "read"} {
			forged := proof
			forged.Origin = text
			_, err = seal.Check(forged, nil)
			require.Error(l, err, text)
		}
	})
}

// TestWhatIsNotKeptIsRefused with the reason, and a month that is held takes imports.
func TestWhatIsNotKeptIsRefused(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		refused := func(keep purge.Retention, hour time.Time) error {
			_, err := adderOf(l, l.Store, keep).Add(l.Context(), lab.Execution(), lab.Stream, hour,
				some(hour, 1), origin("kept.json"))
			return err
		}
		require.Equal(l, entra.CodeNotKept, entra.CodeOf(refused(lab.Keep35, past)))
		held := lab.Keep35
		held.Holds = []purge.Hold{{From: past, To: past.Add(time.Hour)}}
		require.NoError(l, refused(held, past))
		_, err := adderOf(l, l.Store, held).Add(l.Context(), lab.Execution(), lab.Stream, past,
			some(past.Add(time.Hour), 1), origin("kept.json"))
		require.Equal(l, entra.CodeBadRequest, entra.CodeOf(err))
		_, err = adderOf(l, l.Store, held).Add(l.Context(), lab.Execution(), lab.Stream, past,
			some(past, 1), entra.Origin{})
		require.Equal(l, entra.CodeBadRequest, entra.CodeOf(err))
		// Once the hold is gone, the month is dropped like any other, and takes nothing any more.
		months, err := l.Purge(l.Store, lab.Keep35)
		require.NoError(l, err)
		require.Len(l, months, 1)
		require.True(l, months[0].Dropped, months[0].Kept)
		require.Equal(l, ledger.WindowPurged, rowAt(l, past).State)
		require.Equal(l, entra.CodeNotKept, entra.CodeOf(refused(held, past)))
		require.Zero(l, l.Progress(lab.Stream).Imported)
		inOrder(l)
	})
}

// TestAnAdderThatIsKilledAnywhereIsFinishedByTheNext, whether or not that brings the same records.
func TestAnAdderThatIsKilledAnywhereIsFinishedByTheNext(t *testing.T) {
	for _, stored := range []bool{false, true} {
		for dies := 1; dies <= 8; dies++ {
			t.Run(fmt.Sprint(dies, stored), func(t *testing.T) {
				lab.In(t, func(l *lab.Lab) {
					l.Tenant.Fill(lab.Stream, lab.Start.Add(-50*time.Hour), lab.Start.Add(lab.Days), 20*time.Minute)
					l.Runs(5*time.Minute, lab.Start.Add(6*time.Minute))
					hour := entra.FloorHour(lab.Start.Add(-20 * time.Hour))
					add(l, hour, some(hour, 2), "first.json")
					store, wire := l.Process()
					wire.DiesAt, wire.Stored = dies, stored
					_, err := adderOf(l, store, purge.Retention{}).Add(l.Context(), lab.Execution(), lab.Stream, hour,
						some(hour, 5), origin("killed.json"))
					require.Error(l, err)
					inOrder(l)
					l.Runs(5*time.Minute, time.Now().Add(25*time.Minute))
					inOrder(l)
					cov := rowAt(l, hour)
					require.True(l, cov.Sealed())
					out := add(l, hour, some(hour, 5), "killed.json")
					require.Equal(l, 5, out.Added+out.Present)
					require.EqualValues(l, 5, rowAt(l, hour).Imported)
					require.Len(l, answered(l, hour), 8)
					l.Runs(5*time.Minute, time.Now().Add(25*time.Minute))
					require.True(l, new(rowAt(l, hour)).Sealed())
					inOrder(l)
				})
			})
		}
	}
}

// TestTendCountsWhatAKilledAdderLeft where no run of collect does.
func TestTendCountsWhatAKilledAdderLeft(t *testing.T) {
	for dies := 1; dies <= 8; dies++ {
		t.Run(fmt.Sprint(dies), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				add(l, past, some(past, 2), "first.json")
				store, wire := l.Process()
				wire.DiesAt, wire.Stored = dies, true
				_, err := adderOf(l, store, purge.Retention{}).Add(l.Context(), lab.Execution(), lab.Stream,
					past, some(past, 5), origin("killed.json"))
				require.Error(l, err)
				inOrder(l)
				for range 4 {
					time.Sleep(6 * time.Minute)
					adder := adderOf(l, l.Store, purge.Retention{})
					require.NoError(l, adder.Tend(l.Context(), lab.Execution(), lab.Stream))
				}
				cov, p := rowAt(l, past), l.Progress(lab.Stream)
				require.True(l, cov.Sealed())
				require.Empty(l, p.Suspects)
				require.Equal(l, p.Seals, p.Heads)
				require.Len(l, answered(l, past), int(cov.Imported))
				inOrder(l)
			})
		})
	}
}

// TestAnAdderWaitsForTheStream until its context ends, and says who has it.
func TestAnAdderWaitsForTheStream(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-5*time.Hour), lab.Start, 20*time.Minute)
		l.Runs(5*time.Minute, lab.Start.Add(6*time.Minute))
		lab.HoldIt(l)
		ctx, stop := context.WithTimeout(l.Context(), 30*time.Second)
		defer stop()
		_, err := adderOf(l, l.Store, purge.Retention{}).Add(ctx, lab.Execution(), lab.Stream, past, some(past, 1),
			origin("kept.json"))
		require.Equal(l, entra.CodeConflict, entra.CodeOf(err), "%v", err)
		require.Equal(l, arrivals.Result{Added: 1, Sealed: true}, add(l, past, some(past, 1), "kept.json"))
		inOrder(l)
	})
}

// TestADeliveredLogIsArchivedByItsArrivalsAlone: its hours are delivered, never complete, nothing of
// it is missing, and what its callers put into quarantine is counted.
func TestADeliveredLogIsArchivedByItsArrivalsAlone(t *testing.T) {
	const stream = logs.IdentityManager
	lab.In(t, func(l *lab.Lab) {
		deliver := func(hour time.Time, ids ...string) arrivals.Result {
			var recs []entra.Record
			for _, id := range ids {
				rec, err := logs.ParseRecord(stream, fmt.Appendf(nil, `{"id":%q,"activityDateTime":%q}`, id,
					hour.Format(time.RFC3339)))
				require.NoError(l, err)
				recs = append(recs, rec)
			}
			from := origin("delivery")
			from.Kind, from.Name = entra.Delivered, "mim01"
			out, err := adderOf(l, l.Store, purge.Retention{}).Add(l.Context(), lab.Execution(), stream, hour, recs,
				from)
			require.NoError(l, err)
			return out
		}
		hour := entra.FloorHour(lab.Start.Add(-3 * time.Hour))
		require.Equal(l, arrivals.Result{Added: 2, Sealed: true}, deliver(hour, "a", "b"))
		require.Equal(l, arrivals.Result{Added: 1, Present: 1, Sealed: true}, deliver(hour, "b", "c"))
		deliver(hour.Add(4*time.Hour), "d")
		require.NoError(l, l.Store.Quarantine(l.Context(), stream, []collect.Rejected{{Raw: []byte("{"),
			Hash: entra.HashOf([]byte("{")), Reason: "half an event"}}, time.Now()))
		require.NoError(l, adderOf(l, l.Store, purge.Retention{}).Tend(l.Context(), lab.Execution(), stream))
		p := l.Progress(stream)
		require.Equal(l, []any{int64(4), int64(2), int64(1), int64(0), ledger.StatusDelivered},
			[]any{p.Imported, p.ImportedHours, p.Quarantined, p.Unsealed, p.Status(time.Now(), time.Minute)})
		from, to := p.Span(time.Now())
		require.Equal(l, []time.Time{hour, hour.Add(5 * time.Hour)}, []time.Time{from, to})
		for _, cov := range l.Hours(stream) {
			require.Equal(l, ledger.WindowDelivered, cov.Word())
			require.True(l, cov.Sealed())
		}
		v := verify.Verification{Streams: []entra.Stream{stream}}
		require.NoError(l, v.Work(l.Context(), l.Store, l.Heads, time.Now().Add(time.Minute)))
		require.Empty(l, v.Findings)
		require.True(l, v.Intact())
		months, err := purge.New(l.Store, l.Store, l.Heads, purge.Retention{Default: time.Hour}).Run(l.Context(),
			lab.Execution(), stream, time.Now().Add(20*lab.Days))
		require.NoError(l, err)
		require.Len(l, months, 1)
		require.True(l, months[0].Dropped, months[0].Kept)
		require.Zero(l, l.Progress(stream).Imported)
	})
}

// TestAWrongClockAddsNothing: what is written later would be dated after it for as long.
func TestAWrongClockAddsNothing(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		add(l, past, some(past, 1), "kept.json")
		was := l.Progress(lab.Stream)
		for _, off := range []time.Duration{-365 * lab.Days, -6 * time.Minute, 6 * time.Minute, 365 * lab.Days} {
			adder := arrivals.New(l.Store, l.Heads, purge.Retention{}, func() time.Time { return time.Now().Add(off) },
				slog.New(slog.DiscardHandler))
			_, err := adder.Add(l.Context(), lab.Execution(), lab.Stream, past, some(past, 2), origin("more.json"))
			require.Equal(l, entra.CodeConflict, entra.CodeOf(err), "%v", err)
			require.ErrorContains(l, err, "clock")
			require.Equal(l, entra.CodeConflict, entra.CodeOf(adder.Tend(l.Context(), lab.Execution(), lab.Stream)))
			require.Equal(l, was, l.Progress(lab.Stream))
		}
	})
}
