package tables

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/tidwall/gjson"
)

// The SDK decodes every row of a transaction into a map and encodes it anew, which costs more than
// everything else that is done for a record together. So a transaction's body is written here, in
// the SDK's format, and put in place of the SDK's by a policy of its pipeline; address,
// authentication, retries and the reading of the answer stay the SDK's.

// transaction is the body of a transaction on one table.
type transaction struct {
	table   string
	actions []aztables.TransactionAction
}

type transactionKey struct{}

// withTransaction makes the SDK's next transaction under the context carry these actions.
func withTransaction(ctx context.Context, table string, actions []aztables.TransactionAction) (context.Context, []aztables.TransactionAction) {
	if len(actions) == 0 {
		return ctx, actions
	}
	// The SDK wants something to encode; what it makes of it is replaced.
	stand := []aztables.TransactionAction{{ActionType: aztables.TransactionTypeAdd, Entity: []byte(`{"PartitionKey":"","RowKey":""}`)}}
	return context.WithValue(ctx, transactionKey{}, transaction{table: table, actions: actions}), stand
}

// transactionPolicy is the policy that replaces the body. It runs before the retries, so once for
// each transaction.
type transactionPolicy struct{}

func (transactionPolicy) Do(req *policy.Request) (*http.Response, error) {
	in, ok := req.Raw().Context().Value(transactionKey{}).(transaction)
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

// verbs are the HTTP methods of the actions on one row. An insertion goes to the table, anything
// else to the row.
var verbs = map[aztables.TransactionType]string{
	aztables.TransactionTypeAdd:           http.MethodPost,
	aztables.TransactionTypeDelete:        http.MethodDelete,
	aztables.TransactionTypeInsertMerge:   http.MethodPatch,
	aztables.TransactionTypeUpdateMerge:   http.MethodPatch,
	aztables.TransactionTypeInsertReplace: http.MethodPut,
	aztables.TransactionTypeUpdateReplace: http.MethodPut,
}

// write lays the transaction out as multipart/mixed: one change set with one HTTP request for each row.
func (in transaction) write(address, boundary string) []byte {
	const (
		head = "\r\nContent-Transfer-Encoding: binary\r\nContent-Type: application/http\r\n\r\n"
		tail = " HTTP/1.1\r\nAccept: application/json;odata=minimalmetadata\r\nContent-Type: application/json\r\n" +
			"DataServiceVersion: 3.0\r\nPrefer: return-no-content\r\n"
	)
	size := 512
	for _, action := range in.actions {
		size += len(action.Entity) + len(boundary) + len(address) + len(in.table) + len(head) + len(tail) + 64
	}
	b := make([]byte, 0, size)
	b = append(b, "--batch_"+boundary+"\r\nContent-Type: multipart/mixed; boundary=changeset_"+boundary+"\r\n\r\n"...)
	for _, action := range in.actions {
		b = append(b, "--changeset_"...)
		b = append(b, boundary...)
		b = append(b, head...)
		b = append(b, verbs[action.ActionType]...)
		b = append(b, ' ')
		b = append(b, address...)
		b = append(b, in.table...)
		if action.ActionType != aztables.TransactionTypeAdd {
			b = appendRowAddress(b, action.Entity)
		}
		b = append(b, tail...)
		b = append(b, matching(action)...)
		entity := action.Entity
		if action.ActionType == aztables.TransactionTypeDelete {
			entity = nil
		}
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(entity)), 10)
		b = append(b, "\r\n\r\n"...)
		b = append(b, entity...)
		b = append(b, "\r\n"...)
	}
	return append(b, "--changeset_"+boundary+"--\r\n\r\n--batch_"+boundary+"--\r\n"...)
}

// appendRowAddress adds which row of its table an action is about.
func appendRowAddress(b, entity []byte) []byte {
	literal := func(name string) string {
		return url.PathEscape(strings.ReplaceAll(gjson.GetBytes(entity, name).Str, "'", "''"))
	}
	b = append(b, "(PartitionKey='"...)
	b = append(b, literal("PartitionKey")...)
	b = append(b, "',RowKey='"...)
	b = append(b, literal("RowKey")...)
	return append(b, "')"...)
}

// matching is the header that makes an action depend on the row's being as it was read. A deletion
// needs one in any case.
func matching(action aztables.TransactionAction) string {
	switch {
	case action.IfMatch != nil:
		return "If-Match: " + string(*action.IfMatch) + "\r\n"
	case action.ActionType == aztables.TransactionTypeDelete:
		return "If-Match: *\r\n"
	}
	return ""
}
