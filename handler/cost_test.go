package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-openapi/strfmt"
	"github.com/go-openapi/validate"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/entraledger/entraledger/internal/dev/devhost"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// hosted is a handler behind an emulated Functions host.
type hosted struct {
	*testing.T
	host *devhost.Host
	stop func()
}

// behindTheHost starts the app as it is deployed: host.json, a folder for each function, the
// program.
func (s *system) behindTheHost() *hosted {
	root := s.TempDir()
	text, err := os.ReadFile("../host.json")
	require.NoError(s, err)
	require.NoError(s, os.WriteFile(filepath.Join(root, "host.json"), text, 0o644))
	functions, err := filepath.Glob("../functions/*/function.json")
	require.NoError(s, err)
	for _, file := range functions {
		text, err := os.ReadFile(file)
		require.NoError(s, err)
		folder := filepath.Join(root, filepath.Base(filepath.Dir(file)))
		require.NoError(s, os.Mkdir(folder, 0o755))
		require.NoError(s, os.WriteFile(filepath.Join(folder, "function.json"), text, 0o644))
	}
	program, err := os.Executable()
	require.NoError(s, err)
	require.NoError(s, os.Symlink(program, filepath.Join(root, "handler")))
	settings := map[string]string{playHandler: "1", "ARCHIVE_SCHEDULE": "0 */5 * * * *",
		"SNAPSHOT_SCHEDULE": "0 */10 1-6 * * *",
		"INDEX_SCHEDULE":    "0 20 * * * *", "PURGE_SCHEDULE": "0 30 3 * * *"}
	for name, value := range s.env {
		settings[name] = value
	}
	host, err := devhost.Load(devhost.Options{AppRoot: root, Listen: "127.0.0.1:0", Settings: settings, NoTimers: true,
		Out: &s.log})
	require.NoError(s, err)
	ctx, stop := context.WithCancel(s.Context())
	ended := make(chan error, 1)
	go func() { ended <- host.Run(ctx) }()
	h := &hosted{T: s.T, host: host}
	h.stop = func() {
		stop()
		require.NoError(s, <-ended)
		h.stop = func() {}
	}
	s.Cleanup(func() { h.stop() })
	select {
	case <-host.Ready():
	case err := <-ended:
		require.NoError(s, err)
	}
	return h
}

// archive runs the timer archivelogs, and reports whether it succeeded.
func (h *hosted) archive() bool {
	got, err := h.host.Trigger(h.Context(), "archivelogs")
	require.NoError(h, err)
	return got.Succeeded
}

// costs is an answer of /api/cost.
type costs struct {
	Status       int       `json:"-"`
	From         time.Time `json:"startDateTime"`
	To           time.Time `json:"endDateTime"`
	Destinations []destinationCosts
	Value        []streamCosts
}

type billed struct{ GBPerMonth, KeptGB, USDPerMonth *float64 }

type destinationCosts struct {
	Destination, Status, Reason string
	WithoutStreams              []entra.Stream
	billed
}

type streamCosts struct {
	Stream                                                       entra.Stream
	Status, Reason                                               string
	Collected                                                    bool
	WindowsCounted, WindowsMissing, WindowsLost, WindowsAwaiting int
	RecordsPerDay                                                *float64
	BytesPerRecord                                               *int64
	Archive, StorageAccount, LogAnalytics, EventHub              *billed
}

func (c costs) of(t *testing.T, s entra.Stream) streamCosts {
	for _, row := range c.Value {
		if row.Stream == s {
			return row
		}
	}
	require.Failf(t, "no row", "%s: %v", s, c.Value)
	return streamCosts{}
}

func (h *hosted) cost(ctx context.Context) (out costs, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.host.URL()+"/api/cost?code=devfunctionkey", nil)
	if err != nil {
		return out, nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return out, nil, err
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		return out, nil, err
	}
	err = json.Unmarshal(body, &out)
	out.Status = resp.StatusCode
	return out, body, err
}

// costNow is an answer that fits its schema.
func (h *hosted) costNow() costs {
	out, body, err := h.cost(h.Context())
	require.NoError(h, err)
	require.Equal(h, http.StatusOK, out.Status)
	var v any
	require.NoError(h, json.Unmarshal(body, &v))
	requireNoNull(h.T, v, "cost")
	schema := connector(h.T).Spec().Paths.Paths["/cost"].Get.Responses.StatusCodeResponses[http.StatusOK].Schema
	require.NoError(h, validate.AgainstSchema(schema, v, strfmt.Default), "%s", body)
	return out
}

// between is what the tenant has of a stream in [from, to): records by their keys, and all bytes.
func (s *system) between(stream entra.Stream, from, to time.Time) (records int, bytes int64) {
	keys := map[entra.Key]bool{}
	for raw := range s.tenant.Truth(stream) {
		rec, err := logs.ParseRecord(stream, raw)
		require.NoError(s, err)
		if !rec.Time.Before(from) && rec.Time.Before(to) {
			keys[rec.Key] = true
			bytes += int64(len(raw))
		}
	}
	return len(keys), bytes
}

func TestWhatTheLogsCostAgreesWithTheTenant(t *testing.T) {
	s := newSystem(t, simtenant.Config{Now: gapsBegin, Retention: 60 * 24 * time.Hour,
		Generate: &generate.Config{Seed: 53, Users: 40, Apps: 6, Days: 20, End: gapsBegin.AddDate(0, 0, 12)}})
	s.env["ARCHIVE_STREAMS"], s.env["ARCHIVE_BACKFILL"] = "directoryAudits,signIns.interactiveUser,provisioning", "9d"
	all := []entra.Stream{logs.DirectoryAudits, logs.SignInsInteractiveUser, logs.Provisioning}
	h := s.behindTheHost()
	t.Run("before the first run nothing is known", func(t *testing.T) {
		got := h.costNow()
		require.Len(t, got.Value, len(all))
		for _, row := range got.Value {
			require.Equal(t, "unknown", row.Status)
			require.Nil(t, row.RecordsPerDay)
			require.Nil(t, row.Archive)
		}
		for _, d := range got.Destinations {
			require.Equal(t, "unknown", d.Status)
			require.Nil(t, d.USDPerMonth)
		}
	})
	for day := range 3 {
		s.tenant.Freeze(gapsBegin.AddDate(0, 0, day))
		for range 2 { // the second one reads again what was read once
			require.True(t, h.archive())
		}
	}
	t.Run("records and bytes are the tenant's", func(t *testing.T) {
		got := h.costNow()
		require.True(t, got.To.Equal(gapsBegin.AddDate(0, 0, 2).Truncate(24*time.Hour)),
			"the tenant's clock decides: %s", got.To)
		sum := 0.0
		for _, stream := range all {
			records, bytes := s.between(stream, got.From, got.To)
			require.Positive(t, records, stream)
			row := got.of(t, stream)
			require.Equal(t, "measured", row.Status, row.Reason)
			require.Equal(t, 168, row.WindowsCounted)
			require.InDelta(t, float64(records)/7, *row.RecordsPerDay, 0.06, stream)
			require.InDelta(t, float64(bytes)/float64(records), float64(*row.BytesPerRecord), 1, stream)
			require.InDelta(t, float64(bytes)/7*365/12*0.75/1e9, *row.LogAnalytics.GBPerMonth, 1e-4)
			sum += *row.LogAnalytics.USDPerMonth
		}
		for _, d := range got.Destinations {
			require.Equal(t, "measured", d.Status)
			if d.Destination == "logAnalytics" {
				require.InDelta(t, sum, *d.USDPerMonth, 0.001)
			}
		}
	})
	t.Run("two calls at once say the same", func(t *testing.T) {
		answers := make([]costs, 8)
		calls, ctx := errgroup.WithContext(t.Context())
		calls.Go(func() (err error) { h.archive(); return nil })
		for i := range answers {
			calls.Go(func() (err error) {
				answers[i], _, err = h.cost(ctx)
				return err
			})
		}
		require.NoError(t, calls.Wait())
		for _, a := range answers {
			require.Equal(t, answers[0], a)
			require.Equal(t, http.StatusOK, a.Status)
		}
	})
	t.Run("a log that is behind is reckoned from what is there", func(t *testing.T) {
		s.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: logs.Provisioning})
		s.tenant.Freeze(gapsBegin.AddDate(0, 0, 5))
		h.archive() // it may fail, of the one log
		h.archive()
		s.tenant.ClearFaults()
		got := h.costNow()
		behind := got.of(t, logs.Provisioning)
		require.Equal(t, "partial", behind.Status, behind.Reason)
		require.InDelta(t, 3*24, behind.WindowsMissing, 1)
		require.Contains(t, behind.Reason, "hours are not counted")
		records, _ := s.between(logs.Provisioning, got.From, gapsBegin.AddDate(0, 0, 2).Truncate(24*time.Hour))
		require.InDelta(t, float64(records)/4, *behind.RecordsPerDay, 0.06, "of the four days that are there")
		require.Equal(t, "measured", got.of(t, logs.DirectoryAudits).Status)
		for _, d := range got.Destinations {
			require.Equal(t, "partial", d.Status)
			require.Empty(t, d.WithoutStreams)
		}
	})
	t.Run("a log that is not collected any more costs what is kept of it", func(t *testing.T) {
		h.stop()
		s.env["ARCHIVE_STREAMS"] = "directoryAudits,signIns.interactiveUser"
		h := s.behindTheHost()
		s.tenant.Freeze(gapsBegin.AddDate(0, 0, 6))
		for range 2 {
			require.True(t, h.archive())
		}
		got := h.costNow()
		row := got.of(t, logs.Provisioning)
		require.Equal(t, []any{"notCollected", false}, []any{row.Status, row.Collected})
		require.Zero(t, *row.Archive.GBPerMonth)
		require.Positive(t, *row.Archive.KeptGB)
		require.Nil(t, row.LogAnalytics)
		require.Equal(t, "measured", got.Destinations[0].Status)
	})
}

func TestHoursThatAreLostAreSaidAndLeftOut(t *testing.T) {
	begin := time.Date(2026, 11, 5, 20, 40, 0, 0, time.UTC)
	s := newSystem(t, simtenant.Config{Now: begin, Retention: 7 * 24 * time.Hour,
		Generate: &generate.Config{Seed: 59, Users: 30, Apps: 4, Days: 20, End: begin.AddDate(0, 0, 12)}})
	s.env["ARCHIVE_STREAMS"], s.env["ARCHIVE_BACKFILL"] = "directoryAudits", "7d"
	h := s.behindTheHost()
	for _, day := range []int{0, 10} { // an outage of ten days, of which Graph has seven
		s.tenant.Freeze(begin.AddDate(0, 0, day))
		h.archive() // it may fail, for it was behind
		h.archive()
	}
	got := h.costNow()
	row := got.of(t, logs.DirectoryAudits)
	require.Equal(t, "partial", row.Status, row.Reason)
	require.InDelta(t, 21, row.WindowsLost, 1, "from midnight to 20:40 seven days ago")
	require.Equal(t, 168, row.WindowsLost+row.WindowsCounted+row.WindowsMissing+row.WindowsAwaiting)
	require.NotNil(t, row.RecordsPerDay)
	require.Contains(t, row.Reason, "hours are not counted")
}
