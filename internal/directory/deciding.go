package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"time"
)

// atOnce is how many rows are gathered before they are written.
const atOnce = 2000

// decide applies the rules to what was read and writes the rows of the answers. All that it depends on is kept with the
// snapshot, so a run that is killed here is done over with the same rows.
func (r *reading) decide(ctx context.Context) error {
	r.Decides++
	if err := r.save(ctx); err != nil {
		return err
	}
	if err := r.decideUsers(ctx); err != nil {
		return err
	}
	if err := r.decideCredentials(ctx); err != nil {
		return err
	}
	// Whoever wrote the rows, and in however many runs: what is there now is what the answers are
	// from.
	var err error
	if r.Sums, err = r.store.Sums(ctx, r.ID); err != nil {
		return err
	}
	r.Phase, r.Stage, r.Finished = PhaseDone, Whole, r.now()
	if err := r.step(ctx); err != nil {
		return err
	}
	r.finished = true
	return nil
}

// batches gathers rows by partition and writes them in lots.
type batches struct {
	r    *reading
	rows map[string][]Row
	// written are hashes of the keys of each partition, where an earlier attempt may have left
	// other rows; else nil.
	written map[string]map[uint64]struct{}
	seed    maphash.Seed
}

func (r *reading) batches(partitions ...string) *batches {
	b := &batches{r: r, rows: make(map[string][]Row), seed: maphash.MakeSeed()}
	if r.Decides > 1 {
		b.written = make(map[string]map[uint64]struct{})
		for _, partition := range partitions {
			b.written[partition] = make(map[uint64]struct{})
		}
	}
	return b
}

func (b *batches) add(ctx context.Context, partition string, row Row) error {
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
	return b.r.store.Put(ctx, b.r.ID, partition, rows)
}

// sweep removes what an earlier attempt wrote under other keys: a write of a run that was overtaken
// may have landed between the two, and a user would be listed twice.
func (b *batches) sweep(ctx context.Context) error {
	for partition, written := range b.written {
		var strays []string
		for row, err := range b.r.store.Rows(ctx, b.r.ID, Range{Partition: partition, KeysOnly: true}) {
			if err != nil {
				return err
			}
			if _, ok := written[maphash.String(b.seed, row.Key)]; !ok {
				strays = append(strays, row.Key)
			}
		}
		if err := b.r.store.Delete(ctx, b.r.ID, partition, strays); err != nil {
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

func (r *reading) decideUsers(ctx context.Context) error {
	successes := newMerged(r.store.Rows(ctx, r.ID, Range{Partition: readSuccesses}))
	defer successes.stop()
	out, counts := r.batches(knownUsers, unknownUsers), make(ageCounts)
	for row, err := range r.store.Rows(ctx, r.ID, Range{Partition: readUsers}) {
		if err != nil {
			return err
		}
		var u userRead
		if err := json.Unmarshal(row.Doc, &u); err != nil {
			return fmt.Errorf("read user %s of the snapshot: %w", row.Key, err)
		}
		e := Evidence{}
		e.Disclosed, e.Withheld = r.disclosed(u)
		if err := successes.of(row.Key, func(s Row) error {
			at, err := time.Parse(keyTime, string(s.Doc))
			if err == nil && at.After(e.Archived) {
				e.Archived = at
			}
			return err
		}); err != nil {
			return err
		}
		d := Decide(u.User, e)
		counts.add(u.User, d, r.AsOf)
		partition, decided := userRow(u.User, d, e, r.AsOf)
		if err := out.add(ctx, partition, decided); err != nil {
			return err
		}
	}
	if err := out.done(ctx); err != nil {
		return err
	}
	return r.store.Put(ctx, r.ID, summaries, []Row{document("users", counts.list())})
}

// decideCredentials goes through the holders application by application, so that what stands on the application and on
// its service principal comes together.
func (r *reading) decideCredentials(ctx context.Context) error {
	r.Credentials = 0
	d := &credentialsDecided{reading: r, uses: newMerged(r.store.Rows(ctx, r.ID, Range{Partition: readUse})), out: r.batches(credentials)}
	defer d.uses.stop()
	for row, err := range r.store.Rows(ctx, r.ID, Range{Partition: readHolders}) {
		if err != nil {
			return err
		}
		var h Holder
		if err := json.Unmarshal(row.Doc, &h); err != nil {
			return fmt.Errorf("read holder %s of the snapshot: %w", row.Key, err)
		}
		if h.AppID != d.appID {
			if err := d.finish(ctx); err != nil {
				return err
			}
			d.appID = h.AppID
		}
		d.holders = append(d.holders, h)
	}
	if err := d.finish(ctx); err != nil {
		return err
	}
	if err := d.out.done(ctx); err != nil {
		return err
	}
	return r.store.Put(ctx, r.ID, summaries, []Row{document("credentials", d.all)})
}

// credentialsDecided gathers the holders of one application after the other.
type credentialsDecided struct {
	*reading
	uses    *merged
	out     *batches
	appID   string
	holders []Holder
	all     []endOf
}

// finish writes the credentials of the application that was gathered.
func (d *credentialsDecided) finish(ctx context.Context) error {
	if len(d.holders) == 0 {
		return nil
	}
	used := make(map[string]time.Time)
	err := d.uses.of(d.appID, func(row Row) error {
		var u useRead
		if err := json.Unmarshal(row.Doc, &u); err != nil {
			return fmt.Errorf("read use %s of the snapshot: %w", row.Key, err)
		}
		used[u.KeyID] = u.Last
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range joinedWithUse(d.holders, used, d.Withheld("credentialUse") == nil, d.AsOf) {
		d.Credentials++
		d.all = append(d.all, endOfCredential(c))
		if err := d.out.add(ctx, credentials, credentialRow(c)); err != nil {
			return err
		}
	}
	d.holders = d.holders[:0]
	return nil
}

// joinedWithUse are the credentials of one application and its service principals, each once, with their last use.
func joinedWithUse(holders []Holder, used map[string]time.Time, disclosed bool, now time.Time) []Credential {
	var all []Credential
	for _, h := range holders {
		all = append(all, h.Credentials()...)
	}
	all = WithSuccessors(Joined(all), now)
	for i := range all {
		all[i].LastUsed, all[i].UseKnown = used[all[i].KeyID], disclosed
	}
	return all
}
