package report

import (
	"context"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/mim"
)

// delivered is read for a log that is sent. Which of its hours are whole nobody knows, only where what
// came begins and ends, what was dropped, and which numbers of the servers' events did not come.
// Servers send nothing where nothing happened: the time after the last event is known up to where all
// of them say that they read their logs to the end.
func (c *coverage) delivered(ctx context.Context, from Deliveries, w Window) error {
	p := &c.progress
	if p.ImportedHours == 0 && p.PurgedTo.IsZero() {
		c.add(w.From, w.To, ledger.WindowMissing, c.notThere())
		return nil
	}
	purged := entra.Earlier(w.To, p.PurgedTo)
	c.add(w.From, purged, ledger.WindowPurged, "it was dropped by ARCHIVE_RETENTION")
	begin := entra.Later(w.From, purged)
	if p.ImportedHours == 0 {
		c.add(begin, w.To, ledger.WindowMissing, "nothing of it was delivered, or all was dropped")
		return nil
	}
	var computers []mim.Computer
	if from != nil {
		var err error
		if computers, err = from.Computers(ctx); err != nil {
			return err
		}
	}
	read := readUntil(computers)
	first, last := entra.Earlier(w.To, p.ImportedFrom), entra.Later(begin, entra.Later(p.ImportedTo, read))
	c.add(begin, first, ledger.WindowMissing, "nothing that is older was delivered than of "+ofHour(p.ImportedFrom))
	begin = entra.Later(begin, first)
	if c.held = begin.Before(last) && begin.Before(w.To); c.held {
		for _, computer := range computers {
			c.lost(computer, Window{begin, entra.Earlier(w.To, last)})
		}
	}
	newer := "nothing that is newer was delivered than of " + ofHour(p.ImportedTo.Add(-entra.Tick))
	if read.After(p.ImportedTo) {
		newer = "not all servers' logs were read later than " + read.UTC().Format(time.RFC3339)
	}
	c.add(entra.Later(begin, last), w.To, ledger.WindowMissing,
		newer+"; whether anything happened since is not known")
	return nil
}

// readUntil is up to when all servers' logs were read to their ends; zero where one does not say.
func readUntil(computers []mim.Computer) (until time.Time) {
	for i, c := range computers {
		if i == 0 || c.Read.Before(until) {
			until = c.Read
		}
	}
	return until
}

func ofHour(t time.Time) string { return entra.FloorHour(t).UTC().Format(time.RFC3339) }

// lost adds what did not come of a server's log in a time.
func (c *coverage) lost(of mim.Computer, w Window) {
	if of.Altered {
		c.add(w.From, w.To, ledger.WindowMissing, "what is known of the numbers of "+of.Name+" was altered")
		return
	}
	for _, g := range of.Gaps() {
		from, to := entra.Later(w.From, g.After), w.To
		if !g.Before.IsZero() {
			to = entra.Earlier(w.To, g.Before.Add(entra.Tick))
		}
		c.add(from, to, ledger.WindowMissing,
			fmt.Sprintf("of the log of %s the events %d to %d did not come", of.Name, g.From, g.To))
	}
	if of.Older > 0 {
		c.add(w.From, entra.Earlier(w.To, of.Newest), ledger.WindowMissing,
			fmt.Sprintf("of the log of %s %d older events did not come", of.Name, of.Older))
	}
}
