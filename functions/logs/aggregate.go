package logs

import (
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/search"
)

// spans are what the parameter aggregate accepts, as the portal does.
var spans = map[string]time.Duration{"1h": time.Hour, "6h": 6 * time.Hour, "24h": 24 * time.Hour}

// groupPlace is where a walk through groups stands.
type groupPlace struct {
	Span   time.Time `json:"s"`
	Offset int       `json:"o"`
}

// aggregate answers with groups in place of records.
func (f *Function) aggregate(w http.ResponseWriter, r *http.Request, q query) error {
	log := logs.Of(q.Stream)
	if log.GroupedBy == nil {
		return &entra.Error{Code: entra.CodeBadRequest, Doing: "group " + string(q.Stream),
			Why:    "only " + grouped() + " are grouped, as in the portal",
			Remedy: "ask for one of them (sign-ins with $filter=signInEventTypes/any(t: t eq 'nonInteractiveUser')), or without aggregate"}
	}
	about, err := describe(log)
	if err != nil {
		return err
	}
	if q.Versions || q.fields != nil || q.count || !q.NewestFirst {
		return &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query", Why: "groups come the newest first, whole and of current records", Remedy: "leave $orderby, $select, $count and versions out"}
	}
	at, next, err := stand[groupPlace](f, r, q.question()+q.aggregate)
	if err != nil {
		return err
	}
	gaps := f.gaps(r.Context(), q)
	page, err := q.Aggregate(r.Context(), f.Archive, spans[q.aggregate], search.Groups{Span: at.Span, Offset: at.Offset}, q.top, time.Now().Add(f.Slice))
	if err != nil {
		return err
	}
	body, err := f.begin(w, r, q, gaps, page.Tampered)
	if err != nil {
		return err
	}
	if page.More {
		body = append(body, `"@odata.nextLink":`...)
		body = strconv.AppendQuote(body, answer.NextLink(r, f.BaseURL, next(groupPlace{page.Span, page.Offset})))
		body = append(body, ',')
	}
	body = append(body, `"value":[`...)
	for i, g := range page.Groups {
		if i > 0 {
			body = append(body, ',')
		}
		body = about.append(body, g, spans[q.aggregate])
	}
	answer.Raw(w, append(body, "]}"...))
	return nil
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
	first, last, count string          // names of what is told of each
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
		body = append(answer.AppendText(body, value), ',')
	}
	body = append(body, '{')
	text("aggregatedStartDateTime", answer.Time(g.Start))
	text("aggregatedEndDateTime", answer.Time(g.Start.Add(every)))
	for _, k := range g.Keys {
		if d.numbers[k.Name] {
			name(path.Base(k.Name))
			number, _ := strconv.ParseInt(k.Value, 10, 64) // what is no number is shown as none
			body = append(strconv.AppendInt(body, number, 10), ',')
		} else {
			text(path.Base(k.Name), k.Value)
		}
	}
	text(d.first, answer.Time(g.First))
	text(d.last, answer.Time(g.Last))
	name(d.count)
	return append(strconv.AppendInt(body, g.Count, 10), '}')
}
