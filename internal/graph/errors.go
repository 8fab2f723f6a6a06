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

func shorten(s string) string {
	const limit = 300
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}

// retryAfter reads the header's two forms, seconds and date; zero where it is missing or can't be
// read.
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

// early is the part of Config.Timeout before which a connection that ends is none: an end after it
// is an answer that Graph did not get ready in time.
const early = 3

// unanswered explains an error of turn, transport or token.
func (c *Client) unanswered(ctx context.Context, r request, err error) error {
	if turn, ok := errors.AsType[errTurn](err); ok {
		return fmt.Errorf("%s: wait for its turn: %w", r.doing, turn.error)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", r.doing, ctx.Err())
	}
	if isCredential(err) {
		return &entra.Error{Code: entra.CodeToken, Doing: r.doing, Why: "no token for Graph: " + firstLine(err),
			Remedy: "check that the app has a managed identity (AZURE_CLIENT_ID names a user-assigned one), " +
				"or sign in with `az login`", Err: err}
	}
	sent, left := errors.AsType[errSent](err)
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return r.answered(NoConnection, "", fmt.Sprintf("%s can't be reached (%s)", c.base.Host, op.Err), err)
	case errors.Is(err, context.DeadlineExceeded) && left:
		return r.answered(Silence, "", fmt.Sprintf("%s did not answer within %s", c.base.Host, c.cfg.Timeout), err)
	case errors.Is(err, context.DeadlineExceeded):
		why := fmt.Sprintf("there was no token for %s, or no connection to it, within %s", c.base.Host, c.cfg.Timeout)
		return r.answered(NoConnection, "", why, err)
	case left && sent.after > c.cfg.Timeout/early:
		took := sent.after.Round(time.Second)
		return r.answered(Silence, "",
			fmt.Sprintf("the answer of %s broke off after %s (%s)", c.base.Host, took, firstLine(err)), err)
	}
	why := fmt.Sprintf("the answer of %s broke off (%s)", c.base.Host, firstLine(err))
	return r.answered(NoConnection, "", why, err)
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

// firstLine is the first line of an error's text, without the address of the request: it holds ids,
// or the token of a page.
func firstLine(err error) string {
	line, _, _ := strings.Cut(entra.WithoutAddress(err).Error(), "\n")
	return line
}
