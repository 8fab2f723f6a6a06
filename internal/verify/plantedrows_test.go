package verify_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// A row planted into a sealed hour under a date after the seal is laundered by the range read that
// is to mend it.
func TestAPlantedRowDatedAfterTheSealIsStillAFinding(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-50*time.Hour), lab.Start.Add(lab.Days), 20*time.Minute)
		l.SealIn()
		hour := entra.FloorHour(lab.Start.Add(-20 * time.Hour))
		forged, err := logs.ParseRecord(lab.Stream, []byte(lab.Record(lab.Stream, "forged",
			lab.Start.Sub(hour.Add(time.Minute)), "Graph never had it")))
		require.NoError(l, err)
		// after the seal
		_, err = l.Store.Insert(l.Context(), forged.Window(lab.Stream), []entra.Record{forged}, time.Now())
		require.NoError(l, err)
		v := lab.Verification(l)
		require.False(l, v.Intact(), "named before")
		for range 3 {
			time.Sleep(time.Hour)
			_, err = l.Collector(l.Store, l.Tenant).Range(l.Context(), lab.Execution(), []entra.Stream{lab.Stream},
				hour,
				hour.Add(time.Hour), lab.Budget)
			require.NoError(l, err)
			l.Runs(5*time.Minute, time.Now().Add(6*time.Minute))
		}
		cov := l.Hours(lab.Stream)[hour]
		require.EqualValues(l, 1, cov.Unmet, "%+v", cov)
		v = lab.Verification(l)
		require.False(l, v.Intact(), "a record that Graph never had is vouched for: %+v", cov)
	})
}

// 1b. What a run stored in a sealed hour before it died, where Graph can't be asked any more, is
// unconfirmed.
func TestAPlantedRowInASealedHourBecomesUnconfirmed(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-50*time.Hour), lab.Start.Add(2*lab.Days), 20*time.Minute)
		l.SealIn()
		hour := entra.FloorHour(lab.Start.Add(-20 * time.Hour))
		late := l.Tenant.Add(lab.Stream, "late", hour.Add(7*time.Minute), "stored, not counted")
		l.Plant(late) // dated after the last owner, so after the seal
		l.Dies(hour, hour.Add(time.Hour))
		l.Tenant.Keeps = 7 * lab.Days
		l.Until(lab.Start.Add(12 * lab.Days))
		l.Runs(5*time.Minute, time.Now().Add(30*time.Minute))
		time.Sleep(4 * time.Hour)
		l.Runs(5*time.Minute, time.Now().Add(30*time.Minute))
		cov := l.Hours(lab.Stream)[hour]
		require.EqualValues(l, 1, cov.Unconfirmed, "%+v", cov)
	})
}

// 2b. A list of a version before beside the seal's own blinds both.
func TestASealListOfAnEarlierVersionHidesNoPlantedRow(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-50*time.Hour), lab.Start.Add(lab.Days), 20*time.Minute)
		l.SealIn()
		hour := entra.FloorHour(lab.Start.Add(-20 * time.Hour))
		s, err := l.Store.Seal(l.Context(), lab.Stream, l.Hours(lab.Stream)[hour].LastSeal)
		require.NoError(l, err)
		_, ok, err := l.Store.KeptLeaves(l.Context(), s)
		require.NoError(l, err)
		require.True(l, ok)
		table := "leaves" + hour.Format("200601")
		for _, r := range l.Service.Rows(table) {
			if old, _, is := strings.Cut(r.Key, "!r"); is && strings.HasPrefix(r.Key, hour.Format(entra.HourFormat)) {
				// a draining version before was killed, or refused, between its list and its commit
				e := aztables.EDMEntity{Entity: aztables.Entity{PartitionKey: r.Partition, RowKey: old},
					Properties: map[string]any{"Parts": int32(1), "Codec": "",
						"Record": aztables.EDMBinary("12345678key\n")}}
				body, err := json.Marshal(e)
				require.NoError(l, err)
				_, err = l.Hand(table).AddEntity(l.Context(), body, nil)
				require.NoError(l, err)
			}
		}
		_, ok, err = l.Store.KeptLeaves(l.Context(), s)
		require.NoError(l, err)
		require.True(l, ok, "verify can't name what is altered or missing any more")
	})
}
