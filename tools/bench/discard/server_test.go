package discard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/tools/bench/discard"
)

// connect serves the table server on a socket and returns it with a client of the SDK.
func connect(t *testing.T) (*discard.Server, *aztables.ServiceClient) {
	t.Helper()
	server := discard.New("coverage")
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	cred, err := aztables.NewSharedKeyCredential("bench", "YmVuY2g=")
	require.NoError(t, err)
	client, err := aztables.NewServiceClientWithSharedKey(listener.URL+"/bench", cred, &aztables.ClientOptions{
		ClientOptions: policy.ClientOptions{Retry: policy.RetryOptions{MaxRetries: -1}},
	})
	require.NoError(t, err)
	return server, client
}

func entity(t *testing.T, partition, row string, properties map[string]any) []byte {
	t.Helper()
	all := map[string]any{"PartitionKey": partition, "RowKey": row}
	for name, value := range properties {
		all[name] = value
	}
	body, err := json.Marshal(all)
	require.NoError(t, err)
	return body
}

func batch(t *testing.T, kind aztables.TransactionType, partition string, n int) []aztables.TransactionAction {
	t.Helper()
	actions := make([]aztables.TransactionAction, n)
	for i := range actions {
		actions[i] = aztables.TransactionAction{
			ActionType: kind,
			Entity: entity(t, partition, fmt.Sprintf("row'%03d", i),
				map[string]any{"Text": "ä\r\n--changeset_", "N": i}),
		}
	}
	return actions
}

func code(t *testing.T, err error) (int, string) {
	t.Helper()
	var response *azcore.ResponseError
	require.True(t, errors.As(err, &response), "%v", err)
	return response.StatusCode, response.ErrorCode
}

func TestATableIsCreatedOnceAndListed(t *testing.T) {
	_, service := connect(t)
	client := service.NewClient("signIns202611")
	_, err := client.CreateTable(context.Background(), nil)
	require.NoError(t, err)
	_, err = client.CreateTable(context.Background(), nil)
	status, name := code(t, err)
	require.Equal(t, 409, status)
	require.Equal(t, "TableAlreadyExists", name)
	page, err := service.NewListTablesPager(nil).NextPage(context.Background())
	require.NoError(t, err)
	require.Len(t, page.Tables, 1)
	require.Equal(t, "signIns202611", *page.Tables[0].Name)
	_, err = client.Delete(context.Background(), nil)
	require.NoError(t, err)
	_, err = client.UpsertEntity(context.Background(), entity(t, "p", "r", nil), nil)
	status, name = code(t, err)
	require.Equal(t, 404, status)
	require.Equal(t, "TableNotFound", name)
}

func TestRecordsAreCountedAndDiscarded(t *testing.T) {
	server, service := connect(t)
	client := service.NewClient("records")
	ctx := context.Background()
	_, err := client.CreateTable(ctx, nil)
	require.NoError(t, err)
	for _, kind := range []aztables.TransactionType{aztables.TransactionTypeAdd, aztables.TransactionTypeInsertReplace,
		aztables.TransactionTypeInsertMerge} {
		_, err = client.SubmitTransaction(ctx, batch(t, kind, "p", 100), nil)
		require.NoError(t, err)
	}
	_, err = client.UpsertEntity(ctx, entity(t, "p", "r", nil), nil)
	require.NoError(t, err)
	_, err = client.AddEntity(ctx, entity(t, "p", "r", nil), nil)
	require.NoError(t, err)
	counters := server.Counters()
	require.EqualValues(t, 302, counters.Records)
	require.EqualValues(t, 6, counters.Requests)

	_, err = client.GetEntity(ctx, "p", "r", nil)
	status, name := code(t, err)
	require.Equal(t, 404, status)
	require.Equal(t, "ResourceNotFound", name)
	page, err := client.NewListEntitiesPager(nil).NextPage(ctx)
	require.NoError(t, err)
	require.Empty(t, page.Entities)

	server.Reset()
	require.Zero(t, server.Counters())
}

func TestStoredBytesFollowTheServicesFormula(t *testing.T) {
	server, service := connect(t)
	client := service.NewClient("records")
	_, err := client.CreateTable(context.Background(), nil)
	require.NoError(t, err)
	_, err = client.UpsertEntity(context.Background(), entity(t, "pp", "r", map[string]any{
		"S": "äb", "I": 7, "L": "7", "L@odata.type": "Edm.Int64", "B": "AAECAw==", "B@odata.type": "Edm.Binary",
		"T": true,
	}), nil)
	require.NoError(t, err)
	const keys, names = 4 + 2*3, 5 * (8 + 2)
	require.EqualValues(t, keys+names+(4+2*2)+4+8+(4+4)+1, server.Counters().StoredBytes)
}

func TestRowsOfKeptTablesAreReadBack(t *testing.T) {
	server, service := connect(t)
	client := service.NewClient("coverage")
	ctx := context.Background()
	_, err := client.CreateTable(ctx, nil)
	require.NoError(t, err)
	_, err = client.SubmitTransaction(ctx, batch(t, aztables.TransactionTypeInsertReplace, "signIns", 100), nil)
	require.NoError(t, err)
	_, err = client.SubmitTransaction(ctx, batch(t, aztables.TransactionTypeInsertReplace, "audits", 3), nil)
	require.NoError(t, err)
	require.Zero(t, server.Counters().Records)

	got, err := client.GetEntity(ctx, "signIns", "row'007", nil)
	require.NoError(t, err)
	require.Contains(t, string(got.Value), `"N":7`)
	require.NotEmpty(t, got.ETag)

	_, err = client.UpsertEntity(ctx, entity(t, "signIns", "row'007", map[string]any{"M": 1}), nil)
	require.NoError(t, err)
	got, err = client.GetEntity(ctx, "signIns", "row'007", nil)
	require.NoError(t, err)
	require.Contains(t, string(got.Value), `"N":7`)
	require.Contains(t, string(got.Value), `"M":1`)

	_, err = client.DeleteEntity(ctx, "audits", "row'000", nil)
	require.NoError(t, err)
	require.Equal(t, []int{2}, pages(t, client, "PartitionKey eq 'audits'", nil))
}

func pages(t *testing.T, client *aztables.Client, filter string, top *int32) []int {
	t.Helper()
	pager := client.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Top: top})
	var sizes []int
	for pager.More() {
		page, err := pager.NextPage(context.Background())
		require.NoError(t, err)
		sizes = append(sizes, len(page.Entities))
	}
	return sizes
}

func TestARangeOfKeysIsQueried(t *testing.T) {
	_, service := connect(t)
	client := service.NewClient("coverage")
	ctx := context.Background()
	_, err := client.CreateTable(ctx, nil)
	require.NoError(t, err)
	_, err = client.SubmitTransaction(ctx, batch(t, aztables.TransactionTypeAdd, "p", 100), nil)
	require.NoError(t, err)
	cases := []struct {
		filter string
		top    *int32
		want   []int
	}{
		{"", nil, []int{100}},
		{"PartitionKey eq 'q'", nil, []int{0}},
		{"PartitionKey eq 'p' and RowKey ge 'row''010' and RowKey lt 'row''020'", nil, []int{10}},
		{"(PartitionKey eq 'p') and (RowKey gt 'row''010' and RowKey le 'row''020')", nil, []int{10}},
		{"PartitionKey eq 'p'", to.Ptr[int32](40), []int{40, 40, 20}},
	}
	for _, c := range cases {
		require.Equal(t, c.want, pages(t, client, c.filter, c.top), c.filter)
	}
	_, err = client.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: to.Ptr("N gt 3 or N lt 2")}).
		NextPage(ctx)
	status, _ := code(t, err)
	require.Equal(t, 501, status)
}

func TestAKeptRowIsReplacedOnlyIfItIsTheOneThatWasRead(t *testing.T) {
	_, service := connect(t)
	client := service.NewClient("coverage")
	ctx := context.Background()
	_, err := client.CreateTable(ctx, nil)
	require.NoError(t, err)
	first, err := client.UpsertEntity(ctx, entity(t, "p", "r", map[string]any{"N": 1}), nil)
	require.NoError(t, err)
	replace := func(row string, tag azcore.ETag) error {
		_, err := client.SubmitTransaction(ctx, []aztables.TransactionAction{
			{ActionType: aztables.TransactionTypeAdd, Entity: entity(t, "p", row, nil)},
			{ActionType: aztables.TransactionTypeUpdateReplace, IfMatch: &tag,
				Entity: entity(t, "p", "r", map[string]any{"N": 2})},
		}, nil)
		return err
	}
	require.NoError(t, replace("s", first.ETag))
	err = replace("t", first.ETag)
	status, _ := code(t, err)
	require.Equal(t, 202, status, "a failed transaction carries its status inside")
	var response *azcore.ResponseError
	require.ErrorAs(t, err, &response)
	body, err := runtime.Payload(response.RawResponse)
	require.NoError(t, err)
	require.Contains(t, string(body), "HTTP/1.1 412")
	require.Equal(t, []int{2}, pages(t, client, "", nil), "nothing of the failed transaction was kept")
}
