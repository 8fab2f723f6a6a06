package derive_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// finish looks at the views once everything has come to rest; then the app goes on, one run after
// the other, and the views have to be what the tenant shows.
func (w *world) finish(s *scenario) {
	ctx, client := w.Calm()
	store := w.store(client)
	after := func(name string, run run) {
		if err := run(ctx, w, store, ledger.Execution{ID: name, Work: name}); err != nil {
			w.Violate("error", "%s: %v", name, err)
		}
	}
	for _, v := range w.views(s.version) {
		w.checkBelieved(ctx, store, v, s)
	}
	after("after 1", runCollect)
	if s.adds {
		w.Sleep(ledger.LateWrites)
		after("after add", runAdd)
	}
	if s.purges {
		w.Sleep(ledger.LateWrites)
		after("after the late writes", runCollect)
		w.tenant.Forget(newMonth)
	}
	w.tenant.Show("last", time.Now().UTC().Truncate(time.Second), "A")
	w.Sleep(exploredPass + time.Hour)
	after("after 2", runCollect)
	after("range", runRange)
	after("after 3", runCollect)
	if s.purges {
		after("purge", runPurge)
		w.Sleep(ledger.LateWrites + time.Minute)
		after("purge again", runPurge)
	}
	after("views", runViews(s.version, false))
	for _, v := range w.views(s.version) {
		w.checkBelieved(ctx, store, v, s)
		w.checkMade(ctx, store, v, s)
	}
	if s.purges {
		w.checkPurged()
	}
}

func months() []time.Time { return []time.Time{newMonth.AddDate(0, -1, 0), newMonth} }

// checkBelieved: a stamp never names more than what is there, and what is believed has a row for
// each record that the ledger counts, and no other.
func (w *world) checkBelieved(ctx context.Context, store *tablestest.Store, v derive.View, s *scenario) {
	counted := make(map[time.Time]int)
	for cov, err := range store.Windows(ctx, lab.Stream, months()[0], newMonth.AddDate(0, 1, 0)) {
		if err != nil {
			w.Violate("error", "read the ledger: %v", err)
		}
		if v.When == derive.Settled || cov.Seals > 0 {
			counted[v.Unit.Start(cov.Start)] += int(cov.Records + cov.Imported - cov.Eclipsed)
		}
	}
	for _, month := range months() {
		if s.purges && month.Before(newMonth) {
			continue // a purge that is killed leaves the month's rows in part, and nothing to make of it
		}
		stamps, err := store.Kept(v).Stamps(ctx, lab.Stream, month, month.AddDate(0, 1, 0))
		if err != nil {
			w.Violate("error", "read the stamps of %s: %v", v.Name, err)
		}
		for start, stamp := range stamps {
			w.checkStamp(ctx, store, v, start, stamp)
		}
		believed, err := derive.Believed(ctx, store, v, lab.Stream, month, month.AddDate(0, 1, 0))
		if err != nil {
			w.Violate("error", "read %s: %v", v.Name, err)
		}
		for start, rows := range believed {
			if len(rows) != counted[start] {
				w.Violate("stale", "%s of %s has %d rows that are believed, the ledger %d records", v.Name,
					start.Format(time.RFC3339), len(rows), counted[start])
			}
		}
	}
}

func (w *world) checkStamp(ctx context.Context, store *tablestest.Store, v derive.View, start time.Time,
	stamp derive.Stamp) {
	if stamp.State != derive.StampMade {
		return
	}
	_, is, err := store.Kept(v).Rows(ctx, v.Period(lab.Stream, start), stamp.Edition)
	if err != nil {
		w.Violate("error", "read the rows of %s: %v", v.Name, err)
	}
	if is != stamp.Together {
		w.Violate("promised", "the stamp of %s of %s says %+v, and there is %+v", v.Name, start.Format(time.RFC3339),
			stamp.Together, is)
	}
}

// checkMade: every period that can be made is, of what the tenant shows.
func (w *world) checkMade(ctx context.Context, store *tablestest.Store, v derive.View, s *scenario) {
	for _, month := range months() {
		now, err := derive.VouchedFor(ctx, store, v, lab.Stream, month, month.AddDate(0, 1, 0))
		if err != nil {
			w.Violate("error", "read the ledger: %v", err)
		}
		believed, err := derive.Believed(ctx, store, v, lab.Stream, month, month.AddDate(0, 1, 0))
		if err != nil {
			w.Violate("error", "read %s: %v", v.Name, err)
		}
		for start, vouched := range now {
			rows, ok := believed[start]
			if !ok {
				w.Violate("unmade", "%s of %s can be made, and is not", v.Name, start.Format(time.RFC3339))
				continue
			}
			want := w.expected(v, vouched, s)
			if !slices.EqualFunc(rows, want, sameRow) {
				w.Violate("other", "%s of %s is %v, not %v", v.Name, start.Format(time.RFC3339), rows, want)
			}
		}
	}
}

// expected are the rows of what the tenant shows, and of what was added.
func (w *world) expected(v derive.View, of derive.Vouched, s *scenario) (out []derive.Row) {
	for id, at := range kept {
		if s.adds && slices.ContainsFunc(of.Spans, func(s ledger.Span) bool { return s.Contains(at) }) {
			out = append(out, contentRow(v.Version, id, "kept"))
		}
	}
	for _, r := range w.tenant.Records() {
		if slices.ContainsFunc(of.Spans, func(s ledger.Span) bool { return s.Contains(r.At) }) {
			out = append(out, contentRow(v.Version, r.ID, r.Content()))
		}
	}
	slices.SortFunc(out, func(a, b derive.Row) int { return strings.Compare(a.Key, b.Key) })
	return out
}

func sameRow(a, b derive.Row) bool { return a.Key == b.Key && bytes.Equal(a.Content, b.Content) }

// checkPurged: of a purged month there is no row of a view.
func (w *world) checkPurged() {
	for _, name := range w.Service.TableNames() {
		month := strings.HasSuffix(name, months()[0].Format("200601"))
		isView := strings.HasPrefix(name, "views")
		// That a period is made, and has nothing, may be said of one that was lost.
		rows := slices.DeleteFunc(w.Service.Rows(name), func(r memstorage.Row) bool {
			return strings.HasPrefix(r.Key, "stamp!")
		})
		if month && isView && len(rows) > 0 {
			w.Violate("left", "table %s has %d rows of a purged month, the first %s", name, len(rows), rows[0].Key)
		}
	}
}
