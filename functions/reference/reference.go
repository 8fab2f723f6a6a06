// Package reference is the HTTP function that tells what the audit log records, and what error codes of sign-ins mean.
package reference

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/reference"
)

// Function answers GET /api/reference/auditActivities and GET /api/reference/errorCodes.
type Function struct {
	Now     func() time.Time
	BaseURL string // of links; empty: as forwarded
}

// ServeHTTP answers with a list.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := f.serve(w, r); err != nil {
		answer.Error(w, r, err)
	}
}

func (f *Function) serve(w http.ResponseWriter, r *http.Request) error {
	p := answer.ReadParameters(r, "search", "service", "category", "$format")
	asCSV := p.CSV(r)
	if p.Err() != nil {
		return p.Err()
	}
	has := func(texts ...string) bool {
		return strings.Contains(strings.ToLower(strings.Join(texts, "\t")), strings.ToLower(p.Text("search")))
	}
	switch name := r.PathValue("list"); name {
	case "auditActivities":
		rows := []reference.Activity{}
		for _, a := range reference.Activities() {
			if has(a.Service, a.Category, a.Activity) && (!p.Has("service") || strings.EqualFold(a.Service, p.Text("service"))) &&
				(!p.Has("category") || strings.EqualFold(a.Category, p.Text("category"))) {
				rows = append(rows, a)
			}
		}
		return list(f, w, r, name, rows, asCSV)
	case "errorCodes":
		all, err := reference.ErrorCodes()
		if err != nil {
			return err
		}
		rows := []reference.ErrorCode{}
		for _, c := range all {
			if has(strconv.Itoa(c.Code), c.Name, c.Status, c.Meaning, c.Remedy) {
				rows = append(rows, c)
			}
		}
		return list(f, w, r, name, rows, asCSV)
	default:
		return &entra.Error{Code: entra.CodeNotFound, Doing: "find reference/" + entra.Clip(name, 80), Why: "there is no such list", Remedy: "there are auditActivities and errorCodes"}
	}
}

func list[T any](f *Function, w http.ResponseWriter, r *http.Request, name string, rows []T, asCSV bool) error {
	if asCSV {
		return answer.CSV(w, name+".csv", rows)
	}
	answer.JSON(w, http.StatusOK, answer.List[T]{Context: answer.BaseURL(r, f.BaseURL) + "/api/$metadata#reference/" + name, AsOf: answer.Time(f.Now()), Value: rows})
	return nil
}
