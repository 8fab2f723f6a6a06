package directory_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
)

// gone is a store on which somebody deletes the row of the snapshot in work after it was listed.
type gone struct{ directory.Store }

func (gone) Snapshot(context.Context, string) (directory.Snapshot, error) {
	return directory.Snapshot{}, directory.ErrNoSnapshot
}

func (gone) SaveSnapshot(_ context.Context, snap directory.Snapshot) (directory.Snapshot, error) {
	return snap, directory.ErrOvertaken
}

func TestARowInWorkThatIsMissingOrStrangeIsNamed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.begin()
		n.into = gone{n.store}
		for _, after := range []time.Duration{time.Minute, alertAfter + time.Minute} {
			_, err := n.fire(after)
			require.EqualError(t, err, "go on with snapshot 20261121T120000Z: its row is gone from table snapshots; "+
				"the next run begins a new snapshot; find out who deleted the row, and delete table "+
				"snapshot20261121T120000Z")
			require.Equal(t, entra.CodeTampered, entra.CodeOf(err))
		}
		n.into = n.store
		row, err := n.store.Snapshot(t.Context(), "20261121T120000Z")
		require.NoError(t, err)
		row.Phase = "devices"
		_, err = n.store.SaveSnapshot(t.Context(), row)
		require.NoError(t, err)
		_, err = n.fire(time.Minute)
		require.EqualError(t, err, `go on with snapshot 20261121T120000Z: its row in table snapshots names the phase "devices", which this version does not know; `+
			"if a newer version wrote it, deploy that one; else delete the row, and the next run begins a new snapshot")
	})
}

func TestAnOlderVersionsRowIsReadAndItsAgeCountsFromItsLastWrite(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		older := directory.Snapshot{ID: "20261121T120000Z", AsOf: now, Stage: directory.Reading,
			Phase: collections.Users, TokenKey: make([]byte, 32),
			Updated: now.Add(time.Hour), LastError: "read users from Graph: 503"}
		_, err := n.store.SaveSnapshot(t.Context(), older)
		require.NoError(t, err)
		said := n.shown()
		require.Equal(t, "failing", said.Status)
		require.Equal(t, "read users from Graph: 503", said.LastFailure.Message)
		n.tenant.Inject(simtenant.Fault{Kind: simtenant.TooManyRequests, Stream: simtenant.Users})
		for _, after := range []time.Duration{2 * time.Hour, 3 * time.Hour} { // its own failures do not move the age
			_, err = n.fire(after)
			require.ErrorContains(t, err, "read users from Graph: Graph answers 429")
		}
		_, err = n.fire(time.Hour + alertAfter + time.Minute)
		require.ErrorContains(t, err, "no step since 2026-11-21T13:00:00Z")
	})
}
