package tables

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

func encodeProgress(p archive.Progress) ([]byte, error) {
	out := properties{}
	out.text("Stream", string(p.Stream))
	out.time("Begin", p.Begin)
	out.time("Backfilled", p.Backfilled)
	out.time("FrontierBegin", p.FrontierBegin)
	out.time("Watermark", p.Watermark)
	out.time("ReadingFrom", p.ReadingFrom)
	out.time("ReadingTo", p.ReadingTo)
	out.text("Passed", encodePassed(p.Passed))
	out.time("SealedTo", p.SealedTo)
	out.time("SealedAt", p.SealedAt)
	out.number("Seals", p.Seals)
	out.number("Heads", p.Heads)
	out.number("Reopened", p.Reopened)
	out.time("ReopenedFrom", p.ReopenedFrom)
	out.number("WindowsComplete", p.WindowsComplete)
	out.number("Changed", p.Changed)
	out.number("Late", p.Late)
	out.text("Lateness", encodeLateness(p.Lateness))
	out.number("Quarantined", p.Quarantined)
	out.number("Records", p.Records)
	out.number("Versions", p.Versions)
	out.number("Bytes", p.Bytes)
	out.number("StoredBytes", p.StoredBytes)
	out.time("LastRunAt", p.LastRunAt)
	out.time("LastSuccessAt", p.LastSuccessAt)
	out.number("ClockOffsetSeconds", int64(p.ClockOffset/time.Second))
	out.time("LastErrorAt", p.LastErrorAt)
	out.text("LastErrorCode", string(p.LastErrorCode))
	out.text("LastError", clip(p.LastError))
	out.number("Doubts", p.Doubts)
	out.time("DoubtFrom", p.DoubtFrom)
	out.time("DoubtTo", p.DoubtTo)
	out.number("Lost", p.Lost)
	out.time("LostFrom", p.LostFrom)
	out.time("LostTo", p.LostTo)
	out.number("Unsealed", p.Unsealed)
	out.time("UnsealedFrom", p.UnsealedFrom)
	out.time("UnsealedTo", p.UnsealedTo)
	if p.Recounted {
		out["Recounted"] = true
	}
	out.text("Suspects", encodeSuspects(p.Suspects))
	out.text("Drops", encodeDrops(p.Drops))
	out.number("Purged", p.Purged)
	out.time("PurgedTo", p.PurgedTo)
	out.number("Thin", p.Thin)
	out.time("ThinFrom", p.ThinFrom)
	out.time("ThinTo", p.ThinTo)
	out.number("Awaits", p.Awaits)
	out.time("AwaitsFrom", p.AwaitsFrom)
	out.time("AwaitsTo", p.AwaitsTo)
	out.time("EnrichedTo", p.EnrichedTo)
	out.time("RefusedSince", p.RefusedSince)
	out.time("PoorSince", p.PoorSince)
	out.number("WidthSeconds", int64(p.Width/time.Second))
	out.time("NarrowSince", p.NarrowSince)
	out.time("SteppedAt", p.SteppedAt)
	out.time("BackfilledAt", p.BackfilledAt)
	out.text("Run", p.Run)
	out.number("Revision", p.Revision)
	return out.entity(string(p.Stream), progressKey)
}

// encodePassed writes the marks of the passes: "3h0m0s=2026-11-21T11:00:00Z 24h0m0s=...".
func encodePassed(p archive.Passed) string {
	var marks []string
	for _, mark := range p {
		if mark.Age != 0 {
			marks = append(marks, mark.Age.String()+"="+mark.To.UTC().Format(time.RFC3339Nano))
		}
	}
	return strings.Join(marks, " ")
}

func decodePassed(text string) (archive.Passed, error) {
	var out archive.Passed
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
func encodeLateness(l archive.Lateness) string {
	if l == (archive.Lateness{}) {
		return ""
	}
	return strings.Trim(fmt.Sprint(l), "[]")
}

func decodeLateness(text string) (archive.Lateness, error) {
	var out archive.Lateness
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
	Doubts, Lost, Purged                           number
	DoubtFrom, DoubtTo, LostFrom, LostTo, PurgedTo time.Time
	SteppedAt, BackfilledAt                        time.Time
	Thin, Awaits, WidthSeconds                     number
	ThinFrom, ThinTo, AwaitsFrom, AwaitsTo         time.Time
	EnrichedTo, RefusedSince, PoorSince            time.Time
	NarrowSince                                    time.Time
	Unsealed                                       number
	UnsealedFrom, UnsealedTo                       time.Time
	Recounted                                      bool
	Suspects, Drops                                string
	Stream                                         entra.Stream // a version before wrote none

	Begin, Backfilled, FrontierBegin, Watermark time.Time
	ReadingFrom, ReadingTo                      time.Time
	WindowsComplete, Quarantined                number
	Records, Versions, Bytes, StoredBytes       number
	LastRunAt, LastSuccessAt, LastErrorAt       time.Time
	ClockOffsetSeconds, Revision                number
	LastErrorCode, LastError, Run               string
	Passed, Lateness                            string
	SealedTo, SealedAt, ReopenedFrom            time.Time
	Seals, Heads, Reopened, Changed, Late       number
}

func (row progressRow) progress(s entra.Stream) (archive.Progress, error) {
	passed, err := decodePassed(row.Passed)
	if err != nil {
		return archive.Progress{}, err
	}
	late, err := decodeLateness(row.Lateness)
	if err != nil {
		return archive.Progress{}, err
	}
	p := archive.Progress{
		Stream: s, Begin: row.Begin, Backfilled: row.Backfilled, FrontierBegin: row.FrontierBegin, Watermark: row.Watermark,
		ReadingFrom: row.ReadingFrom, ReadingTo: row.ReadingTo,
		WindowsComplete: int64(row.WindowsComplete), Quarantined: int64(row.Quarantined),
		Tally:     archive.Tally{Records: int64(row.Records), Versions: int64(row.Versions), Bytes: int64(row.Bytes), StoredBytes: int64(row.StoredBytes)},
		LastRunAt: row.LastRunAt, LastSuccessAt: row.LastSuccessAt, ClockOffset: time.Duration(row.ClockOffsetSeconds) * time.Second,
		LastErrorAt: row.LastErrorAt, LastErrorCode: entra.Code(row.LastErrorCode), LastError: row.LastError,
		Run: row.Run, Revision: int64(row.Revision),
		Passed: passed, SealedTo: row.SealedTo, SealedAt: row.SealedAt, Seals: int64(row.Seals), Heads: int64(row.Heads),
		Reopened: int64(row.Reopened), ReopenedFrom: row.ReopenedFrom,
		Changed: int64(row.Changed), Late: int64(row.Late), Lateness: late,
	}
	return p, row.more(&p)
}

// check tells what is wrong with a row whose columns are all of their kinds. A run that began with
// such a row would read the archive anew, or for ever.
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
func decodeProgress(stream entra.Stream, body []byte) (archive.Progress, error) {
	var (
		row progressRow
		p   = archive.Progress{Stream: stream}
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
func encodeSuspects(all []archive.Suspect) string {
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

func encodeDrops(all []archive.Drop) string {
	var out []string
	for _, d := range all {
		out = append(out, times(d.Month, d.Dropped))
	}
	return strings.Join(out, " ")
}

// times joins times by slashes; a zero one is empty.
func times(all ...time.Time) string {
	out := make([]string, len(all))
	for i, t := range all {
		if !t.IsZero() {
			out[i] = t.UTC().Format(timeFormat)
		}
	}
	return strings.Join(out, "/")
}

func parseTimes(text string, n int) ([]time.Time, error) {
	parts := strings.Split(text, "/")
	if len(parts) != n {
		return nil, fmt.Errorf("read %q: it is not %d times", text, n)
	}
	out := make([]time.Time, n)
	for i, part := range parts {
		if part == "" {
			continue
		}
		t, err := time.Parse(timeFormat, part)
		if err != nil {
			return nil, fmt.Errorf("read %q: %w", text, err)
		}
		out[i] = t
	}
	return out, nil
}

// more adds to a progress what versions without leases do not have.
func (row progressRow) more(p *archive.Progress) error {
	p.Doubts, p.DoubtFrom, p.DoubtTo = int64(row.Doubts), row.DoubtFrom, row.DoubtTo
	p.Purged = int64(row.Purged)
	p.Lost, p.LostFrom, p.LostTo = int64(row.Lost), row.LostFrom, row.LostTo
	p.PurgedTo, p.SteppedAt, p.BackfilledAt = row.PurgedTo, row.SteppedAt, row.BackfilledAt
	p.Thin, p.ThinFrom, p.ThinTo = int64(row.Thin), row.ThinFrom, row.ThinTo
	p.Awaits, p.AwaitsFrom, p.AwaitsTo = int64(row.Awaits), row.AwaitsFrom, row.AwaitsTo
	p.EnrichedTo, p.RefusedSince, p.PoorSince = row.EnrichedTo, row.RefusedSince, row.PoorSince
	p.Unsealed, p.UnsealedFrom, p.UnsealedTo, p.Recounted = int64(row.Unsealed), row.UnsealedFrom, row.UnsealedTo, row.Recounted
	p.Width, p.NarrowSince = time.Duration(row.WidthSeconds)*time.Second, row.NarrowSince
	for _, text := range strings.Fields(row.Suspects) {
		text, compared := strings.CutSuffix(text, comparedMark)
		t, err := parseTimes(text, 5)
		if err != nil {
			return err
		}
		p.Suspects = append(p.Suspects, archive.Suspect{From: t[0], To: t[1], Committed: t[2], Next: t[3], Since: t[4], Compared: compared})
	}
	for _, text := range strings.Fields(row.Drops) {
		t, err := parseTimes(text, 2)
		if err != nil {
			return err
		}
		p.Drops = append(p.Drops, archive.Drop{Month: t[0], Dropped: t[1]})
	}
	return nil
}
