package collect_test

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/archivetest"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

func runOnce(t *testing.T, source collect.Source, store collect.Store, o collect.Options,
	streams ...entra.Stream) (collect.Report, error) {
	if len(streams) == 0 {
		streams = []entra.Stream{lab.Stream}
	}
	return collectWith(t, source, archivetest.Later{Store: store}, o, streams...)
}

func collectWith(t *testing.T, source collect.Source, store collect.Store, o collect.Options,
	streams ...entra.Stream) (collect.Report, error) {
	clock := func() time.Time { return lab.Start }
	if tn, ok := source.(*lab.Tenant); ok {
		clock = func() time.Time { return tn.Clock }
	}
	collector := collect.New(source, store, nil, o, clock, slog.New(slog.DiscardHandler))
	return collector.Run(t.Context(), lab.Execution(), streams, lab.Budget)
}

// stored reads back all hours in which the tenant has a record: current contents and earlier ones,
// each sorted.
func stored(t *testing.T, store *tablestest.Store, tn *lab.Tenant, s entra.Stream) (current, earlier []string) {
	hours := make(map[time.Time]bool)
	for _, raw := range tn.Records[s] {
		hours[entra.FloorHour(lab.TimeOf(s, raw))] = true
	}
	for hour := range hours {
		for rec, err := range store.Records(t.Context(), entra.Window{Stream: s, Start: hour}) {
			require.NoError(t, err)
			if rec.Superseded.IsZero() {
				current = append(current, string(rec.Raw))
			} else {
				earlier = append(earlier, string(rec.Raw))
			}
		}
	}
	slices.Sort(current)
	slices.Sort(earlier)
	return current, earlier
}

func sorted(texts []string) []string {
	out := slices.Clone(texts)
	slices.Sort(out)
	return slices.Compact(out)
}
