package archive_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// both are the streams of the archive that tests of verify tamper with.
var both = []entra.Stream{stream, other}

// mid is an hour of that archive that is settled, and holds records, a changed one, and one that
// came back.
var mid = november.Add(12 * time.Hour)

// proven makes an archive of two streams that has all that an archive can have: a purged month, one
// that is settled, hours that are sealed early, a lost one, records that changed and came back, a
// dictionary, quarantine, an index. It gives what restores it.
func (l *lab) proven() (restore func()) {
	random := rand.New(rand.NewPCG(7, 7))
	words := func(n int) string {
		text := make([]byte, n)
		for i := range text {
			text[i] = byte('a' + random.IntN(26))
		}
		return string(text)
	}
	l.options.Backfill, l.tenant.keeps = 8*time.Hour, 30*days
	for _, s := range both {
		for at, n := november.Add(-3*time.Hour), 0; at.Before(november.Add(26 * time.Hour)); at, n = at.Add(100*time.Minute), n+1 {
			l.show(s, fmt.Sprintf("id-%03d", n), at.Add(time.Minute), words(2500))
		}
		l.show(s, "changes", mid.Add(5*time.Minute), "A")
		l.show(s, "large", mid.Add(9*time.Minute), words(70<<10))
	}
	l.runs(2*time.Hour, november.Add(16*time.Hour), both...)
	for _, content := range []string{"B", "A", "C"} {
		for _, s := range both {
			l.show(s, "changes", mid.Add(5*time.Minute), content)
		}
		time.Sleep(20 * time.Minute)
		_, err := l.collector(l.store, l.tenant).Range(l.Context(), execution(), both, mid, mid.Add(time.Hour), budget)
		require.NoError(l, err)
	}
	l.runs(3*time.Hour, november.Add(30*time.Hour), both...)
	l.until(december)
	for range 2 { // the drop, and the sweep after it
		for _, s := range both {
			_, err := l.purger(l.store, keep35).Run(l.Context(), execution(), s, time.Now())
			require.NoError(l, err)
		}
		time.Sleep(time.Hour)
	}
	for _, s := range both {
		report, err := archive.UpdateIndex(l.Context(), l.store, execution(), s, false, time.Now().Add(time.Hour))
		require.NoError(l, err)
		require.Positive(l, report.Days)
		broken := []byte(`{"broken":"` + words(40) + `"}`)
		require.NoError(l, l.store.Quarantine(l.Context(), s,
			[]archive.Rejected{{Raw: broken, Hash: entra.HashOf(broken), Reason: "it has no id"}}, time.Now()))
		l.loseAnHour(s)
	}
	ready := l.service.Snapshot()
	return func() { l.service.Restore(ready) }
}

// show gives the tenant a record that has promoted columns.
func (l *lab) show(s entra.Stream, id string, at time.Time, content string) {
	raw := fmt.Sprintf(`{"id":%q,%q:%q,"content":%q,"userId":"1a2b3c4d-0000-4000-8000-00000000000%d","userPrincipalName":"u%d@example.com","ipAddress":"192.0.2.1",`+
		`"status":{"errorCode":%d},"activityDisplayName":"Add user","category":"UserManagement","correlationId":"c-1"}`,
		id, logs.Of(s).TimeProperty, at.UTC().Format(time.RFC3339Nano), content, len(id)%3, len(content)%3, 50000+len(content)%7)
	rec, err := logs.ParseRecord(s, []byte(raw))
	require.NoError(l, err)
	if l.tenant.records == nil {
		l.tenant.records = make(map[entra.Stream][]entra.Record)
	}
	all := slices.DeleteFunc(l.tenant.records[s], func(r entra.Record) bool { return r.Key == rec.Key })
	place, _ := slices.BinarySearchFunc(all, rec, l.tenant.compare)
	l.tenant.records[s] = slices.Insert(all, place, rec)
}

// loseAnHour adds an hour that Graph had forgotten to the end of a stream, and counts a record in
// quarantine.
func (l *lab) loseAnHour(s entra.Stream) {
	p := l.progress(s)
	end := entra.FloorHour(p.Watermark)
	cov := l.hours(s)[end]
	if cov.Stream == "" {
		cov = archive.Coverage{Window: entra.Window{Stream: s, Start: end}, HasSum: true, FirstReadAt: p.LastRunAt}
	}
	require.Zero(l, cov.Records)
	cov.State, cov.LostFrom, cov.LostTo, cov.Passes = archive.WindowLost, end, end.Add(time.Hour), 1
	cov.LastReadAt, cov.PassedAt, cov.Revision = p.LastRunAt, p.LastRunAt, 1
	p.Watermark = end.Add(time.Hour)
	p.Quarantined = 1
	p.Lost, p.LostFrom, p.LostTo = 1, cov.LostFrom, cov.LostTo
	l.write(p, cov)
}

// verifyAll verifies both streams.
func (l *lab) verifyAll(store archive.Evidence) archive.Verification {
	v := archive.Verification{Streams: both}
	require.NoError(l, v.Work(l.Context(), store, l.heads, time.Now().Add(24*time.Hour)))
	return v
}

// get is a row of any table as it goes over the wire.
func (l *lab) get(table, partition, key string) entity {
	got, err := l.hand(table).GetEntity(l.Context(), partition, key, nil)
	require.NoError(l, err, "%s %s %s", table, partition, key)
	var e entity
	require.NoError(l, json.Unmarshal(got.Value, &e))
	delete(e, "odata.metadata")
	return e
}

// set puts a row into any table, whatever is there.
func (l *lab) set(table string, e entity) {
	body, err := json.Marshal(e)
	require.NoError(l, err)
	_, err = l.hand(table).UpsertEntity(l.Context(), body,
		&aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	require.NoError(l, err, "%s", body)
}

func (l *lab) drop(table, partition, key string) {
	_, err := l.hand(table).DeleteEntity(l.Context(), partition, key, nil)
	require.NoError(l, err)
}

// typed is a copy of the row with another value of a type in a column.
func (e entity) typed(name, edmType string, value any) entity {
	out := e.with(name, value)
	out[name+"@odata.type"], _ = json.Marshal(edmType)
	return out
}

// moved is a copy of the row under other keys.
func (e entity) moved(partition, key string) entity {
	return e.with("PartitionKey", partition).with("RowKey", key)
}

// recordRow is a row of a record of the hour mid whose key has a part.
func (l *lab) recordRow(s entra.Stream, part string) memstorage.Row {
	rows := l.service.Rows(logs.Of(s).Table + "202611")
	at := slices.IndexFunc(rows, func(r memstorage.Row) bool {
		return r.Partition == mid.Format(entra.HourFormat) && strings.Contains(r.Key, part)
	})
	require.GreaterOrEqual(l, at, 0, "%s", part)
	return rows[at]
}

// answers are what the archive says of its records and hours, in one text.
func (l *lab) answers(store interface {
	archive.Ledger
	archive.Records
}) string {
	var b strings.Builder
	for _, s := range both {
		filters := [][][]entra.Column{nil, {{{Name: "UserPrincipalName", Text: "u1@example.com"}}},
			{{{Name: "ActivityDisplayName", Text: "Add user"}}}}
		for _, newest := range []bool{false, true} {
			for _, columns := range filters {
				for rec, err := range store.Read(l.Context(), archive.Reading{Stream: s, From: october,
					To: november.Add(2 * days), NewestFirst: newest, Columns: columns, Versions: true}) {
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
		for cov, err := range store.Windows(l.Context(), s, october, november.Add(2*days)) {
			fmt.Fprintln(&b, cov.Start, cov.State, cov.Records, cov.Versions, cov.Sealed(), err)
		}
		gaps, err := archive.GapsOf(l.Context(), store, s, october, november.Add(2*days))
		fmt.Fprintln(&b, gaps, err)
	}
	return b.String()
}
