package directory_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables"
)

// round is a collection of five pages whose last leads back to the second, as often as times says.
// A link is a number, and, where fresh is set, another text every time.
func (n *night) round(phase string, fresh bool, times *int) snapshots.Source {
	served := 0
	return pages{n.source, func(_ context.Context, q collections.Query, link string) (collections.Page, error) {
		if q.Collection.Word != phase {
			return collections.Page{Free: func() {}}, nil
		}
		number, _, _ := strings.Cut(link, "?")
		at, _ := strconv.Atoi(number)
		next := strconv.Itoa(at + 1)
		if at == 4 {
			if next = ""; *times > 0 {
				*times--
				next = "1"
			}
		}
		if served++; next != "" && fresh {
			next += fmt.Sprintf("?%d", served)
		}
		return pageOf(fmt.Sprint("u", at), next), nil
	}}
}

func TestPagesThatGoRoundEndTheWalkWhateverTheirLinksSay(t *testing.T) {
	t.Parallel()
	for name, fresh := range map[string]bool{"the same links": false, "new links": true} {
		for _, phase := range []string{collections.Users, collections.Applications, collections.ServicePrincipals,
			collections.CredentialUse, collections.ApplicationUse} {
			subtest(t, name+", "+phase, func(t *testing.T) {
				n := newNight(t)
				times := 3
				n.from = n.round(phase, fresh, &times)
				n.whole(0)
				require.Zero(t, times)

				times = 1000
				_, err := n.fire(day)
				require.ErrorContains(t, err,
					"read "+phase+" from Graph: its pages were lost 6 times in this run, the last time after")
				if fresh {
					require.ErrorContains(t, err, "the pages bring only what they brought before")
				} else {
					require.ErrorContains(t, err, "the pages lead back to one that was read")
				}
				require.Equal(t, entra.CodeBrokenAnswer, entra.CodeOf(err))
				require.Equal(t, "failing", n.shown().Status)
			})
		}
	}
}

func TestACircleIsFoundByRunsThatReadOnePageEach(t *testing.T) {
	t.Parallel()
	for name, fresh := range map[string]bool{"the same links": false, "new links": true} {
		subtest(t, name, func(t *testing.T) {
			n := newNight(t)
			times := 1000
			n.from = n.round(collections.Users, fresh, &times)
			n.begin()
			var failed error
			for run := 0; failed == nil; run++ {
				require.Less(t, run, 200, "so many runs")
				left := 5 // a page is four writes: its users, their names, what is remembered of it, and its place
				if run%3 == 0 {
					left = 4
				}
				n.into = failing{n.store, &left}
				if _, err := n.fire(0); !errors.Is(err, errKilled) {
					failed = err
				}
			}
			require.ErrorContains(t, failed, "its pages were lost 6 times since it last came further, in several runs")
			require.Equal(t, entra.CodeBrokenAnswer, entra.CodeOf(failed))
			times, n.into = 0, n.store
			require.EqualValues(t, 5, n.whole(time.Minute).Users)
		})
	}
}

func TestAWalkThatAnOlderVersionBeganIsBegunAnew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.from = n.instant()
		older := directory.Snapshot{ID: "20261121T120000Z", AsOf: now, Stage: directory.Reading,
			Phase: collections.Users, TokenKey: make([]byte, 32),
			Updated: now, Link: "20", Users: 20, Walk: directory.Walk{Pages: 1, Full: 1, Farthest: 1}}
		_, err := n.store.SaveSnapshot(t.Context(), older)
		require.NoError(t, err)
		require.EqualValues(t, 50, n.whole(time.Minute).Users)
		require.Equal(t, 50, n.everybody())
	})
}

// rough is a tenant whose pages go round once, and whose walk then ends early once.
func (n *night) rough() snapshots.Source {
	whole := n.instant()
	round, short := 1, 1
	return counted{pages{n.source, func(ctx context.Context, q collections.Query, link string) (collections.Page,
		error) {
		page, err := whole.Objects(ctx, q, link)
		switch {
		case q.Collection.Word != collections.Users || err != nil:
		case link == "20" && round > 0:
			round--
			page.Next = "20"
		case link == "20" && short > 0:
			short--
			page.Next = ""
		}
		return page, err
	}}}
}

// counted is a source that counts fifty users.
type counted struct{ snapshots.Source }

func (counted) Count(_ context.Context, q collections.Query) (int64, error) {
	if q.Collection.Word == collections.Users {
		return 50, nil
	}
	return 0, nil
}

func TestKilledAtAnyWriteOfARoughWalkTheNextRunGoesOn(t *testing.T) {
	onEachStorage(t, func(t *testing.T, account func(*testing.T) tables.Config) {
		for kill, finished := 1, false; !finished; kill++ {
			require.Less(t, kill, 100, "so many writes")
			n := newNightOn(t, account(t))
			n.from = n.rough()
			left := kill
			n.into = failing{n.store, &left}
			_, err := n.fire(0)
			if finished = err == nil; !finished {
				require.Equal(t, entra.CodeUnavailable, entra.CodeOf(err), "write %d: %v", kill, err)
				n.into = n.store
				n.whole(time.Minute)
			}
			require.Equal(t, 50, n.everybody(), "killed at write %d", kill)
		}
	})
}

func TestOfTwoRunsAtOnceOnARoughWalkOneGoesOnAtEveryWrite(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for write, over := 1, false; !over; write++ {
			require.Less(t, write, 100, "so many writes")
			n := newNight(t)
			n.from = n.rough()
			left := write
			n.into = between{n.store, &left, func() {
				second := snapshots.NewSnapshotter(n.from, n.store, n.archive, snapshots.Options{}, n.tenant.Now,
					slog.New(slog.DiscardHandler))
				report, err := second.Run(t.Context(), time.Minute, true)
				require.NoError(t, err, "write %d", write)
				require.True(t, report.Finished, "write %d", write)
			}}
			_, err := n.fire(0)
			require.NoError(t, err, "write %d", write)
			over = left > 0
			snap, err := n.reader.Current(t.Context())
			require.NoError(t, err)
			require.Empty(t, snap.Undisclosed)
			require.Equal(t, 50, n.everybody(), "write %d", write)
		}
	})
}
