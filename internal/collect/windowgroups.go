package collect

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/parallel"
)

const (
	// groupWriters is how many windows of one page are written at the same time, by default.
	groupWriters = 4
	// compareTries limits how often a window is compared again because another writer changed it.
	compareTries = 5
)

// groupResult is what became of one window's part of a page.
type groupResult struct {
	window  entra.Window
	balance Balance
	added   ledger.Contents
	ages    ledger.Lateness // how old the new records are
	recount bool            // added does not count everything that was stored
	// tampered is about a stored row that is not what was written; what came in its place is
	// rejected.
	tampered error
}

// part is one window's part of a page.
type part struct {
	window entra.Window
	recs   []entra.Record
	form   string
	fresh  bool // nothing of the window should be stored yet
	older  bool // records of it may be stored as a version before asked for them
}

// storePage files a page's records by window, stores them and puts into quarantine what can't be
// filed.
func (rd *read) storePage(ctx context.Context, page entra.Page) ([]groupResult, error) {
	groups, rejected := rd.file(page)
	if err := rd.loadRowsOf(ctx, groups); err != nil {
		return nil, err
	}
	seen := rd.run.writer.Stamp()
	results := make([]groupResult, len(groups))
	tooLarge := make([][]Rejected, len(groups))
	writers, writing := parallel.WithContext(ctx)
	writers.SetLimit(rd.run.collector.options.Writers)
	// In the order of time, so that a run is the same whenever it is repeated.
	windows := slices.SortedFunc(maps.Keys(groups), func(a, b entra.Window) int { return a.Start.Compare(b.Start) })
	for i, w := range windows {
		recs := groups[w]
		known := rd.row(w.Start)
		part := part{window: w, recs: recs, form: rd.run.formOf(page), fresh: known.fresh && !known.recount,
			older: known.now.Thin() || known.now.Older() || known.recount}
		writers.Go(func() error {
			var err error
			results[i], tooLarge[i], err = rd.storeGroup(writing, part, seen)
			return err
		})
	}
	if err := writers.Wait(); err != nil {
		return nil, err
	}
	for i, w := range windows {
		row := rd.row(w.Start)
		if results[i].tampered != nil {
			rd.run.sealer.Tampered = results[i].tampered
		}
		row.meet(rd.run.collector.store.RowKey, groups[w], results[i].recount)
		rd.addKeys(row, groups[w], tooLarge[i])
	}
	if len(rejected) > 0 {
		res := groupResult{window: rd.windowOfRejected(groups)}
		res.balance = Balance{Fetched: int64(len(rejected)), Quarantined: int64(len(rejected))}
		results = append(results, res)
	}
	for _, more := range tooLarge {
		rejected = append(rejected, more...)
	}
	return results, rd.quarantine(ctx, rejected)
}

// loadRowsOf loads the ledger's rows of windows that lie outside the span of the read.
func (rd *read) loadRowsOf(ctx context.Context, groups map[entra.Window][]entra.Record) error {
	for w := range groups {
		if _, ok := rd.rows[w.Start]; ok || !w.Start.Before(rd.known) && w.Start.Before(rd.asked.To) {
			continue
		}
		if err := rd.loadRows(ctx, w.Start, w.End()); err != nil {
			return err
		}
	}
	return nil
}

// quarantine keeps what can't be filed.
func (rd *read) quarantine(ctx context.Context, rejected []Rejected) error {
	if len(rejected) > 0 {
		if err := rd.run.collector.store.Quarantine(ctx, rd.run.stream, rejected, rd.run.now); err != nil {
			return err
		}
		rd.run.collector.log.WarnContext(ctx, "records went to quarantine", "stream", rd.run.stream, "records",
			len(rejected), "reason", rejected[0].Reason)
	}
	return nil
}

// file groups a page's records by window and watches their order.
func (rd *read) file(page entra.Page) (map[entra.Window][]entra.Record, []Rejected) {
	groups := make(map[entra.Window][]entra.Record)
	var rejected []Rejected
	for _, rec := range page.Records {
		if rec.Err != nil {
			rejected = append(rejected, Rejected{Raw: rec.Raw, Hash: rec.Hash, Reason: rec.Err.Error()})
			continue
		}
		rd.sawTime(rec.Time)
		if rec.Time.Before(rd.last) {
			rd.ordered = false
		} else {
			rd.last = rec.Time
		}
		w := rec.Window(rd.run.stream)
		groups[w] = append(groups[w], rec.Record)
	}
	return groups, rejected
}

// windowOfRejected is the window in which records without a time are counted: the one at the
// cursor.
func (rd *read) windowOfRejected(groups map[entra.Window][]entra.Record) entra.Window {
	var at entra.Window
	for w := range groups {
		if at.Start.IsZero() || w.Start.Before(at.Start) {
			at = w
		}
	}
	if !at.Start.IsZero() {
		return at
	}
	if !rd.last.IsZero() {
		return entra.WindowOf(rd.run.stream, rd.last)
	}
	return entra.WindowOf(rd.run.stream, rd.asked.From)
}

// storeGroup stores the records of one window. Where the window should be empty they are inserted
// without a look; if something is there after all (a run that was killed, a page that came twice)
// they are compared like any others.
func (rd *read) storeGroup(ctx context.Context, p part, seen time.Time) (groupResult, []Rejected, error) {
	w, recs := p.window, p.recs
	res := groupResult{window: w}
	var rejected []Rejected
	for try := 0; ; try++ {
		if len(recs) == 0 {
			res.balance = Balance{Fetched: int64(len(rejected)), Quarantined: int64(len(rejected))}
			return res, rejected, nil
		}
		var (
			added   ledger.Contents
			balance Balance
			err     error
		)
		if p.fresh && try == 0 && unique(recs) {
			added, err = rd.run.collector.store.Insert(ctx, w, recs, seen)
			balance = Balance{Fetched: int64(len(recs)), New: int64(len(recs))}
		} else {
			added, balance, res.ages, err = rd.compare(ctx, p, recs, seen)
		}
		var (
			large   *TooLarge
			altered *Altered
		)
		switch {
		case err == nil:
			balance.Quarantined += int64(len(rejected))
			res.balance, res.added = balance, added
			res.balance.Fetched = balance.New + balance.Changed + balance.Enriched + balance.Unchanged +
				balance.Quarantined
			return res, rejected, nil
		case errors.As(err, &large):
			if !setAside(&recs, &rejected, large.Key, large.Hash, large) {
				return res, nil, err // it names no record of this page
			}
			try = -1
		case errors.As(err, &altered):
			if !setAside(&recs, &rejected, altered.Key, altered.Hash, altered) {
				return res, nil, err
			}
			res.tampered, try = altered.Unwrap(), -1
		case (errors.Is(err, ErrExists) || errors.Is(err, ledger.ErrMoved)) && try < compareTries:
			res.recount = true
		default:
			return res, nil, err
		}
	}
}

// compare looks at what is stored under the records' keys and writes what is new or changed.
func (rd *read) compare(ctx context.Context, p part, recs []entra.Record, seen time.Time) (ledger.Contents, Balance,
	ledger.Lateness, error) {
	first, last := recs[0].Key, recs[0].Key
	for _, rec := range recs[1:] {
		if rec.Key.Compare(first) < 0 {
			first = rec.Key
		}
		if rec.Key.Compare(last) > 0 {
			last = rec.Key
		}
	}
	stored, err := rd.run.collector.store.Stored(ctx, p.window, first, last)
	if err != nil {
		return ledger.Contents{}, Balance{}, ledger.Lateness{}, err
	}
	changes, balance := reconcile(stored, recs, seen, rd.run.hasForms())
	if changes, err = rd.compareForms(ctx, p, changes, &balance); err != nil {
		return ledger.Contents{}, Balance{}, ledger.Lateness{}, err
	}
	if len(changes) == 0 {
		return ledger.Contents{}, balance, ledger.Lateness{}, nil
	}
	var ages ledger.Lateness
	for _, change := range changes {
		if change.Kind == InsertCurrent {
			ages.Count(rd.run.now.Sub(change.Record.Time))
		}
	}
	added, err := rd.run.collector.store.Apply(ctx, p.window, changes, seen)
	return added, balance, ages, err
}

// setAside moves a record from recs to rejected. It returns whether a record had that key and
// content.
func setAside(recs *[]entra.Record, rejected *[]Rejected, key entra.Key, hash entra.Hash, reason error) bool {
	var kept []entra.Record
	for _, rec := range *recs {
		if rec.Key == key && rec.Hash == hash {
			*rejected = append(*rejected, Rejected{Raw: rec.Raw, Hash: rec.Hash, Reason: reason.Error()})
			continue
		}
		kept = append(kept, rec)
	}
	found := len(kept) < len(*recs)
	*recs = kept
	return found
}
