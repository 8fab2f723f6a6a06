package archive

import (
	"context"
	"fmt"
	"iter"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

// Evidence is the part of a Store that verification reads. It writes nothing.
type Evidence interface {
	Ledger
	// Seals lists a stream's log in order.
	Seals(ctx context.Context, s entra.Stream) iter.Seq2[seal.Seal, error]
	// Inspect reads every row of the windows of [from, to), in order, and recomputes what it says. It does not end at
	// what it finds wrong.
	Inspect(ctx context.Context, s entra.Stream, from, to time.Time) iter.Seq2[Inspected, error]
	sealLists
}

// Inspected is one content of a record as its rows are now.
type Inspected struct {
	seal.Leaf
	Hour    time.Time // of the window that it lies in
	Row     string    // its row key
	Problem string    // what is wrong with the row by itself; empty: nothing
	Raw     []byte    // the record, where it could be read
	// Set is the latest set of promoted columns that the row has as the record says; 0: none.
	Set int
}

// KeptLeaf is a leaf of a seal: its record's key, and its hash's first VersionHashBytes.
type KeptLeaf struct {
	Key  string
	Hash [VersionHashBytes]byte
}

// KeptList is what was kept beside a seal, in the order of its leaves.
type KeptList struct {
	Leaves []KeptLeaf
	Dates  []string // seal.Leaf.DatesAt of each; nil: they were not kept
}

// Flaw is something that is wrong with rows beside the records and the ledger.
type Flaw struct {
	Difference Difference
	Table, Row string    // where; a row of another partition than the stream's is named with it
	Hour       time.Time // zero: about no hour
	Detail     string    // one sentence
}

// Difference says what is wrong.
type Difference string

// The differences between what the ledger says and what is stored.
const (
	DiffAltered  Difference = "altered"  // a record's row is not what was written
	DiffRemoved  Difference = "removed"  // a record that was sealed is not there
	DiffAdded    Difference = "added"    // a record is there that was not sealed
	DiffUnsealed Difference = "unsealed" // the hour is read, and not sealed yet
	DiffMissing  Difference = "missing"  // the hour was never read completely, or is lost
	// DiffUnconfirmed is about contents that a run stored before it died, and that Graph could not
	// be asked for again; or about an hour of which no two reads agreed.
	DiffUnconfirmed Difference = "unconfirmed"
	DiffLog         Difference = "log" // the log of seals was changed, or does not agree with a head
	// DiffLedger: a row of the ledger is not what is written, or does not say what records and log do.
	DiffLedger Difference = "ledger"
	// DiffDerived: what was computed from the records (index, snapshot, list of a seal) is not what
	// they make. It may be computed again.
	DiffDerived Difference = "derived"
)

// IsTampering tells whether the difference can only come from a change of what was written.
func (d Difference) IsTampering() bool {
	return d != DiffUnsealed && d != DiffMissing && d != DiffUnconfirmed
}

// Finding is one difference.
type Finding struct {
	Difference Difference
	Stream     entra.Stream
	Hour       time.Time // zero: about the log
	Table      string    // empty: the records'
	Row        string    // key of the row; empty: about the hour
	Detail     string    // one sentence
}

// Verifier compares what is stored of a stream with its log of seals.
type Verifier struct {
	evidence Evidence
	stream   entra.Stream
	progress Progress
	byHour   map[time.Time][]seal.Seal
	changed  map[int64]bool // entries that can't be trusted
	purges   []seal.Seal    // entries that say that records were dropped
	head     seal.Head
	findings []Finding // about the log
}

// NewVerifier reads a stream's log whole, recomputes it, and compares it with every head outside the tables. heads may be
// nil.
func NewVerifier(ctx context.Context, evidence Evidence, heads Heads, stream entra.Stream) (*Verifier, error) {
	v := &Verifier{evidence: evidence, stream: stream, byHour: make(map[time.Time][]seal.Seal), changed: make(map[int64]bool)}
	var err error
	if v.progress, err = evidence.Progress(ctx, stream); err != nil {
		return nil, err
	}
	hashes, err := v.readLog(ctx)
	if err != nil {
		return nil, err
	}
	if heads == nil {
		return v, nil
	}
	for head, err := range heads.Heads(ctx, stream) {
		if err != nil {
			return nil, err
		}
		if head.Size > v.head.Size {
			v.log("the head of size %d says that the log has more than its %d entries", head.Size, v.head.Size)
			continue
		}
		root, err := tlog.TreeHash(head.Size, hashes)
		if err != nil {
			return nil, fmt.Errorf("verify the log of %s: %w", stream, err)
		}
		if root != head.Root {
			v.log("its first %d entries do not have the root that the head of that size has", head.Size)
		}
	}
	return v, nil
}

func (v *Verifier) log(format string, args ...any) {
	v.findings = append(v.findings, Finding{Difference: DiffLog, Stream: v.stream, Detail: fmt.Sprintf(format, args...)})
}

// recomputed are a log's hashes in tlog's order.
type recomputed []tlog.Hash

// ReadHashes is tlog.HashReader's.
func (r recomputed) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if at >= int64(len(r)) {
			return nil, fmt.Errorf("read hash %d of a log with %d", at, len(r))
		}
		out[i] = r[at]
	}
	return out, nil
}

// readLog recomputes the log from the entries' texts.
func (v *Verifier) readLog(ctx context.Context) (recomputed, error) {
	var (
		all  recomputed
		size int64
	)
	for s, err := range v.evidence.Seals(ctx, v.stream) {
		if err != nil {
			return nil, err
		}
		if s.Number != size {
			v.log("entry %d is not there", size)
			break // what follows can't be computed
		}
		stored, err := tlog.StoredHashes(size, s.Text(), all)
		if err != nil {
			return nil, fmt.Errorf("verify the log of %s: %w", v.stream, err)
		}
		switch {
		case len(s.Stored) == 0 || stored[0] != s.Stored[0]:
			v.log("entry %d, of %s, was changed", size, s.Start.Format(entra.HourFormat))
			v.changed[size] = true
		case len(v.changed) == 0 && string(seal.EncodeHashes(stored)) != string(seal.EncodeHashes(s.Stored)):
			// After a changed entry the hashes above it differ, too.
			v.log("the hashes of entry %d, of %s, were changed", size, s.Start.Format(entra.HourFormat))
		}
		all = append(all, stored...)
		v.byHour[s.Start] = append(v.byHour[s.Start], s)
		if wasPurged(s) && !v.changed[size] {
			v.purges = append(v.purges, s)
		}
		size++
	}
	if size < v.progress.Seals {
		v.log("it has %d entries, and the ledger counts %d", size, v.progress.Seals)
	}
	root, err := tlog.TreeHash(size, all)
	if err != nil {
		return nil, fmt.Errorf("verify the log of %s: %w", v.stream, err)
	}
	v.head = seal.Head{Stream: v.stream, Size: size, Root: root}
	return all, nil
}

// Head is the log's head as it was recomputed.
func (v *Verifier) Head() seal.Head { return v.head }

// LogFindings are the differences of the log itself.
func (v *Verifier) LogFindings() []Finding { return v.findings }

// Hours is what there is to verify by now: from the archive's first hour, or the first that was sealed, to the watermark.
func (v *Verifier) Hours() (from, to time.Time) {
	if !v.progress.Started() {
		return time.Time{}, time.Time{}
	}
	from, to = entra.FloorHour(v.progress.begin()), entra.FloorHour(v.progress.Watermark)
	for hour := range v.byHour {
		if hour.Before(from) {
			from = hour
		}
		if end := hour.Add(time.Hour); end.After(to) {
			to = end
		}
	}
	return from, to
}

// Verified is one window and what differs there.
type Verified struct {
	Coverage
	Records  int64 // contents that were read
	Findings []Finding
}

// inspectedAtOnce is how much is asked of the tables in one query: hours without a record then cost next to nothing.
const inspectedAtOnce = 24 * time.Hour

// Verify verifies the windows of [from, to) in order and names what differs.
func (v *Verifier) Verify(ctx context.Context, from, to time.Time) iter.Seq2[Verified, error] {
	return func(yield func(Verified, error) bool) {
		for start := from; start.Before(to); {
			end := start.Truncate(inspectedAtOnce).Add(inspectedAtOnce)
			if end.After(to) {
				end = to
			}
			if !v.span(ctx, start, end, yield) {
				return
			}
			start = end
		}
	}
}

// span verifies the windows of one query, and tells whether to go on.
func (v *Verifier) span(ctx context.Context, from, to time.Time, yield func(Verified, error) bool) bool {
	rows, stop := iter.Pull2(v.evidence.Inspect(ctx, v.stream, from, to))
	defer stop()
	row, err, more := rows()
	for cov, errCov := range EveryHour(ctx, v.evidence, v.stream, from, to) {
		if errCov != nil {
			err = errCov
		}
		var (
			leaves  []seal.Leaf
			wrong   []Finding
			altered = make(map[string]bool) // by key of the record
		)
		for ; more && err == nil && !row.Hour.After(cov.Start); row, err, more = rows() {
			leaves = append(leaves, row.Leaf)
			if row.Problem == "" && row.Raw != nil && row.Set < v.columnSet(cov) {
				row.Problem = fmt.Sprintf("its columns are not those that its record makes (set %d): a search by them would be wrong", v.columnSet(cov))
			}
			if row.Problem != "" {
				wrong = append(wrong, Finding{Difference: DiffAltered, Stream: v.stream, Hour: cov.Start, Row: row.Row, Detail: row.Problem})
				altered[row.Key] = true
			}
		}
		if err == nil {
			var findings []Finding
			if findings, err = v.window(ctx, cov, leaves, altered); err == nil {
				if !yield(Verified{Coverage: cov, Records: int64(len(leaves)), Findings: append(wrong, findings...)}, nil) {
					return false
				}
			}
		}
		if err != nil {
			yield(Verified{Coverage: cov}, err)
			return false
		}
	}
	return true
}

// columnSet is the set of columns that every row of a window has at least: as far as this version
// knows it.
func (v *Verifier) columnSet(cov Coverage) int {
	return min(max(1, cov.ColumnSet), logs.Of(v.stream).ColumnSet())
}

// window compares what is stored of one window with the ledger and the log.
func (v *Verifier) window(ctx context.Context, cov Coverage, leaves []seal.Leaf, altered map[string]bool) ([]Finding, error) {
	var findings []Finding
	found := func(d Difference, format string, args ...any) {
		findings = append(findings, Finding{Difference: d, Stream: v.stream, Hour: cov.Start, Detail: fmt.Sprintf(format, args...)})
	}
	seals := v.byHour[cov.Start]
	switch {
	case len(seals) > 0:
		return v.compare(ctx, cov, seals, leaves, altered)
	case cov.State == WindowLost:
		found(DiffMissing, "Graph had forgotten the hour when it was read")
	case !cov.State.IsRead():
		found(DiffMissing, "the hour was not read completely")
	case cov.State == WindowSealed:
		found(DiffLog, "the ledger says that the hour is sealed, and the log has no seal of it")
	default:
		found(DiffUnsealed, "the hour is sealed after its last pass")
		if is, counted := int64(len(leaves)), cov.Records+cov.Versions; is < counted {
			found(DiffRemoved, "%d of %d records are not there; before an hour is sealed, nobody can say which", counted-is, counted)
		}
	}
	return findings, nil
}

// compare holds what is stored of a window against each of its seals.
func (v *Verifier) compare(ctx context.Context, cov Coverage, seals []seal.Seal, leaves []seal.Leaf, altered map[string]bool) ([]Finding, error) {
	var findings []Finding
	found := func(d Difference, row, format string, args ...any) {
		findings = append(findings, Finding{Difference: d, Stream: v.stream, Hour: cov.Start, Row: row, Detail: fmt.Sprintf(format, args...)})
	}
	last := seals[len(seals)-1]
	if wasPurged(last) && !v.changed[last.Number] && cov.State == WindowPurged {
		return nil, nil // what is left of it is being dropped, or is nothing
	}
	from := 0 // what was sealed before a purge is gone
	for i, s := range seals {
		if wasPurged(s) && !v.changed[s.Number] {
			from = i + 1
		}
	}
	if seals = seals[from:]; len(seals) == 0 && cov.State == WindowReopened {
		found(DiffUnsealed, "", "records of the hour came after it was purged; it is sealed again by the next run")
		return findings, nil
	}
	if len(seals) == 0 {
		found(DiffLog, "", "the log says that the hour was purged, and the ledger says that it is %s", cov.State)
		return findings, nil
	}
	if !cov.State.IsRead() {
		found(DiffLog, "", "the hour was sealed on %s, and the ledger does not know it", last.SealedAt.Format(time.RFC3339))
	}
	var members []seal.Leaf
	for _, s := range seals {
		if v.changed[s.Number] {
			continue // said already
		}
		listed, err := membersOf(ctx, v.evidence, s, leaves)
		if err == nil {
			members = listed
			continue
		}
		if entra.CodeOf(err) != entra.CodeTampered {
			return nil, err
		}
		kept, ok, err := v.evidence.KeptLeaves(ctx, s)
		if err != nil {
			return nil, err
		}
		before := len(findings)
		if ok {
			findings = append(findings, v.differences(cov.Window, s, kept, seal.LeavesAt(leaves, s.SealedAt), altered)...)
		}
		if len(findings) == before && len(altered) == 0 {
			found(DiffAltered, "", "the %d records sealed on %s have not the root that was sealed", s.Leaves, s.SealedAt.Format(time.RFC3339))
		}
		return findings, nil // the seals after it are wrong for the same reason
	}
	if v.changed[last.Number] {
		return findings, nil
	}
	findings = append(findings, v.strangers(cov, last, members, leaves)...)
	if len(findings) == 0 && cov.State == WindowSealed && !cov.Doubt && !cov.agrees(HourContents{int64(len(leaves)), sumOf(leaves)}) {
		found(DiffLog, "", "all that was sealed is there, and the ledger's row of the hour counts %d contents, or others", cov.counted())
	}
	return findings, nil
}

// strangers names the contents that the last seal of an hour does not list, and those that it lists
// though no read met them.
func (v *Verifier) strangers(cov Coverage, last seal.Seal, members, leaves []seal.Leaf) []Finding {
	var findings []Finding
	found := func(d Difference, row, format string, args ...any) {
		findings = append(findings, Finding{Difference: d, Stream: v.stream, Hour: cov.Start, Row: row, Detail: fmt.Sprintf(format, args...)})
	}
	listed := make(map[Sum]bool, len(members))
	for _, l := range members {
		listed[SumOf(l.Key, l.Hash)] = true
	}
	sealedOn := last.SealedAt.Format(time.RFC3339)
	for _, l := range leaves {
		since := l.FirstSeen.After(last.SealedAt)
		switch {
		case listed[SumOf(l.Key, l.Hash)]:
		case since && cov.State == WindowReopened:
		case cov.Doubt || since && v.progress.beingWritten(cov.Start, cov.End()):
			found(DiffUnconfirmed, l.Key, "it came after the hour was sealed on %s, and the next run of archivelogs asks Graph for it", sealedOn)
		case since:
			found(DiffAdded, l.Key, "it came after the hour was sealed on %s, and the ledger does not know it", sealedOn)
		default:
			found(DiffAdded, l.Key, "it says that it was there when the hour was sealed on %s, and it was not", sealedOn)
		}
	}
	if text := cov.ReadsDiffer(); text != "" {
		found(DiffUnconfirmed, "", "%s", text)
	}
	if cov.Unconfirmed > 0 {
		found(DiffUnconfirmed, "", "%d contents were stored by a run that died, and Graph could not be asked for them again", cov.Unconfirmed)
	}
	if cov.Unmet > 0 {
		found(DiffAdded, "", "%d contents are there that two reads of the whole hour did not meet", cov.Unmet)
	}
	return findings
}

// differences names the records that are not as they were sealed.
func (v *Verifier) differences(w entra.Window, s seal.Seal, kept []KeptLeaf, then []seal.Leaf, altered map[string]bool) []Finding {
	var findings []Finding
	found := func(d Difference, row, detail string) {
		findings = append(findings, Finding{Difference: d, Stream: v.stream, Hour: w.Start, Row: row, Detail: detail})
	}
	there := make(map[KeptLeaf]int, len(then))
	keys := make(map[string]bool, len(then))
	for _, l := range then {
		there[KeptLeaf{l.Key, [VersionHashBytes]byte(l.Hash[:])}]++
		keys[l.Key] = true
	}
	sealedOn := " sealed on " + s.SealedAt.Format(time.RFC3339)
	sealedKeys := make(map[string]bool, len(kept))
	for _, k := range kept {
		sealedKeys[k.Key] = true
		switch {
		case there[k] > 0:
			there[k]--
		case altered[k.Key]:
		case keys[k.Key]:
			found(DiffAltered, k.Key, fmt.Sprintf("the content that was%s (hash %x...) is not there", sealedOn, k.Hash))
			altered[k.Key] = true
		default:
			found(DiffRemoved, k.Key, fmt.Sprintf("the record that was%s (hash %x...) is not there", sealedOn, k.Hash))
		}
	}
	for _, l := range then {
		k := KeptLeaf{l.Key, [VersionHashBytes]byte(l.Hash[:])}
		if there[k] > 0 && !altered[l.Key] {
			there[k]--
			found(DiffAdded, l.Key, "it says that it was there when the hour was"+sealedOn+", and it was not")
		}
	}
	return findings
}
