package runs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/runs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

const timer = "archivelogs"

// clock is one that a test moves on.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newRecorder(t *testing.T) (*runs.Recorder, *clock, jobs.Store) {
	service := memstorage.New(time.Now)
	store, err := tablestest.New(tables.Config{ConnectionString: service.ConnectionString(), HTTP: service.Client()})
	require.NoError(t, err)
	c := &clock{at: time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)}
	return &runs.Recorder{Store: store, Version: "v1", Now: c.now, Log: slog.New(slog.DiscardHandler)}, c, store
}

func of(t *testing.T, store jobs.Store) []runs.Run {
	list, err := runs.Of(t.Context(), store, timer)
	require.NoError(t, err)
	return list
}

func TestARunIsNotedWhenItBeginsAndWhenItEnds(t *testing.T) {
	r, c, store := newRecorder(t)
	require.Empty(t, of(t, store), "it never ran")

	end := r.Begin(t.Context(), timer, "5c2e7b0a")
	got := of(t, store)
	require.Len(t, got, 1)
	require.Equal(t, runs.Running, got[0].State(c.now()))
	require.Zero(t, got[0].Ended)

	c.add(3 * time.Second)
	end("12 records, \n 3 pages", false, nil)
	got = of(t, store)
	require.Len(t, got, 1, "the end is that of the run that began")
	require.Equal(t, runs.Done, got[0].State(c.now()))
	require.Equal(t, "12 records, 3 pages", got[0].Summary, "one line")
	require.Equal(t, 3*time.Second, got[0].Ended.Sub(got[0].Began))
	require.Equal(t, "v1", got[0].Version)

	c.add(time.Minute)
	r.Begin(t.Context(), timer, "5c2e7b0a")("", true, nil)
	c.add(time.Minute)
	r.Begin(t.Context(), timer, "5c2e7b0a")("", false, fmt.Errorf("read: %w", &entra.Error{Code: entra.CodeLicence,
		Doing: "read signIns", Why: "the tenant has no licence"}))
	c.add(time.Minute)
	r.Begin(t.Context(), timer, "5c2e7b0a")("", false, errors.New("https://account.example/?sig=5ecret"))
	got = of(t, store)
	require.Len(t, got, 4)
	require.Equal(t, runs.HandedOver, got[2].State(c.now()))
	require.Equal(t, runs.Failed, got[1].State(c.now()))
	require.Equal(t, entra.CodeLicence, got[1].Code)
	require.Contains(t, got[1].Error, "the tenant has no licence")
	require.Equal(t, entra.CodeInternal, got[0].Code)
	require.NotContains(t, got[0].Error, "5ecret", "the text of an error that is not ours is in the log alone")
}

func TestARunThatWasKilledStaysAsOneWhoseEndIsUnknown(t *testing.T) {
	r, c, store := newRecorder(t)
	r.Begin(t.Context(), timer, "5c2e7b0a")
	c.add(runs.Longest)
	require.Equal(t, runs.Running, of(t, store)[0].State(c.now()))
	c.add(time.Second)
	require.Equal(t, runs.Unknown, of(t, store)[0].State(c.now()))
	r.Begin(t.Context(), timer, "5c2e7b0a")("done", false, nil)
	require.Len(t, of(t, store), 2)
}

// TestLongestIsTheHostsTimeout: a run that is older than it can't be running.
func TestLongestIsTheHostsTimeout(t *testing.T) {
	body, err := os.ReadFile("../../host.json")
	require.NoError(t, err)
	at, err := time.Parse(time.TimeOnly, gjson.GetBytes(body, "functionTimeout").Str)
	require.NoError(t, err)
	midnight := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
	require.Equal(t, at.Sub(midnight), runs.Longest)
}

func TestTheLastRunsAreKeptAndFitTheirRow(t *testing.T) {
	r, c, store := newRecorder(t)
	for i := range runs.Most + 7 {
		r.Begin(t.Context(), timer, "5c2e7b0a")(fmt.Sprint(i, " ", strings.Repeat("ü𝄞", 100_000)), false, nil)
		c.add(time.Minute)
	}
	got := of(t, store)
	require.Len(t, got, runs.Most)
	require.True(t, strings.HasPrefix(got[0].Summary, fmt.Sprint(runs.Most+6, " ")), "the newest is first")
	for _, run := range got {
		require.LessOrEqual(t, len(run.Summary), 1010)
	}
}

// TestRunsAtOnceAreAllNoted: two runs of a timer, and on two instances, write the same row.
func TestRunsAtOnceAreAllNoted(t *testing.T) {
	r, c, store := newRecorder(t)
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() { r.Begin(t.Context(), timer, fmt.Sprint(i))("done", false, nil) })
	}
	group.Wait()
	got := of(t, store)
	require.Len(t, got, 4)
	for _, run := range got {
		require.Equal(t, runs.Done, run.State(c.now()))
	}
}

// TestARunIsNotedThoughItWasStopped: its context has ended by then.
func TestARunIsNotedThoughItWasStopped(t *testing.T) {
	r, c, store := newRecorder(t)
	ctx, stop := context.WithCancel(t.Context())
	end := r.Begin(ctx, timer, "5c2e7b0a")
	stop()
	end("half", true, nil)
	require.Equal(t, runs.HandedOver, of(t, store)[0].State(c.now()))
}

// broken is a store that fails, or in which another run is always first.
type broken struct {
	jobs.Store
	err   error
	asked int
}

func (b *broken) SaveJob(context.Context, jobs.Job) (jobs.Job, error) {
	b.asked++
	return jobs.Job{}, b.err
}

func TestWhatCantBeNotedHindersNoRun(t *testing.T) {
	for name, err := range map[string]error{"moved": jobs.ErrMoved, "away": errors.New("no route to host")} {
		t.Run(name, func(t *testing.T) {
			r, _, store := newRecorder(t)
			b := &broken{Store: store, err: err}
			r.Store = b
			var log strings.Builder
			r.Log = slog.New(slog.NewTextHandler(&log, nil))
			r.Begin(t.Context(), timer, "5c2e7b0a")("done", false, nil)
			require.LessOrEqual(t, b.asked, 16, "it is given up")
			require.Contains(t, log.String(), "what a run did is not noted")
			require.Empty(t, of(t, store))
		})
	}
}

// TestAListThatNobodyCanReadIsSaidAndBegunAnew also tells that a row of another version, with what
// this one does not know, is read.
func TestAListThatNobodyCanReadIsSaidAndBegunAnew(t *testing.T) {
	r, _, store := newRecorder(t)
	put := func(state string) {
		job, err := store.Job(t.Context(), runs.Kind, timer)
		if entra.CodeOf(err) != entra.CodeNotFound {
			require.NoError(t, err)
		}
		job.Kind, job.ID, job.State = runs.Kind, timer, json.RawMessage(state)
		job.Created, job.Updated = time.Now(), time.Now()
		_, err = store.SaveJob(t.Context(), job)
		require.NoError(t, err)
	}
	put(`[{"id":"a","began":"2026-11-21T13:00:00Z","outcome":"done","mood":"good"}]`)
	require.Len(t, of(t, store), 1)
	put(`[` + strings.Repeat(`{"id":"b","began":"2099-01-01T00:00:00Z"},`, 30) +
		`{"id":"a","began":"2026-11-21T13:00:00Z"}]`)
	require.Equal(t, runs.Unknown, of(t, store)[0].State(r.Now()), "it does not run until then")
	r.Begin(t.Context(), timer, "c")("done", false, nil)
	require.Len(t, of(t, store), 2, "runs of years to come hide none of today")
	require.Equal(t, "c", of(t, store)[0].ID)
	put(`{"no":"list"}`)
	_, err := runs.Of(t.Context(), store, timer)
	require.Equal(t, entra.CodeTampered, entra.CodeOf(err))
	require.ErrorContains(t, err, "begins it anew")
	r.Begin(t.Context(), timer, "5c2e7b0a")("done", false, nil)
	require.Len(t, of(t, store), 1)
}
