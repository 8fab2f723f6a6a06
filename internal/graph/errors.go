package graph

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/cenkalti/backoff/v5"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"

	"github.com/entraledger/entraledger/internal/entra"
)

// odataError reads Graph's error object; empty texts where the body is none.
func odataError(body []byte) (code, message string) {
	node, err := jsonserialization.NewJsonParseNode(body)
	if err != nil {
		return "", ""
	}
	parsed, err := node.GetObjectValue(odataerrors.CreateODataErrorFromDiscriminatorValue)
	if err != nil {
		return "", ""
	}
	e, ok := parsed.(*odataerrors.ODataError)
	if !ok || e.GetErrorEscaped() == nil {
		return "", ""
	}
	main := e.GetErrorEscaped()
	if main.GetCode() != nil {
		code = *main.GetCode()
	}
	if main.GetMessage() != nil {
		message = *main.GetMessage()
	}
	return code, message
}

// again marks an error after which the same request may be tried again.
type again struct {
	error
	after time.Duration // what Retry-After asked for
	once  bool          // a second answer of this kind is believed
}

func (a *again) Unwrap() []error {
	if a.after > 0 {
		return []error{a.error, &backoff.RetryAfterError{Duration: a.after}}
	}
	return []error{a.error}
}

// refused explains an answer that is not 200.
func (r request) refused(a answer) error {
	code, message := odataError(a.body.Bytes())
	said := strings.TrimSpace(fmt.Sprintf("Graph answers %d %s", a.status, code))
	if message != "" {
		said += " (" + shorten(message) + ")"
	}
	e := &entra.Error{Doing: r.doing, Why: said}
	switch {
	case a.status == http.StatusTooManyRequests:
		e.Code, e.Remedy = entra.CodeThrottled, "the next run goes on; if it stays, lower GRAPH_REQUESTS_PER_10S or find what else uses this app's ceiling"
		return &again{error: e, after: retryAfter(a.header)}
	case a.status >= 500 || a.status == http.StatusRequestTimeout:
		e.Code, e.Remedy = entra.CodeUnavailable, "the next run tries again; if it stays, look at Microsoft 365 service health"
		return &again{error: e, after: retryAfter(a.header)}
	case a.status == http.StatusUnauthorized:
		e.Code, e.Remedy = entra.CodeToken, "check that the identity belongs to this tenant and this cloud (AZURE_CLOUD)"
		return &again{error: e, once: true}
	case a.status == http.StatusForbidden && code == "Authentication_RequestFromNonPremiumTenantOrB2CTenant":
		// Seen now and then on tenants that have the licence, so it is asked again before it is believed.
		e.Code, e.Remedy = entra.CodeLicence, r.licence
		if r.licence == "" {
			e.Remedy = "this log needs Microsoft Entra ID P1 or P2; without it, take the stream out of ARCHIVE_STREAMS"
		}
		return &again{error: e, once: true}
	case a.status == http.StatusForbidden:
		e.Code = entra.CodePermission
		e.Remedy = "grant the app's identity the Microsoft Graph application permission " + r.permission
	case a.status == http.StatusBadRequest && r.walking:
		// Whatever the wording: what followed the nextLink was Graph's own address, so its token is not good any more.
		return fmt.Errorf("%s: %s: %w", r.doing, said, entra.ErrPagingLost)
	case a.status == http.StatusNotFound:
		e.Code, e.Remedy = entra.CodeNotFound, "this cloud may not offer it"
		if r.licence == "" {
			e.Remedy = "this cloud may not offer the log; take the stream out of ARCHIVE_STREAMS"
		}
	default:
		e.Code, e.Remedy = entra.CodeInternal, "please report this"
	}
	return e
}

func shorten(s string) string {
	const limit = 300
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}

// retryAfter reads the header's two forms, seconds and date; zero where it is missing or can't be read.
func retryAfter(h http.Header) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(max(0, seconds)) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(0, at.Sub(now))
}

// unanswered explains an error of turn, transport or token.
func (c *Client) unanswered(ctx context.Context, doing string, err error) error {
	if turn, ok := errors.AsType[errTurn](err); ok {
		return backoff.Permanent(fmt.Errorf("%s: wait for its turn: %w", doing, turn.error))
	}
	if ctx.Err() != nil {
		return backoff.Permanent(fmt.Errorf("%s: %w", doing, ctx.Err()))
	}
	if isCredential(err) {
		return backoff.Permanent(&entra.Error{Code: entra.CodeToken, Doing: doing, Why: "no token for Graph: " + firstLine(err),
			Remedy: "check that the app has a managed identity (AZURE_CLIENT_ID names a user-assigned one), or sign in with `az login`", Err: err})
	}
	e := &entra.Error{Code: entra.CodeUnavailable, Doing: doing, Err: err, Remedy: "check GRAPH_ENDPOINT, AZURE_CLOUD and the network; the next run tries again"}
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		e.Why = fmt.Sprintf("%s did not answer within %s", c.base.Host, c.cfg.Timeout)
	case errors.As(err, &op) && op.Op == "dial":
		e.Why = fmt.Sprintf("%s can't be reached (%s)", c.base.Host, op.Err)
	default:
		e.Why = fmt.Sprintf("the answer of %s broke off (%s)", c.base.Host, firstLine(err))
	}
	return &again{error: e}
}

func isCredential(err error) bool {
	if _, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*azidentity.AuthenticationRequiredError](err); ok {
		return true
	}
	// azidentity keeps its "no credential available" type to itself, but marks it.
	_, ok := errors.AsType[interface {
		error
		NonRetriable()
	}](err)
	return ok
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
