package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func start() time.Time { return time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC) }

func TestRatesComeFromTheLastSecondsOnly(t *testing.T) {
	var p pace
	first := p.add(start(), streamState{Done: 0, Missing: 720})
	require.Equal(t, int64(720), first.total)
	require.False(t, first.hasLeft, "one look tells no rate")

	slow := p.add(start().Add(60*time.Second), streamState{Done: 60, Missing: 660, Records: 600})
	require.InDelta(t, 10, slow.rate, 0.001)
	require.Equal(t, 660*time.Second, slow.left)

	fast := p.add(start().Add(70*time.Second), streamState{Done: 360, Missing: 360, Records: 5600})
	require.InDelta(t, 500, fast.rate, 0.001, "the slow minute before counts no longer")
	require.Equal(t, 12*time.Second, fast.left)
}

func TestTimeLeftInWords(t *testing.T) {
	failing := streamState{Status: "failing", LastError: &struct{ DateTime, Code, Message string }{
		Code: "licenceMissing"}}
	for name, c := range map[string]struct {
		st   standing
		want string
	}{
		"nothing known":  {standing{}, ""},
		"under way":      {standing{hasLeft: true, left: 89600 * time.Millisecond}, "1m30s left"},
		"nothing to do":  {standing{hasLeft: true}, "done"},
		"failing stream": {standing{state: failing, hasLeft: true}, "failing: licenceMissing"},
	} {
		require.Equal(t, c.want, timeLeft(c.st), name)
	}
}

func TestACountThatGoesBackIsNoNegativeRate(t *testing.T) {
	var p pace
	p.add(start(), streamState{Records: 100, Missing: 1})
	require.Zero(t, p.add(start().Add(time.Second), streamState{Records: 90, Missing: 1}).rate)
}

func TestNumbersAreGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234",
		-123: "-123"} {
		require.Equal(t, want, grouped(n))
	}
}
