package archive_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

// repairer works on a store with the lab's clocks.
func (l *lab) repairer(store archive.RepairStore) *archive.Repairer {
	clock := func(context.Context) (time.Time, error) { return time.Now(), nil }
	return archive.NewRepairer(store, l.heads, l.options.Backfill, clock, func() time.Time { return time.Now().Add(l.machine) })
}

// repairs repairs the stream, by an execution of its own.
func (l *lab) repairs(store archive.RepairStore) (*archive.Repairing, error) {
	w := &archive.Repairing{Stream: stream, By: execution()}
	return w, l.repairer(store).Work(l.Context(), w, time.Now().Add(5*time.Minute))
}

func (l *lab) remove(key string) {
	_, err := l.hand(coverageTable).DeleteEntity(l.Context(), string(stream), key, nil)
	require.NoError(l, err)
}

// revision is the key of the row that bears the stream's revision.
func (l *lab) revision() string { return fmt.Sprint("revision!", l.progress(stream).Revision) }

// harm is something that is done to the rows by which a ledger is written.
type harm struct {
	name  string
	words string // by which it is named
	do    func(l *lab)
}

// harms of which each makes the row of progress one that can't be gone by.
func harms() []harm {
	return []harm{
		{"the progress row is gone", "row progress is not there", func(l *lab) { l.remove("progress") }},
		{"the progress row is garbage", "it is not what Entra Ledger writes", func(l *lab) { l.put(l.read(stream, "progress").with("Watermark", "garbage")) }},
		{"the progress row is empty", "", func(l *lab) {
			l.put(entity{"PartitionKey": l.read(stream, "progress")["PartitionKey"], "RowKey": l.read(stream, "progress")["RowKey"]})
		}},
		{"the progress row is another stream's", "it is the row of directoryAudits", func(l *lab) {
			l.put(l.read(other, "progress").with("PartitionKey", string(stream)))
		}},
		{"the progress row is an old copy", "and the last commit was of", func(l *lab) {
			old := l.read(stream, "progress")
			_, err := l.run(stream, other)
			require.NoError(l, err)
			l.put(old)
		}},
		{"the revision row is gone", "is not there", func(l *lab) { l.remove(l.revision()) }},
		{"the revision row is garbage", "and the last commit was of abc", func(l *lab) {
			row := l.read(stream, l.revision())
			l.remove(l.revision())
			l.put(row.with("RowKey", "revision!abc"))
		}},
		{"there are two revision rows", "there are 2 rows revision!<n>", func(l *lab) { l.put(l.read(stream, l.revision()).with("RowKey", "revision!99999")) }},
		{"the progress and the revision rows are gone", "row progress is not there", func(l *lab) { l.remove(l.revision()); l.remove("progress") }},
		{"progress, revision and lease are gone", "row progress is not there", func(l *lab) { l.remove(l.revision()); l.remove("progress"); l.remove("lease") }},
		{"progress is gone and the lease is garbage", "row lease: it is not what Entra Ledger writes", func(l *lab) {
			l.remove("progress")
			l.put(l.read(stream, "lease").with("Fence", "garbage"))
		}},
	}
}

// journey is an archive in some state, and how it goes on.
type journey struct {
	name    string
	begin   func(l *lab)
	goOn    func(l *lab)
	partial bool // the backfill is not over: its cursor goes back to a whole hour
	more    bool // what is made anew leads to more than what was there
}

func every(l *lab, step, whole time.Duration) { everyOf(l, l.tenant, step, whole) }

func everyOf(l *lab, source archive.Source, step, whole time.Duration) {
	for end := time.Now().Add(whole); time.Now().Before(end); time.Sleep(step) {
		_, err := l.collector(l.store, source).Run(l.Context(), execution(), []entra.Stream{stream, other}, budget)
		require.NoError(l, err)
	}
}

func journeys() []journey {
	settled := func(l *lab) {
		for _, s := range []entra.Stream{stream, other} {
			l.tenant.fill(s, start.Add(-2*days), start.Add(3*days), 20*time.Minute)
		}
		every(l, 5*time.Minute, 15*time.Minute)
		time.Sleep(5 * time.Hour)
		every(l, 20*time.Minute, 90*time.Minute)
	}
	goOn := func(l *lab) { every(l, 30*time.Minute, 7*time.Hour) }
	out := []journey{
		{name: "never interrupted", begin: settled, goOn: goOn},
		{name: "after one run", goOn: goOn, begin: func(l *lab) {
			l.tenant.fill(stream, start.Add(-2*days), start.Add(3*days), 20*time.Minute)
			l.tenant.fill(other, start.Add(-days), start.Add(3*days), 20*time.Minute)
			_, err := l.run(stream, other)
			require.NoError(l, err)
		}},
		{name: "hours are lost", goOn: goOn, begin: func(l *lab) {
			settled(l)
			l.tenant.fill(stream, start.Add(3*days), start.Add(60*days), 50*time.Minute)
			time.Sleep(40 * days)
			every(l, 10*time.Minute, 40*time.Minute)
		}},
		{name: "a month is purged", goOn: goOn, begin: func(l *lab) {
			settled(l)
			time.Sleep(50 * days)
			every(l, 10*time.Minute, time.Hour)
			months, err := archive.NewPurger(l.store, l.heads, archive.Retention{Default: archive.LeastRetention}).Run(l.Context(), execution(), stream, time.Now())
			require.NoError(l, err)
			require.True(l, months[0].Dropped)
		}},
		{name: "hours are thin", more: true, goOn: func(l *lab) { everyOf(l, &unruly{forgetful: l.tenant}, 30*time.Minute, 7*time.Hour) }, begin: func(l *lab) {
			l.tenant.fill(stream, start.Add(-2*days), start.Add(3*days), 20*time.Minute)
			l.tenant.fill(other, start.Add(-2*days), start.Add(3*days), 20*time.Minute)
			l.tenant.enrich(stream)
			poorly := &unruly{forgetful: l.tenant, answer: func(int, entra.Query) answer { return answer{form: entra.FormV1} }}
			everyOf(l, poorly, 5*time.Minute, 15*time.Minute)
			require.NotZero(l, l.progress(stream).Thin)
		}},
	}
	for _, pages := range []int64{1, 2, 5, 12, 20, 26} {
		out = append(out, journey{name: fmt.Sprintf("the first run ends after %d pages", pages), goOn: goOn, partial: true, begin: func(l *lab) {
			l.tenant.pageSize = 10
			l.tenant.fill(stream, start.Add(-2*days), start.Add(3*days), 12*time.Minute)
			l.tenant.fill(other, start.Add(-days), start.Add(3*days), time.Hour)
			l.cutAfter(pages)
		}})
	}
	return out
}

// cutAfter is a run that ends after so many pages.
func (l *lab) cutAfter(pages int64) {
	tenant := *l.tenant
	from := tenant.pages.Load()
	ctx, stop := context.WithCancel(l.Context())
	tenant.fails = func(entra.Stream) error {
		if tenant.pages.Load()-from > pages {
			stop()
			return ctx.Err()
		}
		return nil
	}
	_, _ = l.collector(l.store, &tenant).Run(ctx, execution(), []entra.Stream{stream}, budget)
	_, err := l.run(other)
	require.NoError(l, err)
}

// facts are what two archives have in common that came to the same end.
func (l *lab) facts() string {
	var out strings.Builder
	p := l.progress(stream)
	fmt.Fprintln(&out, p.Status(time.Now(), time.Hour), p.Begin, p.FrontierBegin, p.Backfilled, p.Watermark, p.SealedTo, p.PurgedTo, p.Records, p.Versions, p.WindowsComplete, p.Lost, p.Purged, p.Doubts, p.Awaits, p.Thin, p.Reopened)
	for _, cov := range l.sortedHours() {
		fmt.Fprintln(&out, cov.Start, cov.State, cov.Records, cov.Versions, cov.New, cov.Sum, cov.LostFrom, cov.LostTo)
	}
	return out.String()
}

func (l *lab) sortedHours() (out []archive.Coverage) {
	for cov, err := range l.store.Windows(l.Context(), stream, start.Add(-200*days), start.Add(200*days)) {
		require.NoError(l, err)
		out = append(out, cov)
	}
	return out
}

// tampered is what verify finds that only a change of what was written explains.
func (l *lab) tampered() []archive.Finding {
	v := archive.Verification{Streams: []entra.Stream{stream, other}}
	require.NoError(l, v.Work(l.Context(), l.store, l.heads, time.Now().Add(time.Hour)))
	return tampering(v.Findings)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// totals are the counts over the windows, and where they lie.
func totals(p archive.Progress) []any {
	return []any{p.WindowsComplete, p.Lost, p.LostFrom, p.LostTo, p.Purged, p.Doubts, p.Reopened, p.ReopenedFrom, p.Changed, p.Late, p.Thin, p.Awaits, p.Quarantined, p.Unsealed}
}
