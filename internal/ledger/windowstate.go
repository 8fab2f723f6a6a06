package ledger

import (
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// An hour is sealed when it was read completely the first time, or as far as it can be, and settled
// after its last pass. Both are one column in a row, because versions that seal once read it, too:
// State says settled by the word "sealed", and an early seal by Seals.

// Settled reports whether the window had its last pass.
func (c *Coverage) Settled() bool { return c.State == WindowSealed }

// Sealed reports whether the window's last seal matches its content.
func (c *Coverage) Sealed() bool {
	switch c.State {
	case WindowSealed, WindowPurged:
		return true
	case WindowReopened:
		return false
	}
	// A version without revisions leaves none where it has added something.
	return c.Seals > 0 && c.SealedRevision == c.Revision && (c.Revision > 0 || c.Counted() == 0)
}

// ToSeal reports whether the window can be sealed, and is not: it was read completely, or as far as
// possible.
func (c *Coverage) ToSeal() bool {
	readable := c.State == WindowComplete || c.State == WindowReopened || c.State == WindowPartial && c.InPart()
	return readable && !c.Doubt && !c.Sealed()
}

// WindowSettled is the word of answers for a window that is sealed and had its last pass.
const WindowSettled WindowState = "settled"

// Word is the window's state in answers: "sealed" and "settled" differ, and a window that changed
// after it was sealed is "reopened" until it is sealed again.
func (c *Coverage) Word() WindowState {
	switch {
	case c.Settled():
		return WindowSettled
	case c.Seals > 0 && c.ToSeal():
		return WindowReopened
	case c.Seals > 0 && c.Sealed() && (c.State == WindowComplete || c.State == WindowPartial && c.InPart()):
		return WindowSealed
	}
	return c.State
}

// SettledUntil is up to when every window that was read is settled; zero: none is.
func (p *Progress) SettledUntil() time.Time { return p.SealedTo }

// SealedUntil is up to when everything that was read is sealed; what is lost does not stop it.
func (p *Progress) SealedUntil() (until time.Time) {
	if !p.Started() {
		return until
	}
	if !p.Recounted { // written by an earlier version, in which each sealed row is settled
		return p.SealedTo
	}
	until = entra.FloorHour(p.CompleteUntil())
	if p.Unsealed > 0 {
		until = entra.Earlier(until, p.UnsealedFrom)
	}
	return until
}
