package sealing

import (
	"context"
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
)

// Store is where seals are made of what is stored.
type Store interface {
	ledger.Seals
	FormStore
	// Windows lists the coverage rows of [from, to) in order.
	Windows(ctx context.Context, s entra.Stream, from, to time.Time) iter.Seq2[ledger.Coverage, error]
	// Leaves lists what is stored of the windows of [from, to), by their start, in no particular
	// order.
	Leaves(ctx context.Context, s entra.Stream, from, to time.Time) (map[time.Time][]seal.Leaf, error)
	// KeepLeaves stores, beside seals of one stream, what they list: the members of a seal, and the
	// name of a record that is altered or missing later. It does not overwrite another execution's
	// list for an entry with the same number.
	KeepLeaves(ctx context.Context, lists []SealedList) error
}

// SealedList is what is kept beside a seal.
type SealedList struct {
	Seal   seal.Seal
	Leaves []seal.Leaf // in the order of its tree
	// Before is the window's last seal, of which only what is added to it may be kept; nil: there
	// is none that it continues from.
	Before *SealedBefore
}

// SealedBefore is a window's last seal, what it lists in its order, and how often the window was
// sealed.
type SealedBefore struct {
	Seal   seal.Seal
	Leaves []seal.Leaf
	Times  int64
}

// HeadWriter stores the heads of the logs where a writer of the tables cannot rewrite them.
type HeadWriter interface {
	// PutHead writes a head once. One of the same stream and size that says otherwise gives an
	// error with entra.CodeTampered.
	PutHead(ctx context.Context, h seal.Head) error
}
