package tables

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

// properties collects an entity's columns; zero values are left out to keep the rows of quiet hours small.
type properties map[string]any

func (p properties) number(name string, n int64) {
	if n != 0 {
		p[name] = aztables.EDMInt64(n)
	}
}

func (p properties) time(name string, t time.Time) {
	if !t.IsZero() {
		p[name] = aztables.EDMDateTime(t.UTC())
	}
}

func (p properties) text(name, s string) {
	if s != "" {
		p[name] = s
	}
}

func (p properties) entity(partition, row string) ([]byte, error) {
	e := aztables.EDMEntity{Entity: aztables.Entity{PartitionKey: partition, RowKey: row}, Properties: p}
	body, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("write row %s: %w", row, err)
	}
	return body, nil
}

func encodeCoverage(c archive.Coverage) ([]byte, error) {
	p := properties{"State": string(c.State)}
	if c.Passes != 0 {
		p["Passes"] = int32(c.Passes)
	}
	p.number("Fetched", c.Fetched)
	p.number("New", c.New)
	p.number("Changed", c.Changed)
	p.number("Unchanged", c.Unchanged)
	p.number("Quarantined", c.Quarantined)
	p.number("Late", c.Late)
	p.number("Records", c.Records)
	p.number("Versions", c.Versions)
	p.number("Bytes", c.Bytes)
	p.number("StoredBytes", c.StoredBytes)
	p.time("FirstReadAt", c.FirstReadAt)
	p.time("LastReadAt", c.LastReadAt)
	p.time("PassedAt", c.PassedAt)
	p.number("Seals", c.Seals)
	p.number("LastSeal", c.LastSeal)
	p.text("Reason", c.Reason)
	if c.HasSum {
		p["Sum"] = aztables.EDMBinary(c.Sum[:])
	}
	p.number("Revision", c.Revision)
	p.text("Form", c.Form)
	if c.ColumnSet != 0 {
		p["ColumnSet"] = int32(c.ColumnSet)
	}
	p.time("LostFrom", c.LostFrom)
	p.time("LostTo", c.LostTo)
	p.number("Unconfirmed", c.Unconfirmed)
	p.number("Unmet", c.Unmet)
	p.time("PurgedAt", c.PurgedAt)
	if c.Doubt {
		p["Doubt"] = true
	}
	return p.entity(string(c.Stream), c.Start.UTC().Format(entra.HourFormat))
}

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
	out.text("Suspects", encodeSuspects(p.Suspects))
	out.text("Drops", encodeDrops(p.Drops))
	out.number("Purged", p.Purged)
	out.time("PurgedTo", p.PurgedTo)
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

// clip keeps a text below the 32,768 characters of a string property.
func clip(s string) string {
	if len(s) > 8<<10 {
		return s[:8<<10] + "..."
	}
	return s
}

// number is an Edm.Int64, which comes as a text.
type number int64

func (n *number) UnmarshalJSON(data []byte) error {
	text, err := strconv.Unquote(string(data))
	if err != nil {
		text = string(data)
	}
	v, err := strconv.ParseInt(text, 10, 64)
	*n = number(v)
	return err
}

type coverageRow struct {
	RowKey, State, Reason, Form                        string
	Passes, ColumnSet                                  int
	Sum                                                []byte
	Revision, Unconfirmed, Unmet                       number
	LostFrom, LostTo, PurgedAt                         time.Time
	Doubt                                              bool
	Late, Seals, LastSeal                              number
	PassedAt                                           time.Time
	Fetched, New, Changed, Unchanged                   number
	Quarantined, Records, Versions, Bytes, StoredBytes number
	FirstReadAt, LastReadAt                            time.Time
}

func (row coverageRow) coverage(s entra.Stream) (archive.Coverage, error) {
	start, err := time.Parse(entra.HourFormat, row.RowKey)
	if err != nil {
		return archive.Coverage{}, fmt.Errorf("read coverage row %q of %s: its key is not an hour", row.RowKey, s)
	}
	out := archive.Coverage{
		Revision: int64(row.Revision), Form: row.Form, ColumnSet: row.ColumnSet, LostFrom: row.LostFrom, LostTo: row.LostTo,
		Unconfirmed: int64(row.Unconfirmed), Unmet: int64(row.Unmet), PurgedAt: row.PurgedAt, Doubt: row.Doubt,
		Window: entra.Window{Stream: s, Start: start}, State: archive.WindowState(row.State), Passes: row.Passes,
		Fetched: int64(row.Fetched), New: int64(row.New), Changed: int64(row.Changed), Unchanged: int64(row.Unchanged),
		Quarantined: int64(row.Quarantined), Records: int64(row.Records), Versions: int64(row.Versions),
		Bytes: int64(row.Bytes), StoredBytes: int64(row.StoredBytes),
		FirstReadAt: row.FirstReadAt, LastReadAt: row.LastReadAt, PassedAt: row.PassedAt,
		Late: int64(row.Late), Seals: int64(row.Seals), LastSeal: int64(row.LastSeal), Reason: row.Reason,
	}
	if len(row.Sum) == len(out.Sum) {
		out.HasSum = true
		copy(out.Sum[:], row.Sum)
	} else if len(row.Sum) > 0 {
		return out, fmt.Errorf("read coverage row %q of %s: its sum has %d bytes", row.RowKey, s, len(row.Sum))
	}
	return out, nil
}

// decodeCoverage reads a coverage row. One that is not what is written is an error that names it.
func decodeCoverage(stream entra.Stream, body []byte) (archive.Coverage, error) {
	var (
		row coverageRow
		cov archive.Coverage
	)
	err := json.Unmarshal(body, &row)
	if err == nil {
		cov, err = row.coverage(stream)
	}
	if err == nil && !cov.State.Known() {
		err = fmt.Errorf("its State is %q", row.State)
	}
	if err != nil {
		var key struct{ RowKey string }
		_ = json.Unmarshal(body, &key) // the key is a text, whatever the rest is
		return cov, broken(key.RowKey, stream, "restore the row from a copy; the other streams go on", err)
	}
	return cov, nil
}

type progressRow struct {
	Doubts, Lost, Purged                           number
	DoubtFrom, DoubtTo, LostFrom, LostTo, PurgedTo time.Time
	SteppedAt, BackfilledAt                        time.Time
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

// Progress is archive.Store's.
func (s *Store) Progress(ctx context.Context, stream entra.Stream) (archive.Progress, error) {
	got, err := s.service.NewClient(coverageTable).GetEntity(ctx, string(stream), progressKey, nil)
	if isCode(err, "TableNotFound", "ResourceNotFound") {
		return archive.Progress{Stream: stream}, nil
	}
	if err != nil {
		return archive.Progress{}, s.explain("read the progress of "+string(stream), err)
	}
	return decodeProgress(stream, got.Value)
}

// check tells what is wrong with a row whose columns are all of their kinds. A run that began with such a row would read
// the archive anew, or for ever.
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
		return p, broken(progressKey, stream, "restore the row from a copy; the other streams go on", err)
	}
	return p, nil
}

// Windows is archive.Store's.
func (s *Store) Windows(ctx context.Context, stream entra.Stream, from, to time.Time) iter.Seq2[archive.Coverage, error] {
	return func(yield func(archive.Coverage, error) bool) {
		stopped := errors.New("the reader has enough")
		below := to.UTC().Format(entra.HourFormat)
		if to.After(entra.FloorHour(to)) {
			below += "~" // the hour that holds to is asked for too
		}
		err := s.query(ctx, coverageTable, string(stream), from.UTC().Format(entra.HourFormat), below, "", func(body []byte) error {
			cov, err := decodeCoverage(stream, body)
			if err == nil && !yield(cov, nil) {
				return stopped
			}
			return err
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(archive.Coverage{}, err)
		}
	}
}

// Commit is archive.LeaseStore's. The transaction takes away the row that bears the revision's number and adds the next: of
// two that try, the second finds nothing to take away. ETags would do the same, but Azurite does not look at them within
// a transaction, and the answer to one brings none. Each commit draws a mark, by which it knows itself again.
func (s *Store) Commit(ctx context.Context, l archive.Lease, p archive.Progress, rows []archive.Coverage, seals []seal.Seal) (archive.Progress, error) {
	if n := len(rows) + len(seals); n > archive.MaxCommit {
		return p, fmt.Errorf("commit %d rows of %s: at most %d fit a transaction", n, p.Stream, archive.MaxCommit)
	}
	var actions []aztables.TransactionAction
	if p.Revision > 0 {
		actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeDelete, Entity: revisionRow(p, "")})
	}
	p.Revision++
	mark := fmt.Sprintf("%s %d", l.ID, s.commits.Add(1))
	actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: revisionRow(p, mark)})
	body, err := encodeProgress(p)
	if err != nil {
		return p, err
	}
	if p.Revision == 1 {
		// The first commit finds no revision to take away, and the row of the first one is gone as soon as there is a second.
		actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: body})
		body = nil
	}
	put := func(body []byte) {
		actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeInsertReplace, Entity: body})
	}
	if body != nil {
		put(body)
	}
	put(encodeLease(p.Stream, l))
	for _, row := range rows {
		body, err := encodeCoverage(row)
		if err != nil {
			return p, err
		}
		put(body)
	}
	for _, entry := range seals {
		// Added, never replaced: the log only grows.
		actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: encodeSeal(entry)})
	}
	err = s.submit(ctx, coverageTable, actions)
	if errors.Is(err, archive.ErrMoved) || errors.Is(err, archive.ErrExists) {
		return p, s.whoCommitted(ctx, p, mark, seals)
	}
	return p, err
}

// whoCommitted finds out why a commit was refused: it may have been made, its answer lost, and the SDK's second try refused.
func (s *Store) whoCommitted(ctx context.Context, p archive.Progress, mark string, seals []seal.Seal) error {
	got, err := s.service.NewClient(coverageTable).GetEntity(ctx, string(p.Stream), revisionMark+strconv.FormatInt(p.Revision, 10), nil)
	if err != nil && !isCode(err, "TableNotFound", "ResourceNotFound") {
		return s.explain("read the revision of "+string(p.Stream), err)
	}
	var row struct{ Commit string }
	if err == nil {
		err = json.Unmarshal(got.Value, &row)
	}
	if err == nil && row.Commit == mark {
		return nil
	}
	if err := s.logIsFree(ctx, p, seals); err != nil {
		return err
	}
	return fmt.Errorf("commit the coverage of %s: %w", p.Stream, archive.ErrMoved)
}

// logIsFree tells an entry of the log that is there already, while nobody has committed since, from a commit that came too late.
func (s *Store) logIsFree(ctx context.Context, p archive.Progress, seals []seal.Seal) error {
	if len(seals) == 0 {
		return nil
	}
	now, err := s.Progress(ctx, p.Stream)
	if err != nil || now.Revision != p.Revision-1 {
		return err
	}
	return &entra.Error{Code: entra.CodeTampered, Doing: fmt.Sprintf("write entry %d of the log of %s", seals[0].Number, p.Stream),
		Why: "it is there already, or one after it, and the ledger does not count it", Remedy: "ask verify; nothing was written"}
}

func revisionRow(p archive.Progress, mark string) []byte {
	b := newRow(string(p.Stream), revisionMark+strconv.FormatInt(p.Revision, 10), 128)
	if mark != "" {
		b.text("Commit", mark)
	}
	return b.done().body
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
