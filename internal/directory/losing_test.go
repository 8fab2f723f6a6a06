package directory_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
)

// lossy is a tenant with three users and two applications, of whom a caller was told, and one who
// turns inactive after two days.
type lossy struct {
	*house
	users  string // cursor
	creds  caller
	cursor string
}

func newLossy(t *testing.T) *lossy {
	h := &lossy{house: open(t, simtenant.Config{})}
	h.addUser("a", 50)
	h.addUser("b", 29)
	h.addUser("c", 10)
	addApps(h.tenant, 2)
	h.at(0)
	var ids string
	ids, h.users = h.tells(quiet, directory.NewSince{})
	require.Equal(t, "a", ids)
	h.creds = caller{creds: &directory.CredentialQuery{States: []directory.State{directory.Expiring}, Within: 40 * day}}
	page, err := h.creds.all(t, h.reader, everything, 9)
	require.NoError(t, err)
	h.cursor = page.cursor
	return h
}

// refuse lets the tenant refuse users and applications from now on.
func (h *lossy) refuse() {
	h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.Users, Question: simtenant.ForPage})
	h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.Applications})
}

// until runs until a snapshot is whole: a refusal is believed once it has lasted for an hour.
func (h *lossy) until(after time.Duration) directory.Snapshot {
	h.Helper()
	h.tenant.Freeze(now.Add(after))
	for range 8 {
		report, err := h.run(h.Context(), true)
		require.NoError(h, err)
		if report.Finished {
			return report.Snapshot
		}
		h.tenant.Freeze(h.tenant.Now().Add(70 * time.Minute))
	}
	require.Fail(h, "the snapshot does not become whole")
	return directory.Snapshot{}
}

// answersAsBefore asks all that is answered from the first snapshot.
func (h *lossy) answersAsBefore(snap directory.Snapshot) {
	h.Helper()
	t := h.T
	for _, what := range []string{"users", "applications"} {
		require.NotNil(t, snap.WhyCarried(what), what)
		require.Nil(t, snap.WhyUndisclosed(what), what)
		require.Equal(t, now, snap.WhyCarried(what).AsOf)
	}
	all := directory.UserQuery{Days: 30}
	page, err := h.reader.Users(t.Context(), all, 2, true, "")
	require.NoError(t, err)
	require.Equal(t, now, page.Snapshot.AsOf)
	require.EqualValues(t, 3, *page.Count)
	require.Len(t, page.Rows, 2)
	require.Contains(t, page.Snapshot.Withheld()[0].Message, "what is answered is as of 2026-11-21T12:00:00Z: ")
	second, err := h.reader.Users(t.Context(), all, 2, true, page.Next)
	require.NoError(t, err)
	require.Len(t, second.Rows, 1)
	require.Equal(t, page.Snapshot.Withheld(), second.Snapshot.Withheld())

	ids, cursor := h.tells(quiet, since(h.users))
	require.Empty(t, ids)
	require.Equal(t, h.users, cursor, "the same cursor")
	creds, err := h.creds.all(t, h.reader, since(h.cursor), 9)
	require.NoError(t, err)
	require.Empty(t, creds.ids)
	require.Equal(t, h.cursor, creds.cursor)
	ids, _ = h.tells(quiet, directory.NewSince{At: page.Answered})
	require.Empty(t, ids)
	ids, _ = h.tells(quiet, directory.NewSince{Previous: true})
	require.Equal(t, "a", ids, "as before the refusal: there is none before the first")

	shown, _, err := h.reader.User(t.Context(), "a@x", 30)
	require.NoError(t, err)
	require.Equal(t, now, shown.AsOf)
	shown, total, _, err := h.reader.UserSummary(t.Context(), directory.UserQuery{Days: 30})
	require.NoError(t, err)
	require.EqualValues(t, 3, total)
	require.Equal(t, now, shown.AsOf)
	shown, total, _, err = h.reader.CredentialSummary(t.Context(), directory.CredentialQuery{})
	require.NoError(t, err)
	require.EqualValues(t, 4, total)
	require.Equal(t, now, shown.AsOf)
}

// back lets the tenant disclose all again: what came into the answers meanwhile is told once.
func (h *lossy) back(after time.Duration) {
	h.Helper()
	h.tenant.ClearFaults()
	snap := h.until(after)
	require.Empty(h, snap.Carried)
	require.Empty(h, snap.Undisclosed)
	ids, cursor := h.tells(quiet, since(h.users))
	require.Equal(h, "b", ids)
	ids, _ = h.tells(quiet, since(cursor))
	require.Empty(h, ids)
	require.Len(h, h.house.users(directory.UserQuery{Days: 30}, 999), 3)
	creds, err := h.creds.all(h.T, h.reader, since(h.cursor), 9)
	require.NoError(h, err)
	again, err := h.creds.all(h.T, h.reader, since(creds.cursor), 9)
	require.NoError(h, err)
	require.Empty(h, again.ids)
}

func TestOfANightWithoutPermissionYesterdayAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newLossy(t)
		h.refuse()
		h.answersAsBefore(h.until(day))
		h.back(2 * day)
		ids, _ := h.tells(quiet, directory.NewSince{Previous: true})
		require.Equal(t, "b", ids, "since the one that answered before")
	})
}

func TestOfFourNightsWithoutPermissionTheLastAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newLossy(t)
		h.refuse()
		h.answersAsBefore(h.until(day))
		h.answersAsBefore(h.until(2 * day))
		h.answersAsBefore(h.until(3 * day))
		snap := h.until(4 * day)
		require.Empty(t, snap.Carried)
		require.NotNil(t, snap.WhyUndisclosed("users"))
		_, err := h.reader.Users(t.Context(), directory.UserQuery{Days: 30}, 2, false, "")
		require.ErrorContains(t, err, "403")
		_, err = h.reader.Credentials(t.Context(), directory.CredentialQuery{}, 2, false, "")
		require.ErrorContains(t, err, "403")
		h.back(5 * day)
	})
}

// TestWhatIsReferredToIsKeptAsLongAsItIs though many newer snapshots are whole, and no longer.
func TestWhatIsReferredToIsKeptAsLongAsItIs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newLossy(t)
		h.refuse()
		for i := range 14 {
			h.answersAsBefore(h.until(day + time.Duration(i)*3*time.Hour))
		}
		h.back(3 * day)
		for i := range 3 {
			h.until(3*day + time.Duration(i+1)*2*time.Hour)
		}
		first, err := h.store.Snapshot(t.Context(), now.Format("20060102T150405Z"))
		require.NoError(t, err)
		require.Equal(t, directory.Dropped, first.Stage)
	})
}

func TestASnapshotThatRefersIsKilledAtAnyWrite(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for write, over := 1, false; !over; write++ {
			require.Less(t, write, 60)
			h := newLossy(t)
			h.refuse()
			h.until(day)
			h.tenant.Freeze(now.Add(2 * day))
			left := write
			h.wrap = func(s directory.Store) directory.Store { return failing{s, &left} }
			_, _ = h.run(t.Context(), true)
			over = left > 0
			h.wrap = nil
			h.answersAsBefore(h.until(2*day + time.Minute))
			h.back(2*day + 3*time.Hour)
		}
	})
}

func TestOfTwoRunsThatReferAtOnceBothAreRight(t *testing.T) {
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
			snap, err := h.reader.Current(t.Context())
			require.NoError(t, err)
			h.answersAsBefore(snap)
			h.back(2*day + 3*time.Hour)
		}
	})
}

// TestActivityThatWasKnownStaysKnownWithoutALicence for a night, and is remembered after it: where
// the licence is back and Graph leaves it out, it still counts.
func TestActivityThatWasKnownStaysKnownWithoutALicence(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newLossy(t)
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoLicence, Stream: simtenant.Users})
		for night, unknown := range []int{1: 0, 2: 3} { // as of which activity is known: 36 hours at most
			if night == 0 {
				continue
			}
			snap := h.until(time.Duration(night) * day)
			require.NotNil(t, snap.WhyUndisclosed("signInActivity"))
			require.Equal(t, night == 1, snap.WhyCarried("signInActivity") != nil, "it stands in for 36 hours")
			require.Equal(t, night == 2, snap.WhyLost("signInActivity") != nil, "the timer fails on")
			rows := h.house.users(directory.UserQuery{Days: 30, State: directory.Unknown}, 999)
			require.Len(t, rows, unknown, "night %d", night)
		}
		h.tenant.ClearFaults()
		for _, id := range []string{"a", "b"} {
			h.tenant.ChangeObject(simtenant.Users, id, []byte(`{"id":"`+id+`","userPrincipalName":"`+id+
				`@x","accountEnabled":true,"createdDateTime":"2020-01-01T00:00:00Z"}`))
		}
		h.until(3 * day)
		for _, u := range h.house.users(directory.UserQuery{Days: 30}, 999) {
			require.False(t, u.NeverSignedIn, u.ID)
		}
	})
}
