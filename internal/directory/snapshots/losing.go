package snapshots

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
)

// activityOfUsers is what users are read without where the tenant refuses it.
const activityOfUsers = "signInActivity"

// lose keeps that something is refused, or with missed that it did not come. What an older snapshot
// disclosed stands in for a while; what none did is undisclosed. Lost sign-in activity is both:
// users are read without it. That something was disclosed once is remembered until it is again, or
// until an operator accepts that it is not.
func (r *reading) lose(what string, code entra.Code, message string, missed bool) {
	r.forget(what)
	held, once := r.heldLast(what)
	older, ok := r.standIn(what)
	if r.accepted(what) {
		once, ok = false, false
	}
	missed = missed && held.Missed
	if ok {
		older.Code, older.Message, older.Missed = code, message, missed
		r.snap.Carried = append(r.snap.Carried, older)
	} else if once {
		r.snap.Lost = append(r.snap.Lost,
			directory.Carried{What: what, AsOf: held.AsOf, Code: code, Message: message, Missed: missed})
	}
	if !ok || what == activityOfUsers {
		r.snap.Undisclosed = append(r.snap.Undisclosed,
			directory.Undisclosed{What: what, Code: code, Message: message})
	}
}

// forget takes back what the snapshot says of something that is asked for again.
func (r *reading) forget(what string) {
	of := func(c directory.Carried) bool { return c.What == what }
	r.snap.Carried = slices.DeleteFunc(slices.Clone(r.snap.Carried), of)
	r.snap.Lost = slices.DeleteFunc(slices.Clone(r.snap.Lost), of)
	r.snap.Undisclosed = slices.DeleteFunc(slices.Clone(r.snap.Undisclosed),
		func(u directory.Undisclosed) bool { return u.What == what })
}

// heldLast tells as of when the tenant last disclosed something, and with Missed that it has
// refused it at no time since; ok is false where it never did, or that was accepted.
func (r *reading) heldLast(what string) (held directory.Carried, ok bool) {
	b := r.before
	if c := b.WhyCarried(what); c != nil {
		return *c, true
	}
	if c := b.WhyLost(what); c != nil {
		return *c, true
	}
	return directory.Carried{What: what, AsOf: b.AsOf, Missed: true}, r.disclosed(what)
}

// disclosed tells whether the tenant disclosed something to the snapshot before.
func (r *reading) disclosed(what string) bool {
	b := r.before
	return b.ID != "" && !b.Lacks(what) && b.WhyLost(what) == nil && r.asked(b, what) && readGroup(b, what)
}

// asked tells whether a snapshot asked for what a resource belongs to. A version before lists
// nothing: it asked for all but what has no row in its snapshots.
func (r *reading) asked(of directory.Snapshot, what string) bool {
	for _, c := range r.maker.collections {
		if c.ByGroup() || (collections.Query{Collection: c}).Resource() != what {
			continue
		}
		if of.Asked == nil {
			return !c.Later || c.Mine == nil && of.Sums[c.Partition].Rows > 0
		}
		return slices.Contains(of.Asked, c.Word) || c.InPlaceOf != "" && slices.Contains(of.Asked, c.InPlaceOf)
	}
	return true
}

// standIn tells which snapshot can stand in for something that is refused: the one before, or what
// that one refers to, if it has all that the answer needs and is not too old.
func (r *reading) standIn(what string) (older directory.Carried, ok bool) {
	of := directory.ReadTogether(what)
	if of == nil {
		of = []string{what}
	}
	older = directory.Carried{What: what, Snapshot: r.before.ID, AsOf: r.before.AsOf}
	for _, one := range of {
		c := r.before.WhyCarried(one)
		switch {
		case c == nil && !r.disclosed(one):
			return older, false
		case c != nil && c.AsOf.Before(older.AsOf):
			older.Snapshot, older.AsOf = c.Snapshot, c.AsOf
		}
	}
	return older, r.snap.AsOf.Sub(older.AsOf) <= standsInFor(what)
}

// standsInFor is how long an older snapshot stands in for something.
func standsInFor(what string) time.Duration {
	if what == activityOfUsers {
		return directory.CarriedFor
	}
	return oldEnough
}

// refer decides anew what answers are given from, now that it is known which snapshot goes before
// this one: it may not be the one that did when the refusal was believed. What was accepted since
// it was refused counts as never granted.
func (r *reading) refer() {
	type refused struct {
		what, message string
		code          entra.Code
		missed        bool
	}
	var all []refused
	for _, c := range slices.Concat(r.snap.Carried, r.snap.Lost) {
		if directory.ReadTogether(c.What) != nil || slices.Contains(r.snap.Accepted, c.What) {
			all = append(all, refused{c.What, c.Message, c.Code, c.Missed})
		}
	}
	for _, u := range r.snap.Undisclosed {
		if directory.ReadTogether(u.What) != nil && r.snap.WhyLost(u.What) == nil {
			all = append(all, refused{u.What, u.Message, u.Code, false})
		}
	}
	for _, one := range all {
		r.lose(one.what, one.code, one.message, one.missed)
		for i, g := range r.snap.Groups {
			if groupPrefix+g.ID == one.what {
				r.snap.Groups[i].Unknown = true
			}
		}
	}
}

// comparable is the snapshot that a collection is compared with: the newest whole one, or the one
// that it refers to.
func (r *reading) comparable(ctx context.Context, c *collections.Collection) (directory.Snapshot, error) {
	what := collections.Query{Collection: c}.Resource()
	if what == activityOfUsers { // where it is lost, users are there none the less
		what = "users"
	}
	carried := r.before.WhyCarried(what)
	if carried == nil {
		return r.before, nil
	}
	older, err := r.maker.store.Snapshot(ctx, carried.Snapshot)
	if errors.Is(err, directory.ErrNoSnapshot) || err == nil && older.Stage != directory.Whole {
		return directory.Snapshot{}, nil // somebody deleted it, and it tells nothing
	}
	return older, err
}

// copyMembers copies the members of a group that is refused from the snapshot before, or says that
// they are unknown. What came before the refusal stays with them: an exception more harms nobody.
func (r *reading) copyMembers(ctx context.Context, q collections.Query, g *directory.Group) error {
	n, err := r.copyRows(ctx, q, directory.Under(q.Collection.Partition, g.ID))
	g.Members, g.Unknown = n, r.snap.WhyCarried(q.Resource()) == nil
	g.Disclosed = slices.ContainsFunc(r.before.Groups, func(o directory.Group) bool {
		return o.ID == g.ID && o.Disclosed
	})
	return err
}

// copyRows copies what the snapshot before kept of a collection that is carried, and tells how many
// rows that were. Where one of them was changed or is gone, nothing stands in for what is refused.
func (r *reading) copyRows(ctx context.Context, q collections.Query, of directory.Range) (n int64, err error) {
	if r.snap.WhyCarried(q.Resource()) == nil {
		return 0, nil
	}
	var (
		rows []directory.Row
		read int64
	)
	all := r.before.Checking(directory.Range{Partition: of.Partition})
	for row, err := range r.maker.store.Rows(ctx, r.before.ID, all) {
		if errors.Is(err, directory.ErrNoSnapshot) || errors.Is(err, directory.ErrAltered) {
			r.notCarried(q.Resource())
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		read++
		mine := q.Collection.Mine == nil || q.Collection.Mine(row.Key)
		if mine && row.Key >= of.From && (of.Below == "" || row.Key < of.Below) {
			rows = append(rows, directory.Row{Key: row.Key, Doc: row.Doc})
		}
	}
	if sums := r.before.Sums; sums != nil && sums[of.Partition].Rows != read {
		r.notCarried(q.Resource())
		return 0, nil
	}
	r.copyDoubt(q.Title())
	return int64(len(rows)), r.maker.store.Put(ctx, r.snap.ID, of.Partition, rows)
}

// notCarried says that nothing can stand in for what is refused.
func (r *reading) notCarried(what string) {
	c := *r.snap.WhyCarried(what)
	r.forget(what)
	c.Snapshot = ""
	r.snap.Lost = append(r.snap.Lost, c)
	r.snap.Undisclosed = append(r.snap.Undisclosed,
		directory.Undisclosed{What: what, Code: c.Code, Message: c.Message})
}

// copyDoubt says that nothing confirms that all of something was read, if the snapshot says so that
// it is copied from.
func (r *reading) copyDoubt(title string) {
	what := "all " + title
	if why := r.before.WhyUndisclosed(what); why != nil && r.snap.WhyUndisclosed(what) == nil {
		r.snap.Undisclosed = append(r.snap.Undisclosed, *why)
	}
}

// carriedWords name what is carried, for people; empty where nothing is.
func carriedWords(carried []directory.Carried) string {
	var out strings.Builder
	for _, c := range carried {
		out.WriteString(", " + c.What + " as of " + stamp(c.AsOf))
	}
	return out.String()
}
