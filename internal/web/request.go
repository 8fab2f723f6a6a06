package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/questions"
)

// Request is what a function is asked. Its query has been checked by what the operation declares.
type Request struct {
	Query  Query
	Header http.Header // of the answer, also where it is an error

	http   *http.Request
	writer *guarded
	path   map[string]string
	base   string
	caller caller
	links  *links
	keeper *questions.Questions // nil: links are as long as their questions
}

// Method is the request's, as it was sent.
func (r Request) Method() string { return r.http.Method }

// Address is the path, as it was sent.
func (r Request) Address() string { return r.http.URL.Path }

// Path is a parameter of the route; empty where it is optional and not given.
func (r Request) Path(name string) string { return r.path[name] }

// Base is the public address of this app, without a slash at the end.
func (r Request) Base() string { return r.base }

// Context is the @odata.context of an answer.
func (r Request) Context(of string) string { return r.base + "/api/$metadata#" + of }

// maxBody bounds a request's body.
const maxBody = 64 << 10

// ReadBody reads a JSON body. An empty one is no error, an unknown key is one.
func (r Request) ReadBody(into any) error {
	var read bytes.Buffer
	dec := json.NewDecoder(io.TeeReader(http.MaxBytesReader(nil, paced{r.http.Body, r.writer}, maxBody), &read))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = cmp.Or(ifTimeout(more), errors.New("the body goes on after its JSON value"))
		}
	}
	r.writer.bodyEnded(err)
	sentBy(r.http).body = texts(gjson.ParseBytes(read.Bytes()), 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return inWords(err, "the body")
	}
	return nil
}

// ifTimeout is err if it says that a body did not come in time, and nil otherwise.
func ifTimeout(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return nil
}

// ErrBodyTooLong says that a body has more bytes than are taken.
var ErrBodyTooLong = errors.New("the body is too long")

// ReadAll reads a body of up to so many bytes. It is no part of what is looked for in errors that
// are logged: who reads one this way repeats nothing of it. Errors: ErrBodyTooLong.
func (r Request) ReadAll(most int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, paced{r.http.Body, r.writer}, most))
	r.writer.bodyEnded(err)
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return nil, ErrBodyTooLong
	}
	return body, err
}

// Caller is who asks, for what keeps it: the ID that Microsoft Entra authentication has verified, or,
// where a key alone opens the app, that. Source:
// learn.microsoft.com/azure/app-service/configure-authentication-user-identities.
func (r Request) Caller() string {
	if id := r.http.Header.Get("X-MS-CLIENT-PRINCIPAL-ID"); r.caller.byRole && id != "" {
		return id
	}
	return "function key"
}

// NextLink is the address of the next page: this request's, with a skip token.
func (r Request) NextLink(token string) string { return r.Link(map[string]string{skipToken: token}) }

// Link is this request's address with other values of parameters, for a GET. The caller's key is no
// part of it. A question that makes it too long is kept before anything is answered, and the link
// carries its token: it has at most 6 KB, of which the path may be 4.
func (r Request) Link(values map[string]string) string {
	next := r.http.URL.Query()
	withoutKeys(next)
	for name, value := range values {
		next.Set(name, value)
	}
	return r.links.short(r.keeper, r.base+r.http.URL.EscapedPath(), next)
}

// JobAddress is where a job of a kind is asked for: the kind is the function's name.
func (r Request) JobAddress(kind, id string) string {
	return r.base + "/api/" + kind + "/" + url.PathEscape(id)
}

// Range reads the parameters from and to, as FromTo declares them.
func (r Request) Range(now time.Time) (Range, error) { return ReadRange(r.Query.values, now) }
