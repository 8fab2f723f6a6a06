package directory_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
)

func TestTokensThatWereChangedOrOutlivedTheirSnapshotAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, small())
		h.take()
		q := directory.UserQuery{Days: 1}
		page, err := h.reader.Users(t.Context(), q, 100, false, "")
		require.NoError(t, err)
		for i := range len(page.Next) {
			changed := []byte(page.Next)
			changed[i] ^= 1
			_, err := h.reader.Users(t.Context(), q, 100, false, string(changed))
			if err == nil { // the last character of base64 may have bits that mean nothing
				require.Equal(t, len(page.Next)-1, i)
				continue
			}
			require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err), "%d", i)
		}
		_, err = h.reader.Users(t.Context(), directory.UserQuery{Days: 2}, 100, false, page.Next)
		require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err), "another question")
		for n := range 3 {
			h.tenant.Freeze(now.Add(time.Duration(n+1) * 24 * time.Hour))
			h.take()
		}
		_, err = h.reader.Users(t.Context(), q, 100, false, page.Next)
		require.Equal(t, entra.CodeTokenExpired, entra.CodeOf(err), "%v", err)
	})
}

// TestOneObjectOfASnapshotThatWasDroppedIsNoFailure of the app: a newer snapshot answers the next
// question.
func TestOneObjectOfASnapshotThatWasDroppedIsNoFailure(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, small())
		h.take()
		snap, err := h.reader.Current(t.Context())
		require.NoError(t, err)
		require.NoError(t, h.store.DropRows(t.Context(), snap.ID))
		for _, user := range []string{"somebody@contoso.example", "00000000-0000-0000-0000-000000000001"} {
			_, _, err := h.reader.User(t.Context(), user, 30)
			require.Equal(t, entra.CodeTokenExpired, entra.CodeOf(err), "%v", err)
		}
		_, err = h.reader.Application(t.Context(), "00000000-0000-0000-0000-000000000002", time.Hour, time.Hour)
		require.Equal(t, entra.CodeTokenExpired, entra.CodeOf(err), "%v", err)
	})
}
