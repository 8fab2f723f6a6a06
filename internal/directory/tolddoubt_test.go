package directory_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/timeline"
)

// A user who never signed in enters on a snapshot that the caller missed, is unknown on the one at
// which the caller asks, and is known again: she has to be told, once.
func TestNeverSignedInIsToldAfterABlankPage(t *testing.T) {
	for name, never := range map[string]*bool{"include": nil, "only": new(true)} {
		subtest(t, name, func(t *testing.T) {
			p := newPaged(t)
			q := quiet
			q.Never = never
			p.twoPages(true)
			p.at(0)
			ids, c0 := p.tells(q, directory.NewSince{})
			require.Empty(t, ids)
			p.at(day)
			ids, _ = p.tells(q, since(c0))
			require.Equal(t, "x0 x1 x2 x3 x4", ids, "they entered at day 1")
			p.twoPages(false)
			p.at(2 * day)
			ids, c2 := p.tells(q, since(c0))
			require.Empty(t, ids, "unknown")
			p.twoPages(true)
			p.at(3 * day)
			ids, _ = p.tells(q, since(c2))
			require.Equal(t, "x0 x1 x2 x3 x4", ids, "never told so far")
		})
	}
}

// state=all and neverSignedIn=exclude: a user who is unknown stands in the first answer, and is told
// again once she is known.
func TestUnknownUserOfAFirstAnswerIsNotToldAgain(t *testing.T) {
	for name, plain := range map[string]bool{"plain first call": true, "first call by reader": false} {
		subtest(t, name, func(t *testing.T) {
			p := newPaged(t)
			q := directory.UserQuery{Days: 30, Never: new(false)}
			p.twoPages(false)
			p.at(0)
			first := everything
			if plain {
				first = directory.NewSince{}
			}
			told, c0 := p.tells(q, first)
			require.NotContains(t, told, "y", "nobody can say whether she ever signed in")
			p.twoPages(true)
			p.at(day)
			ids, _ := p.tells(q, since(c0))
			require.Equal(t, "y", ids)
		})
	}
}

// Of a group with two pages the last one is lost on one night, and Graph refuses to count: nobody
// can say whether who did not come is still a member.
func TestWhoMayBeAMemberOfAnExcludedGroupIsNotToldAsNew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPaged(t)
		p.groups = []string{notedGroup}
		p.of["users"] = [][]string{{userOf("a", "2020-01-01T00:00:00Z", stamp(now.Add(-50*day))),
			userOf("b", "2020-01-01T00:00:00Z", stamp(now.Add(-50*day)))}}
		words := []string{collections.GroupMembers}
		full := [][]string{{`{"id":"a"}`}, {`{"id":"c"}`}, {`{"id":"b"}`}}
		for _, w := range words {
			p.of[w] = full
		}
		p.at(0)
		q := quiet
		q.Exclude = []string{notedGroup}
		ids, c0 := p.tells(q, directory.NewSince{})
		require.Empty(t, ids, "both are members")
		p.uncounted = true
		for _, w := range words {
			p.of[w] = full[:2]
		}
		snap := p.at(day)
		require.NotNil(t, snap.WhyUndisclosed("all members of group "+notedGroup), "%v", snap.Undisclosed)
		ids, _ = p.tells(q, since(c0))
		require.Empty(t, ids, "nobody can say whether b lost her exception")
	})
}

// A row of timelines is deleted.
func TestADeletedTimelineIsNotSilent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		v := newVault(t)
		var logged strings.Builder
		v.log = slog.New(slog.NewTextHandler(&logged, nil))
		_, cursor := v.tells(quiet, directory.NewSince{})
		ids, _ := v.tells(quiet, directory.NewSince{})
		key, there := v.packOf(ids)
		v.remove(v.table, "timelines-users", key)
		v.at(time.Hour)
		again, _ := v.tells(quiet, since(cursor))
		require.Equal(t, there, again)
		require.Contains(t, logged.String(), "timelines-users")
	})
}

// The rows of the newest snapshot are deleted by hand before the next is taken: nothing is known of
// who was told before, so the cursor has to be refused and not to tell everything again.
func TestRowsOfTheSnapshotBeforeDeletedByHand(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.addUser("a", 50)
		h.at(0)
		snap := h.at(day)
		_, c := h.tells(quiet, directory.NewSince{})
		require.NoError(t, h.store.DropRows(t.Context(), snap.ID))
		h.at(2 * day)
		q := quiet
		q.NewSince.Cursor = c
		_, err := h.reader.Users(t.Context(), q, 9, false, "")
		require.ErrorIs(t, err, timeline.ErrTooOld)
	})
}

// Any one character of a cursor that is changed on its way is refused as changed (400), and never
// with 410, upon which a flow begins without and tells everything again.
func TestOneCharacterOfACursorIsChanged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.addUser("a", 50)
		h.at(0)
		_, c := h.tells(quiet, directory.NewSince{})
		foreign, accepted := 0, 0
		for i := range c {
			for _, to := range "AaZz09-_" {
				if byte(to) == c[i] {
					continue
				}
				_, err := h.cursors.Open(t.Context(), c[:i]+string(to)+c[i+1:])
				switch {
				case err == nil:
					accepted++
				case errors.Is(err, timeline.ErrForeign):
					foreign++
				}
			}
		}
		require.Zero(t, foreign+accepted, "foreign %d, accepted %d of %d", foreign, accepted, len(c)*8)
	})
}
