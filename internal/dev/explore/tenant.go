package explore

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// Tenant is the tenant of an exploration, of one stream: what Graph shows at each moment, and what
// it showed before. A page is made when it is asked for, so that one walk may see a record before a
// change and the next record after it.
type Tenant struct {
	Stream  entra.Stream
	mu      sync.Mutex
	records []*Shown // in the order of time and id
}

// Shown is one record with every content that the tenant showed, in order.
type Shown struct {
	ID    string
	At    time.Time
	Shows []Show
}

// Show is a content and since when it was shown.
type Show struct {
	Since time.Time
	Raw   string
	Hash  entra.Hash
}

// pageOfTruth is small so that a read has several pages. It also bounds how many windows a page may
// have: no more than are written at the same time, so that which of them come first does not depend
// on the run of the goroutines.
const pageOfTruth = 3

// Clone is a tenant of its own that shows the same.
func (t *Tenant) Clone() *Tenant {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := &Tenant{Stream: t.Stream}
	for _, r := range t.records {
		out.records = append(out.records, &Shown{r.ID, r.At, slices.Clone(r.Shows)})
	}
	return out
}

// Show makes the tenant show a content of the record with an id, which is dated at.
func (t *Tenant) Show(id string, at time.Time, content string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	raw := fmt.Sprintf(`{"id":%q,%q:%q,"content":%q}`, id, logs.Of(t.Stream).TimeProperty, at.Format(time.RFC3339Nano),
		content)
	next := Show{time.Now(), raw, entra.HashOf([]byte(raw))}
	i, found := slices.BinarySearchFunc(t.records, Shown{ID: id, At: at}, compareShown)
	if !found {
		t.records = slices.Insert(t.records, i, &Shown{ID: id, At: at})
	}
	t.records[i].Shows = append(t.records[i].Shows, next)
}

func compareShown(r *Shown, to Shown) int {
	if c := r.At.Compare(to.At); c != 0 {
		return c
	}
	if r.ID < to.ID {
		return -1
	}
	if r.ID > to.ID {
		return 1
	}
	return 0
}

// Now is collect.Source's: the tenant's clock is the bubble's.
func (t *Tenant) Now(context.Context) (time.Time, error) { return time.Now().UTC(), nil }

// Ordered is collect.Source's.
func (t *Tenant) Ordered(entra.Stream) bool { return true }

// Pages is collect.Source's.
func (t *Tenant) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	from, to := q.From, q.To
	return func(yield func(entra.Page, error) bool) {
		after := Shown{At: from}
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
func (t *Tenant) page(after Shown, to time.Time) (page entra.Page, last Shown, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	page.Date, last = time.Now().UTC(), after
	for _, r := range t.records {
		if compareShown(r, after) <= 0 || !r.At.Before(to) {
			continue
		}
		if len(page.Records) == pageOfTruth {
			return page, last, true
		}
		raw := r.Shows[len(r.Shows)-1].Raw
		rec, err := logs.ParseRecord(t.Stream, []byte(raw))
		page.Records = append(page.Records, entra.Parsed{Record: rec, Err: err})
		last = Shown{ID: r.ID, At: r.At}
	}
	return page, last, false
}

// Records are the records that are shown, in the order of time and id.
func (t *Tenant) Records() []*Shown {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.records)
}

// Content is what the record holds now.
func (r *Shown) Content() string { return gjson.Get(r.Shows[len(r.Shows)-1].Raw, "content").Str }

// Forget makes the tenant forget what is older than a time.
func (t *Tenant) Forget(before time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.records = slices.DeleteFunc(t.records, func(r *Shown) bool { return r.At.Before(before) })
}
