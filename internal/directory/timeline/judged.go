package timeline

import "slices"

// reach is how long after its snapshot an answer may be judged, so that what it told of credentials
// that were not used for leastUnused can be told from their timelines.
const reach = perDay

// keptUnused is from which time without use on each use is kept apart.
const keptUnused = leastUnused - reach

// toldAt looks at the snapshots after n up to the time with both clocks: a credential has left only
// where it is out of the answer at the time of the snapshot, and was so when the answer was judged.
func (h credentialHistory) toldAt(n int, judged ticks) bool {
	on, i := h.filter.on, &h.of.item
	if on.next(n) != n || n < i.First || n > i.At || h.lastUnfit() >= n || i.unseen.by(n) != n {
		return false
	}
	if h.anyState() {
		return true
	}
	if in, known := h.stateAt(n, judged); !in || !known {
		return false
	}
	by := on.indexBy(judged)
	if h.lastInOtherState() > on.list[max(by, on.index(n))].number {
		return false
	}
	for k := on.index(n) + 1; k <= by && on.list[k].number <= i.At; k++ {
		m := on.list[k].number
		if i.unseen.by(m) == m && h.out(m, on.list[k].asOf) && h.out(m, judged) {
			return false
		}
	}
	return true
}

func (h credentialHistory) out(n int, judged ticks) bool {
	in, known := h.stateAt(n, judged)
	return known && !in
}

// stateAt judges, at a time, the state that the credential had as of a snapshot that saw it, as
// internal/directory does: in tells whether it is one of those asked for. Where uses are not kept
// apart enough to tell, it is not.
func (h credentialHistory) stateAt(n int, judged ticks) (in, known bool) {
	_, t := h.term(n)
	switch {
	case t.end <= judged:
		return h.states.Expired, true
	case t.end <= judged+h.within:
		return h.states.Expiring, true
	case t.start > judged || !h.states.Unused:
		return false, true
	case h.of.item.brightBy(n) != n:
		return false, false
	case judged-h.filter.on.asOf(n) > h.unusedFor-keptUnused:
		judged = h.filter.on.asOf(n) // what was unused by then still is; the rest nobody can tell
	}
	for _, u := range slices.Backward(h.of.uses) {
		if u.first <= n {
			return u.idle < judged-h.unusedFor, true
		}
	}
	return false, true // a timeline that is bright has a use
}
