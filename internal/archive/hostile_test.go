package archive_test

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// A row planted into a sealed hour under a date after the seal is laundered by the range read that
// is to mend it.
func TestAPlantedRowDatedAfterTheSealIsStillAFinding(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-50*time.Hour), start.Add(days), 20*time.Minute)
		l.sealIn()
		hour := entra.FloorHour(start.Add(-20 * time.Hour))
		forged, err := logs.ParseRecord(stream, []byte(record(stream, "forged", start.Sub(hour.Add(time.Minute)), "Graph never had it")))
		require.NoError(l, err)
		_, err = l.store.Insert(l.Context(), forged.Window(stream), []entra.Record{forged}, time.Now()) // after the seal
		require.NoError(l, err)
		v := verification(l)
		require.False(l, v.Intact(), "named before")
		for range 3 {
			time.Sleep(time.Hour)
			_, err = l.collector(l.store, l.tenant).Range(l.Context(), execution(), []entra.Stream{stream}, hour, hour.Add(time.Hour), budget)
			require.NoError(l, err)
			l.runs(5*time.Minute, time.Now().Add(6*time.Minute))
		}
		cov := l.hours(stream)[hour]
		require.EqualValues(l, 1, cov.Unmet, "%+v", cov)
		v = verification(l)
		require.False(l, v.Intact(), "a record that Graph never had is vouched for: %+v", cov)
	})
}

// 1b. What a run stored in a sealed hour before it died, where Graph can't be asked any more, is
// unconfirmed.
func TestUnconfirmedInASealedHour(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-50*time.Hour), start.Add(2*days), 20*time.Minute)
		l.sealIn()
		hour := entra.FloorHour(start.Add(-20 * time.Hour))
		late := l.tenant.add(stream, "late", hour.Add(7*time.Minute), "stored, not counted")
		l.plant(late) // dated after the last holder, so after the seal
		l.dies(hour, hour.Add(time.Hour))
		l.tenant.keeps = 7 * days
		l.until(start.Add(12 * days))
		l.runs(5*time.Minute, time.Now().Add(30*time.Minute))
		time.Sleep(4 * time.Hour)
		l.runs(5*time.Minute, time.Now().Add(30*time.Minute))
		cov := l.hours(stream)[hour]
		require.EqualValues(l, 1, cov.Unconfirmed, "%+v", cov)
	})
}

// The deletion that a killed purge had sent is carried out after its hours were taken back.
func TestALateDropDoesNotComeAfterATakingBack(t *testing.T) {
	inNovember(t, func(l *lab) {
		l.sealOctober()
		store, w := l.process()
		w.before = func(r *memstorage.Request) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if !w.dead && strings.HasPrefix(r.String(), "DELETE Tables") {
				w.dead = true
				go func() { time.Sleep(4 * time.Minute); r.Execute() }() // within the four tries of 60 s
			}
		}
		_, err := l.purge(store, keep35)
		require.Error(l, err)
		time.Sleep(3 * time.Minute)
		_, err = l.purge(l.store, heldOctober())
		require.NoError(l, err)
		time.Sleep(15 * time.Minute)
		_, err = l.purge(l.store, heldOctober())
		require.NoError(l, err)
		v := verification(l)
		require.True(l, v.Intact(), "the log vouches for what was dropped after it: %v", v.Counts)
	})
}

// 2b. A list of a version before beside the seal's own blinds both.
func TestAListOfAVersionBeforeHidesNone(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-50*time.Hour), start.Add(days), 20*time.Minute)
		l.sealIn()
		hour := entra.FloorHour(start.Add(-20 * time.Hour))
		s, err := l.store.Seal(l.Context(), stream, l.hours(stream)[hour].LastSeal)
		require.NoError(l, err)
		_, ok, err := l.store.KeptLeaves(l.Context(), s)
		require.NoError(l, err)
		require.True(l, ok)
		table := "leaves" + hour.Format("200601")
		for _, r := range l.service.Rows(table) {
			if old, _, is := strings.Cut(r.Key, "!r"); is && strings.HasPrefix(r.Key, hour.Format(entra.HourFormat)) {
				// a draining version before was killed, or refused, between its list and its commit
				e := aztables.EDMEntity{Entity: aztables.Entity{PartitionKey: r.Partition, RowKey: old},
					Properties: map[string]any{"Parts": int32(1), "Codec": "", "Record": aztables.EDMBinary("12345678key\n")}}
				body, err := json.Marshal(e)
				require.NoError(l, err)
				_, err = l.hand(table).AddEntity(l.Context(), body, nil)
				require.NoError(l, err)
			}
		}
		_, ok, err = l.store.KeptLeaves(l.Context(), s)
		require.NoError(l, err)
		require.True(l, ok, "verify can't name what is altered or missing any more")
	})
}

// A stream that is not collected any more, with an hour in doubt, is sealed and comes under
// retention.
func TestARetiredStreamWithADoubtIsSealed(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-30*time.Hour), start.Add(days), 20*time.Minute)
		l.options.Backfill = days
		l.runs(5*time.Minute, start.Add(11*time.Minute))
		hour := entra.FloorHour(start.Add(-2 * time.Hour))
		l.plant(l.tenant.add(stream, "late", hour.Add(7*time.Minute), "stored, not counted"))
		l.dies(hour, hour.Add(time.Hour))
		l.until(start.Add(40 * days))
		for range 5 {
			require.NoError(l, l.collector(l.store, l.tenant).Retire(l.Context(), execution(), stream, budget))
			time.Sleep(days)
		}
		p := l.progress(stream)
		require.Zero(l, p.Doubts)
		require.False(l, p.SealedTo.Before(p.Watermark), "sealed to %s of %s", p.SealedTo, p.Watermark)
	})
}

// A stream that is not collected any more, with hours that await a second read.
func TestARetiredStreamWhoseHoursAwaitAReadIsSealed(t *testing.T) {
	inLab(t, func(l *lab) {
		u := l.four(true, []string{"abcd", "abcd"})
		shown := u.answer
		u.answer = secondFails(u)
		_, err := l.runOf(u, 8*time.Minute)
		require.Error(l, err)
		require.Positive(l, l.progress(stream).Awaits)
		u.answer = shown
		l.until(start.Add(40 * days))
		asked := u.count()
		for range 3 {
			require.NoError(l, l.collector(l.store, u).Retire(l.Context(), execution(), stream, budget))
			time.Sleep(days)
		}
		p := l.progress(stream)
		require.Zero(l, p.Awaits)
		require.False(l, p.SealedTo.Before(p.Watermark), "sealed to %s of %s", p.SealedTo, p.Watermark)
		require.Equal(l, asked, u.count(), "Graph has forgotten it all")
		l.checkReason(hourOfFour, "unconfirmed: Graph had forgotten it before it could be read a second time (4 records)")
	})
}

// retire forgets what was lost of the last hour before.
func TestRetireKeepsWhatWasLostBefore(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-30*time.Hour), start.Add(days), 20*time.Minute)
		l.options.Backfill = days
		l.until(entra.FloorHour(start).Add(45 * time.Minute))
		_, err := l.run()
		require.NoError(l, err)
		p := l.progress(stream)
		hour := entra.FloorHour(p.Watermark)
		cov, ok := l.hours(stream)[hour]
		require.True(l, ok)
		require.Equal(l, archive.WindowPartial, cov.State)
		// an outage ended within this hour
		cov.LostFrom, cov.LostTo = hour, hour.Add(20*time.Minute)
		p.Lost, p.LostFrom, p.LostTo = 1, hour, hour.Add(time.Hour)
		l.write(p, cov)
		l.until(start.Add(40 * days))
		require.NoError(l, l.collector(l.store, l.tenant).Retire(l.Context(), execution(), stream, budget))
		cov = l.hours(stream)[hour]
		require.Equal(l, hour, cov.LostFrom.UTC(), "known from %s to %s", cov.LostFrom, cov.LostTo)
	})
}

// An hour that was never read whole is whole after a purge that was taken back.
func TestATakenBackHourIsStillInPart(t *testing.T) {
	inNovember(t, func(l *lab) {
		l.sealOctober()
		hour := november.Add(-2 * time.Hour)
		p, cov := l.progress(stream), l.hours(stream)[hour]
		require.Equal(l, archive.WindowSealed, cov.State)
		cov.LostFrom, cov.LostTo = hour.Add(10*time.Minute), hour.Add(30*time.Minute)
		p.Lost, p.LostFrom, p.LostTo = 1, hour, hour.Add(time.Hour)
		p.WindowsComplete--
		l.write(p, cov)
		l.interrupt()
		time.Sleep(20 * time.Minute)
		_, err := l.purge(l.store, heldOctober())
		require.NoError(l, err)
		cov = l.hours(stream)[hour]
		require.Equal(l, archive.WindowSealed, cov.State)
		require.False(l, cov.Whole(), "it is called whole: %+v", cov)
	})
}

// Paging that is lost after many pages of an unordered stream: rows of the second half are
// forgotten.
func TestAnUnorderedWalkThatIsLostForgetsNoRows(t *testing.T) {
	t.Run("after full pages", func(t *testing.T) { loseWalk(t, func(s archive.Source) archive.Source { return s }) })
	t.Run("after an empty page", func(t *testing.T) { loseWalk(t, func(s archive.Source) archive.Source { return gappy{s} }) })
}

// gappy has an empty page behind every page, as Graph may have.
type gappy struct{ archive.Source }

func (g gappy) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	return func(yield func(entra.Page, error) bool) {
		for page, err := range g.Source.Pages(ctx, q) {
			if !yield(page, err) || err == nil && !yield(entra.Page{Date: page.Date}, nil) {
				return
			}
		}
	}
}

// loseWalk loses a walk whose rows are stored and not counted, and asks for a shorter span next.
func loseWalk(t *testing.T, through func(archive.Source) archive.Source) {
	inLab(t, func(l *lab) {
		l.tenant.ordered = false
		l.options.Backfill = 4 * days
		l.tenant.fill(stream, start.Add(-4*days), start.Add(days), 20*time.Minute)
		l.sealIn()
		from, to := start.Add(-90*time.Hour), start.Add(-4*time.Hour)
		for h := from; h.Before(to); h = h.Add(time.Hour) {
			l.tenant.add(stream, "late-"+h.Format("0215"), entra.FloorHour(h).Add(13*time.Minute), "late")
		}
		l.tenant.pageSize = 10
		pages, lost := 0, false
		l.tenant.fails = func(entra.Stream) error {
			if pages++; pages == 25 && !lost {
				lost = true
				return entra.ErrPagingLost
			}
			return nil
		}
		_, err := l.collector(l.store, through(l.tenant)).Range(l.Context(), execution(), []entra.Stream{stream}, from, to, budget)
		require.NoError(l, err)
		require.True(l, lost)
		l.tenant.fails, l.tenant.pageSize = nil, 100
		time.Sleep(20 * time.Minute)
		l.runs(5*time.Minute, time.Now().Add(20*time.Minute))
		v := verification(l)
		require.True(l, v.Intact(), "%v", v.Counts)
		checkLedger(l.T, l.store, stream)
	})
}

// The index goes by the storage service's clock alone, and every date after it is wrong for good.
func TestAWrongStorageClockDatesNothing(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-60*time.Hour), start.Add(days), 20*time.Minute)
		l.options.Backfill = 60 * time.Hour
		l.sealIn()
		l.storage = 40 * days
		_, err := archive.UpdateIndex(l.Context(), l.store, execution(), stream, true, time.Now().Add(time.Minute))
		require.NoError(l, err)
		l.storage = 0
		time.Sleep(5 * time.Minute)
		_, err = l.run()
		require.NoError(l, err)
		require.False(l, l.lease().Base.After(time.Now().Add(time.Hour)), "what is written now is dated %s", l.lease().Base)
	})
}
