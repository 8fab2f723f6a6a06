package directory_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/rules"
)

// faultsOfActivity are shapes in which Graph leaves out a part of a page's sign-in activity.
func faultsOfActivity() map[string]simtenant.Fault {
	return map[string]simtenant.Fault{
		"all beyond 120 of a page":   {Kind: simtenant.BlankBeyond},
		"all beyond 120 of one page": {Kind: simtenant.BlankBeyond, Count: 1},
		"the first of a page":        {Kind: simtenant.BlankFirst, Records: 60},
		"others in each walk":        {Kind: simtenant.BlankSome},
		"few in each walk":           {Kind: simtenant.BlankSome, Records: 5},
		"always the same":            {Kind: simtenant.BlankSame, Records: 40},
	}
}

// wrong counts the users whose state is not that of the truth, and those of whom it is not known.
func (h *house) wrong(days int) (wrong, unknown int) {
	h.Helper()
	cutoff := h.tenant.Now().AddDate(0, 0, -days)
	truth := h.truth(rules.Evidence{Disclosed: true})
	for _, u := range h.users(directory.UserQuery{Days: days}, 999) {
		switch d := truth[u.ID]; {
		case u.State == directory.Unknown:
			unknown++
		case (u.State == directory.Inactive) != d.Inactive(cutoff), u.NeverSignedIn != d.Never:
			wrong++
		}
	}
	return wrong, unknown
}

func TestActivityThatIsMissingFromAPartOfAPageForANightChangesNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range faultsOfActivity() {
		subtest(t, name, func(t *testing.T) {
			h := open(t, made())
			h.take()
			h.tenant.Inject(fault)
			h.tenant.Freeze(now.Add(day))
			h.take()
			require.NotZero(t, h.tenant.Happened(fault.Kind))
			wrong, unknown := h.wrong(90)
			require.Zero(t, wrong)
			require.Zero(t, unknown, "the night before knows")
			h.tenant.ClearFaults()
			h.tenant.Freeze(now.Add(2 * day))
			h.take()
			wrong, unknown = h.wrong(90)
			require.Zero(t, wrong+unknown)
		})
	}
}

func TestWhoseActivityIsMissingForGoodTurnsUnknownAndNeverInactive(t *testing.T) {
	t.Parallel()
	for name, fault := range faultsOfActivity() {
		subtest(t, name, func(t *testing.T) {
			h := open(t, made())
			h.take()
			fault.Count = 0
			h.tenant.Inject(fault)
			for night := 1; night <= 3; night++ {
				h.tenant.Freeze(now.Add(time.Duration(night) * day))
				h.take()
				wrong, unknown := h.wrong(90)
				require.Zero(t, wrong, "night %d", night)
				switch {
				case night == 1, fault.Kind == simtenant.BlankBeyond:
					require.Zero(t, unknown, "night %d", night)
				case fault.Kind == simtenant.BlankFirst, fault.Kind == simtenant.BlankSame:
					require.NotZero(t, unknown, "night %d", night)
				}
			}
			h.tenant.ClearFaults()
			h.tenant.Freeze(now.Add(4 * day))
			h.take()
			wrong, unknown := h.wrong(90)
			require.Zero(t, wrong+unknown)
		})
	}
}

func TestActivityThatIsMissingFromAFirstSnapshotIsAskedForByID(t *testing.T) {
	t.Parallel()
	for name, fault := range faultsOfActivity() {
		subtest(t, name, func(t *testing.T) {
			h := open(t, made())
			h.tenant.Inject(fault)
			h.take()
			wrong, unknown := h.wrong(90)
			require.Less(t, wrong, 20, "of 1300; a few may be missed where few are left out")
			if fault.Kind == simtenant.BlankSame || fault.Kind == simtenant.BlankFirst {
				require.NotZero(t, unknown)
			}
			if fault.Kind == simtenant.BlankBeyond {
				require.Zero(t, unknown)
			}
			h.tenant.ClearFaults()
			h.tenant.Freeze(now.Add(day))
			h.take()
			wrong, unknown = h.wrong(90)
			require.Zero(t, wrong+unknown)
		})
	}
}

// TestWhoReallyNeverSignedInIsNotUnknown however many they are, and wherever they come.
func TestWhoReallyNeverSignedInIsNotUnknown(t *testing.T) {
	t.Parallel()
	for name, active := range map[string]func(i int) bool{
		"a new tenant":             func(i int) bool { return i%40 == 0 },
		"guests of a day, in line": func(i int) bool { return i < 505 || i > 1200 },
		"nearly all on one page":   func(i int) bool { return i >= 490 },
		"half":                     func(i int) bool { return i%2 == 0 },
	} {
		subtest(t, name, func(t *testing.T) {
			h := open(t, simtenant.Config{})
			for i := range 1300 {
				h.tenant.AddObject(simtenant.Users, member(i, active(i) || i%100 == 7))
			}
			for night := range 3 {
				h.tenant.Freeze(now.Add(time.Duration(night) * day))
				h.asked.heard()
				h.take()
				wrong, unknown := h.wrong(90)
				require.Zero(t, wrong+unknown, "night %d", night)
				require.LessOrEqual(t, len(h.asked.heard()), 4+3, "night %d", night)
			}
		})
	}
}

// TestOneUserWhoseActivityVanishesMakesNobodyElseUnknown, and for a night not that one either.
func TestOneUserWhoseActivityVanishesMakesNobodyElseUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		for i := range 600 {
			h.tenant.AddObject(simtenant.Users, member(i, i%2 == 0))
		}
		h.take()
		h.tenant.ChangeObject(simtenant.Users, "u000100", member(100, false))
		for night := range 3 {
			h.tenant.Freeze(now.Add(time.Duration(night+1) * day))
			snap := h.take()
			require.EqualValues(t, 2+1+1+1+1+1+2, snap.GraphRequests, "nothing is read again")
			unknown := idsOf(h.users(directory.UserQuery{Days: 90, State: directory.Unknown}, 999))
			if night == 0 {
				require.Empty(t, unknown)
				continue
			}
			require.Equal(t, []string{"u000100"}, unknown)
			require.Contains(t, h.user("u000100", 90).Reason,
				"Graph has left out the sign-in activity of this user since 21 November 2026; "+
					"a successful sign-in of 20 November 2026 is known")
		}
	})
}

// TestPartsOfPagesAreReadAgainThoughARunIsKilled at any write.
func TestPartsOfPagesAreReadAgainThoughARunIsKilled(t *testing.T) {
	for name, first := range map[string]bool{"the first snapshot": true, "a later one": false} {
		subtest(t, name, func(t *testing.T) {
			for kill, finished := 1, false; !finished; kill++ {
				require.Less(t, kill, 100, "so many writes")
				h := open(t, simtenant.Config{Generate: &generate.Config{Seed: 3, Users: 350, Apps: 2, Days: 1,
					End: now}})
				if !first {
					h.take()
					h.tenant.Freeze(now.Add(day))
				}
				h.tenant.Inject(simtenant.Fault{Kind: simtenant.BlankBeyond})
				left := kill
				h.wrap = func(s directory.Store) directory.Store { return failing{s, &left} }
				report, err := h.run(t.Context(), true)
				h.wrap = nil
				if finished = err == nil && report.Finished; !finished {
					require.ErrorIs(t, err, errKilled)
					h.tenant.Freeze(h.tenant.Now().Add(time.Minute))
					h.take()
				}
				wrong, unknown := h.wrong(90)
				require.Zero(t, wrong+unknown, "killed at write %d", kill)
			}
		})
	}
}

func TestOfTwoRunsAtOnceOnPartsOfPagesOneGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for write, over := 1, false; !over; write++ {
			require.Less(t, write, 100, "so many writes")
			h := open(t, simtenant.Config{Generate: &generate.Config{Seed: 3, Users: 350, Apps: 2, Days: 1, End: now}})
			h.tenant.Inject(simtenant.Fault{Kind: simtenant.BlankBeyond})
			left := write
			h.wrap = func(s directory.Store) directory.Store {
				return between{s, &left, func() {
					h.wrap = nil
					report, err := h.run(t.Context(), true)
					require.NoError(t, err, "write %d", write)
					require.True(t, report.Finished, "write %d", write)
				}}
			}
			_, err := h.run(t.Context(), true)
			require.NoError(t, err, "write %d", write)
			over = left > 0
			wrong, unknown := h.wrong(90)
			require.Zero(t, wrong+unknown, "write %d", write)
		}
	})
}

func TestTheSimulatedTenantLeavesOutPartsOfPages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		for i := range 300 {
			h.tenant.AddObject(simtenant.Users, member(i, true))
		}
		for kind, want := range map[simtenant.Kind][2]int{simtenant.BlankBeyond: {180, 180},
			simtenant.BlankFirst: {100, 100}, simtenant.BlankSome: {120, 180}, simtenant.BlankSame: {120, 180}} {
			h.tenant.ClearFaults()
			h.tenant.Inject(simtenant.Fault{Kind: kind})
			page, err := h.source.Objects(t.Context(), usersWithActivity(), "")
			require.NoError(t, err)
			without := len(slices.DeleteFunc(page.Items, func(raw []byte) bool {
				u, err := rules.ParseUser(raw)
				require.NoError(t, err)
				return !u.Activity.None()
			}))
			require.True(t, want[0] <= without && without <= want[1], fmt.Sprint(kind, without))
		}
	})
}
