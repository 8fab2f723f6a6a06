package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// togetherBegin is the tenant's time at the start. It is in the past because a range may not begin
// in the future of the machine.
var togetherBegin = time.Date(2026, 3, 3, 8, 0, 0, 0, time.UTC)

// TestTwoInstancesBesideKillsEndWithTheTenantsTruth: one archives by its timer, the other by hand,
// purge and index run on either, and each is killed in the middle of something. make soak does it
// for longer.
func TestTwoInstancesBesideKillsEndWithTheTenantsTruth(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newTogether(t, 12, map[string]string{"ARCHIVE_RUN_BUDGET": "10s", "ARCHIVE_PASSES": "6d"})
	w.begin()
	for round := range 5 { // to the day on which the first month is past its retention
		w.round(6*24*time.Hour+16*time.Hour, plan{kill: round%2 == 1, purge: round == 4, index: round >= 3})
	}
	for tries := 0; w.did.abandoned == 0 && tries < 10; tries++ {
		w.round(10*time.Minute, plan{kill: true})
	}
	w.finish()
	require.Positive(t, w.did.abandoned, "no kill left a lease behind: %+v", w.did)
	require.Positive(t, w.did.purgedHours)
	t.Logf("%+v", w.did)
}

// together is two instances of the handler that work on one archive.
type together struct {
	*system
	random  *rand.Rand
	streams []entra.Stream
	tables  *aztables.ServiceClient
	now     time.Time         // the tenant's
	graphs  [2]string         // each instance's way to Graph: their clocks differ
	mu      [2]sync.RWMutex   // held while an instance is being replaced
	started [2]*process       // the instances
	records []*togetherRecord // everything that the tenant ever showed
	seen    map[string]bool   // contents that were stored at the end of a round
	left    []leftLease
	deep    time.Time // the oldest hour of which something came that no pass reads any more; zero: none
	did     togetherDid

	noting  sync.Mutex          // of what follows
	working map[string]*process // which instance was asked for a work last
	failed  []string
	orphans []string // jobs whose instance was killed while it did a slice
}

// togetherDid counts what happened.
type togetherDid struct {
	rounds, kills, freezes, records, changes, deep, collections, accepted, waitedFor, abandoned, takenOver, ranOut,
	doubts int
	purgedHours, seals int64
	longestWait        time.Duration
}

// leftLease is a lease that a killed instance did not give back.
type leftLease struct {
	stream entra.Stream
	fence  int64
}

// plan is what happens in a round beside the timer and the collection by hand.
type plan struct {
	kill, freeze, purge, index bool
	runOut                     bool // what a kill leaves is not shortened: the lease ends by itself
}

func newTogether(t *testing.T, seed uint64, settings map[string]string) *together {
	s := newSystem(t, simtenant.Config{Now: togetherBegin, PageSize: 7})
	w := &together{system: s, random: rand.New(rand.NewPCG(seed, 2)), now: togetherBegin,
		streams: []entra.Stream{logs.SignInsInteractiveUser, logs.Provisioning}, seen: make(map[string]bool),
		working: make(map[string]*process)}
	maps.Copy(s.env, map[string]string{"ARCHIVE_STREAMS": "signIns.interactiveUser,provisioning",
		"ARCHIVE_BACKFILL":  "6d",
		"ARCHIVE_RETENTION": "35d", "ARCHIVE_ALERT_AFTER": "30d"})
	maps.Copy(s.env, settings)
	var err error
	w.tables, err = aztables.NewServiceClientFromConnectionString(s.env["ARCHIVE_STORAGE"], nil)
	require.NoError(t, err)
	s.tenant.Freeze(w.now)
	for _, stream := range w.streams {
		for range 60 { // enough for a dictionary
			w.appears(stream, w.now.Add(-time.Duration(w.random.Int64N(int64(6*24*time.Hour)))))
		}
	}
	for i, skew := range []time.Duration{-2 * time.Minute, 2 * time.Minute} {
		w.graphs[i] = w.graphAt(skew)
		w.started[i] = w.launch(i)
	}
	return w
}

// graphAt is an address of the tenant by which its clock is off.
func (w *together) graphAt(skew time.Duration) string {
	to, err := url.Parse(w.graph.URL)
	require.NoError(w, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // links to next pages lead here, too
	}}
	proxy.ModifyResponse = func(resp *http.Response) error {
		date, err := http.ParseTime(resp.Header.Get("Date"))
		resp.Header.Set("Date", date.Add(skew).UTC().Format(http.TimeFormat))
		return err
	}
	// a killed instance has gone away
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		time.Sleep(10 * time.Millisecond) // Graph is slower: there is something to interrupt
		proxy.ServeHTTP(out, r)
	}))
	w.Cleanup(server.Close)
	return server.URL
}

func (w *together) launch(i int) *process {
	w.env["GRAPH_ENDPOINT"] = w.graphs[i]
	return w.start()
}

// instance is one that is asked for a work. It waits for one that is being replaced.
func (w *together) instance(i int, work string) *process {
	w.mu[i].RLock()
	defer w.mu[i].RUnlock()
	w.noting.Lock()
	defer w.noting.Unlock()
	w.working[work] = w.started[i]
	return w.started[i]
}

// holds reports whether a lease belongs to an instance that is frozen or died with it.
func (w *together) holds(p *process, stream entra.Stream, lease ledger.Lease) bool {
	w.noting.Lock()
	defer w.noting.Unlock()
	known := slices.Contains(w.left, leftLease{stream, lease.Fence})
	return lease.Length > time.Second && (known || w.working[lease.Work] == p)
}

func (w *together) fail(format string, args ...any) {
	w.noting.Lock()
	defer w.noting.Unlock()
	w.failed = append(w.failed, fmt.Sprintf(format, args...))
}

// round lets time pass, and the instances work on what has come due, beside what is planned.
func (w *together) round(step time.Duration, p plan) {
	began := time.Now()
	w.did.rounds++
	before := w.now
	w.now = w.now.Add(step)
	w.tenant.Freeze(w.now)
	w.happens(before, 8)
	timer := w.random.IntN(2)
	var works sync.WaitGroup
	works.Go(func() { w.timer(timer, "archivelogs", 0) })
	body := w.asked()
	works.Go(func() { w.collect(1-timer, body) })
	for name, planned := range map[string]bool{"purgearchive": p.purge, "indexarchive": p.index} {
		if planned {
			i, after := w.random.IntN(2), time.Duration(w.random.IntN(500))*time.Millisecond
			works.Go(func() { w.timer(i, name, after) })
		}
	}
	w.pauseFor(300)
	if oldest := w.now.Add(-latePasses); before.Before(oldest) {
		before = oldest // the last pass may have been there
	}
	w.happens(before, 3) // while they read
	i := 0
	if p.kill || p.freeze {
		i = w.busy()
	}
	switch {
	case p.kill:
		w.kill(i, p.runOut)
	case p.freeze:
		w.freeze(i)
	}
	works.Wait()
	require.Empty(w, w.failed)
	w.quiet()
	w.Logf("round %d to %s, %+v: %s", w.did.rounds, w.now.Format(time.RFC3339), p, time.Since(began))
}

// begin reads the past, with a kill in the middle of it. What is not read within a week after it
// happened is not known to be whole.
func (w *together) begin() {
	w.round(10*time.Minute, plan{kill: true})
	for _, row := range w.started[0].coverage() {
		for row["status"] != "current" {
			w.tenMinutesPass()
			w.timer(0, "archivelogs", 0)
			require.Empty(w, w.failed)
			row = w.started[0].coverage()[slices.Index(w.streams, entra.Stream(row["stream"].(string)))]
		}
	}
}

// pauseFor waits up to some milliseconds: at what moment of a run something happens is left to
// chance.
func (w *together) pauseFor(milliseconds int) {
	time.Sleep(time.Duration(w.random.IntN(milliseconds)) * time.Millisecond)
}

// busy is an instance that has a lease at the moment; any where none comes to have one within a
// second.
func (w *together) busy() int {
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		for _, stream := range w.streams {
			_, lease, err := w.store.State(w.Context(), stream)
			require.NoError(w, err)
			for i, p := range w.started {
				if w.holds(p, stream, lease) {
					w.pauseFor(30)
					return i
				}
			}
		}
	}
	return w.random.IntN(2)
}

// asked is the body of a collection: what the timer does, or a range.
func (w *together) asked() string {
	if w.random.IntN(2) == 0 {
		return ""
	}
	from := w.now.Add(-time.Duration(1+w.random.IntN(20)) * 24 * time.Hour)
	return rangeBody(from, from.Add(time.Duration(1+w.random.IntN(20))*24*time.Hour))
}

func rangeBody(from, to time.Time) string {
	return fmt.Sprintf(`{"from":%q,"to":%q}`, from.Format(time.RFC3339), to.Format(time.RFC3339))
}

// timer fires a timer on an instance. That it breaks off is fine where the instance was killed.
func (w *together) timer(i int, name string, after time.Duration) {
	time.Sleep(after)
	p := w.instance(i, name)
	status, answer, err := p.invoke(name)
	if err != nil {
		w.wasKilled(p, name, err)
	} else if status != http.StatusOK {
		w.fail("%s: %d %v", name, status, answer)
	}
}

// wasKilled fails where an instance does not answer and lives.
func (w *together) wasKilled(p *process, doing string, err error) {
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		w.fail("%s: %v", doing, err)
	}
}

// collect collects by hand and follows the job to its end. If its instance is killed, it starts
// again on the other.
func (w *together) collect(i int, body string) {
	began := time.Now()
	for method, path := http.MethodPost, "/api/collect"; ; {
		p := w.instance(i, "POST /api/collect")
		status, location, answer, err := p.request(method, path, body)
		if err != nil {
			w.wasKilled(p, method+" "+path, err)
			w.noting.Lock()
			if method == http.MethodGet {
				w.orphans = append(w.orphans, path)
			}
			w.noting.Unlock()
			i, method, path = 1-i, http.MethodPost, "/api/collect"
			continue
		}
		w.noting.Lock()
		w.did.longestWait = max(w.did.longestWait, time.Since(began))
		if status == http.StatusAccepted {
			w.did.accepted++
			w.did.waitedFor += strings.Count(answer, `"waitingFor"`)
		} else {
			w.did.collections++
		}
		w.noting.Unlock()
		switch {
		case status == http.StatusAccepted:
			method, path, body = http.MethodGet, location, ""
		case status != http.StatusOK || !strings.Contains(answer, `"status":"done"`) ||
			strings.Contains(answer, `"waitingFor"`):
			w.fail("%s %s: %d %s", method, path, status, answer)
			return
		default:
			return
		}
	}
}

// request asks an instance that may be killed meanwhile. location is the path of a job.
func (p *process) request(method, path, body string) (status int, location, answer string, err error) {
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if to, parsing := url.Parse(resp.Header.Get("Location")); parsing == nil {
		location = to.Path
	}
	return resp.StatusCode, location, string(text), err
}

// kill kills an instance and starts another in its place. It makes the leases left behind expire
// within a second, to save two minutes, unless they are to expire by themselves.
func (w *together) kill(i int, runOut bool) {
	w.mu[i].Lock()
	defer w.mu[i].Unlock()
	w.did.kills++
	p := w.started[i]
	require.NoError(w, p.cmd.Process.Signal(syscall.SIGSTOP)) // its caller must not move on to the other one yet
	left := w.abandon(p, runOut)
	p.kill()
	w.started[i] = w.launch(i)
	if runOut {
		w.did.ranOut += left
	} else {
		w.abandon(p, false) // a commit that was in progress has arrived by now
	}
}

// freeze stops an instance for longer than its leases last, and lets it continue after another has
// acquired the streams.
func (w *together) freeze(i int) {
	p := w.started[i]
	require.NoError(w, p.cmd.Process.Signal(syscall.SIGSTOP))
	defer func() { require.NoError(w, p.cmd.Process.Signal(syscall.SIGCONT)) }()
	w.did.freezes++
	w.abandon(p, false)
	time.Sleep(4 * time.Second) // a waiting execution looks every two seconds
}

// abandon records the leases of a frozen instance, and makes them expire within a second: Seconds
// of 0 would mean that they were released.
func (w *together) abandon(p *process, runOut bool) (left int) {
	for _, stream := range w.streams {
		for {
			_, lease, err := w.store.State(w.Context(), stream)
			require.NoError(w, err)
			if !w.holds(p, stream, lease) {
				break
			}
			if l := (leftLease{stream, lease.Fence}); !slices.Contains(w.left, l) {
				w.left = append(w.left, l)
				left++
			}
			row, etag, ok := w.row(stream, "lease")
			require.True(w, ok)
			if runOut || fmt.Sprint(row["Fence"]) == fmt.Sprint(lease.Fence) &&
				w.merge(stream, "lease", etag, map[string]any{"Seconds": 1}) {
				break
			}
		}
	}
	w.did.abandoned += left
	return left
}

// row reads a row of a stream's ledger from the table.
func (w *together) row(stream entra.Stream, key string) (map[string]any, azcore.ETag, bool) {
	got, err := w.tables.NewClient("coverage").GetEntity(w.Context(), string(stream), key, nil)
	if err != nil {
		require.ErrorContains(w, err, "NotFound")
		return nil, "", false
	}
	var row map[string]any
	require.NoError(w, json.Unmarshal(got.Value, &row))
	return row, got.ETag, true
}

// merge changes columns of a row. It is false where the row has been written since it was read.
func (w *together) merge(stream entra.Stream, key string, etag azcore.ETag, columns map[string]any) bool {
	columns["PartitionKey"], columns["RowKey"] = string(stream), key
	body, err := json.Marshal(columns)
	require.NoError(w, err)
	options := &aztables.UpdateEntityOptions{IfMatch: &etag, UpdateMode: aztables.UpdateModeMerge}
	_, err = w.tables.NewClient("coverage").UpdateEntity(w.Context(), body, options)
	if err != nil {
		require.ErrorContains(w, err, "UpdateConditionNotSatisfied")
	}
	return err == nil
}

// lateWritesArrive makes the ledger assume that every write of a killed instance has arrived, which
// takes ten minutes by the storage service's clock. No instance works meanwhile.
func (w *together) lateWritesArrive() {
	const layout = "2006-01-02T15:04:05.0000000Z"
	for _, stream := range w.streams {
		row, etag, ok := w.row(stream, "progress")
		text, _ := row["Suspects"].(string)
		if !ok || text == "" {
			continue
		}
		suspects := strings.Fields(text) // from/to/committed/next/since, and perhaps a mark
		for i, suspect := range suspects {
			at := strings.LastIndexByte(suspect, '/') + 1
			end := at + len(layout)
			since, err := time.Parse(layout, suspect[at:end])
			require.NoError(w, err)
			suspects[i] = suspect[:at] + since.Add(-ledger.LateWrites).Format(layout) + suspect[end:]
		}
		require.True(w, w.merge(stream, "progress", etag, map[string]any{"Suspects": strings.Join(suspects, " ")}),
			"somebody works")
	}
}
