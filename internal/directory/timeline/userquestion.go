package timeline

// UserQuestion asks for users. Filters on what never changes of a user are the caller's: it leaves
// out the ids of Fixed before it asks for Tells.
type UserQuestion struct {
	// inactive for more than so many days, and in no grace; 0: whether or not
	Days                                    int
	Guest, Enabled, Licensed, Synced, Never *bool
	Names                                   []string // principal names of users that are left out
	Groups                                  []string // ids of groups whose members are left out
	Fixed                                   []string // other filters; they only tell questions apart
	// Texts are those that users have. Timelines of a version before can't tell. Without them a
	// question has the identity that it had.
	Texts *UserTexts `json:",omitempty"`
}

// ID tells questions apart, whatever the order and the case of their lists.
func (q UserQuestion) ID() string {
	q.Names, q.Groups, q.Fixed = folded(q.Names), folded(q.Groups), folded(q.Fixed)
	if t := q.Texts; t != nil {
		q.Texts = &UserTexts{fold(t.Department), fold(t.Domain), fold(t.ExternalState)}
	}
	return identity("users", q)
}

// On puts the question to the newest snapshot. Days out of range are an *entra.Error.
func (q UserQuestion) On(on *Snapshots) (Asked[User], error) {
	if q.Days < 0 || q.Days > maxDays {
		return Asked[User]{}, refuseDays("the time without a sign of life", q.Days, 0)
	}
	wanted := map[attribute]*bool{
		guest: q.Guest, enabled: q.Enabled, licensed: q.Licensed, synced: q.Synced, neverSignedIn: q.Never,
	}
	if q.Days > 0 {
		wanted[inGrace] = new(false)
	}
	f := newFilter(on, wanted, q.Names, q.Groups)
	bright := q.Days > 0 || q.Never != nil
	var texts []string
	if q.Texts != nil {
		texts = q.Texts.named()
	}
	look := func(u User) history { return userHistory{&f, q.Days, bright, texts, u} }
	return Asked[User]{on, look}, nil
}

type userHistory struct {
	filter *filter
	days   int
	bright bool // activity is asked for
	texts  []string
	user   User
}

func (h userHistory) lastFalse() int {
	i := &h.user.item
	n := h.filter.lastFalse(i)
	if h.days > 0 {
		n = max(n, h.user.lastActive(h.filter.on, h.days))
	}
	for _, named := range h.texts {
		n = max(n, i.lastOther(named))
	}
	return n
}

// toldAt is so whatever the time: users are judged at that of the snapshot.
func (h userHistory) toldAt(n int, _ ticks) bool { return h.lastFalse() < n && h.knownFrom(n) == n }

func (h userHistory) knownFrom(n int) int { return h.filter.knownFrom(&h.user.item, n, h.bright) }
