package tables

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// encodeProgress writes the row of a stream's progress.
func encodeProgress(p ledger.Progress) ([]byte, error) {
	out := rows.Properties{}
	out.Text("Stream", string(p.Stream))
	addReach(out, p)
	addCounts(out, p)
	addSpans(out, p)
	addRuns(out, p)
	out.Number("Revision", p.Revision)
	return out.Entity(string(p.Stream), progressKey)
}

// addReach adds how far the stream was read, passed and sealed.
func addReach(out rows.Properties, p ledger.Progress) {
	out.Time("Begin", p.Begin)
	out.Time("Backfilled", p.Backfilled)
	out.Time("FrontierBegin", p.TailBegin)
	out.Time("Watermark", p.Watermark)
	out.Time("ReadingFrom", p.ReadingFrom)
	out.Time("ReadingTo", p.ReadingTo)
	out.Text("Passed", encodePassed(p.Passed))
	out.Time("SealedTo", p.SealedTo)
	out.Time("SealedAt", p.SealedAt)
	out.Time("BackfilledAt", p.BackfilledAt)
	out.Time("EnrichedTo", p.EnrichedTo)
	out.Number("WidthSeconds", int64(p.Width/time.Second))
	out.Time("NarrowSince", p.NarrowSince)
}

// addCounts adds what the stream has.
func addCounts(out rows.Properties, p ledger.Progress) {
	out.Number("Seals", p.Seals)
	out.Number("Heads", p.Heads)
	out.Number("WindowsComplete", p.WindowsComplete)
	out.Number("Changed", p.Changed)
	out.Number("Late", p.Late)
	out.Text("Lateness", encodeLateness(p.Lateness))
	out.Number("Quarantined", p.Quarantined)
	out.Number("Records", p.Records)
	out.Number("Versions", p.Versions)
	out.Number("Bytes", p.Bytes)
	out.Number("StoredBytes", p.StoredBytes)
	out.Flag("Recounted", p.Recounted)
}

// addSpans adds the hours that are not, or no longer, as they should be.
func addSpans(out rows.Properties, p ledger.Progress) {
	out.Number("Reopened", p.Reopened)
	out.Time("ReopenedFrom", p.ReopenedFrom)
	out.Number("Doubts", p.Doubts)
	out.Time("DoubtFrom", p.DoubtFrom)
	out.Time("DoubtTo", p.DoubtTo)
	out.Number("Lost", p.Lost)
	out.Time("LostFrom", p.LostFrom)
	out.Time("LostTo", p.LostTo)
	out.Number("Unsealed", p.Unsealed)
	out.Time("UnsealedFrom", p.UnsealedFrom)
	out.Time("UnsealedTo", p.UnsealedTo)
	out.Text("Suspects", encodeSuspects(p.Suspects))
	out.Text("Drops", encodeDrops(p.Drops))
	out.Number("Purged", p.Purged)
	out.Time("PurgedTo", p.PurgedTo)
	out.Number("Imported", p.Imported)
	out.Number("ImportedHours", p.ImportedHours)
	out.Time("ImportedFrom", p.ImportedFrom)
	out.Time("ImportedTo", p.ImportedTo)
	out.Number("Thin", p.Thin)
	out.Time("ThinFrom", p.ThinFrom)
	out.Time("ThinTo", p.ThinTo)
	out.Number("Awaits", p.Awaits)
	out.Time("AwaitsFrom", p.AwaitsFrom)
	out.Time("AwaitsTo", p.AwaitsTo)
}

// addRuns adds what the last runs met.
func addRuns(out rows.Properties, p ledger.Progress) {
	out.Text("Run", p.Run)
	out.Text("Tenant", p.Tenant)
	out.Time("LastRunAt", p.LastRunAt)
	out.Time("LastSuccessAt", p.LastSuccessAt)
	out.Number("ClockOffsetSeconds", int64(p.ClockOffset/time.Second))
	out.Time("LastErrorAt", p.LastErrorAt)
	out.Text("LastErrorCode", string(p.LastErrorCode))
	out.Text("LastError", rows.Clip(p.LastError))
	out.Time("SteppedAt", p.SteppedAt)
	out.Time("RefusedSince", p.RefusedSince)
	out.Time("PoorSince", p.PoorSince)
}

// encodePassed writes the marks of the passes: "3h0m0s=2026-11-21T11:00:00Z 24h0m0s=...".
func encodePassed(p ledger.Passed) string {
	var marks []string
	for _, mark := range p {
		if mark.Age != 0 {
			marks = append(marks, mark.Age.String()+"="+mark.To.UTC().Format(time.RFC3339Nano))
		}
	}
	return strings.Join(marks, " ")
}

func decodePassed(text string) (ledger.Passed, error) {
	var out ledger.Passed
	for i, mark := range strings.Fields(text) {
		age, to, _ := strings.Cut(mark, "=")
		var err error
		if i >= len(out) {
			return out, fmt.Errorf("there are more than %d passes", len(out))
		}
		if out[i].Age, err = time.ParseDuration(age); err != nil {
			return out, err
		}
		if out[i].To, err = time.Parse(time.RFC3339Nano, to); err != nil {
			return out, err
		}
	}
	return out, nil
}

// encodeLateness writes the classes' counts with blanks between; nothing where all are zero.
func encodeLateness(l ledger.Lateness) string {
	if l == (ledger.Lateness{}) {
		return ""
	}
	return strings.Trim(fmt.Sprint(l), "[]")
}

func decodeLateness(text string) (ledger.Lateness, error) {
	var out ledger.Lateness
	for i, count := range strings.Fields(text) {
		n, err := strconv.ParseInt(count, 10, 64)
		if err != nil || i >= len(out) {
			return out, fmt.Errorf("read the lateness %q: it is not %d numbers", text, len(out))
		}
		out[i] = n
	}
	return out, nil
}

type progressRow struct {
	Doubts, Lost, Purged                           rows.Number
	DoubtFrom, DoubtTo, LostFrom, LostTo, PurgedTo time.Time
	SteppedAt, BackfilledAt                        time.Time
	Thin, Awaits, WidthSeconds                     rows.Number
	Imported, ImportedHours                        rows.Number
	ImportedFrom, ImportedTo                       time.Time
	ThinFrom, ThinTo, AwaitsFrom, AwaitsTo         time.Time
	EnrichedTo, RefusedSince, PoorSince            time.Time
	NarrowSince                                    time.Time
	Unsealed                                       rows.Number
	UnsealedFrom, UnsealedTo                       time.Time
	Recounted                                      bool
	Suspects, Drops                                string
	Stream                                         entra.Stream // a version before wrote none

	Begin, Backfilled, FrontierBegin, Watermark time.Time
	ReadingFrom, ReadingTo                      time.Time
	WindowsComplete, Quarantined                rows.Number
	Records, Versions, Bytes, StoredBytes       rows.Number
	LastRunAt, LastSuccessAt, LastErrorAt       time.Time
	ClockOffsetSeconds, Revision                rows.Number
	LastErrorCode, LastError, Run, Tenant       string
	Passed, Lateness                            string
	SealedTo, SealedAt, ReopenedFrom            time.Time
	Seals, Heads, Reopened, Changed, Late       rows.Number
}

func (row progressRow) progress(s entra.Stream) (ledger.Progress, error) {
	passed, err := decodePassed(row.Passed)
	if err != nil {
		return ledger.Progress{}, err
	}
	late, err := decodeLateness(row.Lateness)
	if err != nil {
		return ledger.Progress{}, err
	}
	p := ledger.Progress{
		Stream: s, Begin: row.Begin, Backfilled: row.Backfilled, TailBegin: row.FrontierBegin,
		Watermark:   row.Watermark,
		ReadingFrom: row.ReadingFrom, ReadingTo: row.ReadingTo,
		WindowsComplete: int64(row.WindowsComplete), Quarantined: int64(row.Quarantined),
		Tally: ledger.Tally{Records: int64(row.Records), Versions: int64(row.Versions), Bytes: int64(row.Bytes),
			StoredBytes: int64(row.StoredBytes)},
		LastRunAt: row.LastRunAt, LastSuccessAt: row.LastSuccessAt,
		ClockOffset: time.Duration(row.ClockOffsetSeconds) * time.Second,
		LastErrorAt: row.LastErrorAt, LastErrorCode: entra.Code(row.LastErrorCode), LastError: row.LastError,
		Run: row.Run, Tenant: row.Tenant, Revision: int64(row.Revision),
		Passed: passed, SealedTo: row.SealedTo, SealedAt: row.SealedAt, Seals: int64(row.Seals),
		Heads:    int64(row.Heads),
		Reopened: int64(row.Reopened), ReopenedFrom: row.ReopenedFrom,
		Changed: int64(row.Changed), Late: int64(row.Late), Lateness: late,
	}
	return p, row.more(&p)
}

// check returns what is wrong with a row whose columns all have their kinds. A run that began with
// such a row would read the archive again, or without end.
func (row progressRow) check(stream entra.Stream) error {
	started := !row.FrontierBegin.IsZero()
	switch {
	case row.Stream != "" && row.Stream != stream:
		return fmt.Errorf("it is the row of %s", row.Stream)
	case min(row.Revision, row.Seals, row.Heads) < 0:
		return errors.New("one of Revision, Seals and Heads is negative")
	case !started && !row.Backfilled.IsZero():
		return errors.New("it has no FrontierBegin")
	case !started:
		return nil
	case row.Watermark.Before(row.FrontierBegin):
		return errors.New("its Watermark is not after its FrontierBegin")
	case row.Backfilled.IsZero() || row.Backfilled.After(row.FrontierBegin):
		return errors.New("its Backfilled is not before its FrontierBegin")
	case !row.Begin.IsZero() && row.Backfilled.Before(row.Begin):
		return errors.New("its Backfilled is before its Begin")
	case row.Begin.After(row.FrontierBegin):
		return errors.New("its Begin is after its FrontierBegin")
	}
	return nil
}

// decodeProgress reads a progress row. One that is not what is written is an error that names it.
func decodeProgress(stream entra.Stream, body []byte) (ledger.Progress, error) {
	var (
		row progressRow
		p   = ledger.Progress{Stream: stream}
	)
	err := json.Unmarshal(body, &row)
	if err == nil {
		err = row.check(stream)
	}
	if err == nil {
		p, err = row.progress(stream)
	}
	if err != nil {
		return p, broken(progressKey, stream, howToRestore(stream), err)
	}
	return p, nil
}

// comparedMark ends a suspect whose span was compared.
const comparedMark = "!"

// encodeSuspects writes a list of suspects: "from/to/committed/next/since from/to...".
func encodeSuspects(all []ledger.Suspect) string {
	var out []string
	for _, s := range all {
		text := times(s.From, s.To, s.Committed, s.Next, s.Since)
		if s.Compared {
			text += comparedMark
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func encodeDrops(all []ledger.Drop) string {
	var out []string
	for _, d := range all {
		out = append(out, times(d.Month, d.Dropped))
	}
	return strings.Join(out, " ")
}

// more adds to a progress what versions without leases do not have.
func (row progressRow) more(p *ledger.Progress) error {
	p.Doubts, p.DoubtFrom, p.DoubtTo = int64(row.Doubts), row.DoubtFrom, row.DoubtTo
	p.Purged = int64(row.Purged)
	p.Lost, p.LostFrom, p.LostTo = int64(row.Lost), row.LostFrom, row.LostTo
	p.PurgedTo, p.SteppedAt, p.BackfilledAt = row.PurgedTo, row.SteppedAt, row.BackfilledAt
	p.Imported, p.ImportedHours = int64(row.Imported), int64(row.ImportedHours)
	p.ImportedFrom, p.ImportedTo = row.ImportedFrom, row.ImportedTo
	p.Thin, p.ThinFrom, p.ThinTo = int64(row.Thin), row.ThinFrom, row.ThinTo
	p.Awaits, p.AwaitsFrom, p.AwaitsTo = int64(row.Awaits), row.AwaitsFrom, row.AwaitsTo
	p.EnrichedTo, p.RefusedSince, p.PoorSince = row.EnrichedTo, row.RefusedSince, row.PoorSince
	p.Unsealed, p.UnsealedFrom, p.UnsealedTo = int64(row.Unsealed), row.UnsealedFrom, row.UnsealedTo
	p.Recounted = row.Recounted
	p.Width, p.NarrowSince = time.Duration(row.WidthSeconds)*time.Second, row.NarrowSince
	for _, text := range strings.Fields(row.Suspects) {
		text, compared := strings.CutSuffix(text, comparedMark)
		t, err := parseTimes(text, 5)
		if err != nil {
			return err
		}
		p.Suspects = append(p.Suspects,
			ledger.Suspect{From: t[0], To: t[1], Committed: t[2], Next: t[3], Since: t[4], Compared: compared})
	}
	for _, text := range strings.Fields(row.Drops) {
		t, err := parseTimes(text, 2)
		if err != nil {
			return err
		}
		p.Drops = append(p.Drops, ledger.Drop{Month: t[0], Dropped: t[1]})
	}
	return nil
}
