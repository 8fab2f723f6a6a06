// Package expiringcredentials is the HTTP function that tells which secrets and certificates have expired, expire soon, or
// are not used.
package expiringcredentials

import (
	"net/http"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/directory"
)

// Function answers GET /api/expiring-credentials and GET /api/expiring-credentials/summary.
type Function struct {
	Reader  *directory.Reader
	BaseURL string // of links; empty: as forwarded
}

const (
	defaultWithin = 30
	defaultUnused = 30
	maxDays       = 3650
	day           = 24 * time.Hour
)

// list is the answer: Graph's shape, and what the snapshot can and can't tell.
type list struct {
	Context     string                  `json:"@odata.context"`
	AsOf        string                  `json:"asOfDateTime"`
	Now         string                  `json:"statesAtDateTime"`
	NewSince    string                  `json:"newSinceDateTime,omitempty"`
	Undisclosed []directory.Undisclosed `json:"undisclosed,omitempty"`
	Count       *int64                  `json:"@odata.count,omitempty"`
	NextLink    string                  `json:"@odata.nextLink,omitempty"`
	Value       []answer.Selected       `json:"value"`
}

// ServeHTTP answers with a page, a file or a summary.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer.Views(w, r, "expiring-credentials", f.list, f.summary)
}

var filters = []string{"withinDays", "state", "kind", "origin", "appId", "owner", "unusedDays", "exclude", "newSince"}

func (f *Function) list(w http.ResponseWriter, r *http.Request) error {
	p := answer.ReadParameters(r, slices.Concat(filters, answer.ListParameters())...)
	q := readQuery(p)
	l := p.ReadList(r, directory.MaxTop, answer.Names[directory.CredentialRow](), directory.CredentialOrders())
	q.Order.By, q.Order.Desc = l.By, l.Desc
	if p.Err() != nil {
		return p.Err()
	}
	if l.CSV {
		file := answer.NewFile[directory.CredentialRow](w, "expiring-credentials.csv", l.Fields)
		return file.End(f.Reader.EachCredential(r.Context(), q, file.Row))
	}
	page, err := f.Reader.Credentials(r.Context(), q, l.Top, l.Count, l.Token)
	if err != nil {
		return err
	}
	out := list{
		Context: answer.BaseURL(r, f.BaseURL) + "/api/$metadata#expiringCredentials", AsOf: answer.Time(page.Snapshot.AsOf), Now: answer.Time(page.Now),
		NewSince: answer.Time(page.Since), Undisclosed: page.Snapshot.Undisclosed, Count: page.Count, Value: []answer.Selected{},
	}
	for _, row := range page.Rows {
		out.Value = append(out.Value, answer.Selected{Object: row, Fields: l.Fields})
	}
	if page.Next != "" {
		out.NextLink = answer.NextLink(r, f.BaseURL, page.Next)
	}
	answer.JSON(w, http.StatusOK, out)
	return nil
}

// readQuery reads what both views take.
func readQuery(p *answer.Parameters) directory.CredentialQuery {
	q := directory.CredentialQuery{
		Within: time.Duration(p.Int("withinDays", defaultWithin, 0, maxDays)) * day, UnusedFor: time.Duration(p.Int("unusedDays", defaultUnused, 1, maxDays)) * day,
		AppID: p.Text("appId"), Owner: p.Text("owner"), Exclude: p.List("exclude"),
	}
	states := []string{string(directory.Expiring)}
	if p.Has("state") {
		states = p.Words("state", string(directory.Expired), string(directory.Expiring), string(directory.Unused), string(directory.Valid), "all")
	}
	for _, s := range states {
		if s == "all" {
			q.States = nil
			break
		}
		q.States = append(q.States, directory.State(s))
	}
	if kind := p.Choice("kind", "all", string(directory.Secret), string(directory.Certificate), "all"); kind != "all" {
		q.Kind = directory.Kind(kind)
	}
	if origin := p.Choice("origin", "all", string(directory.OnApplication), string(directory.OnServicePrincipal), "all"); origin != "all" {
		q.Origin = directory.Origin(origin)
	}
	q.NewSince.At, q.NewSince.Previous = p.Since("newSince", "previous")
	return q
}

type summary struct {
	Context     string                  `json:"@odata.context"`
	AsOf        string                  `json:"asOfDateTime"`
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
	snap, total, counts, err := f.Reader.CredentialSummary(r.Context(), q)
	if err != nil {
		return err
	}
	if asCSV {
		return answer.CSV(w, "expiring-credentials-summary.csv", counts)
	}
	answer.JSON(w, http.StatusOK, summary{
		Context: answer.BaseURL(r, f.BaseURL) + "/api/$metadata#expiringCredentialsSummary", AsOf: answer.Time(snap.AsOf), Undisclosed: snap.Undisclosed,
		Total: total, Value: counts,
	})
	return nil
}
