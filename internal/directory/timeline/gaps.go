package timeline

import (
	"slices"
	"sort"
)

// gap is a stretch of snapshots in which something was not known: those after one number and before
// another, at both of which it was known.
type gap struct {
	after int // 0: it was never known before
	until int // 0: it is not known yet
}

// gaps are in order and do not overlap. Only the last may be open.
type gaps []gap

// open tells whether the last snapshot lies in a gap.
func (g gaps) open() bool { return len(g) > 0 && g[len(g)-1].until == 0 }

// at is the gap that holds a snapshot.
func (g gaps) at(n int) (gap, bool) {
	i := sort.Search(len(g), func(i int) bool { return g[i].until == 0 || g[i].until > n })
	if i < len(g) && g[i].after < n {
		return g[i], true
	}
	return gap{}, false
}

// by is the last snapshot up to n that is in no gap; 0 without one.
func (g gaps) by(n int) int {
	if one, ok := g.at(n); ok {
		return one.after
	}
	return n
}

// with are the gaps and one more.
func (g gaps) with(one gap) gaps { return append(slices.Clip(g), one) }

// closed are the gaps, of which the open one ends.
func (g gaps) closed(until int) gaps {
	if !g.open() {
		return g
	}
	out := slices.Clone(g)
	out[len(out)-1].until = until
	return out
}

// since are the gaps that end after a snapshot.
func (g gaps) since(n int) gaps {
	first := slices.IndexFunc(g, func(one gap) bool { return one.until == 0 || one.until > n })
	if first < 0 {
		return nil
	}
	return slices.Clone(g[first:])
}
