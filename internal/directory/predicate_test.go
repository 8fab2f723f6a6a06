package directory_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/entra"
)

// TestOnePredicateDecides for users around every moment that can be asked for: the list, each row's
// state and days, the counts, the summary, what is new, and the single user.
func TestOnePredicateDecides(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		odd := now.Add(123456789 * time.Nanosecond) // the tenant's clock is in no full tick
		h := open(t, simtenant.Config{Now: odd})
		asked := []int{1, 2, 30, 90, 365}
		for _, days := range asked {
			for i, off := range []time.Duration{-time.Second, -entra.Tick, -60, -1, 0, 1, 60, entra.Tick, time.Second} {
				since := odd.AddDate(0, 0, -days).Add(off)
				h.tenant.AddObject(simtenant.Users, fmt.Appendf(nil,
					`{"id":"u%d-%d","userPrincipalName":"u%d-%d@x","signInActivity":{"lastSuccessfulSignInDateTime":%q}}`,
					days, i, days, i, since.Format("2006-01-02T15:04:05.999999999Z")))
			}
		}
		snap := h.take()
		truth := h.truth(rules.Evidence{Disclosed: true})
		require.Len(t, truth, 45)
		for _, days := range asked {
			var want []string
			for id, d := range truth {
				if d.Inactive(snap.AsOf.AddDate(0, 0, -days)) {
					want = append(want, id)
				}
			}
			slices.Sort(want)
			h.requireInactive(t, snap, days, want)
		}
	})
}

func (h *house) requireInactive(t *testing.T, snap directory.Snapshot, days int, want []string) {
	ids := func(q directory.UserQuery) []string {
		out := make(map[string]bool)
		for _, u := range h.users(q, 7) {
			require.False(t, out[u.ID])
			out[u.ID] = u.State == directory.Inactive
			require.True(t, u.State == directory.Active || *u.DaysInactive >= days, "%s: %d", u.ID, *u.DaysInactive)
		}
		maps.DeleteFunc(out, func(_ string, inactive bool) bool { return !inactive })
		return slices.Sorted(maps.Keys(out))
	}
	inactive := directory.UserQuery{Days: days, State: directory.Inactive}
	require.Equal(t, want, ids(inactive), "the list, %d days", days)
	require.Equal(t, want, ids(directory.UserQuery{Days: days}), "the states, %d days", days)
	require.Equal(t, want, ids(directory.UserQuery{Before: snap.AsOf.AddDate(0, 0, -days), State: directory.Inactive}),
		"before, %d days", days)
	newly := inactive
	newly.NewSince = directory.NewSince{At: at("1970-01-01T00:00:00Z")}
	require.Equal(t, want, ids(newly), "what is new, %d days", days)
	page, err := h.reader.Users(t.Context(), inactive, 1, true, "")
	require.NoError(t, err)
	require.EqualValues(t, len(want), *page.Count, "%d days", days)
	_, total, _, err := h.reader.UserSummary(t.Context(), inactive)
	require.NoError(t, err)
	require.EqualValues(t, len(want), total, "%d days", days)
	for id := range h.truth(rules.Evidence{Disclosed: true}) {
		_, doc, err := h.reader.User(t.Context(), id, days)
		require.NoError(t, err)
		var u directory.UserRow
		require.NoError(t, json.Unmarshal(doc, &u))
		require.Equal(t, slices.Contains(want, id), u.State == directory.Inactive, "%s, %d days", id, days)
	}
}

func TestACutOffWithinADayOfTheSnapshotIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, small())
		h.take()
		for text, fine := range map[string]bool{
			"2999-01-01T00:00:00Z": false, "2026-11-21T12:00:00Z": false, "2026-11-20T12:00:01Z": false,
			"2026-11-20T12:00:00Z": true, "2026-11-20T11:59:59Z": true, "1990-01-01T00:00:00Z": true,
		} {
			q := directory.UserQuery{Before: at(text), State: directory.Inactive}
			page, err := h.reader.Users(t.Context(), q, 999, true, "")
			each := h.reader.EachUser(t.Context(), q, func(directory.UserRow) error { return nil })
			if !fine {
				require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err), text)
				require.Equal(t, entra.CodeBadRequest, entra.CodeOf(each), text)
				require.ErrorContains(t, err, "accepted is up to 24 hours before the snapshot, 2026-11-20T12:00:00Z",
					text)
				continue
			}
			require.NoError(t, err, text)
			require.NoError(t, each, text)
			for _, raw := range page.Rows {
				var u directory.UserRow
				require.NoError(t, json.Unmarshal(raw, &u))
				require.NotZero(t, *u.DaysInactive, text)
			}
		}
	})
}
