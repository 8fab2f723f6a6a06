package tables

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

const slotsTable = "slots"

// slotTries bounds how often a slot that somebody else was quicker to take is asked for again. Few processes share one
// row, and each takes a slot every few seconds.
const slotTries = 50

// Slots hands out points in time to all processes that work with the archive: one row whose ETag decides who was first.
type Slots struct {
	store *Store
	name  string

	mu   sync.Mutex
	next time.Time // as this process saw the row last
	etag string
}

// Slots are the ones of a name.
func (s *Store) Slots(name string) *Slots { return &Slots{store: s, name: name} }

// NextSlot is graph.Slots's.
func (l *Slots) NextSlot(ctx context.Context, from time.Time, every time.Duration) (time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range slotTries {
		if l.etag == "" {
			if err := l.read(ctx); err != nil {
				return time.Time{}, err
			}
		}
		slot := from
		if l.next.After(slot) {
			slot = l.next
		}
		// Table Storage keeps ticks of 100 ns; rounding up never lets two slots come closer than they may.
		next := slot.Add(every + entra.Tick).Truncate(entra.Tick)
		err := l.write(ctx, next)
		if err == nil {
			return slot, nil
		}
		if !errors.Is(err, errSlotTaken) {
			return time.Time{}, err
		}
		l.etag = ""
		select {
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		case <-time.After(rand.N(20 * time.Millisecond)):
		}
	}
	return time.Time{}, &entra.Error{Code: entra.CodeUnavailable, Doing: "take a turn for a request to Graph",
		Why: fmt.Sprintf("other processes were quicker %d times", slotTries), Remedy: "the next run tries again"}
}

var errSlotTaken = errors.New("another process took the slot")

// read learns how far the slots are taken; a row that is not there is made by write.
func (l *Slots) read(ctx context.Context) error {
	got, err := l.store.service.NewClient(slotsTable).GetEntity(ctx, "graph", l.name, nil)
	if isCode(err, "TableNotFound", "ResourceNotFound") {
		l.next, l.etag = time.Time{}, ""
		return nil
	}
	if err != nil {
		return l.store.explain("read the row of slots", err)
	}
	var row struct{ Next time.Time }
	if err := json.Unmarshal(got.Value, &row); err != nil {
		return fmt.Errorf("read the row of slots: %w", err)
	}
	l.next, l.etag = row.Next, string(got.ETag)
	return nil
}

func (l *Slots) write(ctx context.Context, next time.Time) error {
	b := newRow("graph", l.name, 256)
	b.time("Next", next)
	etag, err := l.store.replace(ctx, slotsTable, "write the row of slots", b.done().body, l.etag)
	if errors.Is(err, errRowMoved) {
		return errSlotTaken
	}
	if err != nil {
		return err
	}
	l.next, l.etag = next, etag
	return nil
}
