package devhost

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestExitZeroIsNotRestartedAndLaterInvocationsAreRefused(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "exit 0"})
	first := r.trigger(t)
	require.Contains(t, first.Cause, "exited with code 0")
	r.out.await(t, "does not restart a handler that exits with 0")
	require.Contains(t, r.trigger(t).Cause, "connection refused")
	require.Zero(t, r.HandlerPID())
	require.ErrorContains(t, r.KillHandler(), "none is running")
	require.Equal(t, 1, strings.Count(r.out.String(), "handler started"))
}

func TestExitZeroBeforeAnAnswerIsNotRestartedEither(t *testing.T) {
	t.Parallel()
	r := start(t, setup{mode: "exit 0 at start"})
	r.out.await(t, "does not restart a handler that exits with 0")
	require.Contains(t, r.trigger(t).Cause, "connection refused")
}

func TestExit200IsRestartedWithoutBeingCounted(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "exit 200"})
	for range 4 {
		require.Contains(t, r.trigger(t).Cause, "exited with code 200")
	}
	r.out.awaitCount(t, "handler ready", 5)
	require.NotContains(t, r.out.String(), "failure 1")
	require.Equal(t, 4, strings.Count(r.out.String(), " Information host     handler process"), r.out)
}

// TestASIGTERMIsACrashUnlessTheHandlerEndsWith200 plays the platform, which may end a worker so
// when it scales in.
func TestASIGTERMIsACrashUnlessTheHandlerEndsWith200(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "ends with 200"})
	for i := range 4 {
		require.NoError(t, syscall.Kill(r.HandlerPID(), syscall.SIGTERM))
		r.out.awaitCount(t, "handler ready", i+2)
	}
	require.True(t, r.trigger(t).Succeeded)
	require.NotContains(t, r.out.String(), "failure 1")

	r = startReady(t, setup{mode: "good"})
	for i := range 2 {
		require.NoError(t, syscall.Kill(r.HandlerPID(), syscall.SIGTERM))
		r.out.awaitCount(t, "handler ready", i+2)
	}
	require.NoError(t, syscall.Kill(r.HandlerPID(), syscall.SIGTERM))
	require.ErrorContains(t, r.end(t), "exited with code 143; that was failure 3")
}

func TestTheThirdCrashStopsTheHost(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "exit 1"})
	for range 3 {
		inv := r.trigger(t)
		require.False(t, inv.Succeeded)
	}
	err := r.end(t)
	require.ErrorContains(t, err, "exited with code 1; last stderr lines: panic: boom; that was failure 3")
	_, err = r.Trigger(t.Context(), "Tick")
	require.Error(t, err)
}

func TestCrashesMoreThanThirtyMinutesApartDoNotAddUp(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "good"})
	for i := range 4 {
		require.NoError(t, r.KillHandler())
		r.out.awaitCount(t, "handler ready", i+2)
		r.clock.set(r.clock.Now().Add(31 * time.Minute))
	}
	require.True(t, r.trigger(t).Succeeded)
	require.Equal(t, 4, strings.Count(r.out.String(), "(failure 1 of 3)"))
	require.Contains(t, r.out.String(), "code 137")
}

func TestAHandlerThatDiesAtItsStartIsQuotedAndStopsTheHost(t *testing.T) {
	t.Parallel()
	r := start(t, setup{mode: "exit 1 at start"})
	err := r.end(t)
	require.ErrorContains(t, err, "last stderr lines: second | third | panic: no settings")
	require.Equal(t, 3, strings.Count(r.out.String(), "handler started"))
}

func TestAHandlerThatNeverListensIsAStartFailure(t *testing.T) {
	t.Parallel()
	r := start(t, setup{mode: "never listens", files: map[string]string{
		"host.json": strings.Replace(goodHost, `"enableProxying`,
			`"initializationTimeout":"00:00:01","enableProxying`, 1),
		"Tick/function.json": fiveMinute,
	}})
	require.ErrorContains(t, r.end(t), "it did not answer within initializationTimeout")
}

func TestAProgramThatCannotRunIsAStartFailure(t *testing.T) {
	t.Parallel()
	root := appFiles(t, map[string]string{"Tick/function.json": fiveMinute})
	require.NoError(t, os.Remove(root+"/handler"))
	require.NoError(t, os.WriteFile(root+"/handler", []byte("not a program"), 0o755))
	r := start(t, setup{root: root})
	require.ErrorContains(t, r.end(t), "check that it is built for this machine")
}

func TestATriggerWaitsForASlowHandler(t *testing.T) {
	t.Parallel()
	r := start(t, setup{mode: "slow start"})
	require.True(t, r.trigger(t).Succeeded)
}

func TestFunctionTimeoutKillsTheHandlerAndAllItsRuns(t *testing.T) {
	t.Parallel()
	r := startReady(t,
		setup{mode: "hang", files: map[string]string{"Tick/function.json": fiveMinute,
			"Tock/function.json": fiveMinute}})
	runs := make(chan Invocation, 2)
	run := func(name string) {
		inv, _ := r.Trigger(t.Context(), name)
		runs <- inv
	}
	go run("Tick")
	r.awaitMarks(t, 1)
	r.clock.set(at(3, 0)) // Tock begins a minute later
	go run("Tock")
	r.awaitMarks(t, 2)
	r.clock.reach(t, at(12, 0))
	require.Contains(t, (<-runs).Cause, "exceeded functionTimeout")
	require.NotZero(t, r.HandlerPID(), "the process has two seconds more")
	r.clock.reach(t, at(12, 2))
	require.Contains(t, (<-runs).Cause, "exceeded functionTimeout")
	r.out.awaitCount(t, "handler ready", 2)
	require.Contains(t, r.out.String(), "restarting it, not counted as an error")
}

// awaitMarks waits until the handler has received n envelopes.
func (r *rig) awaitMarks(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		data, _ := os.ReadFile(r.root + "/mark")
		return strings.Count(string(data), "\n") >= n
	}, 20*time.Second, 5*time.Millisecond)
}

func TestAnEmptyAnswerReallyHangsWhenAsked(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "empty", change: func(o *Options) { o.HangOnEmpty = true }})
	done := make(chan Invocation, 1)
	go func() {
		inv, _ := r.Trigger(t.Context(), "Tick")
		done <- inv
	}()
	r.out.await(t, "hanging as the real host does")
	r.clock.reach(t, at(12, 0))
	require.Contains(t, (<-done).Cause, "exceeded functionTimeout")
}

func TestShutdownKillsTheHandler(t *testing.T) {
	t.Parallel()
	for _, grace := range []time.Duration{0, 5 * time.Second} {
		t.Run(fmt.Sprint(grace), func(t *testing.T) {
			t.Parallel()
			r := startReady(t, setup{mode: "good", change: func(o *Options) { o.Grace = grace }})
			require.NotZero(t, r.HandlerPID())
			r.stop()
			require.NoError(t, r.end(t))
			require.Zero(t, r.HandlerPID())
			_, err := net.Dial("tcp", r.super.address())
			require.Error(t, err, "the handler survived")
			_, err = r.Trigger(t.Context(), "Tick")
			require.ErrorIs(t, err, errStopped)
		})
	}
}

func TestAPortInUseIsOneClearLine(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	r := start(t, setup{mode: "good", change: func(o *Options) { o.Listen = l.Addr().String() }})
	err = r.end(t)
	require.ErrorContains(t, err, "choose another with --listen")
	require.NotContains(t, err.Error(), "\n")
}

func TestConsoleOutputIsShownWithTheHostsLevels(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "print"})
	for _, line := range []string{
		`10:00:00.500 Warning     handler  page late stream=signIns n=3 why="two words"`,
		"10:02:00.000 Information handler  plain line",
		"10:02:00.000 Warning     handler  a WARNing of sorts",
		"10:02:00.000 Error       handler  broken pipe",
	} {
		r.out.await(t, line+"\n")
	}
	raw := startReady(t, setup{mode: "print", change: func(o *Options) { o.RawLogs = true }})
	raw.out.await(t,
		"\n"+`{"time":"2026-11-20T10:00:00.5Z","level":"WARN","msg":"page late","stream":"signIns","n":3,`+
			`"why":"two words"}`+"\n")
}
