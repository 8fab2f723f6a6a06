package verify_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/verify"
)

// TestADeletedColumnIsNamed: a search by it would find nothing, without any reason given. If the
// hour's rows were written before the column existed, it may be absent.
func TestADeletedColumnIsNamed(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		at := lab.Start.Add(-5 * time.Hour)
		raw := fmt.Sprintf(`{"id":"legacy","createdDateTime":%q,"clientAppUsed":"IMAP4"}`, at.Format(time.RFC3339))
		rec, err := logs.ParseRecord(lab.Stream, []byte(raw))
		require.NoError(l, err)
		l.Tenant.Records = map[entra.Stream][]entra.Record{lab.Stream: {rec}}
		_, err = l.Run()
		require.NoError(l, err)
		hour := entra.FloorHour(at)
		cov := l.Hours(lab.Stream)[hour]
		require.Equal(l, logs.Of(lab.Stream).ColumnSet(), cov.ColumnSet)
		findings, _ := lab.Verify(l.T, l.Store, l.Heads)
		require.Empty(l, lab.Tampering(findings))

		table := l.Hand(lab.TableOf(at))
		page, err := table.NewListEntitiesPager(nil).NextPage(l.Context())
		require.NoError(l, err)
		require.Len(l, page.Entities, 1)
		var row map[string]any
		require.NoError(l, json.Unmarshal(page.Entities[0], &row))
		delete(row, "ClientAppUsed")
		body, err := json.Marshal(row)
		require.NoError(l, err)
		_, err = table.UpsertEntity(l.Context(), body,
			&aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
		require.NoError(l, err)
		findings, _ = lab.Verify(l.T, l.Store, l.Heads)
		require.Len(l, lab.Tampering(findings), 1)
		require.Equal(l, verify.DiffAltered, lab.Tampering(findings)[0].Difference)
		require.Contains(l, lab.Tampering(findings)[0].Detail, "a search by them would be wrong")

		p, before := l.Progress(lab.Stream), cov.StoredBytes
		cov.StoredBytes = l.Service.Rows(lab.TableOf(at))[0].Size()
		p.StoredBytes += cov.StoredBytes - before
		for _, set := range []int{1, 0} { // a version before wrote the row, or does not say
			cov.ColumnSet = set
			l.Write(p, cov)
			p = l.Progress(lab.Stream)
			findings, _ = lab.Verify(l.T, l.Store, l.Heads)
			require.Empty(l, lab.Tampering(findings))
		}
		cov.ColumnSet = logs.Of(lab.Stream).ColumnSet() + 1 // a later version wrote it
		l.Write(l.Progress(lab.Stream), cov)
		findings, _ = lab.Verify(l.T, l.Store, l.Heads)
		require.Len(l, lab.Tampering(findings), 2, "the record, and the number that this version does not know")
	})
}
