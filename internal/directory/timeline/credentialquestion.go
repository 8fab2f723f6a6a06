package timeline

import (
	"slices"
	"time"
)

// CredentialQuestion asks for credentials. Filters on what never changes of one (its application,
// its key id) are the caller's.
type CredentialQuestion struct {
	Expired, Expiring, Unused                               bool // the states; none: whatever it is
	Within                                                  time.Duration
	UnusedFor                                               time.Duration // counts where Unused is asked for
	Secret, Application, SelfRotating, Successor, Ownerless *bool
	Owner                                                   string   // id or principal name of an owner
	Objects                                                 []string // ids of objects whose credentials are left out
	Fixed                                                   []string // other filters; they only tell questions apart
	// Microsoft asks for those that Microsoft renews, too, or for all on service principals of
	// Microsoft's and no others; empty: those that Microsoft renews are left out.
	Microsoft Microsoft `json:",omitempty"`
}

// Microsoft says whether credentials of Microsoft's own are asked for.
type Microsoft string

// What may be asked beside leaving them out.
const (
	WithMicrosoft Microsoft = "include"
	OnlyMicrosoft Microsoft = "only"
)

// Asks tells whether a credential is asked for that is, or is not, on a service principal of
// Microsoft's, and renewed by Microsoft alone.
func (m Microsoft) Asks(on, renewed bool) bool {
	return m == WithMicrosoft || m == OnlyMicrosoft && on || m == "" && !renewed
}

// wanted are the attributes that are asked for.
func (m Microsoft) wanted() (on, renewed *bool) {
	switch m {
	case OnlyMicrosoft:
		on = new(true)
	case "":
		renewed = new(false)
	}
	return on, renewed
}

// ID is as that of a UserQuestion.
func (q CredentialQuestion) ID() string {
	q.Owner, q.Objects, q.Fixed = fold(q.Owner), folded(q.Objects), folded(q.Fixed)
	if !q.Expiring && !q.Unused {
		q.Within = 0
	}
	if !q.Unused {
		q.UnusedFor = 0
	}
	return identity("credentials", q)
}

// On puts the question to the newest snapshot. A time out of range is an *entra.Error: UnusedFor
// may not be shorter than what timelines tell apart.
func (q CredentialQuestion) On(on *Snapshots) (Asked[Credential], error) {
	longest := maxDays * day
	switch {
	case q.Within < 0 || q.Within > longest:
		return Asked[Credential]{}, refuseDays("the time within which they end", q.Within, 0)
	case q.Unused && (q.UnusedFor < LeastUnused || q.UnusedFor > longest):
		return Asked[Credential]{}, refuseDays("the time without use", q.UnusedFor, int(LeastUnused/day))
	}
	microsoft, renewed := q.Microsoft.wanted()
	f := newFilter(on, map[attribute]*bool{
		isSecret: q.Secret, onApplication: q.Application, selfRotating: q.SelfRotating,
		hasSuccessor: q.Successor, noOwner: q.Ownerless,
		onMicrosoft: microsoft, byMicrosoft: renewed,
	}, q.Objects, nil)
	h := credentialHistory{filter: &f, states: q, within: ticks(q.Within / tick), unusedFor: ticks(q.UnusedFor / tick)}
	if q.Owner != "" {
		h.owner = hashOf(q.Owner)
	}
	look := func(c Credential) history {
		h := h
		h.of = c
		return h
	}
	return Asked[Credential]{on, look}, nil
}

type credentialHistory struct {
	filter            *filter
	states            CredentialQuestion
	within, unusedFor ticks
	owner             string // hash; empty: anybody
	of                Credential
}

func (h credentialHistory) lastFalse() int {
	n := h.lastUnfit()
	if h.anyState() {
		return n
	}
	return max(n, h.lastInOtherState())
}

// lastUnfit is the last snapshot at which a filter, other than that on the state, is known to have
// kept the credential out.
func (h credentialHistory) lastUnfit() int {
	i := &h.of.item
	n := h.filter.lastFalse(i)
	if h.owner != "" {
		at, found := slices.BinarySearchFunc(h.of.owners, mark{hash: h.owner}, mark.compare)
		if !found {
			return i.lastSeen()
		}
		n = max(n, h.of.owners[at].at)
	}
	return n
}

func (h credentialHistory) anyState() bool {
	return !h.states.Expired && !h.states.Expiring && !h.states.Unused
}

// lastInOtherState is the last snapshot at which the credential is known to have been in none of
// the states; 0 without one.
func (h credentialHistory) lastInOtherState() int {
	to := h.of.item.At
	for _, t := range slices.Backward(h.of.terms) {
		n := 0
		expiring := t.end - h.within // from then on
		if !h.states.Expired {
			n = max(n, h.lastSeen(t.first, to, t.end, endless))
		}
		if !h.states.Expiring {
			n = max(n, h.lastSeen(t.first, to, expiring, t.end))
		}
		if !h.states.Unused {
			n = max(n, h.lastSeen(t.first, to, -endless, expiring))
		} else {
			n = max(n, h.lastSeen(t.first, to, -endless, min(t.start, expiring)), h.lastUsed(t.first, to, expiring))
		}
		if n > 0 {
			return n
		}
		to = h.filter.on.before(t.first)
	}
	return 0
}

// lastSeen is the last of some snapshots at which the credential was seen and whose time is in
// [from, below); 0 without one.
func (h credentialHistory) lastSeen(first, last int, from, below ticks) int {
	on := h.filter.on
	n := h.of.item.unseen.by(min(last, on.numberBy(below-1)))
	if n >= first && on.asOf(n) >= from {
		return n
	}
	return 0
}

// lastUsed is the last of some snapshots, of those before a time, at which the credential is known
// not to have been unused; 0 without one.
func (h credentialHistory) lastUsed(first, last int, below ticks) int {
	on := h.filter.on
	last = min(last, on.numberBy(below-1))
	for _, u := range slices.Backward(h.of.uses) {
		n := h.of.item.brightBy(min(last, on.numberBy(u.idle+h.unusedFor)))
		if n >= max(first, u.first) {
			return n
		}
		last = min(last, on.before(u.first))
	}
	return 0
}

func (h credentialHistory) knownFrom(n int) int {
	for {
		n = h.filter.knownFrom(&h.of.item, n, false)
		if n == 0 || !h.states.Unused {
			return n
		}
		hidden, dark := h.of.item.dark.at(n)
		if !dark {
			return n
		}
		at, t := h.term(n)
		if h.filter.on.asOf(n) >= t.end-h.within {
			return n // whatever its use
		}
		n = first(hidden.until, h.filter.on.nextAt(t.end-h.within))
		if at+1 < len(h.of.terms) {
			n = first(n, h.of.terms[at+1].first)
		}
		if n == 0 {
			return 0
		}
	}
}

// first is the lesser of two snapshots, of which each may be none.
func first(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// term is the one that was in force at a snapshot.
func (h credentialHistory) term(n int) (int, term) {
	at := len(h.of.terms) - 1
	for at > 0 && h.of.terms[at].first > n {
		at--
	}
	return at, h.of.terms[at]
}
