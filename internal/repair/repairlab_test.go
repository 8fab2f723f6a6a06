package repair_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/repair"
	"github.com/entraledger/entraledger/internal/verify"
)

// repairer works on a store with the lab's clocks.
func repairer(l *lab.Lab, store repair.Store) *repair.Repairer {
	clock := func(context.Context) (time.Time, error) { return time.Now(), nil }
	return repair.New(store, l.Heads, l.Options.Backfill, clock, func() time.Time { return time.Now().Add(l.Machine) })
}

// repairs repairs the stream, by an execution of its own.
func repairs(l *lab.Lab, store repair.Store) (*repair.Repairing, error) {
	w := &repair.Repairing{Stream: lab.Stream, By: lab.Execution()}
	return w, repairer(l, store).Work(l.Context(), w, time.Now().Add(5*time.Minute))
}

func remove(l *lab.Lab, key string) {
	_, err := l.Hand(lab.CoverageTable).DeleteEntity(l.Context(), string(lab.Stream), key, nil)
	require.NoError(l, err)
}

// revision is the key of the row that has the stream's revision.
func revision(l *lab.Lab) string { return fmt.Sprint("revision!", l.Progress(lab.Stream).Revision) }

// harm is something that is done to the rows by which a ledger is written.
type harm struct {
	name  string
	words string // by which it is named
	do    func(l *lab.Lab)
}

// harms of which each makes the row of progress one that can't be gone by.
func harms() []harm {
	return []harm{
		{"the progress row is gone", "row progress is not there", func(l *lab.Lab) { remove(l, "progress") }},
		{"the progress row is garbage", "it is not what Entra Ledger writes",
			func(l *lab.Lab) { l.Put(l.Read(lab.Stream, "progress").With("Watermark", "garbage")) }},
		{"the progress row is empty", "", func(l *lab.Lab) {
			l.Put(lab.Entity{"PartitionKey": l.Read(lab.Stream, "progress")["PartitionKey"],
				"RowKey": l.Read(lab.Stream, "progress")["RowKey"]})
		}},
		{"the progress row is another stream's", "it is the row of directoryAudits", func(l *lab.Lab) {
			l.Put(l.Read(lab.Other, "progress").With("PartitionKey", string(lab.Stream)))
		}},
		{"the progress row is an old copy", "and the last commit was of", func(l *lab.Lab) {
			old := l.Read(lab.Stream, "progress")
			_, err := l.Run(lab.Stream, lab.Other)
			require.NoError(l, err)
			l.Put(old)
		}},
		{"the revision row is gone", "is not there", func(l *lab.Lab) { remove(l, revision(l)) }},
		{"the revision row is garbage", "and the last commit was of abc", func(l *lab.Lab) {
			row := l.Read(lab.Stream, revision(l))
			remove(l, revision(l))
			l.Put(row.With("RowKey", "revision!abc"))
		}},
		{"there are two revision rows", "there are 2 rows revision!<n>",
			func(l *lab.Lab) { l.Put(l.Read(lab.Stream, revision(l)).With("RowKey", "revision!99999")) }},
		{"the progress and the revision rows are gone", "row progress is not there",
			func(l *lab.Lab) { remove(l, revision(l)); remove(l, "progress") }},
		{"progress, revision and lease are gone", "row progress is not there",
			func(l *lab.Lab) { remove(l, revision(l)); remove(l, "progress"); remove(l, "lease") }},
		{"progress is gone and the lease is garbage", "row lease: it is not what Entra Ledger writes",
			func(l *lab.Lab) {
				remove(l, "progress")
				l.Put(l.Read(lab.Stream, "lease").With("Fence", "garbage"))
			}},
	}
}

// journey is an archive in some state, and how it continues.
type journey struct {
	name    string
	begin   func(l *lab.Lab)
	goOn    func(l *lab.Lab)
	partial bool // the backfill is not over: its cursor goes back to a whole hour
	more    bool // the rebuilt row leads to more than what was there
}

func every(l *lab.Lab, step, whole time.Duration) { everyOf(l, l.Tenant, step, whole) }

func everyOf(l *lab.Lab, source collect.Source, step, whole time.Duration) {
	for end := time.Now().Add(whole); time.Now().Before(end); time.Sleep(step) {
		_, err := l.Collector(l.Store, source).Run(l.Context(), lab.Execution(), []entra.Stream{lab.Stream, lab.Other},
			lab.Budget)
		require.NoError(l, err)
	}
}

// imports adds a record of a file.
func imports(l *lab.Lab, at time.Time, id string) {
	rec := lab.Parsed(lab.Stream, lab.Record(lab.Stream, id, lab.Start.Sub(at), "kept"))
	adder := arrivals.New(l.Store, l.Heads, purge.Retention{}, time.Now, slog.New(slog.DiscardHandler))
	out, err := adder.Add(l.Context(), lab.Execution(), lab.Stream, rec.Time, []entra.Record{rec},
		entra.Origin{Kind: entra.Imported, SHA256: [32]byte{1}, At: lab.Start, Name: "kept.json"})
	require.NoError(l, err)
	require.Equal(l, 1, out.Added)
}

func journeys() []journey {
	settled := func(l *lab.Lab) {
		for _, s := range []entra.Stream{lab.Stream, lab.Other} {
			l.Tenant.Fill(s, lab.Start.Add(-2*lab.Days), lab.Start.Add(3*lab.Days), 20*time.Minute)
		}
		every(l, 5*time.Minute, 15*time.Minute)
		time.Sleep(5 * time.Hour)
		every(l, 20*time.Minute, 90*time.Minute)
	}
	goOn := func(l *lab.Lab) { every(l, 30*time.Minute, 7*time.Hour) }
	out := []journey{
		{name: "never interrupted", begin: settled, goOn: goOn},
		{name: "after one run", goOn: goOn, begin: func(l *lab.Lab) {
			l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(3*lab.Days), 20*time.Minute)
			l.Tenant.Fill(lab.Other, lab.Start.Add(-lab.Days), lab.Start.Add(3*lab.Days), 20*time.Minute)
			_, err := l.Run(lab.Stream, lab.Other)
			require.NoError(l, err)
		}},
		{name: "hours are lost", goOn: goOn, begin: func(l *lab.Lab) {
			settled(l)
			l.Tenant.Fill(lab.Stream, lab.Start.Add(3*lab.Days), lab.Start.Add(60*lab.Days), 50*time.Minute)
			time.Sleep(40 * lab.Days)
			every(l, 10*time.Minute, 40*time.Minute)
		}},
		{name: "a month is purged", goOn: goOn, begin: func(l *lab.Lab) {
			settled(l)
			time.Sleep(50 * lab.Days)
			every(l, 10*time.Minute, time.Hour)
			months, err := purge.New(l.Store, l.Store, l.Heads, purge.Retention{Default: purge.LeastRetention}).
				Run(l.Context(),
					lab.Execution(), lab.Stream, time.Now())
			require.NoError(l, err)
			require.True(l, months[0].Dropped)
		}},
		{name: "records were imported", goOn: goOn, begin: func(l *lab.Lab) {
			settled(l)
			imports(l, lab.Start.Add(-200*lab.Days), "old")
			imports(l, lab.Start.Add(-20*time.Hour), "within")
		}},
		{name: "hours are thin", more: true, goOn: func(l *lab.Lab) {
			everyOf(l, &lab.Unruly{Forgetful: l.Tenant},
				30*time.Minute, 7*time.Hour)
		}, begin: func(l *lab.Lab) {
			l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(3*lab.Days), 20*time.Minute)
			l.Tenant.Fill(lab.Other, lab.Start.Add(-2*lab.Days), lab.Start.Add(3*lab.Days), 20*time.Minute)
			l.Tenant.Enrich(lab.Stream)
			poorly := &lab.Unruly{Forgetful: l.Tenant, Answer: func(int,
				entra.Query) lab.Answer {
				return lab.Answer{Form: entra.FormV1}
			}}
			everyOf(l, poorly, 5*time.Minute, 15*time.Minute)
			require.NotZero(l, l.Progress(lab.Stream).Thin)
		}},
	}
	for _, pages := range []int64{1, 2, 5, 12, 20, 26} {
		out = append(out, journey{name: fmt.Sprintf("the first run ends after %d pages", pages), goOn: goOn,
			partial: true,
			begin: func(l *lab.Lab) {
				l.Tenant.PageSize = 10
				l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(3*lab.Days), 12*time.Minute)
				l.Tenant.Fill(lab.Other, lab.Start.Add(-lab.Days), lab.Start.Add(3*lab.Days), time.Hour)
				cutAfter(l, pages)
			}})
	}
	return out
}

// cutAfter is a run that ends after so many pages.
func cutAfter(l *lab.Lab, pages int64) {
	tenant := *l.Tenant
	from := tenant.Served.Load()
	ctx, stop := context.WithCancel(l.Context())
	tenant.Fails = func(entra.Stream) error {
		if tenant.Served.Load()-from > pages {
			stop()
			return ctx.Err()
		}
		return nil
	}
	_, _ = l.Collector(l.Store, &tenant).Run(ctx, lab.Execution(), []entra.Stream{lab.Stream}, lab.Budget)
	_, err := l.Run(lab.Other)
	require.NoError(l, err)
}

// facts are what two archives have in common that came to the same end.
func facts(l *lab.Lab) string {
	var out strings.Builder
	p := l.Progress(lab.Stream)
	fmt.Fprintln(&out, p.Status(time.Now(), time.Hour), p.Begin, p.TailBegin, p.Backfilled, p.Watermark, p.SealedTo,
		p.PurgedTo, p.Records, p.Versions, p.WindowsComplete, p.Lost, p.Purged, p.Doubts, p.Awaits, p.Thin, p.Reopened)
	for _, cov := range sortedHours(l) {
		fmt.Fprintln(&out, cov.Start, cov.State, cov.Records, cov.Versions, cov.New, cov.Sum, cov.LostFrom, cov.LostTo)
	}
	return out.String()
}

func sortedHours(l *lab.Lab) (out []ledger.Coverage) {
	for cov, err := range l.Store.Windows(l.Context(), lab.Stream, lab.Start.Add(-200*lab.Days),
		lab.Start.Add(200*lab.Days)) {
		require.NoError(l, err)
		out = append(out, cov)
	}
	return out
}

// tampered is what verify finds that only a change of what was written explains.
func tampered(l *lab.Lab) []verify.Finding {
	v := verify.Verification{Streams: []entra.Stream{lab.Stream, lab.Other}}
	require.NoError(l, v.Work(l.Context(), l.Store, l.Heads, time.Now().Add(time.Hour)))
	return lab.Tampering(v.Findings)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// totals are the counts over the windows, and where they lie.
func totals(p ledger.Progress) []any {
	return []any{p.WindowsComplete, p.Lost, p.LostFrom, p.LostTo, p.Purged, p.Doubts, p.Reopened, p.ReopenedFrom,
		p.Changed, p.Late, p.Thin, p.Awaits, p.Quarantined, p.Unsealed}
}
