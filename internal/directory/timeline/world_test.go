package timeline

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// world makes up a tenant, as a row of snapshots saw it.
type world struct {
	r     *rand.Rand
	taken []oneTaken
}

var (
	someGroups = []string{"group-one", "group-two"}
	someNames  = []string{"ada@contoso.com", "Bob@contoso.com", "eve@contoso.com"}
	someTexts  = []string{"", "Sales", "sales", "Contoso.com", "Accepted"}
	someOwners = []string{"owner-one", "owner-one@contoso.com", "owner-two", "Three@contoso.com"}
	someObject = []string{"object-one", "object-two"}
)

func newWorld(seed uint64, days int) *world {
	w := &world{r: rand.New(rand.NewPCG(seed, uint64(days)))}
	begin := time.Date(2026, time.January, 1, 1, 10, 0, 0, time.UTC)
	users, credentials, bad := yes, yes, map[string]bool{}
	number, seconds := 1+w.r.IntN(5), w.oneIn(2) // or numbers that are seconds since 1970
	for d := range days {
		if w.oneIn(12) {
			continue // a day without a snapshot
		}
		for k := range 1 + truthy(w.oneIn(15)) {
			at := begin.AddDate(0, 0, d).Add(time.Duration(w.r.IntN(9*3600)+k*12*3600) * time.Second)
			if seconds {
				number = int(at.Unix())
			}
			users, credentials = w.reading(users), w.reading(credentials)
			one := oneTaken{Snapshot{Number: number, AsOf: at}, users, credentials}
			for _, g := range someGroups {
				if w.oneIn(12) {
					bad[g] = !bad[g] && w.oneIn(2)
				}
				if !bad[g] {
					one.Groups = append(one.Groups, g)
				}
			}
			w.taken = append(w.taken, one)
			number += 1 + truthy(w.oneIn(30)) // one that was not kept
		}
	}
	return w
}

func truthy(is bool) int {
	if is {
		return 1
	}
	return 0
}

func (w *world) oneIn(n int) bool { return w.r.IntN(n) == 0 }

func (w *world) hours(most int) time.Duration {
	return time.Duration(w.r.IntN(most*3600)) * time.Second
}

// reading is how a collection could be read, given how it could be the last time.
func (w *world) reading(before truth) truth {
	if before == yes && !w.oneIn(10) || before != yes && w.oneIn(2) {
		return yes
	}
	return []truth{no, unknown, unknown}[w.r.IntN(3)]
}

// sight is how a snapshot sees an item that is there or not.
func (w *world) sight(there bool, reading truth) truth {
	switch {
	case reading == no:
		return unknown
	case reading == unknown && (!there || w.oneIn(5)):
		return unknown
	}
	return truthOf(there)
}

// sometimes changes a flag with a chance of one in n.
func (w *world) sometimes(n int, flags ...*bool) {
	for _, f := range flags {
		if w.oneIn(n) {
			*f = !*f
		}
	}
}

// later is no time or some hours.
func (w *world) later() time.Duration { return time.Duration(truthy(w.oneIn(2))) * w.hours(20) }

func some[T any](w *world, of []T) T { return of[w.r.IntN(len(of))] }

// someOf are those of a list that a coin picks.
func someOf(w *world, of []string) (out []string) {
	for _, one := range of {
		if w.oneIn(3) {
			out = append(out, one)
		}
	}
	return out
}

// sign moves a time of activity: mostly it becomes newer, at once or late; sometimes it goes back.
func (w *world) sign(last, now time.Time, every int) time.Time {
	switch {
	case w.oneIn(60):
		return last.Add(-w.hours(24 * 70))
	case w.oneIn(40) && now.Add(-24*40*time.Hour).After(last):
		return now.Add(-w.hours(24 * 40))
	case w.oneIn(every) && w.oneIn(4): // to the moment whole days before some snapshot
		return some(w, w.taken).AsOf.AddDate(0, 0, -some(w, []int{1, 7, 14, 30})).Add(w.later())
	case w.oneIn(every):
		return now.Add(-w.hours(30))
	case w.oneIn(80):
		return now.Add(w.hours(2))
	}
	return last
}

// grace is until when there is one: sometimes one begins, to the moment of some snapshot or between
// two, and sometimes one that had begun was none.
func (w *world) grace(until, now time.Time) time.Time {
	switch {
	case w.oneIn(50):
		return now.Add(w.hours(24 * 14))
	case w.oneIn(100):
		return some(w, w.taken).AsOf
	case w.oneIn(60):
		return time.Time{}
	}
	return until
}

// texts are equal ones of several properties, too: each property has its own.
func (w *world) texts() UserTexts {
	return UserTexts{some(w, someTexts), some(w, someTexts), some(w, someTexts)}
}

// user makes up what each snapshot says of one user.
func (w *world) user() []look[UserSeen] {
	u := UserSeen{Guest: w.oneIn(2), Enabled: w.oneIn(2), Licensed: w.oneIn(2), Synced: w.oneIn(2)}
	u.Name, u.Texts = some(w, someNames), w.texts()
	there, dark, every := w.oneIn(2), false, some(w, []int{1, 3, 20, 60, 1000})
	u.Since = w.taken[0].AsOf.Add(-w.hours(24 * 100))
	var out []look[UserSeen]
	for _, at := range w.taken {
		if there && w.oneIn(70) || !there && w.oneIn(8) {
			there = !there
		}
		if w.oneIn(15) {
			dark = !dark && w.oneIn(2)
		}
		w.sometimes(40, &u.Guest, &u.Enabled, &u.Licensed, &u.Synced, &u.Never)
		if w.oneIn(25) {
			u.Name = some(w, someNames)
		}
		if w.oneIn(25) {
			u.Texts = w.texts()
		}
		if w.oneIn(10) {
			u.Groups = someOf(w, someGroups)
		}
		u.Since, u.Known = w.sign(u.Since, at.AsOf, every), !dark && !w.oneIn(25)
		u.GraceUntil = w.grace(u.GraceUntil, at.AsOf)
		out = append(out, look[UserSeen]{w.sight(there, at.users), u})
	}
	return out
}

// credential makes up what each snapshot says of one credential.
func (w *world) credential() []look[CredentialSeen] {
	begin := w.taken[0].AsOf
	c := CredentialSeen{Secret: w.oneIn(2), Application: w.oneIn(2), SelfRotating: w.oneIn(3)}
	c.Object, c.Owners = some(w, someObject), someOf(w, someOwners)
	c.TenantKnown, c.Microsoft = true, w.oneIn(4)
	c.RenewedByMicrosoft = c.Microsoft && w.oneIn(2)
	terms := func(now time.Time) {
		c.Start, c.End = now.Add(w.hours(24*60)-24*40*time.Hour), time.Time{}
		if !w.oneIn(5) {
			c.End = now.Add(w.hours(24*200) - 24*20*time.Hour)
		}
		if w.oneIn(3) { // to the moment whole days after some snapshot
			c.End = some(w, w.taken).AsOf.AddDate(0, 0, some(w, []int{0, 1, 14, 30})).Add(w.later())
		}
	}
	terms(begin)
	there, dark, every, used := w.oneIn(2), false, some(w, []int{1, 2, 7, 30, 1000}), c.Start
	var out []look[CredentialSeen]
	for _, at := range w.taken {
		if there && w.oneIn(90) || !there && w.oneIn(8) {
			there = !there
		}
		if w.oneIn(15) {
			dark = !dark && w.oneIn(2)
		}
		if w.oneIn(60) {
			terms(at.AsOf)
		}
		w.sometimes(40, &c.Secret, &c.Application, &c.SelfRotating, &c.HasSuccessor, &c.Microsoft)
		if w.oneIn(15) {
			c.Owners = someOf(w, someOwners)
		}
		if w.oneIn(30) {
			c.Object = some(w, someObject)
		}
		used = w.sign(used, at.AsOf, every)
		if c.Idle = used; c.Start.After(used) {
			c.Idle = c.Start
		}
		c.NoOwner, c.Used = len(c.Owners) == 0, !dark && !w.oneIn(25)
		out = append(out, look[CredentialSeen]{w.sight(there, at.credentials), c})
	}
	return out
}

// wish is nil, or one of the two.
func (w *world) wish() *bool {
	if !w.oneIn(5) {
		return nil
	}
	return new(w.oneIn(2))
}

func (w *world) userQuestion() UserQuestion {
	q := UserQuestion{Guest: w.wish(), Enabled: w.wish(), Licensed: w.wish(), Synced: w.wish(), Never: w.wish()}
	q.Days = some(w, []int{0, 1, 2, 5, 7, 14, 30, 45, 90})
	if w.oneIn(3) {
		q.Names = someOf(w, []string{"ADA@contoso.com", "bob@contoso.com"})
	}
	if w.oneIn(3) {
		q.Groups = someOf(w, someGroups)
	}
	if w.oneIn(3) {
		q.Texts = &UserTexts{some(w, someTexts), "", ""}
		if w.oneIn(3) {
			*q.Texts = w.texts()
		}
	}
	return q
}

func (w *world) credentialQuestion() CredentialQuestion {
	q := CredentialQuestion{Expired: w.oneIn(3), Expiring: w.oneIn(2), Unused: w.oneIn(2),
		Secret: w.wish(), Application: w.wish(), SelfRotating: w.wish(), Successor: w.wish(), Ownerless: w.wish()}
	q.Within = time.Duration(some(w, []int{0, 1, 14, 30, 90, 400})) * 24 * time.Hour
	q.UnusedFor = time.Duration(some(w, []int{7, 8, 14, 30, 90})) * 24 * time.Hour
	q.Microsoft = some(w, []Microsoft{"", WithMicrosoft, WithMicrosoft, OnlyMicrosoft})
	if w.oneIn(4) {
		q.Owner = some(w, []string{"OWNER-one", "three@contoso.com", "owner-two", "nobody"})
	}
	if w.oneIn(4) {
		q.Objects = someOf(w, someObject)
	}
	return q
}

func (w *world) String() string { return fmt.Sprintf("%d snapshots", len(w.taken)) }
