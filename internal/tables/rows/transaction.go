package rows

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

// The SDK decodes every row of a transaction into a map and encodes it again, which costs more than
// all other work on a record. So a transaction's body is written here, in the SDK's format, and a
// policy of its pipeline replaces the SDK's body with it; address, authentication, retries and the
// reading of the answer stay the SDK's.

// ActionKind says what is done with a row.
type ActionKind int

// The kinds of action.
const (
	Insert ActionKind = iota // add a row that is not there yet
	Put                      // write a row whether it is there or not
	Merge                    // write some columns of a row whether it is there or not
	Swap                     // write a row in the place of the one of a revision
	Delete                   // delete a row, whatever it is or that of a revision
)

// Action is what a transaction does with one row.
type Action struct {
	Kind     ActionKind
	Row      []byte // the entity's JSON; of a deletion the keys are enough
	Revision string // of the row that is replaced or deleted; empty: any
}

// Deletion deletes a row. revision is Action's.
func Deletion(partition, key, revision string) Action {
	return Action{Kind: Delete, Row: NewEntity(partition, key, 256).Done().Body, Revision: revision}
}

// methods are the HTTP methods of the actions. An insertion goes to the table, anything else to the
// row.
var methods = map[ActionKind]string{Insert: http.MethodPost, Delete: http.MethodDelete, Merge: http.MethodPatch,
	Put: http.MethodPut, Swap: http.MethodPut}

// transaction is the body of a transaction on one table.
type transaction struct {
	table   string
	actions []Action
}

type transactionKey struct{}

// withTransaction makes the SDK's next transaction under the context carry these actions. standIn
// is what the SDK is given to encode; the result is replaced.
func withTransaction(ctx context.Context, table string,
	actions []Action) (sending context.Context, standIn []aztables.TransactionAction) {
	if len(actions) == 0 {
		return ctx, nil
	}
	standIn = []aztables.TransactionAction{{ActionType: aztables.TransactionTypeAdd,
		Entity: []byte(`{"PartitionKey":"","RowKey":""}`)}}
	return context.WithValue(ctx, transactionKey{}, transaction{table: table, actions: actions}), standIn
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
		err := req.SetBody(streaming.NopCloser(bytes.NewReader(body)), "multipart/mixed; boundary=batch_"+boundary)
		if err != nil {
			return nil, err
		}
	}
	return req.Next()
}

// write writes the transaction as multipart/mixed: one change set with one HTTP request for each
// row.
func (in transaction) write(address, boundary string) []byte {
	const (
		head = "\r\nContent-Transfer-Encoding: binary\r\nContent-Type: application/http\r\n\r\n"
		tail = " HTTP/1.1\r\nAccept: application/json;odata=minimalmetadata\r\nContent-Type: application/json\r\n" +
			"DataServiceVersion: 3.0\r\nPrefer: return-no-content\r\n"
	)
	size := 512
	for _, action := range in.actions {
		size += len(action.Row) + len(boundary) + len(address) + len(in.table) + len(head) + len(tail) + 64
	}
	b := make([]byte, 0, size)
	b = append(b, "--batch_"+boundary+"\r\nContent-Type: multipart/mixed; boundary=changeset_"+boundary+"\r\n\r\n"...)
	for _, action := range in.actions {
		b = append(b, "--changeset_"...)
		b = append(b, boundary...)
		b = append(b, head...)
		b = append(b, methods[action.Kind]...)
		b = append(b, ' ')
		b = append(b, address...)
		b = append(b, in.table...)
		if action.Kind != Insert {
			b = appendRowAddress(b, action.Row)
		}
		b = append(b, tail...)
		b = append(b, matching(action)...)
		row := action.Row
		if action.Kind == Delete {
			row = nil
		}
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(row)), 10)
		b = append(b, "\r\n\r\n"...)
		b = append(b, row...)
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
func matching(action Action) string {
	switch {
	case action.Revision != "":
		return "If-Match: " + action.Revision + "\r\n"
	case action.Kind == Delete:
		return "If-Match: *\r\n"
	}
	return ""
}
