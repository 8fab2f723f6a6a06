package snapshots

import (
	"context"
	"hash/maphash"

	"github.com/entraledger/entraledger/internal/directory"
)

// atOnce is how many rows are gathered before they are written.
const atOnce = 2000

// decide applies the rules to what was read and writes the rows of the answers. All that it depends
// on is kept with the snapshot, so a run that is killed here is done over with the same rows.
func (r *reading) decide(ctx context.Context) error {
	if err := r.goFirst(ctx); err != nil {
		return err
	}
	r.refer()
	r.snap.Decides++
	if err := r.save(ctx); err != nil {
		return err
	}
	if err := r.numberSnapshots(ctx); err != nil {
		return err
	}
	if err := r.decideUsers(ctx); err != nil {
		return err
	}
	if err := r.decideCredentials(ctx); err != nil {
		return err
	}
	// Other runs may have written some of the rows: the sums are of what is stored, for the answers
	// come from it.
	var err error
	if r.snap.Sums, err = r.maker.store.Sums(ctx, r.snap.ID); err != nil {
		return err
	}
	r.snap.Phase, r.snap.Stage, r.snap.Finished = directory.PhaseDone, directory.Whole, r.now()
	r.snap.Timelines, r.snap.Texts = true, true
	if err := r.step(ctx); err != nil {
		return err
	}
	r.finished = true
	return nil
}

// batches gathers rows by partition and writes them in lots.
type batches struct {
	r    *reading
	rows map[string][]directory.Row
	// written are hashes of the keys of each partition, where an earlier attempt may have left
	// other rows; else nil.
	written map[string]map[uint64]struct{}
	seed    maphash.Seed
}

func (r *reading) batches(partitions ...string) *batches {
	b := &batches{r: r, rows: make(map[string][]directory.Row), seed: maphash.MakeSeed()}
	if r.snap.Decides > 1 {
		b.written = make(map[string]map[uint64]struct{})
		for _, partition := range partitions {
			b.written[partition] = make(map[uint64]struct{})
		}
	}
	return b
}

func (b *batches) add(ctx context.Context, partition string, row directory.Row) error {
	if b.written != nil {
		b.written[partition][maphash.String(b.seed, row.Key)] = struct{}{}
	}
	b.rows[partition] = append(b.rows[partition], row)
	if len(b.rows[partition]) < atOnce {
		return nil
	}
	return b.flush(ctx, partition)
}

func (b *batches) flush(ctx context.Context, partition string) error {
	if err := b.r.stillReading(ctx); err != nil {
		return err
	}
	rows := b.rows[partition]
	b.rows[partition] = rows[:0]
	return b.r.maker.store.Put(ctx, b.r.snap.ID, partition, rows)
}

// sweep removes what an earlier attempt wrote under other keys: a write of a run that was overtaken
// may have landed between the two, and a user would be listed twice.
func (b *batches) sweep(ctx context.Context) error {
	for partition, written := range b.written {
		var strays []string
		keys := directory.Range{Partition: partition, KeysOnly: true}
		for row, err := range b.r.maker.store.Rows(ctx, b.r.snap.ID, keys) {
			if err != nil {
				return err
			}
			if _, ok := written[maphash.String(b.seed, row.Key)]; !ok {
				strays = append(strays, row.Key)
			}
		}
		if err := b.r.maker.store.Delete(ctx, b.r.snap.ID, partition, strays); err != nil {
			return err
		}
	}
	return nil
}

func (b *batches) done(ctx context.Context) error {
	for partition := range b.rows {
		if err := b.flush(ctx, partition); err != nil {
			return err
		}
	}
	return b.sweep(ctx)
}
