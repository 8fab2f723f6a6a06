// Package lab is an archive in memory for tests: tenants, clocks and processes that fail as a test
// says.
package lab

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

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// Lab is an archive in memory. Graph, the storage service and the machine have one clock each, and
// each may be wrong by some time. Time passes only while a caller waits.
type Lab struct {
	*testing.T
	Service                 *memstorage.Service
	Tenant                  *Forgetful
	Store                   *tablestest.Store // of a process that is never killed
	Heads                   *Shelf
	Options                 collect.Options
	Graph, Storage, Machine time.Duration // by which the clocks are ahead
	Logged                  Words
}

// In runs a test in a lab whose time is start.
func In(t *testing.T, test func(l *Lab)) { InAt(t, Start, test) }

// InAt runs a test in a lab whose time is at.
func InAt(t *testing.T, at time.Time, test func(l *Lab)) {
	t.Parallel() // nothing is shared
	synctest.Test(t, func(t *testing.T) {
		l := &Lab{T: t, Heads: &Shelf{}, Options: collect.Options{Backfill: 2 * Days,
			Passes: []time.Duration{3 * time.Hour}}}
		l.Service = memstorage.New(func() time.Time { return time.Now().Add(l.Storage) })
		l.Tenant = &Forgetful{Keeps: 30 * Days, InOrder: true, PageSize: 100, Served: &atomic.Int64{},
			clock: func() time.Time {
				return time.Now().Add(l.Graph).UTC()
			}}
		l.Store, _ = l.Process()
		l.Until(at)
		test(l)
	})
}

// Words is a log that several runs write to.
type Words struct {
	Mu  sync.Mutex
	All bytes.Buffer
}

func (w *Words) Write(text []byte) (int, error) {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	return w.All.Write(text)
}

func (w *Words) String() string {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	return w.All.String()
}

// Until lets time pass up to a moment.
func (l *Lab) Until(t time.Time) { time.Sleep(time.Until(t)) }

// Wire is the connection of one process to the storage account.
type Wire struct {
	Service *memstorage.Service
	Mu      sync.Mutex
	Writes  int
	DiesAt  int  // the write before whose answer the process is killed; 0: never
	Stored  bool // that write is executed
	Dead    bool
	Before  func(*memstorage.Request) // asked before each request; nil: nothing
}

type errDead struct{}

func (errDead) Error() string { return "the process is dead" }

// NonRetriable is what the SDK asks for.
func (errDead) NonRetriable() {}

// RoundTrip carries a request out, unless its process is dead.
func (w *Wire) RoundTrip(req *http.Request) (*http.Response, error) {
	r, err := w.Service.Receive(req)
	if err != nil {
		return nil, err
	}
	if w.Before != nil {
		w.Before(r)
	}
	w.Mu.Lock()
	if r.IsWrite() && !w.Dead {
		w.Writes++
		if w.Dead = w.Writes == w.DiesAt; w.Dead && w.Stored {
			r.Execute()
		}
	}
	dead := w.Dead
	w.Mu.Unlock()
	if dead {
		return nil, errDead{}
	}
	return r.Execute().Response(req), nil
}

// Process is a store of its own for one Process.
func (l *Lab) Process() (*tablestest.Store, *Wire) {
	w := &Wire{Service: l.Service}
	store, err := tablestest.New(tables.Config{ConnectionString: l.Service.ConnectionString(),
		HTTP: &http.Client{Transport: w}})
	require.NoError(l, err)
	return store, w
}

// Collector works on a store with the lab's clocks. Its log is the lab's.
func (l *Lab) Collector(store collect.Store, source collect.Source) *collect.Collector {
	return collect.New(source, store, l.Heads, l.Options, func() time.Time {
		return time.Now().Add(l.Machine)
	}, l.logger())
}

// logger writes what an operator sees.
func (l *Lab) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&l.Logged, nil)) }

// Run is one Run of the timer.
func (l *Lab) Run(streams ...entra.Stream) (collect.Report, error) {
	return l.Collector(l.Store, l.Tenant).Run(l.Context(), Execution(), OrStream(streams), Budget)
}

func OrStream(streams []entra.Stream) []entra.Stream {
	if len(streams) == 0 {
		return []entra.Stream{Stream}
	}
	return streams
}

// Runs lets the timer fire every so often until a time; no run may fail.
func (l *Lab) Runs(every time.Duration, until time.Time, streams ...entra.Stream) {
	for ; time.Now().Before(until); time.Sleep(every) {
		_, err := l.Run(streams...)
		require.NoError(l, err)
	}
}

func (l *Lab) Progress(s entra.Stream) ledger.Progress {
	p, err := l.Store.Progress(l.Context(), s)
	require.NoError(l, err)
	return p
}

// Write changes the ledger as another execution would.
func (l *Lab) Write(p ledger.Progress, rows ...ledger.Coverage) {
	_, lease, err := l.Store.State(l.Context(), p.Stream)
	require.NoError(l, err)
	_, err = l.Store.Commit(l.Context(), lease, p, rows, nil)
	require.NoError(l, err)
}

// Hours are the ledger's rows of a stream, by their start.
func (l *Lab) Hours(s entra.Stream) map[time.Time]ledger.Coverage {
	out := make(map[time.Time]ledger.Coverage)
	for cov, err := range l.Store.Windows(l.Context(), s, Start.Add(-200*Days), Start.Add(200*Days)) {
		require.NoError(l, err)
		out[cov.Start] = cov
	}
	return out
}

// Forgetful is a tenant that returns a record from its time on, and deletes it at exactly one age.
// Each page is made on request.
type Forgetful struct {
	Keeps     time.Duration
	InOrder   bool
	PageSize  int
	PageTakes time.Duration
	clock     func() time.Time
	Records   map[entra.Stream][]entra.Record
	Fails     func(s entra.Stream) error // asked before each page; an error ends the walk
	Served    *atomic.Int64
}

// Add gives the tenant a record; a content under the same key replaces the one before.
func (f *Forgetful) Add(s entra.Stream, id string, at time.Time, content string) entra.Record {
	return f.AddRaw(s, Record(s, id, Start.Sub(at), content))
}

// AddRaw gives the tenant a record by its JSON.
func (f *Forgetful) AddRaw(s entra.Stream, raw string) entra.Record {
	rec, err := logs.ParseRecord(s, []byte(raw))
	if err != nil {
		panic(err) // the text is the test's own
	}
	if f.Records == nil {
		f.Records = make(map[entra.Stream][]entra.Record)
	}
	all := slices.DeleteFunc(f.Records[s], func(r entra.Record) bool { return r.Key == rec.Key })
	at2, _ := slices.BinarySearchFunc(all, rec, f.Compare)
	f.Records[s] = slices.Insert(all, at2, rec)
	return rec
}

// Compare is the order in which the tenant hands its records out.
func (f *Forgetful) Compare(a, b entra.Record) int {
	if f.InOrder {
		return a.Key.Compare(b.Key)
	}
	return cmp.Compare(hashText(a.ID), hashText(b.ID))
}

// Now is collect.Source's.
func (f *Forgetful) Now(context.Context) (time.Time, error) { return f.clock(), nil }

// Ordered is collect.Source's.
func (f *Forgetful) Ordered(entra.Stream) bool { return f.InOrder }

// Pages is collect.Source's.
func (f *Forgetful) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
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
			more = next < len(f.Records[s])
		}
	}
}

func (f *Forgetful) wait(ctx context.Context, s entra.Stream) error {
	f.Served.Add(1)
	if f.Fails != nil {
		if err := f.Fails(s); err != nil {
			return err
		}
	}
	if f.PageTakes > 0 {
		select {
		case <-time.After(f.PageTakes):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// page is the next page of what the tenant shows by now.
func (f *Forgetful) page(s entra.Stream, next int, from, to time.Time) (entra.Page, int) {
	now := f.clock()
	page := entra.Page{Date: now}
	for ; next < len(f.Records[s]); next++ {
		rec := f.Records[s][next]
		if rec.Time.Before(from) || !rec.Time.Before(to) || rec.Time.After(now) || rec.Time.Before(now.Add(-f.Keeps)) {
			continue
		}
		if len(page.Records) == f.PageSize {
			break
		}
		page.Records = append(page.Records, entra.Parsed{Record: rec})
	}
	return page, next
}

// Fill adds a record in each step from a time on.
func (f *Forgetful) Fill(s entra.Stream, from, to time.Time, step time.Duration) {
	for at, n := from, 0; at.Before(to); at, n = at.Add(step), n+1 {
		f.Add(s, fmt.Sprintf("id-%06d-%s", n, at.Format("150405")), at, "")
	}
}

func (w *Wire) Count() int {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	return w.Writes
}
