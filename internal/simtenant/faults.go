package simtenant

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
)

// Kind names a way in which the tenant misbehaves.
type Kind string

// The kinds of fault.
const (
	TooManyRequests  Kind = "429"
	UnknownThrottle  Kind = "429-unknown" // 429 with code UnknownError
	ServerError      Kind = "500"
	BadGateway       Kind = "502" // HTML
	Unavailable      Kind = "503" // HTML
	GatewayTimeout   Kind = "504" // no body
	Reset            Kind = "reset"
	CutJSON          Kind = "cut-json"      // 200, its JSON ends in the middle
	SplicedError     Kind = "spliced-error" // 200, an error object between the records
	HTMLPage         Kind = "html"          // 200 with an HTML page
	Slow             Kind = "slow"          // by Delay, or until the caller goes away
	SkipTokenExpired Kind = "skiptoken-expired"
	SkipTokenNull    Kind = "skiptoken-null"
	SkipTokenInvalid Kind = "skiptoken-invalid"
	SameNextLink     Kind = "same-nextlink"
	EmptyPage        Kind = "empty-page" // no records, and a next link
	ShortPage        Kind = "short-page" // a third of the records, and a next link
	RepeatRecords    Kind = "repeat-records"
	SamePageTwice    Kind = "same-page-twice"
	Unordered        Kind = "unordered" // the records of a page in reverse
	NoLicence        Kind = "licence-403"
	NoPermission     Kind = "permission-403"
	TokenExpired     Kind = "401-expired"
	ClockSkew        Kind = "clock-skew"     // the Date header is off by Delay
	BlankActivity    Kind = "blank-activity" // a page of users comes without signInActivity
)

// Kinds lists every kind of fault.
func Kinds() []Kind {
	return []Kind{TooManyRequests, UnknownThrottle, ServerError, BadGateway, Unavailable, GatewayTimeout, Reset, CutJSON, SplicedError,
		HTMLPage, Slow, SkipTokenExpired, SkipTokenNull, SkipTokenInvalid, SameNextLink, EmptyPage, ShortPage, RepeatRecords,
		SamePageTwice, Unordered, NoLicence, NoPermission, TokenExpired, ClockSkew, BlankActivity}
}

// LogKinds lists the kinds of fault that can happen to a log.
func LogKinds() []Kind {
	return slices.DeleteFunc(Kinds(), func(k Kind) bool { return k == BlankActivity })
}

// Fault is a misbehaviour that is switched on.
type Fault struct {
	Kind       Kind          `json:"kind"`
	Stream     entra.Stream  `json:"stream,omitempty"`     // or a collection of the directory; empty: every stream
	After      int           `json:"after,omitempty"`      // matching requests that go well first
	Count      int           `json:"count,omitempty"`      // how often it happens; 0: until it is cleared
	RetryAfter string        `json:"retryAfter,omitempty"` // of a 429 or 503: seconds, a date, or empty for none
	Delay      time.Duration `json:"delay,omitempty"`

	seen int
}

// Inject switches a fault on.
func (t *Tenant) Inject(f Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = append(t.faults, &f)
}

// ClearFaults switches all faults off.
func (t *Tenant) ClearFaults() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = nil
}

// due is the fault that happens to this request, if any.
func (t *Tenant) due(q query) *Fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.faults {
		walkOnly := f.Kind == SkipTokenExpired || f.Kind == SkipTokenNull || f.Kind == SkipTokenInvalid || f.Kind == SameNextLink || f.Kind == RepeatRecords
		elsewhere := f.Stream != "" && f.Stream != q.stream
		if f.Kind == BlankActivity {
			elsewhere = q.stream != Users
		}
		if f.Kind == ClockSkew || elsewhere || walkOnly && !q.walking {
			continue
		}
		f.seen++
		if f.seen <= f.After || f.Count > 0 && f.seen > f.After+f.Count {
			continue
		}
		t.happened[f.Kind]++
		happening := *f
		return &happening
	}
	return nil
}

// Happened counts how often a fault has happened to a request.
func (t *Tenant) Happened(kind Kind) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.happened[kind]
}

func (t *Tenant) skew() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.faults {
		if f.Kind == ClockSkew {
			t.happened[f.Kind]++
			return f.Delay
		}
	}
	return 0
}

const html = "<!DOCTYPE html><html><head><title>Service unavailable</title></head><body>Our services aren't available right now</body></html>"

// answerInstead carries out the faults that answer in place of a page, and tells whether it did.
func (t *Tenant) answerInstead(w http.ResponseWriter, r *http.Request, f *Fault) bool {
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	refusals := map[Kind]problem{
		TooManyRequests:  {429, "TooManyRequests", "Too Many Requests"},
		UnknownThrottle:  {429, "UnknownError", "This request is throttled. Please try again after the value specified in the Retry-After header. CorrelationId: 6f1c"},
		ServerError:      {500, "InternalServerError", "Error processing response from backend service."},
		SkipTokenExpired: {400, "", "Token not found: token is either invalid or expired"},
		SkipTokenNull:    {400, "UnknownError", "Invalid Skip Token, skip token is null"},
		SkipTokenInvalid: {400, "", "Invalid Skip Token"},
		NoLicence:        {403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", "Neither tenant is B2C or tenant doesn't have premium license"},
		NoPermission: {403, "Authentication_MSGraphPermissionMissing",
			"The principal does not have required Microsoft Graph permission(s): AuditLog.Read.All to call this API. For more information about Microsoft Graph permissions, please visit https://learn.microsoft.com/graph/permissions-overview."},
		TokenExpired: {401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid."},
	}
	if p, ok := refusals[f.Kind]; ok {
		t.refuse(w, r, &p)
		return true
	}
	switch f.Kind {
	case BadGateway, Unavailable:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(map[Kind]int{BadGateway: 502, Unavailable: 503}[f.Kind])
		_, _ = w.Write([]byte(html)) // a caller that went away needs no answer
	case GatewayTimeout:
		w.WriteHeader(http.StatusGatewayTimeout)
	case HTMLPage:
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(html)) // likewise
	case Slow:
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
		return false
	default:
		return false
	}
	return true
}

// spoil carries out the faults that spoil a page's bytes, and tells whether it did.
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
		t.send(w, r, append(append([]byte(nil), body[:max(cut, 0)]...), `{"error":{"code":"UnknownError","message":"","innerError":{"date":"2026-09-19T08:03:11"}}}]}`...))
	default:
		return false
	}
	return true
}

// pageSize is how many records a page has under the fault.
func (f *Fault) pageSize(top int) int {
	if f.Kind == ShortPage {
		return max(1, top/3)
	}
	return top
}

// bend changes the records of a page, where the walk goes on, or both.
func (f *Fault) bend(w walk, list []byte, n int, from, at position, more bool) ([]byte, position, bool) {
	switch f.Kind {
	case EmptyPage:
		return nil, from, true
	case SamePageTwice:
		return list, from, true
	case SameNextLink:
		return list, at, true
	case Unordered:
		return reversed(list), at, more
	case RepeatRecords:
		if _, _, before, _ := w.take(nil, from, n-5); n > 5 {
			return list, before, true // the next page begins with this page's last records
		}
	}
	return list, at, more
}

func elements(list []byte) []string {
	var out []string
	for _, e := range gjson.Parse("[" + string(list) + "]").Array() {
		out = append(out, e.Raw)
	}
	return out
}

func reversed(list []byte) []byte {
	all := elements(list)
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return []byte(strings.Join(all, ","))
}
