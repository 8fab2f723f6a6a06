package directory_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/snapshot"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/web"
)

// timer is what a run of the timer says after the last snapshot.
func (h *lossy) timer() error {
	h.Helper()
	s := snapshots.NewSnapshotter(h.source, h.store, h.archive,
		snapshots.Options{Every: 12 * time.Hour, Groups: h.groups},
		h.tenant.Now, slog.New(slog.DiscardHandler))
	h.tenant.Freeze(h.tenant.Now().Add(time.Minute))
	report, err := s.Run(h.Context(), time.Minute, false)
	require.NoError(h, err)
	require.True(h, report.Idle)
	return s.Check(h.Context(), report, nil, report.Now, time.Hour)
}

// post asks for a snapshot that accepts something, and tells the status and the answer.
func (h *lossy) post(accept string) (int, map[string]any) {
	h.Helper()
	s := snapshots.NewSnapshotter(h.source, h.store, h.archive,
		snapshots.Options{Every: 12 * time.Hour, Groups: h.groups},
		h.tenant.Now, slog.New(slog.DiscardHandler))
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", snapshot.New(snapshot.Config{Reader: h.reader,
		Snapshotter: s, Now: h.tenant.Now, Slice: time.Minute}))
	require.NoError(h, err)
	w := httptest.NewRecorder()
	host.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/snapshot?accept="+url.QueryEscape(accept), nil))
	var answer map[string]any
	require.NoError(h, json.Unmarshal(w.Body.Bytes(), &answer), "%s", w.Body)
	return w.Code, answer
}

// TestWhatIsTakenAwayOnPurposeIsAccepted: it counts as never granted from then on, and what was not
// accepted still fails the timer.
func TestWhatIsTakenAwayOnPurposeIsAccepted(t *testing.T) {
	for name, nights := range map[string]int{"while an older snapshot stands in": 1, "after that": 5} {
		subtest(t, name, func(t *testing.T) {
			h := newLossy(t)
			h.refuse()
			for night := 1; night <= nights; night++ {
				h.until(time.Duration(night) * day)
			}
			require.ErrorContains(t, h.timer(), "POST /api/snapshot?accept=signInActivity%2Cusers%2Capplications")
			h.tenant.Freeze(h.tenant.Now().Add(time.Hour))
			status, answer := h.post("Users, signInActivity")
			require.Equal(t, http.StatusOK, status, "%v", answer)
			require.Equal(t, []any{"users", "signInActivity"}, answer["accepted"])
			_, err := h.reader.Users(t.Context(), directory.UserQuery{Days: 30}, 2, false, "")
			require.Equal(t, entra.CodePermission, entra.CodeOf(err))
			require.ErrorContains(t, h.timer(), "accept=applications ")
			h.tenant.Freeze(h.tenant.Now().Add(time.Hour))
			status, _ = h.post("applications")
			require.Equal(t, http.StatusOK, status)
			require.NoError(t, h.timer())
			h.until(time.Duration(nights+1) * day)
			require.NoError(t, h.timer(), "it is remembered")
			h.tenant.ClearFaults()
			h.until(time.Duration(nights+2) * day)
			h.refuse()
			h.until(time.Duration(nights+3) * day)
			require.Error(t, h.timer(), "what was granted again is lost anew")
		})
	}
}

func TestARefusalThatIsAcceptedIsNotDoubted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newLossy(t)
		h.groups = []string{exceptions}
		h.at(time.Hour)
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.GroupMembers})
		h.tenant.Freeze(now.Add(day))
		status, answer := h.post("group " + exceptions)
		require.Equal(t, http.StatusOK, status, "%v", answer)
		require.NoError(t, h.timer())
		require.NotContains(t, answer, "carried")
	})
}

func TestWhatNoSnapshotReadsIsNotAccepted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newLossy(t)
		for _, accept := range []string{"user", "group x", "", ",", "users,nothing"} {
			status, _ := h.post(accept)
			require.Equal(t, http.StatusBadRequest, status, accept)
		}
	})
}

// TestAnotherRunKeepsWhatWasAccepted, though it read the snapshot's row before that.
func TestAnotherRunKeepsWhatWasAccepted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for write, over := 1, false; !over; write++ {
			require.Less(t, write, 60)
			h := newLossy(t)
			h.refuse()
			h.until(day)
			h.tenant.Freeze(now.Add(2 * day))
			left := write
			h.wrap = func(s directory.Store) directory.Store {
				return between{s, &left, func() {
					h.wrap = nil
					h.tenant.Freeze(h.tenant.Now().Add(2 * time.Second))
					_, _ = h.post("users,signInActivity,applications")
				}}
			}
			_, err := h.run(t.Context(), true)
			require.NoError(t, err)
			over = left > 0
			if !over {
				require.NoError(t, h.timer(), "write %d", write)
			}
		}
	})
}

// TestWhatTheTimerSaysOfLostActivity is for how long it stands in.
func TestWhatTheTimerSaysOfLostActivity(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newLossy(t)
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoLicence, Stream: simtenant.Users})
		h.until(day)
		require.ErrorContains(t, h.timer(), "signInActivity: what was known at 2026-11-21T12:00:00Z stands in until "+
			"2026-11-23T00:00:00Z; the cause")
		h.until(2 * day)
		require.ErrorContains(t, h.timer(), "signInActivity: nothing stands in for what was known at "+
			"2026-11-21T12:00:00Z")
	})
}
