package lab

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/tables"
)

// CoverageTable holds every row of a ledger.
const CoverageTable = "coverage"

// Entity is a row as it goes over the wire.
type Entity map[string]json.RawMessage

func (l *Lab) Read(s entra.Stream, key string) Entity {
	return l.ReadFrom(CoverageTable, string(s), key)
}

// ReadFrom reads a row of any table.
func (l *Lab) ReadFrom(table, partition, key string) Entity {
	got, err := l.Hand(table).GetEntity(l.Context(), partition, key, nil)
	require.NoError(l, err, key)
	var e Entity
	require.NoError(l, json.Unmarshal(got.Value, &e))
	return e
}

func (l *Lab) Put(e Entity) { l.PutInto(CoverageTable, e) }

// PutInto writes a row of any table.
func (l *Lab) PutInto(table string, e Entity) {
	body, err := json.Marshal(e)
	require.NoError(l, err)
	_, err = l.Hand(table).UpsertEntity(l.Context(), body,
		&aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	require.NoError(l, err)
}

// Columns are the names of a row's own Columns.
func (e Entity) Columns() (names []string) {
	for name := range e {
		if !strings.Contains(name, "odata.") && !slices.Contains([]string{"PartitionKey", "RowKey", "Timestamp"},
			name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// With is a copy of the row With another value in a column; nil: without the column.
func (e Entity) With(name string, value any) Entity {
	out := make(Entity, len(e))
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

// SealedTwo is an archive of two streams with seals, ready to be damaged. It gives a copy.
func (l *Lab) SealedTwo() func() {
	l.Options.Backfill, l.Options.AlertAfter = 6*time.Hour, Alert
	for _, s := range []entra.Stream{Stream, Other} {
		l.Tenant.Fill(s, Start.Add(-6*time.Hour), Start.Add(Days), 20*time.Minute)
	}
	for range 2 {
		l.Runs(5*time.Minute, time.Now().Add(11*time.Minute), Stream, Other)
		time.Sleep(4 * time.Hour)
	}
	_, err := l.Run(Stream, Other)
	require.NoError(l, err)
	time.Sleep(time.Hour)
	ready := l.Service.Snapshot()
	return func() { l.Service.Restore(ready) }
}

// Hand is an attacker who can write every table.
func (l *Lab) Hand(table string) *aztables.Client {
	service, err := aztables.NewServiceClientFromConnectionString(l.Service.ConnectionString(),
		&aztables.ClientOptions{ClientOptions: policy.ClientOptions{Transport: &http.Client{Transport: l.Service}}})
	require.NoError(l, err)
	return service.NewClient(table)
}

func TableOf(at time.Time) string { return tables.TableName(entra.WindowOf(Stream, at)) }

// Plant stores a record like a run that is killed before it counts it, under a stamp after the last
// owner's.
func (l *Lab) Plant(rec entra.Record) {
	_, lease, err := l.Store.State(l.Context(), Stream)
	require.NoError(l, err)
	_, err = l.Store.Insert(l.Context(), rec.Window(Stream), []entra.Record{rec}, lease.Stamp.Add(entra.Tick))
	require.NoError(l, err)
}

// Dies makes the ledger show that a run was killed while it read a span: it acquired its lease and
// never released it.
func (l *Lab) Dies(from, to time.Time) {
	p, lease, err := l.Store.State(l.Context(), Stream)
	require.NoError(l, err)
	p.ReadingFrom, p.ReadingTo = from, to
	lease.Execution, lease.Length = ledger.Execution{ID: "dead", Work: "a test"}, ledger.LeaseLength
	lease.Fence++
	_, err = l.Store.Commit(l.Context(), lease, p, nil, nil)
	require.NoError(l, err)
}

// SealIn lets the timer continue until everything up to start is sealed.
func (l *Lab) SealIn() {
	l.Runs(5*time.Minute, time.Now().Add(11*time.Minute))
	time.Sleep(4 * time.Hour)
	l.Runs(5*time.Minute, time.Now().Add(11*time.Minute))
	require.False(l, l.Progress(Stream).SealedTo.Before(entra.FloorHour(Start)))
}
