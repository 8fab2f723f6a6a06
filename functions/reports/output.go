package reports

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/report"
	"github.com/entraledger/entraledger/internal/web"
)

// object is a row as JSON, its columns in their order. What has no value is left out.
func (a asked) object(row report.Row) json.RawMessage {
	out := []byte{'{'}
	member := func(name string, value any) {
		body, err := json.Marshal(value)
		if err != nil || value == nil {
			return
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(web.AppendText(out, name), ':'), body...)
	}
	for _, c := range a.Report.Columns {
		member(c.Name, valueOf(row[c.Name]))
	}
	for _, name := range []string{report.Tampered, report.TamperedRowKey} {
		if text, ok := row[name].(string); ok && text != "" {
			member(name, text)
		}
	}
	return append(out, '}')
}

// valueOf is a value as an answer has it, also where it was read from a job; nil: there is none.
func valueOf(value any) any {
	switch v := value.(type) {
	case time.Time:
		if v.IsZero() {
			return nil
		}
		return web.Time(v)
	case string:
		if v == "" {
			return nil
		}
	case []string:
		if len(v) == 0 {
			return nil
		}
	case float64:
		return int64(v)
	}
	return value
}

// tamperedColumn is the last one of a file.
const tamperedColumn = "entraledger.tampered"

// cells are a row's for a file.
func (a asked) cells(row report.Row) []string {
	out := make([]string, 0, len(a.Report.Columns)+1)
	for _, c := range a.Report.Columns {
		out = append(out, cell(valueOf(row[c.Name])))
	}
	text, _ := row[report.Tampered].(string)
	return append(out, text)
}

func cell(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case []string:
		return strings.Join(v, "; ")
	case []any:
		parts := make([]string, 0, len(v))
		for _, part := range v {
			parts = append(parts, fmt.Sprint(part))
		}
		return strings.Join(parts, "; ")
	}
	return fmt.Sprint(value)
}

// begin begins a file.
func (a asked) begin(w http.ResponseWriter) *web.CSVWriter {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", a.Report.Name+".csv"))
	w.WriteHeader(http.StatusOK)
	return web.NewCSVWriter(w, append(a.Report.Names(), tamperedColumn))
}

// csvOf is a file of rows that are all there.
func (a asked) csvOf(rows []report.Row) web.Answer {
	return web.Stream(func(w http.ResponseWriter, _ *http.Request) error {
		out := a.begin(w)
		for _, row := range rows {
			if err := out.Row(a.cells(row)); err != nil {
				return err
			}
		}
		return out.Flush()
	})
}

// slicesBefore is for how many slices of time, of 20 seconds, a file's first row is waited for. Then the
// file begins without: Azure's load balancer gives up after 230 seconds in which nothing came.
const slicesBefore = 6

// file answers with a whole report as a file, which is written while the archive is read. What goes
// wrong before its first row is answered as an error.
func (a asked) file(ctx context.Context, r web.Request) (web.Answer, error) {
	first, doubts, err := a.page(ctx, a.at.Rows, maxTop)
	for n := 1; n < slicesBefore && err == nil && first.More && len(first.Rows) == 0; n++ {
		first, doubts, err = a.page(ctx, first.At, maxTop)
	}
	if err != nil {
		return web.Answer{}, err
	}
	setUndisclosed(r.Header, doubts)
	return web.Stream(func(w http.ResponseWriter, req *http.Request) error {
		out, page := a.begin(w), first
		_ = http.NewResponseController(w).Flush() // a caller that went away needs no answer
		for {
			for _, row := range page.Rows {
				if err := out.Row(a.cells(row)); err != nil {
					return err
				}
			}
			if err := out.Flush(); err != nil || !page.More {
				return err
			}
			var err error
			if page, _, err = a.page(req.Context(), page.At, maxTop); err != nil {
				return err
			}
		}
	}), nil
}
