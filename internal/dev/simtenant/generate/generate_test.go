package generate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

var end = time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)

func config() generate.Config {
	return generate.Config{Seed: 1, Users: 200, Apps: 30, Days: 30, Policies: 12, End: end}
}

func TestRecordsAreReadableAndCarryTheTimeThatTheyAreFiledUnder(t *testing.T) {
	g := generate.New(config())
	for _, s := range logs.Streams() {
		n := g.Len(s)
		require.Positive(t, n)
		var last time.Time
		ids := make(map[string]int)
		for i := range min(n, 5000) {
			raw := g.Append(nil, s, i)
			require.True(t, gjson.ValidBytes(raw), "%s", raw)
			require.NotContains(t, string(raw), "\n")
			rec, err := logs.ParseRecord(s, raw)
			require.NoError(t, err)
			require.Equal(t, g.Time(s, i), rec.Time, "%s %d", s, i)
			require.False(t, rec.Time.Before(last), "%s %d", s, i)
			require.False(t, rec.Time.After(end))
			require.GreaterOrEqual(t, len(rec.Columns), 3)
			last = rec.Time
			ids[rec.ID]++
		}
		for id, times := range ids {
			require.LessOrEqual(t, times, 2, id)
		}
	}
}

func TestOneSeedMakesOneTenant(t *testing.T) {
	a, b := generate.New(config()), generate.New(config())
	other := config()
	other.Seed = 2
	c := generate.New(other)
	for _, s := range logs.Streams() {
		require.Equal(t, a.Append(nil, s, 7), b.Append([]byte{}, s, 7))
		require.NotEqual(t, a.Append(nil, s, 7), c.Append(nil, s, 7))
	}
}

// TestSizesAreThoseOfRealRecords holds the mean of each stream in the range that was measured on
// real records. Sign-ins of users are larger: they have every property of beta.
func TestSizesAreThoseOfRealRecords(t *testing.T) {
	g := generate.New(config())
	ranges := map[entra.Stream][2]int{
		logs.SignInsInteractiveUser: {7500, 9500}, logs.SignInsNonInteractiveUser: {7000,
			9000}, logs.SignInsServicePrincipal: {1700, 2300},
		logs.SignInsManagedIdentity: {1700, 2400}, logs.DirectoryAudits: {800, 1700}, logs.Provisioning: {2000,
			4000}, logs.CustomSecurityAttributeAudits: {800, 1700},
	}
	for s, want := range ranges {
		sum, n := 0, min(g.Len(s), 10_000)
		for i := range n {
			sum += len(g.Append(nil, s, i))
		}
		mean := sum / n
		require.True(t, want[0] <= mean && mean <= want[1], "%s: %d bytes on average, wanted %v", s, mean, want)
	}
	require.InDelta(t, 20_000, len(g.Append(nil, logs.SignInsInteractiveUser, 3_333)), 4_000)
	require.InDelta(t, 50_000, len(g.Append(nil, logs.SignInsInteractiveUser, 7_777)), 8_000)
}

func TestPeopleStayTheSameAndAnIdComesTwiceWithAnotherResult(t *testing.T) {
	g := generate.New(config())
	names := make(map[string]string)
	for i := range 3000 {
		rec := gjson.ParseBytes(g.Append(nil, logs.SignInsInteractiveUser, i))
		id, name := rec.Get("userId").Str, rec.Get("userDisplayName").Str
		if known, ok := names[id]; ok {
			require.Equal(t, known, name)
		}
		names[id] = name
	}
	require.Greater(t, len(names), 150)
	first, second := gjson.ParseBytes(g.Append(nil, logs.SignInsInteractiveUser, 400)), gjson.ParseBytes(g.Append(nil,
		logs.SignInsInteractiveUser, 401))
	require.Equal(t, first.Get("id").Str, second.Get("id").Str)
	require.EqualValues(t, 50074, first.Get("status.errorCode").Int())
	require.EqualValues(t, 0, second.Get("status.errorCode").Int())
}

func TestAStreamCanHaveExactlySoManyRecords(t *testing.T) {
	cfg := config()
	cfg.Exactly = map[entra.Stream]int{logs.SignInsInteractiveUser: 1_000_000}
	g := generate.New(cfg)
	require.Equal(t, 1_000_000, g.Len(logs.SignInsInteractiveUser))
	require.False(t, g.Time(logs.SignInsInteractiveUser, 999_999).After(end))
	require.False(t, g.Time(logs.SignInsInteractiveUser, 0).Before(end.Add(-30*24*time.Hour)))
}

func BenchmarkAppend(b *testing.B) {
	g := generate.New(config())
	for _, s := range logs.DefaultStreams() {
		b.Run(fmt.Sprint(s), func(b *testing.B) {
			var buf []byte
			for i := range b.N {
				buf = g.Append(buf[:0], s, i%g.Len(s))
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}
