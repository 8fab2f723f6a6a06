package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// script is a host whose runs end as written, each leaving the streams as written.
type script struct {
	outcomes []outcome
	streams  []streamState
	fired    int
}

func (s *script) archive(t *testing.T, out *bytes.Buffer) archived {
	t.Helper()
	a := archiving{
		fire: func(context.Context) (outcome, error) {
			s.fired++
			return s.outcomes[min(s.fired, len(s.outcomes))-1], nil
		},
		ask: func(context.Context) ([]streamState, error) {
			return []streamState{s.streams[min(s.fired, len(s.streams))-1]}, nil
		},
		screen: &lineScreen{out: out}, now: start, every: time.Hour,
	}
	result, err := a.run(t.Context())
	require.NoError(t, err)
	return result
}

func TestTheTimerIsFiredAgainWhileBackfillIsLeft(t *testing.T) {
	good, bad := outcome{succeeded: true}, outcome{cause: "answered 500"}
	left := func(done int64) streamState { return streamState{Status: backfilling, Done: done, Missing: 9} }
	for name, c := range map[string]struct {
		script  script
		fired   int
		failure string
	}{
		"done at once": {script{outcomes: []outcome{good}, streams: []streamState{{Status: "current"}}}, 1, ""},
		"done after two": {script{outcomes: []outcome{good},
			streams: []streamState{left(5), {Status: "current", Done: 9}}}, 2, ""},
		"a run fails": {script{outcomes: []outcome{good, bad}, streams: []streamState{left(5), left(6)}}, 2,
			"answered 500"},
		"nothing is done": {script{outcomes: []outcome{good}, streams: []streamState{left(5), left(5)}}, 2,
			"a run brought nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			result := c.script.archive(t, &bytes.Buffer{})
			require.Equal(t, c.fired, c.script.fired)
			require.True(t, strings.HasPrefix(result.failure, c.failure) && (c.failure != "" || result.failure == ""),
				result.failure)
		})
	}
}

func TestAHostThatEndsEndsTheArchiving(t *testing.T) {
	gone := errors.New("devhost is shutting down")
	a := archiving{
		fire:   func(context.Context) (outcome, error) { return outcome{}, gone },
		screen: &lineScreen{out: &bytes.Buffer{}}, now: start, every: time.Hour,
	}
	_, err := a.run(t.Context())
	require.ErrorIs(t, err, gone)
}

func TestLinesComeEveryThreeSecondsAndOnlyForStreamsThatChanged(t *testing.T) {
	var out bytes.Buffer
	s := &lineScreen{out: &out}
	show := func(second int, audits, signIns int64) {
		s.show(start().Add(time.Duration(second)*time.Second), []standing{
			{state: streamState{Stream: "directoryAudits", Done: audits, Records: audits}, total: 720},
			{state: streamState{Stream: "signIns.interactiveUser", Done: signIns, Records: signIns}, total: 720},
		})
	}
	show(0, 1, 1)
	require.Equal(t, 2, strings.Count(out.String(), "\n"))
	show(1, 2, 1)
	require.Equal(t, 2, strings.Count(out.String(), "\n"), "too early")
	show(3, 2, 1)
	require.Equal(t, 3, strings.Count(out.String(), "\n"), "the sign-ins did not change")
	show(4, 2, 5)
	s.rest()
	require.Equal(t, 4, strings.Count(out.String(), "\n"), "the end is shown")
	for line := range strings.Lines(out.String()) {
		require.Equal(t, 35, strings.Index(line, " of "), line)
	}
}

func TestOnlyWarningsAndErrorsReachTheScreen(t *testing.T) {
	var file, shown bytes.Buffer
	l := &logs{file: &file, screen: &lineScreen{out: &shown}}
	text := "05:00:00.000 Information handler  listening\n05:00:01.000 Warning     handler  thr"
	for _, part := range []string{text, "ottled\n05:00:02.000 Error       host     died\n"} {
		n, err := l.Write([]byte(part))
		require.NoError(t, err)
		require.Len(t, part, n)
	}
	require.Equal(t, 3, strings.Count(file.String(), "\n"))
	require.Equal(t, "05:00:01.000 Warning     handler  throttled\n05:00:02.000 Error       host     died\n",
		shown.String())
	l.muted.Store(true)
	_, err := l.Write([]byte("05:00:03.000 Error       host     stopped\n"))
	require.NoError(t, err)
	require.NotContains(t, shown.String(), "stopped")
}
