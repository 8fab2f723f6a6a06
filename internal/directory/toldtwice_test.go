package directory_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
)

// beforeADecision is a tenant with one snapshot, two days before the next, in which somebody becomes
// inactive and four credentials come near their end. The cursors are those of the first answers.
func beforeADecision(t *testing.T) (h *house, creds caller, users string, first page) {
	h = open(t, simtenant.Config{})
	h.addUser("a", 50)
	h.addUser("b", 29)
	addApps(h.tenant, 2)
	h.at(0)
	_, users = h.tells(quiet, directory.NewSince{})
	creds = caller{creds: &directory.CredentialQuery{States: []directory.State{directory.Expiring}, Within: 40 * day}}
	first, err := creds.all(t, h.reader, everything, 9)
	require.NoError(t, err)
	h.tenant.Freeze(now.Add(2 * day))
	return h, creds, users, first
}

// TestADecisionThatIsKilledAtAnyWriteIsGoneOnWith goes on with the second snapshot.
func TestADecisionThatIsKilledAtAnyWriteIsGoneOnWith(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for write, over := 1, false; !over; write++ {
			require.Less(t, write, 60)
			h, creds, c0, k0 := beforeADecision(t)
			left := write
			h.wrap = func(s directory.Store) directory.Store { return failing{s, &left} }
			_, _ = h.run(t.Context(), true)
			over = left > 0
			h.wrap = nil
			h.tenant.Freeze(now.Add(2*day + time.Hour))
			snaps, err := h.reader.State(t.Context())
			require.NoError(t, err)
			if snaps[0].Stage != directory.Whole || snaps[0].AsOf.Equal(now) {
				h.take()
			}
			ids, _ := h.tells(quiet, since(c0))
			require.Equal(t, "b", ids, "write %d", write)
			k1, err := creds.all(t, h.reader, since(k0.cursor), 9)
			require.NoError(t, err)
			require.Empty(t, k0.ids)
			require.Len(t, k1.ids, 4, "write %d", write)
		}
	})
}

// TestOfTwoRunsThatDecideAtOnceEachEnteringIsToldOnce lets another run decide between any two writes.
func TestOfTwoRunsThatDecideAtOnceEachEnteringIsToldOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for write, over := 1, false; !over; write++ {
			require.Less(t, write, 60)
			h, creds, c0, k0 := beforeADecision(t)
			left := write
			h.wrap = func(s directory.Store) directory.Store {
				return between{s, &left, func() {
					h.wrap = nil
					second := snapshots.NewSnapshotter(h.source, h.store, h.archive, snapshots.Options{}, h.tenant.Now,
						slog.New(slog.DiscardHandler))
					_, err := second.Run(t.Context(), time.Minute, true)
					require.NoError(t, err)
				}}
			}
			_, err := h.run(t.Context(), true)
			require.NoError(t, err)
			over = left > 0
			h.wrap = nil
			ids, c1 := h.tells(quiet, since(c0))
			require.Equal(t, "b", ids, "write %d", write)
			k1, err := creds.all(t, h.reader, since(k0.cursor), 9)
			require.NoError(t, err)
			require.Len(t, k1.ids, 4, "write %d", write)
			h.at(3 * day)
			ids, _ = h.tells(quiet, since(c1))
			require.Empty(t, ids, "write %d", write)
			k1, err = creds.all(t, h.reader, since(k1.cursor), 9)
			require.NoError(t, err)
			require.Empty(t, k1.ids, "write %d", write)
		}
	})
}

func TestSnapshotsWithinSecondsAreToldApart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.addUser("a", 50)
		h.at(0)
		_, c := h.tells(quiet, directory.NewSince{})
		told := 0
		for i := range 20 {
			h.addUser(string(rune('b'+i)), 40)
			h.at(time.Duration(i+1) * time.Second)
			ids, next := h.tells(quiet, since(c))
			told += len(strings.Fields(ids))
			c = next
		}
		require.Equal(t, 20, told)
	})
}
