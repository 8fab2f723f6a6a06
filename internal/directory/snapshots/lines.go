package snapshots

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/timeline"
)

// packed is one timeline of a row.
type packed struct {
	Key  string          `json:"k"`
	Line json.RawMessage `json:"l"`
}

// packLength is how many timelines a row has: alike as they are, they take little room together,
// and a snapshot hardly takes longer for them.
const packLength = 100

// packs writes timelines, which come in the order of their keys, some to a row. The same ones make
// the same rows, whichever run writes them.
type packs struct {
	out       *batches
	partition string
	lines     []packed
}

func (p *packs) add(ctx context.Context, key string, line json.Marshaler) error {
	text, err := line.MarshalJSON()
	if err != nil {
		return fmt.Errorf("write timeline %s: %w", key, err)
	}
	if p.lines = append(p.lines, packed{key, text}); len(p.lines) < packLength {
		return nil
	}
	return p.flush(ctx)
}

func (p *packs) flush(ctx context.Context) error {
	if len(p.lines) == 0 {
		return nil
	}
	row := directory.Document(p.lines[0].Key, p.lines)
	p.lines = p.lines[:0]
	return p.out.add(ctx, p.partition, row)
}

// linesOf are the timelines of a partition of the snapshot before. What was changed is left out.
func linesOf[T timeline.User | timeline.Credential](
	ctx context.Context, r *reading, partition string,
) iter.Seq2[keyed[T], error] {
	return func(yield func(keyed[T], error) bool) {
		var read int64
		for row, err := range r.maker.store.Rows(ctx, r.before.ID,
			r.past(ctx, r.before, directory.Range{Partition: partition})) {
			if errors.Is(err, directory.ErrNoSnapshot) {
				r.noTimeline(ctx, partition, err)
				return
			}
			if err != nil {
				yield(keyed[T]{}, err)
				return
			}
			read++
			if !unpack(ctx, r, row, yield) {
				return
			}
		}
		if sums := r.before.Sums; sums != nil && sums[partition].Rows != read {
			r.noTimeline(ctx, partition, fmt.Errorf("of %d rows %d are there", sums[partition].Rows, read))
		}
	}
}

// unpack yields the timelines of a row, until that says no.
func unpack[T timeline.User | timeline.Credential](
	ctx context.Context, r *reading, row directory.Row, yield func(keyed[T], error) bool,
) bool {
	var lines []packed
	if err := json.Unmarshal(row.Doc, &lines); err != nil {
		r.noTimeline(ctx, row.Key, err)
		return true
	}
	for _, one := range lines {
		line := keyed[T]{key: one.Key}
		if err := json.Unmarshal(one.Line, &line.of); err != nil {
			r.noTimeline(ctx, one.Key, err)
			continue
		}
		if !yield(line, nil) {
			return false
		}
	}
	return true
}
