package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/verify"
)

// The aims of reading back.
const (
	aimReadMicros   = 20.0 // our own CPU a record, base64, decompression and SHA-256 included
	aimReadRequests = 1.15 // for 1,000 records of busy hours
	aimReadMB       = 100.0
)

// perHour is how many records an hour of the archive has that is read back, on average.
const perHour = 1500

// pagesRead is how many pages of readTop are measured.
const pagesRead = 200

// readback is one way to read all records of an archive, each in a process of its own: the table
// server's CPU is not in it.
type readback struct {
	Way string `json:"way"`
	outcome
}

func (r readback) micros() float64 { return ratio(r.CPUSeconds*1e6, float64(r.Records)) }
func (r readback) perThousand() float64 {
	return ratio(float64(r.TableRequests)*1000, float64(r.Records))
}

// ways are the ways to read back, by their name in the report.
var ways = []struct{ role, name string }{
	{"oldest", "all, the oldest first"},
	{"newest", "all, the newest first"},
	{"pages", fmt.Sprintf("%d pages of %d, the newest first", pagesRead, readTop)},
	{"verify", "verify"},
}

// measureReadback archives and seals sign-ins in busy hours, and reads them back.
func (p plan) measureReadback(ctx context.Context) ([]readback, error) {
	days := max(1, p.verify/perHour/24)
	progress(fmt.Sprintf("reading back: archiving and sealing %s sign-ins of %d days", grouped(int64(p.verify)), days))
	server, err := startChild(ctx, job{Role: "bulk"})
	if err != nil {
		return nil, err
	}
	defer func() { _ = server.stop() }() // its end changes nothing that was measured
	var connection string
	if err := server.read(&connection); err != nil {
		return nil, fmt.Errorf("start the table server: %w", err)
	}
	store, err := tablestest.New(tables.Config{ConnectionString: connection})
	if err != nil {
		return nil, err
	}
	if _, err := fillArchive(ctx, store, logs.SignInsInteractiveUser, p.verify, days, p.seed, p.now); err != nil {
		return nil, fmt.Errorf("archive %d days: %w", days, err)
	}
	var out []readback
	for _, way := range ways {
		progress("reading back: " + way.name)
		j := job{Role: "readback", Way: way.role, Span: time.Duration(days+1) * 24 * time.Hour, Tables: connection,
			Now: p.now, Limit: p.total}
		if p.profiles != "" {
			j.Profile = p.profiles + "/readback-" + way.role + ".pprof"
		}
		got, err := measure(ctx, j)
		if err != nil {
			return nil, err
		}
		out = append(out, readback{way.name, got})
	}
	return out, nil
}

// readBack reads an archive in one way.
func readBack(ctx context.Context, j job) (outcome, error) {
	counted := newCountingTransport()
	store, err := tablestest.New(tables.Config{ConnectionString: j.Tables, HTTP: &http.Client{Transport: counted}})
	if err != nil {
		return outcome{}, err
	}
	var got outcome
	switch j.Way {
	case "pages":
		got.Records, err = walkPages(ctx, store, j)
	case "verify":
		got.Records, err = verifyAll(ctx, store)
	default:
		reading := records.Reading{Stream: logs.SignInsInteractiveUser, From: j.Now.Add(-j.Span),
			To: j.Now.Add(time.Hour), NewestFirst: j.Way == "newest"}
		for rec, failed := range store.Read(ctx, reading) {
			if failed != nil {
				return got, failed
			}
			if rec.Raw != nil {
				got.Records++
			}
		}
	}
	got.TableRequests = counted.requests.Load()
	return got, err
}

// walkPages reads page after page, as a client does that follows the links.
func walkPages(ctx context.Context, store *tablestest.Store, j job) (int64, error) {
	q, err := search.New(logs.SignInsInteractiveUser, nil, "")
	if err != nil {
		return 0, err
	}
	progress, err := store.Progress(ctx, q.Stream)
	if err != nil {
		return 0, err
	}
	q.Within(progress, j.Now)
	var records int64
	for page := (search.Page{More: true}); page.More && records < pagesRead*readTop; {
		if page, err = q.Page(ctx, store, page.After, readTop, time.Now().Add(time.Minute)); err != nil {
			return records, err
		}
		records += int64(len(page.Records))
	}
	return records, nil
}

func verifyAll(ctx context.Context, store *tablestest.Store) (int64, error) {
	v := verify.Verification{Streams: []entra.Stream{logs.SignInsInteractiveUser}}
	if err := v.Work(ctx, store, nil, time.Now().Add(time.Hour)); err != nil {
		return 0, err
	}
	if !v.Intact() {
		f := v.Findings[0]
		return v.Records, fmt.Errorf("the archive that was made is not intact: row %s of %s: %s", f.Row, f.Hour,
			f.Detail)
	}
	return v.Records, nil
}

func (r report) printReadback(out io.Writer) {
	if len(r.Readback) == 0 {
		return
	}
	t := newTable(out, fmt.Sprintf("Reading back, %s records an hour", grouped(perHour)), "what", "records",
		"CPU us a record",
		"table requests", "for 1,000 records", "records/s", "peak MB")
	for _, b := range r.Readback {
		t.AppendRow(table.Row{b.Way, grouped(b.Records), fmt.Sprintf("%.1f", b.micros()), grouped(b.TableRequests),
			fmt.Sprintf("%.2f", b.perThousand()),
			grouped(int64(ratio(float64(b.Records), b.Seconds))), fmt.Sprintf("%.0f", b.PeakMB)})
	}
	t.Render()
	fmt.Fprintln(out)
}

func (r report) judgeReadback() []aim {
	var aims []aim
	for _, b := range r.Readback {
		switch b.Way {
		case ways[0].name, ways[1].name:
			aims = append(aims,
				aim{"CPU a record read, us (" + b.Way + ")", fmt.Sprintf("<= %.0f", aimReadMicros), b.micros(),
					b.micros() <= aimReadMicros},
				aim{"table requests for 1,000 records (" + b.Way + ")", fmt.Sprintf("<= %.2f", aimReadRequests),
					b.perThousand(), b.perThousand() <= aimReadRequests},
				aim{"peak memory, MB (" + b.Way + ")", fmt.Sprintf("< %.0f", aimReadMB), b.PeakMB,
					b.PeakMB < aimReadMB})
		}
	}
	return aims
}
