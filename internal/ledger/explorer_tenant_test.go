package ledger_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// truth is the tenant of an exploration: what Graph shows at each moment, and what it showed
// before. A page is made when it is asked for, so that one walk may see a record before a change
// and the next record after it.
type truth struct {
	mu      sync.Mutex
	records []*shownRecord // in the order of time and id
}

// shownRecord is one record with every content that the tenant showed, in order.
type shownRecord struct {
	id    string
	at    time.Time
	shows []show
}

// show is a content and since when it was shown.
type show struct {
	since time.Time
	raw   string
	hash  entra.Hash
}

// pageOfTruth is small so that a read has several pages. It also bounds how many windows a page may
// have: no more than are written at the same time, so that which of them come first does not depend
// on the run of the goroutines.
const pageOfTruth = 3

func (t *truth) clone() *truth {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := &truth{}
	for _, r := range t.records {
		out.records = append(out.records, &shownRecord{r.id, r.at, slices.Clone(r.shows)})
	}
	return out
}

// show makes the tenant show a content of the record with an id, which is dated at.
func (t *truth) show(id string, at time.Time, content string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	raw := fmt.Sprintf(`{"id":%q,%q:%q,"content":%q}`, id, logs.Of(lab.Stream).TimeProperty, at.Format(time.RFC3339Nano),
		content)
	next := show{time.Now(), raw, entra.HashOf([]byte(raw))}
	i, found := slices.BinarySearchFunc(t.records, shownRecord{id: id, at: at}, compareShown)
	if !found {
		t.records = slices.Insert(t.records, i, &shownRecord{id: id, at: at})
	}
	t.records[i].shows = append(t.records[i].shows, next)
}

func compareShown(r *shownRecord, to shownRecord) int {
	if c := r.at.Compare(to.at); c != 0 {
		return c
	}
	if r.id < to.id {
		return -1
	}
	if r.id > to.id {
		return 1
	}
	return 0
}

// Now is collect.Source's: the tenant's clock is the bubble's.
func (t *truth) Now(context.Context) (time.Time, error) { return time.Now().UTC(), nil }

// Ordered is collect.Source's.
func (t *truth) Ordered(entra.Stream) bool { return true }

// Pages is collect.Source's.
func (t *truth) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	from, to := q.From, q.To
	return func(yield func(entra.Page, error) bool) {
		after := shownRecord{at: from}
		for more := true; more; {
			if ctx.Err() != nil {
				yield(entra.Page{}, ctx.Err())
				return
			}
			var page entra.Page
			page, after, more = t.page(after, to)
			if !yield(page, nil) {
				return
			}
		}
	}
}

// page is the next page of the records behind one, up to a time.
func (t *truth) page(after shownRecord, to time.Time) (page entra.Page, last shownRecord, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	page.Date, last = time.Now().UTC(), after
	for _, r := range t.records {
		if compareShown(r, after) <= 0 || !r.at.Before(to) {
			continue
		}
		if len(page.Records) == pageOfTruth {
			return page, last, true
		}
		raw := r.shows[len(r.shows)-1].raw
		rec, err := logs.ParseRecord(lab.Stream, []byte(raw))
		page.Records = append(page.Records, entra.Parsed{Record: rec, Err: err})
		last = shownRecord{id: r.id, at: r.at}
	}
	return page, last, false
}
