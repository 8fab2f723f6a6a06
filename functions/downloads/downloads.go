// Package downloads is the HTTP function that hands out the files which the Entra portal offers, without the portal's limits.
package downloads

import (
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/export"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/streams"
)

// Function answers GET /api/downloads and GET /api/downloads/{name}.
type Function struct {
	Archive search.Archive
	Streams *streams.Known
	Gaps    *search.Gaps
	Now     func() time.Time
	BaseURL string // of links; empty: as forwarded
}

// offer is one row of the list of files.
type offer struct {
	Name    string       `json:"name"`
	Stream  entra.Stream `json:"stream"`
	Address string       `json:"address"`
	Columns []string     `json:"columns"`
}

// ServeHTTP lists the files, or hands one out.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	if r.PathValue("name") == "" {
		err = f.list(w, r)
	} else {
		err = f.file(w, r)
	}
	if err != nil {
		answer.Error(w, r, err)
	}
}

func (f *Function) list(w http.ResponseWriter, r *http.Request) error {
	if err := answer.ReadParameters(r).Err(); err != nil {
		return err
	}
	archived, err := f.Streams.All(r.Context())
	if err != nil {
		return err
	}
	base := answer.BaseURL(r, f.BaseURL)
	out := answer.List[offer]{Context: base + "/api/$metadata#downloads", AsOf: answer.Time(f.Now()), Value: []offer{}}
	for _, file := range export.Files() {
		if slices.Contains(archived, file.Stream) {
			out.Value = append(out.Value, offer{file.Name, file.Stream, base + "/api/downloads/" + file.Name, file.Names()})
		}
	}
	answer.JSON(w, http.StatusOK, out)
	return nil
}

func (f *Function) file(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	file, ok := export.Find(name)
	if !ok {
		return &entra.Error{Code: entra.CodeNotFound, Doing: "find download " + entra.Clip(name, 80), Why: "there is no such file",
			Remedy: "GET /api/downloads lists them"}
	}
	if err := f.Streams.Check(r.Context(), file.Stream); err != nil {
		return err
	}
	q, format, err := f.read(r, file)
	if err != nil {
		return err
	}
	gaps, err := f.Gaps.OfQuestion(r.Context(), q)
	if err != nil {
		return err
	}
	answer.SetGaps(w, gaps) // a file has no other place for it
	return f.stream(w, r, file, q, format)
}

func (f *Function) read(r *http.Request, file export.File) (search.Question, string, error) {
	p := answer.ReadParameters(r, "from", "to", "$filter", "format")
	format := p.Choice("format", "csv", "csv", "json", "ndjson")
	from, to := p.Time("from"), p.Time("to")
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		p.Refuse("to is not later than from", "accepted are times such as from=2026-11-20 and to=2026-11-21, of which the second is not part of the file")
	}
	if p.Err() != nil {
		return search.Question{}, "", p.Err()
	}
	shape, err := odata.ShapeOf(file.Stream)
	if err != nil {
		return search.Question{}, "", err
	}
	q, err := search.New(file.Stream, shape, p.Text("$filter"))
	if err != nil {
		return q, "", err
	}
	if q.Stream != file.Stream {
		return q, "", &entra.Error{Code: entra.CodeBadRequest, Doing: "read $filter", Why: "it asks for another type of sign-ins than the file's", Remedy: "leave signInEventTypes out, or take another file"}
	}
	progress, err := f.Archive.Progress(r.Context(), file.Stream)
	if err != nil {
		return q, "", err
	}
	q.NewestFirst = false // so that a file that broke off goes on where its last row is
	q.Within(progress, f.Now())
	q.Narrow(from, to)
	return q, format, nil
}

// flushEvery is after how many records what is written is sent: the caller sees that it goes on.
const flushEvery = 2000

// stream writes the file while the archive is read, in the order of time. A file that breaks off
// cuts the connection, so that nobody takes a part for the whole; it is asked for again from the
// time of the last row. An altered record is a row that says so, and the file goes on.
func (f *Function) stream(w http.ResponseWriter, r *http.Request, file export.File, q search.Question, format string) error {
	out := &output{response: w, file: file, format: format}
	// What goes wrong before the first record can still be answered.
	started := false
	begin := func() {
		started = true
		out.begin(r)
	}
	records := 0
	err := q.Each(r.Context(), f.Archive, "", func(rec archive.Archived, matches bool) (bool, error) {
		if !started {
			begin()
		}
		if !matches {
			return true, nil
		}
		if records++; records%flushEvery == 0 {
			out.flush()
		}
		if rec.Tampered != "" {
			return true, out.tampered(rec)
		}
		return true, out.record(rec.Raw)
	})
	if err != nil && !started {
		return err
	}
	if !started {
		begin()
	}
	if err != nil {
		out.breakOff(r.Context(), err)
	}
	out.end()
	if out.altered > 0 {
		slog.WarnContext(r.Context(), "a download has records that were altered since they were written",
			"file", file.Name, "tampered", out.altered)
	}
	return nil
}

// contentTypes of the formats.
var contentTypes = map[string]string{"csv": "text/csv; charset=utf-8", "json": "application/json; charset=utf-8", "ndjson": "application/x-ndjson; charset=utf-8"}

// begin writes the head of the answer, and of the file.
func (o *output) begin(r *http.Request) {
	h := o.response.Header()
	h.Set("Content-Type", contentTypes[o.format])
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", o.file.Name+"."+o.format))
	h.Add("Vary", "Accept-Encoding")
	// How many records were altered is known at the end. The Functions host drops trailers: the
	// rows tell it, too.
	h.Set("Trailer", answer.TamperedHeader)
	o.to = o.response
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		o.zip, _ = gzip.NewWriterLevel(o.response, gzip.BestSpeed) // the level is one of the library's
		o.to = o.zip
	}
	o.response.WriteHeader(http.StatusOK)
	o.head()
}

// breakOff cuts the connection.
func (o *output) breakOff(ctx context.Context, err error) {
	if o.zip != nil {
		_ = o.zip.Flush() // a caller that went away needs no answer
	}
	_ = http.NewResponseController(o.response).Flush() // likewise
	slog.WarnContext(ctx, "a download broke off", "error", err.Error())
	panic(http.ErrAbortHandler)
}
