package tables_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// TestARowHasTheColumnSetThatItWasWrittenWith, and that they were altered.
func TestARowHasTheColumnSetThatItWasWrittenWith(t *testing.T) {
	service := memstorage.New(time.Now)
	store, err := tablestest.New(tables.Config{ConnectionString: service.ConnectionString(), HTTP: service.Client()})
	require.NoError(t, err)
	raw := fmt.Sprintf(`{"id":"a","createdDateTime":%q,"userId":"7f34741d-e1d0-47a5-a7e1-d5e4c53083a4","userPrincipalName":"zoë@contoso.example",
		"status":{"errorCode":50126},"clientAppUsed":"IMAP4","riskState":"none","sessionId":"005ab1c2-9c9f-4a19-8d04-91b9e8bd19e4"}`, hour.Format(time.RFC3339))
	rec, err := logs.ParseRecord(window.Stream, []byte(raw))
	require.NoError(t, err)
	old := rec
	old.Columns = nil
	for _, col := range rec.Columns {
		if logs.Of(window.Stream).Since(col.Name) == 1 {
			old.Columns = append(old.Columns, col)
		}
	}
	require.Less(t, len(old.Columns), len(rec.Columns))
	for name, c := range map[string]struct {
		written entra.Record
		change  map[string]any // of the row's columns; nil deletes one
		set     int
		foreign string
	}{
		"all":                      {rec, nil, 2, ""},
		"of a version before":      {old, nil, 1, ""},
		"a later one is not there": {rec, map[string]any{"SessionId": nil}, 0, ""},
		"one of the first set":     {rec, map[string]any{"UserPrincipalName": nil}, 0, ""},
		"another text":             {rec, map[string]any{"UserPrincipalName": "zoe@contoso.example"}, 0, ""},
		"another number":           {rec, map[string]any{"ErrorCode": 0}, 0, ""},
		"a number as a text":       {rec, map[string]any{"ErrorCode": "50126"}, 0, ""},
		"a GUID as a text": {rec, map[string]any{"UserId": "7f34741d-e1d0-47a5-a7e1-d5e4c53083a4",
			"UserId@odata.type": nil}, 0, ""},
		"a usual value":               {rec, map[string]any{"RiskState": "none"}, 0, ""},
		"another GUID":                {rec, map[string]any{"UserId": "7f34741d-e1d0-47a5-a7e1-d5e4c53083a5"}, 0, ""},
		"one that is nobody's":        {rec, map[string]any{"Comment": "looked at"}, 2, "Comment"},
		"of before, and one too many": {old, map[string]any{"ClientAppUsed": "IMAP4"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			service.Reset()
			_, err := store.Insert(t.Context(), window, []entra.Record{c.written}, seen)
			require.NoError(t, err)
			if c.change != nil {
				changeRow(t, service, c.change)
			}
			n := 0
			for row, err := range store.Inspect(t.Context(), window.Stream, window.Start, window.End()) {
				require.NoError(t, err)
				require.Empty(t, row.Problem)
				require.Equal(t, c.set, row.Set)
				require.Equal(t, c.foreign, row.Foreign)
				n++
			}
			require.Equal(t, 1, n)
		})
	}
}

// changeRow writes the window's only row again, with other columns.
func changeRow(t *testing.T, service *memstorage.Service, change map[string]any) {
	client, err := aztables.NewServiceClientFromConnectionString(service.ConnectionString(),
		&aztables.ClientOptions{ClientOptions: policy.ClientOptions{Transport: service.Client()}})
	require.NoError(t, err)
	table := client.NewClient(tables.TableName(window))
	page, err := table.NewListEntitiesPager(nil).NextPage(t.Context())
	require.NoError(t, err)
	require.Len(t, page.Entities, 1)
	var row map[string]any
	require.NoError(t, json.Unmarshal(page.Entities[0], &row))
	for name, value := range change {
		delete(row, name)
		if value == nil {
			delete(row, name+"@odata.type")
		} else {
			row[name] = value
		}
	}
	body, err := json.Marshal(row)
	require.NoError(t, err)
	_, err = table.UpsertEntity(t.Context(), body,
		&aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	require.NoError(t, err)
}
