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
	"github.com/entraledger/entraledger/internal/tables/rows"
)

const (
	slotsPartition = "graph"
	// tries bounds how often a write is repeated that another process was quicker to make. Few
	// processes share one row, and each writes it every few seconds.
	tries = 50
	// slotPause is the longest pause before the next try.
	slotPause = 20 * time.Millisecond
)

// Slots gives points in time to all processes that work with the account: one row whose ETag
// decides which was first.
type Slots struct {
	client *rows.Client
	name   string

	mu       sync.Mutex
	next     time.Time // as this process saw the row last
	revision string
}

// NextSlot is graph.Slots's.
func (s *Slots) NextSlot(ctx context.Context, from time.Time, every time.Duration) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range tries {
		if s.revision == "" {
			if err := s.read(ctx); err != nil {
				return time.Time{}, err
			}
		}
		slot := from
		if s.next.After(slot) {
			slot = s.next
		}
		// Table Storage keeps ticks of 100 ns; rounding up never lets two slots come closer than
		// they may.
		err := s.write(ctx, slot.Add(every+entra.Tick).Truncate(entra.Tick))
		if err == nil {
			return slot, nil
		}
		if !errors.Is(err, rows.ErrMoved) {
			return time.Time{}, err
		}
		s.revision = ""
		select {
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		case <-time.After(rand.N(slotPause)):
		}
	}
	return time.Time{}, &entra.Error{Code: entra.CodeUnavailable, Doing: "take a turn for a request to Graph",
		Why: fmt.Sprintf("other processes were quicker %d times", tries), Remedy: "the next run tries again"}
}

// read learns up to where slots are given; a row that is not there is made by write.
func (s *Slots) read(ctx context.Context) error {
	got, err := s.client.Get(ctx, slotsTable, slotsPartition, s.name, "read the row of slots")
	if rows.IsMissing(err) {
		s.next, s.revision = time.Time{}, ""
		return nil
	}
	if err != nil {
		return err
	}
	var row struct{ Next time.Time }
	if err := json.Unmarshal(got.Body, &row); err != nil {
		return fmt.Errorf("read the row of slots: %w", err)
	}
	s.next, s.revision = row.Next, got.Revision
	return nil
}

func (s *Slots) write(ctx context.Context, next time.Time) error {
	b := rows.NewEntity(slotsPartition, s.name, 256)
	b.Time("Next", next)
	revision, err := s.client.Replace(ctx, slotsTable, "write the row of slots", b.Done().Body, s.revision)
	if err != nil {
		return err
	}
	s.next, s.revision = next, revision
	return nil
}
