package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

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
func (r *reading) compare(ctx context.Context, q Query) (ending, []absent, error) {
	e := ending{Brought: r.memory.brought(), Few: r.Walk.Pages == 0, Twice: r.Walk.First > 0,
		Spent: r.Walk.Anew >= maxAnew, Exact: q.Phase == PhaseGroups}
	e.Same = e.Brought == r.Walk.First-1 && !r.memory.lost()
	var (
		missing []absent
		err     error
	)
	switch e.First = !r.told(q); {
	case e.First:
	case q.Phase == PhaseGroups:
		missing, err = r.missingMembers(ctx, q.Group)
	case q.Phase == PhaseApps:
		missing, err = r.missingCredentials(ctx, OnApplication)
	case q.Phase == PhasePrincipals:
		missing, err = r.missingCredentials(ctx, OnServicePrincipal)
	default:
		missing, err = r.missingUsers(ctx, q.Phase == PhaseUsers)
	}
	if errors.Is(err, ErrNoSnapshot) {
		e.First, missing, err = true, nil, nil
	}
	e.Missing = int64(len(missing))
	e.Doubted = !e.First && r.before.Withheld("all "+q.name()) != nil
	return e, missing, err
}

// past is a range of the snapshot before. A row of it that was changed tells nothing, and keeps no
// new snapshot from being taken.
func (r *reading) past(ctx context.Context, of Range) Range {
	of = r.before.rows(of)
	of.Altered = func(err error) {
		r.log.WarnContext(ctx, "a row of the snapshot before was changed, and tells nothing", "error", err.Error())
	}
	return of
}

// told tells whether the snapshot before knows a collection.
func (r *reading) told(q Query) bool {
	b := r.before
	switch {
	case b.ID == "":
		return false
	case q.Phase == PhaseGroups:
		return slices.ContainsFunc(b.Groups, func(g Group) bool { return g.ID == q.Group && !g.Unknown })
	}
	return b.Withheld(collections[q.Phase]) == nil
}

// missingUsers finds the users that did not come. For those who did, the newest sign-in that is
// known counts, whichever snapshot knows it: none is ever taken back.
func (r *reading) missingUsers(ctx context.Context, activity bool) (missing []absent, err error) {
	now := newMerged(r.store.Rows(ctx, r.ID, Range{Partition: readUsers}))
	defer now.stop()
	var newer []Row
	put := func(least int) error {
		if len(newer) < least {
			return nil
		}
		rows := newer
		newer = nil
		return r.store.Put(ctx, r.ID, readUsers, rows)
	}
	for row, err := range r.store.Rows(ctx, r.before.ID, r.past(ctx, Range{Partition: readUsers})) {
		if err != nil {
			return nil, err
		}
		came := false
		err = now.of(row.Key, func(here Row) error {
			came = true
			if !activity {
				return nil
			}
			changed, ok, err := carried(row, here)
			if ok {
				newer = append(newer, changed)
			}
			return err
		})
		if err == nil {
			err = put(atOnce)
		}
		if err != nil {
			return nil, err
		}
		if !came {
			missing = append(missing, absent{ID: row.Key})
		}
	}
	return missing, put(1)
}

// carried gives a user's row the sign-ins that only the snapshot before knows, and tells whether
// there are any.
func carried(before, here Row) (Row, bool, error) {
	var old, u userRead
	for _, part := range []struct {
		Row
		into *userRead
	}{{before, &old}, {here, &u}} {
		if err := json.Unmarshal(part.Doc, part.into); err != nil {
			return here, false, fmt.Errorf("read user %s of the snapshot: %w", part.Key, err)
		}
	}
	newest := newestOf(newestOf(old.Activity, old.Earlier), u.Activity)
	if newest == u.Activity {
		return here, false, nil
	}
	if u.Blank > 0 { // what this user did since is on no record: nobody can say
		u.Earlier = newest
	} else {
		u.Activity = newest
	}
	return document(here.Key, u), true, nil
}

// newestOf is the later of each time.
func newestOf(a, b Activity) Activity {
	if a.LastSuccessful.After(b.LastSuccessful) {
		b.LastSuccessful = a.LastSuccessful
	}
	if a.LastInteractive.After(b.LastInteractive) {
		b.LastInteractive = a.LastInteractive
	}
	if a.LastNonInteractive.After(b.LastNonInteractive) {
		b.LastNonInteractive = a.LastNonInteractive
	}
	return b
}

// missingMembers finds the members of a group that did not come.
func (r *reading) missingMembers(ctx context.Context, group string) (missing []absent, err error) {
	members := Range{Partition: readMembers, From: group + "_", Below: group + "`", KeysOnly: true}
	for row, err := range r.store.Rows(ctx, r.before.ID, r.past(ctx, members)) {
		if err != nil {
			return nil, err
		}
		id := userID(row.Key)
		if _, ok := r.memory.met[shortHash(id)]; !ok {
			missing = append(missing, absent{ID: id})
		}
	}
	return missing, nil
}

// missingCredentials finds the credentials that did not come, by the object that held them.
func (r *reading) missingCredentials(ctx context.Context, origin Origin) (missing []absent, err error) {
	here := make(map[string][]string) // ids of credentials by the holder's key
	for h, err := range r.holdersOf(ctx, r.ID, Range{Partition: readHolders}, origin) {
		if err != nil {
			return nil, err
		}
		here[h.key()] = h.keyIDs()
	}
	for h, err := range r.holdersOf(ctx, r.before.ID, r.past(ctx, Range{Partition: readHolders}), origin) {
		if err != nil {
			return nil, err
		}
		lost := slices.DeleteFunc(h.keyIDs(), func(id string) bool { return slices.Contains(here[h.key()], id) })
		if len(lost) > 0 {
			missing = append(missing, absent{ID: h.ID, Keys: lost})
		}
	}
	return missing, nil
}

// holdersOf reads the holders of one origin that a snapshot keeps.
func (r *reading) holdersOf(ctx context.Context, id string, of Range, origin Origin) func(yield func(Holder, error) bool) {
	return func(yield func(Holder, error) bool) {
		for row, err := range r.store.Rows(ctx, id, of) {
			var h Holder
			if err == nil {
				if err = json.Unmarshal(row.Doc, &h); err != nil {
					err = fmt.Errorf("read holder %s of the snapshot: %w", row.Key, err)
				}
			}
			if err == nil && h.Origin != origin {
				continue
			}
			if !yield(h, err) || err != nil {
				return
			}
		}
	}
}

func (h Holder) key() string { return h.AppID + "_" + string(h.Origin) + "_" + h.ID }

func (h Holder) keyIDs() []string {
	var out []string
	for _, e := range slices.Concat(h.Secrets, h.Keys) {
		out = append(out, e.KeyID)
	}
	return out
}

// found tells how many of the absent are there by another answer of Graph, and names one.
func found(p Phase, some []absent, items [][]byte) (n int64, example string, err error) {
	there := make(map[string][]byte)
	for _, raw := range items {
		there[strings.ToLower(gjson.GetBytes(raw, "id").Str)] = raw
	}
	for _, a := range some {
		raw, ok := there[strings.ToLower(a.ID)]
		if ok && len(a.Keys) > 0 {
			origin := OnApplication
			if p == PhasePrincipals {
				origin = OnServicePrincipal
			}
			h, err := ParseHolder(origin, raw)
			if err != nil {
				return 0, "", &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read " + string(p) + " from Graph",
					Err: err, Remedy: "the next run tries again"}
			}
			ok = slices.ContainsFunc(a.Keys, func(id string) bool { return slices.Contains(h.keyIDs(), id) })
		}
		if ok {
			n, example = n+1, a.ID
		}
	}
	return n, example, nil
}

// carryUse keeps the uses that only the snapshot before knows: none is ever taken back, and without
// it a credential would pass for unused.
func (r *reading) carryUse(ctx context.Context, p Phase) error {
	partition := readUse
	if p == PhaseAppUse {
		partition = readAppUse
	}
	if r.before.ID == "" {
		return nil
	}
	uses := func(id string, of Range, yield func(Row, useRead) error) error {
		for row, err := range r.store.Rows(ctx, id, of) {
			var u useRead
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
	here := make(map[string]useRead)
	if err := uses(r.ID, Range{Partition: partition}, func(row Row, u useRead) error { here[row.Key] = u; return nil }); err != nil {
		return err
	}
	var newer []Row
	err := uses(r.before.ID, r.past(ctx, Range{Partition: partition}), func(row Row, u useRead) error {
		if u.Last.After(here[row.Key].Last) {
			newer = append(newer, Row{Key: row.Key, Doc: row.Doc})
		}
		return nil
	})
	if errors.Is(err, ErrNoSnapshot) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.store.Put(ctx, r.ID, partition, newer)
}
