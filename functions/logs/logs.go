// Package logs is the HTTP function that reads the archive back in Microsoft Graph's own query language.
package logs

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/skiptoken"
	"github.com/entraledger/entraledger/internal/streams"
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
	Streams *streams.Known
	Gaps    *search.Gaps
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
	gaps := f.gaps(r.Context(), q)
	page, err := q.Page(r.Context(), f.Archive, after, q.top, time.Now().Add(f.Slice))
	if err != nil {
		return err
	}
	body, err := f.begin(w, r, q, gaps, page.Tampered)
	if err != nil {
		return err
	}
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
		w.Header().Set(searchHeader, "scan; quicker with a begin of the time in $filter, or with eq or in on one of: "+
			strings.Join(indexed(q.Stream), ", "))
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

// indexed are the properties by which the index finds records.
func indexed(s entra.Stream) []string {
	out := []string{"id"}
	for _, c := range logs.Of(s).Columns {
		if c.Indexed {
			out = append(out, c.Path)
		}
	}
	return out
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

// gaps asks what the archive does not have of the question's time while its page is searched, and
// gives what waits for the answer.
func (f *Function) gaps(ctx context.Context, q query) func() ([]archive.Gap, error) {
	return search.Later(func() ([]archive.Gap, error) { return f.Gaps.OfQuestion(ctx, q.Question) })
}

// begin begins the answer. What is not there any more, and how many records were altered, stands in
// a header, and in an annotation, which clients of Graph ignore.
func (f *Function) begin(w http.ResponseWriter, r *http.Request, q query, missing func() ([]archive.Gap, error), tampered int) ([]byte, error) {
	about := answer.BaseURL(r, f.BaseURL) + "/api/$metadata#auditLogs/" + q.collection
	body := append([]byte(`{"@odata.context":`), strconv.Quote(about)+`,`...)
	answer.SetTampered(w.Header(), tampered)
	body = answer.AppendTamperedCount(body, tampered)
	gaps, err := missing()
	if err != nil || len(gaps) == 0 {
		return body, err
	}
	answer.SetGaps(w, gaps)
	list, err := json.Marshal(answer.Gaps(gaps))
	return append(append(append(body, `"@entraledger.gaps":`...), list...), ','), err
}

// appendCount adds the number of all records, unless counting them takes too long.
func (f *Function) appendCount(ctx context.Context, body []byte, q query) ([]byte, error) {
	n, whole, err := q.Count(ctx, f.Archive, time.Now().Add(f.Slice))
	if err != nil || !whole {
		return body, err
	}
	return append(body, `"@odata.count":`+strconv.FormatInt(n, 10)+`,`...), nil
}

// project is a record as it is answered: as received, or only what was selected, with what the
// archive adds for versions. In place of an altered one stands what is known of it. Its dates are
// not: they may be what was altered.
func (q query) project(rec archive.Archived) []byte {
	if rec.Tampered != "" {
		fields := q.fields
		if fields != nil {
			fields = append(slices.Clone(fields), answer.TamperedAnnotation, answer.RowKeyAnnotation)
		}
		return answer.Project(answer.Tampered(rec, logs.Of(q.Stream).TimeProperty), fields)
	}
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
