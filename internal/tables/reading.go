package tables

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sort"
	"strings"
	"time"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// The table service says nothing while it searches. So a reading with a filter on columns goes
// through slices of time, each followed by how far the reading is. Slices grow where little is
// found.
const (
	firstSlice    = time.Hour
	firstFiltered = 24 * time.Hour
	longestSlice  = 31 * 24 * time.Hour
	fewInSlice    = rows.PageRows / 4 // fewer make the next slice longer
)

// Read is records.Reader's.
func (a *Archive) Read(ctx context.Context, r records.Reading) iter.Seq2[records.Archived, error] {
	return func(yield func(records.Archived, error) bool) {
		read := &reading{client: a.client, asked: r, yield: yield, width: firstSlice,
			unpacker: unpacker{codec: a.codec},
			check:    newColumnCheck(r.Stream)}
		if len(r.Columns) > 0 {
			read.width = firstFiltered // little is expected
		}
		read.low, read.high = timeKey(r.From), timeKey(r.To)
		if r.After != "" && r.NewestFirst {
			read.high = min(read.high, r.After)
		} else if r.After != "" {
			read.low = max(read.low, r.After)
		}
		err := read.bounds()
		switch {
		case err == nil && r.NewestFirst:
			err = read.backward(ctx)
		case err == nil:
			err = read.forward(ctx)
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(records.Archived{}, err)
		}
	}
}

// timeKey bounds row keys by a time.
func timeKey(t time.Time) string { return t.UTC().Format(rows.TimeFormat) }

// reading is what is left to be read: row keys in [low, high).
type reading struct {
	client    *rows.Client
	asked     records.Reading
	low, high string
	width     time.Duration // of the next slice
	yield     func(records.Archived, error) bool
	table     string // of what is being read
	unpacker  unpacker
	check     columnCheck
}

func (r *reading) bounds() error {
	if _, err := keyTime(r.low); err != nil {
		return err
	}
	_, err := keyTime(r.high)
	return err
}

// keyTime is the time with which a bound begins.
func keyTime(bound string) (time.Time, error) {
	if t, ok := rows.ParseTick(bound[:min(len(bound), len(rows.TimeFormat))]); ok &&
		len(bound) >= len(rows.TimeFormat) {
		return t, nil
	}
	if hour, ok := parseHour(bound[:min(len(bound), len(entra.HourFormat))]); ok { // of a row whose key is none of ours
		return hour, nil
	}
	return time.Time{}, fmt.Errorf("read place %q: it begins with no time", entra.Clip(bound, 80))
}

// monthOf is the start of t's month.
func monthOf(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }

// firstTop is how many rows to request first: a few more than records, because some rows are parts
// or earlier versions, and because only the row after it shows that a record is whole.
func (r *reading) firstTop() int {
	if r.asked.Limit <= 0 {
		return rows.PageRows
	}
	return min(rows.PageRows, r.asked.Limit+r.asked.Limit/8+2)
}

// forward reads the oldest first, as the service gives them.
func (r *reading) forward(ctx context.Context) error {
	top := r.firstTop()
	for r.low < r.high {
		low, err := keyTime(r.low)
		if err != nil {
			return err
		}
		end := monthOf(low).AddDate(0, 1, 0) // each month has a table of its own
		if len(r.asked.Columns) > 0 {
			end = earlier(end, low.Add(r.width))
		}
		below := min(timeKey(end), r.high)
		found, next, err := r.ahead(ctx, below, top)
		if err != nil {
			return err
		}
		if r.low, top = next, rows.PageRows; found < fewInSlice {
			r.width = min(2*r.width, longestSlice)
		}
		if err := r.give(records.Archived{Place: r.low}); err != nil {
			return err
		}
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// ahead gives the records from low up to below, or those of the first top rows. It returns how many
// rows it read and how far it came.
func (r *reading) ahead(ctx context.Context, below string, top int) (found int, next string, err error) {
	var open group
	query, err := r.query(r.low, below, top)
	if err != nil {
		return 0, below, err
	}
	for page, err := range r.client.Pages(ctx, r.table, query) {
		if err != nil {
			return found, below, err
		}
		found += len(page.Rows)
		for _, body := range page.Rows {
			if open.adds(body) {
				continue
			}
			if err := r.flush(ctx, &open); err != nil {
				return found, below, err
			}
			open.begin()
		}
		first := open.first()
		if top < rows.PageRows && page.More && first != nil && first.RowKey > r.low && first.isInPlace() {
			return found, first.RowKey, nil // its parts may follow
		}
	}
	return found, below, r.flush(ctx, &open)
}

// query asks for the rows with keys in [from, below), all of one month. A month without a table has
// none.
func (r *reading) query(from, below string, top int) (rows.Query, error) {
	begin, err := keyTime(from)
	if err != nil {
		return rows.Query{}, err
	}
	last, err := keyTime(below)
	if err != nil {
		return rows.Query{}, err
	}
	if below == timeKey(last) {
		last = last.Add(-entra.Tick)
	}
	r.table = TableName(entra.Window{Stream: r.asked.Stream, Start: begin})
	out := rows.Query{Filter: fmt.Sprintf("PartitionKey ge %s and PartitionKey le %s and RowKey ge %s "+
		"and RowKey lt %s%s",
		rows.Quote(begin.Format(entra.HourFormat)), rows.Quote(last.Format(entra.HourFormat)),
		rows.Quote(from), rows.Quote(below), columnFilter(r.asked.Columns))}
	if top < rows.PageRows {
		out.Top = top
	}
	return out, nil
}

func (r *reading) give(rec records.Archived) error {
	if !r.yield(rec, nil) {
		return errEnough
	}
	return nil
}

// flush gives the record that was gathered, if it was asked for.
func (r *reading) flush(ctx context.Context, g *group) error {
	defer g.drop()
	if g.used == 0 {
		return nil
	}
	return r.giveRecord(ctx, g.rows())
}

// giveRecord gives the record of rows, if it was asked for.
func (r *reading) giveRecord(ctx context.Context, of []fetchedRow) error {
	rec, wanted, err := r.record(ctx, of)
	if err != nil || !wanted {
		return err
	}
	return r.give(rec)
}

// record puts a record together from its rows. An earlier version is wanted only where the reading
// is about them. Of rows that are not in their hour's partition, only those are met that a query
// happens to give; verification names them all.
func (r *reading) record(ctx context.Context, of []fetchedRow) (rec records.Archived, wanted bool, err error) {
	first := &of[0]
	if !r.asked.Versions && (strings.Contains(first.RowKey, versionMark) || first.eclipsed()) {
		return rec, false, nil
	}
	if len(r.asked.Columns) > 0 && first.Parts > len(of) { // the others have no columns, so the filter left them out
		if of, err = r.allParts(ctx, of); err != nil {
			return rec, false, err
		}
		first = &of[0]
	}
	at, problem := examine(of)
	rec = records.Archived{Key: at.key, Origin: first.Origin, FirstSeen: first.FirstSeen, Superseded: first.Superseded,
		Row:   first.RowKey,
		Place: r.place(first)}
	switch {
	case rec.Key.Time.IsZero():
		rec.Key.Time = r.hourOf(first)
	case !at.whole && first.bad == "":
		rec.Key.ID = first.ID
	}
	var raw []byte
	if problem == "" {
		if raw, problem, err = r.unpacker.unpack(ctx, r.table, data(of), first.Codec, nil); err != nil {
			return rec, false, err
		}
	}
	if problem == "" {
		problem = r.examineRecord(at, first, raw)
	}
	if problem != "" {
		rec.Tampered = problem
		return rec, true, nil
	}
	rec.Raw = raw
	return rec, true, nil
}

// examineRecord says what is wrong between a record and its first row; empty: nothing.
func (r *reading) examineRecord(at place, first *fetchedRow, raw []byte) string {
	hash := entra.HashOf(raw)
	switch {
	case string(hash[:]) != string(first.Hash):
		return "its bytes do not have the hash that was written"
	case !at.versionOf(hash):
		return "it stands under the key of another content"
	}
	columns := len(r.asked.Columns) > 0
	if at.whole && !columns && !at.arrived && quickKey(raw, r.check.log.TimeProperty).Compare(at.key) == 0 {
		return ""
	}
	rec, err := logs.ParseRecord(r.asked.Stream, raw)
	if err != nil {
		return fmt.Sprintf("its bytes are no record of %s", r.asked.Stream)
	}
	if ownKey(r.asked.Stream, rec, at.arrived) != recordKey(first.RowKey, at) {
		return "it stands under a key that is not its record's"
	}
	if set, _ := r.check.set(rec, first); columns && set == 0 {
		return "its columns are not those that its record makes, so it was found by what it does not say"
	}
	return ""
}

// quickKey is a record's key as far as its first id and time show it.
func quickKey(raw []byte, timeProperty string) entra.Key {
	// Without a copy of the record: nothing of the results outlives it but the id, which is
	// compared only.
	text := unsafe.String(unsafe.SliceData(raw), len(raw))
	id := gjson.Get(text, "id")
	t, ok := rows.ParseTick(gjson.Get(text, timeProperty).Str)
	if id.Type != gjson.String || !ok {
		return entra.Key{}
	}
	return entra.Key{Time: t, ID: id.Str}
}

// place is where the reading continues after a record. A row that is not where it belongs is met
// before or after all rows of its partition's hour, so the place is a bound of that.
func (r *reading) place(first *fetchedRow) string {
	switch {
	case first.isInPlace() && r.asked.NewestFirst:
		return first.RowKey
	case first.isInPlace():
		return first.RowKey + partMark + "~" // behind its parts, and before every other key
	}
	hour := r.hourOf(first)
	if first.PartitionKey == hour.Format(entra.HourFormat) && first.RowKey < first.PartitionKey {
		return timeKey(hour)
	}
	return timeKey(hour.Add(time.Hour))
}

// isInPlace reports whether a row is in the partition of the hour with which its key begins.
func (row *fetchedRow) isInPlace() bool {
	_, ok := parseHour(row.PartitionKey)
	return ok && strings.HasPrefix(row.RowKey, row.PartitionKey)
}

// hourOf is the hour among those that are read into which a row's partition sorts.
func (r *reading) hourOf(row *fetchedRow) time.Time {
	low, errLow := keyTime(r.low)
	high, errHigh := keyTime(r.high)
	if errLow != nil || errHigh != nil {
		return entra.FloorHour(r.asked.From)
	}
	return sortsInto(row.PartitionKey, low, high)
}

// parseHour reads the key of a partition.
func parseHour(text string) (time.Time, bool) {
	if len(text) != len(entra.HourFormat) {
		return time.Time{}, false
	}
	return rows.ParseTick(text + ":00:00Z")
}

// sortsInto is the last hour of [from, to) whose partition does not come after one with any key;
// the first if there is none.
func sortsInto(partition string, from, to time.Time) time.Time {
	if hour, ok := parseHour(partition); ok {
		return hour
	}
	first := entra.FloorHour(from)
	n := sort.Search(int(to.Sub(first)/time.Hour)+1, func(i int) bool {
		return first.Add(time.Duration(i)*time.Hour).Format(entra.HourFormat) > partition
	})
	return first.Add(time.Duration(max(0, n-1)) * time.Hour)
}

// allParts reads the other rows of a record, of which the first was read.
func (r *reading) allParts(ctx context.Context, of []fetchedRow) ([]fetchedRow, error) {
	first := of[0]
	out := []fetchedRow{first}
	query := rows.Query{Filter: rows.In(first.PartitionKey, first.RowKey+partMark, first.RowKey+partMark+"~")}
	for body, err := range r.client.Scan(ctx, r.table, query) {
		if err != nil {
			return out, err
		}
		var row fetchedRow
		row.scan(body, true)
		out = append(out, row)
	}
	return out, nil
}

// columnFilter writes conditions on columns in the filter language of the table service.
func columnFilter(all [][]entra.Column) string {
	var b strings.Builder
	for _, group := range all {
		var or []string
		for _, col := range group {
			switch {
			case col.IsInt:
				or = append(or, fmt.Sprintf("%s eq %d", col.Name, col.Int))
			case isGUIDColumn(col):
				or = append(or, col.Name+" eq guid"+rows.Quote(col.Text))
			default:
				or = append(or, col.Name+" eq "+rows.Quote(col.Text))
			}
		}
		b.WriteString(" and (" + strings.Join(or, " or ") + ")")
	}
	return b.String()
}
