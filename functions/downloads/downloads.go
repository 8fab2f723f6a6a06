// Package downloads is the HTTP function that hands out the files which the Entra portal offers,
// without the portal's limits.
package downloads

import (
	"compress/gzip"
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/export"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Config of the function.
type Config struct {
	Archive search.Archive
	Streams *streams.Known
	Gaps    *search.Gaps
	Now     func() time.Time
	// MostRecords is how many records one file may take; 0: search.MostRecords.
	MostRecords int64
}

// New makes the function.
func New(cfg Config) web.Function {
	to := web.Moment("to", "", "First moment that is not part of it")
	return web.Function{Name: "downloads", Trigger: trigger, Operations: []web.Operation{
		{
			ID: "ListDownloads", Summary: "Which files there are",
			Text: "The files that the portal offers, and one of Conditional Access policies for each " +
				"log of sign-ins, " +
				"with their columns.", Role: web.RoleRead, Probe: true, Parameters: []web.Parameter{web.ByID("name")},
			Answers: web.Shape{Name: "downloads", Rows: offer{}, AsOf: true, Text: "The files"},
			Do:      cfg.list,
		},
		{
			Given: "name", ID: "Download", Summary: "Download a file",
			Text: "One of the files that the portal offers, of any length, oldest row first.", Role: web.RoleRead,
			Path: []web.Parameter{web.Text("name", "Such as AuditLogs or InteractiveSignIns")},
			Parameters: []web.Parameter{
				web.Moment("from", "", "First moment: a date or time"), to,
				web.Text("$filter", "Graph's filter language"),
				web.Choice("format", "csv", "Of the file", "csv", "json", "ndjson"),
			},
			Answers: web.Shape{File: []string{"text/csv", "application/json", "application/x-ndjson"}},
			Class:   web.Large, Find: cfg.find, Do: cfg.file,
		},
	}}
}

// offer is one row of the list of files.
type offer struct {
	Name    string       `json:"name" text:"Of the file"`
	Stream  entra.Stream `json:"stream" text:"The log that it is of"`
	Address string       `json:"address" text:"Where it is had"`
	Columns []string     `json:"columns" text:"Its columns"`
}

// list answers with the files of the archived logs.
func (cfg Config) list(ctx context.Context, r web.Request) (web.Answer, error) {
	archived, err := cfg.Streams.All(ctx)
	if err != nil {
		return web.Answer{}, err
	}
	out := web.List[offer]{Of: "downloads", AsOf: cfg.Now()}
	for _, file := range export.Files() {
		if slices.Contains(archived, file.Stream) {
			out.Value = append(out.Value, offer{file.Name, file.Stream, r.Base() + "/api/downloads/" + file.Name,
				file.Names()})
		}
	}
	out.Value = web.Only(r.Query, out.Value, func(o offer) string { return o.Name })
	return out.Answer(), nil
}

// find looks for the file that the path names, and refuses a caller who may not have its records.
func (cfg Config) find(ctx context.Context, r web.Request) error {
	name := r.Path("name")
	file, ok := export.Find(name)
	if !ok {
		return &entra.Error{Code: entra.CodeNotFound, Doing: "find download " + entra.Clip(name, 80),
			Why: "there is no such file", Remedy: "GET /api/downloads lists them"}
	}
	if err := r.MayRead(file.Stream); err != nil {
		return err
	}
	return cfg.Streams.Check(ctx, file.Stream)
}

// file answers with a file.
func (cfg Config) file(ctx context.Context, r web.Request) (web.Answer, error) {
	file, _ := export.Find(r.Path("name")) // it was found
	q, err := cfg.question(ctx, r.Query, file)
	if err != nil {
		return web.Answer{}, err
	}
	if err := cfg.tooLong(ctx, r, q); err != nil {
		return web.Answer{}, err
	}
	gaps, err := cfg.Gaps.OfQuestion(ctx, q)
	if err != nil {
		return web.Answer{}, err
	}
	web.SetGaps(r.Header, gaps) // a file has no other place for it
	format := r.Query.Text("format")
	from, to := spanOf(r.Query, q, cfg.Now())
	name := file.FileName(from, to, format)
	return web.Stream(func(w http.ResponseWriter, r *http.Request) error {
		return cfg.stream(&output{response: w, file: file, name: name, format: format}, r, q)
	}), nil
}

// spanOf is the time that a file is named for: what was asked for, else what there is.
func spanOf(p web.Query, q search.Question, now time.Time) (from, to time.Time) {
	from, to = p.Time("from"), p.Time("to")
	if to.IsZero() {
		if to = q.To; to.IsZero() || to.After(now) {
			to = now
		}
	}
	if from.IsZero() {
		if from = q.From; from.IsZero() || from.After(to) {
			from = to.Add(-1)
		}
	}
	return from, to
}

// question reads which records are asked for.
func (cfg Config) question(ctx context.Context, p web.Query, file export.File) (search.Question, error) {
	from, to := p.Time("from"), p.Time("to")
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return search.Question{}, web.Refuse("to is not later than from",
			"accepted are times such as from=2026-11-20 and to=2026-11-21, of which the second is not part of the file")
	}
	shape, err := odata.ShapeOf(file.Stream)
	if err != nil {
		return search.Question{}, err
	}
	q, err := search.New(file.Stream, shape, p.Text("$filter"))
	if err != nil {
		return q, err
	}
	if q.Stream != file.Stream {
		return q, &entra.Error{Code: entra.CodeBadRequest, Doing: "read $filter",
			Why:    "it asks for another type of sign-ins than the file's",
			Remedy: "leave signInEventTypes out, or take another file"}
	}
	progress, err := cfg.Archive.Progress(ctx, file.Stream)
	if err != nil {
		return q, err
	}
	q.NewestFirst = false // so that a file that broke off continues where its last row is
	q.Within(progress, cfg.Now())
	q.Narrow(from, to)
	return q, nil
}

// flushEvery is after how many records what is written is sent: the caller sees that it continues.
const flushEvery = 2000

// stream writes the file while the archive is read, in the order of time. A file that breaks off
// cuts the connection, so that no client accepts a part as the whole; the client continues from the
// time of the last row. An altered record becomes a row that says so, and the file continues.
func (cfg Config) stream(out *output, r *http.Request, q search.Question) error {
	// What goes wrong before the first record can still be answered.
	started := false
	begin := func() {
		started = true
		out.begin(r)
		// Of a filter that few records match, there may be no row for minutes. Azure's load balancer gives
		// up after 230 seconds in which nothing came.
		_ = http.NewResponseController(out.response).Flush() // a caller that went away needs no answer
	}
	written := 0
	err := q.Each(r.Context(), cfg.Archive, "", func(rec records.Archived, matches bool) (bool, error) {
		if !started {
			begin()
		}
		if !matches {
			return true, nil
		}
		if written++; written%flushEvery == 0 {
			out.flush()
		}
		if rec.Tampered != "" {
			return true, out.tampered(rec)
		}
		return true, out.record(rec.Raw)
	})
	if err != nil {
		if started {
			out.flushZip()
		}
		return err
	}
	if !started {
		begin()
	}
	out.end()
	if out.altered > 0 {
		slog.WarnContext(r.Context(), "a download has records that were altered since they were written",
			"file", out.file.Name, "tampered", out.altered)
	}
	return nil
}

// contentTypes of the formats.
var contentTypes = map[string]string{"csv": "text/csv; charset=utf-8", "json": "application/json; charset=utf-8",
	"ndjson": "application/x-ndjson; charset=utf-8"}

// begin writes the head of the answer, and of the file.
func (o *output) begin(r *http.Request) {
	h := o.response.Header()
	h.Set("Content-Type", contentTypes[o.format])
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", o.name))
	h.Add("Vary", "Accept-Encoding")
	// The number of altered records is known only at the end. The Functions host drops trailers, so
	// the rows have it, too.
	h.Set("Trailer", web.TamperedHeader)
	o.to = o.response
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		o.zip, _ = gzip.NewWriterLevel(o.response, gzip.BestSpeed) // the level is one of the library's
		o.to = o.zip
	}
	o.response.WriteHeader(http.StatusOK)
	o.head()
}

// flushZip hands on what is compressed so far, before the connection is cut.
func (o *output) flushZip() {
	if o.zip != nil {
		_ = o.zip.Flush() // a caller that went away needs no answer
	}
}
