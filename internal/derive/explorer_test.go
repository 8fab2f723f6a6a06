package derive_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/explore"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// views are the made-up views of an exploration: one of days that are read, and, in some, one of
// months that is made of it, or one of hours that are settled.
func (w *world) views(version int) []derive.View {
	out := []derive.View{contents("days", version, derive.Day, derive.Read)}
	if w.months {
		out = append(out, joined(version, derive.Read))
	}
	if w.hours {
		out = append(out, contents("hours", version, derive.Hour, derive.Settled))
	}
	return out
}

const (
	exploredPass   = 2 * time.Hour
	exploredBudget = 8 * time.Minute
)

var newMonth = lab.November

// hourOf is a time after the change of the months, or before it.
func hourOf(hours, minutes int) time.Time {
	return newMonth.Add(time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute)
}

// world is one exploration: an archive with views, and its tenant.
type world struct {
	*explore.World
	tenant *explore.Tenant
	hours  bool
	months bool
}

func newWorld(s *scenario) *world {
	w := &world{hours: s.hours, months: s.months, World: explore.New(), tenant: &explore.Tenant{Stream: lab.Stream}}
	w.Service.Limits.PageEntities = 20
	return w
}

// scenario is a state of the archive, and the runs that meet there.
type scenario struct {
	name    string
	prepare func(w *world)
	actors  []part
	changes []change
	faults  int
	version int  // of the views at the end
	hours   bool // there is a view of hours, too
	months  bool // there is one of months
	purges  bool // the month before the last is past its retention
	adds    bool // records of a file are added
}

// part is what one run of a scenario does.
type part struct {
	name string
	run  run
}

// change is something that the tenant shows from some moment on.
type change struct{ id, content string }

// run is something that the app does with the archive.
type run func(ctx context.Context, w *world, store *tablestest.Store, by ledger.Execution) error

func (w *world) store(client *http.Client) *tablestest.Store {
	store, err := tablestest.New(tables.Config{ConnectionString: w.Service.ConnectionString(), HTTP: client})
	if err != nil {
		panic(err) // the connection string is the explorer's own
	}
	return store
}

func collector(w *world, store *tablestest.Store) *collect.Collector {
	options := collect.Options{
		Backfill: 3 * time.Hour, Lag: time.Minute, Passes: []time.Duration{exploredPass}, Parallel: 1,
	}
	return collect.New(w.tenant, store, nil, options, time.Now, slog.New(slog.DiscardHandler))
}

func runCollect(ctx context.Context, w *world, store *tablestest.Store, by ledger.Execution) error {
	_, err := collector(w, store).Run(ctx, by, []entra.Stream{lab.Stream}, exploredBudget)
	return err
}

// runRange reads everything again.
func runRange(ctx context.Context, w *world, store *tablestest.Store, by ledger.Execution) error {
	now := time.Now().UTC()
	_, err := collector(w, store).Range(ctx, by, []entra.Stream{lab.Stream}, now.Add(-48*time.Hour), now,
		exploredBudget)
	return err
}

// runPurge drops the months that ended an hour ago.
func runPurge(ctx context.Context, _ *world, store *tablestest.Store, by ledger.Execution) error {
	_, err := purge.New(store, store, nil, purge.Retention{Default: time.Hour}).Run(ctx, by, lab.Stream,
		time.Now().UTC())
	return err
}

// kept are records of a file: of a time before the archive begins, and of an hour that was read.
var kept = map[string]time.Time{"older": hourOf(-30, 10), "kept": hourOf(-2, 20)}

func keptRecord(id string) entra.Record {
	return lab.Parsed(lab.Stream, lab.Record(lab.Stream, id, lab.Start.Sub(kept[id]), "kept"))
}

// runAdd adds the records of the file.
func runAdd(ctx context.Context, _ *world, store *tablestest.Store, by ledger.Execution) (err error) {
	ctx, stop := context.WithTimeout(ctx, exploredBudget)
	defer stop()
	adder := arrivals.New(store, nil, purge.Retention{}, time.Now, slog.New(slog.DiscardHandler))
	for _, id := range []string{"older", "kept"} {
		_, failed := adder.Add(ctx, by, lab.Stream, kept[id], []entra.Record{keptRecord(id)},
			entra.Origin{Kind: entra.Imported, SHA256: [32]byte{1}, At: newMonth, Name: "kept.json"})
		err = errors.Join(err, failed)
	}
	return err
}

// runViews makes the views of a version; again: also what is made.
func runViews(version int, again bool) run {
	return func(ctx context.Context, w *world, store *tablestest.Store, by ledger.Execution) error {
		runner := derive.Runner{Store: store, Views: w.views(version)}
		_, err := runner.Update(ctx, by, lab.Stream, again, time.Now().Add(exploredBudget))
		return err
	}
}

// explored are the scenarios. The records that change are of hours that are sealed already, or
// settled.
var explored = []*scenario{
	{
		name: "first", faults: 2, version: 1, months: true, prepare: untilSealed,
		actors: []part{{"views", runViews(1, false)}, {"views too", runViews(1, false)}},
	},
	{
		name: "overtaken", faults: 3, version: 1, months: true, prepare: untilMade,
		actors: []part{{"again", runViews(1, true)}, {"again too", runViews(1, true)}, {"views", runViews(1, false)}},
	},
	{
		name: "change", faults: 2, version: 1, hours: true, prepare: untilMade,
		actors:  []part{{"views", runViews(1, true)}, {"range", runRange}, {"views too", runViews(1, false)}},
		changes: []change{{"twin", "B"}, {"late", "A"}, {"twin", "C"}},
	},
	{
		name: "version", faults: 2, version: 2, prepare: untilMade,
		actors: []part{{"old", runViews(1, true)}, {"new", runViews(2, false)}},
	},
	{
		name: "arrive", faults: 2, version: 1, hours: true, adds: true, prepare: untilMade,
		actors: []part{{"add", runAdd}, {"views", runViews(1, false)}},
	},
	{
		name: "purge", faults: 1, version: 1, purges: true, prepare: untilMade,
		actors: []part{{"views", runViews(1, true)}, {"purge", runPurge}},
	},
}

// recordsOf are the records that a tenant shows, by id.
var recordsOf = map[string]time.Time{
	"evening": hourOf(-2, 10), "twin": hourOf(-2, 40), "late": hourOf(-2, 50),
	"early": hourOf(0, 5), "too": hourOf(0, 45), "newest": hourOf(1, 10),
}

// untilSealed archives everything until what is older than two hours is settled.
func untilSealed(w *world) {
	w.SleepUntil(hourOf(1, 30))
	for _, id := range []string{"evening", "twin", "early", "too", "newest"} {
		w.tenant.Show(id, recordsOf[id], "A")
	}
	w.Sleep(time.Second)
	w.calmRun("first", runCollect)
	w.SleepUntil(hourOf(1, 35))
	w.calmRun("second", runCollect)
	w.SleepUntil(hourOf(4, 10))
	w.calmRun("third", runCollect)
	w.SleepUntil(hourOf(4, 15))
	w.calmRun("fourth", runCollect)
	w.SleepUntil(hourOf(4, 20))
}

// untilMade goes on until the views are made.
func untilMade(w *world) {
	untilSealed(w)
	w.calmRun("views", runViews(1, false))
	w.Sleep(time.Minute)
}

// calmRun is a run beside which there is no other.
func (w *world) calmRun(name string, run run) {
	ctx, client := w.Calm()
	if err := run(ctx, w, w.store(client), ledger.Execution{ID: name, Work: name}); err != nil {
		w.Violate("error", "%s: %v", name, err)
	}
}

// ready prepares a scenario once.
func (s *scenario) ready(t *testing.T) explore.Way {
	var (
		archive memstorage.Snapshot
		tenant  *explore.Tenant
		at      time.Time
	)
	synctest.Test(t, func(*testing.T) {
		w := newWorld(s)
		s.prepare(w)
		archive, tenant, at = w.Service.Snapshot(), w.tenant, time.Now()
	})
	return func(t *testing.T, c explore.Chooser, faults int, verbose bool) (out explore.Outcome) {
		synctest.Test(t, func(*testing.T) {
			w := newWorld(s)
			w.SleepUntil(at)
			w.Service.Restore(archive)
			w.tenant = tenant.Clone()
			for _, c := range s.changes {
				show := func() { w.tenant.Show(c.id, recordsOf[c.id], c.content) }
				w.Changes = append(w.Changes, explore.Change{Name: c.id + " becomes " + c.content, Do: show})
			}
			for _, a := range s.actors {
				w.Add(a.name, func(ctx context.Context, client *http.Client) {
					_ = a.run(ctx, w, w.store(client), ledger.Execution{ID: a.name, Work: a.name}) // it may be killed
				})
			}
			w.Explore(c, faults, verbose)
			w.finish(s)
			out = w.Outcome()
		})
		return out
	}
}

func scenarios() (out []*explore.Scenario) {
	for _, s := range explored {
		out = append(out, &explore.Scenario{Name: s.name, Faults: s.faults, Ready: s.ready})
	}
	return out
}

func TestExplorerRunsThatMeetLeaveTheViewsAsTheLedgerHasIt(t *testing.T) {
	explore.Random(t, scenarios())
}

// TestExplorerDetoursLeaveTheViewsAsTheLedgerHasIt takes some of each kind, of two runs each; all are
// soaked.
func TestExplorerDetoursLeaveTheViewsAsTheLedgerHasIt(t *testing.T) {
	var pairs []*explore.Scenario
	for i, s := range scenarios() {
		if len(explored[i].actors) == 2 {
			pairs = append(pairs, s)
		}
	}
	require.Len(t, pairs, 4)
	explore.SomeDetours(t, pairs)
}

func TestExplorerTheSameSeedGoesTheSameWay(t *testing.T) { explore.SameSeedSameWay(t, scenarios()) }
