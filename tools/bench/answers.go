package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/functions/inactiveusers"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
)

// answerTime is what a page of inactive users costs at one size of tenant.
type answerTime struct {
	Users    int     `json:"users"`
	Pages    int     `json:"pages"`
	Millis   float64 `json:"millisecondsAPage"`    // as the caller sees it
	Tables   float64 `json:"ofWhichTables"`        // until the answer of the table server was read
	Own      float64 `json:"ofWhichOurOwn"`        // the rest
	Requests float64 `json:"tableRequestsForEach"` // once the first page is had
}

const (
	answerPages = 300
	warmUp      = 20
	aimOwnMS    = 3.0
	aimGrowth   = 1.25 // most that a page may cost at a million users over one at a thousand
)

// timedTransport measures the time of the table server, its answer's body included.
type timedTransport struct {
	base     http.RoundTripper
	nanos    atomic.Int64
	requests atomic.Int64
}

func (t *timedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	t.requests.Add(1)
	resp, err := t.base.RoundTrip(r)
	if err == nil {
		resp.Body = &timedBody{ReadCloser: resp.Body, t: t}
	}
	t.nanos.Add(int64(time.Since(began)))
	return resp, err
}

type timedBody struct {
	io.ReadCloser
	t *timedTransport
}

func (b *timedBody) Read(p []byte) (int, error) {
	began := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.t.nanos.Add(int64(time.Since(began)))
	return n, err
}

// measureAnswers asks for pages of 100 at sizes that are powers of ten apart, over sockets.
func (p plan) measureAnswers(ctx context.Context) ([]answerTime, error) {
	progress("answers: pages of 100 inactive users")
	var out []answerTime
	for _, users := range []int{1_000, 100_000, 1_000_000} {
		a, err := measureAnswer(ctx, users, p.now)
		if err != nil {
			return nil, fmt.Errorf("answer for %d users: %w", users, err)
		}
		out = append(out, a)
	}
	return out, nil
}

func measureAnswer(ctx context.Context, users int, asOf time.Time) (answerTime, error) {
	row, err := snapshotRow(asOf)
	if err != nil {
		return answerTime{}, err
	}
	server := httptest.NewServer(ranges{users: users, asOf: asOf, snapshot: row})
	defer server.Close()
	timed := &timedTransport{base: &http.Transport{MaxIdleConnsPerHost: 4}}
	store, err := tablestest.New(tables.Config{HTTP: &http.Client{Transport: timed},
		ConnectionString: fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=bench;AccountKey=%s;TableEndpoint=%s/bench;", benchKey, server.URL)})
	if err != nil {
		return answerTime{}, err
	}
	reader := directory.NewReader(store, cursors.New(store, store, time.Now), func() time.Time { return asOf })
	host, err := web.Serve(slog.New(slog.DiscardHandler), "",
		inactiveusers.New(reader, directory.NewExceptions(reader, nil, 0)))
	if err != nil {
		return answerTime{}, err
	}
	app := httptest.NewServer(host)
	defer app.Close()
	out := answerTime{Users: users, Pages: answerPages}
	first := app.URL + "/api/inactive-users?days=30&$top=100"
	next := first
	var began time.Time
	for page := range answerPages + warmUp {
		if page == warmUp {
			timed.nanos.Store(0)
			timed.requests.Store(0)
			began = time.Now()
		}
		if next, err = askPage(ctx, next); err != nil {
			return out, err
		}
		if next == "" {
			next = first
		}
	}
	per := func(d time.Duration) float64 { return d.Seconds() * 1000 / answerPages }
	out.Millis, out.Tables = per(time.Since(began)), per(time.Duration(timed.nanos.Load()))
	out.Own = out.Millis - out.Tables
	out.Requests = float64(timed.requests.Load()) / answerPages
	return out, nil
}

// askPage reads a page and returns the address of the next.
func askPage(ctx context.Context, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK || !gjson.GetBytes(body, "value.0.id").Exists() {
		return "", fmt.Errorf("%s answers %s: %.300s", address, resp.Status, body)
	}
	return gjson.GetBytes(body, `@odata\.nextLink`).Str, nil
}

func (r report) printAnswers(out io.Writer) {
	if len(r.Answers) == 0 {
		return
	}
	t := newTable(out, "A page of 100 inactive users", "users", "ms", "of which tables", "of which our own",
		"table requests")
	for _, a := range r.Answers {
		t.AppendRow(table.Row{grouped(int64(a.Users)), fmt.Sprintf("%.2f", a.Millis), fmt.Sprintf("%.2f", a.Tables),
			fmt.Sprintf("%.2f", a.Own), fmt.Sprintf("%.2f", a.Requests)})
	}
	t.Render()
	fmt.Fprintln(out)
}
