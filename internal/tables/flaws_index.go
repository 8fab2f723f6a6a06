package tables

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables/rows"
	"github.com/entraledger/entraledger/internal/verify"
)

// Flaws of the index. The days by which searches go are indexed anew from the bytes of their
// records, and compared with what is stored. Of a month's rows a number each is held, for there are
// as many as users, applications and days together.

const indexAgain = "handler reindex --again makes it anew"

// hourSeals is what the log says of an hour.
type hourSeals struct {
	last   time.Time // when it was last sealed
	most   int64     // contents that any of its entries lists
	latest int64     // those that the last one lists
}

// lastSeals reads when each hour was sealed last. Entries that can't be read are left out; the
// check of the log names them.
func (f *flaws) lastSeals(ctx context.Context) (map[time.Time]hourSeals, error) {
	out := make(map[time.Time]hourSeals)
	query := rows.Query{Filter: wholeLog(f.stream), Columns: "RowKey,Hour,Leaves,SealedAt"}
	for body, err := range f.in.client.Scan(ctx, coverageTable, query) {
		if err != nil {
			return out, err
		}
		var row struct {
			Hour     string
			Leaves   rows.Number
			SealedAt time.Time
		}
		if json.Unmarshal(body, &row) != nil {
			continue
		}
		hour, err := time.Parse(entra.HourFormat, row.Hour)
		if err != nil {
			continue
		}
		was := out[hour]
		out[hour] = hourSeals{last: row.SealedAt, most: max(was.most, int64(row.Leaves)), latest: int64(row.Leaves)}
	}
	return out, nil
}

// indexedUpTo looks at the row that says how far the index was brought.
func (f *flaws) indexedUpTo(ctx context.Context) error {
	why, err := f.indexedTooFar(ctx)
	if err == nil && why != "" {
		why, err = f.indexedTooFar(ctx)
	}
	if err != nil || why == "" {
		return err
	}
	return f.found(verify.DiffDerived, coverageTable, indexedMark, time.Time{}, "%s", why)
}

// indexedTooFar says what is wrong with the row that says how far the index was brought; empty:
// nothing.
func (f *flaws) indexedTooFar(ctx context.Context) (why string, err error) {
	// The row first: the log only grows.
	var entries int64
	state := unchecked
	query := rows.Query{Filter: rows.Of(string(f.stream), indexedMark)}
	for body, err := range f.in.client.Scan(ctx, coverageTable, query) {
		if err != nil {
			return "", err
		}
		entries, state = parseIndexed(f.stream, body)
	}
	if state == differs {
		return "it is not what was written, so no search goes by the index; " + indexAgain, nil
	}
	err = f.readProgress(ctx)
	if f.progress.Started() && entries > f.progress.Seals {
		why = "it knows more entries than the log has, so no search goes by the index; " + indexAgain
	}
	return why, err
}

// heldRow is a row of the index as it is stored: hashes of its key and of what it holds.
type heldRow struct{ key, content uint64 }

// monthIndex is what is held of the index of one month.
type monthIndex struct {
	of       *flaws // the search that it is part of
	table    string
	month    time.Time
	from, to time.Time
	seed     maphash.Seed
	days     map[time.Time]indexedDay
	checked  map[time.Time]bool // days whose own row has a check
	rows     map[time.Time][]heldRow
	log      map[time.Time]hourSeals
}

// index names what is wrong with the index of the days of [from, to), within one month.
func (f *flaws) index(ctx context.Context, month, from, to time.Time, log map[time.Time]hourSeals) error {
	m := &monthIndex{of: f, table: indexTable(month), month: month, from: from.Truncate(24 * time.Hour), to: to,
		seed: maphash.MakeSeed(), days: make(map[time.Time]indexedDay), checked: make(map[time.Time]bool),
		rows: make(map[time.Time][]heldRow), log: log}
	if err := m.read(ctx); err != nil || len(m.days) == 0 {
		return err
	}
	state, err := m.good(ctx)
	if err != nil {
		return err
	}
	for day := m.from; day.Before(to); day = day.AddDate(0, 0, 1) {
		if err := m.day(ctx, day, state[day]); err != nil {
			return err
		}
		delete(m.rows, day)
	}
	return nil
}

// read reads the month's rows, and names those that are not what was written.
func (m *monthIndex) read(ctx context.Context) error {
	for body, err := range m.all(ctx) {
		if err != nil {
			return err
		}
		if err := m.take(ctx, body); err != nil {
			return err
		}
	}
	return nil
}

// all yields the stream's rows of the month.
func (m *monthIndex) all(ctx context.Context) iter.Seq2[[]byte, error] {
	return m.of.in.client.Scan(ctx, m.table, rows.Query{Filter: rows.In(string(m.of.stream), "", "~")})
}

// take reads one row of the month.
func (m *monthIndex) take(ctx context.Context, body []byte) error {
	key := rows.KeyOf(body).Row
	day, ok := dayOf(m.month, key)
	if !ok {
		if m.from.After(m.month) {
			return nil // it is named with the month's first day
		}
		return m.of.found(verify.DiffAdded, m.table, key, time.Time{},
			"its key is not one that Entra Ledger writes, and nothing reads it")
	}
	if day.Before(m.from) || !day.Before(m.to) {
		return nil
	}
	if strings.HasPrefix(key, dayMark) {
		_, of, state := parseIndexedDay(m.table, m.of.stream, body)
		if state == differs {
			return m.again(ctx, key, day)
		}
		if of.version == derive.Index().Version { // nothing goes by another one's
			m.days[day], m.checked[day] = of, state == agrees
		}
		return nil
	}
	row, state := parseIndexRow(m.table, m.of.stream, body)
	if state == differs {
		return m.again(ctx, key, day)
	}
	m.rows[day] = append(m.rows[day], m.hold(row))
	return nil
}

// again looks once more at a row that is not what was written, and names it.
func (m *monthIndex) again(ctx context.Context, key string, day time.Time) error {
	body, err := m.one(ctx, key)
	if err != nil || body == nil {
		return err
	}
	var state checkState
	if strings.HasPrefix(key, dayMark) {
		_, _, state = parseIndexedDay(m.table, m.of.stream, body)
	} else {
		_, state = parseIndexRow(m.table, m.of.stream, body)
	}
	if state != differs {
		return nil
	}
	return m.of.found(verify.DiffDerived, m.table, key, day,
		"it is not what was written, so the day is searched whole; %s", indexAgain)
}

// one reads one row; nil where it is not there.
func (m *monthIndex) one(ctx context.Context, key string) ([]byte, error) {
	query := rows.Query{Filter: rows.Of(string(m.of.stream), key)}
	for body, err := range m.of.in.client.Scan(ctx, m.table, query) {
		return body, err
	}
	return nil, nil
}

func (m *monthIndex) hold(row indexRow) heldRow {
	out := heldRow{key: maphash.String(m.seed, row.key), content: uint64(row.hours)}
	for one := range slices.Chunk(row.ids, idBytes) {
		out.content += maphash.Bytes(m.seed, one)
	}
	return out
}

// good are the days by which searches go, with the seals that they have now. A day that has others
// than the index says is among them only if a search would go by it all the same.
func (m *monthIndex) good(ctx context.Context) (map[time.Time]derive.Revision, error) {
	search, err := derive.NewSearch(ctx, m.searched(), m.of.stream)
	if entra.CodeOf(err) == entra.CodeTampered || err == nil && search == nil {
		return nil, nil // the ledger is what is wrong, or nothing goes by the index
	}
	if err != nil {
		return nil, err
	}
	now, err := derive.VouchedFor(ctx, m.of.in.archive, derive.Index(), m.of.stream, m.month, m.month.AddDate(0, 1, 0))
	if entra.CodeOf(err) == entra.CodeTampered {
		return nil, nil
	}
	states := make(map[time.Time]derive.Revision)
	for day, is := range now {
		if search.Uses(day) {
			states[day] = is.Revision
		}
	}
	return states, err
}

// searched is what a search would ask.
func (m *monthIndex) searched() Searched {
	return Searched{Archive: m.of.in.archive, Views: m.of.in.views}
}

// stillGood tells whether a day's row of the index is as it was read, and is gone by.
func (m *monthIndex) stillGood(ctx context.Context, day time.Time) (bool, error) {
	now, err := m.good(ctx)
	if err != nil {
		return false, err
	}
	body, err := m.one(ctx, dayMark+day.Format("02"))
	if err != nil || body == nil {
		return false, err
	}
	_, is, parsed := parseIndexedDay(m.table, m.of.stream, body)
	state, used := now[day]
	return parsed != differs && is == m.days[day] && used && state == m.days[day].Revision, nil
}

// day compares the rows of a day with those that its records make.
func (m *monthIndex) day(ctx context.Context, day time.Time, now derive.Revision) error {
	row, indexed := m.days[day]
	if !indexed || now == (derive.Revision{}) {
		return nil
	}
	if row.Revision != now {
		return m.otherSeals(ctx, day)
	}
	made, err := m.make(ctx, day)
	if err != nil || made == nil {
		return err
	}
	stored := m.rows[day]
	slices.SortFunc(stored, func(a, b heldRow) int { return cmp.Compare(a.key, b.key) })
	wanted := indexRows(day.Format("02"), made.sealed.Rows())
	lacking := m.lacking(wanted, stored)
	wrong := make(map[string]string) // by row
	for _, want := range lacking {
		if err := m.lacks(ctx, want, wrong); err != nil {
			return err
		}
	}
	if err := m.extras(ctx, day, made, stored, wrong); err != nil {
		return err
	}
	is := newIndexedDay(m.table, m.of.stream, now, wanted)
	if len(lacking) == 0 && made.whole && m.checked[day] && (is.rows != row.rows || is.sum != row.sum) {
		wrong[dayMark+day.Format("02")] = fmt.Sprintf(
			"it says that the day has %d rows, and its records make %d, or others; %s", row.rows, is.rows, indexAgain)
	}
	return m.name(ctx, day, wrong)
}

// lacking are the rows that are not stored as they are wanted. stored is in the order of keys.
func (m *monthIndex) lacking(wanted []indexRow, stored []heldRow) (out []indexRow) {
	byKey := func(r heldRow, key uint64) int { return cmp.Compare(r.key, key) }
	for _, want := range wanted {
		held := m.hold(want)
		at, there := slices.BinarySearchFunc(stored, held.key, byKey)
		if !there || stored[at].content != held.content {
			out = append(out, want)
		}
	}
	return out
}

// name yields what is wrong with rows of a day, if the day is still what was compared.
func (m *monthIndex) name(ctx context.Context, day time.Time, wrong map[string]string) error {
	if len(wrong) == 0 {
		return nil
	}
	if good, err := m.stillGood(ctx, day); err != nil || !good {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(wrong)) {
		if err := m.of.found(verify.DiffDerived, m.table, key, day, "%s", wrong[key]); err != nil {
			return err
		}
	}
	return nil
}

// otherSeals names a day whose row is of other seals than the ledger has, though nothing tells a
// search so.
func (m *monthIndex) otherSeals(ctx context.Context, day time.Time) error {
	now, err := m.good(ctx)
	if err != nil {
		return err
	}
	key := dayMark + day.Format("02")
	body, err := m.one(ctx, key)
	if err != nil || body == nil {
		return err
	}
	_, of, parsed := parseIndexedDay(m.table, m.of.stream, body)
	state, used := now[day]
	if !used || parsed == differs || of.Revision == state {
		return nil
	}
	return m.of.found(verify.DiffDerived, m.table, key, day,
		"it says that the day was indexed as of entry %d of the log and %d seals, and the ledger has "+
			"entry %d and %d; %s",
		of.LastSeal, of.Seals, state.LastSeal, state.Seals, indexAgain)
}

// lacks looks once more at a row that has not all that the day's records make.
func (m *monthIndex) lacks(ctx context.Context, want indexRow, wrong map[string]string) error {
	body, err := m.one(ctx, want.key)
	if err != nil {
		return err
	}
	if body == nil {
		wrong[want.key] = "the row is not there, and searches by it miss records; " + indexAgain
		return nil
	}
	row, state := parseIndexRow(m.table, m.of.stream, body)
	if state == differs {
		return nil // it is named already, and no search believes it
	}
	if _, hides := want.with(row); hides {
		wrong[want.key] = "it lacks records that the day has, and searches by it miss them; " + indexAgain
	}
	return nil
}

// madeIndex is the index of a day, made from its records.
type madeIndex struct {
	sealed *derive.DayIndex // of the contents that its seals list
	all    *derive.DayIndex // of those that came since, too
	whole  bool             // both are the same, and every record could be read
	gaps   bool             // one could not be read
}

// make indexes a day anew from the rows' columns: that these are what the records make, verify
// finds out where it reads the records, and they need not be read twice.
func (m *monthIndex) make(ctx context.Context, day time.Time) (*madeIndex, error) {
	out := &madeIndex{sealed: derive.NewDayIndex(m.of.stream), all: derive.NewDayIndex(m.of.stream), whole: true}
	table := TableName(entra.Window{Stream: m.of.stream, Start: day})
	query := rows.Query{Filter: rows.Spanning(day.Format(entra.HourFormat),
		day.AddDate(0, 0, 1).Format(entra.HourFormat)),
		Columns: "PartitionKey,RowKey,Id,FirstSeen," + strings.Join(out.all.Columns(), ",")}
	for body, err := range m.of.in.client.Scan(ctx, table, query) {
		if err != nil {
			return out, err
		}
		out.add(body, m.log)
	}
	return out, nil
}

// add adds a content by its columns.
func (d *madeIndex) add(body []byte, log map[time.Time]hourSeals) {
	row, ok := textColumns(body)
	at, err := parseRowKey(row["RowKey"])
	hour, when := time.Parse(entra.HourFormat, row["PartitionKey"])
	seen, dated := rows.ParseTick(row["FirstSeen"])
	switch {
	case err == nil && at.part > 0:
		return
	case !ok || err != nil || when != nil || !dated:
		d.whole, d.gaps = false, true // the check of the records names it
		return
	}
	if !at.whole {
		at.key.ID = row["Id"]
	}
	column := func(name string) string { return row[name] }
	d.all.Add(at.key.ID, at.key.Time.Hour(), column)
	if seen.After(log[hour].last) {
		d.whole = false
		return
	}
	d.sealed.Add(at.key.ID, at.key.Time.Hour(), column)
}

// textColumns reads the columns of a row; ok is false where one is no text.
func textColumns(body []byte) (row map[string]string, ok bool) {
	row, ok = make(map[string]string, 8), true
	gjson.ParseBytes(body).ForEach(func(name, value gjson.Result) bool {
		switch {
		case strings.HasSuffix(name.Str, "@odata.type") || strings.HasPrefix(name.Str, "odata."):
		case value.Type == gjson.String:
			row[name.Str] = value.Str
		case value.Type != gjson.Null:
			ok = false
		}
		return true
	})
	return row, ok
}

// extras finds the rows of a day that have more than its records make.
func (m *monthIndex) extras(ctx context.Context, day time.Time, made *madeIndex, stored []heldRow,
	wrong map[string]string) error {
	if made.gaps {
		return nil // they may be of the records that could not be read
	}
	for hour := day; hour.Before(day.AddDate(0, 0, 1)); hour = hour.Add(time.Hour) {
		if of := m.log[hour]; of.latest < of.most {
			return nil // a purge dropped records and was stopped; the index knows them still
		}
	}
	wanted := make(map[uint64]indexRow)
	for _, row := range indexRows(day.Format("02"), made.all.Rows()) {
		wanted[maphash.String(m.seed, row.key)] = row
	}
	suspects := make(map[uint64]bool)
	for _, held := range stored {
		if want, ok := wanted[held.key]; !ok || m.hold(want).content != held.content {
			suspects[held.key] = true
		}
	}
	if len(suspects) == 0 {
		return nil
	}
	for body, err := range m.all(ctx) {
		if err != nil {
			return err
		}
		key := rows.KeyOf(body).Row
		hash := maphash.String(m.seed, key)
		if !suspects[hash] {
			continue
		}
		row, state := parseIndexRow(m.table, m.of.stream, body)
		want, ok := wanted[hash]
		if row.ids != nil && !ok {
			want.ids = []byte{}
		}
		if _, more := row.with(want); state != differs && more && m.known(key) {
			wrong[key] = "it has more than the day's records make: it hides nothing, and no run wrote it"
		}
	}
	return nil
}

// known tells whether a key is one that this version writes: a later one may index more columns.
func (m *monthIndex) known(key string) bool {
	column, _, _ := strings.Cut(key, "!")
	return column+"!" == idMark || slices.Contains(logs.Of(m.of.stream).IndexedColumns(), column)
}
