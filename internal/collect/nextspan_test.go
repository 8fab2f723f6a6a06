package collect

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestWhatIsReadNext: times are hours of one month.
func TestWhatIsReadNext(t *testing.T) {
	at := func(hours int) time.Time { return time.Date(2026, 11, 1, hours, 0, 0, 0, time.UTC) }
	now := at(480).Add(30*time.Minute + 7*time.Nanosecond)
	span := func(from, to time.Time) ledger.Span { return ledger.Span{From: from, To: to} }
	stream := ledger.Progress{Stream: logs.DirectoryAudits, Begin: at(10), Backfilled: at(400), TailBegin: at(400),
		Watermark: at(480)}
	with := func(change func(p *ledger.Progress)) ledger.Progress {
		p := stream
		change(&p)
		return p
	}
	for title, c := range map[string]struct {
		kind    readKind
		age     time.Duration
		p       ledger.Progress
		options Options
		want    ledger.Span
	}{
		"the tail, less what the source needs": {readTail, 0, stream, Options{},
			span(at(480), at(480).Add(25*time.Minute))},
		"the tail, less what an option says": {readTail, 0, stream, Options{Lag: 10 * time.Minute},
			span(at(480), at(480).Add(20*time.Minute))},
		"nothing is left of the past": {readBackfill, 0, stream, Options{}, span(at(400), at(400))},
		"the past": {readBackfill, 0, with(func(p *ledger.Progress) { p.Backfilled = at(100) }), Options{},
			span(at(100), at(400))},
		"a pass that was never made, after the backfill": {readPass, 3 * time.Hour, stream, Options{},
			span(at(10), at(477))},
		"a pass that was never made, during the backfill": {readPass, 3 * time.Hour,
			with(func(p *ledger.Progress) { p.Backfilled = at(100) }), Options{}, span(at(400), at(477))},
		"a pass goes on where it stood": {readPass, 24 * time.Hour,
			with(func(p *ledger.Progress) {
				p.Passed.Set(24*time.Hour, at(450), nil)
			}), Options{}, span(at(450), at(456))},
		"a pass reads nothing that was purged": {readPass, 24 * time.Hour,
			with(func(p *ledger.Progress) { p.PurgedTo = at(300) }), Options{}, span(at(300), at(456))},
		"a pass reads nothing that is being purged": {readPass, 24 * time.Hour,
			with(func(p *ledger.Progress) {
				p.Drops = []ledger.Drop{{Month: at(0)}}
			}), Options{}, span(at(456), at(456))},
		"a pass stays behind the watermark": {readPass, time.Hour,
			with(func(p *ledger.Progress) {
				p.Watermark = at(470).Add(time.Minute)
			}), Options{}, span(at(10), at(470))},
	} {
		require.Equal(t, c.want, next(c.kind, c.age, &c.p, now, c.options), title)
	}
}

func TestATenantThatMayKeepSevenDaysIsReadBeforeTheyAreOver(t *testing.T) {
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	ages := Options{Passes: []time.Duration{3 * time.Hour, 7 * day, day}}
	short := ledger.Progress{Stream: logs.DirectoryAudits, Begin: begin, TailBegin: begin.Add(7 * day)}
	require.Equal(t, []time.Duration{7 * day, 6 * day, day, 3 * time.Hour}, agesOf(&short, ages))
	long := ledger.Progress{Stream: logs.DirectoryAudits, Begin: begin, TailBegin: begin.Add(29 * day)}
	require.Equal(t, []time.Duration{7 * day, day, 3 * time.Hour}, agesOf(&long, ages))
	require.Empty(t, agesOf(&short, Options{}))
}

func TestACursorMovesItsOwnPositionAndNoOther(t *testing.T) {
	here, there := time.Unix(3600, 0).UTC(), time.Unix(7200, 0).UTC()
	for kind := readTail; kind <= readAgain; kind++ {
		p, own := ledger.Progress{}, here
		c := cursor{kind: kind, age: time.Hour, inUse: []time.Duration{time.Hour}, own: &own}
		c.move(&p, there)
		require.Equal(t, there, c.at(&p), kind)
		moved := 0
		for _, at := range []time.Time{p.Watermark, p.Backfilled, p.Passed.At(time.Hour)} {
			if at.Equal(there) {
				moved++
			}
		}
		if own.Equal(there) {
			moved++
		}
		require.Equal(t, 1, moved, kind)
		require.Equal(t, kind > readBackfill, kind.rereads(), kind)
	}
}
