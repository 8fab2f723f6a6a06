package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/tools/bench/discard"
)

// aimColumns is how much the columns of the latest set may add to a stream's mean row.
const aimColumns = 5.0

// rowSize is the mean row of a stream, as Table Storage counts it, without and with the columns of
// the latest set.
type rowSize struct {
	Stream         entra.Stream `json:"stream"`
	Records        int          `json:"records"`
	Received       float64      `json:"receivedBytesPerRecord"`
	Before, Stored float64      // bytes a row
}

// grown is by how many percent the row grew.
func (r rowSize) grown() float64 { return 100 * ratio(r.Stored-r.Before, r.Before) }

func (p plan) measureColumns(ctx context.Context) ([]rowSize, error) {
	progress("columns: the mean row of each stream")
	g := generate.New(generate.Config{Seed: p.seed, Users: 1000, Apps: 60, Days: 29, Policies: 6, End: p.now})
	var out []rowSize
	for _, log := range logs.All() {
		n := min(g.Len(log.Stream), 5000)
		if n == 0 {
			continue
		}
		size := rowSize{Stream: log.Stream, Records: n}
		var err error
		if size.Before, size.Received, err = meanRow(ctx, g, log, n, log.ColumnSet()-1); err != nil {
			return nil, err
		}
		if size.Stored, _, err = meanRow(ctx, g, log, n, log.ColumnSet()); err != nil {
			return nil, err
		}
		out = append(out, size)
	}
	return out, nil
}

// meanRow stores n records with the columns of a set.
func meanRow(
	ctx context.Context, g *generate.Generator, log *logs.Log, n, set int,
) (stored, received float64, err error) {
	site := httptest.NewServer(discard.NewKeepingAll("coverage", "dictionaries", "secrets", "quarantine"))
	defer site.Close()
	store, err := tablestest.New(tables.Config{HTTP: http.DefaultClient,
		ConnectionString: fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;TableEndpoint=%s/%[1]s;", benchAccount, benchKey, site.URL)})
	if err != nil {
		return 0, 0, err
	}
	hours := make(map[entra.Window][]entra.Record)
	bytes := 0
	for i := range n {
		rec, err := logs.ParseRecord(log.Stream, g.Append(nil, log.Stream, i))
		if err != nil {
			return 0, 0, err
		}
		var kept []entra.Column
		for _, col := range rec.Columns {
			if log.Since(col.Name) <= max(1, set) {
				kept = append(kept, col)
			}
		}
		rec.Columns = kept
		bytes += len(rec.Raw)
		w := rec.Window(log.Stream)
		hours[w] = append(hours[w], rec)
	}
	var sum int64
	// In the order of time, so that both are compressed by the same dictionary.
	byTime := func(a, b entra.Window) int { return a.Start.Compare(b.Start) }
	for _, w := range slices.SortedFunc(maps.Keys(hours), byTime) {
		added, err := store.Insert(ctx, w, hours[w], time.Unix(0, 0))
		if err != nil {
			return 0, 0, err
		}
		sum += added.StoredBytes
	}
	return ratio(float64(sum), float64(n)), ratio(float64(bytes), float64(n)), nil
}

func (r report) printColumns(out io.Writer) {
	if len(r.Columns) == 0 {
		return
	}
	t := newTable(out, "The mean row of a stream: what the columns of the latest set add", "stream", "records",
		"bytes received", "bytes a row without", "with", "%")
	for _, c := range r.Columns {
		t.AppendRow(table.Row{c.Stream, grouped(int64(c.Records)), fmt.Sprintf("%.0f", c.Received),
			fmt.Sprintf("%.0f", c.Before), fmt.Sprintf("%.0f", c.Stored),
			fmt.Sprintf("%.1f", c.grown())})
	}
	t.Render()
	fmt.Fprintln(out)
}

// judgeColumns compares the stream whose row grew the most with the aim.
func (r report) judgeColumns() []aim {
	if len(r.Columns) == 0 {
		return nil
	}
	most := r.Columns[0]
	for _, c := range r.Columns {
		if c.grown() > most.grown() {
			most = c
		}
	}
	return []aim{{fmt.Sprintf("growth of the row by new columns, %% (%s)", most.Stream),
		fmt.Sprintf("<= %.0f", aimColumns), most.grown(), most.grown() <= aimColumns}}
}
