package directory

import (
	"context"
	"time"
)

// UserCount is how many users a snapshot counted.
type UserCount struct {
	ID    string // of the snapshot
	AsOf  time.Time
	Users int64
	// By kind, where the snapshot's rows are still kept; nil else.
	Kinds *UserKinds
	// Doubt says why there may be others; empty: nothing does.
	Doubt string
}

// UserKinds are counts of a snapshot's users.
type UserKinds struct{ Members, Guests, Enabled, Licensed int64 }

// mostCounted bounds how many snapshots are looked at: one a night for more than two years.
const mostCounted = 800

// UserCounts are the counts of the snapshots of [from, to), the newest first. Where there is none,
// why says so in a sentence. A snapshot that could not read the users is left out: it counted none.
func (rd *Reader) UserCounts(ctx context.Context, from, to time.Time) (counts []UserCount, why string, err error) {
	all, err := rd.store.Snapshots(ctx, mostCounted)
	if err != nil {
		return nil, "", err
	}
	var first, last time.Time
	why = "there is no snapshot of the directory yet"
	for _, s := range all {
		if s.Finished.IsZero() {
			continue
		}
		if s.Lacks(usersRead[0]) {
			why = "the snapshot of " + text(s.AsOf) + " could not read the users"
			continue
		}
		if first = s.AsOf; last.IsZero() {
			last = s.AsOf
		}
		if s.AsOf.Before(from) || !s.AsOf.Before(to) {
			continue
		}
		c := UserCount{ID: s.ID, AsOf: s.AsOf, Users: s.Users}
		if s.Stage == Whole {
			if err := rd.countKinds(ctx, s, &c); err != nil {
				return nil, "", rd.gone(s, err)
			}
		} else {
			c.Doubt = "its rows are no longer kept: a user that moved between pages while it was read may count twice"
		}
		if unsure := s.WhyUndisclosed("all users"); unsure != nil {
			c.Doubt = unsure.Message
		}
		counts = append(counts, c)
	}
	if !last.IsZero() {
		why = "no snapshot of the directory is of that time: the first is of " + text(first) + ", the last of " +
			text(last)
	}
	return counts, why, nil
}

// countKinds counts the rows of a snapshot, in which each user stands once.
func (rd *Reader) countKinds(ctx context.Context, s Snapshot, c *UserCount) error {
	ages, err := rd.ageCounts(ctx, s)
	if err != nil {
		return err
	}
	c.Users, c.Kinds = 0, &UserKinds{}
	for _, a := range ages {
		c.Users += a.Users
		if a.Guest {
			c.Kinds.Guests += a.Users
		} else {
			c.Kinds.Members += a.Users
		}
		if a.Enabled {
			c.Kinds.Enabled += a.Users
		}
		if a.Licensed {
			c.Kinds.Licensed += a.Users
		}
	}
	return nil
}
