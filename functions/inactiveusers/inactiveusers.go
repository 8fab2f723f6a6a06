// Package inactiveusers is the HTTP function that tells who has stopped signing in, and why it says so.
package inactiveusers

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/directory"
)

// Function answers GET /api/inactive-users and GET /api/inactive-users/summary.
type Function struct {
	Reader  *directory.Reader
	BaseURL string // of links; empty: as forwarded
}

const (
	defaultDays = 90
	// maxDays is ten years: Microsoft has recorded sign-ins since April 2020.
	maxDays = 3650
)

// list is the answer: Graph's shape, and what the snapshot can and can't tell.
type list struct {
	Context     string                  `json:"@odata.context"`
	AsOf        string                  `json:"asOfDateTime"`
	Before      string                  `json:"inactiveBeforeDateTime"`
	NewSince    string                  `json:"newSinceDateTime,omitempty"`
	Undisclosed []directory.Undisclosed `json:"undisclosed,omitempty"`
	Count       *int64                  `json:"@odata.count,omitempty"`
	NextLink    string                  `json:"@odata.nextLink,omitempty"`
	Value       []json.RawMessage       `json:"value"`
}

// ServeHTTP answers with a page, a file or a summary.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer.Views(w, r, "inactive-users", f.list, f.summary)
}

var filters = []string{"days", "before", "userType", "enabled", "licensed", "synced", "neverSignedIn", "state", "exclude", "newSince"}

func (f *Function) list(w http.ResponseWriter, r *http.Request) error {
	p := answer.ReadParameters(r, slices.Concat(filters, answer.ListParameters())...)
	q := readQuery(p)
	l := p.ReadList(r, directory.MaxTop, answer.Names[directory.UserRow](), directory.UserOrders())
	q.Order.By, q.Order.Desc = l.By, l.Desc
	if p.Err() != nil {
		return p.Err()
	}
	if l.CSV {
		return f.file(w, r, q, l.Fields)
	}
	page, err := f.Reader.Users(r.Context(), q, l.Top, l.Count, l.Token)
	if err != nil {
		return err
	}
	out := list{
		Context: answer.BaseURL(r, f.BaseURL) + "/api/$metadata#inactiveUsers", AsOf: answer.Time(page.Snapshot.AsOf), Before: answer.Time(page.Cutoff),
		NewSince: answer.Time(page.Since), Undisclosed: page.Snapshot.Undisclosed, Count: page.Count, Value: page.Rows,
	}
	if l.Fields != nil {
		for i, row := range out.Value {
			out.Value[i] = answer.Project(row, l.Fields)
		}
	}
	if out.Value == nil {
		out.Value = []json.RawMessage{}
	}
	if page.Next != "" {
		out.NextLink = answer.NextLink(r, f.BaseURL, page.Next)
	}
	answer.JSON(w, http.StatusOK, out)
	return nil
}

func (f *Function) file(w http.ResponseWriter, r *http.Request, q directory.UserQuery, fields []string) error {
	file := answer.NewFile[directory.UserRow](w, "inactive-users.csv", fields)
	return file.End(f.Reader.EachUser(r.Context(), q, file.Row))
}

// readQuery reads what both views take.
func readQuery(p *answer.Parameters) directory.UserQuery {
	q := directory.UserQuery{
		Days: p.Int("days", defaultDays, 1, maxDays), Before: p.Time("before"),
		Enabled: p.Flag("enabled"), Licensed: p.Flag("licensed"), Synced: p.Flag("synced"), Exclude: p.List("exclude"),
	}
	if p.Has("days") && p.Has("before") {
		p.Refuse("both days and before are given", "give one of the two")
	}
	if p.Has("before") {
		q.Days = 0
	}
	switch p.Choice("userType", "all", "member", "guest", "all") {
	case "member":
		q.Guest = new(false)
	case "guest":
		q.Guest = new(true)
	}
	switch p.Choice("neverSignedIn", "include", "include", "only", "exclude") {
	case "only":
		q.Never = new(true)
	case "exclude":
		q.Never = new(false)
	}
	if q.State = p.Choice("state", directory.Inactive, directory.Inactive, directory.Unknown, "all"); q.State == "all" {
		q.State = ""
	}
	q.NewSince.At, q.NewSince.Previous = p.Since("newSince", "previous")
	return q
}

type summary struct {
	Context     string                  `json:"@odata.context"`
	AsOf        string                  `json:"asOfDateTime"`
	Before      string                  `json:"inactiveBeforeDateTime"`
	Undisclosed []directory.Undisclosed `json:"undisclosed,omitempty"`
	Total       int64                   `json:"total"`
	Value       []directory.Count       `json:"value"`
}

func (f *Function) summary(w http.ResponseWriter, r *http.Request) error {
	p := answer.ReadParameters(r, slices.Concat(filters, []string{"$format"})...)
	q := readQuery(p)
	asCSV := p.CSV(r)
	if p.Err() != nil {
		return p.Err()
	}
	snap, total, counts, err := f.Reader.UserSummary(r.Context(), q)
	if err != nil {
		return err
	}
	if asCSV {
		return answer.CSV(w, "inactive-users-summary.csv", counts)
	}
	answer.JSON(w, http.StatusOK, summary{
		Context: answer.BaseURL(r, f.BaseURL) + "/api/$metadata#inactiveUsersSummary", AsOf: answer.Time(snap.AsOf),
		Before: answer.Time(snap.AsOf.Add(-time.Duration(q.Days) * 24 * time.Hour)), Undisclosed: snap.Undisclosed, Total: total, Value: counts,
	})
	return nil
}
