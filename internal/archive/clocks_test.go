package archive_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// lab is an archive in memory. Graph, the storage service and the machine have one clock each, and
// each may be wrong by some time. Time passes only where somebody waits.
type lab struct {
	*testing.T
	service                 *memstorage.Service
	tenant                  *forgetful
	store                   *tablestest.Store // of a process that is never killed
	heads                   *shelf
	options                 archive.Options
	graph, storage, machine time.Duration // by which the clocks are ahead
	log                     words
}

// inLab runs a test in a lab whose time is start.
func inLab(t *testing.T, test func(l *lab)) { inLabAt(t, start, test) }

// inLabAt runs a test in a lab whose time is at.
func inLabAt(t *testing.T, at time.Time, test func(l *lab)) {
	t.Parallel() // nothing is shared
	synctest.Test(t, func(t *testing.T) {
		l := &lab{T: t, heads: &shelf{}, options: archive.Options{Backfill: 2 * days, Passes: []time.Duration{3 * time.Hour}}}
		l.service = memstorage.New(func() time.Time { return time.Now().Add(l.storage) })
		l.tenant = &forgetful{keeps: 30 * days, ordered: true, pageSize: 100, pages: &atomic.Int64{}, clock: func() time.Time { return time.Now().Add(l.graph).UTC() }}
		l.store, _ = l.process()
		l.until(at)
		test(l)
	})
}

// words is a log that several runs write to.
type words struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (w *words) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.Write(text)
}

func (w *words) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Reset()
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

// until lets time pass up to a moment.
func (l *lab) until(t time.Time) { time.Sleep(time.Until(t)) }

// wire is the connection of one process to the storage account.
type wire struct {
	service *memstorage.Service
	mu      sync.Mutex
	writes  int
	diesAt  int  // the write before whose answer the process is killed; 0: never
	stored  bool // that write is carried out
	dead    bool
	before  func(*memstorage.Request) // asked before each request; nil: nothing
}

type errDead struct{}

func (errDead) Error() string { return "the process is dead" }

// NonRetriable is what the SDK asks for.
func (errDead) NonRetriable() {}

// RoundTrip carries a request out, unless its process is dead.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	r, err := w.service.Receive(req)
	if err != nil {
		return nil, err
	}
	if w.before != nil {
		w.before(r)
	}
	w.mu.Lock()
	if r.IsWrite() && !w.dead {
		w.writes++
		if w.dead = w.writes == w.diesAt; w.dead && w.stored {
			r.Execute()
		}
	}
	dead := w.dead
	w.mu.Unlock()
	if dead {
		return nil, errDead{}
	}
	return r.Execute().Response(req), nil
}

// process is a store of its own for one process.
func (l *lab) process() (*tablestest.Store, *wire) {
	w := &wire{service: l.service}
	store, err := tablestest.New(tables.Config{ConnectionString: l.service.ConnectionString(), HTTP: &http.Client{Transport: w}})
	require.NoError(l, err)
	return store, w
}

// collector works on a store with the lab's clocks. Its log is the lab's.
func (l *lab) collector(store archive.Store, source archive.Source) *archive.Collector {
	return archive.NewCollector(source, store, l.heads, l.options, func() time.Time { return time.Now().Add(l.machine) }, l.logger())
}

// logger writes what an operator sees.
func (l *lab) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&l.log, nil)) }

// run is one run of the timer.
func (l *lab) run(streams ...entra.Stream) (archive.Report, error) {
	return l.collector(l.store, l.tenant).Run(l.Context(), execution(), orStream(streams), budget)
}

func orStream(streams []entra.Stream) []entra.Stream {
	if len(streams) == 0 {
		return []entra.Stream{stream}
	}
	return streams
}

// runs lets the timer fire every so often until a time; no run may fail.
func (l *lab) runs(every time.Duration, until time.Time, streams ...entra.Stream) {
	for ; time.Now().Before(until); time.Sleep(every) {
		_, err := l.run(streams...)
		require.NoError(l, err)
	}
}

func (l *lab) progress(s entra.Stream) archive.Progress {
	p, err := l.store.Progress(l.Context(), s)
	require.NoError(l, err)
	return p
}

// write changes the ledger as another execution would.
func (l *lab) write(p archive.Progress, rows ...archive.Coverage) {
	_, lease, err := l.store.State(l.Context(), p.Stream)
	require.NoError(l, err)
	_, err = l.store.Commit(l.Context(), lease, p, rows, nil)
	require.NoError(l, err)
}

// hours are the ledger's rows of a stream, by their start.
func (l *lab) hours(s entra.Stream) map[time.Time]archive.Coverage {
	out := make(map[time.Time]archive.Coverage)
	for cov, err := range l.store.Windows(l.Context(), s, start.Add(-200*days), start.Add(200*days)) {
		require.NoError(l, err)
		out[cov.Start] = cov
	}
	return out
}

// forgetful is a tenant that shows a record from its time on, and forgets it at exactly one age.
// Each page is made when it is asked for.
type forgetful struct {
	keeps     time.Duration
	ordered   bool
	pageSize  int
	pageTakes time.Duration
	clock     func() time.Time
	records   map[entra.Stream][]entra.Record
	fails     func(s entra.Stream) error // asked before each page; an error ends the walk
	pages     *atomic.Int64
}

// add gives the tenant a record; a content under the same key takes the place of the one before.
func (f *forgetful) add(s entra.Stream, id string, at time.Time, content string) entra.Record {
	rec, err := logs.ParseRecord(s, []byte(record(s, id, start.Sub(at), content)))
	if err != nil {
		panic(err) // the text is the test's own
	}
	if f.records == nil {
		f.records = make(map[entra.Stream][]entra.Record)
	}
	all := slices.DeleteFunc(f.records[s], func(r entra.Record) bool { return r.Key == rec.Key })
	at2, _ := slices.BinarySearchFunc(all, rec, f.compare)
	f.records[s] = slices.Insert(all, at2, rec)
	return rec
}

// compare is the order in which the tenant hands its records out.
func (f *forgetful) compare(a, b entra.Record) int {
	if f.ordered {
		return a.Key.Compare(b.Key)
	}
	return cmp.Compare(hashText(a.ID), hashText(b.ID))
}

// Now is archive.Source's.
func (f *forgetful) Now(context.Context) (time.Time, error) { return f.clock(), nil }

// Ordered is archive.Source's.
func (f *forgetful) Ordered(entra.Stream) bool { return f.ordered }

// Pages is archive.Source's.
func (f *forgetful) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	s, from, to := q.Stream, q.From, q.To
	return func(yield func(entra.Page, error) bool) {
		next := 0
		for more := true; more; {
			if err := f.wait(ctx, s); err != nil {
				yield(entra.Page{}, err)
				return
			}
			var page entra.Page
			if page, next = f.page(s, next, from, to); !yield(page, nil) {
				return
			}
			more = next < len(f.records[s])
		}
	}
}

func (f *forgetful) wait(ctx context.Context, s entra.Stream) error {
	f.pages.Add(1)
	if f.fails != nil {
		if err := f.fails(s); err != nil {
			return err
		}
	}
	if f.pageTakes > 0 {
		select {
		case <-time.After(f.pageTakes):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// page is the next page of what the tenant shows by now.
func (f *forgetful) page(s entra.Stream, next int, from, to time.Time) (entra.Page, int) {
	now := f.clock()
	page := entra.Page{Date: now}
	for ; next < len(f.records[s]); next++ {
		rec := f.records[s][next]
		if rec.Time.Before(from) || !rec.Time.Before(to) || rec.Time.After(now) || rec.Time.Before(now.Add(-f.keeps)) {
			continue
		}
		if len(page.Records) == f.pageSize {
			break
		}
		page.Records = append(page.Records, entra.Parsed{Record: rec})
	}
	return page, next
}

// fill adds a record in each step from a time on.
func (f *forgetful) fill(s entra.Stream, from, to time.Time, step time.Duration) {
	for at, n := from, 0; at.Before(to); at, n = at.Add(step), n+1 {
		f.add(s, fmt.Sprintf("id-%06d-%s", n, at.Format("150405")), at, "")
	}
}

func TestTwoClocksThatAgreeDecideAndTheThirdIsNamed(t *testing.T) {
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	far := start.Add(40 * days)
	for name, c := range map[string]struct {
		clocks archive.Clocks
		now    time.Time
		wrong  string
	}{
		"all agree":                     {archive.Clocks{Graph: at(0), Storage: at(2), Machine: at(-3)}, at(0), ""},
		"five minutes are agreement":    {archive.Clocks{Graph: at(0), Storage: at(5), Machine: at(-5)}, at(0), ""},
		"Graph is 40 days ahead":        {archive.Clocks{Graph: far, Storage: at(1), Machine: at(0)}, at(1), "Microsoft Graph's clock says 2026-12-31T14:30:00Z, the others 2026-11-21T14:31:00Z"},
		"Graph is six minutes behind":   {archive.Clocks{Graph: at(-6), Storage: at(0), Machine: at(0)}, at(0), "Microsoft Graph's clock says"},
		"the storage service is behind": {archive.Clocks{Graph: at(0), Storage: at(-60), Machine: at(4)}, at(0), "the storage service's clock says"},
		"the machine is ahead":          {archive.Clocks{Graph: at(0), Storage: at(4), Machine: far}, at(0), "this machine's clock says"},
		"the storage service is silent": {archive.Clocks{Graph: at(0), Machine: at(4)}, at(0), ""},
	} {
		now, wrong, err := c.clocks.Agreed()
		require.NoError(t, err, name)
		require.Equal(t, c.now, now, name)
		require.Contains(t, wrong, c.wrong, name)
		require.Equal(t, c.wrong == "", wrong == "", name)
	}
	for name, clocks := range map[string]archive.Clocks{
		"none agree":                  {Graph: at(0), Storage: at(60), Machine: at(-60)},
		"two silent ones":             {Graph: at(0)},
		"a chain of near ones":        {Graph: at(0), Storage: at(6), Machine: at(12)},
		"silent ones do not agree":    {Machine: at(0)},
		"one is silent, two disagree": {Graph: at(0), Storage: at(9)},
	} {
		_, _, err := clocks.Agreed()
		require.Equal(t, entra.CodeConflict, entra.CodeOf(err), name)
		require.ErrorContains(t, err, "no two of three clocks agree", name)
	}
}

// TestADateOfGraphThatIsWrongMovesNothing: a Date of 40 days ahead once marked everything as read
// up to there.
func TestADateOfGraphThatIsWrongMovesNothing(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-5*days), start.Add(2*days), 10*time.Minute)
		l.runs(5*time.Minute, start.Add(15*time.Minute))
		l.graph = 40 * days
		report, err := l.run()
		require.NoError(l, err)
		require.WithinDuration(l, time.Now(), report.Now, time.Second, "the other two clocks decide")
		require.Contains(l, l.log.String(), "Microsoft Graph's clock says 2026-12-31T")
		p := l.progress(stream)
		require.False(l, p.Watermark.After(time.Now()), "%s", p.Watermark)
		require.False(l, p.SealedTo.After(time.Now()))
		l.graph = 0
		l.runs(5*time.Minute, start.Add(time.Hour))
		require.WithinDuration(l, time.Now(), l.progress(stream).Watermark, 11*time.Minute, "and reading goes on")
		l.checkClaims(stream)
	})
}

func TestWhereNoTwoClocksAgreeTheRunFailsAndNothingMoves(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-2*days), start.Add(days), 10*time.Minute)
		_, err := l.run()
		require.NoError(l, err)
		before := l.progress(stream)
		time.Sleep(time.Hour)
		for _, off := range [][3]time.Duration{{40 * days, -time.Hour, 0}, {0, 20 * time.Minute, -20 * time.Minute}} {
			l.graph, l.storage, l.machine = off[0], off[1], off[2]
			pages := l.tenant.pages.Load()
			_, err = l.run()
			require.Equal(l, entra.CodeConflict, entra.CodeOf(err))
			require.ErrorContains(l, err, "no two of three clocks agree")
			require.Equal(l, pages, l.tenant.pages.Load(), "Graph is asked for nothing")
			require.Equal(l, before, l.progress(stream))
		}
		l.graph, l.storage, l.machine = 0, 0, 0
		_, err = l.run()
		require.NoError(l, err)
	})
}

// TestAWatermarkAheadOfNowIsAnErrorAndNothingThatCameSinceIsMissed: an archive that a wrong clock
// has marked already.
func TestAWatermarkAheadOfNowIsAnErrorAndNothingThatCameSinceIsMissed(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-3*days), start.Add(3*days), 10*time.Minute)
		l.runs(5*time.Minute, start.Add(15*time.Minute))
		p := l.progress(stream)
		p.Watermark = p.Watermark.Add(40 * days)
		l.write(p)
		time.Sleep(6 * time.Hour)
		_, err := l.run()
		require.Equal(l, entra.CodeConflict, entra.CodeOf(err))
		require.ErrorContains(l, err, "a clock was wrong")
		p = l.progress(stream)
		require.Equal(l, archive.StatusFailing, p.Status(time.Now(), 0))
		require.Contains(l, p.LastError, "the mark is set back to")
		require.False(l, p.Watermark.After(time.Now()))
		l.runs(5*time.Minute, time.Now().Add(10*time.Minute))
		p = l.progress(stream)
		require.Equal(l, archive.StatusCurrent, p.Status(time.Now(), 0))
		whole := 0
		for _, cov := range l.hours(stream) {
			if cov.Whole() && cov.Start.After(start) {
				whole++
			}
		}
		require.Equal(l, 5, whole, "the hours since are read after all")
		l.checkClaims(stream)
	})
}

// TestMachinesWhoseClocksDifferByMinutesWorkAsOne: each instance has its own.
func TestMachinesWhoseClocksDifferByMinutesWorkAsOne(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-2*days), start.Add(2*days), 10*time.Minute)
		for i, now := 0, start; now.Before(start.Add(9 * time.Hour)); i, now = i+1, now.Add(20*time.Minute) {
			l.until(now)
			l.machine = []time.Duration{0, 4 * time.Minute, -4 * time.Minute, -3 * time.Minute}[i%4]
			l.storage = []time.Duration{0, 2 * time.Minute}[i%2]
			_, err := l.run()
			require.NoError(l, err)
		}
		p := l.progress(stream)
		require.WithinDuration(l, time.Now(), p.Watermark, 31*time.Minute)
		require.Empty(l, p.Suspects)
		require.Zero(l, p.Doubts)
		l.checkClaims(stream)
		checkLedger(l.T, l.store, stream)
		require.NotContains(l, l.log.String(), "level=WARN", "minutes are nothing to warn of")
	})
}
