package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// statuses are the HTTP statuses of the error codes. Power Automate repeats 408, 429 and 5xx by
// itself, so what will not get better without a person is 4xx.
var statuses = map[entra.Code]int{
	entra.CodeBadRequest:      http.StatusBadRequest,
	entra.CodeNotFound:        http.StatusNotFound,
	entra.CodeNotAllowed:      http.StatusMethodNotAllowed,
	entra.CodeConflict:        http.StatusConflict,
	entra.CodeUnknown:         http.StatusConflict,
	entra.CodeRetired:         http.StatusGone,
	entra.CodeUnauthenticated: http.StatusUnauthorized,
	entra.CodeRole:            http.StatusForbidden,
	entra.CodeAuthentication:  http.StatusServiceUnavailable,
	entra.CodeToken:           http.StatusForbidden,
	entra.CodePermission:      http.StatusForbidden,
	entra.CodeLicence:         http.StatusForbidden,
	entra.CodeThrottled:       http.StatusTooManyRequests,
	entra.CodeUnavailable:     http.StatusServiceUnavailable,
	entra.CodeBrokenAnswer:    http.StatusBadGateway,
	entra.CodeTampered:        http.StatusConflict,
	entra.CodeBehind:          http.StatusServiceUnavailable,
	entra.CodeNoSnapshot:      http.StatusServiceUnavailable,
	entra.CodeTokenExpired:    http.StatusGone,
	entra.CodeNotKept:         http.StatusConflict,
	entra.CodeTooLarge:        http.StatusRequestURITooLong,
	entra.CodeBodyTooLarge:    http.StatusRequestEntityTooLarge,
	entra.CodeMediaType:       http.StatusUnsupportedMediaType,
	entra.CodePartsRefused:    http.StatusUnprocessableEntity,
	entra.CodeBusy:            http.StatusTooManyRequests,
	entra.CodeTooLong:         http.StatusUnprocessableEntity,
	entra.CodeHeadersTooLarge: http.StatusRequestHeaderFieldsTooLarge,
	entra.CodeSlowBody:        http.StatusRequestTimeout,
	entra.CodeRefused:         http.StatusBadGateway,
	entra.CodeInternal:        http.StatusInternalServerError,
}

// JSON writes v with its content type and length.
func JSON(w http.ResponseWriter, status int, v any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		body.Reset()
		body.WriteString(`{"error":{"code":"internalError","message":"the answer could not be written"}}`)
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // a caller that went away needs no answer
}

// AppendText appends a JSON text.
func AppendText(dst []byte, text string) []byte {
	body, _ := json.Marshal(text) // a text always has a JSON form
	return append(dst, body...)
}

// writeRaw writes a body that is JSON already, byte for byte.
func writeRaw(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // a caller that went away needs no answer
}

type errorBody struct {
	Error errorOf `json:"error" text:"What failed"`
}

type errorOf struct {
	Code       entra.Code `json:"code"`
	Message    string     `json:"message" text:"What failed, why, and what to do, in one sentence"`
	Details    []detail   `json:"details,omitempty" text:"The parts that an answer that takes too long can be had in"`
	InnerError innerError `json:"innerError" text:"Where to look"`
}

// Texts are those that are too long for their line.
func (errorOf) Texts() map[string]string {
	return map[string]string{
		"code": "What has to happen next: badRequest, notFound, noSnapshot, skipTokenExpired, permissionMissing, ...",
	}
}

type innerError struct {
	Date            string `json:"date" text:"When"`
	RequestID       string `json:"request-id,omitempty" text:"Under which the app logged the reason"`
	ClientRequestID string `json:"client-request-id,omitempty" text:"As the caller sent it"`
}

// ErrorShape is the body of an answer that is an error, for those who describe it.
func ErrorShape() any { return errorBody{} }

// told is the error that is returned for a request: for a stopped one, its own failure, or else
// that it was stopped.
func told(r *http.Request, err error) error {
	if err == nil || r.Context().Err() == nil {
		return err
	}
	if failed := entra.Without(err, context.Canceled); failed != nil {
		return failed
	}
	return &entra.Error{Code: entra.CodeUnavailable, Doing: "answer the request", Why: "this process ends",
		Remedy: "ask again", Err: err}
}

// Error writes err as Graph's error object. An error that is no *entra.Error is shown as internal:
// its text is only in the log. It returns the status.
func Error(w http.ResponseWriter, r *http.Request, err error) int {
	var body errorBody
	code := entra.CodeOf(err)
	body.Error.Code, body.Error.Message = code, err.Error()
	if e, ok := errors.AsType[*entra.Error](err); ok {
		body.Error.Message = e.Error()
	} else {
		body.Error.Message = "something failed inside Entra Ledger; the app's log has the reason under this request id"
	}
	if long, ok := errors.AsType[*TooLong](err); ok {
		body.Error.Details = long.details()
	}
	body.Error.InnerError.Date = time.Now().UTC().Format("2006-01-02T15:04:05")
	body.Error.InnerError.RequestID = r.Header.Get("X-Azure-Functions-InvocationId")
	body.Error.InnerError.ClientRequestID = r.Header.Get("client-request-id")
	status := statuses[code]
	if (status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests) &&
		w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "10")
	}
	if code == entra.CodeNoSnapshot || code == entra.CodeAuthentication {
		w.Header().Set("Retry-After", "300")
	}
	// An error is no page, whatever a browser takes it for: it may stand where a page is looked for.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	JSON(w, status, body)
	return status
}

// Time writes a time as Graph does; the zero time is empty, and its key then left out.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// BaseURL is the public address of this app without a slash at the end: configured, or what the
// host forwarded. Host itself is 127.0.0.1 behind the Functions host.
func BaseURL(r *http.Request, configured string) string {
	if configured != "" {
		return configured
	}
	u := url.URL{Scheme: "http", Host: r.Host}
	if host := r.Header.Get("X-Forwarded-Host"); host != "" {
		u.Host = host
	}
	if scheme := r.Header.Get("X-Forwarded-Proto"); scheme == "https" || scheme == "http" {
		u.Scheme = scheme
	}
	return u.String()
}

// isKey tells the host's own parameters, which carry a caller's key: it takes them in any case, and
// passes them on. Source: the case keys-01-how-checked of what the real host did.
func isKey(name string) bool {
	return strings.EqualFold(name, "code") || strings.EqualFold(name, "clientId")
}

// withoutKeys takes a caller's key out of a query.
func withoutKeys(query url.Values) {
	for name := range query {
		if isKey(name) {
			query.Del(name)
		}
	}
}

// CheckParameters refuses query parameters that the function does not know, naming those that it
// does. The host's own key parameters are let through.
func CheckParameters(r *http.Request, accepted ...string) error {
	for name := range r.URL.Query() {
		if isKey(name) || slices.Contains(accepted, name) {
			continue
		}
		known := "none"
		if len(accepted) > 0 {
			known = strings.Join(accepted, ", ")
		}
		return &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query",
			Why: "unknown parameter " + strconv.Quote(name), Remedy: "accepted are: " + known}
	}
	return nil
}
