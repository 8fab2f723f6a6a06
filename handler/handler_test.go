package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/web"
)

// playHandler makes the test binary be the handler, so that a test can kill a real process.
const playHandler = "ENTRALEDGER_TEST_IS_HANDLER"

func TestMain(m *testing.M) {
	switch os.Getenv(playHandler) {
	case "":
	case panicking:
		fmt.Fprintln(os.Stderr, playPanics())
		os.Exit(1)
	default:
		main()
	}
	azuritetest.Main(m)
}

// TestEveryRecordOfTheSamplesIsInTheTablesByteForByte sets the clock shortly after each time with
// samples: each hour without a record costs a row of the ledger, and there are years of them.
func TestEveryRecordOfTheSamplesIsInTheTablesByteForByte(t *testing.T) {
	samples := simtenant.Config{Records: filepath.Join("..", "..", "shared", "samples")}
	for stream, times := range map[entra.Stream][]struct {
		year  int
		month time.Month
		back  string
	}{
		logs.DirectoryAudits:         {{2018, 2, "60d"}, {2021, 9, "60d"}, {2025, 1, "140d"}},
		logs.SignInsInteractiveUser:  {{2018, 12, "60d"}, {2020, 8, "170d"}, {2023, 8, "60d"}},
		logs.SignInsServicePrincipal: {{2023, 8, "60d"}},
		logs.Provisioning:            {{2019, 7, "90d"}},
	} {
		t.Run(string(stream), func(t *testing.T) {
			tenant, err := simtenant.New(samples)
			require.NoError(t, err)
			missing := make(map[entra.Hash]bool)
			for raw := range tenant.Truth(stream) {
				missing[entra.HashOf(raw)] = true
			}
			require.NotEmpty(t, missing)
			for _, c := range times {
				at := samples
				at.Now = time.Date(c.year, c.month, 1, 0, 30, 0, 0, time.UTC)
				s := newSystemOnAzurite(t, at)
				s.env["ARCHIVE_BACKFILL"], s.env["ARCHIVE_STREAMS"] = c.back, string(stream)
				p := s.start()
				status, answer, err := p.fire()
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, status, "%v %s", answer, p.stdout)
				for _, row := range p.coverage() {
					require.Equal(t, "current", row["status"], "%v", row)
					require.Zero(t, row["windowsMissing"], "%v", row)
					require.Zero(t, row["quarantined"], "%v", row)
					require.EqualValues(t, len(s.archived(stream)), row["records"].(float64)+row["versions"].(float64),
						"the ledger counts what is there")
				}
				for hash := range s.archived(stream) {
					delete(missing, hash)
				}
			}
			require.Empty(t, missing, "samples that are not in the tables")
		})
	}
}

func small() simtenant.Config {
	return simtenant.Config{Generate: &generate.Config{Seed: 7, Users: 12, Apps: 4, Days: 29, Policies: 2}}
}

// brief is a tenant of a few days whose pages are short, so that there is something to interrupt.
func brief() simtenant.Config {
	return simtenant.Config{PageSize: 40, Generate: &generate.Config{Seed: 7, Users: 10, Apps: 4, Days: 4, Policies: 2}}
}

func TestAThirtyDayBackfillOfASmallTenantCostsFewRequests(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := newSystem(t, small())
	s.env["ARCHIVE_BACKFILL"] = "30d"
	p := s.start()
	status, _, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%s", p.stdout)
	s.requireArchived()
	requests := make(map[entra.Stream]int)
	for _, r := range s.tenant.Requests() {
		requests[r.Stream]++
	}
	for _, stream := range logs.DefaultStreams() {
		require.LessOrEqual(t, requests[stream], s.tenant.Count(stream)/1000+10, stream)
	}
	for _, line := range strings.Split(strings.TrimSpace(p.stdout.String()), "\n") {
		require.True(t, json.Valid([]byte(line)), "a line of stdout is one JSON object: %s", line)
	}
	require.Empty(t, p.stderr.String())
}

// TestKilledInTheMiddleOfTheBackfillTheNextProcessLeavesTheSameTables kills the process without
// notice, several times.
func TestKilledInTheMiddleOfTheBackfillTheNextProcessLeavesTheSameTables(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := newSystem(t, brief())
	interrupted := 0
	for _, after := range []int{4, 9, 15} {
		p := s.start()
		killAfter := len(s.tenant.Requests()) + after
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _, _ = p.fire() // its connection breaks
		}()
		for len(s.tenant.Requests()) < killAfter {
			select {
			case <-done:
				killAfter = 0 // nothing is left to interrupt
			case <-time.After(time.Millisecond):
			}
		}
		if killAfter > 0 {
			interrupted++
		}
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGKILL))
		<-done
		s.endLeases()
	}
	require.Equal(t, 3, interrupted, "each time there was something to interrupt")
	p := s.start()
	status, _, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%s", p.stdout)
	s.requireArchived()
	for _, row := range p.coverage() {
		require.EqualValues(t, s.countStored(entra.Stream(row["stream"].(string))), row["records"].(float64)+
			row["versions"].(float64), "%v", row)
	}
}

func TestAStreamThatFailsHoldsUpNoOther(t *testing.T) {
	t.Parallel() // it waits most of the time
	cases := []struct {
		kind simtenant.Kind
		code string
		says string
	}{
		{simtenant.NoLicence, "licenceMissing", "P1 or P2"},
		{simtenant.NoPermission, "permissionMissing", "AuditLog.Read.All"},
	}
	for _, c := range cases {
		t.Run(string(c.kind), func(t *testing.T) {
			s := newSystem(t, brief())
			s.tenant.Inject(simtenant.Fault{Kind: c.kind, Stream: logs.SignInsServicePrincipal})
			p := s.start()
			status, answer, err := p.fire()
			require.NoError(t, err)
			require.GreaterOrEqual(t, status, 400, "the platform has to see it")
			require.Contains(t, fmt.Sprint(answer), c.says)
			require.Contains(t, p.stdout.String(), c.says, "the reason is in the log")
			for _, row := range p.coverage() {
				if row["stream"] == string(logs.SignInsServicePrincipal) {
					require.Equal(t, "failing", row["status"])
					require.Equal(t, c.code, row["lastError"].(map[string]any)["code"])
				} else {
					require.Equal(t, "current", row["status"], "%v", row)
				}
			}
			s.tenant.ClearFaults()
			status, _, err = p.fire()
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
			s.requireArchived()
		})
	}
}

func TestASettingThatCantBeUnderstoodStopsTheStartWithOneLine(t *testing.T) {
	var out, errs bytes.Buffer
	code := run(t.Context(), nil, func(name string) string {
		return map[string]string{"AZURE_CLOUD": "Mars", "ARCHIVE_STORAGE": "UseDevelopmentStorage=true"}[name]
	}, &out, &errs)
	require.Equal(t, 1, code)
	require.Equal(t, 1, strings.Count(errs.String(), "\n"), errs.String())
	require.Contains(t, errs.String(), "AZURE_CLOUD")
}

// TestANameThatIsAlmostASettingStopsTheStart in a process of its own, and one that may be a newer
// release's only warns, once.
func TestANameThatIsAlmostASettingStopsTheStart(t *testing.T) {
	s := newSystem(t, brief())
	started := func(extra ...string) (int, string, string) {
		var out, errs bytes.Buffer
		environ := slices.Clone(extra)
		for name, value := range s.env {
			environ = append(environ, name+"="+value)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop() // it ends as soon as it listens
		code := run(ctx, environ, s.environ, &out, &errs)
		return code, out.String(), errs.String()
	}
	s.env["FUNCTIONS_CUSTOMHANDLER_PORT"] = strconv.Itoa(freePort(t))
	code, out, errs := started("ARCHIVE_HOLDS=*=2026-01-01/2026-03-31", "ARCHIVE_RETENTON=400d", "ARCHIVE_NEWER=1")
	require.Equal(t, 1, code)
	require.Equal(t, 2, strings.Count(errs, "\n"), errs)
	require.Contains(t, errs, "setting ARCHIVE_HOLDS is none that is read: it seems to be meant as ARCHIVE_HOLD;")
	require.Contains(t, errs, "setting ARCHIVE_RETENTON is none that is read: it seems to be meant as "+
		"ARCHIVE_RETENTION;")
	require.NotContains(t, out, "listening")

	code, out, errs = started("ARCHIVE_NEWER=1", "SNAPSHOT_NEWER=secret", "HTTP_PROXY=http://127.0.0.1:1")
	require.Equal(t, exitStopped, code, errs)
	require.Equal(t, 1, strings.Count(out, "not known to this version"), out)
	require.Contains(t, out, `"settings":["ARCHIVE_NEWER","SNAPSHOT_NEWER"]`)
	require.NotContains(t, out, "secret")
	require.Contains(t, out, "listening")
}

func TestAPortInUseIsOneLine(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	var out, errs bytes.Buffer
	code := run(t.Context(), nil, func(name string) string {
		return map[string]string{"FUNCTIONS_CUSTOMHANDLER_PORT": port,
			"ARCHIVE_STORAGE": "UseDevelopmentStorage=true"}[name]
	}, &out, &errs)
	require.Equal(t, 1, code)
	require.Contains(t, errs.String(), port)
	require.Equal(t, 1, strings.Count(errs.String(), "\n"), errs.String())
}

func TestAStorageAccountThatCantBeReachedFailsTheRunWithOneLine(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := newSystem(t, brief())
	s.env["ARCHIVE_STORAGE"] = "DefaultEndpointsProtocol=http;AccountName=x;AccountKey=c2VjcmV0;TableEndpoint=http://127.0.0.1:1/x"
	s.env["ARCHIVE_STREAMS"] = "provisioning"
	p := s.start()
	status, answer, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, fmt.Sprint(answer), "ARCHIVE_STORAGE")
	require.NotContains(t, p.stdout.String()+p.stderr.String(), "c2VjcmV0", "no key in a log")
}

func TestATokenThatIsRefusedFailsTheRunWithOneLine(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := newSystem(t, brief())
	s.env["IDENTITY_HEADER"] = "wrong"
	p := s.start()
	status, answer, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, fmt.Sprint(answer), "managed identity")

	s = newSystem(t, brief())
	s.env["ARCHIVE_STREAMS"] = "provisioning"
	s.tenant.Inject(simtenant.Fault{Kind: simtenant.TokenExpired})
	p = s.start()
	status, answer, err = p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, fmt.Sprint(answer), "AZURE_CLOUD")
	require.NotContains(t, p.stdout.String(), "eyJ", "no token in a log")
}

func TestTheHandlerListensOnLoopbackOnly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	port := freePort(t)
	done := make(chan error, 1)
	app, err := web.Serve(slog.New(slog.DiscardHandler), "")
	require.NoError(t, err)
	go func() {
		done <- serve(ctx, port, app, slog.New(slog.DiscardHandler))
	}()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	other, err := net.Listen("tcp", fmt.Sprintf("127.0.0.3:%d", port))
	require.NoError(t, err, "other addresses are free")
	other.Close()
	cancel()
	require.NoError(t, <-done)
}
