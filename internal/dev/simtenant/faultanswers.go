package simtenant

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

const html = "<!DOCTYPE html><html><head><title>Service unavailable</title></head><body>Our services aren't " +
	"available right now</body></html>"

// refusals are the errors of the kinds that refuse.
var refusals = map[Kind]problem{
	TooManyRequests: {429, "TooManyRequests", "Too Many Requests"},
	UnknownThrottle: {429, "UnknownError",
		"This request is throttled. Please try again after the value specified in the " +
			"Retry-After header. CorrelationId: 6f1c"},
	ServerError:      {500, "InternalServerError", "Error processing response from backend service."},
	SkipTokenExpired: {400, "", "Token not found: token is either invalid or expired"},
	SkipTokenNull:    {400, "UnknownError", "Invalid Skip Token, skip token is null"},
	SkipTokenInvalid: {400, "", "Invalid Skip Token"},
	NoLicence: {403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
		"Neither tenant is B2C or tenant doesn't have premium license"},
	NoPermission: {403, "Authentication_MSGraphPermissionMissing", missing("AuditLog.Read.All")},
	TokenExpired: {401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid."},
}

func missing(permission string) string {
	return "The principal does not have required Microsoft Graph permission(s): " +
		permission + " to call this API. For more " +
		"information about Microsoft Graph permissions, please visit " +
		"https://learn.microsoft.com/graph/permissions-overview."
}

// refused are the errors of Refused, by status.
var refused = map[int]problem{
	400: {400, "BadRequest", "Resource not found for the segment 'auditLogs'."},
	403: {403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."},
	404: {404, "UnknownError", ""},
	500: {500, "InternalServerError", "Error processing response from backend service."},
	501: {501, "NotImplemented", "This operation is not supported."},
}

// refusal is the error that a fault answers with, if it does.
func (f *Fault) refusal() (problem, bool) {
	switch f.Kind {
	case TooFarBack:
		return problem{400, f.Code, "The requested time range begins before the data that is retained."}, true
	case UnsupportedQuery:
		p := problem{400, "Request_UnsupportedQuery", "Unsupported Query."}
		if f.Code != "" {
			p.code = f.Code
		}
		return p, true
	case Refused:
		status := orDefault(f.Status, 400)
		p, ok := refused[status]
		if !ok {
			p = problem{status, "UnknownError", http.StatusText(status)}
		}
		if f.Code != "" {
			p.code = f.Code
		}
		return p, true
	}
	p, ok := refusals[f.Kind]
	return p, ok
}

// Check returns what of a fault cannot be played.
func (f *Fault) Check() error {
	if f.Form != "" && f.Form != entra.FormBeta && f.Form != entra.FormV1 {
		return fmt.Errorf("form %q is none of beta, v1.0", f.Form)
	}
	if f.Body != "" && f.Body != "html" && f.Body != "json" {
		return fmt.Errorf("body %q is none of html, json", f.Body)
	}
	if f.Question != "" && (!slices.Contains(Questions(), f.Question) || !f.hits(f.Question)) {
		return fmt.Errorf("fault %s does not happen to question %q", f.Kind, f.Question)
	}
	if f.Status != 0 && (f.Status < 400 || f.Status > 599) {
		return fmt.Errorf("status %d is no error", f.Status)
	}
	return nil
}

// answerInstead carries out the faults that answer in place of a page, and reports whether it did.
func (t *Tenant) answerInstead(w http.ResponseWriter, r *http.Request, f *Fault) bool {
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if p, ok := f.refusal(); ok {
		t.refuse(w, &p)
		return true
	}
	switch f.Kind {
	case BadGateway, Unavailable:
		answerHTML(w, map[Kind]int{BadGateway: 502, Unavailable: 503}[f.Kind])
	case GatewayTimeout:
		w.WriteHeader(http.StatusGatewayTimeout)
	case HTMLPage:
		answerHTML(w, http.StatusOK)
	case Slow:
		f.wait(r)
		return false
	case WideSpan:
		f.wait(r)
		switch f.Body {
		case "html":
			answerHTML(w, http.StatusGatewayTimeout)
		case "json":
			t.refuse(w, &problem{http.StatusGatewayTimeout, "UnknownError", ""})
		default:
			w.WriteHeader(http.StatusGatewayTimeout)
		}
	default:
		return false
	}
	return true
}

func answerHTML(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(html)) // a caller that went away needs no answer
}

// wait lasts for the fault's delay, or until the caller disconnects.
func (f *Fault) wait(r *http.Request) {
	timer := time.NewTimer(f.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// spoil carries out the faults that spoil a page's bytes, and reports whether it did.
func (t *Tenant) spoil(w http.ResponseWriter, r *http.Request, f *Fault, body []byte) bool {
	switch f.Kind {
	case Reset:
		w.Header().Set("Content-Type", jsonType)
		_, _ = w.Write(body[:len(body)/2])        // what arrives is cut off anyway
		_ = http.NewResponseController(w).Flush() // likewise
		panic(http.ErrAbortHandler)               // net/http closes the connection
	case CutJSON:
		t.send(w, r, body[:len(body)*2/3])
	case SplicedError:
		cut := strings.LastIndex(string(body[:len(body)*2/3]), "{")
		const spliced = `{"error":{"code":"UnknownError","message":"","innerError":{"date":"2026-09-19T08:03:11"}}}]}`
		t.send(w, r, append(append([]byte(nil), body[:max(cut, 0)]...), spliced...))
	default:
		return false
	}
	return true
}
