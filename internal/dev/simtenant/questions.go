package simtenant

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
)

// Question is what a request asks of a collection.
type Question string

// The questions.
const (
	ForPage  Question = "page"  // one page of a walk
	ForCount Question = "count" // /$count
	ForIDs   Question = "ids"   // $filter=id in (...)
	ForOne   Question = "one"   // a single object, or a list below it
)

// Questions lists them all.
func Questions() []Question { return []Question{ForPage, ForCount, ForIDs, ForOne} }

// maxIDs is how many values an "in" accepts. Source: developer.microsoft.com/graph/known-issues,
// "Some limitations apply to query parameters".
const maxIDs = 15

// readIDs reads a filter of the form id in ('...','...'): all that the directory's collections
// accept here.
func readIDs(text string) (map[string]bool, *problem) {
	bad := func(message string) (map[string]bool, *problem) {
		return nil, &problem{http.StatusBadRequest, "Request_UnsupportedQuery", message}
	}
	tokens, err := lex(text)
	n := len(tokens)
	if err != nil || n < 5 || tokens[0].text != "id" || !strings.EqualFold(tokens[1].text, "in") ||
		tokens[2].kind != '(' || tokens[n-1].kind != ')' {
		return bad("Unsupported Query.")
	}
	ids := make(map[string]bool)
	values := tokens[3 : n-1]
	for i, t := range values {
		if i%2 == 0 && t.kind != 's' || i%2 == 1 && t.kind != ',' {
			return bad("Unsupported Query.")
		}
		if t.kind == 's' {
			ids[t.text] = true
		}
	}
	switch asked := (len(values) + 1) / 2; {
	case len(values)%2 == 0:
		return bad("Unsupported Query.")
	case asked > maxIDs:
		return bad(fmt.Sprintf("Too many child clauses specified in search filter expression "+
			"containing 'OR' operators: "+
			"%d. Max allowed: %d.", asked, maxIDs))
	}
	return ids, nil
}

// serveCount answers how many objects a collection has: plain text, which begins with a mark of
// byte order.
func (t *Tenant) serveCount(w http.ResponseWriter, r *http.Request, l listing) {
	answered := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	defer func() { t.count(l.collection, answered.status) }()
	if p := t.authorize(r, l.permission); p != nil {
		t.refuse(answered, p)
		return
	}
	if t.overUnits(answered, r, l, false) {
		t.throttle(answered)
		return
	}
	if p := refusedCount(r); p != nil {
		t.refuse(answered, p)
		return
	}
	fault := t.due(request{stream: l.collection, version: versionOf(r), question: ForCount, position: t.beginWalk()})
	if fault.ofActivity() && l.collection == Users {
		t.undo(fault)
		fault = nil
	}
	if fault != nil && t.answerInstead(answered, r, fault) {
		return
	}
	n := t.counted(objectsOf(l.collection), r.PathValue("group"), r.PathValue("kind"))
	if fault != nil && fault.Kind == WrongCount {
		n = max(0, n+orDefault(fault.Records, 1))
	}
	body := append([]byte("\xef\xbb\xbf"), strconv.Itoa(n)...)
	if fault != nil && t.spoil(answered, r, fault, body) {
		return
	}
	answered.Header().Set("Content-Type", "text/plain")
	_, _ = answered.Write(body) // a caller that went away needs no answer
}

// refusedCount is why /$count is refused, if it is: it is had only from the index, as text, and of
// the whole collection.
func refusedCount(r *http.Request) *problem {
	switch {
	case !strings.EqualFold(r.Header.Get("ConsistencyLevel"), "eventual"), r.URL.RawQuery != "":
		return &problem{http.StatusBadRequest, "Request_UnsupportedQuery", "Unsupported Query."}
	case strings.Contains(strings.ToLower(r.Header.Get("Accept")), "json"):
		return &problem{http.StatusUnsupportedMediaType, "Request_BadRequest",
			"A supported MIME type could not be found that matches the acceptable MIME types for the request."}
	}
	return nil
}

// counted is how many objects a collection has, or a group, of a kind if one is named.
func (t *Tenant) counted(collection entra.Stream, group, kind string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.directory[collection]
	if len(o.removed) == 0 && collection != GroupMembers {
		return o.len()
	}
	n := 0
	for i := range o.len() {
		raw := o.at(i)
		if raw != nil && (collection != GroupMembers || gjson.GetBytes(raw, "groupId").Str == group) &&
			ofKind(raw, kind) {
			n++
		}
	}
	return n
}

// ofKind reports whether an object is of a kind. One that names none is a user.
func ofKind(raw []byte, kind string) bool {
	is := gjson.GetBytes(raw, `@odata\.type`).Str
	return kind == "" || is == "#"+kind || is == "" && kind == "microsoft.graph.user"
}

// ofActivity reports whether a fault refuses the sign-in activity of users, but no request without
// it.
func (f *Fault) ofActivity() bool {
	return f != nil && f.Question == "" && (f.Kind == NoLicence || f.Kind == NoPermission)
}

// hits reports whether a fault of its kind can happen to a question, and is meant to.
func (f *Fault) hits(q Question) bool {
	switch {
	case q == "":
		q = ForPage
	case (q == ForCount || q == ForOne) && slices.Contains(pageKinds, f.Kind):
		return false
	}
	switch {
	case f.Kind == WrongCount:
		return q == ForCount
	case f.Question == "":
		return q == ForPage || !slices.Contains(pageKinds, f.Kind)
	}
	return f.Question == q
}

// pageKinds are the kinds of fault that change a page.
var pageKinds = []Kind{SkipTokenExpired, SkipTokenNull, SkipTokenInvalid, SameNextLink, EmptyPage, ShortPage,
	RepeatRecords, SamePageTwice, Unordered, BlankActivity, BlankBeyond, BlankFirst, BlankSome, BlankSame, EndsShort,
	EndsEmpty, LeavesOut, LinkCycle, FreshCycle, LongLinks, ThinThenRich, RichThenThin, OtherTime}
