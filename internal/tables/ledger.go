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
	return p.entity(string(c.Stream), c.Start.UTC().Format(entra.HourFormat))
}

func encodeProgress(p archive.Progress) ([]byte, error) {
	out := properties{}
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
	RowKey, State, Reason                              string
	Passes                                             int
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
	return archive.Coverage{
		Window: entra.Window{Stream: s, Start: start}, State: archive.WindowState(row.State), Passes: row.Passes,
		Fetched: int64(row.Fetched), New: int64(row.New), Changed: int64(row.Changed), Unchanged: int64(row.Unchanged),
		Quarantined: int64(row.Quarantined), Records: int64(row.Records), Versions: int64(row.Versions),
		Bytes: int64(row.Bytes), StoredBytes: int64(row.StoredBytes),
		FirstReadAt: row.FirstReadAt, LastReadAt: row.LastReadAt, PassedAt: row.PassedAt,
		Late: int64(row.Late), Seals: int64(row.Seals), LastSeal: int64(row.LastSeal), Reason: row.Reason,
	}, nil
}

type progressRow struct {
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
	return archive.Progress{
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
	}, nil
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
	var row progressRow
	if err := json.Unmarshal(got.Value, &row); err != nil {
		return archive.Progress{}, fmt.Errorf("read the progress of %s: %w", stream, err)
	}
	p, err := row.progress(stream)
	if err != nil {
		return p, fmt.Errorf("read the progress of %s: %w", stream, err)
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
			var row coverageRow
			if err := json.Unmarshal(body, &row); err != nil {
				return fmt.Errorf("read the coverage of %s: %w", stream, err)
			}
			cov, err := row.coverage(stream)
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

// Commit is archive.Store's. The transaction takes away the row that bears the revision's number and adds the next: of
// two that try, the second finds nothing to take away. ETags would do the same, but Azurite does not look at them within
// a transaction, and the answer to one brings none.
func (s *Store) Commit(ctx context.Context, p archive.Progress, rows []archive.Coverage, seals []seal.Seal) (archive.Progress, error) {
	if n := len(rows) + len(seals); n > archive.MaxCommit {
		return p, fmt.Errorf("commit %d rows of %s: at most %d fit a transaction", n, p.Stream, archive.MaxCommit)
	}
	var actions []aztables.TransactionAction
	if p.Revision > 0 {
		actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeDelete, Entity: revisionRow(p)})
	}
	p.Revision++
	actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: revisionRow(p)})
	body, err := encodeProgress(p)
	if err != nil {
		return p, err
	}
	actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeInsertReplace, Entity: body})
	for _, row := range rows {
		body, err := encodeCoverage(row)
		if err != nil {
			return p, err
		}
		actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeInsertReplace, Entity: body})
	}
	for _, entry := range seals {
		// Added, never replaced: the log only grows.
		actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: encodeSeal(entry)})
	}
	err = s.submit(ctx, coverageTable, actions)
	if errors.Is(err, archive.ErrMoved) || errors.Is(err, archive.ErrExists) {
		// It may have been ourselves: the write was done, its answer lost, and the SDK's second try refused.
		now, err := s.Progress(ctx, p.Stream)
		if err != nil {
			return p, err
		}
		if now.Run == p.Run && now.Revision == p.Revision {
			return p, nil
		}
		return p, fmt.Errorf("commit the coverage of %s: %w", p.Stream, archive.ErrMoved)
	}
	return p, err
}

func revisionRow(p archive.Progress) []byte {
	return newRow(string(p.Stream), revisionMark+strconv.FormatInt(p.Revision, 10), 128).done().body
}
