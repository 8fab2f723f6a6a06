package tables

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/tables/rows"
	"github.com/entraledger/entraledger/internal/verify"
)

// What verify reads of the ledger: every row as it is, with what is wrong with it.

// problemOf says what is wrong with a row that can't be read.
func problemOf(err error) string {
	var e *entra.Error
	if errors.As(err, &e) && e.Why != "" {
		return e.Why
	}
	return "it is not what Entra Ledger writes (" + err.Error() + ")"
}

// ofReading distinguishes an error of the connection from one that says that the content is wrong.
func ofReading(ctx context.Context, err error) bool {
	code := entra.CodeOf(err)
	return ctx.Err() != nil || code != entra.CodeInternal && code != entra.CodeTampered && code != entra.CodeNotFound
}

// writtenAt is the service's stamp of a row, whatever else is wrong with it.
func writtenAt(body []byte) time.Time {
	written, _ := time.Parse(time.RFC3339Nano, gjson.GetBytes(body, "Timestamp").String())
	return written
}

// LedgerRows is verify.Evidence's.
func (u *Audit) LedgerRows(ctx context.Context, stream entra.Stream,
	from, to time.Time) iter.Seq2[verify.LedgerRow, error] {
	first, below := "0", afterDigits
	if !from.IsZero() {
		first = from.UTC().Format(entra.HourFormat)
	}
	if !to.IsZero() {
		below = to.UTC().Format(entra.HourFormat)
	}
	all := u.client.Scan(ctx, coverageTable, rows.Query{Filter: rows.In(string(stream), first, below)})
	return decoded(all, func(body []byte) (verify.LedgerRow, error) { return ledgerRow(stream, body), nil })
}

func ledgerRow(stream entra.Stream, body []byte) verify.LedgerRow {
	key := rows.KeyOf(body).Row
	out := verify.LedgerRow{Key: key, Written: writtenAt(body)}
	cov, err := decodeCoverage(stream, body)
	if err == nil && cov.Start.Format(entra.HourFormat) != key {
		err = fmt.Errorf("its key %q is not an hour", key)
	}
	out.Coverage, out.Read = cov, err == nil
	out.Problem = coverageKinds.Wrong(body)
	if out.Problem == "" && cov.SealedRevision > 0 && !gjson.GetBytes(body, "Enriched").Exists() {
		out.Problem = "it has no column Enriched, and one that came later than that"
	}
	if err != nil {
		out.Problem = problemOf(err)
		start, wrong := time.Parse(entra.HourFormat, key)
		if wrong != nil { // it may be among the rows of the hour that it begins with
			start, _ = time.Parse(entra.HourFormat, key[:min(len(key), len("2006-01-02T15"))])
		}
		out.Coverage = ledger.Coverage{Window: entra.Window{Stream: stream, Start: start}}
	}
	return out
}

// LogRows is verify.Evidence's.
func (u *Audit) LogRows(ctx context.Context, stream entra.Stream, from int64) iter.Seq2[verify.LogRow, error] {
	filter := wholeLog(stream)
	if from > 0 {
		filter = logFilter(stream, from)
	}
	all := u.client.Scan(ctx, coverageTable, rows.Query{Filter: filter})
	return decoded(all, func(body []byte) (verify.LogRow, error) { return logRow(stream, body), nil })
}

func logRow(stream entra.Stream, body []byte) verify.LogRow {
	entry, err := decodeSeal(stream, body)
	out := verify.LogRow{Seal: entry, Key: rows.KeyOf(body).Row, Read: err == nil, Problem: sealKinds.Wrong(body)}
	number, wrong := strconv.ParseInt(strings.TrimPrefix(out.Key, sealMark), 10, 64)
	if wrong != nil || sealKey(number) != out.Key {
		number, out.Read, out.Problem = -1, false, "its key is none of an entry"
	}
	out.Number = number
	switch {
	case err != nil:
		out.Problem = problemOf(err)
	case !gjson.GetBytes(body, "Leaves").Exists():
		out.Problem = "it has no column Leaves"
	case entry.Start.Format(entra.HourFormat) != gjson.GetBytes(body, "Hour").String():
		out.Problem = "its Hour is not written as an hour is"
	}
	return out
}

// Guards is verify.Evidence's.
func (u *Audit) Guards(ctx context.Context, stream entra.Stream) (verify.Guards, error) {
	var (
		found    guards
		answered time.Time
	)
	filter := fmt.Sprintf("PartitionKey eq %s and (RowKey lt '0' or RowKey ge '%s' and RowKey lt '%s' "+
		"or RowKey ge '%s~')",
		rows.Quote(string(stream)), afterDigits, sealMark, sealMark)
	query := rows.Query{Filter: filter, Answered: &answered}
	for body, err := range u.client.Scan(ctx, coverageTable, query) {
		if err != nil {
			return found.out, err
		}
		found.add(stream, body, answered)
	}
	return found.out, nil
}

// guards gathers what is wrong with the rows of a ledger that are neither of hours nor of its log.
type guards struct{ out verify.Guards }

func (g *guards) flaw(row, detail string) {
	if detail != "" {
		g.out.Flaws = append(g.out.Flaws, verify.Flaw{Difference: verify.DiffLedger, Table: coverageTable, Row: row,
			Detail: detail})
	}
}

// add looks at a row that was read at a time of the service's clock.
func (g *guards) add(stream entra.Stream, body []byte, at time.Time) {
	key := rows.KeyOf(body).Row
	switch {
	case key == progressKey:
		g.flaw(key, progressKinds.Wrong(body))
	case key == leaseKey:
		g.flaw(key, leaseKinds.Wrong(body))
		row, err := decodeLease(stream, body)
		if err != nil {
			g.flaw(key, problemOf(err))
			return
		}
		g.out.HasLease, g.out.Lease = true, row.lease(at)
	case key == requestKey:
		g.flaw(key, requestKinds.Wrong(body))
	case strings.HasPrefix(key, revisionMark):
		g.flaw(key, revisionKinds.Wrong(body))
		n, err := strconv.ParseInt(strings.TrimPrefix(key, revisionMark), 10, 64)
		if err != nil || revisionMark+strconv.FormatInt(n, 10) != key {
			g.flaw(key, "its key is none of a revision")
			return
		}
		g.out.Revisions = append(g.out.Revisions, n)
	case key == indexedMark: // Flaws looks at it
	default:
		g.flaw(key, "it is not a row that Entra Ledger writes")
	}
}

// readLists are the rows of lists of seals, by the keys of the lists' first rows, and what is wrong
// with them.
type readLists struct {
	rows  map[string][]listRow
	wrong map[string]string
}

// KeptLists is verify.Evidence's: a query of the lists of each month.
func (u *Audit) KeptLists(ctx context.Context, stream entra.Stream, from, to time.Time,
	seals []seal.Seal) (map[int64]verify.SealList, error) {
	read := readLists{rows: make(map[string][]listRow), wrong: make(map[string]string)}
	for month := range monthsOf(stream, from, to) {
		table := leavesTable(entra.Window{Start: partitionMonth(month.first)})
		query := rows.Query{Filter: rows.In(string(stream), month.first, month.below)}
		for body, err := range u.client.Scan(ctx, table, query) {
			if err != nil {
				return nil, err
			}
			read.add(body)
		}
	}
	out := make(map[int64]verify.SealList, len(seals))
	for _, sealed := range seals {
		list, err := u.keptList(ctx, sealed, read)
		if err != nil {
			return nil, err
		}
		out[sealed.Number] = list
	}
	return out, nil
}

func (r readLists) add(body []byte) {
	row, err := parseListRow(body)
	key, _, _ := strings.Cut(row.key, partMark)
	r.rows[key] = append(r.rows[key], row)
	if text := listKinds.Wrong(body); text != "" {
		r.wrong[key] = text
	}
	if err != nil {
		r.wrong[key] = problemOf(err)
	}
}

// partitionMonth is the time with which a partition's key begins.
func partitionMonth(partition string) time.Time {
	t, _ := time.Parse("2006-01", partition[:min(len(partition), len("2006-01"))])
	return t
}

// keptList puts the list of a seal together from rows that were read.
func (u *Audit) keptList(ctx context.Context, sealed seal.Seal, read readLists) (verify.SealList, error) {
	key := listKey(sealed)
	if len(read.rows[key]) == 0 {
		key = leavesKey(sealed) // of a version before
	}
	if len(read.rows[key]) == 0 {
		return verify.SealList{}, nil
	}
	out := verify.SealList{Row: key}
	var parts []ledger.KeptList
	for n := 0; key != ""; n++ {
		of := read.rows[key]
		if out.Problem = read.problem(key, n); out.Problem != "" {
			return out, nil
		}
		list, err := u.archive.parseList(ctx, sealed.Window, of)
		if err != nil && ofReading(ctx, err) {
			return out, err
		}
		if err != nil {
			out.Problem = problemOf(err)
			return out, nil
		}
		parts, key = append(parts, list), of[0].after
	}
	out.KeptList = parts[len(parts)-1]
	for n := len(parts) - 2; n >= 0; n-- {
		out.KeptList = goneOn(out.KeptList, parts[n])
	}
	return out, nil
}

// problem says what is wrong with the rows of a list, from which n others continue; empty: nothing.
func (r readLists) problem(key string, n int) string {
	of := r.rows[key]
	switch {
	case n > wholeListEvery:
		return "it goes on from too many others"
	case !wholeList(of):
		return fmt.Sprintf("%d rows of %s are there, and %d were written", len(of), key, partsOf(of))
	case of[0].parts == 0:
		return "it does not say how many rows it has"
	case (of[0].datesCodec == "") != (len(of[0].dates) == 0):
		return "it has one of Dates and DatesCodec"
	}
	return r.wrong[key]
}

func partsOf(of []listRow) int {
	if len(of) == 0 {
		return 1
	}
	return max(1, of[0].parts)
}
