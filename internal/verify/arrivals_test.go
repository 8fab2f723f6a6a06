package verify_test

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/verify"
)

// before is an hour of a file, long before the streams begin; an archive that was read has mid.
var before = lab.November.Add(-100 * lab.Days)

func arrivedRecord(l *lab.Lab, s entra.Stream, id string, at time.Time) entra.Record {
	raw := fmt.Sprintf(`{"id":%q,%q:%q,"status":{"errorCode":50074},"result":"success","content":"kept"}`, id,
		logs.Of(s).TimeProperty, at.Format(time.RFC3339Nano))
	rec, err := logs.ParseRecord(s, []byte(raw))
	require.NoError(l, err)
	return rec
}

// withArrivals is a proven archive of two streams into which a file was imported, once into hours of
// which one has another form of a record, and that was continued.
func withArrivals(l *lab.Lab) (restore func()) {
	l.Options.Backfill, l.Tenant.Keeps = 8*time.Hour, 30*lab.Days
	adder := arrivals.New(l.Store, l.Heads, purge.Retention{}, time.Now, slog.New(slog.DiscardHandler))
	origin := entra.Origin{Kind: entra.Imported, SHA256: [32]byte{7}, At: lab.November, By: "ann", Name: "kept.json"}
	add := func(s entra.Stream, recs ...entra.Record) {
		_, err := adder.Add(l.Context(), lab.Execution(), s, recs[0].Time, recs, origin)
		require.NoError(l, err)
	}
	for _, s := range both {
		for n := range 6 {
			show(l, s, fmt.Sprintf("id-%03d", n), mid.Add(time.Duration(n-1)*40*time.Minute), "read")
		}
		l.Tenant.AddRaw(s, string(arrivedRecord(l, s, "twice", mid.Add(3*time.Minute)).Raw))
		add(s, arrivedRecord(l, s, "old", before), arrivedRecord(l, s, "older", before.Add(time.Minute)))
		add(s, arrivedRecord(l, s, "twice", mid.Add(3*time.Minute+time.Millisecond)), arrivedRecord(l, s, "beside",
			mid.Add(time.Minute)))
	}
	l.Runs(2*time.Hour, lab.November.Add(16*time.Hour), both...)
	for _, s := range both {
		add(s, arrivedRecord(l, s, "later", mid.Add(2*time.Minute)))
		require.EqualValues(l, 1, l.Hours(s)[mid].Eclipsed)
	}
	l.Runs(3*time.Hour, lab.November.Add(30*time.Hour), both...)
	snapshot := l.Service.Snapshot()
	return func() { l.Service.Restore(snapshot) }
}

// arrivalRow is a row of an arrival.
func arrivalRow(l *lab.Lab, s entra.Stream, id string) (table string, row memstorage.Row) {
	for _, table := range l.Service.TableNames() {
		if !strings.HasPrefix(table, logs.Of(s).Table+"2") {
			continue
		}
		for _, row := range l.Service.Rows(table) {
			if strings.Contains(row.Key, "_"+id+"!x") {
				return table, row
			}
		}
	}
	require.FailNow(l, "no arrival", id)
	return "", row
}

// TestEveryTamperingWithArrivalsIsNamed on the tables of both streams, in an hour that was read and
// in one that was not.
func TestEveryTamperingWithArrivalsIsNamed(t *testing.T) {
	lab.InAt(t, lab.November.Add(5*time.Hour), func(l *lab.Lab) {
		restore := withArrivals(l)
		require.Empty(l, verifyAll(l, l.Store).Findings)
		another := entra.Origin{Kind: entra.Imported, SHA256: [32]byte{8}, At: lab.November, Name: "another"}
		for _, s := range both {
			for _, id := range []string{"old", "beside", "twice", "later"} {
				of := func() (string, lab.Entity) {
					table, row := arrivalRow(l, s, id)
					return table, get(l, table, row.Partition, row.Key)
				}
				change := func(column string, value any) func() {
					return func() {
						table, e := of()
						set(l, table, e.With(column, value))
					}
				}
				planted := func(key string, columns ...string) func() {
					return func() {
						table, row := arrivalRow(l, s, id)
						e := moved(get(l, table, row.Partition, row.Key), row.Partition, key)
						for _, name := range columns {
							e = e.With(name, nil)
						}
						set(l, table, e)
					}
				}
				_, row := arrivalRow(l, s, id)
				plain, _, _ := strings.Cut(row.Key, "!")
				for name, do := range map[string]func(){
					"another origin":       change("Origin", another.String()),
					"no origin":            change("Origin", nil),
					"garbage as an origin": change("Origin", "graph"),
					"deleted": func() {
						table, row := arrivalRow(l, s, id)
						drop(l, table, row.Partition, row.Key)
					},
					"another hash": change("Hash", base64.StdEncoding.EncodeToString(make([]byte, 32))),
					"other bytes":  change("Record", base64.StdEncoding.EncodeToString([]byte(`{"id":"x"}`))),
					"marked, or no longer": func() {
						table, e := of()
						if id == "twice" {
							set(l, table, e.With("Superseded", nil).With("Superseded@odata.type", nil))
							return
						}
						set(l, table, typed(e, "Superseded", edmTime, at(mid.Add(time.Hour))))
					},
					"another date": func() {
						table, e := of()
						set(l, table, typed(e, "FirstSeen", edmTime, at(lab.November)))
					},
					"a copy with another outcome":     planted(plain + "!x1"),
					"a copy that was read":            planted(plain, "Origin"),
					"a copy that was read, origin":    planted(plain),
					"an earlier version of an import": planted(row.Key + "!v0011223344556677"),
				} {
					restore()
					do()
					store, _ := l.Process()
					v := verifyAll(l, store)
					named := false
					for _, f := range v.Findings {
						here := f.Stream == s && (f.Hour.Format(entra.HourFormat) == row.Partition ||
							strings.HasPrefix(f.Row, plain))
						named = named || f.Difference.IsTampering() && here
					}
					require.True(l, named, "%s %s %s: %v", s, id, name, v.Findings)
				}
			}
		}
	})
}

// TestEveryColumnOfArrivalsInTheLedgerIsCompared: in the hours' rows and the totals.
func TestEveryColumnOfArrivalsInTheLedgerIsCompared(t *testing.T) {
	lab.InAt(t, lab.November.Add(5*time.Hour), func(l *lab.Lab) {
		restore := withArrivals(l)
		for _, hour := range []time.Time{before, mid} {
			key := hour.Format(entra.HourFormat)
			for column, value := range map[string]any{"Imported": "9", "Eclipsed": "2", "StoredBytes": "1",
				"Bytes": "1", "ImportedSum": base64.StdEncoding.EncodeToString(make([]byte, 32)), "State": "lost",
				"Revision": "77", "Seals": "9"} {
				for _, gone := range []bool{false, true} {
					restore()
					e := get(l, lab.CoverageTable, string(lab.Stream), key)
					if gone && !strings.Contains(fmt.Sprint(e.Columns()), column) {
						continue
					}
					if gone {
						e = e.With(column, nil).With(column+"@odata.type", nil)
					} else {
						e = e.With(column, value)
					}
					set(l, lab.CoverageTable, e)
					store, _ := l.Process()
					require.True(l, tampering(verifyAll(l, store)), "%s %s %v", key, column, gone)
				}
			}
		}
		for _, column := range []string{"Imported", "ImportedHours", "ImportedFrom", "ImportedTo"} {
			restore()
			e := get(l, lab.CoverageTable, string(lab.Stream), "progress")
			set(l, lab.CoverageTable, e.With(column, nil).With(column+"@odata.type", nil))
			store, _ := l.Process()
			require.True(l, tampering(verifyAll(l, store)), column)
		}
		restore()
		drop(l, lab.CoverageTable, string(lab.Stream), before.Format(entra.HourFormat))
		store, _ := l.Process()
		require.True(l, tampering(verifyAll(l, store)))
	})
}

func tampering(v verify.Verification) bool {
	for _, f := range v.Findings {
		if f.Difference.IsTampering() {
			return true
		}
	}
	return false
}
