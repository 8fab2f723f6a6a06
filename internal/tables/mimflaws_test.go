package tables_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/mim"
	"github.com/entraledger/entraledger/internal/mim/deliveries"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/verify"
)

var mimMonths = []time.Time{time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}

// deliveredRoom is an account with a request of two months, a part that waits and one that was
// joined, and two servers, one of which has been silent since the first month.
type deliveredRoom struct {
	*tablestest.Store
	intruder
	memory  *counted
	ids     []string
	waiting string // the name of the part
}

func newDeliveredRoom(t *testing.T) deliveredRoom {
	store, service := newMemory(t)
	r := deliveredRoom{Store: store, intruder: newIntruder(t, service), memory: service}
	rules, err := mim.Shipped()
	require.NoError(t, err)
	d := store.Account.Deliveries
	vault, err := mim.NewVault(bytes.Repeat([]byte{3}, mim.KeyBytes))
	require.NoError(t, err)
	for i, month := range mimMonths {
		at := month.Add(50 * time.Hour)
		name := []string{"MIM1", "MIM2"}[i]
		text := `{"HybridObjectID":"c0000000-0000-4000-8000-00000000000` + name[3:] + `"}`
		entry, err := rules.Enter(text, mim.Delivery{At: at, Computer: name, RecordID: 7, EventID: 4121})
		require.NoError(t, err)
		_, err = d.Decide(t.Context(), []mim.Entry{entry})
		require.NoError(t, err)
		rec, err := logs.ParseRecord(logs.IdentityManager, entry.Record())
		require.NoError(t, err)
		_, _, err = store.InsertArrivals(t.Context(), rec.Window(logs.IdentityManager), []entra.Record{rec},
			"delivered", at)
		require.NoError(t, err)
		r.ids = append(r.ids, entry.ID)
		require.NoError(t, d.SaveComputer(t.Context(), mim.Computer{Name: name, First: at, Last: at}, ""))
		p := mim.Part{Request: "d0000000-0000-4000-8000-000000000001", Number: i + 1, Of: 3, Text: "x"}
		sealed, err := vault.Seal(p)
		require.NoError(t, err)
		r.waiting = vault.Name(p)
		_, err = d.KeepPart(t.Context(), deliveries.Kept{Name: r.waiting, Group: mim.GroupOf(p), Sealed: sealed,
			Since: at})
		require.NoError(t, err)
		if i == 0 {
			require.NoError(t, d.EndParts(t.Context(), []string{r.waiting}, deliveries.PartJoined))
		}
	}
	return r
}

func (r deliveredRoom) flaws() []verify.Flaw {
	return flawsOf(r.t, r.Flaws(r.t.Context(), logs.IdentityManager, time.Time{}, time.Time{}))
}

// row is a row of a table as the intruder reads it.
func (r deliveredRoom) row(table string, at memstorage.Row) map[string]any {
	got, err := r.service.NewClient(table).GetEntity(r.t.Context(), at.Partition, at.Key, nil)
	require.NoError(r.t, err)
	var row map[string]any
	require.NoError(r.t, json.Unmarshal(got.Value, &row))
	for _, name := range []string{"odata.etag", "odata.metadata", "Timestamp"} {
		delete(row, name)
	}
	return row
}

func (r deliveredRoom) rows(table string) []memstorage.Row { return r.memory.Rows(table) }

// TestVerifyNamesEveryAlteredRowOfDeliveries: each column of each row of each of the three tables is
// changed and taken away, each row is copied to another place, and each that is missed is removed.
func TestVerifyNamesEveryAlteredRowOfDeliveries(t *testing.T) {
	require.Empty(t, newDeliveredRoom(t).flaws())
	columns := map[string][]string{"mimrecords": {"Delivery", "Filed", "Check"},
		"mimcomputers": {"Deliveries", "Check"}, "mimparts": {"State", "Since", "Record", "Check"}}
	for table, names := range columns {
		for i := range newDeliveredRoom(t).rows(table) {
			for _, column := range names {
				for _, taken := range []bool{false, true} {
					r := newDeliveredRoom(t)
					at := r.rows(table)[i]
					if at.Raw(column) == "" {
						continue
					}
					row := r.row(table, at)
					switch {
					case taken:
						delete(row, column)
					case column == "Since" || column == "Filed":
						row[column] = "2036-11-25T08:00:00Z"
					case column == "Record" || column == "Check":
						row[column] = "AAAA"
					default:
						row[column] = row[column].(string) + " "
					}
					r.put(table, row)
					flaws := r.flaws()
					require.Len(t, flaws, 1, "%s of %s", column, table)
					require.Equal(t, verify.DiffDerived, flaws[0].Difference)
					require.Equal(t, table, flaws[0].Table)
					require.Contains(t, flaws[0].Row, at.Key)
				}
			}
			r := newDeliveredRoom(t)
			at := r.rows(table)[i]
			row := r.row(table, at)
			row["PartitionKey"] = "elsewhere"
			r.put(table, row)
			flaws := r.flaws()
			require.Len(t, flaws, 1, table)
			require.Equal(t, verify.DiffAdded, flaws[0].Difference)
		}
	}
	t.Run("a record's row is gone", func(t *testing.T) {
		r := newDeliveredRoom(t)
		r.remove("mimrecords", r.ids[0][:2], r.ids[0])
		flaws := r.flaws()
		require.Len(t, flaws, 1)
		require.Contains(t, flaws[0].Detail, r.ids[0])
		require.True(t, flaws[0].Difference.IsTampering())
	})
	t.Run("nothing ends the wait of a part", func(t *testing.T) {
		r := newDeliveredRoom(t)
		for _, row := range r.rows("mimparts") {
			if row.Partition == "groups" {
				r.remove("mimparts", "groups", row.Key)
			}
		}
		flaws := r.flaws()
		require.Len(t, flaws, 1)
		require.Equal(t, r.waiting, flaws[0].Row)
	})
}

// TestWhatDeliveriesRememberGoesWithItsMonth, and what is of no month with its retention.
func TestWhatDeliveriesRememberGoesWithItsMonth(t *testing.T) {
	r := newDeliveredRoom(t)
	require.NoError(t, r.DropMonth(t.Context(), logs.IdentityManager, mimMonths[0]))
	left := r.rows("mimrecords")
	require.Len(t, left, 1)
	require.Equal(t, r.ids[1], left[0].Key)
	require.Len(t, r.rows("mimcomputers"), 2)
	_, err := r.DropQuarantined(t.Context(), logs.DirectoryAudits, mimMonths[1])
	require.NoError(t, err)
	require.Len(t, r.rows("mimcomputers"), 2, "another log's retention is none of theirs")
	_, err = r.DropQuarantined(t.Context(), logs.IdentityManager, mimMonths[1])
	require.NoError(t, err)
	require.Len(t, r.rows("mimcomputers"), 1)
	parts := r.rows("mimparts")
	require.Len(t, parts, 2, "one part, and its group")
	require.Empty(t, r.flaws())
	require.NoError(t, r.DropMonth(t.Context(), logs.IdentityManager, mimMonths[1]))
	require.NoError(t, r.DropMonth(t.Context(), logs.IdentityManager, mimMonths[1]), "again")
	require.Empty(t, r.rows("mimrecords"))
}
