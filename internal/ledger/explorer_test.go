package ledger_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/explore"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
)

// world is one exploration: an archive, and its tenant.
type world struct {
	*explore.World
	tenant  *explore.Tenant
	options collect.Options
	ever    map[string]map[string]bool // hashes that were ever stored, by record
}

// change is something that the tenant shows from some moment on.
type change struct {
	name string
	do   func(*explore.Tenant)
}

// prepared is the state in which a scenario's explorations begin.
type prepared struct {
	archive memstorage.Snapshot
	tenant  *explore.Tenant
	at      time.Time
	ever    map[string]map[string]bool
}

func newWorld(s *scenario) *world {
	w := &world{World: explore.New(), tenant: &explore.Tenant{Stream: lab.Stream}, options: exploredOptions}
	w.ever = make(map[string]map[string]bool)
	w.Executed = w.remember
	w.Service.Limits.PageEntities = 20
	if s.options.Backfill > 0 {
		w.options.Backfill = s.options.Backfill
	}
	return w
}

// process is a process of the app with a client.
func (w *world) process(client *http.Client) process {
	return newProcess(w.Service.ConnectionString(), client)
}

// ready prepares a scenario once.
func (s *scenario) ready(t *testing.T) explore.Way {
	var from prepared
	synctest.Test(t, func(*testing.T) {
		w := newWorld(s)
		s.prepare(w)
		from = prepared{w.Service.Snapshot(), w.tenant, time.Now(), w.ever}
	})
	return func(t *testing.T, c explore.Chooser, faults int, verbose bool) (out explore.Outcome) {
		synctest.Test(t, func(*testing.T) { out = s.exploreOnce(from, c, faults, verbose) })
		return out
	}
}

// exploreOnce goes one way through a scenario.
func (s *scenario) exploreOnce(from prepared, c explore.Chooser, faults int, verbose bool) explore.Outcome {
	w := newWorld(s)
	w.SleepUntil(from.at)
	w.Service.Restore(from.archive)
	w.tenant = from.tenant.Clone()
	for key, hashes := range from.ever {
		w.ever[key] = cloneSet(hashes)
	}
	for _, change := range s.changes {
		w.Changes = append(w.Changes, explore.Change{Name: change.name, Do: func() { change.do(w.tenant) }})
	}
	if s.begin != nil {
		s.begin(w.tenant)
		w.Sleep(time.Second)
	}
	for _, a := range s.actors {
		w.Add(a.name, func(ctx context.Context, client *http.Client) {
			a.run(ctx, w.process(client), a.name, w.tenant, w.options)
		})
	}
	w.Explore(c, faults, verbose)
	w.finish(s)
	return w.Outcome()
}

func cloneSet(in map[string]bool) map[string]bool {
	out := make(map[string]bool, len(in))
	for k := range in {
		out[k] = true
	}
	return out
}

func scenarios() (out []*explore.Scenario) {
	for _, s := range explored {
		out = append(out, &explore.Scenario{Name: s.name, Faults: s.faults, Ready: s.ready})
	}
	return out
}

func TestExplorerRunsThatMeetLeaveTheArchiveInOrder(t *testing.T) { explore.Random(t, scenarios()) }

// TestExplorerDetoursLeaveTheArchiveInOrder takes some of each kind; all are soaked.
func TestExplorerDetoursLeaveTheArchiveInOrder(t *testing.T) { explore.SomeDetours(t, scenarios()) }

func TestExplorerTheSameSeedGoesTheSameWay(t *testing.T) { explore.SameSeedSameWay(t, scenarios()) }
