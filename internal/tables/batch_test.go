package tables

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"
)

func TestATransactionOfInsertionsIsWhatItsFormatAsksFor(t *testing.T) {
	rows := [][]byte{[]byte(`{"PartitionKey":"p","RowKey":"1"}`), []byte(`{"PartitionKey":"p","RowKey":"2","X":"\r\n--changeset_"}`)}
	body := insertions{table: "things", rows: rows}.write("https://acme.table.core.windows.net/", "b0undary")

	batch := multipart.NewReader(bytes.NewReader(body), "batch_b0undary")
	outer, err := batch.NextRawPart()
	require.NoError(t, err)
	_, params, err := mime.ParseMediaType(outer.Header.Get("Content-Type"))
	require.NoError(t, err)
	changes := multipart.NewReader(outer, params["boundary"])
	for _, row := range rows {
		part, err := changes.NextRawPart()
		require.NoError(t, err)
		require.Equal(t, "application/http", part.Header.Get("Content-Type"))
		require.Equal(t, "binary", part.Header.Get("Content-Transfer-Encoding"))
		req, err := http.ReadRequest(bufio.NewReader(part))
		require.NoError(t, err)
		require.Equal(t, "POST https://acme.table.core.windows.net/things", req.Method+" "+req.URL.String())
		require.Equal(t, "return-no-content", req.Header.Get("Prefer"))
		got, err := io.ReadAll(req.Body)
		require.NoError(t, err)
		require.Equal(t, string(row), string(got))
	}
	_, err = changes.NextRawPart()
	require.ErrorIs(t, err, io.EOF)
	_, err = batch.NextRawPart()
	require.ErrorIs(t, err, io.EOF)
}

func TestOnlyPureInsertionsAreWrittenByUs(t *testing.T) {
	add := aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: []byte(`{}`)}
	drop := aztables.TransactionAction{ActionType: aztables.TransactionTypeDelete, Entity: []byte(`{}`)}
	ctx, actions := withInsertions(t.Context(), "things", []aztables.TransactionAction{add, drop})
	require.Nil(t, ctx.Value(insertionsKey{}))
	require.Len(t, actions, 2)
	ctx, actions = withInsertions(t.Context(), "things", []aztables.TransactionAction{add, add, add})
	require.Len(t, ctx.Value(insertionsKey{}).(insertions).rows, 3)
	require.Len(t, actions, 1)
}
