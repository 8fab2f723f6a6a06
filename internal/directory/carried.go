package directory

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/entra"
)

// Carried is something that the tenant disclosed to an older snapshot and refuses to this one, and
// for which the older one stands in for a while. Of users, applications and servicePrincipals,
// answers are given from the older one; of all else, what it knew is copied.
type Carried struct {
	What     string // as in Undisclosed
	Snapshot string // the older one's id; empty: nothing stands in
	AsOf     time.Time
	Code     entra.Code // why it is refused
	Message  string
	// Missed says that it did not come, and was not refused.
	Missed bool `json:",omitempty"`
}

// WhyCarried tells for what an older snapshot stands in; nil where none does.
func (s Snapshot) WhyCarried(what string) *Carried {
	for i, c := range s.Carried {
		if c.What == what {
			return &s.Carried[i]
		}
	}
	return nil
}

// WhyLost tells why something is lost that was disclosed once; nil where it is not.
func (s Snapshot) WhyLost(what string) *Carried {
	for i, c := range s.Lost {
		if c.What == what {
			return &s.Lost[i]
		}
	}
	return nil
}

// Lacks tells whether a snapshot could not read something.
func (s Snapshot) Lacks(what string) bool {
	return s.WhyUndisclosed(what) != nil || s.WhyCarried(what) != nil
}

// What answers need to have been read. Either is answered from one snapshot.
var (
	usersRead       = []string{"users"}
	credentialsRead = []string{"applications", "servicePrincipals"}
)

// ReadTogether is what an answer needs beside something; nil where answers are not given from an
// older snapshot for its sake.
func ReadTogether(what string) []string {
	for _, of := range [][]string{usersRead, credentialsRead} {
		if slices.Contains(of, what) {
			return of
		}
	}
	return nil
}

// read is what the answers of a kind need.
func read[T timeline.User | timeline.Credential]() []string {
	if _, is := any(*new(T)).(timeline.User); is {
		return usersRead
	}
	return credentialsRead
}

// carried is what of some an older snapshot stands in for, the oldest first.
func (s Snapshot) carried(of []string) (out []Carried) {
	for _, c := range s.Carried {
		if slices.Contains(of, c.What) {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b Carried) int { return a.AsOf.Compare(b.AsOf) })
	return out
}

// answering is the number of the snapshot that gives the answers of a kind while this one is
// current.
func (s Snapshot) answering(of []string) int {
	if carried := s.carried(of); len(carried) > 0 {
		return int(carried[0].AsOf.Unix())
	}
	return s.Number()
}

// idOf is the id of the snapshot that has a number.
func idOf(number int) string { return time.Unix(int64(number), 0).UTC().Format("20060102T150405Z") }

// Withheld is what the tenant does not disclose, for those who are answered from a snapshot: what
// was not read, and that for which an older snapshot stands in.
func (s Snapshot) Withheld() []Undisclosed {
	out := slices.Clone(s.Undisclosed)
	for _, c := range slices.Concat(s.Carried, s.standsIn) {
		if s.WhyUndisclosed(c.What) != nil {
			continue
		}
		out = append(out, Undisclosed{What: c.What, Code: c.Code,
			Message: "what is answered is as of " + c.AsOf.UTC().Format(time.RFC3339) + ": " + c.Message})
	}
	return out
}

// currentOf is the snapshot that gives the answers of a kind at present: the newest whole one, or
// the older one that stands in for it.
func (rd *Reader) currentOf(ctx context.Context, of []string) (Snapshot, error) {
	current, err := rd.Current(ctx)
	if err != nil {
		return current, err
	}
	carried := current.carried(of)
	if len(carried) == 0 {
		return current, nil
	}
	snap, err := rd.byID(ctx, carried[0].Snapshot)
	if errors.Is(err, ErrNoSnapshot) || err == nil && snap.Stage != Whole { // somebody deleted it
		return current, refused(carried[0].Code, carried[0].Message)
	}
	if err != nil {
		return snap, err
	}
	snap, err = rd.standingIn(ctx, snap, current.ID)
	snap.only = true
	return snap, err
}

// refused is the error of an answer for which something was not disclosed.
func refused(code entra.Code, message string) error {
	return &entra.Error{Code: code, Doing: "answer from the directory's snapshot", Why: message,
		Remedy: "then take a new one with POST /api/snapshot"}
}

// discloses is an error where a snapshot lacks something of what an answer needs.
func (s Snapshot) discloses(of []string) error {
	for _, what := range of {
		if w := s.WhyUndisclosed(what); w != nil {
			return refused(w.Code, w.Message)
		}
	}
	return nil
}

// standingIn is a snapshot with what it stands in for while another is current; empty: for nothing.
func (rd *Reader) standingIn(ctx context.Context, snap Snapshot, current string) (Snapshot, error) {
	if current == "" {
		return snap, nil
	}
	newer, err := rd.byID(ctx, current)
	if errors.Is(err, ErrNoSnapshot) {
		return snap, nil
	}
	snap.current = current
	snap.standsIn = slices.DeleteFunc(slices.Clone(newer.Carried), func(c Carried) bool {
		of := ReadTogether(c.What)
		return of == nil || newer.carried(of)[0].Snapshot != snap.ID
	})
	return snap, err
}
