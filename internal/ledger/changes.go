package ledger

import (
	"fmt"
	"strings"

	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

// Thin reports whether records of the window may be stored in a poorer form than the richest that
// Graph has. A row without a form comes from a version that read the poorer one.
func (c *Coverage) Thin() bool {
	log := logs.Of(c.Stream)
	return len(log.Forms) > 1 && c.Form != log.Form() && c.Counted() > 0 && c.State != WindowPurged
}

// Older reports whether an earlier version wrote rows of the window: it received newer members of
// enums as unknownFutureValue.
func (c *Coverage) Older() bool {
	return c.Counted() > 0 && c.ColumnSet < logs.Of(c.Stream).ColumnSet()
}

// Reopen stores why a sealed window has to be sealed again. A settled window returns to the state
// before.
func (c *Coverage) Reopen(reason string) {
	c.Reason = reason
	if c.State == WindowSealed || c.State == WindowPurged {
		c.State = WindowReopened
	}
}

// KnownChanged is why a settled window is sealed again of which no content changed.
const KnownChanged = "what is known of it has changed"

// Revise counts what became of the window since it was another. A content that came back changes
// when it was there, and no sum.
func (c *Coverage) Revise(was Coverage) {
	if c.Sum != was.Sum || c.Changed != was.Changed || c.Known() != was.Known() || c.ImportedSum != was.ImportedSum {
		c.Revision = was.Revision + 1
		if c.State == WindowSealed && was.State == WindowSealed {
			c.Reopen(KnownChanged)
		}
	}
}

// Awaits reports whether the window was read, and still needs a read that agrees.
func (c *Coverage) Awaits() bool {
	return c.State == WindowPartial && c.Passes > 0 && !c.InPart()
}

// readsUnconfirmed reports whether its reads never agreed.
func (c *Coverage) readsUnconfirmed() bool {
	return c.Reads != "" && c.State.IsRead() && c.State != WindowPurged
}

// ReadsDiffer says in words how its reads differ; empty where they agree, or are not done.
func (c *Coverage) ReadsDiffer() string {
	if !c.readsUnconfirmed() {
		return ""
	}
	counts, forgotten := strings.CutSuffix(c.Reads, " "+forgottenMark)
	if forgotten {
		return fmt.Sprintf(unconfirmedText+"%s had forgotten it before it could be read a second time (%s records)",
			logs.Of(c.Stream).Source.Name, counts)
	}
	return fmt.Sprintf(unconfirmedText+"its reads differ, they met %s records",
		strings.Join(strings.Fields(counts), ", "))
}

func (c *Coverage) MarkForgotten() {
	c.Reads, c.Keys = strings.TrimSpace(c.Reads+" "+forgottenMark), Sum{}
}

// ReadOnce reports whether the window is complete after one read only: the pass that was to confirm
// it was removed from the settings, or an earlier version accepted a single read.
func (c *Coverage) ReadOnce() bool {
	return c.State == WindowComplete && c.Passes <= 1 && c.Reads == "" && !c.InPart()
}

// Counted is how many contents the row counts that were read from the source.
func (c *Coverage) Counted() int64 { return c.Records + c.Versions + c.Unconfirmed + c.Unmet }

// Contents is how many contents the row counts, arrivals included.
func (c *Coverage) Contents() int64 { return c.Counted() + c.Imported }

// HoldsArrivals reports whether the arrivals among rows are those that the ledger counts.
func (c *Coverage) HoldsArrivals(arrived []seal.Leaf) bool {
	return c.Imported == int64(len(arrived)) && c.ImportedSum == SumOfLeaves(arrived)
}

// Agrees reports whether rows are what the ledger counts. Without a stored sum it compares their
// number.
func (c *Coverage) Agrees(rows HourContents) bool {
	return c.Counted() == rows.Count && (!c.HasSum || c.Sum == rows.Sum)
}

// StateOnceRead is the state of a window of which everything was read that Graph still had.
func (c *Coverage) StateOnceRead() WindowState {
	switch {
	case !c.InPart():
		return WindowComplete
	case c.Counted() == 0 && !c.LostFrom.After(c.Start) && !c.LostTo.Before(c.End()):
		return WindowLost
	}
	return WindowPartial
}

// Lose stores the lost part of a window.
func (c *Coverage) Lose(s Span) {
	if !s.To.After(s.From) {
		s = Span{}
	}
	c.LostFrom, c.LostTo = s.From, s.To
}
