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

// lose keeps that something is refused. What an older snapshot disclosed stands in for a while;
// what none did is undisclosed. Lost sign-in activity is both: users are read without it.
func (r *reading) lose(what string, code entra.Code, message string) {
	older, ok := standIn(r.before, what, r.snap.AsOf)
	if ok = ok && r.gave(what); ok {
		older.Code, older.Message = code, message
		r.snap.Carried = append(r.snap.Carried, older)
	}
	if !ok || what == activityOfUsers {
		r.snap.Undisclosed = append(r.snap.Undisclosed,
			directory.Undisclosed{What: what, Code: code, Message: message})
	}
}

// standIn tells which snapshot can stand in for something that is refused to one of asOf: the one
// before it, or what that one refers to, if it has all that the answer needs and is not too old.
func standIn(before directory.Snapshot, what string, asOf time.Time) (older directory.Carried, ok bool) {
	if before.ID == "" || !readGroup(before, what) {
		return older, false
	}
	of := directory.ReadTogether(what)
	if of == nil {
		of = []string{what}
	}
	older = directory.Carried{What: what, Snapshot: before.ID, AsOf: before.AsOf}
	for _, one := range of {
		c := before.WhyCarried(one)
		switch {
		case c == nil && before.WhyUndisclosed(one) != nil:
			return older, false
		case c != nil && c.AsOf.Before(older.AsOf):
			older.Snapshot, older.AsOf = c.Snapshot, c.AsOf
		}
	}
	return older, asOf.Sub(older.AsOf) <= oldEnough
}

// refer decides anew what answers are given from, now that it is known which snapshot goes before
// this one: it may not be the one that did when the refusal was believed.
func (r *reading) refer() {
	refused := make(map[string]directory.Undisclosed)
	var order []string
	note := func(what string, code entra.Code, message string) bool {
		if directory.ReadTogether(what) == nil {
			return false
		}
		refused[what] = directory.Undisclosed{What: what, Code: code, Message: message}
		order = append(order, what)
		return true
	}
	r.snap.Carried = slices.DeleteFunc(slices.Clone(r.snap.Carried), func(c directory.Carried) bool {
		return note(c.What, c.Code, c.Message)
	})
	r.snap.Undisclosed = slices.DeleteFunc(slices.Clone(r.snap.Undisclosed), func(u directory.Undisclosed) bool {
		return note(u.What, u.Code, u.Message)
	})
	for _, what := range order {
		r.lose(what, refused[what].Code, refused[what].Message)
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
	r.snap.Carried = slices.DeleteFunc(slices.Clone(r.snap.Carried),
		func(c directory.Carried) bool { return c.What == what })
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
