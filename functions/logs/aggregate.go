package logs

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/web"
)

// spans are what the parameter aggregate accepts, as the portal does.
var spans = map[string]time.Duration{"1h": time.Hour, "6h": 6 * time.Hour, "24h": 24 * time.Hour}

// groupPlace is the position of a walk through groups.
type groupPlace struct {
	Span   time.Time `json:"s"`
	Offset int       `json:"o"`
}

// aggregate answers with groups in place of records.
func (cfg Config) aggregate(ctx context.Context, r web.Request, q query) (web.Answer, error) {
	log := logs.Of(q.Stream)
	if log.GroupedBy == nil {
		return web.Answer{}, &entra.Error{Code: entra.CodeBadRequest, Doing: "group " + string(q.Stream),
			Why: "only " + grouped() + " are grouped, as in the portal",
			Remedy: "ask for one of them (sign-ins with $filter=signInEventTypes/any(t: t eq 'nonInteractiveUser')), " +
				"or without aggregate"}
	}
	describes, err := describe(log)
	if err != nil {
		return web.Answer{}, err
	}
	if q.Versions || q.fields != nil || q.count || !q.NewestFirst {
		return web.Answer{}, web.Refuse("groups come the newest first, whole and of current records",
			"leave $orderby, $select, $count and versions out")
	}
	at, next, err := stand[groupPlace](ctx, cfg, r, q.question()+q.aggregate)
	if err != nil {
		return web.Answer{}, err
	}
	gaps, span := cfg.gaps(ctx, q), spans[q.aggregate]
	page, err := q.Aggregate(ctx, cfg.Archive, span, search.Groups{Span: at.Span, Offset: at.Offset}, q.top,
		time.Now().Add(cfg.Slice))
	if err != nil {
		return web.Answer{}, err
	}
	out, err := begin(r, q, gaps, page.Tampered)
	if err != nil {
		return web.Answer{}, err
	}
	if page.More {
		out.NextLink = r.NextLink(next(groupPlace{page.Span, page.Offset}))
	}
	for _, g := range page.Groups {
		out.Value = append(out.Value, describes.append(nil, g, span))
	}
	return q.answer(r, out)
}

// grouped names the logs that have groups.
func grouped() string {
	var names []string
	for _, l := range logs.All() {
		if l.GroupedBy != nil {
			names = append(names, string(l.Stream))
		}
	}
	return strings.Join(names, ", ")
}

// groups is how the groups of a log are written.
type groups struct {
	first, last, count string          // names of the values of each
	numbers            map[string]bool // the properties that are numbers
}

func describe(log *logs.Log) (groups, error) {
	out := groups{first: "firstDateTime", last: "lastDateTime", count: "count", numbers: make(map[string]bool)}
	if log.IsSignIns() {
		out.first, out.last, out.count = "firstSignInDateTime", "lastSignInDateTime", "signInCount"
	}
	shape, err := odata.ShapeOf(log.Stream)
	if err != nil {
		return out, err
	}
	for _, property := range log.GroupedBy {
		at := shape
		for name := range strings.SplitSeq(property, "/") {
			if at = at.Fields[name]; at == nil {
				return out, fmt.Errorf("group %s: its records have no %s", log.Stream, property)
			}
		}
		out.numbers[property] = at.Kind == odata.KindNumber
	}
	return out, nil
}

// append writes a group. A property has the last name of its path.
func (d groups) append(body []byte, g search.Group, every time.Duration) []byte {
	name := func(name string) { body = append(append(append(body, '"'), name...), `":`...) }
	text := func(key, value string) {
		name(key)
		body = append(web.AppendText(body, value), ',')
	}
	body = append(body, '{')
	text("aggregatedStartDateTime", web.Time(g.Start))
	text("aggregatedEndDateTime", web.Time(g.Start.Add(every)))
	for _, k := range g.Keys {
		if d.numbers[k.Name] {
			name(path.Base(k.Name))
			number, _ := strconv.ParseInt(k.Value, 10, 64) // what is no number is shown as none
			body = append(strconv.AppendInt(body, number, 10), ',')
		} else {
			text(path.Base(k.Name), k.Value)
		}
	}
	text(d.first, web.Time(g.First))
	text(d.last, web.Time(g.Last))
	name(d.count)
	return append(strconv.AppendInt(body, g.Count, 10), '}')
}
