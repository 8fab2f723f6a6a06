package search

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/records"
)

// Group is how many records of one kind there were in a span of time, as the portal shows sign-ins
// that are too many to be shown one by one.
type Group struct {
	Start time.Time // of the span
	Keys  []Key     // what the records have in common
	Count int64
	First time.Time
	Last  time.Time
}

// Key is a property that the records of a group have in common.
type Key struct{ Name, Value string }

// Groups is some groups, and where the next ones begin.
type Groups struct {
	Groups []Group
	More   bool
	Span   time.Time // of the next group
	Offset int       // groups of that span that were given already
	// Tampered is how many records were left out because they were altered: it is not known to
	// which group they belong. Those of a span are counted where its first group is given, so that
	// each is counted once on the way through all.
	Tampered int
}

// Aggregate groups what matches by spans of time, the newest first, and within a span the most
// frequent first, up to top groups after a place (a zero span: from the begin). A span that can't
// be read until a moment is an error.
func (q Question) Aggregate(
	ctx context.Context, in Archive, every time.Duration, from Groups, top int, until time.Time,
) (Groups, error) {
	out := Groups{Span: from.Span, Offset: from.Offset}
	if !q.From.Before(q.To) {
		return out, nil
	}
	if out.Span.IsZero() {
		out.Span = q.To.Add(-1).Truncate(every)
	}
	for !out.Span.Before(q.From.Truncate(every)) {
		groups, tampered, err := q.span(ctx, in, out.Span, every, until)
		if err != nil {
			return out, err
		}
		if out.Offset == 0 && (len(groups) == 0 || len(out.Groups) < top) {
			out.Tampered += tampered
		}
		for _, g := range groups[min(out.Offset, len(groups)):] {
			if len(out.Groups) == top {
				out.More = true
				return out, nil
			}
			out.Groups = append(out.Groups, g)
			out.Offset++
		}
		out.Span, out.Offset = out.Span.Add(-every), 0
		if time.Now().After(until) && !out.Span.Before(q.From.Truncate(every)) {
			out.More = true
			return out, nil
		}
	}
	return out, nil
}

// span groups one span, and counts the altered records in it.
func (q Question) span(
	ctx context.Context, in Archive, start time.Time, every time.Duration, until time.Time,
) (groups []Group, tampered int, err error) {
	found := grouping{start: start, names: logs.Of(q.Stream).GroupedBy, groups: make(map[string]*Group)}
	q.Narrow(start, start.Add(every))
	late := false
	err = q.Each(ctx, in, "", func(rec records.Archived, matches bool) (bool, error) {
		if late = time.Now().After(until); late {
			return false, nil
		}
		switch {
		case matches && rec.Tampered != "":
			tampered++
		case matches:
			found.add(rec)
		}
		return len(found.groups) <= mostGroups, nil
	})
	if err != nil {
		return nil, 0, err
	}
	if late {
		return nil, 0, &entra.Error{Code: entra.CodeUnavailable,
			Doing: "group " + string(q.Stream) + " from " + start.Format(time.RFC3339),
			Why: fmt.Sprintf("%s of them could not be read in the time of one request",
				every), Remedy: "take a shorter aggregate, or narrow $filter"}
	}
	if len(found.groups) > mostGroups {
		return nil, 0, &entra.Error{Code: entra.CodeTooLong,
			Doing:  "group " + string(q.Stream) + " from " + start.Format(time.RFC3339),
			Why:    fmt.Sprintf("%s of them have more than %d groups", every, mostGroups),
			Remedy: "take a shorter aggregate, or narrow $filter"}
	}
	return found.sorted(), tampered, nil
}

// mostGroups bounds the groups of a span: each takes some hundred bytes, until all are counted.
const mostGroups = 50_000

// grouping is the groups of one span, as far as it is read.
type grouping struct {
	start  time.Time
	names  []string // the properties that the records of a group have in common
	groups map[string]*Group
}

// add counts a record.
func (g grouping) add(rec records.Archived) {
	doc := gjson.ParseBytes(rec.Raw)
	keys := make([]Key, len(g.names))
	var id strings.Builder
	for i, name := range g.names {
		keys[i] = Key{name, strings.Clone(doc.Get(strings.ReplaceAll(name, "/", ".")).String())}
		id.WriteString(keys[i].Value + "\x00")
	}
	to, ok := g.groups[id.String()]
	if !ok {
		to = &Group{Start: g.start, Keys: keys, First: rec.Key.Time, Last: rec.Key.Time}
		g.groups[id.String()] = to
	}
	to.Count++
	if rec.Key.Time.Before(to.First) {
		to.First = rec.Key.Time
	}
	if rec.Key.Time.After(to.Last) {
		to.Last = rec.Key.Time
	}
}

// sorted are the groups, the most frequent first.
func (g grouping) sorted() []Group {
	out := make([]Group, 0, len(g.groups))
	for _, group := range g.groups {
		out = append(out, *group)
	}
	slices.SortFunc(out, func(a, b Group) int {
		if a.Count != b.Count {
			return int(b.Count - a.Count)
		}
		return slices.CompareFunc(a.Keys, b.Keys, func(x, y Key) int { return strings.Compare(x.Value, y.Value) })
	})
	return out
}
