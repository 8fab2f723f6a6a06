package collect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/collect"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

// paced is a tenant that takes some time for each page, and notes what was asked of it.
type paced struct {
	*lab.Forgetful
	takes map[entra.Stream]time.Duration

	mu    sync.Mutex
	given map[entra.Stream]map[string]int // how often each record was given
	asked map[entra.Stream][]entra.Query
}

func (p *paced) forget() {
	p.given, p.asked = make(map[entra.Stream]map[string]int), make(map[entra.Stream][]entra.Query)
}

func (p *paced) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	p.mu.Lock()
	p.asked[q.Stream] = append(p.asked[q.Stream], q)
	p.mu.Unlock()
	return func(yield func(entra.Page, error) bool) {
		for page, err := range p.Forgetful.Pages(ctx, q) {
			select {
			case <-time.After(p.takes[q.Stream]):
			case <-ctx.Done():
				yield(entra.Page{}, fmt.Errorf("read %s: %w", q.Stream, ctx.Err()))
				return
			}
			p.mu.Lock()
			for _, rec := range page.Records {
				if p.given[q.Stream] == nil {
					p.given[q.Stream] = make(map[string]int)
				}
				p.given[q.Stream][rec.Record.Key.ID]++
			}
			p.mu.Unlock()
			if !yield(page, err) {
				return
			}
		}
	}
}

// collecting is an app with two streams.
type collecting struct {
	*lab.Lab
	tenant *paced
	host   *web.Host
}

const slice = 20 * time.Second

func newCollecting(l *lab.Lab, pages int) *collecting {
	l.Options.Simulated, l.Options.Backfill = true, 24*time.Hour
	l.Tenant.PageSize = pages
	for _, s := range []entra.Stream{lab.Stream, lab.Other} {
		l.Tenant.Fill(s, lab.Start.Add(-26*time.Hour), lab.Start, 10*time.Minute)
	}
	c := &collecting{Lab: l, tenant: &paced{Forgetful: l.Tenant, takes: make(map[entra.Stream]time.Duration)}}
	c.tenant.forget()
	c.start()
	return c
}

// start is another process of the app.
func (c *collecting) start() {
	var err error
	c.host, err = web.Serve(slog.New(slog.DiscardHandler), "", collect.New(collect.Config{
		Collector: c.Collector(c.Store, c.tenant), Jobs: c.Store, Now: time.Now, Slice: slice,
		Streams: streams.New([]entra.Stream{lab.Stream, lab.Other}, c.Store)}))
	require.NoError(c, err)
}

// call asks once.
func (c *collecting) call(method, path, body string) (*httptest.ResponseRecorder, map[entra.Stream]map[string]any) {
	w := httptest.NewRecorder()
	c.host.ServeHTTP(w, httptest.NewRequestWithContext(c.Context(), method, path, strings.NewReader(body)))
	var answer struct{ Value []map[string]any }
	require.NoError(c, json.Unmarshal(w.Body.Bytes(), &answer), "%s", w.Body)
	rows := make(map[entra.Stream]map[string]any)
	for _, row := range answer.Value {
		rows[entra.Stream(row["stream"].(string))] = row
	}
	return w, rows
}

// follow asks until it is done, and looks that no number and no place goes back. It returns the
// rows at the end, and how many slices there were.
func (c *collecting) follow(body string) (map[entra.Stream]map[string]any, int) {
	w, rows := c.call(http.MethodPost, "/api/collect", body)
	slices := 1
	for ; w.Code == http.StatusAccepted; slices++ {
		require.Less(c, slices, 100, "%s", w.Body)
		next, err := url.Parse(w.Header().Get("Location"))
		require.NoError(c, err)
		before := rows
		w, rows = c.call(http.MethodGet, next.Path, "")
		for s, was := range before {
			for _, count := range []string{"fetched", "new", "unchanged"} {
				require.GreaterOrEqual(c, rows[s][count], was[count], "%s of %s", count, s)
			}
			if reached, ok := was["reachedDateTime"]; ok {
				require.GreaterOrEqual(c, rows[s]["reachedDateTime"], reached, "%s", s)
			}
		}
	}
	require.Equal(c, http.StatusOK, w.Code, "%s", w.Body)
	require.Contains(c, w.Body.String(), `"status":"done"`)
	return rows, slices
}

// readOnce looks that a walk never began before where it was, and that no record was given twice
// but for the page that was being read when a slice ended.
func (c *collecting) readOnce(s entra.Stream, slices int) {
	twice := 0
	for _, n := range c.tenant.given[s] {
		twice += n - 1
	}
	require.LessOrEqual(c, twice, (slices-1)*c.Tenant.PageSize, "%s: %v", s, c.tenant.asked[s])
	for i, q := range c.tenant.asked[s] {
		if i > 0 {
			require.False(c, q.From.Before(c.tenant.asked[s][i-1].From), "%s: %v", s, c.tenant.asked[s])
		}
	}
}

// TestARangeOfTwoStreamsReadsNothingTwice whichever of them is the slower one, and by how much.
func TestARangeOfTwoStreamsReadsNothingTwice(t *testing.T) {
	from, to := entra.FloorHour(lab.Start.Add(-20*time.Hour)), entra.FloorHour(lab.Start.Add(-2*time.Hour))
	body := fmt.Sprintf(`{"from":%q,"to":%q}`, from.Format(time.RFC3339), to.Format(time.RFC3339))
	for name, c := range map[string]struct {
		first, second time.Duration
		pages         int
		slices        int // at least
	}{
		"both at once":            {time.Millisecond, time.Millisecond, 10, 1},
		"the second is slow":      {time.Millisecond, 6 * time.Second, 10, 3},
		"the first is slow":       {6 * time.Second, time.Millisecond, 10, 3},
		"both are slow":           {6 * time.Second, 7 * time.Second, 10, 3},
		"one is slower":           {3 * time.Second, 9 * time.Second, 10, 4},
		"an hour has three pages": {time.Millisecond, 5 * time.Second, 2, 5},
	} {
		t.Run(name, func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				app := newCollecting(l, c.pages)
				app.follow("") // all is read once
				app.tenant.takes = map[entra.Stream]time.Duration{lab.Stream: c.first, lab.Other: c.second}
				app.tenant.forget()
				rows, slices := app.follow(body)
				require.GreaterOrEqual(l, slices, c.slices)
				for s, takes := range app.tenant.takes {
					require.NotContains(l, rows[s], "error")
					require.Equal(l, to.Format(time.RFC3339), rows[s]["reachedDateTime"], "%s", s)
					require.EqualValues(l, 0, rows[s]["new"], "%s", s)
					require.Len(l, app.tenant.given[s], 18*6, "%s: all of the range", s)
					if takes == time.Millisecond {
						app.readOnce(s, 1)
						continue
					}
					app.readOnce(s, slices)
				}
			})
		})
	}
}

// TestAStreamThatIsDoneWithIsNotReadInTheNextSlice of a collection that does what the timer does.
func TestAStreamThatIsDoneWithIsNotReadInTheNextSlice(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		app := newCollecting(l, 10)
		app.tenant.takes[lab.Other] = 6 * time.Second
		w, rows := app.call(http.MethodPost, "/api/collect", "")
		require.Equal(l, http.StatusAccepted, w.Code, "%s", w.Body)
		asked := len(app.tenant.asked[lab.Stream])
		require.EqualValues(l, len(app.tenant.given[lab.Stream]), rows[lab.Stream]["new"])
		require.NotZero(l, asked)
		for slices := 0; w.Code == http.StatusAccepted; slices++ {
			require.Less(l, slices, 100)
			next, err := url.Parse(w.Header().Get("Location"))
			require.NoError(l, err)
			app.start() // it may be another process
			w, rows = app.call(http.MethodGet, next.Path, "")
		}
		require.Contains(l, w.Body.String(), `"status":"done"`)
		require.Len(l, app.tenant.asked[lab.Stream], asked, "it had nothing left: %v", app.tenant.asked[lab.Stream])
		require.EqualValues(l, len(app.tenant.given[lab.Other]), rows[lab.Other]["new"])
	})
}

// TestAJobOfAVersionBeforeGoesOn from the place that its streams had in common.
func TestAJobOfAVersionBeforeGoesOn(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		app := newCollecting(l, 10)
		app.follow("")
		app.tenant.forget()
		from, to := entra.FloorHour(lab.Start.Add(-5*time.Hour)), entra.FloorHour(lab.Start.Add(-2*time.Hour))
		state, err := json.Marshal(map[string]any{"Streams": []entra.Stream{lab.Stream, lab.Other}, "From": from, "To": to,
			"Done": []map[string]any{{"stream": lab.Stream, "fetched": 7}}, "Failed": ""})
		require.NoError(l, err)
		_, err = l.Store.SaveJob(l.Context(), jobs.Job{Kind: collect.Kind, ID: "4711", State: state, Created: time.Now(),
			Updated: time.Now()})
		require.NoError(l, err)
		w, rows := app.call(http.MethodGet, "/api/collect/4711", "")
		require.Equal(l, http.StatusOK, w.Code, "%s", w.Body)
		require.EqualValues(l, 7+3*6, rows[lab.Stream]["fetched"])
		require.EqualValues(l, 3*6, rows[lab.Other]["fetched"])
		app.readOnce(lab.Stream, 1)
		app.readOnce(lab.Other, 1)
	})
}
