package directory_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/entra"
)

// lost is a store whose answers to writes of the snapshot's row are lost, once for each row.
type lost struct {
	directory.Store
	nth *int
}

func (s lost) SaveSnapshot(ctx context.Context, snap directory.Snapshot) (directory.Snapshot, error) {
	saved, err := s.Store.SaveSnapshot(ctx, snap)
	if *s.nth++; err == nil && *s.nth > 1 {
		return s.Store.SaveSnapshot(ctx, snap) // the SDK's second try
	}
	return saved, err
}

func TestAWriteWhoseAnswerWasLostIsNoOvertaking(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.into = lost{n.store, new(int)}
		summary, err := n.fire(0)
		require.NoError(t, err)
		require.Contains(t, summary, "is whole: 50 users")
	})
}

// between is a store that lets something happen before the nth write, as if that one were executed
// late.
type between struct {
	directory.Store
	left   *int
	happen func()
}

func (s between) before() {
	if *s.left--; *s.left == 0 {
		s.happen()
	}
}

func (s between) Put(ctx context.Context, id, partition string, rows []directory.Row) error {
	s.before()
	return s.Store.Put(ctx, id, partition, rows)
}

func (s between) SaveSnapshot(ctx context.Context, snap directory.Snapshot) (directory.Snapshot, error) {
	s.before()
	return s.Store.SaveSnapshot(ctx, snap)
}

func TestOfTwoRunsAtOnceOneGoesOnAndTheOtherSaysWhichAtEveryWrite(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for write, over := 1, false; !over; write++ {
			require.Less(t, write, 100, "so many writes")
			n := newNight(t)
			n.from = n.instant()
			left, other := write, ""
			n.into = between{n.store, &left, func() {
				second := snapshots.NewSnapshotter(n.from, n.store, n.archive, snapshots.Options{}, n.tenant.Now,
					slog.New(slog.DiscardHandler))
				report, err := second.Run(t.Context(), time.Minute, true)
				require.NoError(t, err, "write %d", write)
				require.True(t, report.Finished, "write %d", write)
				other = report.Snapshot.By
			}}
			summary, err := n.fire(0)
			require.NoError(t, err)
			if over = left > 0; over {
				require.Contains(t, summary, "is whole: 50 users")
			} else {
				require.Contains(t, summary, "another run ("+other+") goes on with snapshot 20261121T120000Z: at done",
					"write %d", write)
				require.Regexp(t, `^request [0-9a-f]{8}$`, other)
			}
			snaps, err := n.reader.State(t.Context())
			require.NoError(t, err)
			require.Len(t, snaps, 1, "write %d", write)
			require.EqualValues(t, 50, snaps[0].Users)
			seen := map[string]bool{}
			for _, u := range n.users(directory.UserQuery{Days: 30}, 999) {
				require.False(t, seen[u.ID], "%s twice, write %d", u.ID, write)
				seen[u.ID] = true
			}
			require.Len(t, seen, 50, "write %d", write)
		}
	})
}

func TestAFailureThatAnotherRunNotesDoesNotStopTheOneThatWorks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.begin()
		left := 2
		n.into = between{n.store, &left, func() {
			broken := snapshots.NewSnapshotter(pages{n.source,
				func(context.Context, collections.Query, string) (collections.Page, error) {
					return collections.Page{}, &entra.Error{Code: entra.CodeUnavailable, Doing: "read", Why: "503"}
				}}, n.store, n.archive, snapshots.Options{}, n.tenant.Now, slog.New(slog.DiscardHandler))
			_, err := broken.Run(t.Context(), time.Minute, true)
			require.Error(t, err)
			require.Equal(t, "failing", n.shown().Status)
		}}
		summary, err := n.fire(time.Minute)
		require.NoError(t, err)
		require.LessOrEqual(t, left, 0)
		require.Contains(t, summary, "is whole: 50 users")
	})
}

func TestALateWriteBetweenTwoAttemptsToDecideListsNobodyTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		h := n.house
		// The first attempt is killed once it has written its rows.
		h.wrap = func(s directory.Store) directory.Store { return killedAtTheEnd{s} }
		_, err := h.run(t.Context(), true)
		require.ErrorIs(t, err, errKilled)
		h.wrap = nil
		snaps, err := n.reader.State(t.Context())
		require.NoError(t, err)
		require.Equal(t, directory.PhaseDecide, snaps[0].Phase)
		// Then a run that was overtaken long ago writes a page of users as it read them, before
		// most had signed in.
		var rows []directory.Row
		for row, err := range n.store.Rows(t.Context(), snaps[0].ID, directory.Range{Partition: "read-users"}) {
			require.NoError(t, err)
			doc := map[string]any{}
			require.NoError(t, json.Unmarshal(row.Doc, &doc))
			doc["Activity"] = map[string]any{"LastSuccessful": "2020-01-01T00:00:00Z"}
			row.Doc, err = json.Marshal(doc)
			require.NoError(t, err)
			rows = append(rows, row)
		}
		require.Len(t, rows, 50)
		require.NoError(t, n.store.Put(t.Context(), snaps[0].ID, "read-users", rows))

		h.take()
		require.Len(t, n.users(directory.UserQuery{Days: 30}, 999), 50)
	})
}

// killedAtTheEnd is a store that is killed before a snapshot's row says that it is whole.
type killedAtTheEnd struct{ directory.Store }

func (s killedAtTheEnd) SaveSnapshot(ctx context.Context, snap directory.Snapshot) (directory.Snapshot, error) {
	if snap.Stage == directory.Whole {
		return snap, errKilled
	}
	return s.Store.SaveSnapshot(ctx, snap)
}

func TestAKilledRunIsTakenOverByTheNextAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.begin()
		summary, err := n.fire(0)
		require.NoError(t, err)
		require.Contains(t, summary, "is whole: 50 users")
	})
}

func TestOfTwoSnapshotsBegunAtOnceTheOlderIsDropped(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.begin()
		id := n.shown().ID
		later := directory.Snapshot{ID: "20261121T120001Z", AsOf: now.Add(time.Second), Stage: directory.Reading,
			Phase: collections.Users, TokenKey: make([]byte, 32)}
		_, err := n.store.SaveSnapshot(t.Context(), later)
		require.NoError(t, err)
		require.NoError(t, n.store.Put(t.Context(), id, "read-users", []directory.Row{{Key: "u"}}))
		_, err = n.fire(time.Minute)
		require.NoError(t, err)
		older, err := n.store.Snapshot(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, directory.Dropped, older.Stage)
		for _, err := range n.store.Rows(t.Context(), id, directory.Range{Partition: "read-users"}) {
			require.ErrorIs(t, err, directory.ErrNoSnapshot, "its table is gone")
		}
	})
}

func TestARunWhoseSnapshotWasDroppedLeavesNoRows(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.begin()
		id := n.shown().ID
		left := 1
		n.into = between{n.store, &left, func() { // before its first page is written
			row, err := n.store.Snapshot(t.Context(), id)
			require.NoError(t, err)
			require.NoError(t, n.store.DropRows(t.Context(), id))
			row.Stage = directory.Dropped
			_, err = n.store.SaveSnapshot(t.Context(), row)
			require.NoError(t, err)
		}}
		_, err := n.fire(time.Minute)
		require.NoError(t, err)
		for _, err := range n.store.Rows(t.Context(), id, directory.Range{Partition: "read-users"}) {
			require.ErrorIs(t, err, directory.ErrNoSnapshot, "what it wrote since is dropped again")
		}
	})
}
