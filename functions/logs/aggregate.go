package logs

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/search"
)

// spans are what the parameter aggregate accepts, as the portal does.
var spans = map[string]time.Duration{"1h": time.Hour, "6h": 6 * time.Hour, "24h": 24 * time.Hour}

// groupPlace is where a walk through groups stands.
type groupPlace struct {
	Span   time.Time `json:"s"`
	Offset int       `json:"o"`
}

// aggregate answers with groups of sign-ins in place of records.
func (f *Function) aggregate(w http.ResponseWriter, r *http.Request, q query) error {
	if search.GroupedBy(q.Stream) == nil {
		return &entra.Error{Code: entra.CodeBadRequest, Doing: "group " + string(q.Stream), Why: "only non-interactive, service-principal and managed-identity sign-ins are grouped, as in the portal",
			Remedy: "ask for auditLogs/signIns with $filter=signInEventTypes/any(t: t eq 'nonInteractiveUser'), or without aggregate"}
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
	body, err := f.begin(w, r, q, gaps)
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
		body = appendGroup(body, g, spans[q.aggregate])
	}
	answer.Raw(w, append(body, "]}"...))
	return nil
}

func appendGroup(body []byte, g search.Group, every time.Duration) []byte {
	text := func(name, value string) {
		body = append(append(body, '"'), name...)
		body = append(body, `":`...)
		body = answer.AppendText(body, value)
		body = append(body, ',')
	}
	body = append(body, '{')
	text("aggregatedStartDateTime", answer.Time(g.Start))
	text("aggregatedEndDateTime", answer.Time(g.Start.Add(every)))
	for _, k := range g.Keys {
		if name := strings.ReplaceAll(k.Name, "status/", ""); name == "errorCode" {
			code, _ := strconv.ParseInt(k.Value, 10, 64) // what is no number is shown as none
			body = append(strconv.AppendInt(append(body, `"errorCode":`...), code, 10), ',')
		} else {
			text(name, k.Value)
		}
	}
	text("firstSignInDateTime", answer.Time(g.First))
	text("lastSignInDateTime", answer.Time(g.Last))
	return append(strconv.AppendInt(append(body, `"signInCount":`...), g.Count, 10), '}')
}
