package ledger_test

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/explore"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
)

// scenario is a state of the archive, runs that meet there, and what the tenant does meanwhile.
type scenario struct {
	name    string
	options collect.Options
	prepare func(w *world)
	begin   func(*explore.Tenant) // what the tenant shows when the runs begin; nil: nothing new
	actors  []part
	changes []change
	faults  int  // at most
	purges  bool // the month before the last is past its retention
	adds    bool // records of a file are added
}

// part is what one run of a scenario does.
type part struct {
	name string
	run  run
}

// newMonth is when the months change; explorations begin some hours later.
var newMonth = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// hourOf is a time after the change of the months, or before it.
func hourOf(hours, minutes int) time.Time {
	return newMonth.Add(time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute)
}

func shows(id string, at time.Time, content string) change {
	return change{id + " becomes " + content, func(t *explore.Tenant) { t.Show(id, at, content) }}
}

// Records that a tenant shows from the beginning on.
var (
	evening  = hourOf(-2, 10)
	twin     = hourOf(-2, 40)
	midnight = hourOf(-1, 20)
	early    = hourOf(0, 5)
)

func firstRecords(t *explore.Tenant) {
	t.Show("evening", evening, "A")
	t.Show("twin", twin, "A")
	t.Show("midnight", midnight, "A")
	t.Show("early", early, "A")
	t.Show("early-too", early.Add(40*time.Minute), "A")
	t.Show("newest", hourOf(1, 10), "A")
}

var explored = []*scenario{
	{
		name: "first", faults: 2,
		prepare: func(w *world) { w.SleepUntil(hourOf(1, 30)) },
		begin:   firstRecords,
		actors:  []part{{"collect", runCollect}, {"collect too", runCollect}},
		changes: []change{shows("twin", twin, "B"), shows("late", hourOf(-1, 50), "A")},
	},
	{
		name: "pass", faults: 2,
		prepare: untilPass,
		actors:  []part{{"collect", runCollect}, {"collect too", runCollect}},
		changes: []change{shows("midnight", midnight, "B"), shows("late", hourOf(-1, 50), "A")},
	},
	{
		name: "three", faults: 3,
		prepare: untilPass,
		actors:  []part{{"collect", runCollect}, {"collect too", runCollect}, {"collect also", runCollect}},
		changes: []change{
			shows("midnight", midnight, "B"), shows("late", hourOf(-1, 50), "A"), shows("midnight", midnight, "A")},
	},
	{
		name: "range", faults: 2,
		prepare: untilSealed,
		actors:  []part{{"range", runRange}, {"collect", runCollect}, {"range too", runRange}},
		changes: []change{shows("twin", twin, "B"), shows("late", hourOf(-1, 50), "A"), shows("twin", twin, "C")},
	},
	{
		name: "seal", faults: 1,
		prepare: untilKilledAtSeal,
		actors:  []part{{"collect", runCollect}, {"collect too", runCollect}},
	},
	{
		name: "settle", faults: 1,
		prepare: untilKilledInRead,
		actors:  []part{{"collect", runCollect}, {"range", runRange}},
		changes: []change{shows("late", hourOf(-1, 50), "A")},
	},
	{
		name: "purge", faults: 1, purges: true,
		prepare: untilSealed,
		actors:  []part{{"purge", runPurge}, {"range", runRange}},
		changes: []change{shows("late", hourOf(-1, 50), "A"), shows("twin", twin, "B")},
	},
	{
		name: "index", faults: 1, purges: true, options: collect.Options{Backfill: 30 * time.Hour},
		prepare: untilSealed,
		actors:  []part{{"index", runIndex}, {"purge", runPurge}, {"collect", runCollect}},
	},
	{
		name: "arrive", faults: 2, adds: true,
		prepare: untilSealed,
		actors:  []part{{"add", runAdd}, {"add too", runAdd}, {"range", runRange}},
		changes: []change{shows("late", hourOf(-1, 50), "A"), shows("midnight", midnight, "B")},
	},
	{
		name: "arrive unread", faults: 2, adds: true,
		prepare: func(w *world) { w.SleepUntil(hourOf(1, 30)) },
		begin:   firstRecords,
		actors:  []part{{"collect", runCollect}, {"add", runAdd}},
		changes: []change{shows("late", hourOf(-1, 50), "A")},
	},
	{
		name: "arrive and purge", faults: 1, adds: true, purges: true,
		options: collect.Options{Backfill: 30 * time.Hour},
		prepare: untilSealed,
		actors:  []part{{"add", runAdd}, {"purge", runPurge}, {"index", runIndex}},
		changes: []change{shows("late", hourOf(-1, 50), "A")},
	},
}

// untilPass archives everything, and stops when the windows are due to be read again.
func untilPass(w *world) {
	w.SleepUntil(hourOf(1, 30))
	firstRecords(w.tenant)
	w.Sleep(time.Second)
	w.calmRun("first", runCollect)
	w.SleepUntil(hourOf(1, 35))
	w.calmRun("second", runCollect)
	w.SleepUntil(hourOf(4, 10))
}

// untilSealed continues until the windows are sealed.
func untilSealed(w *world) {
	untilPass(w)
	w.calmRun("third", runCollect)
	w.SleepUntil(hourOf(4, 15))
	w.calmRun("fourth", runCollect)
	w.SleepUntil(hourOf(4, 20))
}

// untilKilledAtSeal ends when the windows are read again, and the run is killed before it has
// sealed any.
func untilKilledAtSeal(w *world) {
	untilPass(w)
	w.killedRun("killed", func(r *memstorage.Request) bool { return strings.HasPrefix(r.Tables()[0], "leaves") })
	w.Sleep(2 * time.Second) // the next run has something to read, and one that begins at the same moment has not
}

// untilKilledInRead ends when the windows are due, and a run is killed after it has stored the
// first page of what is new.
func untilKilledInRead(w *world) {
	untilPass(w)
	w.tenant.Show("late", hourOf(-1, 50), "A")
	w.tenant.Show("late-too", hourOf(0, 10), "A")
	w.Sleep(time.Second)
	w.killedRun("killed", func(r *memstorage.Request) bool {
		rows := w.Service.Rows("signinsinteractive202610")
		return r.IsWrite() && r.Tables()[0] == "coverage" && len(rows) > 3
	})
}

// calmRun is a run beside which there is no other.
func (w *world) calmRun(name string, run run) {
	ctx, client := w.Calm()
	run(ctx, w.process(client), name, w.tenant, w.options)
}

// killedRun is a run that is killed before a request.
func (w *world) killedRun(name string, before func(*memstorage.Request) bool) {
	w.KilledRun(func(ctx context.Context, client *http.Client) {
		runCollect(ctx, w.process(client), name, w.tenant, w.options)
	}, before)
}
