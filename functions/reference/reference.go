// Package reference is the HTTP function that lists what the audit log records, and what error
// codes of sign-ins mean.
package reference

import (
	"context"
	_ "embed"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/reference"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

const (
	activities = "auditActivities"
	errorCodes = "errorCodes"
)

// New makes the function. now is the machine's clock.
func New(now func() time.Time) web.Function {
	f := function{now}
	list := web.Choice("list", "", "auditActivities or errorCodes", activities, errorCodes)
	return web.Function{Name: "reference", Trigger: trigger, Operations: []web.Operation{{
		ID: "ListReference", Summary: "Known activities or error codes",
		Text: "What the audit log records (auditActivities), or what error codes of sign-ins mean (errorCodes).",
		Role: web.RoleRead, Path: []web.Parameter{list},
		Parameters: []web.Parameter{
			web.Text("search", "Words that stand in a row"),
			web.Text("service", "Of activities: the service"),
			web.Text("category", "Of activities: the category"),
			web.Format(),
		},
		Answers: web.Shape{Name: "reference", Rows: row{}, AsOf: true, Text: "Activities or error codes"},
		Do:      f.list,
	}}}
}

type function struct{ now func() time.Time }

// row describes one of either list.
type row struct {
	Service  string `json:"service,omitempty" text:"Of an activity: the service that logs it"`
	Category string `json:"category,omitempty" text:"Of an activity: its category"`
	Activity string `json:"activity,omitempty" text:"Of an activity: its name"`
	Code     int    `json:"errorCode,omitempty" text:"Of an error code: the number"`
	Name     string `json:"name,omitempty" text:"Of an error code: its name"`
	Status   string `json:"status,omitempty" text:"Of an error code: Success, Interrupted or Failure"`
	Source   string `json:"statusSource,omitempty" text:"Of an error code: workbook or errorReference: where the status is from"`
	Meaning  string `json:"meaning,omitempty" text:"Of an error code: what it means"`
	Remedy   string `json:"remedy,omitempty" text:"Of an error code: what to do"`
}

// list answers with the list that the path names.
func (f function) list(_ context.Context, r web.Request) (web.Answer, error) {
	search := strings.ToLower(r.Query.Text("search"))
	has := func(texts ...string) bool {
		return strings.Contains(strings.ToLower(strings.Join(texts, "\t")), search)
	}
	switch name := r.Path("list"); name {
	case activities:
		is := func(parameter, value string) bool {
			return !r.Query.Has(parameter) || strings.EqualFold(value, r.Query.Text(parameter))
		}
		var rows []reference.Activity
		for _, a := range reference.Activities() {
			if has(a.Service, a.Category, a.Activity) && is("service", a.Service) && is("category", a.Category) {
				rows = append(rows, a)
			}
		}
		return listOf(name, f.now(), rows), nil
	case errorCodes:
		all, err := reference.ErrorCodes()
		if err != nil {
			return web.Answer{}, err
		}
		var rows []reference.ErrorCode
		for _, c := range all {
			if has(strconv.Itoa(c.Code), c.Name, c.Status, c.Meaning, c.Remedy) {
				rows = append(rows, c)
			}
		}
		return listOf(name, f.now(), rows), nil
	default:
		return web.Answer{}, &entra.Error{Code: entra.CodeNotFound, Doing: "find reference/" + entra.Clip(name, 80),
			Why: "there is no such list", Remedy: "there are auditActivities and errorCodes"}
	}
}

func listOf[T any](name string, asOf time.Time, rows []T) web.Answer {
	return web.List[T]{Of: "reference/" + name, AsOf: asOf, Value: rows, File: name}.Answer()
}
