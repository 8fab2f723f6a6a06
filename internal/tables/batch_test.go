package tables

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"
)

func TestATransactionIsWhatItsFormatAsksFor(t *testing.T) {
	etag := azcore.ETag(`W/"datetime'2026-11-21T14%3A00%3A00.0000000Z'"`)
	row := `{"PartitionKey":"p","RowKey":"2_it's ~20","X":"\r\n--changeset_"}`
	const address = "https://acme.table.core.windows.net/things"
	of := address + "(PartitionKey='p',RowKey='2_it%27%27s%20~20')"
	cases := []struct {
		action               aztables.TransactionAction
		method, url, ifMatch string
		body                 string
	}{
		{aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: []byte(row)}, "POST", address, "", row},
		{aztables.TransactionAction{ActionType: aztables.TransactionTypeDelete, Entity: []byte(row)}, "DELETE", of, "*", ""},
		{aztables.TransactionAction{ActionType: aztables.TransactionTypeDelete, Entity: []byte(row), IfMatch: &etag}, "DELETE", of, string(etag), ""},
		{aztables.TransactionAction{ActionType: aztables.TransactionTypeInsertReplace, Entity: []byte(row)}, "PUT", of, "", row},
		{aztables.TransactionAction{ActionType: aztables.TransactionTypeUpdateReplace, Entity: []byte(row), IfMatch: &etag}, "PUT", of, string(etag), row},
		{aztables.TransactionAction{ActionType: aztables.TransactionTypeInsertMerge, Entity: []byte(row)}, "PATCH", of, "", row},
		{aztables.TransactionAction{ActionType: aztables.TransactionTypeUpdateMerge, Entity: []byte(row), IfMatch: &etag}, "PATCH", of, string(etag), row},
	}
	in := transaction{table: "things"}
	for _, c := range cases {
		in.actions = append(in.actions, c.action)
	}
	body := in.write("https://acme.table.core.windows.net/", "b0undary")

	batch := multipart.NewReader(bytes.NewReader(body), "batch_b0undary")
	outer, err := batch.NextRawPart()
	require.NoError(t, err)
	_, params, err := mime.ParseMediaType(outer.Header.Get("Content-Type"))
	require.NoError(t, err)
	changes := multipart.NewReader(outer, params["boundary"])
	for _, c := range cases {
		part, err := changes.NextRawPart()
		require.NoError(t, err)
		require.Equal(t, "application/http", part.Header.Get("Content-Type"))
		require.Equal(t, "binary", part.Header.Get("Content-Transfer-Encoding"))
		req, err := http.ReadRequest(bufio.NewReader(part))
		require.NoError(t, err)
		require.Equal(t, c.method+" "+c.url, req.Method+" "+req.RequestURI)
		require.Equal(t, c.ifMatch, req.Header.Get("If-Match"))
		require.Equal(t, "return-no-content", req.Header.Get("Prefer"))
		got, err := io.ReadAll(req.Body)
		require.NoError(t, err)
		require.Equal(t, c.body, string(got))
	}
	_, err = changes.NextRawPart()
	require.ErrorIs(t, err, io.EOF)
	_, err = batch.NextRawPart()
	require.ErrorIs(t, err, io.EOF)
}

func TestTheSDKSendsWhatIsWrittenHere(t *testing.T) {
	add := aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: []byte(`{}`)}
	drop := aztables.TransactionAction{ActionType: aztables.TransactionTypeDelete, Entity: []byte(`{}`)}
	ctx, actions := withTransaction(t.Context(), "things", []aztables.TransactionAction{add, drop})
	require.Len(t, ctx.Value(transactionKey{}).(transaction).actions, 2)
	require.Len(t, actions, 1)
}
