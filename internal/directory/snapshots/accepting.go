package snapshots

import (
	"slices"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
)

// Resources are the names of what a tenant may refuse to a snapshot, as in directory.Undisclosed.
func (s *Snapshotter) Resources() []string {
	var out []string
	for _, c := range s.collections {
		if !c.ByGroup() {
			out = append(out, collections.Query{Collection: c}.Resource())
			continue
		}
		for _, group := range s.options.Groups {
			out = append(out, collections.Query{Collection: c, Group: group}.Resource())
		}
	}
	return out
}

// union is a list with those of another one that it lacks, in their order.
func union(list, more []string) []string {
	out := slices.Clone(list)
	for _, one := range more {
		if !slices.Contains(out, one) {
			out = append(out, one)
		}
	}
	return out
}

// refusedTo is what the tenant refuses to a snapshot, and disclosed before, unless that was
// accepted.
func refusedTo(s directory.Snapshot) []directory.Carried {
	return slices.DeleteFunc(slices.Concat(s.Carried, s.Lost), func(c directory.Carried) bool {
		return c.Missed || slices.Contains(s.Accepted, c.What)
	})
}

// accepted tells whether something that is refused counts as never granted.
func (r *reading) accepted(what string) bool {
	return slices.Contains(r.snap.Accepted, what) || slices.Contains(r.before.Accepted, what) && r.before.Lacks(what)
}
