package search

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

const (
	// countsAge is how old the counts may be by which a search for an id is cut into stretches. What
	// is counted wrongly costs a request more or less, and changes no answer.
	countsAge = time.Minute
	// mostCounts bounds the parts of months whose counts are held: of each, 744 hours at most.
	mostCounts = 64
)

// Counts holds about how many rows the hours of a stream have, for searches for ids: to decode the
// ledger's rows of some weeks takes longer than all else of such a search.
type Counts struct {
	mu    sync.Mutex
	known map[counted]countsOf
}

// counted is a part of a stream's month.
type counted struct {
	stream   entra.Stream
	from, to int64 // whole hours
}

type countsOf struct {
	at   time.Time
	rows map[time.Time]int64
}

// NewCounts makes a Counts.
func NewCounts() *Counts { return &Counts{known: make(map[counted]countsOf)} }

// of are the counts of a time; read asks the ledger. Whoever gets them must not change them.
func (c *Counts) of(
	ctx context.Context, s entra.Stream, part span,
	read func(context.Context, span) (map[time.Time]int64, error),
) (map[time.Time]int64, error) {
	if c == nil {
		return read(ctx, part)
	}
	hours := span{entra.FloorHour(part.from), entra.FloorHour(part.to.Add(time.Hour - 1))}
	key := counted{s, hours.from.Unix(), hours.to.Unix()}
	c.mu.Lock()
	known, ok := c.known[key]
	c.mu.Unlock()
	if ok && time.Since(known.at) < countsAge {
		return known.rows, nil
	}
	at := time.Now()
	rows, err := read(ctx, hours)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= mostCounts {
		maps.DeleteFunc(c.known, func(_ counted, v countsOf) bool { return time.Since(v.at) >= countsAge })
	}
	if len(c.known) >= mostCounts {
		clear(c.known)
	}
	c.known[key] = countsOf{at, rows}
	return rows, nil
}
