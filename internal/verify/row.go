package verify

import (
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

// checkRow compares what the ledger's row of an hour says with its rows, its seals, the progress
// and itself.
func (j *judging) checkRow() {
	j.counts()
	j.entries()
	j.place()
	j.times()
	j.lostPart()
	j.reasons()
	if !j.hour.cov.Doubt && j.hour.cov.State != ledger.WindowPurged && !j.foundTampering() {
		j.tally()
	}
}

// foundTampering reports whether a record of the hour was altered.
func (j *judging) foundTampering() bool {
	for _, f := range j.found {
		if f.Difference.IsTampering() && f.Table != LedgerTable && f.Difference != DiffDerived {
			return true
		}
	}
	return false
}

// counts balance, and none is negative.
func (j *judging) counts() {
	c := &j.hour.cov
	for _, n := range []struct {
		name string
		n    int64
	}{
		{"Passes", int64(c.Passes)}, {"Fetched", c.Fetched}, {"New", c.New}, {"Changed", c.Changed}, {"Enriched",
			c.Enriched}, {"Unchanged", c.Unchanged},
		{"Quarantined", c.Quarantined}, {"Late", c.Late}, {"Records", c.Records}, {"Versions", c.Versions}, {"Bytes",
			c.Bytes},
		{"StoredBytes", c.StoredBytes}, {"Seals", c.Seals}, {"LastSeal", c.LastSeal}, {"Revision", c.Revision},
		{"SealedRevision", c.SealedRevision}, {"ColumnSet", int64(c.ColumnSet)}, {"Unconfirmed",
			c.Unconfirmed}, {"Unmet", c.Unmet}, {"Imported", c.Imported}, {"Eclipsed", c.Eclipsed},
		{"Imported less its Eclipsed", c.Imported - c.Eclipsed},
	} {
		if n.n < 0 {
			j.ledgerSays("its %s is %d", n.name, n.n)
		}
	}
	if known := logs.Of(j.verifier.stream).ColumnSet(); c.ColumnSet > known {
		j.ledgerSays("its ColumnSet is %d, and this version knows %d", c.ColumnSet, known)
	}
	if forms := logs.Of(j.verifier.stream).Forms; c.Form != "" && !slices.Contains(forms, c.Form) {
		j.ledgerSays("its Form is %q, and the log has %v", c.Form, forms)
	}
	if sum := c.New + c.Changed + c.Enriched + c.Unchanged + c.Quarantined; c.Fetched != sum {
		j.ledgerSays("its Fetched is %d, and New, Changed, Enriched, Unchanged and Quarantined make %d", c.Fetched, sum)
	}
}

// entries compares the row with the entries of the hour.
func (j *judging) entries() {
	c, all := &j.hour.cov, j.hour.seals
	if j.verifier.log.lost == 0 && c.Seals != int64(len(all)) {
		j.ledgerSays("its Seals is %d, and the log has %d entries of the hour", c.Seals, len(all))
	}
	switch n := len(all); {
	case n == 0 && c.Seals == 0 && c.LastSeal != 0:
		j.ledgerSays("its LastSeal is %d, and the hour was never sealed", c.LastSeal)
	case n > 0 && c.Seals > 0 && c.LastSeal != all[n-1].Number && j.verifier.log.lost == 0:
		j.ledgerSays("its LastSeal is %d, and the last entry of the hour is %d", c.LastSeal, all[n-1].Number)
	}
	switch {
	case c.SealedRevision > c.Revision:
		j.ledgerSays("its SealedRevision is %d, and its Revision %d", c.SealedRevision, c.Revision)
	case c.SealedRevision > 0 && !c.HasSum:
		j.ledgerSays("it has no Sum, and was sealed by a version that keeps one")
	case c.SealedRevision > 0 && c.Seals == 0:
		j.ledgerSays("its SealedRevision is %d, and the hour was never sealed", c.SealedRevision)
	case (c.Settled() || c.State == ledger.WindowPurged) && c.SealedRevision > 0 && c.SealedRevision < c.Revision:
		j.ledgerSays("it is sealed, its SealedRevision is %d and its Revision %d", c.SealedRevision, c.Revision)
	}
	if c.Settled() && (c.Seals == 0 || len(all) == 0) && j.verifier.log.lost == 0 {
		j.add(DiffLog, LedgerTable, j.hour.cov.Start.Format("2006-01-02T15"),
			"the ledger says that the hour is sealed, and the log has no seal of it")
	}
}

// place compares the row's state with its place in the stream, and with its seals.
func (j *judging) place() {
	c, p := &j.hour.cov, &j.verifier.look.Progress
	last, sealed := j.last()
	switch c.State {
	case ledger.WindowSealed:
		if sealed && ledger.WasPurged(last) && j.hour.stored.count() > 0 {
			return // said by seals
		}
	case ledger.WindowPurged:
		if !sealed || !ledger.WasPurged(last) {
			if j.verifier.log.lost == 0 {
				j.ledgerSays("it says that the hour was purged, and the log does not")
			}
		} else if c.Reason != last.Reason {
			j.ledgerSays("its Reason is not that of the log's entry %d", last.Number)
		}
		if c.Contents() != 0 || c.Bytes != 0 || c.StoredBytes != 0 || c.Sum != (ledger.Sum{}) {
			j.ledgerSays("it says that the hour was purged, and counts %d contents, %d bytes, or others", c.Counted(),
				c.Bytes)
		}
	case ledger.WindowComplete, ledger.WindowReopened:
		if c.Passes == 0 && !c.InPart() {
			j.ledgerSays("it is %s, and counts no read of the whole hour", c.State)
		}
	case ledger.WindowLost:
		if c.Counted() != 0 || len(j.hour.seals) > 0 && c.Imported == 0 {
			j.ledgerSays("it says that the hour is lost, and counts %d contents and %d seals", c.Counted(),
				len(j.hour.seals))
		}
	}
	if !j.verifier.look.known || !p.Started() {
		return
	}
	if before := c.Start.Before(p.SealedTo); before && (c.State == ledger.WindowComplete || c.Awaits()) {
		j.ledgerSays("it is %s, and the hours up to %s are settled", c.State, stamp(p.SealedTo))
	} else if !before && c.Settled() {
		j.ledgerSays("it is settled, and the hours are only up to %s", stamp(p.SealedTo))
	}
	if p.WasRead(c.Start) && c.State == ledger.WindowPartial && c.Passes == 0 && !c.InPart() {
		j.ledgerSays("it counts no read of the hour, and the stream was read there")
	}
}

// last is the hour's last entry of the log, where it can be trusted.
func (j *judging) last() (seal.Seal, bool) {
	n := len(j.hour.seals)
	if n == 0 || j.verifier.log.changed[j.hour.seals[n-1].Number] {
		return seal.Seal{}, false
	}
	return j.hour.seals[n-1], true
}

// times are those of a run that had the stream.
func (j *judging) times() {
	c := &j.hour.cov
	// Of two runs the one that waited may go by the earlier time.
	if c.PassedAt.Sub(c.LastReadAt) > time.Hour {
		j.ledgerSays("its PassedAt is %s, and its LastReadAt %s", stamp(c.PassedAt), stamp(c.LastReadAt))
	}
	if g := &j.verifier.look.guards; j.verifier.look.known && g.HasLease && !g.Lease.Base.IsZero() {
		for _, t := range []struct {
			name string
			at   time.Time
		}{{"FirstReadAt", c.FirstReadAt}, {"LastReadAt", c.LastReadAt}, {"PurgedAt", c.PurgedAt}} {
			if t.at.After(g.Lease.Stamp) {
				j.ledgerSays("its %s is %s, and no run has begun after %s", t.name, stamp(t.at), stamp(g.Lease.Base))
			}
		}
	}
	if c.Passes > 0 && (c.PassedAt.IsZero() || c.LastReadAt.IsZero()) {
		j.ledgerSays("it counts %d reads of the whole hour, and does not say when the last one was", c.Passes)
	}
	var at time.Time
	for _, s := range j.hour.seals {
		if ledger.WasPurged(s) {
			at = s.SealedAt
		}
	}
	switch {
	case c.PurgedAt.IsZero() && c.State == ledger.WindowPurged && c.SealedRevision > 0:
		j.ledgerSays("it says that the hour was purged, and not when")
	case !c.PurgedAt.IsZero() && !c.PurgedAt.Equal(at) && j.verifier.log.lost == 0:
		j.ledgerSays("its PurgedAt is %s, and the log says %s", stamp(c.PurgedAt), stamp(at))
	}
}

// lostPart is a part of the hour.
func (j *judging) lostPart() {
	c := &j.hour.cov
	switch from, to := c.LostFrom, c.LostTo; {
	case from.IsZero() != to.IsZero():
		j.ledgerSays("it has one of LostFrom and LostTo")
	case to.IsZero():
	case !from.Before(to), from.Before(c.Start), to.After(c.End()):
		j.ledgerSays("its LostFrom and LostTo, %s and %s, are no part of the hour", stamp(from), stamp(to))
	case c.State == ledger.WindowComplete:
		j.ledgerSays("it is complete, and a part of it is lost")
	}
}

// reasons compares what is not known of the hour with what its last seal says of it.
func (j *judging) reasons() {
	c := &j.hour.cov
	last, sealed := j.last()
	if !c.Sealed() || c.State == ledger.WindowPurged || c.SealedRevision != c.Revision || !sealed ||
		ledger.WasPurged(last) {
		return
	}
	if c.Reason != "" && (!c.Settled() || !ledger.IsReverted(last) || c.Reason != last.Reason) {
		j.ledgerSays("it has a Reason to be sealed again, and is sealed as it is")
	}
	if ledger.IsReverted(last) || !last.Dated && c.SealedRevision == 0 {
		return // a version before did not always say it
	}
	if known := c.Known(); known == "" && ledger.NamesUnknown(last.Reason) {
		j.ledgerSays("its last seal says %q, and the row knows nothing of it (LostFrom, LostTo, "+
			"Unconfirmed, Unmet, Reads)",
			last.Reason)
	} else if !strings.HasSuffix(last.Reason, known) {
		j.ledgerSays("it says %q (LostFrom, LostTo, Unconfirmed, Unmet, Reads), and its last seal does not", known)
	}
}

// tally compares the row's counts with its rows, one by one. That their sum agrees is known.
func (j *judging) tally() {
	c, s := &j.hour.cov, &j.hour.stored
	if c.Contents() != s.count() {
		return // said by contents and arrivals
	}
	apart := c.Unconfirmed + c.Unmet
	if c.Records > s.records || c.Versions > s.versions || apart == 0 && (c.Records != s.records ||
		c.Versions != s.versions) {
		j.ledgerSays("its Records is %d and its Versions %d, and there are %d and %d", c.Records, c.Versions,
			s.records, s.versions)
	}
	if !c.HasSum {
		return // it was counted by a version that did not compare
	}
	if s.unread == 0 && c.Bytes != s.bytes {
		j.ledgerSays("its Bytes is %d, and the records have %d", c.Bytes, s.bytes)
	}
	if c.Eclipsed != s.eclipsed && (c.Sealed() || c.Eclipsed > s.eclipsed) {
		j.ledgerSays("its Eclipsed is %d, and %d rows are marked so", c.Eclipsed, s.eclipsed)
	}
	// What a run marked before it was stopped is counted when the hour is sealed.
	if s.sized && c.StoredBytes != s.size && (c.Sealed() || c.Eclipsed == s.eclipsed) {
		j.ledgerSays("its StoredBytes is %d, and the rows have %d", c.StoredBytes, s.size)
	}
}
