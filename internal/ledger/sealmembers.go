package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

// KeptLeaf is a leaf of a seal: its record's key, and the first VersionHashBytes of what it fixes.
type KeptLeaf struct {
	Key  string
	Hash [VersionHashBytes]byte
}

// KeptLeafOf is what a list has of a content.
func KeptLeafOf(l seal.Leaf) KeptLeaf {
	fixed := l.Fixed()
	return KeptLeaf{l.Key, [VersionHashBytes]byte(fixed[:])}
}

// KeptList is what was kept beside a seal, in the order of its leaves.
type KeptList struct {
	Leaves []KeptLeaf
	Dates  []string // seal.Leaf.DatesAt of each; nil: they were not kept
}

// MemberLists gives what was kept beside a seal.
type MemberLists interface {
	// KeptLeaves gives back what was kept beside a seal; ok is false where nothing is, or not all.
	// An error that is none of reading says that what is kept is not what is written.
	KeptLeaves(ctx context.Context, s seal.Seal) (list KeptList, ok bool, err error)
}

// MembersOf are the contents that a seal lists, in the order of its tree. What rows say of when
// they came decides nothing where it does not lead to the seal's root: a run that lost the stream
// may have written before the seal, unseen by it. An error with entra.CodeTampered says that what
// was sealed is not there.
func MembersOf(ctx context.Context, store MemberLists, s seal.Seal, leaves []seal.Leaf) ([]seal.Leaf, error) {
	then := seal.LeavesAt(leaves, s.SealedAt)
	if int64(len(then)) == s.Leaves && seal.Root(then) == s.Root {
		return then, nil
	}
	kept, ok, err := store.KeptLeaves(ctx, s)
	if err != nil {
		return nil, err
	}
	if ok {
		if listed, all := PickListed(kept.Leaves, leaves); all && seal.Root(listed) == s.Root {
			return listed, nil
		}
	}
	return nil, &entra.Error{Code: entra.CodeTampered, Doing: fmt.Sprintf("go by the seal of %s", s.Window),
		Why:    fmt.Sprintf("what was sealed there on %s is not what is stored now", s.SealedAt.Format(time.RFC3339)),
		Remedy: "ask verify which records differ; the hour stays as it is"}
}

// PickListed finds the contents that a list names, in its order; all is false where one is not
// there.
func PickListed(kept []KeptLeaf, leaves []seal.Leaf) (listed []seal.Leaf, all bool) {
	there := make(map[KeptLeaf]seal.Leaf, len(leaves))
	for _, l := range leaves {
		there[KeptLeafOf(l)] = l
	}
	listed = make([]seal.Leaf, 0, len(kept))
	for _, k := range kept {
		l, ok := there[k]
		if !ok {
			return nil, false
		}
		listed = append(listed, l)
	}
	return listed, true
}

// Seals reads a stream's log of seals, and what was kept beside them.
type Seals interface {
	// Seal reads one entry of a stream's log.
	Seal(ctx context.Context, s entra.Stream, number int64) (seal.Seal, error)
	MemberLists
}

// VersionHashBytes is how much of a hash names an earlier version.
const VersionHashBytes = 8
