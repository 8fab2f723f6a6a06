package verify_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/verify"
)

func text(e lab.Entity, name string) (text string, ok bool) {
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
			f.Set(reflect.ValueOf(lab.Start.Add(time.Duration(*n) * time.Second)))
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
func fullRows(l *lab.Lab) (keys []string) {
	var n int64
	p, c, lease := ledger.Progress{}, ledger.Coverage{}, ledger.Lease{}
	full(reflect.ValueOf(&p).Elem(), &n)
	full(reflect.ValueOf(&c).Elem(), &n)
	full(reflect.ValueOf(&lease).Elem(), &n)
	p.Stream, p.Revision, p.ClockOffset = lab.Stream, 0, time.Hour
	p.Begin, p.Backfilled, p.TailBegin, p.Watermark = lab.Start, lab.Start.Add(time.Hour),
		lab.Start.Add(2*time.Hour), lab.Start.Add(3*time.Hour)
	p.Passed.Set(3*time.Hour, lab.Start, nil)
	p.Lateness[1] = 7
	p.Suspects = []ledger.Suspect{{From: lab.Start, To: lab.Start, Committed: lab.Start, Next: lab.Start,
		Since: lab.Start}}
	p.Drops = []ledger.Drop{{Month: lab.October, Dropped: lab.Start}}
	c.Window, c.State, c.Sum = entra.WindowOf(lab.Stream, lab.Start), ledger.WindowReopened, ledger.SumOf("a",
		entra.Hash{})
	lease.Length = time.Minute
	s, err := seal.Append(nil, 0, seal.Seal{Window: c.Window, Leaves: 3, SealedAt: lab.Start, Reason: "because"})
	require.NoError(l, err)
	_, err = l.Store.Commit(l.Context(), lease, p, []ledger.Coverage{c}, []seal.Seal{s})
	require.NoError(l, err)
	return []string{"progress", "lease", c.Start.Format(entra.HourFormat), "seal!0000000000"}
}

// readAll reads the ledger's rows in every way in which the archive does.
func readAll(l *lab.Lab, key string) (errs []error) {
	_, _, state := l.Store.State(l.Context(), lab.Stream)
	_, progress := l.Store.Progress(l.Context(), lab.Stream)
	_, entry := l.Store.Seal(l.Context(), lab.Stream, 0)
	var windows, seals error
	for _, err := range l.Store.Windows(l.Context(), lab.Stream, lab.Start.Add(-lab.Days), lab.Start.Add(lab.Days)) {
		windows = err
	}
	for _, err := range l.Store.Seals(l.Context(), lab.Stream) {
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
	lab.In(t, func(l *lab.Lab) {
		columns := 0
		for _, key := range fullRows(l) {
			good := l.Read(lab.Stream, key)
			for _, err := range readAll(l, key) {
				require.NoError(l, err)
			}
			for _, name := range good.Columns() {
				columns++
				wrong := []any{"garbage"}
				if text, ok := text(good, name); ok {
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
					l.Put(good.With(name, value))
					for _, err := range readAll(l, key) {
						require.Error(l, err, "%s of %s is %v", name, key, value)
						require.Equal(l, entra.CodeTampered, entra.CodeOf(err), "%v", err)
						require.ErrorContains(l, err, fmt.Sprintf("read row %s of table coverage, partition %s", key,
							lab.Stream),
							"%s is %v", name, value)
					}
				}
			}
			l.Put(good)
		}
		require.Greater(l, columns, 80)
	})
}

// damage is one thing that is done to a row.
type damage struct {
	name string
	row  lab.Entity // in its place; nil: the row is deleted
}

// damages of a row: missing, empty, another stream's, and, if asked for, each column left out, and
// garbage in every fourth: of each of them TestEveryColumnOfTheLedgerThatIsOfAWrongKindIsNamed has
// that it is refused.
func damages(l *lab.Lab, key string, columns bool) []damage {
	good := l.Read(lab.Stream, key)
	empty := lab.Entity{"PartitionKey": good["PartitionKey"], "RowKey": good["RowKey"]}
	theirs := l.Read(lab.Other, key).With("PartitionKey", string(lab.Stream))
	out := []damage{{name: "missing"}, {"empty", empty}, {"another stream's", theirs}}
	for n, name := range good.Columns() {
		if !columns {
			break
		}
		if out = append(out, damage{"without " + name, good.With(name, nil)}); n%4 != 0 {
			continue
		}
		value := any("garbage")
		if _, ok := text(good, name); ok {
			value = true
		}
		out = append(out, damage{"garbage in " + name, good.With(name, value)})
	}
	return out
}

// TestARowOfTheLedgerThatIsMissingOrGarbageStopsOnlyItsStream: it is named, nothing panics, and the
// others continue.
func TestARowOfTheLedgerThatIsMissingOrGarbageStopsOnlyItsStream(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		restore := l.SealedTwo()
		sealed, due := lab.Start.Add(-5*time.Hour).Format(entra.HourFormat),
			time.Now().Add(-4*time.Hour).UTC().Format(entra.HourFormat)
		for _, key := range []string{"progress", "lease", sealed, due,
			fmt.Sprintf("seal!%010d", l.Progress(lab.Stream).Seals-1)} {
			for _, d := range damages(l, key, key != sealed) {
				restore()
				damaged(l, key, d)
			}
		}
	})
}

func damaged(l *lab.Lab, key string, d damage) {
	before, pages := l.Progress(lab.Other), l.Tenant.Served.Load()
	if d.row == nil {
		_, err := l.Hand(lab.CoverageTable).DeleteEntity(l.Context(), string(lab.Stream), key, nil)
		require.NoError(l, err)
	} else {
		l.Put(d.row)
	}
	_, err := l.Run(lab.Stream, lab.Other)
	require.True(l, l.Progress(lab.Other).Watermark.After(before.Watermark), "%s of %s: the other stream goes on",
		d.name, key)
	require.Less(l, l.Tenant.Served.Load()-pages, int64(60), "%s of %s", d.name, key)
	if err != nil {
		require.ErrorContains(l, err, "1 of 2 streams failed", "%s of %s", d.name, key)
	}
	switch {
	case strings.HasPrefix(d.name, "without "): // what is not there has a meaning, where it is not refused
	case key == "lease" && !strings.HasPrefix(d.name, "garbage"):
		require.NoError(l, err, "a new lease is taken")
		require.Equal(l, d.name != "another stream's", strings.Contains(l.Logged.String(), "lease row was not there"))
	case key == "progress" || key == "lease":
		require.Equal(l, entra.CodeTampered, entra.CodeOf(err), "%s of %s: %v", d.name, key, err)
		require.ErrorContains(l, err, "read row "+key+" of table coverage, partition signIns.interactiveUser",
			"%s of %s",
			d.name, key)
	default:
		require.Contains(l, fmt.Sprint(err, verifies(l), l.Logged.String()),
			strings.TrimLeft(strings.TrimPrefix(key, "seal!"), "0"), "%s of %s", d.name, key)
	}
	if strings.Contains(l.Logged.String(), "the hour is read anew") {
		require.NoError(l, err)
		require.Equal(l, "missing", d.name)
		lab.CheckLedgerTotals(l)
	}
	clear(&l.Logged)
}

// verifies is what verify says, in one text.
func verifies(l *lab.Lab) string {
	v := verify.Verification{Streams: []entra.Stream{lab.Stream}}
	err := v.Work(l.Context(), l.Store, nil, time.Now().Add(time.Hour))
	var text strings.Builder
	for _, f := range v.Findings {
		if f.Difference.IsTampering() {
			fmt.Fprintln(&text, f.Difference, f.Hour.Format(entra.HourFormat), f.Row, f.Detail)
		}
	}
	return fmt.Sprint(err, text.String())
}
