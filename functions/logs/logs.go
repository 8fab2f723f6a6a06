// Package logs is the HTTP function that reads the archive back in Microsoft Graph's own query
// language.
package logs

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/parallel"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/skiptoken"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Archive is what the function reads.
type Archive interface {
	search.Archive
	// Secret is what signs the skip tokens.
	Secret(ctx context.Context, name string) ([]byte, error)
}

// Config of the function.
type Config struct {
	Archive Archive
	Streams *streams.Known
	Gaps    *search.Gaps
	Counts  *search.Counts
	Now     func() time.Time
	Slice   time.Duration // how long one request searches; what is found by then is answered, with a link to the rest
}

const (
	maxTop     = 1000
	secretName = "logs"
)

// New makes the function.
func New(cfg Config) web.Function {
	// A flow chooses among the logs that every archive has.
	collection := web.Choice("collection", "", "directoryAudits, signIns or provisioning", collections()...)
	one := web.Operation{
		Given: "id", ID: "GetLogRecord", Summary: "One archived record", Text: "One record by its id.",
		Role:       web.RoleRead,
		Path:       []web.Parameter{collection, web.Text("id", "ID of the record")},
		Parameters: []web.Parameter{web.Select(nil), web.SkipToken()},
		Answers:    web.Shape{Name: "record", Is: record{}, Later: true},
		Heavier:    goesOn, Find: find, Do: cfg.one,
	}
	return web.Function{Name: "logs", Trigger: trigger, Operations: []web.Operation{{
		ID: "ListLogs", Summary: "Read the archived logs",
		Text: "Records of any age, in Microsoft Graph's own query language.", Role: web.RoleRead,
		Path: []web.Parameter{collection}, Parameters: listParameters(),
		Answers: web.Shape{Name: "records", Is: about{}, Rows: row{}, Count: true, Pages: true,
			Text: "Records, the newest first"},
		Heavier: heavier, Find: find, Do: cfg.list,
	}, one, cfg.counting(collection)}}
}

// heavier is the class of a list: what counts, groups or searches through records, or gives many.
func heavier(r web.Request) web.Class {
	q := r.Query
	if q.Has("aggregate") || q.Text("$count") == "true" || q.Int("$top") > search.OwnPage {
		return web.Long
	}
	log, err := logOf(r)
	if err != nil || !q.Has("$filter") {
		return web.Short
	}
	shape, err := odata.ShapeOf(log.Stream)
	if err != nil {
		return web.Short
	}
	asked, err := search.New(log.Stream, shape, q.Text("$filter"))
	if err == nil && asked.Searches() {
		return web.Long
	}
	return web.Short // also what is refused
}

// goesOn is the class of a search for one record: of most, the index tells the hour; one that goes on
// reads the keys of an archive that is not indexed yet.
func goesOn(r web.Request) web.Class {
	if r.Query.Has("$skiptoken") {
		return web.Long
	}
	return web.Short
}

// collections are those that every archive has.
func collections() []string {
	var out []string
	for _, l := range logs.All() {
		if !l.OptIn && !slices.Contains(out, l.Collection) {
			out = append(out, l.Collection)
		}
	}
	return out
}

func listParameters() []web.Parameter {
	filter := web.Text("$filter", "Graph's filter language, such as status/errorCode eq 50126 "+
		"and createdDateTime ge 2026-11-01")
	filter.Note = "`eq ne gt ge lt le in`, `and or not`, parentheses, `startswith endswith contains`, " +
		"`tolower toupper`, `any all` over lists, paths (`status/errorCode`), times, dates, GUIDs, numbers, " +
		"`true false null`. Texts are compared as in Graph: with regard to case, but for " +
		"`provisioningStatusInfo/status`"
	order := web.Text("$orderby", "createdDateTime (sign-ins) or activityDateTime, and asc or desc after it")
	order.Note = "Newest first by default"
	count := web.Count()
	count.Note = "Left out where counting takes longer than 20 seconds"
	versions := web.Choice("versions", "", "all gives earlier contents of changed records, too", "current", "all")
	versions.Note = "Each record then says when it was first seen, and when another content took its place " +
		"(`@entraledger...`)"
	aggregate := web.Choice("aggregate", "", "Groups of sign-ins that are not interactive, in place of records",
		"1h", "6h", "24h")
	aggregate.Note = "By the properties in the table above, as the portal shows them. Each with count, " +
		"first and last time"
	return []web.Parameter{filter, order, web.Top(maxTop, "Records of a page"), web.Select(nil), count, web.SkipToken(),
		versions, aggregate}
}

// searchHeader says that a page is shorter than requested because the search was slow (partial), or
// that only a search through all records can answer (scan).
const searchHeader = "X-EntraLedger-Search"

// about is what a list reports about itself. A header, and an annotation that clients of Graph
// ignore, say what is not there any more, and how many records were altered.
type about struct {
	Tampered int64     `json:"@entraledger.tamperedCount,omitempty"`
	Gaps     []web.Gap `json:"@entraledger.gaps,omitempty"`
	Hint     string    `json:"@entraledger.hint,omitempty"`
}

// Texts say what the annotations are.
func (about) Texts() map[string]string {
	return map[string]string{
		"@entraledger.tamperedCount": "How many records of this page were altered since they were " +
			"written, or could not be " +
			"counted into groups for that; absent where none was",
		"@entraledger.gaps": "What the archive does not have of the time that was asked for, and why; " +
			"absent where it has all",
		"@entraledger.hint": "Only of an empty answer: a word of $filter that is nearly a known one; " +
			"else absent",
	}
}

// row is a record of a list.
type row struct {
	ID       string `json:"id,omitempty" text:"ID of the record; absent of a group, and where $select leaves it out"`
	Tampered string `json:"@entraledger.tampered,omitempty"`
	RowKey   string `json:"@entraledger.rowKey,omitempty" text:"Row key of a record that was altered; else absent"`
}

// Open says what a row is.
func (row) Open() string {
	return "A record exactly as Microsoft Graph sent it, or what stands for one that was altered"
}

// Texts say what the annotations are.
func (row) Texts() map[string]string {
	return map[string]string{
		"@entraledger.tampered": "What is wrong with a record that was altered; it then has no other " +
			"properties than id " +
			"and time. Absent on all others",
	}
}

// record is one by itself.
type record struct {
	ID string `json:"id,omitempty" text:"ID of the record; absent where $select leaves it out"`
}

// Open says what it is.
func (record) Open() string { return "A record exactly as Microsoft Graph sent it" }

// list answers with a page of records, or of groups.
func (cfg Config) list(ctx context.Context, r web.Request) (web.Answer, error) {
	q, err := cfg.readQuery(ctx, r)
	if err != nil {
		return web.Answer{}, err
	}
	if q.aggregate != "" {
		return cfg.aggregate(ctx, r, q)
	}
	after, next, err := stand[string](ctx, cfg, r, q.question()) // the key of the last record
	if err != nil {
		return web.Answer{}, err
	}
	gaps := cfg.gaps(ctx, q)
	page, err := q.Page(ctx, cfg.Archive, after, q.top, time.Now().Add(cfg.Slice))
	if err != nil {
		return web.Answer{}, err
	}
	out, err := begin(r, q, gaps, page.Tampered)
	if err != nil {
		return web.Answer{}, err
	}
	if q.count && after == "" {
		if out.Count, err = cfg.count(ctx, q); err != nil {
			return web.Answer{}, err
		}
	}
	if page.More {
		out.NextLink = r.NextLink(next(page.After))
	}
	switch {
	case page.TimedOut:
		r.Header.Set(searchHeader, "partial; follow @odata.nextLink, or narrow the time")
	case q.Scans():
		r.Header.Set(searchHeader, "scan; quicker with a begin of the time in $filter, or with eq or in on one of: "+
			strings.Join(indexed(q.Stream), ", "))
	}
	for _, rec := range page.Records {
		out.Value = append(out.Value, q.project(rec))
	}
	return q.answer(r, out)
}

// answer is the list, to its last brace: what a client of Graph compares byte for byte has no
// line's end. What may be why it is empty is added.
func (q query) answer(r web.Request, list web.List[json.RawMessage]) (web.Answer, error) {
	about, ok := list.About.(about)
	if ok && len(list.Value) == 0 && list.NextLink == "" && !r.Query.Has("$skiptoken") {
		about.Hint = q.Hint()
		web.SetHint(r.Header, about.Hint)
		list.About = about
	}
	body, err := list.JSON(r.Context(list.Of))
	return web.Raw(body), err
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

// stand reads the position of the walk through a question's answer from the request's skip token,
// and returns the function that writes the token of its next page.
func stand[P any](
	ctx context.Context, cfg Config, r web.Request, question string,
) (at P, next func(P) string, err error) {
	walk := skiptoken.Walk{Question: question}
	walk.Secret, err = cfg.Archive.Secret(ctx, secretName)
	if token := r.Query.Text("$skiptoken"); err == nil && token != "" {
		err = walk.Read(token, &at)
	}
	return at, func(at P) string { return walk.Seal(at) }, err
}

// gaps asks what the archive does not have of the question's time while its page is searched, and
// gives what waits for the web.
func (cfg Config) gaps(ctx context.Context, q query) func() ([]ledger.Gap, error) {
	return parallel.Later(func() ([]ledger.Gap, error) { return cfg.Gaps.OfQuestion(ctx, q.Question) })
}

// begin begins the list.
func begin(
	r web.Request, q query, missing func() ([]ledger.Gap, error), tampered int,
) (web.List[json.RawMessage], error) {
	web.SetTampered(r.Header, tampered)
	gaps, err := missing()
	if err == nil {
		web.SetGaps(r.Header, gaps)
	}
	return web.List[json.RawMessage]{Of: "auditLogs/" + q.collection,
			About: about{Tampered: int64(tampered), Gaps: web.Gaps(gaps)}},
		err
}

// count is the number of all records; nil if counting them would last too long.
func (cfg Config) count(ctx context.Context, q query) (*int64, error) {
	n, left, err := q.Count(ctx, cfg.Archive, "", time.Now().Add(cfg.Slice))
	if err != nil || left != "" {
		return nil, err
	}
	return &n, nil
}

// project is a record in an answer: as received, or only what was selected, with what the archive
// adds for versions. An altered one is replaced by what is known of it. Its dates are left out:
// they may be what was altered.
func (q query) project(rec records.Archived) []byte {
	if rec.Tampered != "" {
		fields := q.fields
		if fields != nil {
			fields = append(slices.Clone(fields), web.TamperedAnnotation, web.RowKeyAnnotation)
		}
		return web.Project(web.Tampered(rec, logs.Of(q.Stream).TimeProperty), fields)
	}
	raw := web.Project(rec.Raw, q.fields)
	about := q.about(rec)
	if len(about) == 0 || !gjson.ParseBytes(raw).IsObject() {
		return raw
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) > 2 {
		about = append(about, "")
	}
	return append([]byte("{"+strings.Join(about, ",")), raw[1:]...)
}

// about is what the archive adds to a record: when its content was there, where that was asked for;
// and of one that was imported, always, that it was not read.
func (q query) about(rec records.Archived) (out []string) {
	add := func(name, value string) { out = append(out, strconv.Quote(name)+":"+value) }
	if q.Versions {
		add("@entraledger.firstSeenDateTime", strconv.Quote(web.Time(rec.FirstSeen)))
	}
	if q.Versions && !rec.Superseded.IsZero() {
		add("@entraledger.supersededDateTime", strconv.Quote(web.Time(rec.Superseded)))
	}
	if rec.Origin != "" && (q.Versions || !logs.Of(q.Stream).Delivered) {
		text, _ := json.Marshal(rec.Origin) // a text has a JSON form
		add(web.OriginAnnotation, string(text))
	}
	return out
}
