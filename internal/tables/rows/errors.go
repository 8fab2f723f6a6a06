package rows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/entraledger/entraledger/internal/entra"
)

// The reasons of a Refused.
var (
	ErrExists  = errors.New("row is there already")
	ErrMoved   = errors.New("row was changed by somebody else")
	ErrNoRow   = errors.New("there is no such row")
	ErrNoTable = errors.New("there is no such table")
)

// errGoing marks the error about a table that is being deleted.
var errGoing = errors.New("the table is being deleted")

// Refused is the error of a request that the service understood, and refused for what is stored.
// Every other error is an *entra.Error, or a context's.
type Refused struct {
	Kind  error  // ErrExists, ErrMoved, ErrNoRow or ErrNoTable
	Doing string // what was tried
}

func (e *Refused) Error() string { return e.Doing + ": " + e.Kind.Error() }

// Unwrap makes errors.Is(err, ErrMoved) and the like true.
func (e *Refused) Unwrap() error { return e.Kind }

// IsMissing reports whether an error says that there is no such row, or no table for it.
func IsMissing(err error) bool { return errors.Is(err, ErrNoRow) || errors.Is(err, ErrNoTable) }

// IsDropped tells whether an error says that the table is gone, or going.
func IsDropped(err error) bool { return errors.Is(err, ErrNoTable) || errors.Is(err, errGoing) }

// Codes of the table service.
const (
	conditionNotMet             = "ConditionNotMet"
	entityAlreadyExists         = "EntityAlreadyExists"
	resourceNotFound            = "ResourceNotFound"
	tableAlreadyExists          = "TableAlreadyExists"
	tableBeingDeleted           = "TableBeingDeleted"
	tableNotFound               = "TableNotFound"
	updateConditionNotSatisfied = "UpdateConditionNotSatisfied"
)

// failure is what Table Storage said.
type failure struct {
	status int
	code   string
}

// failureOf finds status and code of a refused request. The answer to a transaction is 202 even
// where it failed; the real status and code are in the answer to the operation that did not
// succeed.
func failureOf(err error) (failure, bool) {
	re, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return failure{}, false
	}
	f := failure{status: re.StatusCode, code: re.ErrorCode}
	if f.status == http.StatusAccepted && re.RawResponse != nil {
		if body, err := runtime.Payload(re.RawResponse); err == nil {
			f = innerFailure(string(body), f)
		}
	}
	return f, true
}

var (
	innerStatus = regexp.MustCompile(`HTTP/1\.1 ([45]\d\d)`)
	innerBody   = regexp.MustCompile(`(?s)\{.*"odata\.error".*\}`)
)

func innerFailure(body string, f failure) failure {
	if m := innerStatus.FindStringSubmatch(body); m != nil {
		f.status, _ = strconv.Atoi(m[1]) // three digits
	}
	var answer struct {
		Error struct {
			Code string `json:"code"`
		} `json:"odata.error"`
	}
	if err := json.Unmarshal([]byte(innerBody.FindString(body)), &answer); err == nil && answer.Error.Code != "" {
		f.code = answer.Error.Code
	}
	return f
}

func isCode(err error, codes ...string) bool {
	f, ok := failureOf(err)
	return ok && slices.Contains(codes, f.code)
}

// missing is explain for a request about one row, which need not be there.
func (c *Client) missing(doing string, err error) error {
	switch {
	case isCode(err, resourceNotFound):
		return &Refused{Kind: ErrNoRow, Doing: doing}
	case isCode(err, tableNotFound):
		return &Refused{Kind: ErrNoTable, Doing: doing}
	}
	return c.explain(doing, err)
}

// explain turns an error of the service into one that a person can act on. doing says what was
// tried.
func (c *Client) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", doing, entra.WithoutAddress(err))
	}
	if _, ok := errors.AsType[*entra.Error](err); ok {
		return err
	}
	if f, answered := failureOf(err); answered {
		return c.explainAnswer(doing, f, err)
	}
	cause := entra.WithoutAddress(err)
	e := &entra.Error{Code: entra.CodeInternal, Doing: doing, Err: cause}
	switch {
	case isNetwork(err):
		e.Code, e.Why = entra.CodeUnavailable, fmt.Sprintf("%s can't be reached (%s)", c.host, firstLine(cause))
		e.Remedy = "check ARCHIVE_STORAGE and the network rules of the storage account; nothing is lost, " +
			"the next run goes on"
	case isCredential(err):
		e.Code, e.Why = entra.CodeToken, "no token for the storage account: "+firstLine(cause)
		e.Remedy = "check that the app has a managed identity, or sign in with `az login`"
	}
	return e
}

// explainAnswer is explain for a request that was answered.
func (c *Client) explainAnswer(doing string, f failure, err error) error {
	e := &entra.Error{Doing: doing, Err: err}
	switch {
	case f.code == entityAlreadyExists:
		return &Refused{Kind: ErrExists, Doing: doing}
	case f.code == updateConditionNotSatisfied || f.code == resourceNotFound:
		return &Refused{Kind: ErrMoved, Doing: doing}
	case f.code == tableBeingDeleted:
		e.Code, e.Why = entra.CodeConflict, "the table is being deleted (a purge takes a minute or more)"
		e.Remedy = "nothing is lost: the next run tries again"
		e.Err = errors.Join(errGoing, err)
	case f.status == http.StatusForbidden:
		e.Code, e.Why = entra.CodePermission, fmt.Sprintf("%s refuses access (%s)", c.host, f.code)
		e.Remedy = "give the app's identity the role Storage Table Data Contributor on the storage account, " +
			"or correct the key in ARCHIVE_STORAGE"
	case f.status == http.StatusUnauthorized:
		e.Code, e.Why = entra.CodeToken, fmt.Sprintf("%s does not accept the credentials (%s)", c.host, f.code)
		e.Remedy = "check ARCHIVE_STORAGE, and the identity that ARCHIVE_STORAGE__clientId names"
	case f.status >= 500 || f.status == http.StatusTooManyRequests || f.status == http.StatusRequestTimeout:
		e.Code, e.Why = entra.CodeUnavailable, fmt.Sprintf("%s answers %d %s", c.host, f.status, f.code)
		e.Remedy = "nothing is lost: the next run goes on; if it stays, look at the storage account's health"
	default:
		e.Code, e.Why = entra.CodeInternal, fmt.Sprintf("%s answers %d %s", c.host, f.status, f.code)
		e.Remedy = "please report this"
	}
	return e
}

// unavailable is azidentity's type of "no credential available", which it keeps to itself.
var unavailable = reflect.TypeOf(azidentity.NewCredentialUnavailableError(""))

// isCredential tells whether no token could be had. What the SDK marks as not to be retried is no
// sign of it: the broken answer to a write is marked so, too.
func isCredential(err error) bool {
	if _, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*azidentity.AuthenticationRequiredError](err); ok {
		return true
	}
	return errors.As(err, reflect.New(unavailable).Interface())
}

// isNetwork tells whether there was no whole answer.
func isNetwork(err error) bool {
	_, ok := errors.AsType[net.Error](err)
	return ok || errors.Is(err, io.ErrUnexpectedEOF)
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
