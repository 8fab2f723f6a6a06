package ledger

import (
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

// An entry of the log that is no seal of what an hour holds says so by how its reason begins.

const (
	// PurgedMark begins the reason of a log entry that says that a window's records were dropped.
	PurgedMark = "purged: "
	// RevertedMark is the prefix of the reason of an entry that reverts such an entry.
	RevertedMark = "purge stopped, "
)

// PurgedCountMark separates the rule from the number of contents.
const PurgedCountMark = "; contents: "

// RuleOf splits an entry's reason.
func RuleOf(s seal.Seal) (rule string, contents int64) {
	rule, count, _ := strings.Cut(strings.TrimPrefix(s.Reason, PurgedMark), PurgedCountMark)
	contents, _ = strconv.ParseInt(count, 10, 64) // an entry of a version before has none
	return rule, contents
}

// WasPurged reports whether an entry of the log records a purge of its window.
func WasPurged(s seal.Seal) bool { return strings.HasPrefix(s.Reason, PurgedMark) && s.Leaves == 0 }

// IsReverted reports whether an entry reverts one of a purge.
func IsReverted(s seal.Seal) bool { return strings.HasPrefix(s.Reason, RevertedMark) }

// RepairedMark is the prefix of the reason of a log entry for a rebuilt row of progress.
const RepairedMark = "repaired: "

// Repair is the log's record of a rebuilt row of progress.
type Repair struct {
	Stream     entra.Stream
	RepairedAt time.Time
	Entry      int64
	What       string
}

// WasRepaired reports whether an entry of the log records a rebuilt row of progress. Such an entry
// is no seal of the hour that it names.
func WasRepaired(s seal.Seal) bool { return strings.HasPrefix(s.Reason, RepairedMark) && s.Leaves == 0 }

// RepairOf is what such an entry says; ok is false for every other one.
func RepairOf(s seal.Seal) (out Repair, ok bool) {
	if !WasRepaired(s) {
		return out, false
	}
	return Repair{Stream: s.Stream, RepairedAt: s.SealedAt, Entry: s.Number,
		What: strings.TrimPrefix(s.Reason, RepairedMark)}, true
}
