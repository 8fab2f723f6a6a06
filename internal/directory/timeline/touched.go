package timeline

// Touched is the newest snapshot at which anything but the passing of time can have begun a run:
// the user appeared, changed, or became known again. It is for a column to look rows up by: what a
// cursor has not told was touched after its Base, or has passed the days of the question since. Its
// last sign of life is then no older than these days at the time of Base.
func (u User) Touched(on *Snapshots) int {
	n := u.item.touched(on)
	for k := 1; k < len(u.ages); k++ {
		if u.ages[k].since < u.ages[k-1].since {
			n = max(n, u.ages[k].first)
		}
	}
	return n
}

// Touched is as that of a User. Time passes the end, the end less Within, and the last use or start
// and UnusedFor.
func (c Credential) Touched(on *Snapshots) int {
	n := c.item.touched(on)
	for _, o := range c.owners {
		n = max(n, c.item.nextSeen(on, o.at))
	}
	if k := len(c.terms) - 1; k >= 0 {
		n = max(n, c.terms[k].first)
	}
	for k := 1; k < len(c.uses); k++ {
		if c.uses[k].idle < c.uses[k-1].idle {
			n = max(n, c.uses[k].first)
		}
	}
	return n
}

func (i *item) touched(on *Snapshots) int {
	n := i.First
	for _, last := range i.differed {
		n = max(n, i.nextSeen(on, last))
	}
	for _, m := range i.marks {
		if m.at < i.At {
			n = max(n, i.nextSeen(on, m.at))
		}
	}
	for _, all := range []gaps{i.unseen, i.dark} {
		for _, one := range all {
			n = max(n, one.until)
		}
	}
	return n
}

// nextSeen is the next snapshot after one, if there was one, at which the item was seen; 0: none.
func (i *item) nextSeen(on *Snapshots, after int) int {
	if after == 0 {
		return 0
	}
	n := on.next(after + 1)
	if one, ok := i.unseen.at(n); ok {
		return one.until
	}
	return n
}
