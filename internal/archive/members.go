package archive

import (
	"context"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

// sealLists gives what was kept beside a seal.
type sealLists interface {
	// KeptLeaves gives back what was kept beside a seal; ok is false where nothing is, or not all.
	// An error that is none of reading says that what is kept is not what is written.
	KeptLeaves(ctx context.Context, s seal.Seal) (list KeptList, ok bool, err error)
}

// membersOf are the contents that a seal lists, in the order of its tree. What rows say of when
// they came decides nothing where it does not lead to the seal's root: a run that lost the stream
// may have written before the seal, unseen by it. An error with entra.CodeTampered says that what
// was sealed is not there.
func membersOf(ctx context.Context, store sealLists, s seal.Seal, leaves []seal.Leaf) ([]seal.Leaf, error) {
	then := seal.LeavesAt(leaves, s.SealedAt)
	if int64(len(then)) == s.Leaves && seal.Root(then) == s.Root {
		return then, nil
	}
	kept, ok, err := store.KeptLeaves(ctx, s)
	if err != nil {
		return nil, err
	}
	if ok {
		if listed, all := pick(kept.Leaves, leaves); all && seal.Root(listed) == s.Root {
			return listed, nil
		}
	}
	return nil, &entra.Error{Code: entra.CodeTampered, Doing: fmt.Sprintf("go by the seal of %s", s.Window),
		Why:    fmt.Sprintf("what was sealed there on %s is not what is stored now", s.SealedAt.Format(time.RFC3339)),
		Remedy: "ask verify which records differ; the hour stays as it is"}
}

// pick finds the contents that a list names, in its order; all is false where one is not there.
func pick(kept []KeptLeaf, leaves []seal.Leaf) (listed []seal.Leaf, all bool) {
	there := make(map[KeptLeaf]seal.Leaf, len(leaves))
	for _, l := range leaves {
		there[KeptLeaf{l.Key, [VersionHashBytes]byte(l.Hash[:])}] = l
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
