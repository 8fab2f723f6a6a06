package verify

import (
	"fmt"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
)

// held are the seals of what an hour still holds: those after its last purge. whole is false where
// one of them can't be trusted.
func (j *judging) held() (seals []seal.Seal, whole bool) {
	seals, whole = j.hour.seals, true
	for i, s := range j.hour.seals {
		if ledger.WasPurged(s) && !j.verifier.log.changed[s.Number] {
			seals, whole = j.hour.seals[i+1:], true
		} else if j.verifier.log.changed[s.Number] {
			whole = false
		}
	}
	return seals, whole
}

// compareSeals compares what is stored of the hour with each of its seals.
func (j *judging) compareSeals() {
	all := j.hour.seals
	if len(all) == 0 {
		return
	}
	seals, _ := j.held()
	if len(seals) == 0 {
		j.purgedHour(all[len(all)-1])
		return
	}
	var members []seal.Leaf
	for _, s := range seals {
		if j.verifier.log.changed[s.Number] {
			continue // said already
		}
		listed, ok := j.members(s)
		if !ok {
			j.differ(s)
			return // the seals after it are wrong for the same reason
		}
		members = listed
		j.list(s, members)
		if s.Dated {
			j.dates(s, members)
		}
	}
	if last := seals[len(seals)-1]; !j.verifier.log.changed[last.Number] {
		j.strangers(last, members)
	}
}

// members are the contents that a seal lists. What rows say of when they came decides nothing where
// it does not lead to the seal's root.
func (j *judging) members(s seal.Seal) ([]seal.Leaf, bool) {
	then := seal.LeavesAt(j.hour.stored.leaves, s.SealedAt)
	if int64(len(then)) == s.Leaves && seal.Root(then) == s.Root {
		return then, true
	}
	if list := j.hour.lists[s.Number]; list.Row != "" && list.Problem == "" {
		if listed, all := ledger.PickListed(list.Leaves, j.hour.stored.leaves); all && int64(len(listed)) == s.Leaves &&
			seal.Root(listed) == s.Root {
			return listed, true
		}
	}
	return nil, false
}

// sealedWhole reports whether the rows are what the last seal lists, and nothing else.
func (j *judging) sealedWhole() bool {
	seals, whole := j.held()
	if !whole || len(seals) == 0 {
		return false
	}
	members, ok := j.members(seals[len(seals)-1])
	return ok && len(members) == len(j.hour.stored.leaves)
}

// purgedHour is about an hour of which the log says that its records were dropped.
func (j *judging) purgedHour(last seal.Seal) {
	n := j.hour.stored.count()
	dropping := false
	for _, d := range j.verifier.look.Drops {
		dropping = dropping || !j.hour.cov.Start.Before(d.Month) && j.hour.cov.Start.Before(d.Month.AddDate(0, 1, 0))
	}
	switch {
	case !j.hour.there || j.hour.cov.State == ledger.WindowPurged:
		if n == 0 || dropping || !j.verifier.look.known {
			return // what is left of it is being dropped
		}
		if j.wasSealed() {
			j.add(DiffUnconfirmed, "", "",
				"%d contents are left of an hour that was purged on %s: the drop was interrupted", n,
				last.SealedAt.Format(time.RFC3339))
			return
		}
		j.add(DiffAdded, "", "", "%d contents are there, and the hour was purged on %s", n,
			last.SealedAt.Format(time.RFC3339))
	case j.hour.cov.Seals > 0 && !j.hour.cov.Sealed(): // records came after it was purged; the ledger counts them
	case j.hour.cov.Doubt && j.awaited():
	default:
		j.ledgerSays("the log says that the hour was purged on %s, and the row says that it is %s",
			last.SealedAt.Format(time.RFC3339), j.hour.cov.State)
	}
}

// wasSealed reports whether all stored contents were part of the last seal before a purge.
func (j *judging) wasSealed() bool {
	for i := len(j.hour.seals) - 1; i >= 0; i-- {
		if s := j.hour.seals[i]; !ledger.WasPurged(s) {
			_, ok := j.members(s)
			return ok
		}
	}
	return false
}

// differ names the records that are not as they were sealed.
func (j *judging) differ(s seal.Seal) {
	before := len(j.found)
	list := j.hour.lists[s.Number]
	usable := list.Row != "" && list.Problem == ""
	if usable {
		j.differences(s, list.Leaves, seal.LeavesAt(j.hour.stored.leaves, s.SealedAt))
	}
	if len(j.found) > before {
		return
	}
	if then := int64(len(seal.LeavesAt(j.hour.stored.leaves, s.SealedAt))); then < s.Leaves {
		j.add(DiffRemoved, "", "",
			"%d of the %d contents sealed on %s are not there, and the seal's list does not tell which", s.Leaves-then,
			s.Leaves, s.SealedAt.Format(time.RFC3339))
		return
	}
	if len(j.hour.stored.altered) > 0 {
		return
	}
	j.add(DiffAltered, "", "", "the %d records sealed on %s have not the root that was sealed", s.Leaves,
		s.SealedAt.Format(time.RFC3339))
}

func (j *judging) listTable() string { return "leaves" + j.hour.cov.Start.UTC().Format("200601") }

// list compares what was kept beside a seal with what it lists.
func (j *judging) list(s seal.Seal, members []seal.Leaf) {
	list := j.hour.lists[s.Number]
	wrong := func(format string, args ...any) {
		row := list.Row
		if row == "" {
			row = fmt.Sprintf("%sseal!%010d", j.hour.cov.Start.UTC().Format("2006-01-02T15"), s.Number)
		}
		j.add(DiffDerived, j.listTable(), row, format+"; the seal itself agrees, so it may be made again", args...)
	}
	switch {
	case len(members) == 0:
	case list.Row == "":
		wrong("the list of the seal of %s is not there", s.SealedAt.Format(time.RFC3339))
	case list.Problem != "":
		wrong("the list of the seal of %s can't be read: %s", s.SealedAt.Format(time.RFC3339), list.Problem)
	case len(list.Leaves) != len(members):
		wrong("the list of the seal of %s has %d contents of %d", s.SealedAt.Format(time.RFC3339), len(list.Leaves),
			len(members))
	default:
		for i, k := range list.Leaves {
			if k != ledger.KeptLeafOf(members[i]) {
				wrong("the list of the seal of %s has another content in place %d", s.SealedAt.Format(time.RFC3339), i)
				return
			}
		}
		for i, at := range list.Dates {
			if s.Dated && at != members[i].DatesAt(s.SealedAt) && seal.DatesRoot(members, s.SealedAt) == s.Dates {
				wrong("the list of the seal of %s has other dates in place %d", s.SealedAt.Format(time.RFC3339), i)
				return
			}
		}
	}
}

// manySpells is how many spells a row keeps at most: of a content that came back more often, the
// dates of early seals cannot be computed any more. Those of the other contents still can, by the
// seal's list.
const manySpells = 400

// dates compares the dates of what a seal lists with those that it covers.
func (j *judging) dates(s seal.Seal, members []seal.Leaf) {
	if seal.DatesRoot(members, s.SealedAt) == s.Dates {
		return
	}
	sealedOn := s.SealedAt.Format(time.RFC3339)
	list, before, respelled := j.hour.lists[s.Number], len(j.found), false
	if list.Problem == "" && len(list.Dates) == len(members) {
		for i, m := range members {
			if is := m.DatesAt(s.SealedAt); is != list.Dates[i] {
				if j.respelled(s, m) || len(m.Spells) >= manySpells {
					respelled = true
					continue
				}
				kind, how := j.excuse(m)
				j.add(kind, "", j.rowOf(m),
					"its dates FirstSeen, Superseded, Came or Spells say %q, and %q was sealed on %s%s", is,
					list.Dates[i], sealedOn, how)
			}
		}
	}
	if len(j.found) == before && !respelled {
		kind, how := j.excuse(seal.Leaf{})
		j.add(kind, "", "",
			"the dates (FirstSeen, Superseded, Came, Spells) of its contents are not those that were sealed on %s%s",
			sealedOn, how)
	}
}

// excuse reports whether different dates may come from a run that writes there, or from an earlier
// version that wrote the hour's row last and did not keep the spells of a content that came back.
func (j *judging) excuse(l seal.Leaf) (Difference, string) {
	switch {
	case j.verifier.look.known && j.awaited() && j.verifier.look.BeingWritten(j.hour.cov.Start, j.hour.cov.End()):
		return DiffUnconfirmed, "; a run is writing there"
	case j.hour.there && j.hour.cov.SealedRevision == 0 && !j.hour.cov.Settled() && l.Came.IsZero() &&
		j.contentsOf(l) > 1:
		return DiffUnconfirmed, "; a version before, which kept no spells, may have written them"
	}
	return DiffAltered, ""
}

// respelled reports whether a version without dates and spells has sealed the hour after a seal:
// then it may have changed those of a record with several contents.
func (j *judging) respelled(s seal.Seal, l seal.Leaf) bool {
	return j.contentsOf(l) > 1 && slices.ContainsFunc(j.hour.seals, func(o seal.Seal) bool {
		return o.Number > s.Number && !o.Dated && o.Leaves > 0
	})
}

// contentsOf counts the contents of a content's record.
func (j *judging) contentsOf(l seal.Leaf) (n int) {
	for _, o := range j.hour.stored.leaves {
		if o.Key == l.Key {
			n++
		}
	}
	return n
}

// strangers names the contents that the last seal of an hour does not list.
func (j *judging) strangers(last seal.Seal, members []seal.Leaf) {
	listed := make(map[ledger.Sum]bool, len(members))
	for _, l := range members {
		listed[ledger.SumOf(l.Key, l.Hash)] = true
	}
	sealedOn := last.SealedAt.Format(time.RFC3339)
	cov := &j.hour.cov
	// That an hour changed since it was sealed is believed where the ledger counts what is there.
	stale := !cov.Sealed() || !cov.Settled() && cov.SealedRevision == 0 // a version before may have changed it
	changed := j.hour.there && stale && cov.HasSum && cov.Agrees(j.hour.stored.contents()) &&
		cov.HoldsArrivals(j.hour.stored.arrived()) && !j.verifier.stuck(j.hour.row.Written)
	for _, l := range j.hour.stored.leaves {
		since := l.FirstSeen.After(last.SealedAt)
		switch {
		case listed[ledger.SumOf(l.Key, l.Hash)]:
		case since && changed:
		case since && j.hour.there && stale && !cov.HasSum && cov.Contents() == j.hour.stored.count():
		case j.hour.there && j.verifier.look.known && j.awaited() && (cov.Doubt || since && j.writtenSince(l)):
			if l.Arrived() {
				j.add(DiffUnconfirmed, "", j.rowOf(l),
					"it came after the hour was sealed on %s, and the next run counts it", sealedOn)
				continue
			}
			j.unconfirmed.Add(ledger.SumOf(l.Key, l.Hash))
			j.add(DiffUnconfirmed, "", j.rowOf(l),
				"it came after the hour was sealed on %s, and the next run of archivelogs asks %s for it", sealedOn,
				j.source())
		case since:
			j.add(DiffAdded, "", j.rowOf(l),
				"it came after the hour was sealed on %s, and the ledger does not know it", sealedOn)
		default:
			j.add(DiffAdded, "", j.rowOf(l),
				"it says that it was there when the hour was sealed on %s, and it was not", sealedOn)
		}
	}
}

// differences names the records that are not as they were sealed.
func (j *judging) differences(s seal.Seal, kept []ledger.KeptLeaf, then []seal.Leaf) {
	there := make(map[ledger.KeptLeaf]int, len(then))
	keys := make(map[string]bool, len(then))
	for _, l := range then {
		there[ledger.KeptLeafOf(l)]++
		keys[l.Key] = true
	}
	altered := j.hour.stored.altered
	sealedOn := " sealed on " + s.SealedAt.Format(time.RFC3339)
	for _, k := range kept {
		switch {
		case there[k] > 0:
			there[k]--
		case altered[k.Key]:
		case keys[k.Key]:
			j.add(DiffAltered, "", k.Key, "the content that was%s (hash %x...) is not there", sealedOn, k.Hash)
			altered[k.Key] = true
		default:
			j.add(DiffRemoved, "", k.Key, "the record that was%s (hash %x...) is not there", sealedOn, k.Hash)
		}
	}
	for _, l := range then {
		k := ledger.KeptLeafOf(l)
		if there[k] > 0 && !altered[l.Key] {
			there[k]--
			j.add(DiffAdded, "", j.rowOf(l), "it says that it was there when the hour was%s, and it was not", sealedOn)
		}
	}
}
