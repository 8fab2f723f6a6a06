package search_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/search"
)

// slowly is an archive of 30 months and 1,000,000 records, whose table service takes 30 ms for an
// answer, and a fifth of a millisecond for each row of it. Its index is some days behind.
type slowly struct {
	search.Archive
	begin, end, indexed time.Time
	rows                int // an hour
}

// answer takes as long as answers with so many rows, 1,000 at a time.
func answer(rows int) {
	answers := max(1, (rows+999)/1000)
	time.Sleep(time.Duration(answers)*30*time.Millisecond + time.Duration(rows)*time.Millisecond/5)
}

func (s slowly) Progress(_ context.Context, of entra.Stream) (ledger.Progress, error) {
	answer(1)
	return ledger.Progress{Stream: of, Begin: s.begin, Backfilled: s.begin, TailBegin: s.begin, Watermark: s.end,
		LastRunAt: s.end, Seals: 100000}, nil
}

func (s slowly) IndexedUpTo(context.Context, entra.Stream) (int64, error) {
	answer(1)
	return 50000, nil
}

func (s slowly) SealedSince(context.Context, entra.Stream, int64) (out []time.Time, err error) {
	for at := s.indexed.Add(-7 * 24 * time.Hour); at.Before(s.end); at = at.Add(time.Hour) {
		out = append(out, at)
	}
	answer(len(out))
	return out, nil
}

func (s slowly) IndexedDays(
	_ context.Context, _ entra.Stream, from, to time.Time,
) (map[time.Time]derive.KnownDay, error) {
	out := map[time.Time]derive.KnownDay{}
	for day := from.Truncate(24 * time.Hour); day.Before(to); day = day.Add(24 * time.Hour) {
		if day.Before(s.indexed) {
			out[day] = derive.KnownDay{Checked: true}
		}
	}
	answer(len(out))
	return out, nil
}

func (s slowly) HoursOf(
	context.Context, entra.Stream, derive.Value, time.Time, time.Time,
) (map[time.Time]derive.Found, error) {
	answer(31)
	return nil, nil
}

func (s slowly) Windows(_ context.Context, of entra.Stream, from, to time.Time) iter.Seq2[ledger.Coverage, error] {
	return func(yield func(ledger.Coverage, error) bool) {
		n := 0
		for at := from; at.Before(to); at = at.Add(time.Hour) {
			n++
		}
		answer(n)
		for at := from; at.Before(to); at = at.Add(time.Hour) {
			if !yield(ledger.Coverage{Window: entra.Window{Stream: of, Start: at}, Records: int64(s.rows)}, nil) {
				return
			}
		}
	}
}

func (s slowly) Seek(_ context.Context, k records.Seeking) (records.Sought, error) {
	answer(int(k.To.Sub(k.From).Hours() * float64(s.rows)))
	return records.Sought{}, nil
}

func (s slowly) Read(context.Context, records.Reading) iter.Seq2[records.Archived, error] {
	return func(func(records.Archived, error) bool) { answer(0) }
}

func TestAnIDThatIsNotThereIsKnownWithinASecondThoughTheIndexIsBehind(t *testing.T) {
	end := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	for days, most := range map[int]time.Duration{0: 450 * time.Millisecond, 9: 500 * time.Millisecond,
		30: time.Second} {
		synctest.Test(t, func(t *testing.T) { // its time passes only where all wait
			s := slowly{begin: end.AddDate(0, -30, 0), end: end,
				indexed: end.Truncate(24*time.Hour).AddDate(0, 0, -days), rows: 46}
			began := time.Now()
			q := search.Question{Stream: logs.SignInsInteractiveUser, NewestFirst: true}
			p, err := s.Progress(t.Context(), q.Stream)
			require.NoError(t, err)
			q.Within(p, end)
			q.OnlyIDs("nothing")
			met := 0
			require.NoError(t, q.Each(t.Context(), s, "", func(_ records.Archived, matches bool) (bool, error) {
				if matches {
					met++
				}
				return true, nil
			}))
			require.Zero(t, met)
			require.LessOrEqual(t, time.Since(began), most, "%d days behind", days)
			t.Logf("%d days behind: %s", days, time.Since(began))
		})
	}
}
