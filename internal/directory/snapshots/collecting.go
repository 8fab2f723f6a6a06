package snapshots

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
)

// collect reads the collection of the phase, and goes on to the next. Where the tenant refuses it,
// the snapshot says so, and another one is read in its place if there is one.
func (r *reading) collect(ctx context.Context, c *collections.Collection) error {
	next := r.maker.collections.After(c)
	var err error
	if r.base, err = r.comparable(ctx, c); err != nil {
		return err
	}
	if c.ByGroup() {
		if err := r.groups(ctx, c); err != nil {
			return err
		}
		return r.next(ctx, next)
	}
	q := collections.Query{Collection: c}
	r.takeBack(q)
	err = r.walk(ctx, q, r.keeper(q, nil))
	switch {
	case refused(c, err):
		if err = r.undisclose(ctx, q.Resource(), err); err == nil {
			err = r.copyCollection(ctx, q)
		}
		if instead := r.maker.collections.InPlaceOf(c); instead != nil {
			next = instead
		}
	case missed(ctx, c, err):
		r.maker.log.WarnContext(ctx, "a collection that no snapshot waits for did not come", "collection", c.Word,
			"error", err.Error())
		r.lose(q.Resource(), entra.CodeOf(err), err.Error(), true)
		err = r.copyCollection(ctx, q)
	}
	if err != nil {
		return err
	}
	if !slices.Contains(r.snap.Asked, c.Word) {
		r.snap.Asked = append(slices.Clone(r.snap.Asked), c.Word)
	}
	return r.next(ctx, next)
}

// takeBack takes back what a run that was ended kept of what is asked for again, and did not end.
func (r *reading) takeBack(q collections.Query) {
	r.forget(q.Resource())
	r.forget("all " + q.Title())
}

// copyCollection copies what the snapshot before knew of a collection that is refused, where
// answers are not given from that one as a whole, and users are not read in another way.
func (r *reading) copyCollection(ctx context.Context, q collections.Query) error {
	c := q.Collection
	if directory.ReadTogether(q.Resource()) != nil || r.maker.collections.InPlaceOf(c) != nil {
		return nil
	}
	if _, err := r.copyRows(ctx, q, directory.Range{Partition: c.Partition}); err != nil {
		return err
	}
	if c.Evidence == collections.ByUse { // so that a later report that lacks some takes none back
		return r.carryUse(ctx, c.Partition)
	}
	return nil
}

// groups reads a collection for each group that the settings name.
func (r *reading) groups(ctx context.Context, c *collections.Collection) error {
	for i := range r.snap.Groups {
		g := &r.snap.Groups[i]
		if r.snap.Position > positionOf(i) {
			continue
		}
		r.snap.Position = positionOf(i)
		q := collections.Query{Collection: c, Group: g.ID}
		r.takeBack(q)
		var err error
		if r.snap.Link == "" && r.snap.Walk.Pages == 0 {
			r.snap.GraphRequests++
			err = r.maker.source.Readable(ctx, q)
			g.Disclosed = err == nil
		}
		if err == nil {
			err = r.walk(ctx, q, r.keeper(q, g))
		}
		if refused(c, err) {
			if err := r.undisclose(ctx, q.Resource(), err); err != nil {
				return err
			}
			if err := r.copyMembers(ctx, q, g); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		r.snap.Position, r.snap.Link, r.snap.Walk, r.snap.Doubt = positionOf(i+1), "", directory.Walk{}, nil
		if err := r.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func positionOf(group int) string { return fmt.Sprintf("%06d", group) }

// pageKeeper keeps a page of a collection.
type pageKeeper func(context.Context, collections.Page) error

// keeper keeps the pages of a query as its collection says.
func (r *reading) keeper(q collections.Query, g *directory.Group) pageKeeper {
	return func(ctx context.Context, page collections.Page) error {
		kept, err := q.Collection.Keep(ctx, collections.Objects{
			Items: page.Items, First: r.snap.Link == "", Snapshot: &r.snap, Group: g,
			Number: r.snap.Walk.Nth*pagesOfAWalk + r.snap.Walk.Pages,
			Again:  func(ctx context.Context, read func([][]byte) error) error { return r.again(ctx, q, read) },
			Part: func(ctx context.Context, p collections.Part, read func([][]byte) error) error {
				return r.part(ctx, q, p, read)
			},
			Kept:   r.keptBefore(q.Collection),
			Before: r.rowBefore,
			Came:   func(id string) { r.memory.meet(shortHash(id), r.snap.Walk.Nth) },
		})
		if err != nil {
			return err
		}
		for _, k := range kept {
			if err := r.maker.store.Put(ctx, r.snap.ID, k.Partition, k.Rows); err != nil {
				return err
			}
		}
		return nil
	}
}

// pagesOfAWalk is more than any walk has.
const pagesOfAWalk = 10_000_000

// keptBefore finds what an earlier walk of this snapshot kept; nil: there was none.
func (r *reading) keptBefore(c *collections.Collection) func(context.Context, string) ([]byte, error) {
	if r.snap.Walk.Nth == 0 {
		return nil
	}
	return func(ctx context.Context, key string) ([]byte, error) {
		row, err := r.maker.store.Row(ctx, r.snap.ID, c.Partition, key, false)
		if errors.Is(err, directory.ErrNoRow) || errors.Is(err, directory.ErrNoSnapshot) {
			return nil, nil
		}
		return row.Doc, err
	}
}

// again asks once more for the page that is being kept.
func (r *reading) again(ctx context.Context, q collections.Query, read func([][]byte) error) error {
	q.Small = r.snap.Walk.Small
	page, err := r.maker.source.Objects(ctx, q, r.snap.Link)
	switch {
	case refusal(err):
		r.maker.log.WarnContext(ctx, "a page without any activity could not be asked for again", "error", err.Error())
		return nil
	case err != nil:
		return err
	}
	r.snap.GraphRequests++
	defer page.Free()
	return read(page.Items)
}

// notGiven are the codes of an answer that stays away, or can't be read, though it was asked for
// again and again.
var notGiven = []entra.Code{entra.CodeUnavailable, entra.CodeBrokenAnswer}

// rowBefore is a row of the snapshot before; one that can't be read tells nothing.
func (r *reading) rowBefore(ctx context.Context, partition, key string) (directory.Row, bool) {
	if r.before.ID == "" {
		return directory.Row{}, false
	}
	row, err := r.maker.store.Row(ctx, r.before.ID, partition, key, r.before.Checked(partition))
	return row, err == nil
}

// part asks for what a list leaves out of one object. Where Graph does not give it, or the object
// is gone by now, it stays unknown: no snapshot fails for it.
func (r *reading) part(
	ctx context.Context, q collections.Query, p collections.Part, read func([][]byte) error,
) error {
	r.snap.GraphRequests++
	page, err := r.maker.source.Part(ctx, q, p)
	switch {
	case refusal(err), unforeseen(err), slices.Contains(notGiven, entra.CodeOf(err)):
		r.maker.log.WarnContext(ctx, "a part of an object could not be read", "collection", q.Collection.Word,
			"id", p.ID, "part", p.Of, "error", err.Error())
		return nil
	case err != nil:
		return err
	}
	defer page.Free()
	return read(page.Items)
}

// next begins the phase of a collection; after the last one that of the archive.
func (r *reading) next(ctx context.Context, c *collections.Collection) error {
	if c == nil {
		return r.begin(ctx, directory.PhaseArchive)
	}
	return r.begin(ctx, directory.Phase(c.Word))
}
