package verify

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

// hour is all that is stored of one hour.
type hour struct {
	row    LedgerRow
	there  bool // the ledger has a row that can be read
	cov    ledger.Coverage
	seals  []seal.Seal
	stored storedHour
	lists  map[int64]SealList
}

// storedHour is what the rows of an hour hold.
type storedHour struct {
	leaves            []seal.Leaf
	rows              map[string]string // row keys, by KeptLeaf of the content
	records, versions int64
	bytes, size       int64
	unread            int64 // contents whose bytes could not be read
	sized             bool
	set               int // the lowest set of columns that a row can be of
	wrong             []Finding
	misdated          []Finding       // rows with a date that no run can have written
	altered           map[string]bool // by key of the record
	forms             []ledger.Form   // of an hour with arrivals: the contents that could be read
	eclipsed          int64           // arrivals that are marked so
}

func (s *storedHour) count() int64 { return int64(len(s.leaves)) }

// contents are those that were read from the source, as the ledger counts them.
func (s *storedHour) contents() ledger.HourContents {
	read := s.read()
	return ledger.HourContents{Count: int64(len(read)), Sum: ledger.SumOfLeaves(read)}
}

func (s *storedHour) read() []seal.Leaf {
	read, _ := ledger.Parted(s.leaves)
	return read
}

func (s *storedHour) arrived() []seal.Leaf {
	_, arrived := ledger.Parted(s.leaves)
	return arrived
}

// hours reads what is stored of the hours of [from, to).
func (v *Verifier) hours(ctx context.Context, from, to time.Time) iter.Seq2[hour, error] {
	return func(yield func(hour, error) bool) {
		ledger := make(map[time.Time]LedgerRow)
		for row, err := range v.evidence.LedgerRows(ctx, v.stream, from, to) {
			if err != nil {
				yield(hour{}, err)
				return
			}
			if row.Start.Format(entra.HourFormat) == row.Key {
				ledger[row.Start] = row
			}
		}
		var seals []seal.Seal
		for start := from; start.Before(to); start = start.Add(time.Hour) {
			seals = append(seals, v.log.byHour[start]...)
		}
		lists, err := v.evidence.KeptLists(ctx, v.stream, from, to, seals)
		if err != nil {
			yield(hour{}, err)
			return
		}
		rows, stop := iter.Pull2(v.evidence.Inspect(ctx, v.stream, from, to))
		defer stop()
		row, err, more := rows()
		for start := entra.FloorHour(from); start.Before(to); start = start.Add(time.Hour) {
			h := v.hour(start, ledger, lists)
			for ; more && err == nil && !row.Hour.After(start); row, err, more = rows() {
				h.add(v, row)
			}
			if !yield(h, err) || err != nil {
				return
			}
		}
	}
}

// hour is an hour before its rows are read.
func (v *Verifier) hour(start time.Time, rows map[time.Time]LedgerRow, lists map[int64]SealList) hour {
	h := hour{seals: v.log.byHour[start], lists: lists}
	h.stored.altered, h.stored.rows, h.stored.sized = make(map[string]bool), make(map[string]string), true
	h.stored.set = logs.Of(v.stream).ColumnSet()
	h.cov = ledger.Coverage{Window: entra.Window{Stream: v.stream, Start: start}, State: ledger.WindowMissing}
	if h.row = rows[start]; h.row.Read {
		h.there, h.cov = true, h.row.Coverage
	}
	return h
}

// add adds a content.
func (h *hour) add(v *Verifier, row Inspected) {
	s := &h.stored
	problem := row.Problem
	switch least := v.columnSet(h.cov); {
	case problem != "":
	case row.Row == row.Key && !row.Superseded.IsZero() && !row.Arrived():
		problem = "it has a column Superseded, and is the record's current content"
	case row.Row != row.Key && row.Superseded.IsZero():
		problem = "it has no column Superseded, and is an earlier content"
	case row.FirstSeen.IsZero():
		problem = "it has no column FirstSeen"
	case row.Foreign != "":
		problem = fmt.Sprintf("it has a column %s, which this version does not write", row.Foreign)
	case row.Raw != nil && row.Set < least:
		problem = fmt.Sprintf("its columns are not those that its record makes (set %d): a search by "+
			"them would be wrong",
			least)
	default:
		if wrong := v.misdated(h.cov, row.Leaf); wrong != "" {
			s.misdated = append(s.misdated, Finding{Difference: DiffAltered, Stream: v.stream, Hour: h.cov.Start,
				Row: row.Row, Detail: wrong})
		}
	}
	if problem != "" {
		f := Finding{Difference: DiffAltered, Stream: v.stream, Hour: h.cov.Start, Row: row.Row, Detail: problem}
		if row.Needs != "" {
			f.Table, f.Row = dictionaryTable, row.Needs
		}
		s.wrong = append(s.wrong, f)
		s.altered[row.Key] = true
	}
	s.leaves = append(s.leaves, row.Leaf)
	s.rows[row.Key+"\x00"+string(row.Hash[:])] = row.Row
	h.count(v, row, problem == "")
	if row.Raw == nil {
		s.unread++
	} else {
		s.set = min(s.set, row.Set)
	}
	s.bytes += int64(len(row.Raw))
	s.size += row.Stored
	s.sized = s.sized && row.Stored > 0
}

// count counts a content, and keeps which record an hour with arrivals has it of.
func (h *hour) count(v *Verifier, row Inspected, sound bool) {
	s := &h.stored
	switch {
	case row.Arrived():
		if !row.Superseded.IsZero() {
			s.eclipsed++
		}
	case row.Row == row.Key:
		s.records++
	default:
		s.versions++
	}
	if h.cov.Imported > 0 && sound {
		s.forms = append(s.forms, ledger.Form{Leaf: row.Leaf,
			Identity: ledger.Identity(row.Key, logs.Of(v.stream).OutcomeOf(row.Columns))})
	}
}

// dictionaryTable is how findings name the table of the dictionaries.
const dictionaryTable = "dictionaries"

// misdated reports where a content has a date that no run can have written.
func (v *Verifier) misdated(cov ledger.Coverage, l seal.Leaf) string {
	g := &v.look.guards
	if !v.look.known || !g.HasLease || g.Lease.Stamp.IsZero() || v.look.BeingWritten(cov.Start, cov.End()) {
		return ""
	}
	for _, t := range []struct {
		name string
		at   time.Time
	}{{"FirstSeen", l.FirstSeen}, {"Superseded", l.Superseded}, {"Came", l.Came}} {
		if t.at.After(g.Lease.Stamp) {
			return fmt.Sprintf("its %s is %s, and the last date that a run has given is %s", t.name, stamp(t.at),
				stamp(g.Lease.Stamp))
		}
	}
	return ""
}

// columnSet is the set of columns that every row of a window has at least: as far as this version
// knows it.
func (v *Verifier) columnSet(cov ledger.Coverage) int {
	return min(max(1, cov.ColumnSet), logs.Of(v.stream).ColumnSet())
}

// judging is what is found in one hour.
type judging struct {
	verifier *Verifier
	hour     *hour
	found    []Finding
	// unconfirmed is the sum over the contents that are named as such.
	unconfirmed ledger.Sum
}

// source is how the stream's source is called.
func (j *judging) source() string { return logs.Of(j.verifier.stream).Source.Name }

func (j *judging) add(d Difference, table, row, format string, args ...any) {
	j.found = append(j.found, Finding{Difference: d, Stream: j.verifier.stream, Hour: j.hour.cov.Start, Table: table,
		Row:    row,
		Detail: fmt.Sprintf(format, args...)})
}

// ledgerSays adds what is wrong with the hour's row in the ledger.
func (j *judging) ledgerSays(format string, args ...any) {
	j.add(DiffLedger, LedgerTable, j.hour.cov.Start.Format(entra.HourFormat), format, args...)
}

// judge names what differs between the rows of an hour, its seals and the ledger.
func (v *Verifier) judge(ctx context.Context, h hour) ([]Finding, error) {
	j := &judging{verifier: v, hour: &h, found: summed(h.stored.wrong)}
	if h.row.Problem != "" {
		j.ledgerSays("%s", h.row.Problem)
	}
	if !h.there {
		j.rowless()
	}
	j.compareSeals()
	if h.there {
		j.contents()
		j.arrivals()
		j.checkRow()
		j.state()
	}
	for _, f := range h.stored.misdated {
		if !slices.ContainsFunc(j.found, func(o Finding) bool { return o.Row == f.Row }) {
			j.found = append(j.found, f)
		}
	}
	return j.found, ctx.Err()
}

// summed joins the findings about rows that lack one dictionary.
func summed(findings []Finding) []Finding {
	var (
		out   []Finding
		needs = make(map[string]int)
	)
	for _, f := range findings {
		if f.Table == dictionaryTable {
			needs[f.Row]++
			continue
		}
		out = append(out, f)
	}
	for _, row := range slices.Sorted(maps.Keys(needs)) {
		f := findings[slices.IndexFunc(findings, func(f Finding) bool { return f.Row == row })]
		f.Table, f.Row = "", ""
		f.Detail = fmt.Sprintf("%d contents can't be read without dictionary %s", needs[row], row)
		out = append(out, f, Finding{Difference: DiffAltered, Stream: f.Stream, Table: dictionaryTable, Row: row,
			Detail: "it is not there, or is not what was written: records that need it can't be read"})
	}
	return out
}

// rowless is about an hour without a row in the ledger.
func (j *judging) rowless() {
	read := j.verifier.look.known && j.verifier.look.WasRead(j.hour.cov.Start)
	switch n := j.hour.stored.count(); {
	case j.hour.row.Problem != "": // said already
	case len(j.hour.seals) > 0:
		last := j.hour.seals[len(j.hour.seals)-1]
		j.ledgerSays("the row is not there, and the hour was sealed on %s", last.SealedAt.Format(time.RFC3339))
	case read:
		j.ledgerSays("the row is not there, though the hour was read")
	case n > 0 && j.verifier.look.known && j.awaited():
		j.add(DiffUnconfirmed, "", "",
			"%d contents are there that the ledger does not count yet; the next run of archivelogs asks %s for them", n,
			j.source())
	case n > 0:
		j.add(DiffAdded, "", "", "%d contents are there, and the ledger does not know of the hour", n)
	case !logs.Of(j.verifier.stream).Delivered:
		j.add(DiffMissing, "", "", "the hour was not read completely")
	}
}

// stuckAfter is for how long runs may continue without asking Graph for what one before them left.
const stuckAfter = 24 * time.Hour

// stuck reports whether runs have succeeded for long since a time: they would have queried Graph
// for what was due then.
func (v *Verifier) stuck(since time.Time) bool {
	return v.look.LastSuccessAt.Sub(since) > stuckAfter
}

// awaited reports whether a run will count the records: the hour is in doubt, or a run writes it,
// or a stopped run wrote it.
func (j *judging) awaited() bool {
	p, from, to := &j.verifier.look.Progress, j.hour.cov.Start, j.hour.cov.End()
	if j.hour.there && j.hour.cov.Doubt && !(p.WasRead(from) && j.verifier.stuck(j.hour.row.Written)) {
		return true
	}
	lease := j.verifier.look.guards.Lease
	if entra.FloorHour(p.ReadingFrom).Before(to) && from.Before(p.ReadingTo) &&
		!j.verifier.stuck(lease.ReadAt.Add(-lease.Age)) {
		return true
	}
	return slices.ContainsFunc(p.Suspects, func(s ledger.Suspect) bool {
		return s.Span().From.Before(to) && from.Before(s.To) && !j.verifier.stuck(s.Since)
	})
}

// contents compares the rows with what the ledger counts.
func (j *judging) contents() {
	cov, rows := &j.hour.cov, j.hour.stored.contents()
	if cov.State == ledger.WindowPurged || cov.Agrees(rows) {
		return
	}
	if len(j.found) > 0 && slices.ContainsFunc(j.found, func(f Finding) bool {
		return f.Table == "" &&
			f.Difference.IsTampering()
	}) {
		return // the sum differs for the same reason
	}
	counted := cov.Counted()
	rest := rows.Sum
	if rest.Sub(j.unconfirmed); j.unconfirmed != (ledger.Sum{}) && cov.HasSum && rest == cov.Sum {
		return // they are named
	}
	switch {
	case cov.Doubt && j.awaited(), j.verifier.look.known && j.awaited() && j.explained():
		j.add(DiffUnconfirmed, "", "",
			"%d contents are there, and the ledger counts %d; the next run of archivelogs asks %s for the hour",
			rows.Count, counted, j.source())
	case len(j.hour.seals) > 0 && j.sealedWhole():
		j.ledgerSays("all that was sealed is there, and the row counts %d contents, or others", counted)
	case rows.Count < counted:
		j.add(DiffRemoved, "", "", "%d of %d records are not there; before an hour is sealed, nobody can say which",
			counted-rows.Count, counted)
	case rows.Count > counted:
		j.uncounted(rows, counted)
	default:
		j.add(DiffAltered, "", "", "its contents are not those that the ledger counts")
	}
}

// explained reports whether the uncounted records were written since the last commit.
func (j *judging) explained() bool {
	cov := &j.hour.cov
	// The dates of some stopped runs are unknown.
	unknown := slices.ContainsFunc(j.verifier.look.Suspects, func(s ledger.Suspect) bool {
		return s.Next.IsZero() && s.Span().From.Before(cov.End()) && cov.Start.Before(s.To)
	})
	if !cov.HasSum || unknown {
		return j.hour.stored.contents().Count >= cov.Counted()
	}
	read := j.hour.stored.read()
	rest := ledger.SumOfLeaves(read)
	for _, l := range read {
		if j.writtenSince(l) {
			rest.Sub(ledger.SumOf(l.Key, l.Hash))
		}
	}
	return rest == cov.Sum
}

// writtenSince reports whether a content has a date that a run may have used without a commit.
func (j *judging) writtenSince(l seal.Leaf) bool {
	p := &j.verifier.look.Progress
	if !p.ReadingFrom.IsZero() && l.FirstSeen.After(j.verifier.look.guards.Lease.Stamp) {
		return true
	}
	return slices.ContainsFunc(p.Suspects, func(s ledger.Suspect) bool { return s.Wrote(l.FirstSeen) })
}

// uncounted names the contents that the ledger does not count, if one can be identified.
func (j *judging) uncounted(rows ledger.HourContents, counted int64) {
	if rows.Count == counted+1 && j.hour.cov.HasSum {
		extra := rows.Sum
		extra.Sub(j.hour.cov.Sum)
		for _, l := range j.hour.stored.read() {
			if ledger.SumOf(l.Key, l.Hash) == extra {
				j.add(DiffAdded, "", j.rowOf(l), "it is there, and the ledger does not count it")
				return
			}
		}
	}
	how := ""
	if !j.hour.cov.HasSum {
		how = " (they were counted by a version that kept no sum)"
	}
	j.add(DiffAdded, "", "", "%d contents are there, and the ledger counts %d%s", rows.Count, counted, how)
}

// rowOf is the key of the row of a content.
func (j *judging) rowOf(l seal.Leaf) string {
	return j.hour.stored.rows[l.Key+"\x00"+string(l.Hash[:])]
}

// state is about hours of which not all is known, or that are not sealed as they are.
func (j *judging) state() {
	cov := &j.hour.cov
	if text := cov.ReadsDiffer(); text != "" {
		j.add(DiffUnconfirmed, "", "", "%s", text)
	}
	if cov.Unconfirmed > 0 {
		j.add(DiffUnconfirmed, "", "",
			"%d contents were stored by a run that died, and %s could not be asked for them again", cov.Unconfirmed,
			j.source())
	}
	switch {
	case cov.Unmet > 0 && cov.Doubt:
		j.add(DiffUnconfirmed, "", "",
			"%d contents are there that a read of the whole hour did not meet; the next run of "+
				"archivelogs asks once more", cov.Unmet)
	case cov.Unmet > 0:
		j.add(DiffAdded, "", "", "%d contents are there that two reads of the whole hour did not meet", cov.Unmet)
	}
	switch {
	case cov.OnlyArrived() && !cov.Sealed() && cov.Seals > 0:
		j.add(DiffUnsealed, "", "", "records arrived after it was sealed; it is sealed again by the next run")
	case cov.OnlyArrived() && !cov.Sealed():
		j.add(DiffUnsealed, "", "", "records arrived there, and it is not sealed yet")
	case cov.OnlyArrived() && logs.Of(j.verifier.stream).Delivered:
	case cov.OnlyArrived():
		j.add(DiffMissing, "", "", "the hour was not read; what it holds was imported")
	case cov.State == ledger.WindowLost:
		j.add(DiffMissing, "", "", "%s had forgotten the hour when it was read", j.source())
	case !cov.State.IsRead() && !cov.InPart():
		j.add(DiffMissing, "", "", "the hour was not read completely")
	case !cov.Sealed() && cov.Seals > 0:
		j.add(DiffUnsealed, "", "", "it changed after it was sealed; it is sealed again by the next run")
	case !cov.Sealed():
		j.add(DiffUnsealed, "", "", "it is read, and not sealed yet")
	}
}
