package verify

import (
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
)

// arrivals compares what was not read from the source with what the ledger counts of it, and the
// marks of those of which another form is stored with that form.
func (j *judging) arrivals() {
	cov, arrived := &j.hour.cov, j.hour.stored.arrived()
	if cov.State == ledger.WindowPurged {
		return
	}
	j.marks()
	if cov.HoldsArrivals(arrived) || j.foundTampering() {
		return
	}
	switch n := int64(len(arrived)); {
	case j.verifier.look.known && j.awaited() && j.leftUncounted(arrived):
		j.add(DiffUnconfirmed, "", "",
			"%d arrivals are there, and the ledger counts %d; a run was stopped, or is at work, and the next one "+
				"counts them",
			n, cov.Imported)
	case len(j.hour.seals) > 0 && j.sealedWhole():
		j.ledgerSays("all that was sealed is there, and the row counts %d arrivals (Imported, ImportedSum), or others",
			cov.Imported)
	case n < cov.Imported:
		j.add(DiffRemoved, "", "", "%d of %d arrivals are not there; before an hour is sealed, nobody can say which",
			cov.Imported-n, cov.Imported)
	case n > cov.Imported:
		j.add(DiffAdded, "", j.onlyStranger(arrived), "%d arrivals are there, and the ledger counts %d", n,
			cov.Imported)
	default:
		j.add(DiffAltered, "", "", "its arrivals are not those that the ledger counts")
	}
}

// leftUncounted reports whether the arrivals that the ledger does not count were written since the
// last commit.
func (j *judging) leftUncounted(arrived []seal.Leaf) bool {
	counted := slices.DeleteFunc(slices.Clone(arrived), j.writtenSince)
	return j.hour.cov.HoldsArrivals(counted) || j.hour.cov.Imported == 0
}

// onlyStranger is the key of the one arrival that the ledger does not count; empty where there are
// several.
func (j *judging) onlyStranger(arrived []seal.Leaf) string {
	extra := ledger.SumOfLeaves(arrived)
	extra.Sub(j.hour.cov.ImportedSum)
	for _, l := range arrived {
		if ledger.SumOf(l.Key, l.Fixed()) == extra {
			return j.rowOf(l)
		}
	}
	return ""
}

// marks compares which arrivals are marked as superseded with the forms that are stored.
func (j *judging) marks() {
	hidden := make(map[string]bool)
	unmarked := slices.Clone(j.hour.stored.forms)
	for i := range unmarked {
		if unmarked[i].Arrived() {
			unmarked[i].Superseded = time.Time{}
		}
	}
	for _, l := range ledger.Eclipsed(unmarked) {
		hidden[l.Key] = true
	}
	for _, f := range j.hour.stored.forms {
		switch marked := !f.Superseded.IsZero(); {
		case !f.Arrived() || len(j.hour.stored.altered) > 0: // the other form may be one of those
		case marked && !hidden[f.Key]:
			j.add(DiffAltered, "", f.Key, "it is marked as if another form of its record were stored, and none is")
		case !marked && hidden[f.Key] && j.hour.cov.Sealed():
			j.add(DiffAltered, "", f.Key, "another form of its record is stored, and it is not marked (Superseded)")
		}
	}
}
