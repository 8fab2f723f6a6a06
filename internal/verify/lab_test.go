package verify_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/verify"
)

// both are the streams of the archive that tests of verify tamper with.
var both = []entra.Stream{lab.Stream, lab.Other}

// mid is an hour of that archive that is settled, and holds records, a changed one, and one that
// came back.
var mid = lab.November.Add(12 * time.Hour)

// proven makes an archive of two streams that has all that an archive can have: a purged month, one
// that is settled, hours that are sealed early, a lost one, records that changed and came back, a
// dictionary, quarantine, an index. It gives what restores it.
func proven(l *lab.Lab) (restore func()) {
	random := rand.New(rand.NewPCG(7, 7))
	words := func(n int) string {
		text := make([]byte, n)
		for i := range text {
			text[i] = byte('a' + random.IntN(26))
		}
		return string(text)
	}
	l.Options.Backfill, l.Tenant.Keeps = 8*time.Hour, 30*lab.Days
	l.Options.Tenant = func(context.Context) (string, error) { return "3f2a9c52-1111-4222-8333-abcdefabcdef", nil }
	for _, s := range both {
		for at, n := lab.November.Add(-3*time.Hour), 0; at.Before(lab.November.Add(26 * time.Hour)); at,
			n = at.Add(100*time.Minute), n+1 {
			show(l, s, fmt.Sprintf("id-%03d", n), at.Add(time.Minute), words(2500))
		}
		show(l, s, "changes", mid.Add(5*time.Minute), "A")
		show(l, s, "large", mid.Add(9*time.Minute), words(70<<10))
	}
	l.Runs(2*time.Hour, lab.November.Add(16*time.Hour), both...)
	for _, content := range []string{"B", "A", "C"} {
		for _, s := range both {
			show(l, s, "changes", mid.Add(5*time.Minute), content)
		}
		time.Sleep(20 * time.Minute)
		_, err := l.Collector(l.Store, l.Tenant).Range(l.Context(), lab.Execution(), both, mid, mid.Add(time.Hour),
			lab.Budget)
		require.NoError(l, err)
	}
	l.Runs(3*time.Hour, lab.November.Add(30*time.Hour), both...)
	l.Until(lab.December)
	for range 2 { // the drop, and the sweep after it
		for _, s := range both {
			_, err := l.Purger(l.Store, lab.Keep35).Run(l.Context(), lab.Execution(), s, time.Now())
			require.NoError(l, err)
		}
		time.Sleep(time.Hour)
	}
	for _, s := range both {
		report, err := derive.Update(l.Context(), l.Store, lab.Execution(), s, false, time.Now().Add(time.Hour))
		require.NoError(l, err)
		require.Positive(l, report.Days)
		broken := []byte(`{"broken":"` + words(40) + `"}`)
		require.NoError(l, l.Store.Quarantine(l.Context(), s,
			[]collect.Rejected{{Raw: broken, Hash: entra.HashOf(broken), Reason: "it has no id"}}, time.Now()))
		loseAnHour(l, s)
	}
	ready := l.Service.Snapshot()
	return func() { l.Service.Restore(ready) }
}

// show gives the tenant a record that has promoted columns.
func show(l *lab.Lab, s entra.Stream, id string, at time.Time, content string) {
	raw := fmt.Sprintf(`{"id":%q,%q:%q,"content":%q,"userId":"1a2b3c4d-0000-4000-8000-00000000000%d","userPrincipalName":"u%d@example.com","ipAddress":"192.0.2.1",`+
		`"status":{"errorCode":%d},"activityDisplayName":"Add user","category":"UserManagement","correlationId":"c-1"}`,
		id, logs.Of(s).TimeProperty, at.UTC().Format(time.RFC3339Nano), content, len(id)%3, len(content)%3,
		50000+len(content)%7)
	rec, err := logs.ParseRecord(s, []byte(raw))
	require.NoError(l, err)
	if l.Tenant.Records == nil {
		l.Tenant.Records = make(map[entra.Stream][]entra.Record)
	}
	all := slices.DeleteFunc(l.Tenant.Records[s], func(r entra.Record) bool { return r.Key == rec.Key })
	place, _ := slices.BinarySearchFunc(all, rec, l.Tenant.Compare)
	l.Tenant.Records[s] = slices.Insert(all, place, rec)
}

// loseAnHour adds an hour that Graph had deleted to the end of a stream, and counts a record in
// quarantine.
func loseAnHour(l *lab.Lab, s entra.Stream) {
	p := l.Progress(s)
	end := entra.FloorHour(p.Watermark)
	cov := l.Hours(s)[end]
	if cov.Stream == "" {
		cov = ledger.Coverage{Window: entra.Window{Stream: s, Start: end}, HasSum: true, FirstReadAt: p.LastRunAt}
	}
	require.Zero(l, cov.Records)
	cov.State, cov.LostFrom, cov.LostTo, cov.Passes = ledger.WindowLost, end, end.Add(time.Hour), 1
	cov.LastReadAt, cov.PassedAt, cov.Revision = p.LastRunAt, p.LastRunAt, 1
	p.Watermark = end.Add(time.Hour)
	p.Quarantined = 1
	p.Lost, p.LostFrom, p.LostTo = 1, cov.LostFrom, cov.LostTo
	l.Write(p, cov)
}

// verifyAll verifies both streams.
func verifyAll(l *lab.Lab, store verify.Evidence) verify.Verification {
	v := verify.Verification{Streams: both}
	require.NoError(l, v.Work(l.Context(), store, l.Heads, time.Now().Add(24*time.Hour)))
	return v
}

// get is a row of any table as it goes over the wire.
func get(l *lab.Lab, table, partition, key string) lab.Entity {
	got, err := l.Hand(table).GetEntity(l.Context(), partition, key, nil)
	require.NoError(l, err, "%s %s %s", table, partition, key)
	var e lab.Entity
	require.NoError(l, json.Unmarshal(got.Value, &e))
	delete(e, "odata.metadata")
	return e
}

// set puts a row into any table, whatever is there.
func set(l *lab.Lab, table string, e lab.Entity) {
	body, err := json.Marshal(e)
	require.NoError(l, err)
	_, err = l.Hand(table).UpsertEntity(l.Context(), body,
		&aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	require.NoError(l, err, "%s", body)
}

func drop(l *lab.Lab, table, partition, key string) {
	_, err := l.Hand(table).DeleteEntity(l.Context(), partition, key, nil)
	require.NoError(l, err)
}

// typed is a copy of the row with another value of a type in a column.
func typed(e lab.Entity, name, edmType string, value any) lab.Entity {
	out := e.With(name, value)
	out[name+"@odata.type"], _ = json.Marshal(edmType)
	return out
}

// moved is a copy of the row under other keys.
func moved(e lab.Entity, partition, key string) lab.Entity {
	return e.With("PartitionKey", partition).With("RowKey", key)
}

// recordRow is a row of a record of the hour mid whose key has a part.
func recordRow(l *lab.Lab, s entra.Stream, part string) memstorage.Row {
	rows := l.Service.Rows(logs.Of(s).Table + "202611")
	at := slices.IndexFunc(rows, func(r memstorage.Row) bool {
		return r.Partition == mid.Format(entra.HourFormat) && strings.Contains(r.Key, part)
	})
	require.GreaterOrEqual(l, at, 0, "%s", part)
	return rows[at]
}

// answers are what the archive says of its records and hours, in one text.
func answers(l *lab.Lab, store interface {
	ledger.Reader
	records.Reader
}) string {
	var b strings.Builder
	for _, s := range both {
		filters := [][][]entra.Column{nil, {{{Name: "UserPrincipalName", Text: "u1@example.com"}}},
			{{{Name: "ActivityDisplayName", Text: "Add user"}}}}
		for _, newest := range []bool{false, true} {
			for _, columns := range filters {
				for rec, err := range store.Read(l.Context(), records.Reading{Stream: s, From: lab.October,
					To: lab.November.Add(2 * lab.Days), NewestFirst: newest, Columns: columns, Versions: true}) {
					if err != nil {
						fmt.Fprintln(&b, "error", err)
						break
					}
					if rec.Raw != nil || rec.Tampered != "" {
						fmt.Fprintln(&b, rec.Key, entra.HashOf(rec.Raw), rec.FirstSeen, rec.Superseded, rec.Tampered)
					}
				}
			}
		}
		for cov, err := range store.Windows(l.Context(), s, lab.October, lab.November.Add(2*lab.Days)) {
			fmt.Fprintln(&b, cov.Start, cov.State, cov.Records, cov.Versions, cov.Sealed(), err)
		}
		gaps, err := ledger.GapsOf(l.Context(), store, s, lab.October, lab.November.Add(2*lab.Days))
		fmt.Fprintln(&b, gaps, err)
	}
	return b.String()
}
