package archive_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/archive/archivetest"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// shelf keeps heads in memory.
type shelf struct {
	mu    sync.Mutex
	heads []seal.Head
}

func (s *shelf) PutHead(_ context.Context, h seal.Head) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heads = append(s.heads, h)
	return nil
}

func (s *shelf) Heads(_ context.Context, stream entra.Stream) iter.Seq2[seal.Head, error] {
	return func(yield func(seal.Head, error) bool) {
		for _, h := range s.heads {
			if h.Stream == stream && !yield(h, nil) {
				return
			}
		}
	}
}

// at runs the collector at a time.
func (t *tenant) at(tt *testing.T, store archive.Store, heads archive.Heads, now time.Time, o archive.Options) archive.Report {
	t.now = now
	report, err := collectAt(tt, t, store, heads, o)
	require.NoError(tt, err)
	return report
}

func collectAt(t *testing.T, tn *tenant, store archive.Store, heads archive.Heads, o archive.Options) (archive.Report, error) {
	collector := archive.NewCollector(tn, archivetest.Later{Store: store}, heads, o, func() time.Time { return tn.now }, slog.New(slog.DiscardHandler))
	return collector.Run(t.Context(), execution(), []entra.Stream{stream}, budget)
}

// verify verifies everything that the archive holds of the stream, from outside.
func verify(t *testing.T, store archive.Evidence, heads archive.Heads) (findings []archive.Finding, records int64) {
	v, err := archive.NewVerifier(t.Context(), store, heads, stream)
	require.NoError(t, err)
	findings = append(findings, v.LogFindings()...)
	from, to := v.Hours()
	for window, err := range v.Verify(t.Context(), from, to) {
		require.NoError(t, err)
		findings = append(findings, window.Findings...)
		records += window.Records
	}
	return findings, records
}

func tampering(findings []archive.Finding) []archive.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f archive.Finding) bool { return !f.Difference.IsTampering() })
}

// arrival is a content that Graph shows from a time on; a later one under the same key takes its place.
type arrival struct {
	key  string
	at   time.Time
	text string
}

// curve makes a day's records that arrive as Graph's do: 80 % within an hour, 95 % in a day, 99.8 % in two, all within
// seven. Every tenth changes once.
func curve(seed uint64, n int, begin time.Time) []arrival {
	random := rand.New(rand.NewPCG(seed, 7))
	var out []arrival
	for i := range n {
		when := begin.Add(time.Duration(random.Int64N(int64(24 * time.Hour)))).Truncate(time.Second)
		var late time.Duration
		switch p := random.Float64(); {
		case p < 0.80:
			late = time.Duration(random.Int64N(int64(time.Hour)))
		case p < 0.95:
			late = time.Hour + time.Duration(random.Int64N(int64(23*time.Hour)))
		case p < 0.998:
			late = 24*time.Hour + time.Duration(random.Int64N(int64(24*time.Hour)))
		default:
			late = 48*time.Hour + time.Duration(random.Int64N(int64(5*24*time.Hour-2*time.Hour)))
		}
		id := fmt.Sprintf("id-%05d", i)
		out = append(out, arrival{id, when.Add(late), record(stream, id, start.Sub(when), "first")})
		if i%10 == 0 {
			out = append(out, arrival{id, when.Add(late + time.Duration(random.Int64N(int64(6*time.Hour)))), record(stream, id, start.Sub(when), "changed")})
		}
	}
	slices.SortStableFunc(out, func(a, b arrival) int { return a.at.Compare(b.at) })
	return out
}

// shown is what Graph shows at a time.
func shown(arrivals []arrival, now time.Time) []string {
	newest := make(map[string]string)
	var order []string
	for _, a := range arrivals {
		if a.at.After(now) {
			break
		}
		if _, ok := newest[a.key]; !ok {
			order = append(order, a.key)
		}
		newest[a.key] = a.text
	}
	out := make([]string, len(order))
	for i, key := range order {
		out[i] = newest[key]
	}
	return out
}

func TestRecordsThatComeLateOrChangeAreAllThereInTheEnd(t *testing.T) {
	tn, store, heads := newTenant(), newStore(t), &shelf{}
	tn.pageSize = 100
	begin := entra.FloorHour(start)
	arrivals := curve(1, 500, begin)
	var sealed int
	for now := begin.Add(5 * time.Minute); now.Before(begin.Add(9 * 24 * time.Hour)); now = now.Add(time.Hour) {
		tn.records[stream] = shown(arrivals, now)
		report := tn.at(t, store, heads, now, archive.Options{})
		sealed += report.Streams[0].Sealed
		require.True(t, report.Streams[0].Balance.Holds())
	}
	want := shown(arrivals, tn.now)
	require.Len(t, want, 500)
	current, earlier := stored(t, store, tn, stream)
	require.Equal(t, sorted(want), current)
	for _, text := range earlier {
		require.Contains(t, text, "first", "what was superseded")
	}
	p := progress(t, store, stream)
	require.EqualValues(t, len(earlier), p.Versions)
	require.EqualValues(t, len(earlier), p.Changed)
	require.Greater(t, p.Late, int64(50), "those that came after the hour had been read")
	require.Less(t, p.Late, int64(300))
	var classes int64
	for _, n := range p.Lateness {
		classes += n
	}
	require.Equal(t, p.Late, classes)
	require.Positive(t, p.Lateness[0])
	require.Positive(t, p.Lateness[1])
	require.EqualValues(t, sealed, p.Seals)
	require.Greater(t, sealed, 24)
	require.Equal(t, p.Seals, p.Heads)
	checkLedger(t, store, stream)

	findings, records := verify(t, store, heads)
	require.Empty(t, tampering(findings))
	require.EqualValues(t, 500+len(earlier), records)
	for _, f := range findings {
		require.Equal(t, archive.DiffUnsealed, f.Difference)
		require.True(t, f.Hour.After(begin.Add(24*time.Hour)), "every hour with a record is sealed")
	}
}

// TestAPassReadsManyWindowsAtOnce: after a week of silence all that is due costs one read a pass.
func TestAPassReadsManyWindowsAtOnce(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	fill(tn, stream, 40, time.Hour)
	tn.pageSize = 1000
	tn.at(t, store, nil, start, archive.Options{})
	tn.at(t, store, nil, start.Add(5*time.Minute), archive.Options{})
	before := len(tn.reads)
	tn.at(t, store, nil, start.Add(7*24*time.Hour), archive.Options{})
	require.LessOrEqual(t, len(tn.reads)-before, 4, "%v", tn.reads[before:])
	before = len(tn.reads)
	tn.at(t, store, nil, start.Add(7*24*time.Hour+time.Minute), archive.Options{})
	require.Equal(t, 1, len(tn.reads)-before, "nothing but the frontier is due: %v", tn.reads[before:])
}

func TestARereadThatFindsNothingNewWritesOnlyItsCoverageRow(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	fill(tn, stream, 5, 20*time.Minute)
	tn.at(t, store, nil, start, archive.Options{})
	counting := &dying{Store: store, at: 1 << 30}
	tn.at(t, counting, nil, start.Add(4*time.Hour), archive.Options{})
	require.Zero(t, counting.records, "no record was written")
	current, earlier := stored(t, store, tn, stream)
	require.Len(t, current, 5)
	require.Empty(t, earlier)
	checkLedger(t, store, stream)
}

// TestATenantThatKeepsSevenDaysIsReadOnceMoreBeforeItForgets: what changes after a day and is forgotten after seven is
// there in its last content.
func TestATenantThatKeepsSevenDaysIsReadOnceMoreBeforeItForgets(t *testing.T) {
	tn, store := newTenant(), newStore(t)
	fill(tn, stream, 6*24, time.Hour)
	all := slices.Clone(tn.records[stream])
	changed := record(stream, "changing", 30*time.Minute, "after five days")
	for now := start; now.Before(start.Add(8 * 24 * time.Hour)); now = now.Add(6 * time.Hour) {
		content := record(stream, "changing", 30*time.Minute, "at first")
		if now.After(start.Add(5 * 24 * time.Hour)) {
			content = changed
		}
		tn.records[stream] = slices.DeleteFunc(append(slices.Clone(all), content), func(raw string) bool {
			return timeOf(stream, raw).Before(now.Add(-7 * 24 * time.Hour))
		})
		tn.at(t, store, nil, now, archive.Options{})
	}
	tn.records[stream] = append(all, changed)
	current, _ := stored(t, store, tn, stream)
	require.Equal(t, sorted(tn.records[stream]), current)
	p := progress(t, store, stream)
	require.Equal(t, entra.FloorHour(tn.now.Add(-7*24*time.Hour)), p.SealedTo)
	findings, _ := verify(t, store, nil)
	require.Empty(t, tampering(findings))
}

// sealedArchive is an archive of records over some time whose windows are all sealed.
func sealedArchive(t *testing.T, n int, over time.Duration) (*tenant, *tablestest.Store, *shelf, *aztables.ServiceClient) {
	tn, heads, account := newTenant(), &shelf{}, memstorage.New(nil)
	account.Limits.DeleteTakes = 0
	store, err := tablestest.New(tables.Config{ConnectionString: account.ConnectionString(), HTTP: account.Client()})
	require.NoError(t, err)
	service, err := aztables.NewServiceClientFromConnectionString(account.ConnectionString(),
		&aztables.ClientOptions{ClientOptions: policy.ClientOptions{Transport: account.Client()}})
	require.NoError(t, err)
	tn.pageSize = 1000
	fill(tn, stream, n, (over / time.Duration(n)).Truncate(time.Second))
	for _, now := range []time.Time{start, start.Add(time.Hour), start.Add(8 * 24 * time.Hour), start.Add(8*24*time.Hour + 5*time.Minute)} {
		tn.at(t, store, heads, now, archive.Options{})
	}
	require.Positive(t, progress(t, store, stream).Seals)
	findings, _ := verify(t, store, heads)
	require.Empty(t, tampering(findings))
	return tn, store, heads, service
}

// row is any row of a sealed hour with records.
func row(t *testing.T, tn *tenant, service *aztables.ServiceClient, i int) (*aztables.Client, aztables.EDMEntity) {
	when := timeOf(stream, tn.records[stream][i])
	table := service.NewClient(tables.TableName(entra.WindowOf(stream, when)))
	rec, err := logs.ParseRecord(stream, []byte(tn.records[stream][i]))
	require.NoError(t, err)
	got, err := table.GetEntity(t.Context(), when.Format(entra.HourFormat), when.Format("2006-01-02T15:04:05.0000000Z")+"_"+rec.ID, nil)
	require.NoError(t, err)
	var entity aztables.EDMEntity
	require.NoError(t, entity.UnmarshalJSON(got.Value))
	return table, entity
}

func put(t *testing.T, table *aztables.Client, entity aztables.EDMEntity) {
	delete(entity.Properties, "Timestamp")
	body, err := entity.MarshalJSON()
	require.NoError(t, err)
	_, err = table.UpsertEntity(t.Context(), body, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	require.NoError(t, err)
}

// TestWhatIsDoneToASealedArchiveIsNamed by a hand that can write every table.
func TestWhatIsDoneToASealedArchiveIsNamed(t *testing.T) {
	tn, store, heads, service := sealedArchive(t, 200, 72*time.Hour)
	coverage := service.NewClient("coverage")
	entry := func(n int) aztables.EDMEntity {
		got, err := coverage.GetEntity(t.Context(), string(stream), fmt.Sprintf("seal!%010d", n), nil)
		require.NoError(t, err)
		var e aztables.EDMEntity
		require.NoError(t, e.UnmarshalJSON(got.Value))
		return e
	}
	cases := []struct {
		name  string
		do    func(t *testing.T) (undo func(t *testing.T), row string)
		diffs []archive.Difference
	}{
		{"a flipped bit", func(t *testing.T) (func(*testing.T), string) {
			table, e := row(t, tn, service, 17)
			was := slices.Clone(e.Properties["Record"].(aztables.EDMBinary))
			e.Properties["Record"].(aztables.EDMBinary)[len(was)/2] ^= 1
			put(t, table, e)
			return func(t *testing.T) { e.Properties["Record"] = was; put(t, table, e) }, e.RowKey
		}, []archive.Difference{archive.DiffAltered}},
		{"another content with its right hash", func(t *testing.T) (func(*testing.T), string) {
			table, e := row(t, tn, service, 18)
			was, hash, codec := e.Properties["Record"], e.Properties["Hash"], e.Properties["Codec"]
			forged := []byte(tn.records[stream][18][:len(tn.records[stream][18])-1] + ` }`)
			sum := entra.HashOf(forged)
			e.Properties["Record"], e.Properties["Hash"], e.Properties["Codec"] = aztables.EDMBinary(forged), aztables.EDMBinary(sum[:]), "none"
			put(t, table, e)
			return func(t *testing.T) {
				e.Properties["Record"], e.Properties["Hash"], e.Properties["Codec"] = was, hash, codec
				put(t, table, e)
			}, e.RowKey
		}, []archive.Difference{archive.DiffAltered}},
		{"a deleted row", func(t *testing.T) (func(*testing.T), string) {
			table, e := row(t, tn, service, 30)
			_, err := table.DeleteEntity(t.Context(), e.PartitionKey, e.RowKey, nil)
			require.NoError(t, err)
			return func(t *testing.T) { put(t, table, e) }, e.RowKey
		}, []archive.Difference{archive.DiffRemoved}},
		{"an inserted row", func(t *testing.T) (func(*testing.T), string) {
			table, e := row(t, tn, service, 40)
			raw := record(stream, "id-forged", start.Sub(timeOf(stream, tn.records[stream][40])), "forged")
			sum := entra.HashOf([]byte(raw))
			e.RowKey = e.RowKey[:29] + "id-forged"
			e.Properties["Record"], e.Properties["Hash"], e.Properties["Codec"] = aztables.EDMBinary(raw), aztables.EDMBinary(sum[:]), "none"
			put(t, table, e)
			return func(t *testing.T) {
				_, err := table.DeleteEntity(t.Context(), e.PartitionKey, e.RowKey, nil)
				require.NoError(t, err)
			}, e.RowKey
		}, []archive.Difference{archive.DiffAdded}},
		{"an inserted row dated after the seal", func(t *testing.T) (func(*testing.T), string) {
			table, e := row(t, tn, service, 40)
			raw := record(stream, "id-forged", start.Sub(timeOf(stream, tn.records[stream][40])), "forged")
			sum := entra.HashOf([]byte(raw))
			e.RowKey = e.RowKey[:29] + "id-forged"
			e.Properties["Record"], e.Properties["Hash"], e.Properties["Codec"] = aztables.EDMBinary(raw), aztables.EDMBinary(sum[:]), "none"
			e.Properties["FirstSeen"] = aztables.EDMDateTime(tn.now.Add(time.Hour))
			put(t, table, e)
			return func(t *testing.T) {
				_, err := table.DeleteEntity(t.Context(), e.PartitionKey, e.RowKey, nil)
				require.NoError(t, err)
			}, e.RowKey
		}, []archive.Difference{archive.DiffAdded}},
		{"an entry of the log", func(t *testing.T) (func(*testing.T), string) {
			e := entry(3)
			was := e.Properties["Leaves"]
			e.Properties["Leaves"] = "12345"
			put(t, coverage, e)
			return func(t *testing.T) { e.Properties["Leaves"] = was; put(t, coverage, e) }, ""
		}, []archive.Difference{archive.DiffLog}},
		{"an entry that is not there", func(t *testing.T) (func(*testing.T), string) {
			e := entry(5)
			_, err := coverage.DeleteEntity(t.Context(), e.PartitionKey, e.RowKey, nil)
			require.NoError(t, err)
			return func(t *testing.T) { put(t, coverage, e) }, ""
		}, []archive.Difference{archive.DiffLog}},
		{"a head that says more", func(t *testing.T) (func(*testing.T), string) {
			heads.heads = append(heads.heads, seal.Head{Stream: stream, Size: 100_000})
			return func(*testing.T) { heads.heads = heads.heads[:len(heads.heads)-1] }, ""
		}, []archive.Difference{archive.DiffLog}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			undo, key := c.do(t)
			findings, _ := verify(t, store, heads)
			found := tampering(findings)
			require.NotEmpty(t, found)
			for _, f := range found {
				require.Contains(t, c.diffs, f.Difference, "%+v", f)
				if key != "" {
					require.Equal(t, key, f.Row, "%+v", f)
				}
				require.NotEmpty(t, f.Detail)
			}
			if key != "" {
				require.Len(t, found, 1)
			}
			undo(t)
			findings, _ = verify(t, store, heads)
			require.Empty(t, tampering(findings), "all is well again")
		})
	}
}

func TestARecordThatComesAfterTheSealIsKeptAndTheHourSealedAgain(t *testing.T) {
	tn, store, heads, service := sealedArchive(t, 60, 72*time.Hour)
	before := progress(t, store, stream)
	old := timeOf(stream, tn.records[stream][20])
	tn.add(stream, "very-late", start.Sub(old)-time.Second, "came after the seal")
	collector := archive.NewCollector(tn, store, heads, archive.Options{}, func() time.Time { return tn.now }, slog.New(slog.DiscardHandler))
	report, err := collector.Range(t.Context(), execution(), []entra.Stream{stream}, old.Add(-5*time.Hour), old.Add(5*time.Hour), budget)
	require.NoError(t, err)
	require.EqualValues(t, 1, report.Streams[0].New)
	require.Equal(t, 1, report.Streams[0].Sealed)
	require.Equal(t, before.Seals+1, progress(t, store, stream).Seals)
	last, err := store.Seal(t.Context(), stream, before.Seals)
	require.NoError(t, err)
	require.Equal(t, entra.FloorHour(old), last.Start)
	require.Contains(t, last.Reason, "1 new")
	findings, _ := verify(t, store, heads)
	require.Empty(t, tampering(findings))
	checkLedger(t, store, stream)

	// What was done to the hour since its last seal is not covered up by a new one.
	table, e := row(t, tn, service, 20)
	_, err = table.DeleteEntity(t.Context(), e.PartitionKey, e.RowKey, nil)
	require.NoError(t, err)
	tn.records[stream] = slices.Delete(tn.records[stream], 20, 21)
	tn.add(stream, "even-later", start.Sub(old)-2*time.Second, "")
	tn.now = tn.now.Add(time.Hour)
	_, err = collector.Range(t.Context(), execution(), []entra.Stream{stream}, old.Add(-time.Hour), old.Add(time.Hour), budget)
	require.Equal(t, entra.CodeTampered, entra.CodeOf(err), "%v", err)
	findings, _ = verify(t, store, heads)
	require.Len(t, tampering(findings), 1)
	require.Equal(t, archive.DiffRemoved, tampering(findings)[0].Difference)
	require.Equal(t, e.RowKey, tampering(findings)[0].Row)
}
