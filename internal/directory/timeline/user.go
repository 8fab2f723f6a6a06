package timeline

import (
	"slices"
	"time"
)

// The attributes of a user.
const (
	guest attribute = iota
	enabled
	licensed
	synced
	neverSignedIn
	inGrace // not inactive, whatever the days; a version before kept none
)

// User is a user's timeline. The zero value is that of a user who was not there. A value is not
// changed once it is made.
type User struct {
	item item
	ages []age // of activity, as known
}

// age is a stretch of snapshots in which the last sign of life was the same. Only those are kept
// that can matter: each is younger, at its first snapshot, than every later one at its own.
type age struct {
	first int
	since ticks
	last  int // the last snapshot at which it was known; 0: it still is the newest
}

// UserSeen is what a snapshot says of a user.
type UserSeen struct {
	Guest, Enabled, Licensed, Synced bool

	Name   string   // user principal name
	Groups []string // ids of the groups that the user is a member of, of those that the snapshot could read
	// Doubtful are ids of groups of which nothing confirms that all members came: who was a member
	// may still be one.
	Doubtful []string

	Texts UserTexts

	Known bool      // activity is disclosed
	Since time.Time // the last sign of life
	Never bool      // no successful sign-in is known of

	// GraceUntil is until when the user counts as active, whatever is known of activity; zero:
	// there is no grace.
	GraceUntil time.Time
}

// Next is the timeline with what the newest snapshot says of the user; nil where it says nothing:
// the user did not come, and nothing confirms that all came, or users could not be read at all. One
// that is known to be absent has no timeline: what comes back begins anew. It is an error where the
// timeline is not of an earlier snapshot.
func (u User) Next(on *Snapshots, s *UserSeen) (User, error) {
	bright := u.item.lastBright()
	seen, err := u.item.advance(on, s != nil)
	if err != nil {
		return u, err
	}
	if s != nil {
		u.take(on, *s, seen, bright)
	}
	if at := u.item.cutAt(on); at > 0 {
		u.cut(at)
	}
	return u, nil
}

// take takes in a user who was seen. seen and bright are the last snapshots before at which the
// user was, and at which activity was known.
func (u *User) take(on *Snapshots, s UserSeen, seen, bright int) {
	u.item.set(guest, s.Guest, seen)
	u.item.set(enabled, s.Enabled, seen)
	u.item.set(licensed, s.Licensed, seen)
	u.item.set(synced, s.Synced, seen)
	u.item.set(inGrace, !s.GraceUntil.IsZero() && ticksOf(s.GraceUntil) > on.last().asOf, seen)
	marks := []string{hashOf(s.Name)}
	for _, g := range folded(s.Groups) {
		if _, known := slices.BinarySearch(on.last().groups, g); known {
			marks = append(marks, hashOf(g))
		}
	}
	for _, g := range folded(s.Doubtful) {
		if last := on.lastReading(g, seen); last > 0 && u.item.lastCarried(hashOf(g)) >= last {
			marks = append(marks, hashOf(g))
		}
	}
	texts, lost := u.item.texts(s.Texts)
	u.item.carry(append(marks, texts...))
	for _, m := range lost {
		u.item.marks = put(u.item.marks, m)
	}
	u.item.light(s.Known, bright)
	if s.Known {
		u.item.set(neverSignedIn, s.Never, seen)
		u.grow(on, ticksOf(s.Since), bright)
	}
}

// grow takes in the last sign of life, and leaves out what no longer matters. bright is as in take.
func (u *User) grow(on *Snapshots, since ticks, bright int) {
	newest := len(u.ages) - 1
	if newest >= 0 && u.ages[newest].since == since {
		return
	}
	all := slices.Clone(u.ages)
	if newest >= 0 {
		all[newest].last = bright
	}
	all = append(all, age{first: u.item.At, since: since})
	u.ages = nil
	least := maxDays + 1
	for _, a := range slices.Backward(all) {
		if days := a.days(on); days < least {
			u.ages, least = append(u.ages, a), days
		}
	}
	slices.Reverse(u.ages)
}

// days is the least number of days for which the user was not inactive at the first snapshot.
// Nobody asks for less than one.
func (a age) days(on *Snapshots) int {
	old := on.asOf(a.first) - a.since
	return int(min(max((old+perDay-1)/perDay, 1), maxDays))
}

// Forgotten tells that the user has not been seen in any snapshot of which a cursor is accepted,
// nor is known to be absent. The timeline may be dropped; if the user is seen again, that one is
// new.
func (u User) Forgotten(on *Snapshots) bool { return u.item.forgotten(on) }

func (u *User) cut(at int) {
	u.item.cut(at)
	bright := u.item.lastBright()
	u.ages = without(u.ages, func(a age) bool {
		return a.last > 0 && a.last < at || a.last == 0 && bright < at
	})
	for i := range u.ages {
		u.ages[i].first = max(u.ages[i].first, at)
	}
}

// lastActive is the last snapshot at which the user is known not to have been inactive for some
// days; 0 without one.
func (u User) lastActive(on *Snapshots, days int) int {
	for _, a := range slices.Backward(u.ages) {
		last := a.last
		if last == 0 {
			last = u.item.At
		}
		if n := u.item.brightBy(min(last, on.numberBy(a.since+ticks(days)*perDay))); n >= a.first {
			return n
		}
	}
	return 0
}
