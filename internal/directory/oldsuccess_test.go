package directory_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/newest"
)

// halfArchived is an archive of the interactive log alone, as ARCHIVE_STREAMS may say; of a log
// that is not archived GoOn gives directory.Seen{}, as lastseen does.
type halfArchived struct{}

func (halfArchived) Sources() []directory.Source {
	return []directory.Source{{Stream: "signIns.interactiveUser", Tells: directory.TellsSuccesses},
		{Stream: "signIns.nonInteractiveUser", Tells: directory.TellsSuccesses}}
}
func (halfArchived) GoOn(_ context.Context, source directory.Source, _ directory.Seen, _, _ time.Time) (
	directory.Seen, error,
) {
	if source.Stream != "signIns.interactiveUser" {
		return directory.Seen{}, nil
	}
	return directory.Seen{Times: newest.Times{}, Read: json.RawMessage("{}"), ReachesBack: now.Add(-500 * day)}, nil
}

// Where a log of sign-ins is not archived at all, no row says that the archive has every sign-in.
func TestAnArchiveOfOneLogDoesNotReachBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, made())
		s := snapshots.NewSnapshotter(h.source, h.store, halfArchived{}, snapshots.Options{Every: 12 * time.Hour},
			h.tenant.Now, h.log)
		for range 20 {
			report, err := s.Run(t.Context(), time.Minute, true)
			require.NoError(t, err)
			if report.Finished {
				break
			}
		}
		for _, u := range h.users(directory.UserQuery{Days: 90}, 999) {
			require.Empty(t, u.ArchiveReaches, u.Reason)
			if u.NeverSignedIn && u.LastSuccessful == "" {
				require.Contains(t, u.Reason, "signIns.nonInteractiveUser is not archived")
			}
		}
	})
}

// Activity is not disclosed, and the archive does not reach back: an old success in it says nothing
// of what came after.
func TestAnOldSuccessIsNoAbsence(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, made())
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoLicence, Stream: simtenant.Users})
		some := h.tenantUser(6)
		h.archive[some] = now.Add(-200 * day)
		h.at(day)
		one := h.user(some, 90)
		require.Equal(t, directory.Unknown, one.State)
	})
}

// Graph leaves the activity of some users out for good. The last time it gave it, they had signed
// in a day before; the archive holds a success of 200 days ago.
func TestAnOldSuccessDoesNotGoBeforeWhatWasKnown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, made())
		h.take()
		was := map[string]directory.UserRow{}
		for _, u := range h.users(directory.UserQuery{Days: 90}, 999) {
			was[u.ID] = u
			h.archive[u.ID] = now.Add(-200 * day)
		}
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.BlankSame, Records: 40})
		for night := 1; night <= 3; night++ {
			h.tenant.Freeze(now.Add(time.Duration(night) * day))
			h.take()
		}
		n := 0
		for _, u := range h.users(directory.UserQuery{Days: 90, State: directory.Inactive}, 999) {
			if w := was[u.ID]; w.State == directory.Active && w.LastSuccessful > stamp(now.Add(-30*day)) {
				n++
			}
		}
		require.Zero(t, n, "users who are known to have signed in in the last 30 days")
	})
}

// Graph leaves out the activity of one user for good, who signs in every day. What was known of it
// is carried on without an end, and after 90 days the user is inactive for sure.
func TestActivityThatIsLeftOutForGoodIsNotCarriedForGood(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newQuickNight(t)
		for i := range 300 {
			n.tenant.AddObject(simtenant.Users, member(i, true))
		}
		n.whole(0)
		id := "u000007"
		n.from = bent{quick{n}, func(q collections.Query, _ string, page collections.Page) (collections.Page, error) {
			for i, raw := range page.Items {
				if q.Collection.Word == collections.Users && gjson.GetBytes(raw, "id").Str == id {
					page.Items[i] = []byte(`{"id":"u000007","userPrincipalName":"u000007@x","createdDateTime":"2020-01-01T00:00:00Z"}`)
				}
			}
			return page, nil
		}}
		for _, night := range []time.Duration{1, 2, 3, 30, 60, 90, 100} { // with every night it is the same
			n.whole(night * day)
		}
		u := n.user(id, 90)
		require.Equal(t, directory.Unknown, u.State)
		require.Contains(t, u.Reason, "since 21 November 2026")
	})
}

// TestADeletedRowOfTheArchivesEvidenceIsRefused for the single user, who is active by the list.
func TestADeletedRowOfTheArchivesEvidenceIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, made())
		h.addUser("a", 500)
		h.archive["a"] = now.Add(-day)
		snap := h.at(0)
		require.Equal(t, directory.Active, h.user("a", 90).State)
		require.NoError(t, h.store.Delete(t.Context(), snap.ID, directory.ReadSeen,
			[]string{snap.Archived[0].Name() + "_a"}))
		_, _, err := h.reader.User(t.Context(), "a", 90)
		require.Equal(t, entra.CodeTampered, entra.CodeOf(err))
		require.ErrorContains(t, err, "there are 0 rows of it, and 1 were written")
	})
}
