// Package search answers a question in Graph's filter language from the archive: the tables
// evaluate what they can, and the rest is evaluated on each record that they return.
package search

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/turns"
)

// Question is what is asked of one stream.
type Question struct {
	Stream      entra.Stream
	From, To    time.Time // [From, To), within what the archive has
	NewestFirst bool
	Versions    bool    // earlier versions, too
	Counts      *Counts // of the rows of hours; nil: the ledger is asked each time
	plan        odata.Plan
	covers      span            // the time that it is about
	progress    ledger.Progress // of its stream
	limit       int             // about how many records will be read; 0: all
	hints       []string        // what may be why the answer is empty
}

// New reads a filter; an empty one lets everything through. A type of sign-ins in it chooses the
// stream. Errors are *entra.Error with the position in the filter.
func New(s entra.Stream, shape *odata.Shape, filter string) (Question, error) {
	q := Question{Stream: s, NewestFirst: true}
	if filter == "" {
		return q, nil
	}
	n, err := odata.Parse(filter)
	if err == nil {
		err = odata.Check(n, shape)
	}
	if err == nil && logs.Of(s).KnownWords {
		q.hints = hintsOf(n)
	}
	if err == nil {
		err = q.planFor(n)
	}
	if err != nil {
		return q, err
	}
	unknown, err := q.chooseStream()
	if err == nil && q.Stream != s { // whose columns may be others
		err = q.planFor(n)
	}
	if unknown != "" {
		q.plan.Empty = true // no archived record is of that type
		q.hints = append(q.hints, fmt.Sprintf("signInEventTypes '%s' is no type of sign-ins that is "+
			"archived: these are %s",
			entra.Clip(unknown, 80), strings.Join(logs.EventTypes(), ", ")))
	}
	return q, err
}

// chooseStream takes the stream of the types of sign-ins that are asked for. One that is not known
// is returned: it may be newer than this version, and no value is refused. Two known ones are, as
// each is a log of its own.
func (q *Question) chooseStream() (unknown string, _ error) {
	first := true
	for _, name := range q.plan.EventTypes {
		log, ok := logs.OfEventType(name)
		if !ok {
			unknown = name
			continue
		}
		if !first && log.Stream != q.Stream {
			return "", &entra.Error{Code: entra.CodeBadRequest, Doing: "read $filter",
				Why:    fmt.Sprintf("%q is one of several types of sign-ins", entra.Clip(name, 80)),
				Remedy: "ask for one of " + strings.Join(logs.EventTypes(), ", ")}
		}
		q.Stream, first = log.Stream, false
	}
	return unknown, nil
}

// planFor parses a filter for the question's stream.
func (q *Question) planFor(n odata.Node) (err error) {
	log := logs.Of(q.Stream)
	q.plan, err = odata.PlanFor(n, log.TimeProperty, log.ColumnPaths())
	return err
}

// Within keeps the question to what the archive has, and to what the filter says of the time.
func (q *Question) Within(p ledger.Progress, now time.Time) {
	begin, end := p.Span(now)
	first, _ := p.Known(now)
	if first.IsZero() {
		first = begin
	}
	// No record is later than the last run that read, or the last arrival; an hour more, because
	// clocks differ a little.
	if last := latest(p.LastRunAt.Add(time.Hour), p.ImportedTo); last.Before(end) {
		end = last
	}
	q.From, q.To, q.covers, q.progress = begin, end, span{first, end}, p
	if p.Purged > 0 { // of what was imported before the archive began, too
		q.covers = span{logs.Earliest(), latest(end, p.TenantTime(now))}
	}
	if begin.IsZero() || q.plan.Empty {
		q.To = q.From // there is nothing
		if q.plan.Empty || p.Purged == 0 {
			q.covers = span{}
			return
		}
	}
	q.Narrow(q.plan.From, q.plan.To)
}

// Narrow keeps the question to a range; a zero time is no bound.
func (q *Question) Narrow(from, to time.Time) {
	if from.After(q.From) {
		q.From = from
	}
	if !to.IsZero() && to.Before(q.To) {
		q.To = to
	}
	if q.covers.from.Before(from) {
		q.covers.from = from
	}
	if !to.IsZero() && to.Before(q.covers.to) {
		q.covers.to = to
	}
}

// OnlyIDs keeps the question to records with one of some ids.
func (q *Question) OnlyIDs(ids ...string) { q.plan.IDs = ids }

// Archive is what is searched.
type Archive interface {
	records.Reader
	derive.Searchable
	ledger.Reader
}

// Each yields the records that match, and how far the search is, from a place on. An altered record
// matches whatever the filter says of it, unless another id is asked for than its row key has.
func (q Question) Each(
	ctx context.Context, from Archive, after string,
	yield func(rec records.Archived, matches bool) (more bool, err error),
) error {
	for part, err := range q.parts(ctx, from, after) {
		if err != nil {
			return err
		}
		if part.empty() {
			more, err := yield(records.Archived{Place: part.from.UTC().Format(placeForm)}, false)
			if err != nil || !more {
				return err
			}
			continue
		}
		for ask, err := range q.asks(ctx, from, part) {
			if err != nil {
				return err
			}
			more, err := q.read(ctx, from, ask, after, yield)
			if err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// read yields what one query to the table finds, and reports whether to continue.
func (q Question) read(
	ctx context.Context, from Archive, a ask, after string, yield func(records.Archived, bool) (bool, error),
) (bool, error) {
	reading := records.Reading{Stream: q.Stream, From: a.from, To: a.to, NewestFirst: q.NewestFirst, Columns: a.columns,
		Versions: q.Versions, After: after, Limit: q.limit}
	for rec, err := range from.Read(ctx, reading) {
		if err != nil {
			return false, err
		}
		more, err := yield(rec, q.matches(rec))
		if err != nil || !more {
			return false, err
		}
		turns.Yield(ctx)
	}
	return true, nil
}

func (q Question) matches(rec records.Archived) bool {
	hasID := q.plan.IDs == nil || slices.Contains(q.plan.IDs, rec.Key.ID)
	switch {
	case rec.Tampered != "":
		return hasID || rec.Key.ID == "" // it is not known which record it was
	case rec.Raw == nil:
		return false
	}
	return hasID && (q.plan.Rest == nil || odata.Matches(q.plan.Rest, rec.Raw))
}

// takesAll reports whether every record of the question's time matches.
func (q Question) takesAll() bool { return q.plan.Rest == nil || q.plan.TimeOnly }

// Searches reports whether a page of the question takes a search: its records are found neither by
// their time alone nor by a few ids.
func (q Question) Searches() bool {
	return !q.takesAll() && (len(q.plan.IDs) == 0 || len(q.plan.IDs) > maxValues)
}

// Page is some records, and where the next ones begin.
type Page struct {
	Records  []records.Archived
	More     bool
	After    string
	TimedOut bool // it was cut short
	Tampered int  // how many of the records were altered
}

// OwnPage is up to how many records a page is a short answer, of which many are made at once.
const OwnPage = 200

// pageBytes bounds a page, whatever its number of records: one may have more than a megabyte. Of short
// answers a dozen is made at once, and each is held twice, as records and as an answer.
const (
	pageBytes    = 8 << 20
	ownPageBytes = 2 << 20
)

// Page finds up to top records after a place, altered ones included. It ends at a moment, or where it
// is long, with what it has.
func (q Question) Page(ctx context.Context, from Archive, after string, top int, until time.Time) (Page, error) {
	page := Page{After: after}
	if q.plan.IDs == nil && q.takesAll() { // every record that is read is one of the page
		q.limit = top + 1 // one more shows whether there are more
	}
	bytes, most := 0, pageBytes
	if top <= OwnPage {
		most = ownPageBytes
	}
	err := q.Each(ctx, from, after, func(rec records.Archived, matches bool) (bool, error) {
		if matches && (len(page.Records) == top || bytes >= most) {
			page.More = true
			return false, nil
		}
		if matches {
			bytes += len(rec.Raw)
			page.Records = append(page.Records, rec)
			if rec.Tampered != "" {
				page.Tampered++
			}
		}
		page.After = rec.Place
		if time.Now().After(until) {
			page.More, page.TimedOut = true, true
		}
		return !page.TimedOut, nil
	})
	return page, err
}

// Count counts the records after a place, altered ones included, as pages have them. It ends at a
// moment: at is then how far it came; empty: it is at its end.
func (q Question) Count(ctx context.Context, from Archive, after string, until time.Time) (n int64, at string,
	err error) {
	err = q.Each(ctx, from, after, func(rec records.Archived, matches bool) (bool, error) {
		if matches {
			n++
		}
		if time.Now().After(until) {
			at = rec.Place
		}
		return at == "", nil
	})
	return n, at, err
}
