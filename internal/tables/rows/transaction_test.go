package rows

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestATransactionIsWhatItsFormatAsksFor(t *testing.T) {
	const etag = `W/"datetime'2026-11-21T14%3A00%3A00.0000000Z'"`
	const row = `{"PartitionKey":"p","RowKey":"2_it's ~20","X":"\r\n--changeset_"}`
	const address = "https://acme.table.core.windows.net/things"
	of := address + "(PartitionKey='p',RowKey='2_it%27%27s%20~20')"
	cases := []struct {
		action               Action
		method, url, ifMatch string
		body                 string
	}{
		{Action{Kind: Insert, Row: []byte(row)}, "POST", address, "", row},
		{Action{Kind: Delete, Row: []byte(row)}, "DELETE", of, "*", ""},
		{Action{Kind: Delete, Row: []byte(row), Revision: etag}, "DELETE", of, etag, ""},
		{Action{Kind: Put, Row: []byte(row)}, "PUT", of, "", row},
		{Action{Kind: Swap, Row: []byte(row), Revision: etag}, "PUT", of, etag, row},
		{Action{Kind: Merge, Row: []byte(row)}, "PATCH", of, "", row},
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
	actions := []Action{{Kind: Insert, Row: []byte(`{}`)}, {Kind: Delete, Row: []byte(`{}`)}}
	ctx, standIn := withTransaction(t.Context(), "things", actions)
	require.Equal(t, actions, ctx.Value(transactionKey{}).(transaction).actions)
	require.Len(t, standIn, 1)
}
