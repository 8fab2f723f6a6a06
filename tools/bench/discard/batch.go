package discard

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// operation is one write, alone or within a batch.
type operation struct {
	method  string
	target  target
	ifMatch string
	body    []byte // aliases the request's body
}

var (
	lineEnd  = []byte("\r\n")
	blank    = []byte("\r\n\r\n")
	openPart = []byte("--changeset_")
)

// batch answers an entity group transaction: all operations or none.
func (s *Server) batch(w http.ResponseWriter, r *http.Request, body []byte) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		writeFault(w, fault{http.StatusBadRequest, "InvalidInput", "the batch has no boundary"})
		return
	}
	ops, err := parseBatch(body)
	if err != nil {
		writeFault(w, fault{http.StatusBadRequest, "InvalidInput", err.Error()})
		return
	}
	tags, index, failed := s.apply(ops)
	const boundary, inner = "batchresponse_discard", "changesetresponse_discard"
	var out bytes.Buffer
	out.Grow(256 * (len(ops) + 1))
	fmt.Fprintf(&out, "--%s\r\nContent-Type: multipart/mixed; boundary=%s\r\n\r\n", boundary, inner)
	part := "--" + inner + "\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
	if failed != nil {
		out.WriteString(part)
		fmt.Fprintf(&out, "HTTP/1.1 %d %s\r\nContent-Type: application/json;odata=minimalmetadata\r\n\r\n",
			failed.status, http.StatusText(failed.status))
		out.Write(failed.body(fmt.Sprintf("%d:", index)))
		out.Write(lineEnd)
	} else {
		for _, tag := range tags {
			out.WriteString(part)
			out.WriteString("HTTP/1.1 204 No Content\r\nDataServiceVersion: 1.0;\r\n")
			if tag != "" {
				out.WriteString("ETag: " + tag + "\r\n")
			}
			out.Write(blank)
		}
	}
	fmt.Fprintf(&out, "--%s--\r\n--%s--\r\n", inner, boundary)
	w.Header().Set("Content-Type", "multipart/mixed; boundary="+boundary)
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write(out.Bytes())
}

// parseBatch cuts a changeset into its operations. It looks for the changeset's boundary only,
// which the client begins with "changeset_", as the service's documentation asks for.
func parseBatch(body []byte) ([]operation, error) {
	start := bytes.Index(body, openPart)
	if start < 0 {
		return nil, errors.New("the batch has no changeset")
	}
	end := bytes.Index(body[start:], lineEnd)
	if end < 0 {
		return nil, errors.New("the changeset is cut")
	}
	delimiter := append([]byte("\r\n"), body[start:start+end]...)
	rest := body[start+end:]
	var ops []operation
	for !bytes.HasPrefix(rest, []byte("--")) {
		next := bytes.Index(rest, delimiter)
		if next < 0 {
			return nil, errors.New("the changeset is cut")
		}
		op, err := parseOperation(rest[:next])
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
		rest = rest[next+len(delimiter):]
	}
	if len(ops) > 100 {
		return nil, fmt.Errorf("the batch has %d operations, over 100", len(ops))
	}
	return ops, nil
}

// parseOperation reads one part: MIME headers, a request line, headers, the entity.
func parseOperation(part []byte) (operation, error) {
	_, request, ok := bytes.Cut(part, blank)
	if !ok {
		return operation{}, errors.New("an operation has no request")
	}
	head, entity, ok := bytes.Cut(request, blank)
	if !ok {
		return operation{}, errors.New("an operation's headers are cut")
	}
	line, headers, _ := bytes.Cut(head, lineEnd)
	words := strings.Split(string(line), " ")
	if len(words) != 3 {
		return operation{}, fmt.Errorf("no request line: %q", line)
	}
	at, ok := parseTargetURL(words[1])
	if !ok {
		return operation{}, fmt.Errorf("no table request: %q", words[1])
	}
	return operation{method: words[0], target: at, ifMatch: header(headers, "If-Match: "), body: entity}, nil
}

// header finds a header as aztables writes it: canonical name, one blank.
func header(headers []byte, name string) string {
	_, value, found := bytes.Cut(headers, []byte(name))
	if !found {
		return ""
	}
	value, _, _ = bytes.Cut(value, lineEnd)
	return string(value)
}
