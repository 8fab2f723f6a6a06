package ledger

import (
	"fmt"
	"strings"

	"github.com/entraledger/entraledger/internal/logs"
)

// Thin tells whether records of the window may be stored in a poorer form than the richest that
// Graph has. Of a row without a form nobody noted it: the versions of then read the poorer one.
func (c *Coverage) Thin() bool {
	log := logs.Of(c.Stream)
	return len(log.Forms) > 1 && c.Form != log.Form() && c.Counted() > 0 && c.State != WindowPurged
}

// Older tells whether rows of the window were written by a version before, which got the newer
// members of enums as unknownFutureValue.
func (c *Coverage) Older() bool {
	return c.Counted() > 0 && c.ColumnSet < logs.Of(c.Stream).ColumnSet()
}

// Reopen notes why a sealed window has to be sealed again. One that has had its last pass leaves
// the state in which it had.
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
	if c.Sum != was.Sum || c.Changed != was.Changed || c.Known() != was.Known() {
		c.Revision = was.Revision + 1
		if c.State == WindowSealed && was.State == WindowSealed {
			c.Reopen(KnownChanged)
		}
	}
}

// Awaits tells whether the window was read, and still needs a read that agrees.
func (c *Coverage) Awaits() bool {
	return c.State == WindowPartial && c.Passes > 0 && !c.InPart()
}

// readsUnconfirmed tells whether its reads never agreed.
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
	return fmt.Sprintf(unconfirmedText+"its reads differ, they met %s records", strings.Join(strings.Fields(counts), ", "))
}

func (c *Coverage) MarkForgotten() {
	c.Reads, c.Keys = strings.TrimSpace(c.Reads+" "+forgottenMark), Sum{}
}

// ReadOnce tells whether the window is complete by one read only: a pass that was to confirm it is
// none of the settings any more, or it was read by a version that believed one.
func (c *Coverage) ReadOnce() bool {
	return c.State == WindowComplete && c.Passes <= 1 && c.Reads == "" && !c.InPart()
}

// Counted is how many contents the row counts.
func (c *Coverage) Counted() int64 { return c.Records + c.Versions + c.Unconfirmed + c.Unmet }

// Agrees tells whether rows are what the ledger counts. Where no sum was kept, their number has to
// do.
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

// Lose notes what is lost of a window.
func (c *Coverage) Lose(s Span) {
	if !s.To.After(s.From) {
		s = Span{}
	}
	c.LostFrom, c.LostTo = s.From, s.To
}
