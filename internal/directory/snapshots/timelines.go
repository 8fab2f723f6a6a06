package snapshots

import (
	"context"
	"errors"
	"iter"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/entra"
)

// memoryOfBefore is what the snapshot before knows of the time before it.
type memoryOfBefore struct {
	on   *timeline.Snapshots // those of its timelines, the snapshot before being the newest; nil: there is none
	made bool                // it has timelines; else they are made of what it read
}

// numberSnapshots readies the list of the snapshots that timelines speak of, with the new one at
// its end, and keeps it. Where the snapshot before has no timelines that this version can read,
// they are made of what it read, and what it knew of the time before is forgotten: cursors of that
// time are refused.
func (r *reading) numberSnapshots(ctx context.Context) error {
	r.kept = memoryOfBefore{}
	list, err := r.numberedBefore(ctx)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		if r.kept.on, err = timeline.NewSnapshots(list); err != nil {
			return err
		}
	}
	list = timeline.Trim(append(list, r.snap.Numbered()))
	on, err := timeline.NewSnapshots(list)
	if err != nil {
		return err
	}
	r.on = on
	return r.maker.store.Put(ctx, r.snap.ID, directory.Summaries, []directory.Row{directory.NumberedSnapshots(list)})
}

// numberedBefore lists the snapshots that timelines can go on with: those of the snapshot before,
// itself alone where its timelines have to be made, or none where its rows are gone.
func (r *reading) numberedBefore(ctx context.Context) ([]timeline.Snapshot, error) {
	if r.before.ID == "" {
		return nil, nil
	}
	list, err := directory.ReadNumbered(ctx, r.maker.store, r.before)
	if err == nil && r.before.Timelines {
		r.kept.made = true
		return list, nil
	}
	if err != nil && !forgettable(err) {
		return nil, err
	}
	if r.before.Timelines || errors.Is(err, directory.ErrNoSnapshot) {
		r.maker.log.WarnContext(ctx, "the timelines of the snapshot before can't be gone on with: "+
			"cursors of answers from before it are refused", "error", err.Error())
	}
	if errors.Is(err, directory.ErrNoSnapshot) {
		return nil, nil
	}
	return []timeline.Snapshot{r.before.Numbered()}, nil
}

// forgettable tells whether an error of the snapshot before says only that it tells nothing.
func forgettable(err error) bool {
	return errors.Is(err, directory.ErrNoSnapshot) || errors.Is(err, directory.ErrNoRow) ||
		errors.Is(err, directory.ErrAltered) || errors.Is(err, directory.ErrOtherForm)
}

// keyed is something with the key of its row.
type keyed[T any] struct {
	key string
	of  T
}

// sideBySide walks through two sequences in the order of their keys, so that what belongs together
// is joined without holding either in memory. What only one of them has comes with nil.
func sideBySide[A, B any](
	as iter.Seq2[keyed[A], error], bs iter.Seq2[keyed[B], error], yield func(key string, a *A, b *B) error,
) error {
	nextA, stopA := iter.Pull2(as)
	defer stopA()
	nextB, stopB := iter.Pull2(bs)
	defer stopB()
	a, errA, okA := nextA()
	b, errB, okB := nextB()
	for okA || okB {
		if err := errors.Join(errA, errB); err != nil {
			return err
		}
		key, hasA, hasB := a.key, okA, okB && (!okA || b.key <= a.key)
		if hasB {
			key, hasA = b.key, okA && a.key == b.key
		}
		var toA *A
		var toB *B
		if hasA {
			of := a.of
			toA = &of
			a, errA, okA = nextA()
		}
		if hasB {
			of := b.of
			toB = &of
			b, errB, okB = nextB()
		}
		if err := yield(key, toA, toB); err != nil {
			return err
		}
	}
	return nil
}

// line is a timeline, which what a snapshot says goes on with.
type line[T, Seen any] interface {
	Next(*timeline.Snapshots, *Seen) (T, error)
	Forgotten(*timeline.Snapshots) bool
}

// goOn gives the timeline of something with what the new snapshot says of it. One that can't be
// gone on with begins anew, so what it is about is told once more.
func goOn[T line[T, Seen], Seen any](ctx context.Context, r *reading, key string, before *T, seen *Seen) (T, error) {
	var none T
	if before != nil {
		next, err := (*before).Next(r.on, seen)
		if err == nil {
			return next, nil
		}
		r.noTimeline(ctx, key, err)
	}
	return none.Next(r.on, seen)
}

// unseen gives the timeline of what did not come, where it may be there none the less. What is
// known to be absent has no timeline: it begins anew if it comes back.
func unseen[T line[T, Seen], Seen any](
	ctx context.Context, r *reading, key string, mayBeThere bool, before T,
) (now T, ok bool) {
	if !mayBeThere {
		return now, false
	}
	now, err := before.Next(r.on, nil)
	if err != nil {
		r.noTimeline(ctx, key, err)
		return now, false
	}
	return now, !now.Forgotten(r.on)
}

// noTimeline says that a timeline can't be gone on with.
func (r *reading) noTimeline(ctx context.Context, key string, why error) {
	r.maker.log.WarnContext(ctx, "a timeline of the snapshot before can't be gone on with: "+
		"what is new of this one is told once more", "key", key, "error", why.Error())
}

// mayBeThere tells whether what did not come of some collections may be there none the less.
func (r *reading) mayBeThere(collections ...string) bool {
	for _, name := range collections {
		if r.snap.Lacks(name) || r.snap.WhyUndisclosed("all "+name) != nil {
			return true
		}
	}
	return false
}

// goFirst sees to it that of two snapshots that are read at once the older does not become whole
// once the newer has begun to be decided: timelines go on with those of the snapshot before, and
// none may come in between. From here on r.before is the one that is gone on with.
func (r *reading) goFirst(ctx context.Context) error {
	for range maxAdopted {
		known, err := r.maker.store.Snapshots(ctx, listed)
		if err != nil {
			return err
		}
		moved, err := r.stopOlder(ctx, known)
		if err != nil {
			return err
		}
		if !moved {
			r.before = wholeBefore(known, r.snap.ID)
			return nil
		}
	}
	return &entra.Error{Code: entra.CodeConflict, Doing: "apply the rules to snapshot " + r.snap.ID,
		Why: "other runs go on with older snapshots", Remedy: "the next run tries again"}
}

// stopOlder drops older snapshots that are still being read, and this one where a newer one is
// whole. moved tells that one of them came further meanwhile.
func (r *reading) stopOlder(ctx context.Context, known []directory.Snapshot) (moved bool, err error) {
	for _, snap := range known {
		late := snap.Stage == directory.Whole && snap.AsOf.After(r.snap.AsOf)
		if late {
			snap = r.stored
		} else if snap.Stage != directory.Reading || !snap.AsOf.Before(r.snap.AsOf) {
			continue
		}
		// Its row goes first: a run that is still at work on it then stops, and no answer is made
		// of what is left of its rows. Killed between the two, the next tidying drops them.
		snap.Stage = directory.Dropped
		saved, err := r.maker.store.SaveSnapshot(ctx, snap)
		if errors.Is(err, directory.ErrOvertaken) {
			return true, nil
		}
		if err == nil {
			err = r.maker.store.DropRows(ctx, snap.ID)
		}
		if err == nil && late {
			return false, r.overtaken(ctx, saved)
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}
