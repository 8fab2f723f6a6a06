package verify

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
)

// logRead is a stream's log as far as it was read.
type logRead struct {
	next    int64 // number of the entry that comes next
	byHour  map[time.Time][]seal.Seal
	changed map[int64]bool  // entries that can't be trusted
	lost    int64           // entries that are not there or can't be read
	purges  []seal.Seal     // entries that say that records were dropped
	repairs []ledger.Repair // what entries say of a rebuilt progress row
	newest  time.Time       // when the last entry was made
	sealed  seal.Seal       // the last one that a collector made
	wrong   []Finding

	hashes recomputed
	sound  int64 // entries up to which the log could be computed
	broken bool  // one is missing: what follows can't be computed
}

func newLogRead() logRead {
	return logRead{byHour: make(map[time.Time][]seal.Seal), changed: make(map[int64]bool)}
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

// logKey is the key of an entry's row, for findings.
func logKey(number int64) string { return fmt.Sprintf("seal!%010d", number) }

// readLog recomputes the log from the entries' texts, from where it was read to.
func (v *Verifier) readLog(ctx context.Context) error {
	l := &v.log
	for row, err := range v.evidence.LogRows(ctx, v.stream, l.next) {
		if err != nil {
			return err
		}
		switch {
		case row.Number < 0:
			l.found(v.stream, row.Key, "%s", row.Problem)
			continue
		case row.Number < l.next:
			continue
		}
		if row.Number > l.next {
			l.gap(v.stream, row.Number)
		}
		if err := l.add(v.stream, row); err != nil {
			return err
		}
		l.next = row.Number + 1
	}
	return nil
}

func (l *logRead) found(s entra.Stream, row, format string, args ...any) {
	l.wrong = append(l.wrong, Finding{Difference: DiffLog, Stream: s, Table: LedgerTable, Row: row,
		Detail: fmt.Sprintf(format, args...)})
}

// gap says that entries before one are not there.
func (l *logRead) gap(s entra.Stream, number int64) {
	if missing := number - l.next; missing == 1 {
		l.found(s, logKey(l.next), "entry %d is not there", l.next)
	} else {
		l.found(s, logKey(l.next), "entries %d to %d are not there", l.next, number-1)
	}
	l.lost += number - l.next
	l.breaks(s, l.next)
}

// breaks says once from where on the log can't be computed.
func (l *logRead) breaks(s entra.Stream, at int64) {
	if !l.broken {
		l.broken, l.sound = true, at
		l.found(s, logKey(at),
			"from entry %d on, the log can't be computed as a whole: the entries that follow are compared with "+
				"their own hashes only", at)
	}
}

// add adds an entry.
func (l *logRead) add(s entra.Stream, row LogRow) error {
	if row.Problem != "" {
		l.found(s, row.Key, "entry %d: %s", row.Number, row.Problem)
	}
	if !row.Read {
		l.lost++
		l.changed[row.Number] = true
		l.breaks(s, row.Number)
		return nil
	}
	entry := row.Seal
	leaf := tlog.RecordHash(entry.Text())
	when := entry.Start.Format(entra.HourFormat)
	if len(entry.Stored) == 0 || leaf != entry.Stored[0] {
		l.found(s, row.Key, "entry %d, of %s, was changed", row.Number, when)
		l.changed[row.Number] = true
	}
	if !l.broken {
		stored, err := tlog.StoredHashesForRecordHash(row.Number, leaf, l.hashes)
		if err != nil {
			return fmt.Errorf("verify the log of %s: %w", s, err)
		}
		if len(l.changed) == 0 && string(seal.EncodeHashes(stored)) != string(seal.EncodeHashes(entry.Stored)) {
			// After a changed entry the hashes above it differ, too.
			l.found(s, row.Key, "the hashes of entry %d, of %s, were changed", row.Number, when)
		}
		l.hashes, l.sound = append(l.hashes, stored...), row.Number+1
	}
	l.keep(entry)
	return nil
}

// keep files an entry that could be read.
func (l *logRead) keep(s seal.Seal) {
	if r, ok := ledger.RepairOf(s); ok {
		if !l.changed[s.Number] {
			l.repairs = append(l.repairs, r)
		}
		return
	}
	l.newest = entra.Later(l.newest, s.SealedAt)
	l.byHour[s.Start] = append(l.byHour[s.Start], s)
	switch {
	case ledger.WasPurged(s):
		if !l.changed[s.Number] {
			l.purges = append(l.purges, s)
		}
	case !ledger.IsReverted(s):
		l.sealed = s
	}
}

// Repairs lists when the stream's progress row was rebuilt, from the log.
func (v *Verifier) Repairs() []ledger.Repair { return v.log.repairs }

// checkLog names what is wrong with the log itself, and where the ledger counts otherwise.
func (v *Verifier) checkLog() {
	l := &v.log
	v.findings = append(v.findings, l.wrong...)
	if !v.look.known || !v.steady {
		return
	}
	switch p := &v.look; {
	case l.next < p.Seals:
		v.found(DiffLog, LedgerTable, logKey(l.next), "it has %d entries, and the ledger counts %d", l.next, p.Seals)
	case l.next > p.Seals:
		v.found(DiffLog, LedgerTable, logKey(p.Seals), "it has %d entries, and the ledger counts %d", l.next, p.Seals)
	}
}

// checkHeads compares the log with every head outside the tables.
func (v *Verifier) checkHeads(ctx context.Context, heads HeadLister) error {
	var (
		most           seal.Head
		long, other    int64 // heads that say more, and heads of another root
		first, tallest seal.Head
	)
	for head, err := range heads.Heads(ctx, v.stream) {
		if entra.CodeOf(err) == entra.CodeTampered && err != nil {
			v.found(DiffLog, headsTable, "", "%s", entra.WhyOf(err))
			continue
		}
		if err != nil {
			return err
		}
		if head.Size > most.Size {
			most = head
		}
		if head.Size > v.log.next {
			if long++; head.Size > tallest.Size {
				tallest = head
			}
			continue
		}
		if head.Size > v.log.sound {
			continue // it is said already from where on the log can't be computed
		}
		root, err := tlog.TreeHash(head.Size, v.log.hashes)
		if err != nil {
			return fmt.Errorf("verify the log of %s: %w", v.stream, err)
		}
		if root != head.Root {
			if other++; other == 1 || head.Size < first.Size {
				first = head
			}
		}
	}
	if long > 0 {
		v.found(DiffLog, headsTable, "", "the head of size %d says that the log has more than its %d entries%s",
			tallest.Size, v.log.next, others(long))
	}
	if other > 0 {
		v.found(DiffLog, headsTable, "", "its first %d entries do not have the root that the head of that size has%s",
			first.Size, others(other))
	}
	if v.look.known && v.steady && most.Size < v.look.Heads {
		v.found(DiffLog, headsTable, "",
			"the newest head is of size %d, and the ledger says that there was one of size %d", most.Size, v.look.Heads)
	}
	return v.readHead(ctx, heads, most)
}

func others(n int64) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf(", and likewise %d other heads", n-1)
}

// headReader gives the text of a head's blob.
type headReader interface {
	Read(ctx context.Context, h seal.Head) ([]byte, error)
}

// readHead compares the newest head's text with its name.
func (v *Verifier) readHead(ctx context.Context, heads HeadLister, newest seal.Head) error {
	reader, ok := heads.(headReader)
	if !ok || newest.Size == 0 {
		return nil
	}
	text, err := reader.Read(ctx, newest)
	if err != nil {
		return err
	}
	if is, err := seal.ParseHead(text); err != nil || is != newest {
		v.found(DiffLog, headsTable, "", "the text of the head of size %d is not what its name says", newest.Size)
	}
	return nil
}
