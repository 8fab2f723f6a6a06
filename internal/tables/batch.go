package tables

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http"
	"strconv"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// The SDK decodes every row of a transaction into a map and encodes it anew, which costs more than everything else that
// is done for a record together. So a transaction that only inserts has its body written here, in the SDK's format,
// and put in place of the SDK's by a policy of its pipeline; address, authentication, retries and the reading of the
// answer stay the SDK's.

// insertions is the body of a transaction that only inserts rows.
type insertions struct {
	table string
	rows  [][]byte
}

type insertionsKey struct{}

// withInsertions makes the SDK's next transaction under the context carry these rows.
func withInsertions(ctx context.Context, table string, actions []aztables.TransactionAction) (context.Context, []aztables.TransactionAction) {
	rows := make([][]byte, len(actions))
	for i, action := range actions {
		if action.ActionType != aztables.TransactionTypeAdd {
			return ctx, actions
		}
		rows[i] = action.Entity
	}
	if len(rows) == 0 {
		return ctx, actions
	}
	// The SDK wants something to encode; what it makes of it is replaced.
	stand := []aztables.TransactionAction{{ActionType: aztables.TransactionTypeAdd, Entity: []byte(`{"PartitionKey":"","RowKey":""}`)}}
	return context.WithValue(ctx, insertionsKey{}, insertions{table: table, rows: rows}), stand
}

// insertionsPolicy is the policy that replaces the body. It runs before the retries, so once for each transaction.
type insertionsPolicy struct{}

func (insertionsPolicy) Do(req *policy.Request) (*http.Response, error) {
	in, ok := req.Raw().Context().Value(insertionsKey{}).(insertions)
	if ok {
		address, _ := bytes.CutSuffix([]byte(req.Raw().URL.String()), []byte("$batch"))
		boundary := rand.Text()
		body := in.write(string(address), boundary)
		if err := req.SetBody(streaming.NopCloser(bytes.NewReader(body)), "multipart/mixed; boundary=batch_"+boundary); err != nil {
			return nil, err
		}
	}
	return req.Next()
}

// write lays the transaction out as multipart/mixed: one change set with one HTTP request for each row.
func (in insertions) write(address, boundary string) []byte {
	const (
		head = "\r\nContent-Transfer-Encoding: binary\r\nContent-Type: application/http\r\n\r\nPOST "
		tail = " HTTP/1.1\r\nAccept: application/json;odata=minimalmetadata\r\nContent-Type: application/json\r\n" +
			"DataServiceVersion: 3.0\r\nPrefer: return-no-content\r\nContent-Length: "
	)
	size := 512
	for _, row := range in.rows {
		size += len(row) + len(boundary) + len(address) + len(in.table) + len(head) + len(tail) + 64
	}
	b := make([]byte, 0, size)
	b = append(b, "--batch_"+boundary+"\r\nContent-Type: multipart/mixed; boundary=changeset_"+boundary+"\r\n\r\n"...)
	for _, row := range in.rows {
		b = append(b, "--changeset_"...)
		b = append(b, boundary...)
		b = append(b, head...)
		b = append(b, address...)
		b = append(b, in.table...)
		b = append(b, tail...)
		b = strconv.AppendInt(b, int64(len(row)), 10)
		b = append(b, "\r\n\r\n"...)
		b = append(b, row...)
		b = append(b, "\r\n"...)
	}
	return append(b, "--changeset_"+boundary+"--\r\n\r\n--batch_"+boundary+"--\r\n"...)
}
