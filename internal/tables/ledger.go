package tables

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
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
	// It is there even where it is 0: a row that lacks it is of a version that took it away.
	p["Enriched"] = aztables.EDMInt64(c.Enriched)
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
	p.number("SealedRevision", c.SealedRevision)
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
	p.text("Reads", c.Reads)
	if c.Keys != (archive.Sum{}) {
		p["Keys"] = aztables.EDMBinary(c.Keys[:])
	}
	return p.entity(string(c.Stream), c.Start.UTC().Format(entra.HourFormat))
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
	RowKey, State, Reason, Form, Reads                 string
	Passes, ColumnSet                                  int
	Sum, Keys                                          []byte
	Enriched                                           *number
	Revision, SealedRevision, Unconfirmed, Unmet       number
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
		Reads:    row.Reads,
		Revision: int64(row.Revision), SealedRevision: int64(row.SealedRevision), Form: row.Form, ColumnSet: row.ColumnSet, LostFrom: row.LostFrom, LostTo: row.LostTo,
		Unconfirmed: int64(row.Unconfirmed), Unmet: int64(row.Unmet), PurgedAt: row.PurgedAt, Doubt: row.Doubt,
		Window: entra.Window{Stream: s, Start: start}, State: archive.WindowState(row.State), Passes: row.Passes,
		Fetched: int64(row.Fetched), New: int64(row.New), Changed: int64(row.Changed), Unchanged: int64(row.Unchanged),
		Quarantined: int64(row.Quarantined), Records: int64(row.Records), Versions: int64(row.Versions),
		Bytes: int64(row.Bytes), StoredBytes: int64(row.StoredBytes),
		FirstReadAt: row.FirstReadAt, LastReadAt: row.LastReadAt, PassedAt: row.PassedAt,
		Late: int64(row.Late), Seals: int64(row.Seals), LastSeal: int64(row.LastSeal), Reason: row.Reason,
	}
	if row.Enriched != nil {
		out.Enriched = int64(*row.Enriched)
	} else {
		// A version before took the column away, and kept the sum.
		out.Enriched = max(0, out.Fetched-out.New-out.Changed-out.Unchanged-out.Quarantined)
	}
	if n := copy(out.Keys[:], row.Keys); n != len(row.Keys) || n > 0 && n < len(out.Keys) {
		return out, fmt.Errorf("read coverage row %q of %s: its Keys have %d bytes", row.RowKey, s, len(row.Keys))
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

// Commit is archive.LeaseStore's. The transaction takes away the row that bears the revision's
// number and adds the next: of two that try, the second finds nothing to take away. ETags would do
// the same, but Azurite does not look at them within a transaction, and the answer to one brings
// none. Each commit draws a mark, by which it knows itself again.
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
		// The first commit finds no revision to take away, and the row of the first one is gone as
		// soon as there is a second.
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

// whoCommitted finds out why a commit was refused: it may have been made, its answer lost, and the
// SDK's second try refused.
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

// logIsFree tells an entry of the log that is there already, while nobody has committed since, from
// a commit that came too late.
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
