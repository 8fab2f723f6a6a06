package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/questions"
)

// longestLink bounds the addresses that answers have, in bytes: below what the host takes, with
// room for what callers and their proxies add, such as a key.
const longestLink = 6 << 10

// questionParameter carries the token of a question that is kept.
const questionParameter = "question"

// skipToken is OData's parameter of where a page begins.
const skipToken = "$skiptoken"

// InPath tells whether an id can be a part of an address. The host decodes a path and encodes it
// again: of %2F it makes %252F, it takes dots for steps of the path, and what stands before it may
// decode, too. Others are asked for with $filter=id eq '...'. Sources: what the host did with each
// sign, and github.com/Azure/azure-functions-host/issues/9290.
func InPath(id string) bool {
	return id != "" && id != querySegment && strings.Trim(id, ".") != "" && !strings.ContainsAny(id, `/\%`)
}

// ByID is the address of the collection that this request's path has an id of, with a filter by an
// id that can't be part of a path.
func (r Request) ByID(id string) string {
	path := strings.TrimSuffix(r.http.URL.EscapedPath(), "/")
	query := r.http.URL.Query()
	withoutKeys(query)
	query.Del(skipToken)
	query.Set("$filter", "id eq '"+strings.ReplaceAll(id, "'", "''")+"'")
	return r.links.short(r.keeper, r.base+path[:strings.LastIndexByte(path, '/')], query)
}

// links shortens the addresses of one answer.
type links struct {
	of    string               // the operation and its path
	given questions.Question   // by whose token the request came; zero: it has its question itself
	keep  []questions.Question // for which links were written
	kept  bool                 // they are stored: nothing more can be
}

// short is an address with a query. What is too long is kept, and its token takes its place.
func (l *links) short(keeper *questions.Questions, address string, query url.Values) string {
	whole := address + "?" + query.Encode()
	if len(whole) <= longestLink || keeper == nil {
		return whole
	}
	place := query.Get(skipToken)
	query.Del(skipToken)
	link := l.shortened(keeper, address, query, place)
	if len(link) > longestLink { // by its place alone
		query.Set(skipToken, place)
		link = l.shortened(keeper, address, query, "")
	}
	return link
}

// shortened is a link whose query is kept, and which has the place itself. Pages of one question
// have one token.
func (l *links) shortened(keeper *questions.Questions, address string, query url.Values, place string) string {
	if l.kept {
		panic("a link was shortened after the answer had begun")
	}
	q := l.given
	if text := query.Encode(); q.Token == "" || q.Query != text {
		q = keeper.New(l.of, text)
	}
	link := address + "?" + questionParameter + "=" + q.Token
	if place != "" {
		link += "&" + url.QueryEscape(skipToken) + "=" + url.QueryEscape(place)
	}
	if len(link) <= longestLink || place == "" {
		l.keep = append(l.keep, q)
	}
	return link
}

// kept stores the questions of the answer's links, also of those in an error.
func (r Request) kept(ctx context.Context, err error) error {
	if storing := r.links.store(ctx, r.keeper); storing != nil {
		return storing
	}
	return err
}

// store keeps the questions for which links were written, before anybody reads one.
func (l *links) store(ctx context.Context, keeper *questions.Questions) error {
	l.kept = true
	for i, q := range l.keep {
		if slices.ContainsFunc(l.keep[:i], func(k questions.Question) bool { return k.Token == q.Token }) {
			continue
		}
		if err := keeper.Keep(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// recalled is a request with the question that its token stands for. Only the place in the answer
// goes with a token: whoever wants another question asks it whole.
func (l *links) recalled(keeper *questions.Questions, r *http.Request) (*http.Request, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || keeper == nil || !query.Has(questionParameter) {
		return r, nil // what can't be read is refused where it is read
	}
	for name := range query {
		if name != questionParameter && name != skipToken && !isKey(name) {
			return r, Refuse(name+" is given beside question", "follow the link exactly as it was given")
		}
	}
	if len(query[questionParameter]) > 1 || len(query[skipToken]) > 1 {
		return r, Refuse("question is given twice, or $skiptoken", "follow the link exactly as it was given")
	}
	if l.given, err = keeper.Recall(r.Context(), query.Get(questionParameter), l.of); err != nil {
		return r, err
	}
	text := l.given.Query
	if query.Has(skipToken) {
		text += "&" + url.QueryEscape(skipToken) + "=" + url.QueryEscape(query.Get(skipToken))
	}
	return withQuery(r, r.Method, text), nil
}

// withQuery is a request with another query, and without a body.
func withQuery(r *http.Request, method, query string) *http.Request {
	address, out := *r.URL, *r
	address.RawQuery = query
	out.URL, out.Method, out.Body, out.ContentLength = &address, method, http.NoBody, 0
	return &out
}
