package simtenant

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// maxTop is both the default and the greatest page size of the log collections.
const maxTop = 1000

// collection is one of Graph's log collections in one version.
type collection struct {
	log     *logs.Log // without a filter of types
	version string
	schema  schema
}

func (t *Tenant) newRoutes() (*http.ServeMux, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+IdentityPath, t.serveToken)
	for _, l := range t.known {
		schema, err := schemaOf(l)
		if err != nil {
			return nil, err
		}
		for _, version := range []string{entra.FormV1, entra.FormBeta} {
			if !l.Unfiltered || !servedIn(l, version) {
				continue
			}
			c, path := collection{l, version, schema}, "/"+version+"/auditLogs/"+l.Collection
			mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { t.serveCollection(w, r, c) })
			mux.HandleFunc(path+"/{id}", func(w http.ResponseWriter, r *http.Request) { t.serveRecord(w, r, c) })
		}
	}
	for _, version := range []string{"/v1.0", "/beta"} {
		mux.HandleFunc(version+"/{$}", t.serveRoot)
		mux.HandleFunc(version+"/", t.serveUnknown)
	}
	t.addDirectory(mux)
	t.addAdmin(mux)
	return mux, nil
}

// ServeHTTP is Microsoft Graph, the token endpoint, and the tenant's own controls below /_sim/.
func (t *Tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.setHeaders(w, r)
	t.routes.ServeHTTP(w, r)
}

func (t *Tenant) serveRoot(w http.ResponseWriter, r *http.Request) {
	t.send(w, r, []byte(`{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata","value":[]}`))
}

func (t *Tenant) serveUnknown(w http.ResponseWriter, r *http.Request) {
	if appID, ok := federatedOf(r.URL.Path); ok {
		t.serveFederated(w, r, appID)
		return
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	t.refuse(w, &problem{http.StatusBadRequest, "BadRequest",
		fmt.Sprintf("Resource not found for the segment '%s'.", parts[len(parts)-1])})
}

// serveCollection answers one page, or the fault that is due.
func (t *Tenant) serveCollection(w http.ResponseWriter, r *http.Request, c collection) {
	q, p := t.readQuery(r, c)
	answered := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	noted, over := t.arrive(q.stream, r)
	defer func() { t.answered(noted, answered.status) }()
	if r.Method != http.MethodGet {
		t.refuse(answered, &problem{http.StatusMethodNotAllowed, "Request_BadRequest",
			"Specified HTTP method is not allowed for the request target."})
		return
	}
	if denied := t.authorize(r, c.log.Permission); denied != nil {
		t.refuse(answered, denied)
		return
	}
	if over {
		t.throttle(answered)
		return
	}
	if p != nil {
		t.refuse(answered, p)
		return
	}
	fault := t.due(q.request())
	if fault != nil && t.answerInstead(answered, r, fault) {
		return
	}
	body := t.page(r, q, fault)
	if fault != nil && t.spoil(answered, r, fault, body) {
		return
	}
	t.send(answered, r, body)
}

// statusWriter remembers the status for the counters.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// query is a request for a page, read.
type query struct {
	collection
	stream      entra.Stream
	as          asked
	plan        plan
	newestFirst bool
	top         int
	fields      []string // of $select; nil: all
	count       bool
	from        position
}

// request is what faults ask of a query.
func (q query) request() request {
	return request{stream: q.stream, version: q.version, position: q.from, bounds: &q.plan}
}

func (t *Tenant) readQuery(r *http.Request, c collection) (query, *problem) {
	q := query{collection: c, stream: c.log.Stream, newestFirst: true, top: maxTop, plan: planFilter(c.log, nil)}
	q.as = asked{c.version, prefersMembers(r), t.blind(r, c.log)}
	bad := func(code, message string) (query, *problem) { return q, &problem{http.StatusBadRequest, code, message} }
	for name, values := range r.URL.Query() {
		text := values[0]
		switch strings.ToLower(strings.TrimPrefix(name, "$")) {
		case "filter":
			if err := t.readFilter(&q, text); err != nil {
				return bad("BadRequest", err.Error())
			}
		case "top":
			top, err := strconv.Atoi(text)
			if err != nil || top < 1 {
				return bad("BadRequest",
					fmt.Sprintf("Invalid value '%s' for $top query option found. The $top query option requires "+
						"a non-negative integer value.", text))
			}
			if top > maxTop {
				return bad("BadRequest",
					fmt.Sprintf("Invalid page size specified: '%d'. Must be between 1 and %d inclusive.", top, maxTop))
			}
			q.top = top
		case "orderby":
			property, direction, _ := strings.Cut(strings.TrimSpace(text), " ")
			if property != c.log.TimeProperty || !slices.Contains([]string{"", "asc", "desc"},
				strings.TrimSpace(direction)) {
				return bad("BadRequest", fmt.Sprintf("The property '%s' can't be used in $orderby.", text))
			}
			q.newestFirst = strings.TrimSpace(direction) == "desc"
		case "select":
			q.fields = strings.Split(text, ",")
		case "count":
			if q.count = text == "true"; q.count && c.schema.noCount {
				return bad("BadRequest", notAllowed("Count"))
			}
		case "skip":
			return bad("BadRequest", notAllowed("Skip"))
		case "skiptoken":
			var ok bool
			if q.from, ok = t.openToken(text); !ok {
				return bad("", "Token not found: token is either invalid or expired")
			}
		}
	}
	if q.from.page == 0 {
		q.from = t.beginWalk()
	}
	return q, nil
}

func notAllowed(option string) string {
	return "Query option '" + option + "' is not allowed. To allow it, set the 'AllowedQueryOptions' property on " +
		"EnableQueryAttribute or QueryValidationSettings."
}

func (t *Tenant) readFilter(q *query, text string) error {
	n, err := parseFilter(text)
	if err != nil {
		return err
	}
	if err := q.schema.check(n, nil, t.logs[q.log.Stream].forms[asked{q.version, true, false}].rule); err != nil {
		return err
	}
	q.plan = planFilter(q.log, n)
	if q.log.EventType == "" || len(q.plan.types) == 0 {
		return nil
	}
	for _, name := range q.plan.types {
		if name != q.plan.types[0] {
			return invalid("User sign-in event types and workload identity sign-in event types can't be mixed.")
		}
	}
	for _, l := range t.known {
		if l.Collection == q.log.Collection && l.EventType == q.plan.types[0] {
			q.stream = l.Stream
			return nil
		}
	}
	return invalid("'%s' is no sign-in event type.", q.plan.types[0])
}

func (t *Tenant) serveRecord(w http.ResponseWriter, r *http.Request, c collection) {
	if denied := t.authorize(r, c.log.Permission); denied != nil {
		t.refuse(w, denied)
		return
	}
	for raw := range t.served(c.log.Stream, asked{c.version, prefersMembers(r), t.blind(r, c.log)}) {
		if gjson.GetBytes(raw, "id").Str == r.PathValue("id") {
			t.send(w, r, raw)
			return
		}
	}
	t.refuse(w, &problem{http.StatusNotFound, "Request_ResourceNotFound", fmt.Sprintf(
		"Resource '%s' does not exist or one of its queried reference-property objects are not present.",
		r.PathValue("id"))})
}

func (t *Tenant) throttle(w http.ResponseWriter) {
	if !t.cfg.NoRetryAfter {
		w.Header().Set("Retry-After", "10")
	}
	w.Header().Set("x-ms-throttle-information", "ResourceUnitLimitExceeded")
	t.refuse(w, &problem{http.StatusTooManyRequests, "TooManyRequests", "Too Many Requests"})
}
