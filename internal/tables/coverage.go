package tables

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// encodeCoverage writes the row of an hour; its key is the hour.
func encodeCoverage(c ledger.Coverage) ([]byte, error) {
	p := rows.Properties{"State": string(c.State)}
	p.Int("Passes", c.Passes)
	p.Number("Fetched", c.Fetched)
	p.Number("New", c.New)
	p.Number("Changed", c.Changed)
	// It is there even if it is 0: a row without it was written by a version that dropped it.
	p.Must("Enriched", c.Enriched)
	p.Number("Unchanged", c.Unchanged)
	p.Number("Quarantined", c.Quarantined)
	p.Number("Late", c.Late)
	p.Number("Records", c.Records)
	p.Number("Versions", c.Versions)
	p.Number("Bytes", c.Bytes)
	p.Number("StoredBytes", c.StoredBytes)
	p.Time("FirstReadAt", c.FirstReadAt)
	p.Time("LastReadAt", c.LastReadAt)
	p.Time("PassedAt", c.PassedAt)
	p.Number("Seals", c.Seals)
	p.Number("LastSeal", c.LastSeal)
	p.Text("Reason", c.Reason)
	if c.HasSum {
		p.Binary("Sum", c.Sum[:])
	}
	p.Number("Revision", c.Revision)
	p.Number("SealedRevision", c.SealedRevision)
	p.Text("Form", c.Form)
	p.Int("ColumnSet", c.ColumnSet)
	p.Time("LostFrom", c.LostFrom)
	p.Time("LostTo", c.LostTo)
	p.Number("Unconfirmed", c.Unconfirmed)
	p.Number("Unmet", c.Unmet)
	p.Time("PurgedAt", c.PurgedAt)
	p.Flag("Doubt", c.Doubt)
	p.Number("Imported", c.Imported)
	if c.Imported > 0 {
		p.Binary("ImportedSum", c.ImportedSum[:])
	}
	p.Number("Eclipsed", c.Eclipsed)
	p.Text("Reads", c.Reads)
	if c.Keys != (ledger.Sum{}) {
		p.Binary("Keys", c.Keys[:])
	}
	return p.Entity(string(c.Stream), c.Start.UTC().Format(entra.HourFormat))
}

type coverageRow struct {
	RowKey, State, Reason, Form, Reads                 string
	Passes, ColumnSet                                  int
	Sum, Keys, ImportedSum                             []byte
	Imported, Eclipsed                                 rows.Number
	Enriched                                           *rows.Number
	Revision, SealedRevision, Unconfirmed, Unmet       rows.Number
	LostFrom, LostTo, PurgedAt                         time.Time
	Doubt                                              bool
	Late, Seals, LastSeal                              rows.Number
	PassedAt                                           time.Time
	Fetched, New, Changed, Unchanged                   rows.Number
	Quarantined, Records, Versions, Bytes, StoredBytes rows.Number
	FirstReadAt, LastReadAt                            time.Time
}

func (row coverageRow) coverage(s entra.Stream) (ledger.Coverage, error) {
	start, err := time.Parse(entra.HourFormat, row.RowKey)
	if err != nil {
		return ledger.Coverage{}, fmt.Errorf("read coverage row %q of %s: its key is not an hour", row.RowKey, s)
	}
	out := ledger.Coverage{
		Reads:    row.Reads,
		Revision: int64(row.Revision), SealedRevision: int64(row.SealedRevision), Form: row.Form,
		ColumnSet: row.ColumnSet,
		LostFrom:  row.LostFrom, LostTo: row.LostTo,
		Imported: int64(row.Imported), Eclipsed: int64(row.Eclipsed),
		Unconfirmed: int64(row.Unconfirmed), Unmet: int64(row.Unmet), PurgedAt: row.PurgedAt, Doubt: row.Doubt,
		Window: entra.Window{Stream: s, Start: start}, State: ledger.WindowState(row.State), Passes: row.Passes,
		Fetched: int64(row.Fetched), New: int64(row.New), Changed: int64(row.Changed), Unchanged: int64(row.Unchanged),
		Quarantined: int64(row.Quarantined), Records: int64(row.Records), Versions: int64(row.Versions),
		Bytes: int64(row.Bytes), StoredBytes: int64(row.StoredBytes),
		FirstReadAt: row.FirstReadAt, LastReadAt: row.LastReadAt, PassedAt: row.PassedAt,
		Late: int64(row.Late), Seals: int64(row.Seals), LastSeal: int64(row.LastSeal), Reason: row.Reason,
	}
	if row.Enriched != nil {
		out.Enriched = int64(*row.Enriched)
	} else {
		// An earlier version dropped the column, and kept the sum.
		out.Enriched = max(0, out.Fetched-out.New-out.Changed-out.Unchanged-out.Quarantined)
	}
	if n := copy(out.Keys[:], row.Keys); n != len(row.Keys) || n > 0 && n < len(out.Keys) {
		return out, fmt.Errorf("read coverage row %q of %s: its Keys have %d bytes", row.RowKey, s, len(row.Keys))
	}
	if n := copy(out.ImportedSum[:], row.ImportedSum); n != len(row.ImportedSum) ||
		(n == len(out.ImportedSum)) != (row.Imported > 0) {
		return out, fmt.Errorf("read coverage row %q of %s: its ImportedSum has %d bytes, and its Imported is %d",
			row.RowKey, s, len(row.ImportedSum), row.Imported)
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
func decodeCoverage(stream entra.Stream, body []byte) (ledger.Coverage, error) {
	var (
		row coverageRow
		cov ledger.Coverage
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

// Windows is collect.Store's.
func (a *Archive) Windows(ctx context.Context, stream entra.Stream,
	from, to time.Time) iter.Seq2[ledger.Coverage, error] {
	below := to.UTC().Format(entra.HourFormat)
	if to.After(entra.FloorHour(to)) {
		below += "~" // the hour that holds to is asked for too
	}
	query := rows.Query{Filter: rows.In(string(stream), from.UTC().Format(entra.HourFormat), below)}
	return decoded(a.client.Scan(ctx, coverageTable, query), func(body []byte) (ledger.Coverage, error) {
		return decodeCoverage(stream, body)
	})
}

// decoded yields what rows say, up to the first that can't be read.
func decoded[T any](all iter.Seq2[[]byte, error], decode func(body []byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for body, err := range all {
			if err != nil {
				yield(none, err)
				return
			}
			one, err := decode(body)
			if err != nil {
				yield(none, err)
				return
			}
			if !yield(one, nil) {
				return
			}
		}
	}
}
