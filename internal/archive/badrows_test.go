package archive_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

// coverageTable holds every row of a ledger.
const coverageTable = "coverage"

// entity is a row as it goes over the wire.
type entity map[string]json.RawMessage

func (l *lab) read(s entra.Stream, key string) entity {
	got, err := l.hand(coverageTable).GetEntity(l.Context(), string(s), key, nil)
	require.NoError(l, err, key)
	var e entity
	require.NoError(l, json.Unmarshal(got.Value, &e))
	return e
}

func (l *lab) put(e entity) {
	body, err := json.Marshal(e)
	require.NoError(l, err)
	_, err = l.hand(coverageTable).UpsertEntity(l.Context(), body, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	require.NoError(l, err)
}

// columns are the names of a row's own columns.
func (e entity) columns() (names []string) {
	for name := range e {
		if !strings.Contains(name, "odata.") && !slices.Contains([]string{"PartitionKey", "RowKey", "Timestamp"}, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// with is a copy of the row with another value in a column; nil: without the column.
func (e entity) with(name string, value any) entity {
	out := make(entity, len(e))
	for n, v := range e {
		if n != name && n != name+"@odata.type" {
			out[n] = v
		}
	}
	if value != nil {
		out[name], _ = json.Marshal(value) // a text, a number or a bool
	}
	return out
}

func (e entity) text(name string) (text string, ok bool) {
	_, typed := e[name+"@odata.type"]
	return text, !typed && json.Unmarshal(e[name], &text) == nil
}

// full sets every field of a struct that is zero to something.
func full(v reflect.Value, n *int64) {
	for i := range v.NumField() {
		f := v.Field(i)
		*n++
		switch {
		case f.Type() == reflect.TypeFor[time.Time]():
			f.Set(reflect.ValueOf(start.Add(time.Duration(*n) * time.Second)))
		case f.Kind() == reflect.Struct && f.Type() != reflect.TypeFor[entra.Window]():
			full(f, n)
		case f.Kind() == reflect.String:
			f.SetString(fmt.Sprint("text ", *n))
		case f.CanInt():
			f.SetInt(*n)
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		}
	}
}

// fullRows writes one row of each kind with every column that there is, and gives their keys.
func (l *lab) fullRows() (keys []string) {
	var n int64
	p, c, lease := archive.Progress{}, archive.Coverage{}, archive.Lease{}
	full(reflect.ValueOf(&p).Elem(), &n)
	full(reflect.ValueOf(&c).Elem(), &n)
	full(reflect.ValueOf(&lease).Elem(), &n)
	p.Stream, p.Revision, p.ClockOffset = stream, 0, time.Hour
	p.Begin, p.Backfilled, p.FrontierBegin, p.Watermark = start, start.Add(time.Hour), start.Add(2*time.Hour), start.Add(3*time.Hour)
	p.Passed.Set(3*time.Hour, start, nil)
	p.Lateness[1] = 7
	p.Suspects = []archive.Suspect{{From: start, To: start, Committed: start, Next: start, Since: start}}
	p.Drops = []archive.Drop{{Month: october, Dropped: start}}
	c.Window, c.State, c.Sum = entra.WindowOf(stream, start), archive.WindowReopened, archive.SumOf("a", entra.Hash{})
	lease.Length = time.Minute
	s, err := seal.Append(nil, 0, seal.Seal{Window: c.Window, Leaves: 3, SealedAt: start, Reason: "because"})
	require.NoError(l, err)
	_, err = l.store.Commit(l.Context(), lease, p, []archive.Coverage{c}, []seal.Seal{s})
	require.NoError(l, err)
	return []string{"progress", "lease", c.Start.Format(entra.HourFormat), "seal!0000000000"}
}

// readAll reads the ledger's rows in every way in which the archive does.
func (l *lab) readAll(key string) (errs []error) {
	_, _, state := l.store.State(l.Context(), stream)
	_, progress := l.store.Progress(l.Context(), stream)
	_, entry := l.store.Seal(l.Context(), stream, 0)
	var windows, seals error
	for _, err := range l.store.Windows(l.Context(), stream, start.Add(-days), start.Add(days)) {
		windows = err
	}
	for _, err := range l.store.Seals(l.Context(), stream) {
		seals = err
	}
	switch {
	case key == "progress":
		return []error{state, progress}
	case key == "lease":
		return []error{state}
	case strings.HasPrefix(key, "seal!"):
		return []error{entry, seals}
	}
	return []error{windows}
}

// structured are the columns that are texts, and can be wrong as texts.
var structured = []string{"Passed", "Lateness", "Suspects", "Drops", "State", "Hour", "Fence", "Leaves", "Stream"}

// counts are texts that hold a number, and are read as numbers, too.
var counts = []string{"Fence", "Leaves"}

// TestEveryColumnOfTheLedgerThatIsOfAWrongKindIsNamed: by its row, table and partition.
func TestEveryColumnOfTheLedgerThatIsOfAWrongKindIsNamed(t *testing.T) {
	inLab(t, func(l *lab) {
		columns := 0
		for _, key := range l.fullRows() {
			good := l.read(stream, key)
			for _, err := range l.readAll(key) {
				require.NoError(l, err)
			}
			for _, name := range good.columns() {
				columns++
				wrong := []any{"garbage"}
				if text, ok := good.text(name); ok {
					if wrong = []any{true}; !slices.Contains(counts, name) {
						wrong = append(wrong, 1234567)
					}
					if slices.Contains(structured, name) {
						wrong = append(wrong, "garbage", text[:len(text)-1]+"x")
					}
				} else if !strings.Contains(string(good[name]), "true") {
					wrong = append(wrong, true)
				}
				for _, value := range wrong {
					l.put(good.with(name, value))
					for _, err := range l.readAll(key) {
						require.Error(l, err, "%s of %s is %v", name, key, value)
						require.Equal(l, entra.CodeTampered, entra.CodeOf(err), "%v", err)
						require.ErrorContains(l, err, fmt.Sprintf("read row %s of table coverage, partition %s", key, stream), "%s is %v", name, value)
					}
				}
			}
			l.put(good)
		}
		require.Greater(l, columns, 80)
	})
}

// sealedTwo is an archive of two streams with seals, ready to be damaged. It gives a copy.
func (l *lab) sealedTwo() func() {
	l.options.Backfill, l.options.AlertAfter = 6*time.Hour, alert
	for _, s := range []entra.Stream{stream, other} {
		l.tenant.fill(s, start.Add(-6*time.Hour), start.Add(days), 20*time.Minute)
	}
	for range 2 {
		l.runs(5*time.Minute, time.Now().Add(11*time.Minute), stream, other)
		time.Sleep(4 * time.Hour)
	}
	_, err := l.run(stream, other)
	require.NoError(l, err)
	time.Sleep(time.Hour)
	ready := l.service.Snapshot()
	return func() { l.service.Restore(ready) }
}

// damage is one thing that is done to a row.
type damage struct {
	name string
	row  entity // in its place; nil: the row is taken away
}

// damages of a row: missing, empty, another stream's, and, if asked for, each column left out, and
// garbage in every fourth: of each of them TestEveryColumnOfTheLedgerThatIsOfAWrongKindIsNamed has
// that it is refused.
func (l *lab) damages(key string, columns bool) []damage {
	good := l.read(stream, key)
	empty := entity{"PartitionKey": good["PartitionKey"], "RowKey": good["RowKey"]}
	theirs := l.read(other, key).with("PartitionKey", string(stream))
	out := []damage{{name: "missing"}, {"empty", empty}, {"another stream's", theirs}}
	for n, name := range good.columns() {
		if !columns {
			break
		}
		if out = append(out, damage{"without " + name, good.with(name, nil)}); n%4 != 0 {
			continue
		}
		value := any("garbage")
		if _, ok := good.text(name); ok {
			value = true
		}
		out = append(out, damage{"garbage in " + name, good.with(name, value)})
	}
	return out
}

// TestARowOfTheLedgerThatIsMissingOrGarbageStopsOnlyItsStream: it is named, nothing panics, and the
// others go on.
func TestARowOfTheLedgerThatIsMissingOrGarbageStopsOnlyItsStream(t *testing.T) {
	inLab(t, func(l *lab) {
		restore := l.sealedTwo()
		sealed, due := start.Add(-5*time.Hour).Format(entra.HourFormat), time.Now().Add(-4*time.Hour).UTC().Format(entra.HourFormat)
		for _, key := range []string{"progress", "lease", sealed, due, fmt.Sprintf("seal!%010d", l.progress(stream).Seals-1)} {
			for _, d := range l.damages(key, key != sealed) {
				restore()
				l.damaged(key, d)
			}
		}
	})
}

func (l *lab) damaged(key string, d damage) {
	before, pages := l.progress(other), l.tenant.pages.Load()
	if d.row == nil {
		_, err := l.hand(coverageTable).DeleteEntity(l.Context(), string(stream), key, nil)
		require.NoError(l, err)
	} else {
		l.put(d.row)
	}
	_, err := l.run(stream, other)
	require.True(l, l.progress(other).Watermark.After(before.Watermark), "%s of %s: the other stream goes on", d.name, key)
	require.Less(l, l.tenant.pages.Load()-pages, int64(60), "%s of %s", d.name, key)
	if err != nil {
		require.ErrorContains(l, err, "1 of 2 streams failed", "%s of %s", d.name, key)
	}
	switch {
	case strings.HasPrefix(d.name, "without "): // what is not there has a meaning, where it is not refused
	case key == "lease" && !strings.HasPrefix(d.name, "garbage"):
		require.NoError(l, err, "a new lease is taken")
		require.Equal(l, d.name != "another stream's", strings.Contains(l.log.String(), "lease row was not there"))
	case key == "progress" || key == "lease":
		require.Equal(l, entra.CodeTampered, entra.CodeOf(err), "%s of %s: %v", d.name, key, err)
		require.ErrorContains(l, err, "read row "+key+" of table coverage, partition signIns.interactiveUser", "%s of %s", d.name, key)
	default:
		require.Contains(l, fmt.Sprint(err, l.verifies(), l.log.String()), strings.TrimLeft(strings.TrimPrefix(key, "seal!"), "0"), "%s of %s", d.name, key)
	}
	if strings.Contains(l.log.String(), "the hour is read anew") {
		require.NoError(l, err)
		require.Equal(l, "missing", d.name)
		checkLedgerTotals(l)
	}
	l.log.clear()
}

// verifies is what verify says, in one text.
func (l *lab) verifies() string {
	v := archive.Verification{Streams: []entra.Stream{stream}}
	err := v.Work(l.Context(), l.store, nil, time.Now().Add(time.Hour))
	var text strings.Builder
	for _, f := range v.Findings {
		if f.Difference.IsTampering() {
			fmt.Fprintln(&text, f.Difference, f.Hour.Format(entra.HourFormat), f.Row, f.Detail)
		}
	}
	return fmt.Sprint(err, text.String())
}
