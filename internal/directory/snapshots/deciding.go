package snapshots

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/rules"
)

// atOnce is how many rows are gathered before they are written.
const atOnce = 2000

// decide applies the rules to what was read and writes the rows of the answers. All that it depends
// on is kept with the snapshot, so a run that is killed here is done over with the same rows.
func (r *reading) decide(ctx context.Context) error {
	r.snap.Decides++
	if err := r.save(ctx); err != nil {
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

func (r *reading) decideUsers(ctx context.Context) error {
	successes := newMerged(r.maker.store.Rows(ctx, r.snap.ID, directory.Range{Partition: directory.ReadSuccesses}))
	defer successes.stop()
	out, counts := r.batches(directory.KnownUsers, directory.UnknownUsers), make(directory.AgeCounts)
	for row, err := range r.maker.store.Rows(ctx, r.snap.ID, directory.Range{Partition: directory.ReadUsers}) {
		if err != nil {
			return err
		}
		var u directory.UserRead
		if err := json.Unmarshal(row.Doc, &u); err != nil {
			return fmt.Errorf("read user %s of the snapshot: %w", row.Key, err)
		}
		e := rules.Evidence{}
		e.Disclosed, e.WhyNot = r.snap.Disclosed(u)
		if err := successes.of(row.Key, func(s directory.Row) error {
			at, err := time.Parse(directory.KeyTime, string(s.Doc))
			if err == nil && at.After(e.Archived) {
				e.Archived = at
			}
			return err
		}); err != nil {
			return err
		}
		d := rules.Decide(u.User, e)
		counts.Add(u.User, d, r.snap.AsOf)
		partition, decided := directory.StoredUser(u.User, d, e, r.snap.AsOf)
		if err := out.add(ctx, partition, decided); err != nil {
			return err
		}
	}
	if err := out.done(ctx); err != nil {
		return err
	}
	return r.maker.store.Put(ctx, r.snap.ID, directory.Summaries, []directory.Row{directory.CountsOfUsers(counts)})
}

// decideCredentials goes through the objects application by application, so that credentials that
// both the application and its service principal have are joined.
func (r *reading) decideCredentials(ctx context.Context) error {
	r.snap.Credentials = 0
	uses := newMerged(r.maker.store.Rows(ctx, r.snap.ID, directory.Range{Partition: directory.ReadUse}))
	d := &credentialsDecided{reading: r, uses: uses, out: r.batches(directory.Credentials)}
	defer d.uses.stop()
	for row, err := range r.maker.store.Rows(ctx, r.snap.ID, directory.Range{Partition: directory.ReadApps}) {
		if err != nil {
			return err
		}
		var app rules.App
		if err := json.Unmarshal(row.Doc, &app); err != nil {
			return fmt.Errorf("read holder %s of the snapshot: %w", row.Key, err)
		}
		if app.AppID != d.appID {
			if err := d.finish(ctx); err != nil {
				return err
			}
			d.appID = app.AppID
		}
		d.apps = append(d.apps, app)
	}
	if err := d.finish(ctx); err != nil {
		return err
	}
	if err := d.out.done(ctx); err != nil {
		return err
	}
	return r.maker.store.Put(ctx, r.snap.ID, directory.Summaries, []directory.Row{directory.EndsOfCredentials(d.all)})
}

// credentialsDecided gathers one application after the other: it, and its service principals.
type credentialsDecided struct {
	reading *reading
	uses    *merged
	out     *batches
	appID   string
	apps    []rules.App
	all     []directory.CredentialEnd
}

// finish writes the credentials of the application that was gathered.
func (d *credentialsDecided) finish(ctx context.Context) error {
	if len(d.apps) == 0 {
		return nil
	}
	used := make(map[string]time.Time)
	err := d.uses.of(d.appID, func(row directory.Row) error {
		var u rules.Use
		if err := json.Unmarshal(row.Doc, &u); err != nil {
			return fmt.Errorf("read use %s of the snapshot: %w", row.Key, err)
		}
		used[u.KeyID] = u.Last
		return nil
	})
	if err != nil {
		return err
	}
	r := d.reading
	disclosed := r.snap.WhyUndisclosed(collections.CredentialUse) == nil
	for _, c := range rules.JoinedWithUse(d.apps, used, disclosed, r.snap.AsOf) {
		r.snap.Credentials++
		d.all = append(d.all, directory.EndOf(c))
		if err := d.out.add(ctx, directory.Credentials, directory.StoredCredential(c)); err != nil {
			return err
		}
	}
	d.apps = d.apps[:0]
	return nil
}
