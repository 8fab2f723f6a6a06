package timeline

import (
	"math"
	"slices"
	"time"
)

// The attributes of a credential.
const (
	isSecret      attribute = iota // else it is a certificate
	onApplication                  // else it is on a service principal
	selfRotating
	hasSuccessor
	noOwner
	byMicrosoft // renewed by Microsoft alone; counts where tellsTenant is set
	tellsTenant // byMicrosoft and onMicrosoft are known: a version before did not keep them
	onMicrosoft // on a service principal of Microsoft's
)

// Credential is a credential's timeline. The zero value is that of one that was not there. A value
// is not changed once it is made.
type Credential struct {
	item   item
	terms  []term
	uses   []use  // as known
	owners []mark // with the last snapshot at which the credential was seen and was not the owner's
}

// term is from when to when a credential is valid, as of a snapshot and those up to the next term.
type term struct {
	first      int
	start, end ticks // endless where it has none
}

const endless = ticks(math.MaxInt64)

// use is the last use, as of a snapshot and those up to the next one of the list. Where at each of
// them the last use that was then known was no more than keptUnused ago, it may be a later one.
type use struct {
	first int
	idle  ticks
}

// LeastUnused is the shortest time without use for which what is new can be told. The tenant's own
// report is days late, and each use that is farther from the one before has to be remembered.
const LeastUnused = 7 * day

const leastUnused = ticks(LeastUnused / tick)

// CredentialSeen is what a snapshot says of a credential.
type CredentialSeen struct {
	Secret, Application                 bool // else a certificate, else a service principal's
	SelfRotating, HasSuccessor, NoOwner bool
	TenantKnown                         bool // the two that follow are known
	Microsoft, RenewedByMicrosoft       bool // on a service principal of Microsoft's; and nobody here renews it

	Object string   // id of the object that holds it
	Owners []string // their ids and principal names
	Start  time.Time
	End    time.Time // zero: none
	// Doubt says that objects may be there that did not come, with owners of this credential, with
	// what replaces it, or with the credential itself.
	Doubt bool
	Used  bool      // the tenant's report of use is disclosed
	Idle  time.Time // the last use that is known of, or the start
}

// Next is as that of a User.
func (c Credential) Next(on *Snapshots, s *CredentialSeen) (Credential, error) {
	bright := c.item.lastBright()
	seen, err := c.item.advance(on, s != nil)
	if err != nil {
		return c, err
	}
	if s != nil {
		c.take(on, *s, seen, bright)
	}
	if at := c.item.cutAt(on); at > 0 {
		c.cut(at)
	}
	return c, nil
}

// take takes in a credential that was seen. seen and bright are the last snapshots before at which
// it was, and at which its use was known.
func (c *Credential) take(on *Snapshots, s CredentialSeen, seen, bright int) {
	marks := []string{hashOf(s.Object)}
	if s.Doubt && seen > 0 {
		marks = c.doubt(&s, seen, marks)
	}
	c.item.set(isSecret, s.Secret, seen)
	c.item.set(onApplication, s.Application, seen)
	c.item.set(selfRotating, s.SelfRotating, seen)
	c.item.set(hasSuccessor, s.HasSuccessor, seen)
	c.item.set(noOwner, s.NoOwner, seen)
	c.takeTenant(s, seen)
	c.item.carry(marks)
	c.item.light(s.Used, bright)
	c.own(s.Owners, seen, s.Doubt)

	t := term{c.item.At, ticksOf(s.Start), endless}
	if !s.End.IsZero() {
		t.end = ticksOf(s.End)
	}
	if newest := len(c.terms) - 1; newest < 0 || c.terms[newest].start != t.start || c.terms[newest].end != t.end {
		c.terms = append(slices.Clip(c.terms), t)
	}
	if s.Used {
		c.grow(on, ticksOf(s.Idle), bright)
	}
}

// doubt leaves in what a snapshot says of a credential what was known before and may only not have
// come: nothing of it ends for that.
func (c *Credential) doubt(s *CredentialSeen, seen int, marks []string) []string {
	s.HasSuccessor = s.HasSuccessor || c.item.has(hasSuccessor)
	s.NoOwner = s.NoOwner && c.item.has(noOwner)
	s.Application = s.Application || c.item.has(onApplication)
	s.SelfRotating = c.item.has(selfRotating)
	s.TenantKnown, s.Microsoft = c.item.has(tellsTenant), c.item.has(onMicrosoft)
	s.RenewedByMicrosoft = c.item.has(byMicrosoft)
	for _, m := range c.item.marks {
		if m.at >= seen {
			marks = append(marks, m.hash)
		}
	}
	return marks
}

// takeTenant takes in whether the credential is Microsoft's. An application keeps its tenant, so
// what is learned first, after an upgrade, was so all along, and is not new. seen is as in take.
func (c *Credential) takeTenant(s CredentialSeen, seen int) {
	if !s.TenantKnown {
		return
	}
	if !c.item.has(tellsTenant) {
		seen = 0
	}
	c.item.set(onMicrosoft, s.Microsoft, seen)
	c.item.set(byMicrosoft, s.RenewedByMicrosoft, seen)
	c.item.set(tellsTenant, true, 0)
}

// own takes in the owners; keep leaves those of before. seen is as in take.
func (c *Credential) own(owners []string, seen int, keep bool) {
	var now []mark
	for _, o := range folded(owners) {
		m := mark{hashOf(o), seen}
		if at, found := slices.BinarySearchFunc(c.owners, m, mark.compare); found {
			m.at = c.owners[at].at
		}
		now = put(now, m)
	}
	for _, m := range c.owners {
		if keep {
			now = put(now, m)
		}
	}
	c.owners = now
}

// grow takes in the last use. bright is as in take.
func (c *Credential) grow(on *Snapshots, idle ticks, bright int) {
	newest := len(c.uses) - 1
	if newest >= 0 && c.uses[newest].idle == idle {
		return
	}
	if newest >= 0 && on.asOf(bright)-min(idle, c.uses[newest].idle) <= keptUnused {
		c.uses = slices.Clone(c.uses)
		c.uses[newest].idle = idle
		return
	}
	c.uses = append(slices.Clip(c.uses), use{c.item.At, idle})
}

// OnPrincipal tells whether the credential is on a service principal alone, as far as is known.
func (c Credential) OnPrincipal() bool { return !c.item.has(onApplication) }

// Forgotten is as that of a User.
func (c Credential) Forgotten(on *Snapshots) bool { return c.item.forgotten(on) }

func (c *Credential) cut(at int) {
	c.item.cut(at)
	c.owners = slices.Clone(c.owners)
	for i := range c.owners {
		if c.owners[i].at < at {
			c.owners[i].at = 0
		}
	}
	c.terms = cutList(c.terms, at, func(t *term) *int { return &t.first })
	c.uses = cutList(c.uses, at, func(u *use) *int { return &u.first })
}

// cutList leaves out the stretches that end before a snapshot. Each goes up to the next one.
func cutList[T any](list []T, at int, first func(*T) *int) []T {
	out := slices.Clone(list)
	for len(out) > 1 && *first(&out[1]) <= at {
		out = out[1:]
	}
	if len(out) > 0 {
		*first(&out[0]) = max(*first(&out[0]), at)
	}
	return out
}
