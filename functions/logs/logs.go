// Package logs is the HTTP function that reads the archive back in Microsoft Graph's own query language.
package logs

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/skiptoken"
)

// Archive is what the function reads.
type Archive interface {
	search.Archive
	// Secret is what signs the skip tokens.
	Secret(ctx context.Context, name string) ([]byte, error)
}

// Function answers GET /api/auditLogs/{collection} and GET /api/auditLogs/{collection}/{id}.
type Function struct {
	Archive Archive
	Streams []entra.Stream // that are archived
	Now     func() time.Time
	BaseURL string        // of links; empty: as forwarded
	Slice   time.Duration // how long one request searches; what is found by then is answered, with a link to the rest
}

const (
	defaultTop = 100
	maxTop     = 1000
	secretName = "logs"
)

// searchHeader says that a page is shorter than was asked for because searching took too long (partial), or that only a search
// through all records can answer (scan).
const searchHeader = "X-EntraLedger-Search"

// ServeHTTP answers with a page of records, or with one record.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	if id := r.PathValue("id"); id != "" {
		err = f.one(w, r, id)
	} else {
		err = f.list(w, r)
	}
	if err != nil {
		answer.Error(w, r, err)
	}
}

func (f *Function) list(w http.ResponseWriter, r *http.Request) error {
	q, err := f.readQuery(r, "$filter", "$orderby", "$top", "$select", "$count", "$skiptoken", "versions", "aggregate")
	if err != nil {
		return err
	}
	if q.aggregate != "" {
		return f.aggregate(w, r, q)
	}
	after, next, err := stand[string](f, r, q.question()) // the key of the last record
	if err != nil {
		return err
	}
	page, err := q.Page(r.Context(), f.Archive, after, q.top, time.Now().Add(f.Slice))
	if err != nil {
		return err
	}
	body := f.begin(r, q)
	if q.count && after == "" {
		if body, err = f.appendCount(r.Context(), body, q); err != nil {
			return err
		}
	}
	if page.More {
		body = append(body, `"@odata.nextLink":`...)
		body = strconv.AppendQuote(body, answer.NextLink(r, f.BaseURL, next(page.After)))
		body = append(body, ',')
	}
	switch {
	case page.TimedOut:
		w.Header().Set(searchHeader, "partial; follow @odata.nextLink, or narrow the time")
	case q.Scans():
		w.Header().Set(searchHeader, "scan; a begin of the time in $filter, or a user, application or id, would make it quicker")
	}
	body = append(body, `"value":[`...)
	for i, rec := range page.Records {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, q.project(rec)...)
	}
	answer.Raw(w, append(body, "]}"...))
	return nil
}

// stand finds where the walk through a question's answer stands, by the request's skip token, and gives what writes the token of its next page.
func stand[P any](f *Function, r *http.Request, question string) (at P, next func(P) string, err error) {
	// A token is good for one question.
	type walk struct {
		Question string `json:"q"`
		At       P      `json:"at"`
	}
	secret, err := f.Archive.Secret(r.Context(), secretName)
	next = func(at P) string { return skiptoken.Seal(secret, walk{question, at}) }
	token := r.URL.Query().Get("$skiptoken")
	if err != nil || token == "" {
		return at, next, err
	}
	var w walk
	t, err := skiptoken.Read(token, &w)
	if err == nil {
		err = t.Check(secret)
	}
	if err == nil && w.Question != question {
		err = skiptoken.Refuse("it belongs to a question with other parameters")
	}
	return w.At, next, err
}

// begin begins the answer.
func (f *Function) begin(r *http.Request, q query) []byte {
	return append([]byte(`{"@odata.context":`), strconv.Quote(answer.BaseURL(r, f.BaseURL)+"/api/$metadata#auditLogs/"+q.collection)+`,`...)
}

// appendCount adds the number of all records, unless counting them takes too long.
func (f *Function) appendCount(ctx context.Context, body []byte, q query) ([]byte, error) {
	n, whole, err := q.Count(ctx, f.Archive, time.Now().Add(f.Slice))
	if err != nil || !whole {
		return body, err
	}
	return append(body, `"@odata.count":`+strconv.FormatInt(n, 10)+`,`...), nil
}

// one answers with one record, as it is now. An id does not say when its record is from, so the archive is searched, the
// newest first, for as long as one request may take.
func (f *Function) one(w http.ResponseWriter, r *http.Request, id string) error {
	q, err := f.readQuery(r, "$select")
	if err != nil {
		return err
	}
	streams := []entra.Stream{q.Stream}
	if q.Stream.IsSignIns() { // an id may be of any type
		streams = slices.DeleteFunc(slices.Clone(f.Streams), func(s entra.Stream) bool { return !s.IsSignIns() })
	}
	end := time.Now().Add(f.Slice)
	for _, q.Stream = range streams {
		progress, err := f.Archive.Progress(r.Context(), q.Stream)
		if err != nil {
			return err
		}
		q.Within(progress, f.Now())
		q.OnlyID(id)
		found := false
		err = q.Each(r.Context(), f.Archive, "", func(rec archive.Archived, matches bool) (bool, error) {
			if found = matches; found {
				answer.Raw(w, q.project(rec))
				return false, nil
			}
			if time.Now().After(end) {
				return false, &entra.Error{Code: entra.CodeUnavailable, Doing: "find record " + entra.Clip(id, 80), Why: fmt.Sprintf("it was not found within %s", f.Slice),
					Remedy: fmt.Sprintf("ask for a list with $filter=id eq '...' and a range of %s", q.Stream.TimeProperty())}
			}
			return true, nil
		})
		if found || err != nil {
			return err
		}
	}
	return &entra.Error{Code: entra.CodeNotFound, Doing: "find record " + entra.Clip(id, 80), Why: "the archive has none of it in " + q.collection,
		Remedy: "GET /api/coverage says what the archive holds"}
}

// project is a record as it is answered: as received, or only what was selected, with what the archive adds for versions.
func (q query) project(rec archive.Archived) []byte {
	raw := answer.Project(rec.Raw, q.fields)
	if !q.Versions || !gjson.ParseBytes(raw).IsObject() {
		return raw
	}
	about := `{"@entraledger.firstSeenDateTime":` + strconv.Quote(answer.Time(rec.FirstSeen))
	if !rec.Superseded.IsZero() {
		about += `,"@entraledger.supersededDateTime":` + strconv.Quote(answer.Time(rec.Superseded))
	}
	if len(raw) > 2 {
		about += ","
	}
	return append([]byte(about), raw[1:]...)
}
