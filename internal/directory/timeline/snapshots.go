package timeline

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"
)

// Horizon is for how long a cursor is accepted, and so for how long a timeline remembers.
const Horizon = 400 * day

// day is a day in hours: the rules count whole days, not dates.
const day = 24 * time.Hour

// Snapshot is what the evaluation needs of one whole snapshot of the directory.
type Snapshot struct {
	Number int       // 1 or more, rising with AsOf; those between two of them are none
	AsOf   time.Time // the tenant's clock at its begin; later than that of the number before
	Groups []string  // ids of the groups whose members it could read
}

// Snapshots are those for which timelines were kept without a break, the oldest first. States are
// judged at the newest. The value is read only, so many may share it.
type Snapshots struct {
	list    []seen // without those that Trim leaves out
	oldest  int    // index of the oldest one that is no older than Horizon
	anchors []int  // numbers, ascending, at which a timeline may be cut
}

// seen is a Snapshot, ready to be evaluated.
type seen struct {
	number int
	asOf   ticks
	groups []string // folded, sorted
}

// NewSnapshots checks a list, which may lack numbers: a snapshot that is not on it never was. It is
// an error where numbers or times do not rise, or there is none. It need not be trimmed.
func NewSnapshots(list []Snapshot) (*Snapshots, error) { return newSnapshots(list, Horizon) }

func newSnapshots(list []Snapshot, horizon time.Duration) (*Snapshots, error) {
	if len(list) == 0 {
		return nil, errors.New("list the snapshots: there is none")
	}
	list = trim(list, horizon)
	s := &Snapshots{list: make([]seen, len(list))}
	for i, snap := range list {
		s.list[i] = seen{snap.Number, ticksOf(snap.AsOf), folded(snap.Groups)}
		if snap.Number < 1 || i > 0 && (snap.Number <= list[i-1].Number || s.list[i].asOf <= s.list[i-1].asOf) {
			return nil, fmt.Errorf("list the snapshots: number %d of %s is not later than the one before",
				snap.Number, snap.AsOf.Format(time.RFC3339))
		}
	}
	s.oldest = s.indexBy(s.last().asOf-ticks(horizon/tick)-1) + 1
	s.anchors = s.findAnchors()
	return s, nil
}

// Trim leaves out of a list, the oldest first, what need not be stored with the newest snapshot any
// more: what is older than that by more than twice Horizon. It is as if that had never been. So an
// item of which nobody could say in any of the snapshots of a whole Horizon whether it answers a
// question, and which no accepted cursor can have told of, enters anew once it is known again.
func Trim(list []Snapshot) []Snapshot { return trim(list, Horizon) }

func trim(list []Snapshot, horizon time.Duration) []Snapshot {
	if len(list) == 0 {
		return nil
	}
	since := ticksOf(list[len(list)-1].AsOf) - 2*ticks(horizon/tick)
	first := slices.IndexFunc(list, func(s Snapshot) bool { return ticksOf(s.AsOf) >= since })
	return slices.Clone(list[first:])
}

// findAnchors finds the snapshots up to the oldest that could read every group that any one after
// that could. Before such a one nothing is needed of an item that was known at it: any question
// that can be asked had an answer about it there, and no cursor is older.
func (s *Snapshots) findAnchors() (numbers []int) {
	needed := make(map[string]bool)
	for _, snap := range s.list[s.oldest+1:] {
		for _, g := range snap.groups {
			needed[g] = true
		}
	}
	for _, snap := range s.list[:s.oldest+1] {
		has := 0
		for _, g := range snap.groups {
			if needed[g] {
				has++
			}
		}
		if has == len(needed) {
			numbers = append(numbers, snap.number)
		}
	}
	return numbers
}

// Newest is the number of the newest snapshot.
func (s *Snapshots) Newest() int { return s.last().number }

// Oldest is the number of the oldest snapshot whose cursors are accepted: no older than Horizon.
func (s *Snapshots) Oldest() int { return s.list[s.oldest].number }

// Before is the number of the snapshot before the one of a number; 0 without one.
func (s *Snapshots) Before(n int) int {
	if i := s.index(n); i > 0 {
		return s.list[i-1].number
	}
	return 0
}

func (s *Snapshots) last() seen { return s.list[len(s.list)-1] }

// index is that of the first snapshot whose number is n or greater; len(s.list) without one.
func (s *Snapshots) index(n int) int {
	return sort.Search(len(s.list), func(i int) bool { return s.list[i].number >= n })
}

// indexBy is that of the last snapshot whose time is t or earlier; -1 without one.
func (s *Snapshots) indexBy(t ticks) int {
	return sort.Search(len(s.list), func(i int) bool { return s.list[i].asOf > t }) - 1
}

// numberBy is the last snapshot whose time is t or earlier; 0 without one.
func (s *Snapshots) numberBy(t ticks) int {
	if i := s.indexBy(t); i >= 0 {
		return s.list[i].number
	}
	return 0
}

// next is the first snapshot whose number is n or greater; 0 without one.
func (s *Snapshots) next(n int) int {
	if i := s.index(n); i < len(s.list) {
		return s.list[i].number
	}
	return 0
}

// before is the last snapshot whose number is less than n; 0 without one.
func (s *Snapshots) before(n int) int {
	if i := s.index(n); i > 0 {
		return s.list[i-1].number
	}
	return 0
}

// nextAt is the first snapshot whose time is t or later; 0 without one.
func (s *Snapshots) nextAt(t ticks) int {
	if i := s.indexBy(t - 1); i+1 < len(s.list) {
		return s.list[i+1].number
	}
	return 0
}

// asOf is the time of the first snapshot whose number is n or greater, which there must be.
func (s *Snapshots) asOf(n int) ticks { return s.list[s.index(n)].asOf }

// reads tells whether the snapshot of an index could read all of some groups.
func (s *Snapshots) reads(i int, groups []string) bool {
	return !slices.ContainsFunc(groups, func(g string) bool {
		_, ok := slices.BinarySearch(s.list[i].groups, g)
		return !ok
	})
}

// lastReading is the last snapshot up to a number that could read the members of a group; 0 without
// one.
func (s *Snapshots) lastReading(group string, n int) int {
	for i := s.index(n+1) - 1; i >= 0; i-- {
		if s.reads(i, []string{group}) {
			return s.list[i].number
		}
	}
	return 0
}

// ticks is a time in units of 100 ns since 1970, the resolution in which the archive keeps time.
type ticks int64

const (
	tick      = 100 * time.Nanosecond
	perSecond = ticks(time.Second / tick)
	perDay    = ticks(day / tick)
)

// time is the one that ticksOf gave it for.
func (t ticks) time() time.Time {
	return time.Unix(int64(t/perSecond), int64(t%perSecond)*int64(tick)).UTC()
}

func ticksOf(t time.Time) ticks { return ticks(t.Unix())*perSecond + ticks(t.Nanosecond())/ticks(tick) }
