package snapshots

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/entra"
)

// absent is what the snapshot before held and this one's walk did not bring: an object, or some
// credentials of one.
type absent struct {
	ID   string
	Keys []string // ids of credentials; empty: the object itself
}

// compare gathers what the end of a walk shows without a question to Graph. Rows of the snapshot
// before that are gone tell nothing.
func (r *reading) compare(ctx context.Context, q collections.Query) (ending, []absent, error) {
	e := ending{Brought: r.memory.brought(), Few: r.snap.Walk.Pages == 0, Twice: r.snap.Walk.First > 0,
		Spent: r.snap.Walk.Anew >= maxAnew, Exact: q.Collection.ByGroup()}
	e.Same = e.Brought == r.snap.Walk.First-1 && !r.memory.lost()
	var (
		missing []absent
		held    int64
		err     error
	)
	if e.First = !r.told(q); !e.First {
		missing, held, e.Gone, err = r.missing(ctx, q)
	}
	if errors.Is(err, directory.ErrNoSnapshot) {
		e.First, missing, held, e.Gone, err = true, nil, 0, 0, nil
	}
	e.Missing = int64(len(missing))
	e.Agree = e.Twice && e.Gone == r.snap.Walk.Gone
	e.Steep = e.Missing*steepFall > held && held > 0
	e.Unsure = !e.First && r.base.WhyUndisclosed("all "+q.Title()) != nil
	return e, missing, err
}

// missing finds what did not come, by the evidence that the collection gives; and, of users, how
// many the snapshot before held, and a hash of which did not come with this walk.
func (r *reading) missing(
	ctx context.Context, q collections.Query,
) (missing []absent, held int64, gone uint64, err error) {
	switch c := q.Collection; c.Evidence {
	case collections.ByUser, collections.ByActivity:
		return r.missingUsers(ctx, c)
	case collections.ByMember:
		missing, err = r.missingMembers(ctx, q)
	case collections.ByCredential:
		missing, err = r.missingCredentials(ctx, c)
	}
	return missing, 0, 0, err
}

// past is a range of the snapshot before, or of an older one. A row of it that was changed tells
// nothing, and keeps no new snapshot from being taken.
func (r *reading) past(ctx context.Context, snap directory.Snapshot, of directory.Range) directory.Range {
	of = snap.Checking(of)
	of.Altered = func(err error) {
		r.maker.log.WarnContext(ctx, "a row of the snapshot before was changed, and tells nothing",
			"error", err.Error())
	}
	return of
}

// told tells whether the snapshot before knows a collection.
func (r *reading) told(q collections.Query) bool {
	b := r.base
	switch {
	case b.ID == "", q.Collection.Evidence == collections.NoEvidence:
		return false
	case q.Collection.ByGroup():
		return slices.ContainsFunc(b.Groups, func(g directory.Group) bool { return g.ID == q.Group && !g.Unknown })
	}
	return b.WhyUndisclosed(q.Title()) == nil
}

// missingUsers finds the users that did not come. For those who did, the newest sign-in that is
// known counts, whichever snapshot knows it: none is ever lost again.
func (r *reading) missingUsers(
	ctx context.Context, c *collections.Collection,
) (missing []absent, held int64, gone uint64, err error) {
	all := directory.Range{Partition: c.Partition}
	now := newMerged(r.maker.store.Rows(ctx, r.snap.ID, all))
	defer now.stop()
	r.gaps = make(gaps)
	var newer []directory.Row
	put := func(least int) error {
		if len(newer) < least {
			return nil
		}
		rows := newer
		newer = nil
		return r.maker.store.Put(ctx, r.snap.ID, c.Partition, rows)
	}
	for row, err := range r.maker.store.Rows(ctx, r.base.ID, r.past(ctx, r.base, all)) {
		if err != nil {
			return nil, 0, 0, err
		}
		held++
		if hash := shortHash(row.Key); !r.memory.metNow(hash) {
			gone += hash // whatever the order
		}
		came := false
		err = now.of(row.Key, func(here directory.Row) error {
			came = true
			old, err := readUser(row)
			if err != nil {
				return err
			}
			u, err := readUser(here)
			if err != nil {
				return err
			}
			changed := false
			if c.Evidence == collections.ByActivity {
				r.gaps.meet(u, !old.Activity.None() || !old.Earlier.None())
				changed = carry(&u, old, r.base)
			} else {
				changed = remember(&u, old, r.base, r.snap)
			}
			if changed {
				newer = append(newer, directory.Document(here.Key, u))
			}
			return nil
		})
		if err == nil {
			err = put(atOnce)
		}
		if err != nil {
			return nil, 0, 0, err
		}
		if !came {
			missing = append(missing, absent{ID: row.Key})
		}
	}
	return missing, held, gone, put(1)
}

// carry gives a user the sign-ins that only the snapshot before knows, and tells whether there are
// any.
func carry(u *directory.UserRead, old directory.UserRead, before directory.Snapshot) bool {
	newest := rules.Newest(rules.Newest(old.Activity, old.Earlier), u.Activity)
	if newest == u.Activity {
		return false
	}
	switch {
	case u.Blank > 0: // what this user did since is on no record, so it is not known
		u.Earlier, u.As = newest, asOf(old, before)
	case u.Activity.LastSuccessful.IsZero() && !newest.LastSuccessful.IsZero(), u.Activity.None():
		u.Activity, u.As = newest, asOf(old, before)
	default:
		u.Activity = newest
	}
	return true
}

// remember gives a user whose activity the tenant no longer discloses what was known of it, and
// tells whether there is any. It stands in for as long as directory.CarriedFor; after that it is
// only kept.
func remember(u *directory.UserRead, old directory.UserRead, before, snap directory.Snapshot) bool {
	newest := rules.Newest(old.Activity, old.Earlier)
	switch {
	case newest.None():
		return false
	case !old.Activity.None() && snap.AsOf.Sub(asOf(old, before)) <= directory.CarriedFor:
		u.Activity, u.As = newest, asOf(old, before)
	default:
		u.Earlier = newest
	}
	return true
}

// missingMembers finds the members of a group that did not come.
func (r *reading) missingMembers(ctx context.Context, q collections.Query) (missing []absent, err error) {
	members := directory.Under(q.Collection.Partition, q.Group)
	members.KeysOnly = true
	for row, err := range r.maker.store.Rows(ctx, r.base.ID, r.past(ctx, r.base, members)) {
		if err != nil {
			return nil, err
		}
		id := directory.UserIDOf(row.Key)
		if _, ok := r.memory.met[shortHash(id)]; !ok {
			missing = append(missing, absent{ID: id})
		}
	}
	return missing, nil
}

// keepMembers keeps those members of a group that the snapshot before had and this one's walk did
// not bring, where nothing confirms that it brought all: who is an exception stays one until a walk
// that is confirmed lacks it.
func (r *reading) keepMembers(ctx context.Context, q collections.Query, missing []absent) error {
	if q.Collection.Evidence != collections.ByMember || len(missing) == 0 {
		return nil
	}
	rows := make([]directory.Row, len(missing))
	for i, a := range missing {
		rows[i] = directory.Row{Key: q.Group + "_" + a.ID}
	}
	r.maker.log.WarnContext(ctx, "members that did not come are kept as exceptions, for nothing "+
		"confirms that they left",
		"group", q.Group, "members", len(rows))
	return r.maker.store.Put(ctx, r.snap.ID, q.Collection.Partition, rows)
}

// missingCredentials finds the credentials that did not come, by the object that had them.
func (r *reading) missingCredentials(ctx context.Context, c *collections.Collection) (missing []absent, err error) {
	all := directory.Range{Partition: c.Partition}
	here := make(map[string][]string) // ids of credentials by the object's key
	for app, err := range r.apps(ctx, r.snap.ID, all, c.Origin) {
		if err != nil {
			return nil, err
		}
		here[app.Key()] = app.KeyIDs()
	}
	for app, err := range r.apps(ctx, r.base.ID, r.past(ctx, r.base, all), c.Origin) {
		if err != nil {
			return nil, err
		}
		lost := slices.DeleteFunc(app.KeyIDs(), func(id string) bool { return slices.Contains(here[app.Key()], id) })
		if len(lost) > 0 {
			missing = append(missing, absent{ID: app.ID, Keys: lost})
		}
	}
	return missing, nil
}

// apps reads the applications or the service principals that a snapshot keeps.
func (r *reading) apps(
	ctx context.Context, id string, of directory.Range, origin rules.Origin,
) iter.Seq2[rules.App, error] {
	return func(yield func(rules.App, error) bool) {
		for row, err := range r.maker.store.Rows(ctx, id, of) {
			var app rules.App
			if err == nil {
				if err = json.Unmarshal(row.Doc, &app); err != nil {
					err = fmt.Errorf("read holder %s of the snapshot: %w", row.Key, err)
				}
			}
			if err == nil && app.Origin != origin {
				continue
			}
			if !yield(app, err) || err != nil {
				return
			}
		}
	}
}

// found tells how many of the absent are there by another answer of Graph, and names one.
func found(c *collections.Collection, some []absent, items [][]byte) (n int64, example string, err error) {
	there := make(map[string][]byte)
	for _, raw := range items {
		there[strings.ToLower(gjson.GetBytes(raw, "id").Str)] = raw
	}
	for _, a := range some {
		raw, ok := there[strings.ToLower(a.ID)]
		if ok && len(a.Keys) > 0 {
			app, err := rules.ParseApp(c.Origin, raw)
			if err != nil {
				return 0, "", &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read " + c.Word + " from Graph",
					Err: err, Remedy: "the next run tries again"}
			}
			ok = slices.ContainsFunc(a.Keys, func(id string) bool { return slices.Contains(app.KeyIDs(), id) })
		}
		if ok {
			n, example = n+1, a.ID
		}
	}
	return n, example, nil
}

// carryUse keeps the uses that only the snapshot before knows: none is ever lost again, and without
// it a credential would pass for unused.
func (r *reading) carryUse(ctx context.Context, partition string) error {
	if r.before.ID == "" {
		return nil
	}
	uses := func(id string, of directory.Range, yield func(directory.Row, rules.Use) error) error {
		for row, err := range r.maker.store.Rows(ctx, id, of) {
			var u rules.Use
			if err == nil {
				err = json.Unmarshal(row.Doc, &u)
			}
			if err == nil {
				err = yield(row, u)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	here := make(map[string]rules.Use)
	err := uses(r.snap.ID, directory.Range{Partition: partition}, func(row directory.Row, u rules.Use) error {
		here[row.Key] = u
		return nil
	})
	if err != nil {
		return err
	}
	var newer []directory.Row
	past := r.past(ctx, r.before, directory.Range{Partition: partition})
	err = uses(r.before.ID, past, func(row directory.Row, u rules.Use) error {
		if u.Last.After(here[row.Key].Last) {
			newer = append(newer, directory.Row{Key: row.Key, Doc: row.Doc})
		}
		return nil
	})
	if errors.Is(err, directory.ErrNoSnapshot) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.maker.store.Put(ctx, r.snap.ID, partition, newer)
}
