package collect_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/verify"
)

// arrival is a content that Graph returns from a time on; a later arrival with the same key
// replaces it.
type arrival struct {
	key  string
	at   time.Time
	text string
}

// curve makes a day's records that arrive as Graph's do: 80 % within an hour, 95 % in a day, 99.8 %
// in two, all within seven. Every tenth changes once.
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
		out = append(out, arrival{id, when.Add(late), lab.Record(lab.Stream, id, lab.Start.Sub(when), "first")})
		if i%10 == 0 {
			out = append(out, arrival{id, when.Add(late + time.Duration(random.Int64N(int64(6*time.Hour)))),
				lab.Record(lab.Stream, id, lab.Start.Sub(when), "changed")})
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
	tn, store, heads := lab.NewTenant(), lab.NewStore(t), &lab.Shelf{}
	tn.PageSize = 100
	begin := entra.FloorHour(lab.Start)
	arrivals := curve(1, 500, begin)
	var sealed int
	for now := begin.Add(5 * time.Minute); now.Before(begin.Add(9 * 24 * time.Hour)); now = now.Add(time.Hour) {
		tn.Records[lab.Stream] = shown(arrivals, now)
		report := tn.At(t, store, heads, now, collect.Options{})
		sealed += report.Streams[0].Sealed
		require.True(t, report.Streams[0].Balance.Holds())
	}
	want := shown(arrivals, tn.Clock)
	require.Len(t, want, 500)
	current, earlier := stored(t, store, tn, lab.Stream)
	require.Equal(t, sorted(want), current)
	for _, text := range earlier {
		require.Contains(t, text, "first", "what was superseded")
	}
	p := lab.Progress(t, store, lab.Stream)
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
	lab.CheckLedger(t, store, lab.Stream)

	findings, records := lab.Verify(t, store, heads)
	require.Empty(t, lab.Tampering(findings))
	require.EqualValues(t, 500+len(earlier), records)
	for _, f := range findings {
		require.Equal(t, verify.DiffUnsealed, f.Difference)
		require.True(t, f.Hour.After(begin.Add(24*time.Hour)), "every hour with a record is sealed")
	}
}

// TestAPassReadsManyWindowsAtOnce: after a week of silence all that is due costs one read a pass.
func TestAPassReadsManyWindowsAtOnce(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	lab.Fill(tn, lab.Stream, 40, time.Hour)
	tn.PageSize = 1000
	tn.At(t, store, nil, lab.Start, collect.Options{})
	tn.At(t, store, nil, lab.Start.Add(5*time.Minute), collect.Options{})
	before := len(tn.Reads)
	tn.At(t, store, nil, lab.Start.Add(7*24*time.Hour), collect.Options{})
	require.LessOrEqual(t, len(tn.Reads)-before, 4, "%v", tn.Reads[before:])
	before = len(tn.Reads)
	tn.At(t, store, nil, lab.Start.Add(7*24*time.Hour+time.Minute), collect.Options{})
	require.Equal(t, 1, len(tn.Reads)-before, "nothing but the frontier is due: %v", tn.Reads[before:])
}

func TestARereadThatFindsNothingNewWritesOnlyItsCoverageRow(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	lab.Fill(tn, lab.Stream, 5, 20*time.Minute)
	tn.At(t, store, nil, lab.Start, collect.Options{})
	counting := &dying{Store: store, at: 1 << 30}
	tn.At(t, counting, nil, lab.Start.Add(4*time.Hour), collect.Options{})
	require.Zero(t, counting.records, "no record was written")
	current, earlier := stored(t, store, tn, lab.Stream)
	require.Len(t, current, 5)
	require.Empty(t, earlier)
	lab.CheckLedger(t, store, lab.Stream)
}

// TestATenantThatKeepsSevenDaysIsReadOnceMoreBeforeItDeletes: a record that changes after one day
// and is deleted after seven is archived in its last content.
func TestATenantThatKeepsSevenDaysIsReadOnceMoreBeforeItDeletes(t *testing.T) {
	tn, store := lab.NewTenant(), lab.NewStore(t)
	lab.Fill(tn, lab.Stream, 6*24, time.Hour)
	all := slices.Clone(tn.Records[lab.Stream])
	changed := lab.Record(lab.Stream, "changing", 30*time.Minute, "after five days")
	for now := lab.Start; now.Before(lab.Start.Add(8 * 24 * time.Hour)); now = now.Add(6 * time.Hour) {
		content := lab.Record(lab.Stream, "changing", 30*time.Minute, "at first")
		if now.After(lab.Start.Add(5 * 24 * time.Hour)) {
			content = changed
		}
		tn.Records[lab.Stream] = slices.DeleteFunc(append(slices.Clone(all), content), func(raw string) bool {
			return lab.TimeOf(lab.Stream, raw).Before(now.Add(-7 * 24 * time.Hour))
		})
		tn.At(t, store, nil, now, collect.Options{})
	}
	tn.Records[lab.Stream] = append(all, changed)
	current, _ := stored(t, store, tn, lab.Stream)
	require.Equal(t, sorted(tn.Records[lab.Stream]), current)
	p := lab.Progress(t, store, lab.Stream)
	require.Equal(t, entra.FloorHour(tn.Clock.Add(-7*24*time.Hour)), p.SealedTo)
	findings, _ := lab.Verify(t, store, nil)
	require.Empty(t, lab.Tampering(findings))
}

func TestARecordThatComesAfterTheSealIsKeptAndTheHourSealedAgain(t *testing.T) {
	tn, store, heads, service := lab.SealedArchive(t, 60, 72*time.Hour)
	before := lab.Progress(t, store, lab.Stream)
	old := lab.TimeOf(lab.Stream, tn.Records[lab.Stream][20])
	tn.Add(lab.Stream, "very-late", lab.Start.Sub(old)-time.Second, "came after the seal")
	collector := collect.New(tn, store, heads, collect.Options{}, func() time.Time { return tn.Clock },
		slog.New(slog.DiscardHandler))
	report, err := collector.Range(t.Context(), lab.Execution(), []entra.Stream{lab.Stream}, old.Add(-5*time.Hour),
		old.Add(5*time.Hour), lab.Budget)
	require.NoError(t, err)
	require.EqualValues(t, 1, report.Streams[0].New)
	require.Equal(t, 1, report.Streams[0].Sealed)
	require.Equal(t, before.Seals+1, lab.Progress(t, store, lab.Stream).Seals)
	last, err := store.Seal(t.Context(), lab.Stream, before.Seals)
	require.NoError(t, err)
	require.Equal(t, entra.FloorHour(old), last.Start)
	require.Contains(t, last.Reason, "1 new")
	findings, _ := lab.Verify(t, store, heads)
	require.Empty(t, lab.Tampering(findings))
	lab.CheckLedger(t, store, lab.Stream)

	// What was done to the hour since its last seal is not covered up by a new one.
	table, e := lab.Row(t, tn, service, 20)
	_, err = table.DeleteEntity(t.Context(), e.PartitionKey, e.RowKey, nil)
	require.NoError(t, err)
	tn.Records[lab.Stream] = slices.Delete(tn.Records[lab.Stream], 20, 21)
	tn.Add(lab.Stream, "even-later", lab.Start.Sub(old)-2*time.Second, "")
	tn.Clock = tn.Clock.Add(time.Hour)
	_, err = collector.Range(t.Context(), lab.Execution(), []entra.Stream{lab.Stream}, old.Add(-time.Hour),
		old.Add(time.Hour), lab.Budget)
	require.Equal(t, entra.CodeTampered, entra.CodeOf(err), "%v", err)
	findings, _ = lab.Verify(t, store, heads)
	require.Len(t, lab.Tampering(findings), 1)
	require.Equal(t, verify.DiffRemoved, lab.Tampering(findings)[0].Difference)
	require.Equal(t, e.RowKey, lab.Tampering(findings)[0].Row)
}
