// Package reports is the HTTP function that gives reports of what is archived, among them those of
// the first reports API of Azure AD under their old names.
package reports

import (
	"context"
	_ "embed"
	"encoding/json"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/report"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Config of the function.
type Config struct {
	Sources *report.Sources
	Secrets Secrets
	Jobs    jobs.Dropper
	Now     func() time.Time
	Slice   time.Duration // how long one request works
	// MostRecords is how many records may have to be read for one file; 0: search.MostRecords.
	MostRecords int64

	days *report.Days
}

// Secrets has what signs the skip tokens.
type Secrets interface {
	Secret(ctx context.Context, name string) ([]byte, error)
}

const (
	maxTop     = 1000
	secretName = "reports"
	legacy     = "legacy"
)

// New makes the function.
func New(cfg Config) web.Function {
	cfg.days = &report.Days{}
	name := web.Text("name", "Name of a report, whatever its case")
	item := web.Text("item", "Name of a report as the first reports API had it, such as auditEvents, whatever its case")
	answers := web.Shape{Name: "report", Is: about{}, Rows: row{}, Pages: true, Later: true, Text: "Rows of the report"}
	return web.Function{Name: "reports", Trigger: trigger, Operations: []web.Operation{
		{
			ID: "ListReports", Summary: "Which reports there are",
			Text: "All reports, those of the first reports API among them.", Role: web.RoleRead,
			Parameters: []web.Parameter{web.ByID("name"), web.Format()},
			Answers:    web.Shape{Name: "reports", Rows: offer{}, AsOf: true, Text: "The reports"},
			Do:         cfg.all,
		},
		{
			Given: "name", Word: legacy, AnyCase: true, ID: "ListLegacyReports", Summary: "Which old reports there are",
			Text: "The 32 names of the first reports API of Azure AD, as its own list had them.", Role: web.RoleRead,
			Parameters: []web.Parameter{web.ByID("Name"), version(), web.Format()},
			Answers:    web.Shape{Name: "legacyReports", Rows: legacyOffer{}, Text: "The reports"},
			Do:         cfg.legacy,
		},
		{
			Given: "name", ID: "GetReport", Summary: "A report",
			Text: "Rows of a report of what is archived, by any of its names.", Role: web.RoleRead,
			Path:       []web.Parameter{name},
			Parameters: parameters(true), Answers: answers, Class: web.Long,
			Heavier: web.AsFile, Find: find("name", false), Do: cfg.report("name", false),
		},
		{
			Given: "item", Within: legacy, AnyCase: true, ID: "GetLegacyReport", Summary: "An old report",
			Text: "A report of the first reports API of Azure AD, from what is archived today.", Role: web.RoleRead,
			Path: []web.Parameter{item}, Parameters: parameters(false), Answers: answers, Class: web.Long,
			Heavier: web.AsFile, Find: find("item", true),
			Do: cfg.report("item", true),
		},
	}}
}

// version is a parameter that scripts for the old API send.
func version() web.Parameter {
	return web.Text("api-version", "Ignored: scripts for the first reports API send it")
}

func parameters(merged bool) []web.Parameter {
	filter := web.Text("$filter", "Of which time, as eventTime gt 2026-11-01 and eventTime lt 2026-11-08T14:00:00Z")
	filter.Note = "One of the two is enough. Without a begin it is the last 30 days, without an end all up to now. " +
		"Nothing else is accepted"
	format := web.Format()
	format.Note = "As CSV it comes whole, unless `$top` is given"
	out := []web.Parameter{filter, version(), web.Top(maxTop, "Rows of a page"), format, web.SkipToken()}
	if merged {
		flag := web.Choice("merged", "false", "Whether rows of Entra's own logs come with it", "true", "false")
		flag.Note = "Only of reports that say so"
		out = append(out, flag)
	}
	return out
}

// offer is one row of the list of all reports.
type offer struct {
	Name     string   `json:"name" text:"Of the report"`
	Text     string   `json:"description" text:"What it has"`
	Address  string   `json:"address" text:"Where it is had"`
	Status   string   `json:"status" enum:"answered,unknown,retired"`
	Legacy   bool     `json:"legacy" text:"Its name is one of the first reports API of Azure AD"`
	Source   string   `json:"source" text:"What it is made of, or what replaced it"`
	Columns  []string `json:"columns" text:"The properties of its rows"`
	Own      []string `json:"ownProperties" text:"Of these, those that the first reports API is not known to have had"`
	Mergable bool     `json:"mergeable" text:"Rows of Entra's own logs can come with it: merged=true"`
}

// Texts are those that are too long for their line.
func (offer) Texts() map[string]string {
	return map[string]string{
		"status": "answered; unknown: what it asks is archived of no tenant; retired: something else replaced it",
	}
}

// legacyOffer is one row of the list of old reports. Name and LicenseRequired, a text, are as the
// old API had them. Source: learn.microsoft.com/archive/blogs/aadgraphteam, "Announcing the preview
// of Graph Reports and Events API", May 2015.
type legacyOffer struct {
	Name            string `json:"Name" text:"Of the report"`
	Description     string `json:"Description" text:"What it has"`
	LicenseRequired string `json:"LicenseRequired" enum:"True,False" text:"As the old API said: True or False"`
	Address         string `json:"address" text:"Where it is had; ours"`
	Status          string `json:"status" enum:"answered,unknown,retired" text:"answered, unknown or retired; ours"`
	Source          string `json:"source" text:"What it is made of, or what replaced it; ours"`
}

// statusOf is what becomes of a question for a report, whatever is archived.
func statusOf(rep *report.Report) string {
	switch {
	case rep.Gone != "":
		return string(entra.CodeRetired)
	case rep.Unknown != "", len(rep.From) == 0 && rep.Snapshots == nil:
		return string(entra.CodeUnknown)
	}
	return "answered"
}

func addressOf(r web.Request, rep *report.Report) string {
	if rep.Legacy {
		return r.Base() + "/api/reports/" + legacy + "/" + rep.Name
	}
	return r.Base() + "/api/reports/" + rep.Name
}

func (cfg Config) all(_ context.Context, r web.Request) (web.Answer, error) {
	out := web.List[offer]{Of: "reports", AsOf: cfg.Now(), File: "reports"}
	for _, rep := range report.All() {
		columns, own := rep.Names(), rep.Ours()
		if columns == nil {
			columns = []string{}
		}
		if own == nil || !rep.Legacy {
			own = []string{}
		}
		out.Value = append(out.Value, offer{rep.Name, rep.Text, addressOf(r, rep), statusOf(rep), rep.Legacy,
			rep.Source,
			columns, own, len(rep.Merges) > 0})
	}
	out.Value = web.Only(r.Query, out.Value, func(o offer) string { return o.Name })
	return out.Answer(), nil
}

func (cfg Config) legacy(_ context.Context, r web.Request) (web.Answer, error) {
	out := web.List[legacyOffer]{Of: "reports", File: "legacy-reports"}
	for _, rep := range report.Legacy() {
		required := "False"
		if rep.LicenseRequired {
			required = "True"
		}
		out.Value = append(out.Value, legacyOffer{rep.Name, rep.Text, required, addressOf(r, rep), statusOf(rep),
			rep.Source})
	}
	out.Value = web.Only(r.Query, out.Value, func(o legacyOffer) string { return o.Name })
	return out.Answer(), nil
}

// find looks for the report that the path names.
func find(parameter string, old bool) func(context.Context, web.Request) error {
	return func(_ context.Context, r web.Request) error {
		name := r.Path(parameter)
		if report.Find(name, old) != nil {
			return nil
		}
		return unknownName(name, old)
	}
}

func unknownName(name string, old bool) error {
	where, list := "reports/", "GET /api/reports lists them"
	if old {
		where, list = "reports/"+legacy+"/", "GET /api/reports/legacy lists them"
	}
	out := &entra.Error{Code: entra.CodeNotFound, Doing: "find " + where + entra.Clip(name, 80),
		Why: "there is no such report", Remedy: list}
	var names []string
	for _, rep := range report.All() {
		if rep.Legacy || !old {
			names = append(names, rep.Name)
		}
	}
	if near := odata.Nearest(name, names); near != "" {
		out.Remedy = "did you mean " + near + "? " + list
	}
	return out
}

// about is what a report says of itself.
type about struct {
	Status   string    `json:"@entraledger.status" enum:"complete,running"`
	From     string    `json:"@entraledger.startDateTime" text:"First moment of its time"`
	To       string    `json:"@entraledger.endDateTime" text:"First moment after it"`
	Source   string    `json:"@entraledger.source" text:"What it is made of"`
	Own      []string  `json:"@entraledger.ownProperties,omitempty"`
	Withheld string    `json:"@entraledger.undisclosed,omitempty"`
	Tampered int64     `json:"@entraledger.tamperedCount,omitempty"`
	Gaps     []web.Gap `json:"@entraledger.gaps,omitempty"`
}

// Texts say what the annotations are.
func (about) Texts() map[string]string {
	return map[string]string{
		"@entraledger.status": "complete; running: an answer with 202, which goes on at Location",
		"@entraledger.ownProperties": "Properties of its rows that the first reports API is not known to have had; " +
			"only of its reports",
		"@entraledger.undisclosed": "What of it is not known because records do not say it, over the pages so far; " +
			"else absent",
		"@entraledger.tamperedCount": "How many records were altered since they were written: of rows on this page, " +
			"of sums left out; absent where none was",
		"@entraledger.gaps": "Hours of its time that the archive does not have, or not completely, and why; absent " +
			"where it has all",
	}
}

// row is a row of any report.
type row struct {
	ID        string `json:"id,omitempty" text:"ID of the record that it is of; absent of sums"`
	EventTime string `json:"eventTime,omitempty" format:"date-time"`
	Tampered  string `json:"@entraledger.tampered,omitempty"`
	RowKey    string `json:"@entraledger.rowKey,omitempty" text:"Row key of a record that was altered; else absent"`
}

// Open says what a row is.
func (row) Open() string {
	return "A row with the properties of its report, which GET /api/reports lists"
}

// Texts are those that are too long for their line.
func (row) Texts() map[string]string {
	return map[string]string{
		"eventTime": "When it happened, or the day that was summed up; absent of sums over the whole time",
		"@entraledger.tampered": "What is wrong with a record that was altered; the row then has no other properties " +
			"than id and eventTime. Absent on all others",
	}
}

// list is a report's answer.
func (a asked) list(rows []json.RawMessage) web.List[json.RawMessage] {
	of := "reports/" + a.Report.Name
	if a.Report.Legacy {
		of = "reports/" + legacy + "/" + a.Report.Name
	}
	said := about{Status: "complete", From: web.Time(a.Window.From), To: web.Time(a.Window.To), Source: a.Report.Source}
	if a.Report.Legacy {
		said.Own = a.Report.Ours()
	}
	return web.List[json.RawMessage]{Of: of, About: said, Value: rows}
}
