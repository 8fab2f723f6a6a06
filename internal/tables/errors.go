package tables

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

// failure is what Table Storage said.
type failure struct {
	status int
	code   string // EntityAlreadyExists, TableNotFound, ...
}

// failureOf finds status and code of a refused request. The answer to a transaction is 202 even where it failed; the
// real status and code stand in the answer to the operation that did not succeed.
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
	if !ok {
		return false
	}
	for _, code := range codes {
		if f.code == code {
			return true
		}
	}
	return false
}

// explain turns an error of the service into one that a person can act on. doing says what was tried.
func (s *Store) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if _, ok := errors.AsType[*entra.Error](err); ok {
		return err
	}
	e := &entra.Error{Doing: doing, Err: err}
	f, answered := failureOf(err)
	switch {
	case answered && (f.code == "EntityAlreadyExists"):
		return fmt.Errorf("%s: %w", doing, archive.ErrExists)
	case answered && (f.code == "UpdateConditionNotSatisfied" || f.code == "ResourceNotFound"):
		return fmt.Errorf("%s: %w", doing, archive.ErrMoved)
	case answered && f.code == "TableBeingDeleted":
		e.Code, e.Why = entra.CodeConflict, "the table is being deleted (a purge takes a minute or more)"
		e.Remedy = "nothing is lost: the next run tries again"
	case answered && f.status == http.StatusForbidden:
		e.Code, e.Why = entra.CodePermission, fmt.Sprintf("%s refuses access (%s)", s.host, f.code)
		e.Remedy = "give the app's identity the role Storage Table Data Contributor on the storage account, or correct the key in ARCHIVE_STORAGE"
	case answered && f.status == http.StatusUnauthorized:
		e.Code, e.Why = entra.CodeToken, fmt.Sprintf("%s does not accept the credentials (%s)", s.host, f.code)
		e.Remedy = "check ARCHIVE_STORAGE, and the identity that ARCHIVE_STORAGE__clientId names"
	case answered && (f.status >= 500 || f.status == http.StatusTooManyRequests || f.status == http.StatusRequestTimeout):
		e.Code, e.Why = entra.CodeUnavailable, fmt.Sprintf("%s answers %d %s", s.host, f.status, f.code)
		e.Remedy = "nothing is lost: the next run goes on; if it stays, look at the storage account's health"
	case answered:
		e.Code, e.Why = entra.CodeInternal, fmt.Sprintf("%s answers %d %s", s.host, f.status, f.code)
		e.Remedy = "please report this"
	case isAuthentication(err):
		e.Code, e.Why = entra.CodeToken, "no token for the storage account: "+firstLine(err)
		e.Remedy = "check that the app has a managed identity, or sign in with `az login`"
	case isNetwork(err):
		e.Code, e.Why = entra.CodeUnavailable, fmt.Sprintf("%s can't be reached (%s)", s.host, firstLine(err))
		e.Remedy = "check ARCHIVE_STORAGE and the network rules of the storage account; nothing is lost, the next run goes on"
	default:
		e.Code = entra.CodeInternal
	}
	return e
}

func isAuthentication(err error) bool {
	if _, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		return true
	}
	return strings.Contains(fmt.Sprintf("%T", errors.Unwrap(err)), "redentialUnavailable")
}

func isNetwork(err error) bool {
	_, ok := errors.AsType[net.Error](err)
	if !ok {
		_, ok = errors.AsType[*net.OpError](err)
	}
	return ok
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
