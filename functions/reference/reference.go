// Package reference is the HTTP function that lists what is known of the logs: what audits record,
// the properties of records, what error codes mean, and which applications are Microsoft's own.
package reference

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/reference"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// The lists.
const (
	activities        = "auditActivities"
	errorCodes        = "errorCodes"
	properties        = "properties"
	applications      = "microsoftApplications"
	provisioningCodes = "provisioningErrorCodes"
)

func lists() []string {
	return []string{activities, errorCodes, properties, applications, provisioningCodes}
}

// New makes the function. now is the machine's clock.
func New(now func() time.Time) web.Function {
	f := function{now}
	list := web.Choice("list", "", "Which list", lists()...)
	return web.Function{Name: "reference", Trigger: trigger, Operations: []web.Operation{{
		ID: "ListReference", Summary: "What is known of the logs",
		Text: "What the audit log records (auditActivities), what error codes mean (errorCodes of sign-ins, " +
			"provisioningErrorCodes), the properties of each log's records (properties), and applications that are " +
			"Microsoft's own (microsoftApplications): never disable their service principals.",
		Role: web.RoleRead, Path: []web.Parameter{list},
		Parameters: []web.Parameter{
			web.Text("search", "Words that stand in a row"),
			web.Text("service", "Of activities: the service"),
			web.Text("category", "Of activities: the category"),
			web.Choice("collection", "", "Of properties: the collection", collections()...),
			web.Format(),
		},
		Answers: web.Shape{Name: "reference", Is: web.Hinted{}, Rows: row{}, AsOf: true, Text: "Rows of the list"},
		Do:      f.list,
	}}}
}

// collections are those that have properties.
func collections() []string {
	var out []string
	for _, p := range reference.Properties() {
		if !slices.Contains(out, p.Collection) {
			out = append(out, p.Collection)
		}
	}
	return out
}

type function struct{ now func() time.Time }

// row describes one of any list.
type row struct {
	Service    string `json:"service,omitempty" text:"Of an activity: the service that logs it"`
	Category   string `json:"category,omitempty" text:"Of an activity: its category"`
	Activity   string `json:"activity,omitempty" text:"Of an activity: its name"`
	Code       int    `json:"errorCode,omitempty" text:"Of an error code of sign-ins: the number"`
	Name       string `json:"name,omitempty" text:"Of an error code of sign-ins: its name"`
	Status     string `json:"status,omitempty" text:"Of an error code: Success, Interrupted or Failure"`
	Collection string `json:"collection,omitempty" text:"Of a property: the collection, as signIns"`
	Property   string `json:"property,omitempty" text:"Of a property: its path, as status/errorCode"`
	Type       string `json:"type,omitempty" text:"Of a property: text, number, boolean, time, object or a list"`
	Forms      string `json:"forms,omitempty" text:"Of a property: v1.0, beta; absent: in no published form"`
	AppID      string `json:"appId,omitempty" text:"Of an application: its id"`
	AppName    string `json:"displayName,omitempty" text:"Of an application: its name"`
	Owner      string `json:"ownerTenantId,omitempty" text:"Of an application: Microsoft's tenant that owns it"`
	NameSource string `json:"nameSource,omitempty" text:"Of an application: graph or learn: where it is from"`
	Provision  string `json:"provisioningErrorCode,omitempty" text:"Of an error code of provisioning: the code"`
	Meaning    string `json:"meaning,omitempty" text:"What an error code or a property means; absent: no source says"`
	Remedy     string `json:"remedy,omitempty" text:"Of an error code: what to do"`
	Source     string `json:"statusSource,omitempty" text:"Of an error code: workbook or errorReference"`
}

// list answers with the list that the path names.
func (f function) list(_ context.Context, r web.Request) (web.Answer, error) {
	is := func(parameter, value string) bool {
		return !r.Query.Has(parameter) || strings.EqualFold(value, r.Query.Text(parameter))
	}
	name := r.Path("list")
	if err := f.check(name, r.Query); err != nil {
		return web.Answer{}, err
	}
	switch name {
	case activities:
		return answer(f, r, reference.Activities(), func(a reference.Activity) []string {
			return []string{a.Service, a.Category, a.Activity}
		}, func(a reference.Activity) bool { return is("service", a.Service) && is("category", a.Category) }, nearActivities)
	case errorCodes:
		all, err := reference.ErrorCodes()
		if err != nil {
			return web.Answer{}, err
		}
		return answer(f, r, all, func(c reference.ErrorCode) []string {
			return []string{strconv.Itoa(c.Code), c.Name, c.Status, c.Meaning, c.Remedy}
		}, every, nil)
	case properties:
		return answer(f, r, reference.Properties(), func(p reference.Property) []string {
			return []string{p.Path, p.Type, p.Forms, p.Meaning}
		}, func(p reference.Property) bool { return is("collection", p.Collection) }, nil)
	case applications:
		return answer(f, r, reference.Applications(), func(a reference.Application) []string {
			return []string{a.AppID, a.Name, a.OwnerTenantID}
		}, every, nil)
	default: // provisioningCodes: it was checked
		return answer(f, r, reference.ProvisioningErrorCodes(), func(c reference.ProvisioningErrorCode) []string {
			return []string{c.Code, c.Meaning, c.Remedy}
		}, every, nil)
	}
}

// check refuses an unknown list, and a parameter of another one.
func (f function) check(name string, p web.Query) error {
	if !slices.Contains(lists(), name) {
		return &entra.Error{Code: entra.CodeNotFound, Doing: "find reference/" + entra.Clip(name, 80),
			Why: "there is no such list", Remedy: "there are " + strings.Join(lists(), ", ")}
	}
	for _, only := range []struct{ parameter, list string }{
		{"service", activities}, {"category", activities}, {"collection", properties},
	} {
		if p.Has(only.parameter) && name != only.list {
			return web.Refuse(only.parameter+" is of "+only.list, "leave it out, or ask for reference/"+only.list)
		}
	}
	return nil
}

func every[T any](T) bool { return true }

// answer has the rows in whose texts the words of the parameter search stand, and that are wanted.
// near says, where there are none, what may have been meant; nil: nothing does.
func answer[T any](
	f function, r web.Request, all []T, texts func(T) []string, wanted func(T) bool, near func(web.Query) string,
) (web.Answer, error) {
	search := strings.ToLower(r.Query.Text("search"))
	var rows []T
	for _, row := range all {
		if wanted(row) && strings.Contains(strings.ToLower(strings.Join(texts(row), "\t")), search) {
			rows = append(rows, row)
		}
	}
	hint := ""
	if len(rows) == 0 && near != nil {
		hint = near(r.Query)
	}
	web.SetHint(r.Header, hint)
	name := r.Path("list")
	return web.List[T]{Of: "reference/" + name, AsOf: f.now(), About: web.Hinted{Hint: hint}, Value: rows,
		File: name}.Answer(), nil
}

// nearActivities says which service and category that were asked for are nearly known ones.
func nearActivities(q web.Query) string {
	services, categories := make(map[string]bool), make(map[string]bool)
	for _, a := range reference.Activities() {
		services[a.Service], categories[a.Category] = true, true
	}
	var out []string
	for _, of := range []struct {
		name  string
		known map[string]bool
	}{{"service", services}, {"category", categories}} {
		if near := search.Near(q.Text(of.name), of.known); near != "" {
			out = append(out, fmt.Sprintf("%s %q is not among the known ones; did you mean %q?", of.name,
				entra.Clip(q.Text(of.name), 80), near))
		}
	}
	return strings.Join(out, "; ")
}
