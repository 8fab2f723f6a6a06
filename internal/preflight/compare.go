package preflight

import (
	"slices"

	"github.com/entraledger/entraledger/internal/entra"
)

// What the lack of something means, where it depends on other checks.
const (
	clockAndToken = "clock and token"
	headsInTables = "the heads of the logs of seals lie in the tables only, " +
		"where whoever can write them can rewrite them"
	notArchived  = "this log is not archived, and what Graph forgets of it is lost"
	othersAre    = "; the other logs are archived"
	nothingReads = "nothing can be read: no log is archived, what Graph forgets meanwhile is lost, " +
		"and no snapshot of the directory is made"
)

// compare corrects what a check by itself can't know: whether the others came to the same.
func compare(cfg Config, parts []part, checks []Check) {
	at := func(name string) *Check {
		return &checks[slices.IndexFunc(checks, func(c Check) bool { return c.Name == name })]
	}
	compareTokens(parts, checks, at(clockAndToken))
	for _, c := range cfg.collections() {
		other := cfg.collections().InPlaceOf(c)
		if other == nil || c.ByGroup() {
			continue
		}
		own, instead := at(directoryCheck(c)), at(directoryCheck(other))
		switch {
		case instead.Status != Failed:
		case own.Status == OK: // nobody needs it now
			instead.Status = Limited
			instead.Consequence = "it is read only where " + own.Name + " fails; then " + instead.Consequence
		case own.Status == Limited: // neither is read
			own.Status, own.Consequence = instead.Status, instead.Consequence
		}
	}
	archived := slices.ContainsFunc(cfg.Streams, func(s entra.Stream) bool { return at(streamCheck(s)).Status == OK })
	for i := range checks {
		if !archived && checks[i].Consequence == notArchived+othersAre {
			checks[i].Consequence = notArchived
		}
	}
}

// compareTokens says of a token that is not there, or that Graph accepts nowhere, what that means:
// more than the lack of one thing. A clock is told by an answer that refuses the token, too.
func compareTokens(parts []part, checks []Check, clock *Check) {
	var refused *Check
	for i, p := range parts {
		if p.ofGraph && checks[i].Status == OK {
			return // it is accepted somewhere
		}
		if p.ofGraph && checks[i].Code == entra.CodeToken && refused == nil {
			refused = &checks[i]
		}
	}
	if refused == nil {
		return
	}
	if clock.Status == OK {
		clock.Status, clock.Code, clock.Detail = Failed, refused.Code, refused.Detail
	}
	if clock.Code == entra.CodeToken {
		clock.Consequence = nothingReads
	}
	for i, p := range parts {
		if checks[i].Code == entra.CodeToken && (p.ofGraph || p.ofToken) {
			checks[i].Status, checks[i].Consequence = Failed, nothingReads
		}
	}
}
