package verify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// ledgerRead is what the rows of a stream's hours add up to.
type ledgerRead struct {
	sums        ledger.Progress // made of the rows
	rows        int64
	unread      int64 // rows that can't be read
	first, last time.Time
	firstRead   time.Time   // the first hour that was read, or is lost
	lastRead    time.Time   // the last one
	lastReadAt  time.Time   // when that one was read
	purgedTo    time.Time   // everything before was dropped
	heldBack    bool        // an hour holds something that was not dropped
	settledTo   time.Time   // the end of the last hour that is settled
	awaitsIn    []time.Time // hours that are complete, or await a read, for the place of SealedTo
	held        time.Time   // the first hour that holds something
	hours       []time.Time // of rows that lie far from others: the last few
	bad         []Finding   // rows whose keys are none of hours
}

// readLedgerRows reads the rows of a stream's hours.
func readLedgerRows(ctx context.Context, evidence Evidence, s entra.Stream) (out ledgerRead, err error) {
	for row, err := range evidence.LedgerRows(ctx, s, time.Time{}, time.Time{}) {
		if err != nil {
			return out, err
		}
		if !row.Read {
			out.unread++
			if row.Start.Format(entra.HourFormat) != row.Key {
				out.bad = append(out.bad, Finding{Difference: DiffLedger, Stream: s, Table: LedgerTable, Row: row.Key,
					Detail: row.Problem})
				continue
			}
		}
		out.add(row)
	}
	return out, nil
}

func (l *ledgerRead) add(row LedgerRow) {
	if l.rows++; l.rows == 1 {
		l.first = row.Start
	}
	l.last = row.Start
	l.hours = append(l.hours, row.Start)
	if !row.Read {
		return
	}
	cov := row.Coverage
	l.sums.Apply(ledger.Coverage{}, cov)
	if cov.Passes > 0 || cov.State != ledger.WindowPartial && !(cov.State == ledger.WindowPurged && cov.NeverRead()) {
		if l.firstRead.IsZero() {
			l.firstRead = cov.Start
		}
		l.lastRead, l.lastReadAt = cov.Start, cov.LastReadAt
	}
	if l.heldBack = l.heldBack || cov.State != ledger.WindowPurged && cov.State != ledger.WindowLost; !l.heldBack &&
		cov.State == ledger.WindowPurged {
		l.purgedTo = cov.End()
	}
	if cov.Settled() {
		l.settledTo = cov.End()
	}
	if (cov.State == ledger.WindowComplete || cov.Awaits()) && len(l.awaitsIn) == 0 {
		l.awaitsIn = append(l.awaitsIn, cov.Start)
	}
	if l.held.IsZero() && cov.Contents() > 0 {
		l.held = cov.Start
	}
}

// outside lists the hours of rows that lie beyond a time.
func (l *ledgerRead) outside(to, horizon time.Time) []time.Time {
	if horizon.IsZero() {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(l.hours), func(t time.Time) bool { return t.Before(to) || !t.After(horizon) })
}

// datesAhead is how far an owner's dates may be ahead of the storage service's clock, and of the
// last run: the clocks of runs agree within minutes, but a simulated tenant has its own.
const datesAhead = 31 * 24 * time.Hour

// checkGuards names what is wrong with the rows beside the hours.
func (v *Verifier) checkGuards() {
	g := &v.look.guards
	for _, f := range g.Flaws {
		v.found(f.Difference, f.Table, f.Row, "%s", f.Detail)
	}
	v.findings = append(v.findings, v.ledger.bad...)
	has := v.ledger.rows > 0 || v.log.next > 0 || len(g.Revisions) > 0
	switch p := &v.look; {
	case p.why != "":
		v.found(DiffLedger, LedgerTable, ProgressRow, "%s", p.why)
	case !p.known && has:
		v.found(DiffLedger, LedgerTable, ProgressRow, "the row is not there, though the stream has a ledger")
	}
	if p := &v.look; p.known {
		for _, n := range g.Revisions {
			if n != p.Revision {
				v.found(DiffLedger, LedgerTable, fmt.Sprintf("revision!%d", n),
					"it is a revision that is not the progress row's, %d", p.Revision)
			}
		}
		if !slices.Contains(g.Revisions, p.Revision) {
			v.found(DiffLedger, LedgerTable, fmt.Sprintf("revision!%d", p.Revision),
				"it is not there, and the progress row has that revision")
		}
		if !g.HasLease && !p.SteppedAt.IsZero() && !slices.ContainsFunc(g.Flaws,
			func(f Flaw) bool { return f.Row == LeaseRow }) {
			v.found(DiffLedger, LedgerTable, LeaseRow, "the row is not there, though runs have had the stream")
		}
	}
	v.checkStamps(g)
}

// checkStamps compares the dates of the lease with those that were written.
func (v *Verifier) checkStamps(g *Guards) {
	if v.look.known && v.look.SteppedAt.IsZero() {
		g.HasLease = false // a version that knows no leases wrote last
	}
	if g.HasLease && v.look.known && g.Lease.Stamp.Before(v.look.SealedAt) {
		v.found(DiffLedger, LedgerTable, LeaseRow, "its Stamp is %s, and a seal was dated %s", stamp(g.Lease.Stamp),
			stamp(v.look.SealedAt))
		g.HasLease = false // it dates nothing
	}
	if now := entra.Later(g.Lease.ReadAt, entra.Later(v.look.LastRunAt, v.ledger.lastReadAt)); g.HasLease &&
		!g.Lease.ReadAt.IsZero() && g.Lease.Base.Sub(now) > datesAhead {
		v.found(DiffLedger, LedgerTable, LeaseRow,
			"its Base is %s, and it is %s: all that is written from now on is dated so",
			stamp(g.Lease.Base), stamp(now))
	}
	for _, s := range v.look.Suspects {
		if v.look.known && g.HasLease && !g.Lease.ReadAt.IsZero() && s.Since.Sub(g.Lease.ReadAt) > datesAhead {
			v.found(DiffLedger, LedgerTable, ProgressRow,
				"its Suspects name a run that was stopped on %s, and it is %s",
				stamp(s.Since), stamp(g.Lease.ReadAt))
		}
	}
	// A owner's dates begin at its Base, a tick apart.
	if of := g.Lease.Stamp.Sub(g.Lease.Base); g.HasLease && (of < 0 || of > ledger.FenceGap) {
		v.found(DiffLedger, LedgerTable, LeaseRow, "its Stamp is %s, and its Base %s: no holder gives such dates",
			stamp(g.Lease.Stamp), stamp(g.Lease.Base))
		g.HasLease = false
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// progressCheck compares a progress row with what its rows make.
type progressCheck struct {
	verifier *Verifier
	p, is    *ledger.Progress // as it is stored; as the rows make it
}

func (c progressCheck) wrong(format string, args ...any) {
	c.verifier.found(DiffLedger, LedgerTable, ProgressRow, format, args...)
}

// checkProgress compares the progress row with the rows of the hours and the log.
func (v *Verifier) checkProgress() {
	if !v.look.known || !v.look.Started() && v.look.ImportedHours == 0 && v.ledger.rows == 0 {
		return
	}
	if !v.steady {
		v.found(DiffUnconfirmed, LedgerTable, ProgressRow,
			"the totals could not be compared: the stream was being written all the while")
		return
	}
	c := progressCheck{v, &v.look.Progress, &v.ledger.sums}
	if v.ledger.unread == 0 {
		c.totals()
		c.spans()
		c.marks()
	}
	c.times()
	if v.log.lost == 0 && len(v.log.changed) == 0 {
		c.seals()
	}
}

// totals are the sums over the rows.
func (c progressCheck) totals() {
	type sum struct {
		name    string
		says    int64
		is      int64
		ofEvery bool // versions before kept it, too
	}
	p, is := c.p, c.is
	for _, s := range []sum{
		{"Records", p.Records, is.Records, true}, {"Versions", p.Versions, is.Versions, true},
		{"Bytes", p.Bytes, is.Bytes, true}, {"StoredBytes", p.StoredBytes, is.StoredBytes, true},
		{"Changed", p.Changed, is.Changed, true}, {"Late", p.Late, is.Late, true},
		{"Reopened", p.Reopened, is.Reopened, true}, {"WindowsComplete", p.WindowsComplete, is.WindowsComplete, false},
		{"Doubts", p.Doubts, is.Doubts, false}, {"Lost", p.Lost, is.Lost, false}, {"Purged", p.Purged, is.Purged,
			false},
		{"Imported", p.Imported, is.Imported, true}, {"ImportedHours", p.ImportedHours, is.ImportedHours, true},
		{"Thin", p.Thin, is.Thin, false}, {"Awaits", p.Awaits, is.Awaits, false}, {"Unsealed", p.Unsealed,
			is.Unsealed, false},
	} {
		if s.says != s.is && (s.ofEvery || p.Recounted) {
			c.wrong("its %s is %d, and the rows of the hours make %d", s.name, s.says, s.is)
		}
	}
}

// spans hold all the hours that are counted beside them.
func (c progressCheck) spans() {
	p, is := c.p, c.is
	hold := func(name string, n int64, from, to, first, end time.Time) {
		switch {
		case n == 0 && (!from.IsZero() || !to.IsZero()):
			c.wrong("it has a span of %s, and counts none", name)
		case n == 0:
		case from.IsZero() || from.After(first), !end.IsZero() && to.Before(end):
			c.wrong("its span of %s does not hold all of them: they lie from %s to %s", name, stamp(first), stamp(end))
		}
	}
	hold("ImportedHours", is.ImportedHours, p.ImportedFrom, p.ImportedTo, is.ImportedFrom, is.ImportedTo)
	hold("Reopened", is.Reopened, p.ReopenedFrom, time.Time{}, is.ReopenedFrom, time.Time{})
	if !p.Recounted {
		return
	}
	hold("Doubts", is.Doubts, p.DoubtFrom, p.DoubtTo, is.DoubtFrom, is.DoubtTo)
	hold("Lost", is.Lost, p.LostFrom, p.LostTo, is.LostFrom, is.LostTo)
	hold("Thin", is.Thin, p.ThinFrom, p.ThinTo, is.ThinFrom, is.ThinTo)
	hold("Awaits", is.Awaits, p.AwaitsFrom, p.AwaitsTo, is.AwaitsFrom, is.AwaitsTo)
	hold("Unsealed", is.Unsealed, p.UnsealedFrom, p.UnsealedTo, is.UnsealedFrom, is.UnsealedTo)
}

// marks are how far the stream is read, passed, settled and purged.
func (c progressCheck) marks() {
	p, l := c.p, &c.verifier.ledger
	if first := entra.FloorHour(p.Begin); !p.Begin.IsZero() && !l.firstRead.IsZero() && l.firstRead.Before(first) {
		c.wrong("its Begin is %s, and hours from %s on were read", stamp(p.Begin), stamp(l.firstRead))
	}
	if p.Begin.IsZero() && p.Recounted && !l.firstRead.IsZero() && l.firstRead.Before(p.Backfilled) &&
		l.firstRead.Before(p.TailBegin) {
		c.wrong("it has no Begin, and hours from %s on were read", stamp(l.firstRead))
	}
	// A wrong clock may have marked future hours as read.
	ahead := l.lastReadAt.After(p.LastRunAt)
	if end := l.lastRead.Add(time.Hour); !l.lastRead.IsZero() && end.After(p.Watermark) && !ahead {
		c.wrong("its Watermark is %s, and the hour that ends at %s was read", stamp(p.Watermark), stamp(end))
	}
	if p.SealedTo.Before(l.settledTo) {
		c.wrong("its SealedTo is %s, and hours up to %s are settled", stamp(p.SealedTo), stamp(l.settledTo))
	}
	if !p.SealedTo.Equal(entra.FloorHour(p.SealedTo)) || p.SealedTo.After(p.Watermark) && !ahead {
		c.wrong("its SealedTo is %s, and hours are settled after they were read, up to %s", stamp(p.SealedTo),
			stamp(p.Watermark))
	}
	for _, start := range l.awaitsIn {
		if start.Before(p.SealedTo) {
			c.wrong("its SealedTo is %s, and the hour %s is not settled", stamp(p.SealedTo),
				start.Format(entra.HourFormat))
		}
	}
	if l.held.Before(p.PurgedTo) && !l.held.IsZero() {
		c.wrong("its PurgedTo is %s, and the hour %s holds something", stamp(p.PurgedTo),
			l.held.Format(entra.HourFormat))
	}
	dropping := slices.ContainsFunc(p.Drops, func(d ledger.Drop) bool { return d.Month.Before(l.purgedTo) })
	if p.Recounted && l.purgedTo.After(p.PurgedTo) && !dropping {
		c.wrong("its PurgedTo is %s, and all hours up to %s were purged", stamp(p.PurgedTo), stamp(l.purgedTo))
	}
	if p.Started() && p.PurgedTo.After(entra.Later(p.SealedTo, entra.FloorHour(p.FirstHour()))) {
		c.wrong("its PurgedTo is %s, and hours are settled up to %s", stamp(p.PurgedTo), stamp(p.SealedTo))
	}
}

// times are none later than the last run that had the stream.
func (c progressCheck) times() {
	if !c.verifier.look.guards.HasLease || c.verifier.look.guards.Lease.Base.IsZero() {
		return
	}
	p, base := c.p, c.verifier.look.guards.Lease.Base
	for _, t := range []struct {
		name string
		at   time.Time
	}{
		{"Watermark", p.Watermark}, {"LastRunAt", p.LastRunAt}, {"LastSuccessAt", p.LastSuccessAt}, {"LastErrorAt",
			p.LastErrorAt},
		{"SteppedAt", p.SteppedAt}, {"BackfilledAt", p.BackfilledAt}, {"RefusedSince", p.RefusedSince}, {"PoorSince",
			p.PoorSince},
		{"NarrowSince", p.NarrowSince}, {"EnrichedTo", p.EnrichedTo},
	} {
		if t.at.After(base) {
			c.wrong("its %s is %s, and no run has begun after %s", t.name, stamp(t.at), stamp(base))
		}
	}
	for _, mark := range p.Passed {
		if mark.Age != 0 && mark.To.After(entra.Later(base.Add(-mark.Age), p.TailBegin)) {
			c.wrong("its mark of the pass at %s is %s, and no run has begun after %s", mark.Age, stamp(mark.To),
				stamp(base))
		}
	}
	if p.LastSuccessAt.After(p.LastRunAt) {
		c.wrong("its LastSuccessAt is after its LastRunAt")
	}
}

// seals are what the log has.
func (c progressCheck) seals() {
	p, last := c.p, c.verifier.log.sealed
	if !last.SealedAt.IsZero() && !p.SealedAt.Equal(last.SealedAt) || last.SealedAt.IsZero() && !p.SealedAt.IsZero() {
		c.wrong("its SealedAt is %s, and the last seal was made on %s", stamp(p.SealedAt), stamp(last.SealedAt))
	}
	if p.Heads < 0 || p.Heads > p.Seals {
		c.wrong("it counts %d heads' entries of %d", p.Heads, p.Seals)
	}
}
