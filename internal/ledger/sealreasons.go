package ledger

import (
	"fmt"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/logs"
)

// Words in the reasons of seals for what is unknown about a window.
const (
	nothingKnown    = "nothing is known of it from "
	unconfirmedText = "unconfirmed: "
	unmetText       = " that two reads of the whole hour did not meet"
)

// forgottenMark replaces a read that could not be made in the list of a window's reads.
const forgottenMark = "forgotten"

// Known is the known part of a window, and its unconfirmed contents; empty if everything is known.
func (c *Coverage) Known() string {
	var parts []string
	source := logs.Of(c.Stream).Source.Name
	if c.InPart() {
		parts = append(parts, fmt.Sprintf(nothingKnown+"%s to %s: %s had forgotten that part",
			c.LostFrom.UTC().Format(time.RFC3339Nano), c.LostTo.UTC().Format(time.RFC3339Nano), source))
	}
	if c.Unconfirmed > 0 {
		parts = append(parts, fmt.Sprintf("%d "+unconfirmedText+
			"a run stored them and died, and %s could not be asked again",
			c.Unconfirmed, source))
	}
	if c.Unmet > 0 {
		parts = append(parts, fmt.Sprintf("%d"+unmetText, c.Unmet))
	}
	if text := c.ReadsDiffer(); text != "" {
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// NamesUnknown reports whether the reason of a seal names something unknown about its window.
func NamesUnknown(reason string) bool {
	return strings.Contains(reason, nothingKnown) || strings.Contains(reason, unconfirmedText) ||
		strings.Contains(reason, unmetText)
}
