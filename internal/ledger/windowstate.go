package ledger

import (
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
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
	return (readable || c.OnlyArrived()) && !c.Doubt && !c.Sealed()
}

// WindowSettled is the word of answers for a window that is sealed and had its last pass.
const WindowSettled WindowState = "settled"

// Word is the window's state in answers: "sealed" and "settled" differ, and a window that changed
// after it was sealed is "reopened" until it is sealed again.
func (c *Coverage) Word() WindowState {
	switch {
	case c.OnlyArrived():
		return c.arrivedWord()
	case c.Settled():
		return WindowSettled
	case c.Seals > 0 && c.ToSeal():
		return WindowReopened
	case c.Seals > 0 && c.Sealed() && (c.State == WindowComplete || c.State == WindowPartial && c.InPart()):
		return WindowSealed
	}
	return c.State
}

// The words of answers for a window that holds nothing but arrivals. In its row it is partial, which
// versions before know: nothing was ever read of it, and it is never complete.
const (
	WindowImported  WindowState = "imported"
	WindowDelivered WindowState = "delivered" // of a log that can't be read, and is delivered
)

// NeverRead reports whether no read has met anything of the window.
func (c *Coverage) NeverRead() bool { return c.Passes == 0 && c.Fetched == 0 && c.FirstReadAt.IsZero() }

// OnlyArrived reports whether the window holds arrivals and nothing that was read.
func (c *Coverage) OnlyArrived() bool {
	return c.Imported > 0 && c.Counted() == 0 && (c.State == WindowLost || c.State == WindowPartial && c.NeverRead())
}

func (c *Coverage) arrivedWord() WindowState {
	if logs.Of(c.Stream).Delivered {
		return WindowDelivered
	}
	return WindowImported
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
