package web

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
)

// querySegment ends the path of a POST whose body is the query of a GET, as OData has it. Source:
// OData 4.01, part 2, section 4.17 "Passing Query Options in the Request Body"; 4.02 adds the form
// of HTML as the body's type.
const querySegment = "$query"

// lastParameter is the optional one at the end of routes that is there for $query alone: the host
// has to let such a path through.
const lastParameter = "query"

// longestQuery bounds the body of a POST to $query, in bytes.
const longestQuery = 64 << 10

// queryTypes are the types that such a body may have.
var queryTypes = []string{"text/plain", "application/x-www-form-urlencoded"}

// cutQuery is an escaped path without the segment $query, if that is its last.
func cutQuery(escaped string) (string, bool) {
	trimmed := strings.TrimSuffix(escaped, "/")
	at := strings.LastIndexByte(trimmed, '/')
	last, err := url.PathUnescape(trimmed[at+1:])
	if at < 0 || err != nil || last != querySegment {
		return escaped, false
	}
	return trimmed[:at], true
}

// posted is the GET that a POST to $query stands for: its path, and the query of its body beside
// that of its address.
func (h *Host) posted(w http.ResponseWriter, r *http.Request, path string) (*http.Request, error) {
	if err := checkQueryType(r.Header); err != nil {
		return r, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestQuery))
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return r, &entra.Error{Code: entra.CodeBodyTooLarge, Doing: "read the query in the body",
			Why: "it has more than 65,536 bytes", Remedy: "ask for less at once, in several requests"}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.Header().Set("Connection", "close") // what is left of the body is not waited for
		return r, slowBody(h.limits.Stall, false)
	}
	if err != nil {
		return r, &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query in the body", Err: err}
	}
	query := strings.Trim(strings.TrimSpace(strings.TrimPrefix(string(body), "\ufeff")), "&")
	if r.URL.RawQuery != "" {
		query = strings.TrimSuffix(r.URL.RawQuery+"&"+query, "&")
	}
	out := withQuery(r, http.MethodGet, query)
	out.URL.RawPath = path
	if out.URL.Path, err = url.PathUnescape(path); err != nil {
		return r, err
	}
	return out, nil
}

func checkQueryType(h http.Header) error {
	given := h.Get("Content-Type")
	kind, more, err := mime.ParseMediaType(given)
	if coding := h.Get("Content-Encoding"); coding != "" && coding != "identity" {
		given, err = "encoded as "+coding, errors.ErrUnsupported
	}
	if charset := more["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") &&
		!strings.EqualFold(charset, "us-ascii") {
		err = errors.ErrUnsupported
	}
	if err == nil && slices.Contains(queryTypes, kind) {
		return nil
	}
	return &entra.Error{Code: entra.CodeMediaType, Doing: "read the query in the body",
		Why: "it is " + orNothing(entra.Clip(given, 80)), Remedy: "send Content-Type: text/plain; charset=utf-8, " +
			"and as the body what would follow the question mark of the address"}
}

func orNothing(contentType string) string {
	if contentType == "" {
		return "of no Content-Type"
	}
	return contentType
}
