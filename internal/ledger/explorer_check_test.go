package ledger_test

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/dev/explore"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/tables"
)

// stored is what the tables of records have under one key: the hashes in the rows.
type storedKey struct {
	current string
	all     map[string]bool
}

// recordTables are the tables that hold the stream's records.
func (w *world) recordTables() (out []string) {
	prefix := tables.TableName(entra.Window{Stream: lab.Stream, Start: newMonth})
	for _, name := range w.Service.TableNames() {
		if strings.HasPrefix(name, prefix[:len(prefix)-6]) {
			out = append(out, name)
		}
	}
	return out
}

func (w *world) isOfRecords(table string) bool {
	prefix := tables.TableName(entra.Window{Stream: lab.Stream, Start: newMonth})
	return strings.HasPrefix(table, prefix[:len(prefix)-6])
}

// remember collects every content in the tables of records: only a purge may delete one.
func (w *world) remember(names []string) {
	for _, name := range names {
		if !w.isOfRecords(name) {
			continue
		}
		for _, row := range w.Service.Rows(name) {
			key, _, _ := strings.Cut(row.Key, "!")
			if w.ever[key] == nil {
				w.ever[key] = make(map[string]bool)
			}
			w.ever[key][row.Raw("Hash")] = true
		}
	}
}

func (w *world) storedKeys() map[string]storedKey {
	out := make(map[string]storedKey)
	for _, name := range w.recordTables() {
		for _, row := range w.Service.Rows(name) {
			key, version, _ := strings.Cut(row.Key, "!")
			has := out[key]
			if has.all == nil {
				has.all = make(map[string]bool)
			}
			has.all[row.Raw("Hash")] = true
			if version == "" {
				has.current = row.Raw("Hash")
			}
			out[key] = has
		}
	}
	return out
}

// storedHours counts the rows of the tables of records, by hour. The explored records are small
// enough for one row each, and too small to shrink by compression.
func (w *world) storedHours() map[string]ledger.Tally {
	out := make(map[string]ledger.Tally)
	for _, name := range w.recordTables() {
		for _, row := range w.Service.Rows(name) {
			t := out[row.Partition]
			switch {
			case strings.Contains(row.Key, "!x"): // an arrival
			case strings.Contains(row.Key, "!"):
				t.Versions++
			default:
				t.Records++
			}
			raw, _ := base64.StdEncoding.DecodeString(strings.Trim(row.Raw("Record"), `"`)) // it was written as base64
			t.Bytes += int64(len(raw))
			t.StoredBytes += row.Size()
			out[row.Partition] = t
		}
	}
	return out
}

func keyOf(r *explore.Shown) string { return r.At.Format("2006-01-02T15:04:05.0000000Z") + "_" + r.ID }

func hashText64(h entra.Hash) string {
	return strconv.Quote(base64.StdEncoding.EncodeToString(h[:]))
}

// newest is the last position in a record's history at which it had a content; -1 where it never
// had.
func newest(r *explore.Shown, hash string) int {
	for i := len(r.Shows) - 1; i >= 0; i-- {
		if hashText64(r.Shows[i].Hash) == hash {
			return i
		}
	}
	return -1
}

// finish goes on, once everything has come to rest, as the app would, with one run after the other.
// Then everything has to be in order.
func (w *world) finish(s *scenario) {
	ctx, client := w.Calm()
	p := w.process(client)
	after := func(name string, run run) {
		r := run(ctx, p, name, w.tenant, w.options)
		if r.err != nil {
			w.Violate("error", "%s: %v", name, r.err)
		}
		if r.overtaken {
			w.Violate("overtaken", "%s says that it was overtaken", name)
		}
	}
	after("after 1", runCollect)
	w.checkClaims(ctx, p, s)
	if s.purges {
		// What a run left that was stopped is asked of the tenant before it forgets it.
		w.Sleep(ledger.LateWrites)
		after("after the late writes", runCollect)
		w.tenant.Forget(newMonth)
	}
	w.tenant.Show("last", time.Now().UTC().Truncate(time.Second), "A")
	w.Sleep(exploredPass + time.Hour)
	after("after 2", runCollect)
	after("range", runRange)
	if s.purges {
		after("purge", runPurge)
		after("index", runIndex)
		w.Sleep(6 * time.Minute)
		after("after 3", runCollect)
	}
	if s.adds {
		w.checkArrivals(ctx, p, s)
	}
	w.checkRecords(s)
	w.checkLedger(ctx, p)
	w.checkSeals(ctx, p)
	if s.purges {
		w.checkPurge()
	}
}

// checkClaims holds what is stored against what the ledger claims of each window: everything that
// the tenant showed before the window's last complete read is there, and no older content stands
// over a newer one.
func (w *world) checkClaims(ctx context.Context, p process, s *scenario) {
	passed := make(map[time.Time]time.Time)
	for cov, err := range p.store.Windows(ctx, lab.Stream, time.Now().Add(-72*time.Hour), time.Now()) {
		if err != nil {
			w.Violate("error", "read the ledger: %v", err)
			return
		}
		if cov.State.IsRead() && !(s.purges && cov.Start.Before(newMonth)) {
			passed[cov.Start] = cov.PassedAt
		}
	}
	has := w.storedKeys()
	for _, r := range w.tenant.Records() {
		claimed, want := passed[entra.FloorHour(r.At)], -1
		for i, s := range r.Shows {
			if s.Since.Before(claimed) {
				want = i
			}
		}
		if want < 0 {
			continue
		}
		is := has[keyOf(r)]
		switch {
		case is.current == "":
			w.Violate("lost", "%s is not there, and its window was read completely", r.ID)
		case newest(r, is.current) < want:
			w.Violate("older", "%s has content %d over content %d", r.ID, newest(r, is.current), want)
		}
	}
}

// checkArrivals: once the file was added again, each of its records is there once, counted and
// sealed; that the tenant shows one of them, too, is marked.
func (w *world) checkArrivals(ctx context.Context, p process, s *scenario) {
	if r := runAdd(ctx, p, "after add", w.tenant, w.options); r.err != nil && !s.purges {
		w.Violate("error", "after add: %v", r.err)
	}
	there, late := make(map[time.Time]int64), int64(0)
	for _, name := range w.recordTables() {
		for _, row := range w.Service.Rows(name) {
			if strings.Contains(row.Key, "!x") {
				hour, _ := time.Parse(entra.HourFormat, row.Partition)
				there[hour]++
				if strings.Contains(row.Key, "_late!x") {
					late++
				}
			}
		}
	}
	rows := make(map[time.Time]ledger.Coverage)
	for cov, err := range p.store.Windows(ctx, lab.Stream, newMonth.Add(-72*time.Hour), newMonth.Add(time.Hour)) {
		if err != nil {
			w.Violate("error", "read the ledger: %v", err)
			return
		}
		rows[cov.Start] = cov
	}
	for hour, recs := range kept {
		cov := rows[hour]
		if s.purges && hour.Before(newMonth) {
			if there[hour] != 0 || cov.Imported != 0 {
				w.Violate("arrived", "%s has %d arrivals, and its month was purged", cov.Window, there[hour])
			}
			continue
		}
		n := int64(len(recs))
		if hour.Equal(hourOf(-1, 0)) && w.shown("late") == 1 {
			n += late - 1 // it may have been read before the file came
		}
		if there[hour] != n || cov.Imported != n || !cov.Sealed() {
			w.Violate("arrived", "%s has %d arrivals of %d, the ledger counts %d, sealed %v", cov.Window, there[hour],
				n, cov.Imported, cov.Sealed())
		}
	}
	if cov := rows[hourOf(-1, 0)]; !s.purges && cov.Eclipsed != late*w.shown("late") {
		w.Violate("arrived", "%d of %d arrivals are marked as another form, and the tenant shows %d",
			cov.Eclipsed, late, w.shown("late"))
	}
}

// shown is 1 where the tenant shows a record, and 0 where it does not.
func (w *world) shown(id string) (n int64) {
	for _, r := range w.tenant.Records() {
		if r.ID == id {
			n = 1
		}
	}
	return n
}

// checkRecords: after a last reading of everything, the newest contents are current, and no content
// is gone.
func (w *world) checkRecords(s *scenario) {
	has := w.storedKeys()
	for _, r := range w.tenant.Records() {
		if is := has[keyOf(r)]; is.current != hashText64(r.Shows[len(r.Shows)-1].Hash) {
			w.Violate("older", "%s has content %d, not the newest, after everything was read again", r.ID,
				newest(r, is.current))
		}
	}
	for key, hashes := range w.ever {
		if s.purges && key < newMonth.Format(time.RFC3339) {
			continue
		}
		for hash := range hashes {
			if !has[key].all[hash] {
				w.Violate("gone", "a content of %s was stored and is gone", key)
			}
		}
	}
}

// checkLedger: rows count what is stored, the progress row sums them up, and the stream continues.
func (w *world) checkLedger(ctx context.Context, p process) {
	l, err := readLedger(ctx, p)
	if err != nil {
		w.Violate("error", "read the ledger: %v", err)
		return
	}
	stored := w.storedHours()
	var (
		sum                ledger.Tally
		complete, reopened int64
	)
	for _, cov := range l.windows {
		hour := cov.Start.Format(entra.HourFormat)
		counted := ledger.Tally{
			Records: cov.Records, Versions: cov.Versions, Bytes: cov.Bytes, StoredBytes: cov.StoredBytes}
		if counted != stored[hour] {
			w.Violate("counts", "%s says %+v, and %+v is stored", hour, counted, stored[hour])
		}
		delete(stored, hour)
		if cov.Fetched != cov.New+cov.Changed+cov.Unchanged+cov.Quarantined {
			w.Violate("balance", "%s does not balance", hour)
		}
		sum.Records, sum.Versions = sum.Records+counted.Records, sum.Versions+counted.Versions
		sum.Bytes, sum.StoredBytes = sum.Bytes+counted.Bytes, sum.StoredBytes+counted.StoredBytes
		if cov.Whole() {
			complete++
		}
		if cov.State == ledger.WindowReopened {
			reopened++
		}
	}
	for hour, tally := range stored {
		w.Violate("counts", "%s has %+v and no row in the ledger", hour, tally)
	}
	progress := l.progress
	if sum != progress.Tally || complete != progress.WindowsComplete {
		w.Violate("totals", "the rows sum up to %+v and %d windows, the totals are %+v and %d",
			sum, complete, progress.Tally, progress.WindowsComplete)
	}
	if reopened != progress.Reopened || reopened > 0 {
		w.Violate("reopened", "%d windows are to be sealed again, and the progress says %d", reopened,
			progress.Reopened)
	}
	if is := statusOf(progress); is != ledger.StatusCurrent {
		w.Violate("status", "the stream is %s", is)
	}
	if want := entra.FloorHour(time.Now().Add(-exploredPass)); !progress.SealedTo.Equal(want) {
		w.Violate("stuck", "the stream is sealed to %s, not %s", progress.SealedTo, want)
	}
	if progress.Heads != progress.Seals || l.heads != progress.Seals {
		w.Violate("heads", "%d seals, %d of them under a head, the newest head is of size %d",
			progress.Seals, progress.Heads, l.heads)
	}
}

// checkSeals: nothing looks like tampering.
func (w *world) checkSeals(ctx context.Context, p process) {
	v, err := runVerify(ctx, p)
	if err != nil {
		w.Violate("error", "verify: %v", err)
		return
	}
	for _, f := range v.Findings {
		if f.Difference.IsTampering() {
			w.Violate(string(f.Difference), "%s %s: %s", f.Hour.Format(entra.HourFormat), f.Row, f.Detail)
		}
	}
}

// checkPurge: of a purged month there is nothing left but its entries in the ledger.
func (w *world) checkPurge() {
	month := newMonth.AddDate(0, -1, 0)
	gone := tables.TableName(entra.Window{Stream: lab.Stream, Start: month})
	for _, name := range w.Service.TableNames() {
		rows := w.Service.Rows(name)
		switch {
		case name == gone:
			w.Violate("unpurged", "table %s is still there, with %d rows", name, len(rows))
		case strings.HasSuffix(name, month.Format("200601")):
			// That a day is indexed, and holds nothing, may be said of a purged one.
			rows = slices.DeleteFunc(rows, func(r memstorage.Row) bool { return strings.HasPrefix(r.Key, "day!") })
			if len(rows) == 0 {
				continue
			}
			w.Violate("left", "table %s has %d rows of a purged month, the first %s", name, len(rows), rows[0].Key)
		}
	}
}
