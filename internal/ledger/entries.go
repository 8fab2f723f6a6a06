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
	// TakenBackMark begins the reason of one that takes such an entry back.
	TakenBackMark = "purge stopped, "
)

// PurgedCountMark stands between the rule and the number of contents.
const PurgedCountMark = "; contents: "

// RuleOf takes an entry's reason apart.
func RuleOf(s seal.Seal) (rule string, contents int64) {
	rule, count, _ := strings.Cut(strings.TrimPrefix(s.Reason, PurgedMark), PurgedCountMark)
	contents, _ = strconv.ParseInt(count, 10, 64) // an entry of a version before has none
	return rule, contents
}

// WasPurged tells whether an entry of the log says that its window's records were dropped.
func WasPurged(s seal.Seal) bool { return strings.HasPrefix(s.Reason, PurgedMark) && s.Leaves == 0 }

// IsTakenBack tells whether an entry takes one of a purge back.
func IsTakenBack(s seal.Seal) bool { return strings.HasPrefix(s.Reason, TakenBackMark) }

// RepairedMark begins the reason of a log entry that says that the row of progress was made anew.
const RepairedMark = "repaired: "

// Repair is what the log says of a row of progress that was made anew.
type Repair struct {
	Stream     entra.Stream
	RepairedAt time.Time
	Entry      int64
	What       string
}

// WasRepaired tells whether an entry of the log says that the row of progress was made anew. Such
// an entry is no seal of the hour that it names.
func WasRepaired(s seal.Seal) bool { return strings.HasPrefix(s.Reason, RepairedMark) && s.Leaves == 0 }

// RepairOf is what such an entry says; ok is false for every other one.
func RepairOf(s seal.Seal) (out Repair, ok bool) {
	if !WasRepaired(s) {
		return out, false
	}
	return Repair{Stream: s.Stream, RepairedAt: s.SealedAt, Entry: s.Number,
		What: strings.TrimPrefix(s.Reason, RepairedMark)}, true
}
