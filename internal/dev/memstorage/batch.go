package memstorage

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// maxOperations is how many writes a transaction may have.
const maxOperations = 100

var errChangeSet = errors.New("the batch is not one change set of HTTP requests")

// parseBatch reads an entity group transaction: multipart/mixed with one change set of HTTP
// requests.
func parseBatch(contentType string, body []byte) ([]operation, *fault) {
	outer, err := splitParts(contentType, body)
	if err != nil || len(outer) != 1 {
		return nil, invalidInput(errChangeSet.Error())
	}
	head, set, _ := bytes.Cut(outer[0], blankLine)
	_, kind, _ := bytes.Cut(head, []byte("Content-Type:"))
	kind, _, _ = bytes.Cut(kind, lineEnd)
	parts, err := splitParts(string(bytes.TrimSpace(kind)), set)
	if err != nil {
		return nil, invalidInput(err.Error())
	}
	ops := make([]operation, len(parts))
	for i, part := range parts {
		_, request, _ := bytes.Cut(part, blankLine)
		if ops[i], err = parsePart(request); err != nil {
			return nil, invalidInput(err.Error())
		}
	}
	return ops, nil
}

var lineEnd, blankLine = []byte("\r\n"), []byte("\r\n\r\n")

// splitParts cuts a multipart body at its boundary. Each part begins with its headers.
func splitParts(contentType string, body []byte) ([][]byte, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/mixed" || params["boundary"] == "" {
		return nil, errChangeSet
	}
	delimiter := []byte("\r\n--" + params["boundary"])
	_, rest, begun := bytes.Cut(body, delimiter[2:])
	var parts [][]byte
	for begun && bytes.HasPrefix(rest, lineEnd) {
		part, after, ended := bytes.Cut(rest[2:], delimiter)
		if !ended {
			return nil, errChangeSet
		}
		parts, rest = append(parts, part), after
	}
	if !bytes.HasPrefix(rest, []byte("--")) {
		return nil, errChangeSet
	}
	return parts, nil
}

// parsePart reads one request of a change set: request line, headers, body.
func parsePart(text []byte) (operation, error) {
	head, body, _ := bytes.Cut(text, []byte("\r\n\r\n"))
	line, headers, _ := strings.Cut(string(head), "\r\n")
	words := strings.Split(line, " ")
	if len(words) != 3 {
		return operation{}, errChangeSet
	}
	u, err := url.Parse(words[1])
	if err != nil {
		return operation{}, errChangeSet
	}
	header := make(http.Header)
	for _, one := range strings.Split(headers, "\r\n") {
		if name, value, ok := strings.Cut(one, ":"); ok {
			header.Set(textproto.TrimString(name), textproto.TrimString(value))
		}
	}
	return parseOperation(words[0], strings.TrimPrefix(u.Path, "/"), header, body), nil
}

// checkBatch enforces what holds for a transaction as a whole. The index is that of the operation
// to blame.
func checkBatch(ops []operation) (int, *fault) {
	if len(ops) > maxOperations {
		return maxOperations - 1, tooManyChanges
	}
	seen := make(map[string]bool, len(ops))
	for i, o := range ops {
		switch {
		case !strings.EqualFold(o.table, ops[0].table):
			return i, invalidInput("All commands in a batch must operate on same table.")
		case o.row.partition != ops[0].row.partition:
			return i, partitionsMixed
		case seen[o.row.key]:
			return i, duplicateRow
		}
		seen[o.row.key] = true
	}
	return 0, nil
}

// fixedHeaders are the same for every part of an answer.
const fixedHeaders = "X-Content-Type-Options: nosniff\r\nCache-Control: no-cache\r\nDataServiceVersion: 3.0;\r\n"

// batchAnswer is 202 whatever the transaction's result: the real status is in the answer's parts. A
// transaction that failed has one part only, whose message begins with the index of the operation.
func batchAnswer(ops []operation, done []*row, index int, failed *fault) Answer {
	const boundary, inner = "batchresponse_memory", "changesetresponse_memory"
	var out bytes.Buffer
	fmt.Fprintf(&out, "--%s\r\nContent-Type: multipart/mixed; boundary=%s\r\n\r\n", boundary, inner)
	part := func(status int, headers string, body []byte) {
		fmt.Fprintf(&out, "--%s\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n", inner)
		fmt.Fprintf(&out, "HTTP/1.1 %d %s\r\n%s", status, http.StatusText(status), fixedHeaders)
		fmt.Fprintf(&out, "%s\r\n", headers)
		out.Write(body)
		out.WriteString("\r\n")
	}
	if failed != nil {
		part(failed.status, "Content-Type: "+jsonType+"\r\n", failed.body(fmt.Sprintf("%d:", index)))
	}
	for i, r := range done {
		switch {
		case r == nil:
			part(http.StatusNoContent, "", nil)
		case ops[i].method == http.MethodPost && !ops[i].quiet:
			part(http.StatusCreated, "Content-Type: "+jsonType+"\r\nETag: "+r.etag()+"\r\n", r.appendTo(nil, nil))
		default:
			part(http.StatusNoContent, "ETag: "+r.etag()+"\r\n", nil)
		}
	}
	fmt.Fprintf(&out, "--%s--\r\n--%s--\r\n", inner, boundary)
	header := http.Header{"Content-Type": {"multipart/mixed; boundary=" + boundary}}
	return Answer{Status: http.StatusAccepted, Header: header, Body: out.Bytes()}
}
