package logs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/web"
)

// one answers with one record, as it is now. An id does not have the record's time, so the archive
// is searched, the newest first, for as long as one request may last. An altered record is the
// answer only if no other content with the id can be read.
func (cfg Config) one(ctx context.Context, r web.Request) (web.Answer, error) {
	q, err := cfg.readOne(ctx, r)
	if err != nil {
		return web.Answer{}, err
	}
	types, err := cfg.types(ctx, q)
	if err != nil {
		return web.Answer{}, err
	}
	s := &sought{id: r.Path("id"), end: time.Now().Add(cfg.Slice), slice: cfg.Slice}
	var gaps []ledger.Gap
	for _, q.Stream = range types {
		if err := r.MayRead(q.Stream); err != nil {
			return web.Answer{}, err
		}
		progress, err := cfg.Archive.Progress(ctx, q.Stream)
		if err != nil {
			return web.Answer{}, err
		}
		q.Within(progress, cfg.Now())
		q.OnlyID(s.id)
		found, err := cfg.search(ctx, q, s)
		if err != nil {
			return web.Answer{}, err
		}
		if found != nil {
			web.SetTampered(r.Header, s.altered)
			return web.Raw(q.project(*found)), nil
		}
		missing, err := cfg.Gaps.OfQuestion(ctx, q.Question)
		if err != nil {
			return web.Answer{}, err
		}
		gaps = append(gaps, missing...)
	}
	web.SetTampered(r.Header, s.altered)
	if err := s.tampered(); err != nil {
		return web.Answer{}, err
	}
	slices.SortStableFunc(gaps, func(a, b ledger.Gap) int { return a.From.Compare(b.From) })
	web.SetGaps(r.Header, gaps)
	return web.Answer{}, s.notThere(q.collection, gaps)
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
	end     time.Time     // when the search has to end
	slice   time.Duration // how long the search may last then
	altered int
	known   string // the first one whose row key has the id; empty: none
	unknown string // the first one whose row key has no id; empty: none
}

// meet counts an altered record.
func (s *sought) meet(of entra.Stream, rec records.Archived) {
	s.altered++
	first := &s.unknown
	if rec.Key.ID == s.id {
		first = &s.known
	}
	if *first == "" {
		*first = fmt.Sprintf("row %s of %s: %s", entra.Clip(rec.Row, 400), of, rec.Tampered)
	}
}

// search searches one stream; nil where it has none that can be given.
func (cfg Config) search(ctx context.Context, q query, s *sought) (found *records.Archived, err error) {
	err = q.Each(ctx, cfg.Archive, "", func(rec records.Archived, matches bool) (bool, error) {
		switch {
		case matches && rec.Tampered != "":
			s.meet(q.Stream, rec)
		case matches:
			found = &rec
			return false, nil
		}
		if time.Now().After(s.end) {
			return false, s.late(logs.Of(q.Stream).TimeProperty)
		}
		return true, nil
	})
	return found, err
}

// late says that the time is over. What was met until then is no reason to ask again.
func (s *sought) late(timeProperty string) error {
	if err := s.tampered(); err != nil {
		return err
	}
	return &entra.Error{Code: entra.CodeUnavailable, Doing: "find record " + entra.Clip(s.id, 80),
		Why:    fmt.Sprintf("it was not found within %s", s.slice),
		Remedy: fmt.Sprintf("ask for a list with $filter=id eq '...' and a range of %s", timeProperty)}
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
