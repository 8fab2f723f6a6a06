package timeline

import (
	"slices"
	"strings"
	"time"
)

// The definition, in words: an item enters a question's answer with the first snapshot of the
// unbroken run up to now in which it is in the answer. What is unknown neither begins nor breaks a
// run. Here it is computed from all that every snapshot said, with nothing of the product.

type truth int

const (
	no truth = iota
	unknown
	yes
)

func truthOf(is bool) truth {
	if is {
		return yes
	}
	return no
}

func wished(want *bool, is bool) truth { return truthOf(want == nil || *want == is) }

// all is false if one is, else unknown if one is, else true.
func all(parts []truth) truth { return slices.Min(append(parts, yes)) }

// look is what one snapshot says of one item; nothing of what it says counts unless here is yes.
type look[T any] struct {
	here truth
	seen T
}

// oneTaken is a snapshot as it was taken.
type oneTaken struct {
	Snapshot
	// Whether what did not come is absent; unknown: nothing confirms it, no: nothing could be read.
	users, credentials truth
}

// userIn judges at the time of the snapshot, whenever it is asked.
func userIn(q UserQuestion, at oneTaken, _ time.Time, l look[UserSeen]) truth {
	if l.here != yes {
		return l.here
	}
	u := l.seen
	var parts []truth
	known := func(t truth) truth {
		if !u.Known {
			return unknown
		}
		return t
	}
	if q.Days > 0 {
		cutoff := at.AsOf.Add(-time.Duration(q.Days) * 24 * time.Hour)
		parts = append(parts, known(truthOf(u.Since.Before(cutoff))), truthOf(!at.AsOf.Before(u.GraceUntil)))
	}
	parts = append(parts, wished(q.Guest, u.Guest), wished(q.Enabled, u.Enabled), wished(q.Licensed, u.Licensed),
		wished(q.Synced, u.Synced))
	if q.Never != nil {
		parts = append(parts, known(truthOf(*q.Never == u.Never)))
	}
	if t := q.Texts; t != nil {
		is := func(asked, text string) {
			parts = append(parts, truthOf(asked == "" || strings.EqualFold(asked, text)))
		}
		is(t.Department, u.Texts.Department)
		is(t.Domain, u.Texts.Domain)
		is(t.ExternalState, u.Texts.ExternalState)
	}
	for _, name := range q.Names {
		parts = append(parts, truthOf(!strings.EqualFold(name, u.Name)))
	}
	for _, g := range q.Groups {
		switch {
		case !slices.Contains(at.Groups, g):
			parts = append(parts, unknown)
		default:
			parts = append(parts, truthOf(!slices.Contains(u.Groups, g)))
		}
	}
	return all(parts)
}

func credentialIn(q CredentialQuestion, _ oneTaken, now time.Time, l look[CredentialSeen]) truth {
	if l.here != yes {
		return l.here
	}
	c := l.seen
	var parts []truth
	parts = append(parts, wished(q.Secret, c.Secret), wished(q.Application, c.Application),
		wished(q.SelfRotating, c.SelfRotating), wished(q.Successor, c.HasSuccessor), wished(q.Ownerless, c.NoOwner))
	parts = append(parts, truthOf(q.Microsoft.Asks(c.Microsoft, c.RenewedByMicrosoft)))
	if q.Owner != "" {
		owns := func(o string) bool { return strings.EqualFold(o, q.Owner) }
		parts = append(parts, truthOf(slices.ContainsFunc(c.Owners, owns)))
	}
	for _, o := range q.Objects {
		parts = append(parts, truthOf(!strings.EqualFold(o, c.Object)))
	}
	if q.Expired || q.Expiring || q.Unused {
		parts = append(parts, stateIn(q, now, c))
	}
	return all(parts)
}

// stateIn judges a credential in the order in which its states are judged: the first that fits.
func stateIn(q CredentialQuestion, now time.Time, c CredentialSeen) truth {
	switch {
	case !c.End.IsZero() && !c.End.After(now):
		return truthOf(q.Expired)
	case !c.End.IsZero() && !c.End.After(now.Add(q.Within)):
		return truthOf(q.Expiring)
	case c.Start.After(now):
		return no // valid
	case !q.Unused:
		return no // unused or valid
	case !c.Used:
		return unknown
	}
	return truthOf(c.Idle.Before(now.Add(-q.UnusedFor)))
}

// enteredAt is the index of the first snapshot of the run up to the index n, of those since one
// that is no later; ok is false where the item is not in the answer on it.
func enteredAt(in []truth, since, n int) (entered int, ok bool) {
	if in[n] != yes {
		return 0, false
	}
	begin := n
	for begin >= since && in[begin] != no {
		begin--
	}
	for entered = begin + 1; in[entered] != yes; {
		entered++
	}
	return entered, true
}
