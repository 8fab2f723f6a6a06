package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMissingWindowsAreThoseThatEndedAndAreNotComplete(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 11, 20, hour, 0, 0, 0, time.UTC) }
	p := Progress{}
	require.Zero(t, p.WindowsMissing(at(5)), "a stream that was never read claims nothing")
	p = Progress{Backfilled: at(2), TailBegin: at(10), Watermark: at(12)}
	require.EqualValues(t, 10, p.WindowsMissing(at(12)))
	p.WindowsComplete = 2
	require.EqualValues(t, 8, p.WindowsMissing(at(12)))
	p.Begin = at(6)
	require.EqualValues(t, 4, p.WindowsMissing(at(12)), "nothing is claimed before the oldest record")
	p.Backfilled, p.WindowsComplete = at(10), 6
	require.Zero(t, p.WindowsMissing(at(12)))
	require.EqualValues(t, 3, p.WindowsMissing(at(15)), "a timer that stalled shows")
}
