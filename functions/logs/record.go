package logs

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/parallel"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/web"
)

// seekPlace is where the search for a record stands.
type seekPlace struct {
	After   map[entra.Stream]string `json:"s"` // of the streams that are left, how far each is
	Altered int                     `json:"n,omitempty"`
	Unknown string                  `json:"u,omitempty"`
}

// one answers with one record, as it is now. An id does not have the record's time, so all streams
// of the collection are searched at once, each the newest first, for as long as one request may
// last. What is left then is answered with 202 and a link. An altered record is the answer only if
// no other content with the id can be read.
func (cfg Config) one(ctx context.Context, r web.Request) (web.Answer, error) {
	q, err := cfg.readOne(ctx, r)
	if err != nil {
		return web.Answer{}, err
	}
	types, err := cfg.types(ctx, q)
	if err != nil {
		return web.Answer{}, err
	}
	for _, stream := range types {
		if err := r.MayRead(stream); err != nil {
			return web.Answer{}, err
		}
	}
	s := &sought{id: r.Path("id")}
	at, next, err := stand[seekPlace](ctx, cfg, r, questionOf("one", q.collection, s.id))
	if err != nil {
		return web.Answer{}, err
	}
	s.altered, s.unknown = at.Altered, at.Unknown
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	searched := cfg.searchAll(ctx, q, types, at.After, s.id)
	left := make(map[entra.Stream]string)
	var gaps []ledger.Gap
	for i, stream := range types {
		one, err := searched[i]()
		if err != nil {
			return web.Answer{}, err
		}
		for _, rec := range one.altered {
			s.meet(stream, rec)
		}
		if one.found != nil {
			web.SetTampered(r.Header, s.altered)
			return web.Raw(one.query.project(*one.found)), nil
		}
		if one.after != "" {
			left[stream] = one.after
		}
		gaps = append(gaps, one.gaps...)
	}
	web.SetTampered(r.Header, s.altered)
	if err := s.tampered(); err != nil { // what was met is no reason to ask again
		return web.Answer{}, err
	}
	if len(left) > 0 {
		link := r.NextLink(next(seekPlace{left, s.altered, s.unknown}))
		if len(types) == 1 && !web.InPath(s.id) { // the ids of collections with several types are GUIDs
			link = r.ByID(s.id)
		}
		return goOn(r, link, slices.Collect(maps.Values(left))...), nil
	}
	slices.SortStableFunc(gaps, func(a, b ledger.Gap) int { return a.From.Compare(b.From) })
	web.SetGaps(r.Header, gaps)
	return web.Answer{}, s.notThere(q.collection, gaps)
}

// searching is what is answered while a record is still searched for.
type searching struct {
	Status string `json:"status"`
	Back   string `json:"searchedBackToDateTime"`
	Next   string `json:"@odata.nextLink"`
}

// goOn answers that the search is not at its end: Location, like the link, goes on with it.
func goOn(r web.Request, link string, left ...string) web.Answer {
	var back time.Time
	for _, place := range left {
		if at, ok := search.TimeOf(place); ok && at.After(back) {
			back = at
		}
	}
	r.Header.Set(searchHeader, "partial; follow Location")
	return web.Later(link, searching{"searching", web.Time(back), link})
}

// readOne reads a request for one record of a collection.
func (cfg Config) readOne(ctx context.Context, r web.Request) (query, error) {
	q := query{collection: r.Path("collection")}
	log, err := logOf(r)
	if err != nil {
		return q, err
	}
	return cfg.asked(ctx, r, q, log.Stream)
}

// types are the streams that may have the record.
func (cfg Config) types(ctx context.Context, q query) ([]entra.Stream, error) {
	if logs.Of(q.Stream).EventType == "" {
		return []entra.Stream{q.Stream}, nil
	}
	all, err := cfg.Streams.All(ctx)
	other := func(s entra.Stream) bool { return logs.Of(s).Collection != q.collection }
	return slices.DeleteFunc(slices.Clone(all), other), err
}

// sought is a record that is looked for, and what was met of altered ones that may be it.
type sought struct {
	id      string
	altered int
	known   string // the first one whose row key has the id; empty: none
	unknown string // the first one whose row key has no id; empty: none
}

// meet counts an altered record.
func (s *sought) meet(of entra.Stream, rec records.Archived) {
	s.altered++
	first := &s.unknown
	if slices.Contains(spellings(s.id), rec.Key.ID) {
		first = &s.known
	}
	if *first == "" {
		*first = fmt.Sprintf("row %s of %s: %s", entra.Clip(rec.Row, 400), of, rec.Tampered)
	}
}

// searched is what the search of one stream has found.
type searched struct {
	query   query
	found   *records.Archived
	altered []records.Archived // met before
	after   string             // where it goes on; empty: it is at its end
	gaps    []ledger.Gap
}

// guid is the form of the ids of sign-ins and of provisioning.
var guid = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// spellings are an id as it was given, and, of a GUID with capitals, as Graph writes it: some tools
// show GUIDs in capitals, and both are one value (RFC 9562, section 4). How Graph compares them is
// not documented. Other ids, such as those of audits, are texts. Of one with %2F, a slash may be meant:
// the host writes both alike.
func spellings(id string) []string {
	if plain := strings.NewReplacer("%2F", "/", "%2f", "/").Replace(id); plain != id {
		return []string{id, plain}
	}
	if lower := strings.ToLower(id); lower != id && guid.MatchString(id) {
		return []string{id, lower}
	}
	return []string{id}
}

// searchAll searches the streams at the same time, and gives what waits for each. Of a search that
// goes on, only those are searched that are left.
func (cfg Config) searchAll(ctx context.Context, q query, of []entra.Stream, left map[entra.Stream]string,
	id string) []func() (searched, error) {
	end := time.Now().Add(cfg.Slice)
	out := make([]func() (searched, error), len(of))
	for i, stream := range of {
		one := searched{query: q}
		one.query.Stream = stream
		out[i] = parallel.Later(func() (searched, error) {
			progress, err := cfg.Archive.Progress(ctx, stream)
			if err != nil {
				return searched{}, err
			}
			one.query.Within(progress, cfg.Now())
			one.query.OnlyIDs(spellings(id)...)
			if after, ok := left[stream]; ok || left == nil {
				err = cfg.search(ctx, &one, after, end)
			}
			if err == nil && one.found == nil && one.after == "" {
				one.gaps, err = cfg.Gaps.OfQuestion(ctx, one.query.Question)
			}
			return one, err
		})
	}
	return out
}

// search searches one stream from a place on, up to a moment.
func (cfg Config) search(ctx context.Context, s *searched, after string, end time.Time) error {
	return s.query.Each(ctx, cfg.Archive, after, func(rec records.Archived, matches bool) (bool, error) {
		switch {
		case matches && rec.Tampered != "":
			s.altered = append(s.altered, rec)
		case matches:
			s.found = &rec
			return false, nil
		}
		if time.Now().After(end) {
			s.after = rec.Place
		}
		return s.after == "", nil
	})
}

// tampered says that the record was altered; nil where none with its id was met.
func (s *sought) tampered() error {
	if s.known == "" {
		return nil
	}
	return &entra.Error{Code: entra.CodeTampered, Doing: "find record " + entra.Clip(s.id, 80), Why: s.known,
		Remedy: "the row was altered since it was written: GET /api/verify names all such rows"}
}

// gapsInMessage is how many gaps an error names.
const gapsInMessage = 3

// notThere says that there is no record. Its id does not have a time: it may be of a time that is
// gone, or its row key may not have its id any more.
func (s *sought) notThere(collection string, gaps []ledger.Gap) error {
	out := &entra.Error{Code: entra.CodeNotFound, Doing: "find record " + entra.Clip(s.id, 80),
		Why: "the archive has none of it in " + collection, Remedy: "GET /api/coverage says what the archive holds"}
	if s.altered > 0 {
		out.Why += "; it may be one that was altered, and whose key does not tell its id: " + s.unknown
		if more := s.altered - 1; more > 0 {
			out.Why += fmt.Sprintf("; and %d more", more)
		}
		out.Remedy += ", and GET /api/verify which rows were altered"
	}
	if len(gaps) == 0 {
		return out
	}
	out.Why += "; it may be of a time that is gone: "
	for i, g := range gaps[max(0, len(gaps)-gapsInMessage):] {
		if i > 0 {
			out.Why += "; "
		}
		out.Why += fmt.Sprintf("%s to %s, %s", web.Time(g.From), web.Time(g.To), g.Reason)
	}
	if more := len(gaps) - gapsInMessage; more > 0 {
		out.Why += fmt.Sprintf("; and %d more", more)
	}
	return out
}
