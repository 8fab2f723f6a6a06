package snapshots

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/directory/timeline"
)

// decidedUser is a user, and what the rules make of it.
type decidedUser struct {
	rules.User
	evidence rules.Evidence
	decision rules.Decision
	groups   []string // of those that are read, ids of the ones that it is a member of
	doubtful []string // ids of those of which nothing confirms that all members came
}

func (u decidedUser) seen() timeline.UserSeen {
	seen := directory.SeenUser(u.User, u.decision, u.groups)
	seen.Doubtful = u.doubtful
	return seen
}

// rangeOf is how a partition of a snapshot is read.
type rangeOf func(directory.Range) directory.Range

func asItIs(of directory.Range) directory.Range { return of }

// decidedUsers applies the rules to the users that a snapshot read, in the order of their ids.
func (r *reading) decidedUsers(
	ctx context.Context, snap directory.Snapshot, read rangeOf,
) iter.Seq2[keyed[decidedUser], error] {
	return func(yield func(keyed[decidedUser], error) bool) {
		rows := func(of directory.Range) iter.Seq2[directory.Row, error] {
			return r.maker.store.Rows(ctx, snap.ID, read(of))
		}
		successes := newMerged(rows(directory.Range{Partition: directory.ReadSuccesses}))
		defer successes.stop()
		archived := newArchivedTimes(snap, rows)
		defer archived.stop()
		groups := newMembers(snap, rows)
		defer groups.stop()
		for row, err := range rows(directory.Range{Partition: directory.ReadUsers}) {
			one := keyed[decidedUser]{key: row.Key}
			if err == nil {
				one.of, err = decideUser(snap, row, successes, archived, groups)
			}
			if !yield(one, err) || err != nil {
				return
			}
		}
	}
}

func decideUser(
	snap directory.Snapshot, row directory.Row, successes *merged, archived *archivedTimes, groups *members,
) (out decidedUser, err error) {
	var u directory.UserRead
	if err := json.Unmarshal(row.Doc, &u); err != nil {
		return out, fmt.Errorf("read user %s of the snapshot: %w", row.Key, err)
	}
	out.User = u.User
	seen, err := archived.of(row.Key)
	if err != nil {
		return out, err
	}
	err = successes.of(row.Key, func(s directory.Row) error {
		at, err := time.Parse(directory.KeyTime, string(s.Doc))
		if err == nil && at.After(seen[directory.TellsSuccesses]) {
			seen[directory.TellsSuccesses] = at
		}
		return err
	})
	if err != nil {
		return out, err
	}
	out.evidence = snap.Evidence(u, seen)
	out.decision = rules.Decide(out.User, out.evidence)
	out.groups, err = groups.of(row.Key)
	out.doubtful = groups.doubtful
	return out, err
}

// members walks through the members of all groups that a snapshot read, beside its users.
type members struct {
	groups   []string
	walks    []*merged
	doubtful []string // groups of which nothing confirms that all members came
}

func newMembers(snap directory.Snapshot, rows func(directory.Range) iter.Seq2[directory.Row, error]) *members {
	m := &members{}
	for _, g := range snap.Groups {
		if g.Unknown {
			continue
		}
		of := directory.Under(directory.ReadMembers, g.ID)
		of.KeysOnly = true
		m.groups = append(m.groups, g.ID)
		if snap.WhyUndisclosed("all members of group "+g.ID) != nil {
			m.doubtful = append(m.doubtful, g.ID)
		}
		m.walks = append(m.walks, newMerged(byUser(rows(of))))
	}
	return m
}

// byUser gives the members of a group the user's id as their key.
func byUser(rows iter.Seq2[directory.Row, error]) iter.Seq2[directory.Row, error] {
	return func(yield func(directory.Row, error) bool) {
		for row, err := range rows {
			row.Key = directory.UserIDOf(row.Key)
			if !yield(row, err) {
				return
			}
		}
	}
}

// of are the groups of a user. Users have to come in order.
func (m *members) of(user string) (groups []string, err error) {
	for i, walk := range m.walks {
		err := walk.of(user, func(directory.Row) error {
			groups = append(groups, m.groups[i])
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return groups, nil
}

func (m *members) stop() {
	for _, walk := range m.walks {
		walk.stop()
	}
}

// userLines are the timelines of users up to the snapshot before, in the order of their ids.
func (r *reading) userLines(ctx context.Context) iter.Seq2[keyed[timeline.User], error] {
	switch {
	case r.kept.on == nil:
		return func(func(keyed[timeline.User], error) bool) {}
	case r.kept.made:
		return linesOf[timeline.User](ctx, r, directory.UserTimelines)
	}
	return func(yield func(keyed[timeline.User], error) bool) {
		read := func(of directory.Range) directory.Range { return r.past(ctx, r.before, of) }
		for u, err := range r.decidedUsers(ctx, r.before, read) {
			if errors.Is(err, directory.ErrNoSnapshot) {
				return // it was deleted by hand, and tells nothing
			}
			one := keyed[timeline.User]{key: u.key}
			if err == nil {
				seen := u.of.seen()
				one.of, err = one.of.Next(r.kept.on, &seen)
			}
			if !yield(one, err) || err != nil {
				return
			}
		}
	}
}

func (r *reading) decideUsers(ctx context.Context) error {
	out := r.batches(directory.KnownUsers, directory.UnknownUsers, directory.UserTimelines)
	lines := packs{out: out, partition: directory.UserTimelines}
	counts, mayBeThere := make(directory.AgeCounts), r.mayBeThere("users")
	blind := r.snap.Lacks("users") // nothing can be said of any, also of those on pages before the refusal
	licences, err := directory.LicenceNames(ctx, r.maker.store, r.snap, asItIs)
	if err != nil {
		return err
	}
	err = sideBySide(r.userLines(ctx), r.decidedUsers(ctx, r.snap, asItIs),
		func(id string, before *timeline.User, u *decidedUser) error {
			if blind && before == nil {
				return nil
			}
			if u == nil || blind {
				now, ok := unseen[timeline.User, timeline.UserSeen](ctx, r, id, mayBeThere, *before)
				if !ok {
					return nil
				}
				return lines.add(ctx, id, now)
			}
			seen := u.seen()
			now, err := goOn(ctx, r, id, before, &seen)
			if err != nil {
				return err
			}
			counts.Add(u.User, u.decision, r.snap.AsOf)
			partition, row := directory.StoredUser(u.User, u.decision, u.evidence, r.snap.AsOf, licences)
			if err := out.add(ctx, partition, row.WithTimeline(now)); err != nil {
				return err
			}
			return lines.add(ctx, id, now)
		})
	if err != nil {
		return err
	}
	if err := lines.flush(ctx); err != nil {
		return err
	}
	if err := out.done(ctx); err != nil {
		return err
	}
	return r.maker.store.Put(ctx, r.snap.ID, directory.Summaries, []directory.Row{directory.CountsOfUsers(counts)})
}
