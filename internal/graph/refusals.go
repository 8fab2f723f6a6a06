package graph

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
)

// Status is what came of a request: the status of an HTTP answer, a class of them, or one of those
// below.
type Status int

// What comes of a request besides an HTTP status.
const (
	Any4xx    Status = 4 // one that no other row names
	Any5xx    Status = 5
	AnyStatus Status = 1

	Unreadable   Status = -1 // 200 with a page that can't be read
	Silence      Status = -2 // no answer, or only a part, until Config.Timeout; or an end after a third of it
	NoConnection Status = -3 // no connection, or one that ended sooner
	LeadsBack    Status = -4 // the walk does not continue
	LeadsAway    Status = -5 // the next link can't be followed
)

var statusNames = map[Status]string{
	Any4xx: "any other 4xx", Any5xx: "any other 5xx", AnyStatus: "any other status but 200",
	Unreadable: "200 with a page that is broken, has no list, or has an error in it",
	Silence: fmt.Sprintf("silence (no whole answer within %s, or an end after more than %s)",
		defaultTimeout, defaultTimeout/early),
	NoConnection: "no connection (or one that ended sooner)",
	LeadsBack: "a next link that was met before in the walk, a page with the records of an earlier one, " +
		fmt.Sprintf("more than %d empty pages in a row", maxEmpty),
	LeadsAway: fmt.Sprintf("a next link to another host, or of more than %d KB", maxLink>>10),
}

// String is the status as the table in docs/runbook.md has it.
func (s Status) String() string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	return strconv.Itoa(int(s))
}

// Place tells which requests a row is about.
type Place string

// The places.
const (
	Anywhere  Place = "any request"
	FirstPage Place = "a first page"
	LaterPage Place = "a later page"
	OfDir     Place = "the directory"
	Divisible Place = "a span of a log that can be divided"
)

// Refusal is one row of the table that tells which answers other than a page are believed, and
// when.
type Refusal struct {
	Name     string
	Statuses []Status
	Codes    []string // of Graph's error object; empty: any
	Place    Place
	// Tries is how many such answers to one request are believed. Other answers may come between
	// them. 0: Config.Tries, after which it is only said that the service is out of order.
	Tries   uint
	Becomes entra.Code // what the asker is told; empty: Err alone
	Err     error      // what the error wraps; may be nil
	Remedy  string     // for a person; {permission} and {licence} are the request's
	Later   string     // what the app does when it stays so, for docs/runbook.md
}

const (
	health   = "if it stays, look at Microsoft 365 service health"
	tryAgain = "The next run tries again."
	notYet   = "A log that was read before fails no run until it has lasted 60 minutes."
	thin     = notYet + " Where it is beta, v1.0 is read from then on."
	without  = "The snapshot goes on without it, of what was disclosed before once it has lasted 60 minutes."
	restart  = "The walk begins again, a log's at the last record stored. Several without a step forward fail the run."
	askLater = "the next run asks again, and what is stored stays; if it lasts for hours, open a support case for " +
		"Microsoft Graph"
)

// refusals are in the order in which they are tried: the first row that fits an answer counts.
var refusals = []Refusal{
	{
		Name: "lost token", Statuses: []Status{400}, Place: LaterPage, Tries: 1, Err: entra.ErrPagingLost,
		Later: restart,
	}, {
		Name: "bad request", Statuses: []Status{400}, Place: FirstPage, Tries: 3, Becomes: entra.CodeRefused,
		Remedy: askLater, Later: thin,
	}, {
		Name: "token", Statuses: []Status{401}, Place: Anywhere, Tries: 2, Becomes: entra.CodeToken,
		Remedy: "there was a token, and Graph does not accept it: check that the identity belongs to this tenant " +
			"and this cloud (AZURE_CLOUD, GRAPH_ENDPOINT), and the clock; a restart of the app has it ask for " +
			"another one", Later: tryAgain,
	}, {
		Name: "licence of the directory", Statuses: []Status{403}, Codes: []string{noPremium}, Place: OfDir, Tries: 3,
		Becomes: entra.CodeLicence,
		Remedy:  "{licence}", Later: without,
	}, {
		// Seen now and then on tenants that have the licence.
		Name: "licence", Statuses: []Status{403}, Codes: []string{noPremium}, Place: Anywhere, Tries: 3,
		Becomes: entra.CodeLicence,
		Remedy:  "this log needs Microsoft Entra ID P1 or P2; without it, take the stream out of ARCHIVE_STREAMS",
		Later:   thin,
	}, {
		Name: "permission", Statuses: []Status{403}, Place: Anywhere, Tries: 2, Becomes: entra.CodePermission,
		Remedy: "grant the app's identity the Microsoft Graph application permission {permission}",
		Later:  thin + " " + without,
	}, {
		Name: "not in the directory", Statuses: []Status{404}, Place: OfDir, Tries: 2, Becomes: entra.CodeNotFound,
		Remedy: "this cloud may not offer it", Later: without,
	}, {
		Name: "not found", Statuses: []Status{404}, Place: Anywhere, Tries: 2, Becomes: entra.CodeNotFound,
		Remedy: "this cloud may not offer the log; take the stream out of ARCHIVE_STREAMS",
		Later:  thin,
	}, {
		Name: "too wide", Statuses: []Status{408, 504, Silence}, Place: Divisible, Tries: 1,
		Becomes: entra.CodeUnavailable, Err: entra.ErrTooWide, Remedy: "a narrower span is asked for; " + health,
		Later: "The span is divided, down to one that can't be; that one is asked for as often as any.",
	}, {
		Name: "throttled", Statuses: []Status{429}, Place: Anywhere, Becomes: entra.CodeThrottled,
		Remedy: "the next run goes on; if it stays, lower GRAPH_REQUESTS_PER_10S or find what else uses " +
			"this app's ceiling",
		Later: "Retry-After is obeyed. " + tryAgain,
	}, {
		Name: "unavailable", Statuses: []Status{408, 500, 502, 503, 504}, Place: Anywhere,
		Becomes: entra.CodeUnavailable, Remedy: "the next run tries again; " + health,
		Later: "Retry-After is obeyed. " + tryAgain,
	}, {
		Name: "refused", Statuses: []Status{405, 406, 410, 415, 501, Any4xx}, Place: Anywhere, Tries: 2,
		Becomes: entra.CodeRefused, Remedy: askLater, Later: thin,
	}, {
		Name: "other failures", Statuses: []Status{Any5xx}, Place: Anywhere, Becomes: entra.CodeUnavailable,
		Remedy: "the next run tries again; " + health, Later: tryAgain,
	}, {
		Name: "broken", Statuses: []Status{Unreadable}, Place: Anywhere, Becomes: entra.CodeBrokenAnswer,
		Remedy: "the next run tries again; " + health, Later: tryAgain,
	}, {
		Name: "no answer of Graph", Statuses: []Status{AnyStatus}, Place: Anywhere, Becomes: entra.CodeBrokenAnswer,
		Remedy: "check GRAPH_ENDPOINT, and whether a proxy answers in place of Microsoft Graph", Later: tryAgain,
	}, {
		Name: "no answer", Statuses: []Status{Silence, NoConnection}, Place: Anywhere, Becomes: entra.CodeUnavailable,
		Remedy: "check GRAPH_ENDPOINT, AZURE_CLOUD and the network; the next run tries again", Later: tryAgain,
	}, {
		Name: "circle", Statuses: []Status{LeadsBack}, Place: Anywhere, Tries: 1, Err: entra.ErrPagingLost,
		Later: restart,
	}, {
		Name: "leads away", Statuses: []Status{LeadsAway}, Place: Anywhere, Tries: 1, Becomes: entra.CodeBrokenAnswer,
		Remedy: "check GRAPH_ENDPOINT and AZURE_CLOUD; no token was sent there", Later: tryAgain,
	},
}

const noPremium = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"

// Refusals is the table, in the order in which its rows are tried.
func Refusals() []Refusal { return slices.Clone(refusals) }

// Believed says in words when the row's answers are believed.
func (f Refusal) Believed() string {
	if n := f.tries(defaultTries); n > 1 {
		return fmt.Sprintf("%d tries", n)
	}
	return "at once"
}

// tries is how many answers are believed, given Config.Tries.
func (f *Refusal) tries(otherwise uint) uint {
	if f.Tries == 0 {
		return otherwise
	}
	return f.Tries
}

// names reports whether the row is about a status and a code. A class of statuses has those that no
// row before names.
func (f *Refusal) names(s Status, code string) bool {
	class := AnyStatus
	switch {
	case s < 0:
		class = s
	case s/100 == Any4xx || s/100 == Any5xx:
		class = s / 100
	}
	return (slices.Contains(f.Statuses, s) || slices.Contains(f.Statuses, class)) &&
		(len(f.Codes) == 0 || slices.Contains(f.Codes, code))
}

// at reports whether the request is one of a place.
func (r request) at(p Place) bool {
	switch p {
	case LaterPage:
		return r.walking
	case FirstPage:
		return !r.walking
	case OfDir:
		return r.licence != ""
	case Divisible:
		return r.divisible != ""
	}
	return true
}

// row finds the row for what came of the request.
func (r request) row(s Status, code string) *Refusal {
	for i := range refusals {
		if f := &refusals[i]; r.at(f.Place) && f.names(s, code) {
			return f
		}
	}
	panic(fmt.Sprintf("no row is about status %d", s)) // the classes have them all
}

// answered makes the error that an answer becomes once it is believed. why says what came; empty:
// cause does.
func (r request) answered(s Status, code, why string, cause error) *again {
	row := r.row(s, code)
	if row.Becomes == "" {
		return &again{error: fmt.Errorf("%s: %s: %w", r.doing, why, row.Err), row: row}
	}
	if row.Place == Divisible {
		why += " to " + r.divisible
	}
	remedy := strings.NewReplacer("{permission}", r.permission, "{licence}", r.licence).Replace(row.Remedy)
	return &again{row: row, error: &entra.Error{Code: row.Becomes, Doing: r.doing, Why: why, Remedy: remedy,
		Err: errors.Join(row.Err, cause)}}
}

// ended is the error of an answer that is believed at once.
func (r request) ended(s Status, why string) error { return r.answered(s, "", why, nil).error }

// refused explains an answer that is not 200.
func (r request) refused(a answer) error {
	code, message := odataError(a.body.Bytes())
	said := strings.TrimSpace(fmt.Sprintf("Graph answers %d %s", a.status, code))
	if message != "" {
		said += " (" + shorten(message) + ")"
	}
	more := r.answered(Status(a.status), code, said, nil)
	if a.status == http.StatusTooManyRequests || a.status >= 500 || a.status == http.StatusRequestTimeout {
		more.after = retryAfter(a.header)
	}
	return more
}
