package directory_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/entra"
)

// remove deletes the first users of the tenant.
func (n *night) remove(count int) {
	for _, raw := range n.tenant.Objects(simtenant.Users)[:count] {
		n.tenant.RemoveObject(simtenant.Users, gjson.GetBytes(raw, "id").Str)
	}
}

// walks counts the walks through the users.
func (n *night) walks(from snapshots.Source, count *int) snapshots.Source {
	return bent{from, func(q collections.Query, link string, page collections.Page) (collections.Page, error) {
		if q.Collection.Word == collections.Users && link == "" {
			*count++
		}
		return page, nil
	}}
}

func TestUsersWhoFallByMoreThanATenthAreWalkedTwice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ gone, walks int }{
		"a tenth": {5, 1}, "more": {6, 2}, "nearly all": {49, 2},
	} {
		subtest(t, name, func(t *testing.T) {
			n := newQuickNight(t)
			n.whole(0)
			walks := 0
			n.from = n.walks(quick{n}, &walks)
			n.remove(c.gone)
			require.Empty(t, n.whole(day).Undisclosed)
			require.Equal(t, c.walks, walks)
			require.Equal(t, 50-c.gone, n.everybody())
		})
	}
}

// lagging is a tenant whose index, from which it answers for names and counts, lacks what its walks
// lack: the first users are in no answer for as long as times says how many walks.
func (n *night) lagging(times *int, without ...int) snapshots.Source {
	walk := 0
	hidden := func() int {
		if walk <= *times {
			return without[(walk-1)%len(without)]
		}
		return 0
	}
	return index{bent{quick{n}, func(q collections.Query, link string, page collections.Page) (collections.Page,
		error) {
		if q.Collection.Word != collections.Users {
			return page, nil
		}
		if link == "" {
			walk++
			page.Items = page.Items[hidden():]
		}
		return page, nil
	}}, hidden}
}

func TestAFallThatASecondWalkDoesNotConfirmIsNotShown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newQuickNight(t)
		n.whole(0)
		times := 1
		n.from = n.lagging(&times, 15)
		require.Empty(t, n.whole(day).Undisclosed, "the second walk brought all")
		require.Equal(t, 50, n.everybody())
	})
}

func TestWhileTwoWalksDifferInWhoIsGoneTheOlderSnapshotAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newQuickNight(t)
		older := n.whole(0)
		times := 3
		n.from = n.lagging(&times, 18, 10, 15)
		for run := range 2 {
			_, err := n.fire(day + time.Duration(run)*10*time.Minute)
			require.EqualError(t, err, "confirm that so many users are gone: 10 that were there before did not come, "+
				"more than a tenth, and two walks differ: together they brought 40; answers go on from the snapshot "+
				"before until two walks bring the same, and the next run reads them again; "+
				"if many were deleted on purpose, nothing needs to be done")
			require.Equal(t, entra.CodeBrokenAnswer, entra.CodeOf(err))
			require.Equal(t, "failing", n.shown().Status)
			snap, err := n.reader.Current(t.Context())
			require.NoError(t, err)
			require.Equal(t, older.ID, snap.ID)
			require.Equal(t, 50, n.everybody())
		}
		require.Empty(t, n.whole(day+20*time.Minute).Undisclosed)
		require.Equal(t, 50, n.everybody(), "the fourth walk brought all")
	})
}

func TestAFallThatIsNeverConfirmedIsShownOnceTheOlderSnapshotIsTooOld(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newQuickNight(t)
		n.whole(0)
		times := 1000
		n.from = n.lagging(&times, 18, 10, 15)
		_, err := n.fire(day)
		require.ErrorContains(t, err, "two walks differ")
		snap := n.whole(72*time.Hour + time.Minute)
		require.Len(t, snap.Undisclosed, 1)
		require.Equal(t, "all users", snap.Undisclosed[0].What)
		require.Contains(t, snap.Undisclosed[0].Message, "what did not come is missing from answers")
		require.Equal(t, 35, n.everybody())
	})
}

// index is a source whose index lacks as many users as hidden says.
type index struct {
	snapshots.Source
	hidden func() int
}

func (i index) Count(ctx context.Context, q collections.Query) (int64, error) {
	n, err := i.Source.Count(ctx, q)
	if q.Collection.Word == collections.Users {
		n -= int64(i.hidden())
	}
	return n, err
}

func (i index) Named(ctx context.Context, q collections.Query, ids []string) (collections.Page, error) {
	if q.Collection.Word == collections.Users && i.hidden() > 0 {
		return collections.Page{Free: func() {}}, nil
	}
	return i.Source.Named(ctx, q, ids)
}

func TestAFallIsConfirmedThoughARunIsKilledAtAnyWrite(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for kill, finished := 1, false; !finished; kill++ {
			require.Less(t, kill, 100, "so many writes")
			n := newQuickNight(t)
			n.whole(0)
			n.remove(20)
			left := kill
			n.into = failing{n.store, &left}
			_, err := n.fire(day)
			if finished = err == nil; !finished {
				require.ErrorIs(t, err, errKilled, "write %d", kill)
				n.into = n.store
				if snap, err := n.reader.Current(t.Context()); err == nil && snap.AsOf.Equal(now) {
					require.Equal(t, 50, n.everybody(), "killed at write %d", kill)
					n.whole(day + time.Minute)
				}
			}
			require.Equal(t, 30, n.everybody(), "killed at write %d", kill)
		}
	})
}

func TestOfTwoRunsAtOnceOnAFallOneGoesOnAtEveryWrite(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for write, over := 1, false; !over; write++ {
			require.Less(t, write, 100, "so many writes")
			n := newQuickNight(t)
			n.whole(0)
			n.remove(20)
			left := write
			n.into = between{n.store, &left, func() {
				second := snapshots.NewSnapshotter(n.from, n.store, n.archive, snapshots.Options{}, n.tenant.Now,
					slog.New(slog.DiscardHandler))
				report, err := second.Run(t.Context(), time.Minute, true)
				require.NoError(t, err, "write %d", write)
				require.True(t, report.Finished, "write %d", write)
			}}
			_, err := n.fire(day)
			require.NoError(t, err, "write %d", write)
			over = left > 0
			require.Equal(t, 30, n.everybody(), "write %d", write)
		}
	})
}

// Twenty of fifty users were deleted on purpose, and one is made during each walk, as in any large
// tenant. All walks say the same of who is gone.
func TestAMassDeletionIsConfirmedWhileUsersAreMade(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newQuickNight(t)
		n.whole(0)
		made := 0
		n.from = bent{quick{n}, func(q collections.Query, link string, page collections.Page) (collections.Page,
			error) {
			if q.Collection.Word == collections.Users && link == "" {
				made++
				n.tenant.AddObject(simtenant.Users, member(1000+made, true))
			}
			return page, nil
		}}
		n.remove(20)
		var err error
		for run := range 30 {
			if _, err = n.fire(day + time.Duration(run)*10*time.Minute); err == nil {
				break
			}
		}
		require.NoError(t, err, "after 30 runs, %d walks", made)
	})
}
