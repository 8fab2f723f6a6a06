package simtenant

import (
	"slices"
	"time"

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
	EmptyPage        Kind = "empty-page" // no records, and a next link; without Count the links are new forever
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

// The kinds of fault that mislead a reader who believes one answer.
const (
	EndsShort Kind = "ends-short" // a page is cut to Records, half of them by default, and has no next link
	EndsEmpty Kind = "ends-empty" // a page has no records and no next link, though records follow
	LeavesOut Kind = "leaves-out" // Records, one by default, are missing in the middle of a page
	// the link of Page, default 3, is the one that led to page Back, the page before
	LinkCycle        Kind = "link-cycle"
	FreshCycle       Kind = "fresh-cycle"     // likewise, but no two links are equal
	WideSpan         Kind = "wide-span"       // 504 with Body, after Delay, where the filter spans more than Span
	TooFarBack       Kind = "too-far-back"    // 400 with Code where the filter begins more than Span ago
	UnsupportedQuery Kind = "400-unsupported" // 400 with Code, Request_UnsupportedQuery by default
	Refused          Kind = "refused"         // Status, 400 by default, with Code
	LongLinks        Kind = "long-links"      // a skip token has Bytes, 16 KiB by default
	ThinThenRich     Kind = "thin-then-rich"  // Records, one by default, are in v1.0's form and in beta's on one page
	RichThenThin     Kind = "rich-then-thin"  // likewise, in the other order
	OtherTime        Kind = "other-time"      // the record ID, or each, is dated later by Delay; set Form
	// /$count is off by Records, one by default, less where that is below zero
	WrongCount Kind = "wrong-count"
)

// Kinds lists the kinds of fault that a reader notices, or that change nothing for one who reads
// on.
func Kinds() []Kind {
	return []Kind{TooManyRequests, UnknownThrottle, ServerError, BadGateway, Unavailable, GatewayTimeout, Reset,
		CutJSON,
		SplicedError, HTMLPage, Slow, SkipTokenExpired, SkipTokenNull, SkipTokenInvalid, SameNextLink, EmptyPage,
		ShortPage,
		RepeatRecords, SamePageTwice, Unordered, NoLicence, NoPermission, TokenExpired, ClockSkew, BlankActivity}
}

// MisleadingKinds lists the kinds of fault by which one answer, read literally, means something
// that is not so.
func MisleadingKinds() []Kind {
	return []Kind{EndsShort, EndsEmpty, LeavesOut, LinkCycle, FreshCycle, WideSpan, TooFarBack, UnsupportedQuery,
		Refused,
		LongLinks, ThinThenRich, RichThenThin, OtherTime, WrongCount, BlankBeyond, BlankFirst, BlankSome, BlankSame}
}

// AllKinds lists every kind of fault.
func AllKinds() []Kind { return append(Kinds(), MisleadingKinds()...) }

// LogKinds lists those of Kinds that can happen to a log.
func LogKinds() []Kind {
	return slices.DeleteFunc(Kinds(), func(k Kind) bool { return k == BlankActivity })
}

// Fault is a misbehaviour that is switched on. It happens to requests that match all of the
// conditions that are set.
type Fault struct {
	Kind Kind `json:"kind"`

	// Conditions.
	Stream entra.Stream `json:"stream,omitempty"` // or a collection of the directory; empty: every stream
	Form   string       `json:"form,omitempty"`   // of the API, entra.FormBeta or entra.FormV1; empty: both
	// Question is what a request asks of a collection. Empty: a fault that changes a page happens
	// to those of walks, any other to every request.
	Question Question `json:"question,omitempty"`
	// Part is what is asked for of one user: manager, sponsors, transitiveMemberOf, ...; empty:
	// any.
	Part  string    `json:"part,omitempty"`
	Page  int       `json:"page,omitempty"` // of a walk, the first is 1; -1: every page but the first; 0: any
	From  time.Time `json:"from,omitzero"`  // walks that began then or later, by the tenant's clock
	Until time.Time `json:"until,omitzero"` // walks that began earlier

	// How often, of the requests that match.
	After int `json:"after,omitempty"` // that go well first
	Every int `json:"every,omitempty"` // it happens to the last of so many; 0: to each
	Count int `json:"count,omitempty"` // how often it happens; 0: until it is cleared

	// What happens. The kinds say which of these they use.
	RetryAfter string        `json:"retryAfter,omitempty"` // of a refusal: seconds, a date, or empty for none
	Delay      time.Duration `json:"delay,omitempty"`
	Status     int           `json:"status,omitempty"`
	Code       string        `json:"code,omitempty"`
	Body       string        `json:"body,omitempty"` // html, json, or empty for none
	Records    int           `json:"records,omitempty"`
	Back       int           `json:"back,omitempty"` // a page
	Bytes      int           `json:"bytes,omitempty"`
	Span       time.Duration `json:"span,omitempty"`
	ID         string        `json:"id,omitempty"` // of a record

	seen, done int
	of         *Fault // of a fault that happens: the one that was injected
}

// Inject switches a fault on.
func (t *Tenant) Inject(f Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.cycles() && t.walks.trails == nil {
		t.walks.trails = make(map[uint32]map[int]link)
	}
	t.walks.salted = t.walks.salted || f.Kind == FreshCycle
	t.faults = append(t.faults, &f)
}

// ClearFaults switches all faults off.
func (t *Tenant) ClearFaults() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults, t.walks.trails, t.walks.salted = nil, nil, false
}

// ClearFault switches the faults of one kind off.
func (t *Tenant) ClearFault(kind Kind) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = slices.DeleteFunc(slices.Clone(t.faults), func(f *Fault) bool { return f.Kind == kind })
}

// request is what a fault's conditions ask of a request.
type request struct {
	stream   entra.Stream
	version  string
	question Question // empty: ForPage
	part     string   // of one user
	position position
	bounds   *plan // of time; nil: there is no filter
}

// due is the fault that happens to this request, if any.
func (t *Tenant) due(r request) *Fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.faults {
		if f.Kind == ClockSkew || !f.matches(r, t.walks.when(r.position.walk), t.now(), t.cfg.Retention) {
			continue
		}
		f.seen++
		if f.seen <= f.After || f.Every > 1 && (f.seen-f.After)%f.Every != 0 || f.Count > 0 && f.done == f.Count {
			continue
		}
		f.done++
		t.happened[f.Kind]++
		happening := *f
		happening.of = f
		return &happening
	}
	return nil
}

// undo uncounts a fault that made no difference to a page.
func (t *Tenant) undo(f *Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f.of.seen--
	f.of.done--
	t.happened[f.Kind]--
}

func (f *Fault) matches(r request, began, now time.Time, retention time.Duration) bool {
	if !f.hits(r.question) {
		return false
	}
	switch f.Kind {
	case SkipTokenExpired, SkipTokenNull, SkipTokenInvalid, SameNextLink, RepeatRecords:
		if !r.position.walking() {
			return false
		}
	case BlankActivity, BlankBeyond, BlankFirst, BlankSome, BlankSame:
		return r.stream == Users && f.matchesPage(r.position.page)
	case WideSpan:
		if r.bounds == nil || r.bounds.span(now, retention) <= f.Span {
			return false
		}
	case TooFarBack:
		if r.bounds == nil || r.bounds.from.Equal(minTime) || !r.bounds.from.Before(now.Add(-f.Span)) {
			return false
		}
	}
	return (f.Part == "" || f.Part == r.part) && (f.Stream == "" || f.Stream == r.stream) &&
		(f.Form == "" || f.Form == r.version) &&
		f.matchesPage(r.position.page) &&
		(f.From.IsZero() || !began.Before(f.From)) && (f.Until.IsZero() || began.Before(f.Until))
}

func (f *Fault) matchesPage(page int) bool {
	switch want := f.page(); want {
	case 0:
		return true
	case -1:
		return page > 1
	default:
		return page == want
	}
}

// page is the page that the fault happens to.
func (f *Fault) page() int {
	if f.cycles() {
		return orDefault(f.Page, 3)
	}
	return f.Page
}

func (f *Fault) cycles() bool { return f != nil && (f.Kind == LinkCycle || f.Kind == FreshCycle) }

func orDefault(n, fallback int) int {
	if n == 0 {
		return fallback
	}
	return n
}

// span is how much time a filter asks for: what it does not bound, the clock and the retention do.
func (p *plan) span(now time.Time, retention time.Duration) time.Duration {
	from, to := p.from, p.to
	if from.Equal(minTime) {
		from = now.Add(-retention)
	}
	if to.Equal(maxTime) {
		to = now
	}
	return to.Sub(from)
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
