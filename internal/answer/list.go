package answer

import (
	"net/http"

	"github.com/entraledger/entraledger/internal/entra"
)

// Views answers with the view that the path's {view} names; list is the one without a name. Whatever a view returns as an error is the answer.
func Views(w http.ResponseWriter, r *http.Request, of string, list, summary func(http.ResponseWriter, *http.Request) error) {
	var err error
	switch view := r.PathValue("view"); view {
	case "":
		err = list(w, r)
	case "summary":
		err = summary(w, r)
	default:
		err = &entra.Error{Code: entra.CodeNotFound, Doing: "find " + of + "/" + view, Why: "there is no such view", Remedy: "there is " + of + "/summary"}
	}
	if err != nil {
		Error(w, r, err)
	}
}

// ListQuery is what every list takes beside its own filters.
type ListQuery struct {
	Top    int
	Fields []string // of $select; nil: all
	By     string   // of $orderby
	Desc   bool
	Count  bool
	CSV    bool
	Token  string // of $skiptoken
}

// ListParameters are their names.
func ListParameters() []string {
	return []string{"$top", "$select", "$orderby", "$count", "$format", "$skiptoken"}
}

const defaultTop = 100

// ReadList reads them. fields and orders are the accepted ones.
func (p *Parameters) ReadList(r *http.Request, mostTop int, fields, orders []string) ListQuery {
	l := ListQuery{Top: p.Int("$top", defaultTop, 1, mostTop), Fields: p.Select(fields)}
	l.By, l.Desc = p.OrderBy(orders...)
	l.Count = p.Choice("$count", "false", "true", "false") == "true"
	l.CSV = p.CSV(r)
	l.Token = p.Text("$skiptoken")
	return l
}
