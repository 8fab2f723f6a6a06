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

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
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

// ofReading tells an error of the connection from one that says that what was read is wrong.
func ofReading(ctx context.Context, err error) bool {
	code := entra.CodeOf(err)
	return ctx.Err() != nil || code != entra.CodeInternal && code != entra.CodeTampered && code != entra.CodeNotFound
}

// rowHead is what every row has, whatever else is wrong with it.
type rowHead struct {
	key     string
	written time.Time
}

func headOf(body []byte) rowHead {
	row := gjson.ParseBytes(body)
	written, _ := time.Parse(time.RFC3339Nano, row.Get("Timestamp").String())
	return rowHead{row.Get("RowKey").String(), written}
}

// LedgerRows is archive.Evidence's.
func (s *Store) LedgerRows(ctx context.Context, stream entra.Stream, from, to time.Time) iter.Seq2[archive.LedgerRow,
	error] {
	first, below := "0", ":" // what follows the digits
	if !from.IsZero() {
		first = from.UTC().Format(entra.HourFormat)
	}
	if !to.IsZero() {
		below = to.UTC().Format(entra.HourFormat)
	}
	return s.eachRow(ctx, stream, first, below, ledgerRow)
}

// eachRow yields what rows of a stream's ledger say.
func (s *Store) eachRow(ctx context.Context, stream entra.Stream, first, below string, of func(entra.Stream,
	[]byte) archive.LedgerRow) iter.Seq2[archive.LedgerRow, error] {
	return func(yield func(archive.LedgerRow, error) bool) {
		stopped := errors.New("the reader has enough")
		err := s.query(ctx, coverageTable, string(stream), first, below, "", func(body []byte) error {
			if !yield(of(stream, body), nil) {
				return stopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(archive.LedgerRow{}, err)
		}
	}
}

func ledgerRow(stream entra.Stream, body []byte) archive.LedgerRow {
	head := headOf(body)
	out := archive.LedgerRow{Key: head.key, Written: head.written}
	cov, err := decodeCoverage(stream, body)
	if err == nil && cov.Start.Format(entra.HourFormat) != head.key {
		err = fmt.Errorf("its key %q is not an hour", head.key)
	}
	out.Coverage, out.Read = cov, err == nil
	out.Problem = coverageKinds.wrong(body)
	if out.Problem == "" && cov.SealedRevision > 0 && !gjson.GetBytes(body, "Enriched").Exists() {
		out.Problem = "it has no column Enriched, and one that came later than that"
	}
	if err != nil {
		out.Problem = problemOf(err)
		start, wrong := time.Parse(entra.HourFormat, head.key)
		if wrong != nil { // it may lie among the rows of the hour that it begins with
			start, _ = time.Parse(entra.HourFormat, head.key[:min(len(head.key), len("2006-01-02T15"))])
		}
		out.Coverage = archive.Coverage{Window: entra.Window{Stream: stream, Start: start}}
	}
	return out
}

// LogRows is archive.Evidence's.
func (s *Store) LogRows(ctx context.Context, stream entra.Stream, from int64) iter.Seq2[archive.LogRow, error] {
	return func(yield func(archive.LogRow, error) bool) {
		stopped := errors.New("the reader has enough")
		first := sealMark
		if from > 0 {
			first = sealKey(from)
		}
		err := s.query(ctx, coverageTable, string(stream), first, sealMark+"~", "", func(body []byte) error {
			if !yield(logRow(stream, body), nil) {
				return stopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(archive.LogRow{}, err)
		}
	}
}

func logRow(stream entra.Stream, body []byte) archive.LogRow {
	entry, err := decodeSeal(stream, body)
	out := archive.LogRow{Seal: entry, Key: headOf(body).key, Read: err == nil, Problem: sealKinds.wrong(body)}
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

// Guards is archive.Evidence's.
func (s *Store) Guards(ctx context.Context, stream entra.Stream) (archive.Guards, error) {
	var out archive.Guards
	filter := fmt.Sprintf("PartitionKey eq %s and (RowKey lt '0' or RowKey ge ':' and RowKey lt '%s' or RowKey ge '%s~')", quote(string(stream)), sealMark, sealMark)
	asking, page := withListing(ctx)
	flaw := func(row, detail string) {
		if detail != "" {
			out.Flaws = append(out.Flaws, archive.Flaw{Difference: archive.DiffLedger, Table: coverageTable, Row: row,
				Detail: detail})
		}
	}
	err := s.list(asking, coverageTable, filter, "", func(body []byte) error {
		head := headOf(body)
		number, isRevision := strings.CutPrefix(head.key, revisionMark)
		switch {
		case head.key == progressKey:
			flaw(head.key, progressKinds.wrong(body))
		case head.key == leaseKey:
			flaw(head.key, leaseKinds.wrong(body))
			row, err := decodeLease(stream, body)
			if err != nil {
				flaw(head.key, problemOf(err))
				return nil
			}
			out.HasLease, out.Lease = true, row.lease(page.date)
		case head.key == wishKey:
			flaw(head.key, wishKinds.wrong(body))
		case isRevision:
			flaw(head.key, revisionKinds.wrong(body))
			n, err := strconv.ParseInt(number, 10, 64)
			if err != nil || revisionMark+strconv.FormatInt(n, 10) != head.key {
				flaw(head.key, "its key is none of a revision")
				return nil
			}
			out.Revisions = append(out.Revisions, n)
		case head.key == indexedMark: // Flaws looks at it
		default:
			flaw(head.key, "it is not a row that Entra Ledger writes")
		}
		return nil
	})
	return out, err
}

// KeptLists is archive.Evidence's: a query of the lists of each month.
func (s *Store) KeptLists(ctx context.Context, stream entra.Stream, from, to time.Time,
	seals []seal.Seal) (map[int64]archive.SealList, error) {
	rows := make(map[string][]listRow) // by key of the first
	wrong := make(map[string]string)
	err := s.eachMonth(stream, from, to, func(table, first, below string) error {
		month := leavesTable(entra.Window{Start: partitionMonth(first)})
		return s.query(ctx, month, string(stream), first, below, "", func(body []byte) error {
			row, err := parseListRow(body)
			key, _, _ := strings.Cut(row.key, partMark)
			rows[key] = append(rows[key], row)
			if text := listKinds.wrong(body); text != "" {
				wrong[key] = text
			}
			if err != nil {
				wrong[key] = problemOf(err)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	out := make(map[int64]archive.SealList, len(seals))
	for _, sealed := range seals {
		list, err := s.keptList(ctx, sealed, rows, wrong)
		if err != nil {
			return nil, err
		}
		out[sealed.Number] = list
	}
	return out, nil
}

// partitionMonth is the time with which a partition's key begins.
func partitionMonth(partition string) time.Time {
	t, _ := time.Parse("2006-01", partition[:min(len(partition), len("2006-01"))])
	return t
}

// keptList puts the list of a seal together from rows that were read.
func (s *Store) keptList(ctx context.Context, sealed seal.Seal, rows map[string][]listRow,
	wrong map[string]string) (archive.SealList, error) {
	key := listKey(sealed)
	if len(rows[key]) == 0 {
		key = leavesKey(sealed) // of a version before
	}
	if len(rows[key]) == 0 {
		return archive.SealList{}, nil
	}
	out := archive.SealList{Row: key}
	var parts []archive.KeptList
	for n := 0; key != ""; n++ {
		of := rows[key]
		switch {
		case n > wholeListEvery:
			out.Problem = "it goes on from too many others"
		case !wholeList(of):
			out.Problem = fmt.Sprintf("%d rows of %s are there, and %d were written", len(of), key, partsOf(of))
		case of[0].parts == 0:
			out.Problem = "it does not say how many rows it has"
		case (of[0].datesCodec == "") != (len(of[0].dates) == 0):
			out.Problem = "it has one of Dates and DatesCodec"
		default:
			out.Problem = wrong[key]
		}
		if out.Problem != "" {
			return out, nil
		}
		list, err := s.parseList(ctx, sealed.Window, of)
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

func partsOf(rows []listRow) int {
	if len(rows) == 0 {
		return 1
	}
	return max(1, rows[0].parts)
}
