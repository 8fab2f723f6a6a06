package archive_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestAColumnThatWasTakenAwayIsNamed: a search by it would find nothing, and nobody would know why.
// Where the hour's rows were written before there was the column, it may be absent.
func TestAColumnThatWasTakenAwayIsNamed(t *testing.T) {
	inLab(t, func(l *lab) {
		at := start.Add(-5 * time.Hour)
		raw := fmt.Sprintf(`{"id":"legacy","createdDateTime":%q,"clientAppUsed":"IMAP4"}`, at.Format(time.RFC3339))
		rec, err := logs.ParseRecord(stream, []byte(raw))
		require.NoError(l, err)
		l.tenant.records = map[entra.Stream][]entra.Record{stream: {rec}}
		_, err = l.run()
		require.NoError(l, err)
		hour := entra.FloorHour(at)
		cov := l.hours(stream)[hour]
		require.Equal(l, logs.Of(stream).ColumnSet(), cov.ColumnSet)
		findings, _ := verify(l.T, l.store, l.heads)
		require.Empty(l, tampering(findings))

		table := l.hand(tableOf(at))
		page, err := table.NewListEntitiesPager(nil).NextPage(l.Context())
		require.NoError(l, err)
		require.Len(l, page.Entities, 1)
		var row map[string]any
		require.NoError(l, json.Unmarshal(page.Entities[0], &row))
		delete(row, "ClientAppUsed")
		body, err := json.Marshal(row)
		require.NoError(l, err)
		_, err = table.UpsertEntity(l.Context(), body, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
		require.NoError(l, err)
		findings, _ = verify(l.T, l.store, l.heads)
		require.Len(l, tampering(findings), 1)
		require.Equal(l, archive.DiffAltered, tampering(findings)[0].Difference)
		require.Contains(l, tampering(findings)[0].Detail, "a search by them would be wrong")

		p, before := l.progress(stream), cov.StoredBytes
		cov.StoredBytes = l.service.Rows(tableOf(at))[0].Size()
		p.StoredBytes += cov.StoredBytes - before
		for _, set := range []int{1, 0} { // a version before wrote the row, or does not say
			cov.ColumnSet = set
			l.write(p, cov)
			p = l.progress(stream)
			findings, _ = verify(l.T, l.store, l.heads)
			require.Empty(l, tampering(findings))
		}
		cov.ColumnSet = logs.Of(stream).ColumnSet() + 1 // a later version wrote it
		l.write(l.progress(stream), cov)
		findings, _ = verify(l.T, l.store, l.heads)
		require.Len(l, tampering(findings), 2, "the record, and the number that this version does not know")
	})
}
