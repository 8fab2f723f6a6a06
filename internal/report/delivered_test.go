package report_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/mim"
	"github.com/entraledger/entraledger/internal/report"
	"github.com/entraledger/entraledger/internal/search/searchtest"
)

// servers are those whose logs came.
type servers []mim.Computer

// Computers is report.Deliveries's.
func (s servers) Computers(context.Context) ([]mim.Computer, error) { return s, nil }

// TestAReportOfADeliveredLogSaysWhatDidNotCome before, between and after what did: a server that is
// silent is not one where nothing happened.
func TestAReportOfADeliveredLogSaysWhatDidNotCome(t *testing.T) {
	hour := func(n float64) time.Time { return midnight.Add(time.Duration(n * float64(time.Hour))) }
	came := ledger.Progress{Stream: logs.IdentityManager, ImportedHours: 4, Imported: 9, ImportedFrom: hour(6),
		ImportedTo: hour(12)}
	purged := came
	purged.PurgedTo = hour(6)
	gone := ledger.Progress{Stream: logs.IdentityManager, PurgedTo: hour(6)}
	lossy := mim.Computer{Name: "MIM1", Newest: hour(11.5)}
	lossy.Count([]mim.Numbered{{RecordID: 5, At: hour(6.5)}, {RecordID: 9, At: hour(8)},
		{RecordID: 10, At: hour(11.5)}})
	older := mim.Computer{Name: "MIM2", Older: 3, Newest: hour(9)}
	for name, c := range map[string]struct {
		progress ledger.Progress
		from     servers
		ask      [2]float64
		gaps     []string
		unknown  string
	}{
		"within":      {came, nil, [2]float64{7, 11}, nil, ""},
		"to its end":  {came, nil, [2]float64{6, 12}, nil, ""},
		"before it":   {came, nil, [2]float64{2, 7}, []string{"2 6 nothing that is older"}, ""},
		"only before": {came, nil, [2]float64{2, 5}, []string{"2 5 nothing that is older"}, "nothing that is older"},
		"after it":    {came, nil, [2]float64{7, 20}, []string{"12 20 nothing that is newer"}, ""},
		"only after": {came, nil, [2]float64{13, 20}, []string{"13 20 nothing that is newer"},
			"whether anything happened"},
		"all three": {came, nil, [2]float64{2, 20},
			[]string{"2 6 nothing that is older", "12 20 nothing that is newer"}, ""},
		"dropped":      {purged, nil, [2]float64{2, 7}, []string{"2 6 it was dropped"}, ""},
		"only dropped": {purged, nil, [2]float64{2, 5}, []string{"2 5 it was dropped"}, "it was dropped"},
		"all dropped": {gone, nil, [2]float64{2, 9}, []string{"2 6 it was dropped", "6 9 nothing of it was delivered"},
			"nothing of it was delivered"},
		"read to its end later": {came, servers{{Name: "MIM1", Read: hour(18)}}, [2]float64{7, 20},
			[]string{"18 20 not all servers' logs were read later"}, ""},
		"only after it, and nothing happened": {came,
			servers{{Name: "MIM1", Read: hour(21)}, {Name: "MIM2", Read: hour(20)}},
			[2]float64{13, 20}, nil, ""},
		"one of two does not say": {came, servers{{Name: "MIM1", Read: hour(21)}, {Name: "MIM2"}}, [2]float64{13, 20},
			[]string{"13 20 nothing that is newer"}, "whether anything happened"},
		"what one says was altered": {came, servers{{Name: "MIM1", Read: hour(21)}, {Name: "MIM2", Altered: true}},
			[2]float64{12, 20}, []string{"12 20"}, "whether anything happened"},
		"numbers are missing": {came, servers{lossy}, [2]float64{6, 12},
			[]string{"6.5 8 of the log of MIM1 the events 6 to 8 did not come"}, ""},
		"of a part of the time": {came, servers{lossy}, [2]float64{7, 7.5},
			[]string{"7 7.5 of the log of MIM1 the events 6 to 8"}, ""},
		"of another time": {came, servers{lossy}, [2]float64{9, 11}, nil, ""},
		"once": {came, servers{older}, [2]float64{7, 11}, []string{"7 9 of the log of MIM2 3 older events"},
			""},
		"an altered row": {came, servers{{Name: "MIM3", Altered: true}}, [2]float64{7, 11},
			[]string{"7 11 what is known of the numbers of MIM3 was altered"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := books{Archive: &searchtest.Archive{},
				progress: map[entra.Stream]ledger.Progress{logs.IdentityManager: c.progress}}
			s := &report.Sources{Archive: b, Streams: archived{logs.IdentityManager}, Deliveries: c.from,
				Now: func() time.Time { return hour(24) }}
			got, err := s.Covers(t.Context(), report.Question{Report: report.Find(mim.PasswordReset, false),
				Window: report.Window{From: hour(c.ask[0]), To: hour(c.ask[1])}})
			require.NoError(t, err)
			require.Len(t, got.Gaps, len(c.gaps), "%v", got.Gaps)
			for i, g := range got.Gaps {
				to := g.To.Sub(midnight).Truncate(time.Minute)
				text := fmt.Sprintf("%v %v %s", g.From.Sub(midnight).Hours(), to.Hours(), g.Reason)
				require.Contains(t, text, c.gaps[i])
			}
			require.Contains(t, got.Unknown, c.unknown)
			require.Equal(t, c.unknown == "", got.Unknown == "")
		})
	}
}

// TestTextsAreComparedWithoutRegardToCase as the rules say, also where records are looked for.
func TestTextsAreComparedWithoutRegardToCase(t *testing.T) {
	a := searchtest.New(t, logs.IdentityManager, midnight)
	at := midnight.Add(time.Hour).Format(time.RFC3339)
	a.Add(t, logs.IdentityManager, map[string]any{"id": "1", "activityDateTime": at, "targetObjectType": "group",
		"request": map[string]any{"HybridObjectID": "x", "Operation": "create", "TargetObjectType": "group"}})
	a.Add(t, logs.DirectoryAudits, map[string]any{"id": "2", "activityDateTime": at,
		"activityDisplayName": "Add Member To Group",
		"loggedByService":     "Core Directory"})
	s := &report.Sources{Archive: a, Now: a.Now, Streams: archived{logs.IdentityManager, logs.DirectoryAudits}}
	page, err := s.Rows(t.Context(), report.Question{Report: report.Find(mim.GroupActivity, false), Merged: true,
		Window: report.Window{From: midnight, To: midnight.Add(24 * time.Hour)}}, report.Place{}, 10,
		time.Now().Add(time.Minute))
	require.NoError(t, err)
	require.Len(t, page.Rows, 2)
}
