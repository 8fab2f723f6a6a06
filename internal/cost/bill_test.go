package cost_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/cost"
)

// month is 365/12 days.
const month = 365.0 / 12

func TestEachDestinationBillsInItsOwnGigabytes(t *testing.T) {
	// A million records a day of 10,000 bytes, of which 934 are stored, 1,000 with keys and dates.
	v := cost.Volume{Logs: 1, Records: 1e6, Received: 1e10, Stored: 934e6}
	const received, stored = 10 * month, 1e9 * month / (1 << 30)
	year := func(r cost.Redundancy) cost.Plan { return cost.Plan{Months: 12, Redundancy: r} }
	const billed, interactive = 0.75 * received, (24 - 31/month) * 0.10
	cases := []struct {
		name            string
		to              cost.Destination
		plan            cost.Plan
		gb, kept, price float64
	}{
		{"this archive, LRS", cost.Archive, year(cost.LRS), stored, 12 * stored, 12*stored*0.045 +
			22_400*month/1e4*0.00036},
		{"this archive, ZRS", cost.Archive, year(cost.ZRS), stored, 12 * stored, 12*stored*0.045*1.25 +
			22_400*month/1e4*0.00036},
		{"this archive for a month", cost.Archive, cost.Plan{Months: 1, Redundancy: cost.LRS}, stored, stored,
			stored*0.045 + 22_400*month/1e4*0.00036},
		{"a storage account", cost.StorageAccount, year(cost.LRS), received, 12 * received * 1e9 / (1 << 30),
			received*0.25 + 12*received*1e9/(1<<30)*0.0208 + 288*month/1e4*0.05},
		{"a storage account, GRS", cost.StorageAccount, year(cost.GRS), received, 12 * received * 1e9 / (1 << 30),
			received*0.25 + 12*received*1e9/(1<<30)*0.0208*2.2 + 288*month/1e4*0.05*2},
		{"Log Analytics for a year", cost.LogAnalytics, year(cost.ZRS), 0.75 * received, 12 * 0.75 * received,
			0.75 * received * (2.30 + (12-31/month)*0.10)},
		{"Log Analytics for a month, which is included", cost.LogAnalytics, cost.Plan{Months: 1}, 0.75 * received,
			0.75 * received, 0.75 * received * 2.30},
		{"Log Analytics for two years", cost.LogAnalytics, cost.Plan{Months: 24}, billed, 24 * billed,
			billed * (2.30 + interactive)},
		{"Log Analytics for longer than can be queried", cost.LogAnalytics, cost.Plan{Months: 84}, billed, 84 * billed,
			billed * (2.30 + interactive + 60*0.02)},
		{"Log Analytics for as long as it keeps anything", cost.LogAnalytics, cost.Plan{Months: 144}, billed,
			144 * billed, billed * (2.30 + interactive + 120*0.02)},
		{"Log Analytics for longer than that", cost.LogAnalytics, cost.Plan{Months: 145}, 0, 0, 0},
		{"an Event Hub keeps nothing", cost.EventHub, year(cost.ZRS), received, 0, received*0.25 +
			(1e10/65536+288)*month/1e6*0.028},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := c.plan.Of(c.to, v)
			require.InDelta(t, c.gb, got.GB, 1e-6)
			require.InDelta(t, c.kept, got.KeptGB, 1e-6)
			require.InDelta(t, c.price, got.USD, 1e-6)
		})
	}
}

func TestOnlyLogAnalyticsKeepsNothingForEver(t *testing.T) {
	for _, d := range cost.Destinations() {
		require.Empty(t, cost.Plan{Months: 144}.Refusal(d), d)
		if d != cost.LogAnalytics {
			require.Empty(t, cost.Plan{Months: 1_200}.Refusal(d), d)
		}
	}
	require.Equal(t, "Log Analytics keeps records for 144 months (12 years) at most, and 145 are asked for",
		cost.Plan{Months: 145}.Refusal(cost.LogAnalytics))
}

func TestLogsTogetherCostWhatEachCosts(t *testing.T) {
	plan := cost.Plan{Months: 12, Redundancy: cost.ZRS}
	busy, quiet := cost.Volume{Logs: 1, Records: 1e6, Received: 1e10, Stored: 1e9},
		cost.Volume{Logs: 1, Records: 3, Received: 3e3, Stored: 1e3}
	for _, d := range cost.Destinations() {
		require.InDelta(t, plan.Of(d, busy).USD+plan.Of(d, quiet).USD, plan.Of(d, busy.Add(quiet)).USD, 1e-9, d)
	}
}

func TestALogWithoutRecordsCostsNothing(t *testing.T) {
	for _, d := range cost.Destinations() {
		require.Zero(t, cost.Plan{Months: 12, Redundancy: cost.ZRS}.Of(d, cost.Volume{}), d)
	}
}

func TestALogThatIsNotCollectedAnyMoreCostsWhatIsKeptOfIt(t *testing.T) {
	got := cost.Plan{Months: 12, Redundancy: cost.ZRS}.Held(934*1<<20, 1<<20)
	require.Equal(t, cost.Bill{GB: 0, KeptGB: 1000.0 / 1024, USD: 1000.0 / 1024 * 0.045 * 1.25}, got)
}

func TestSharedCostsAreListedApart(t *testing.T) {
	plan, app := cost.Plan{Months: 12, Redundancy: cost.ZRS}, cost.App{Runs: 288, MemoryMB: 512, RequestsPer10s: 4}
	shared := func(d cost.Destination, received float64) map[string]float64 {
		out := map[string]float64{}
		for _, p := range plan.Shared(d, cost.Volume{Records: 1e6, Received: received}, app) {
			out[p.Name] = p.USD
		}
		return out
	}
	require.Empty(t, shared(cost.StorageAccount, 1e10))
	require.Empty(t, shared(cost.LogAnalytics, 1e10))
	require.InDelta(t, 730*0.015, shared(cost.EventHub, 1e9)["throughputUnits"], 1e-9)
	require.InDelta(t, 3*730*0.015, shared(cost.EventHub, 86_400e6*0.7)["throughputUnits"], 1e-9,
		"a unit takes 1 MB a second, and the busiest minutes are three times the mean")
	ours := shared(cost.Archive, 1e10)
	require.Len(t, ours, 4)
	does := app.Day(1e6)
	require.InDelta(t, does.Requests(), ours["tableRequests"]+
		plan.Of(cost.Archive, cost.Volume{Records: 1e6, Stored: 0}).USD-
		plan.Held(0, 1_000_000).USD*365, 1e-6, "all requests are either a log's own or shared")
	require.Equal(t, does.Compute(), ours["flexConsumption"])
	require.Equal(t, does.Logs(), ours["appLogs"])
}

// The figures are those that the benchmark measured.
func TestADayOfTheAppIsAsMeasured(t *testing.T) {
	for _, c := range []struct {
		runs, records, graph, tables float64
	}{
		{288, 30_700, 2_490, 16_404},
		{288, 306_988, 3_474, 22_594},
		{96, 30_700, 1_146, 8_320},
	} {
		d := cost.App{Runs: c.runs, MemoryMB: 512, RequestsPer10s: 4}.Day(c.records)
		require.InDelta(t, c.graph, d.GraphRequests, 10)
		require.InDelta(t, c.tables+d.GraphRequests, d.TableRequests, 30, "and a turn for each request to Graph")
		require.Equal(t, c.runs+61, d.Executions)
	}
	small := cost.App{Runs: 96, MemoryMB: 512, RequestsPer10s: 4}.Day(30_700)
	require.Zero(t, small.Compute(), "within the free grant")
	large := cost.App{Runs: 288, MemoryMB: 2048, RequestsPer10s: 4}.Day(3_070_000)
	require.InDelta(t, (large.Seconds*month*2-100_000)*0.000026, large.Compute(), 1e-6)
	require.Less(t, large.GraphRequests, 34_560.0, "the largest tenant fits the archive's share")
}

func TestTheAppsOwnLogsSayWhatOfThemWasMeasured(t *testing.T) {
	every5, every15 := cost.App{Runs: 288, MemoryMB: 512, RequestsPer10s: 4}.Day(30_700),
		cost.App{Runs: 96, MemoryMB: 512, RequestsPer10s: 4}.Day(30_700)
	require.Len(t, every5.LogParts(), 6)
	require.InDelta(t, 2*349, every5.LogParts()[0].Rows, 1e-9)
	require.Contains(t, every5.LogParts()[0].Measured, "bytes")
	require.Less(t, every15.Logs(), every5.Logs())
	require.InDelta(t, 0.8, every5.Logs(), 0.2)
}

func TestEveryPriceHasANameAndIsDefinedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range cost.Prices() {
		require.False(t, seen[p.Name], p.Name)
		seen[p.Name] = true
		require.Positive(t, p.USD, p.Name)
		require.NotEmpty(t, p.What)
		require.NotEmpty(t, p.Per)
	}
	for _, r := range cost.Redundancies() {
		times := r.Times()
		require.Equal(t, r == cost.LRS, times == cost.Times{Tables: 1, Blobs: 1, BlobWrites: 1}, r)
		require.GreaterOrEqual(t, min(times.Tables, times.Blobs, times.BlobWrites), 1.0, r)
	}
	require.Regexp(t, `^20\d\d-\d\d$`, cost.AsOf)
	require.Len(t, cost.Redundancies(), 6)
}
