package snapshots

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/rules"
)

func TestWhatIsMoreThanChance(t *testing.T) {
	for _, c := range []struct {
		n, k int64
		p    float64
		want bool
	}{
		{0, 0, fading, false}, {500, 0, fading, false}, {1, 1, fading, false},
		{400, 1, fading, false}, {400, 3, fading, false}, {400, 12, fading, true}, {400, 380, fading, true},
		{20, 2, fading, false}, {20, 5, fading, true}, {2, 2, fading, false}, {3, 3, fading, true},
		{100_000, 130, fading, false}, {100_000, 200, fading, true},
		{500, 380, 0.3, true}, {500, 380, 0.75, false}, {500, 500, 0.99, false}, {500, 475, 0.95, false},
		{10, 10, 0.3, false}, {20, 20, 0.3, true},
	} {
		require.Equal(t, c.want, tooMany(c.n, c.k, c.p), "%d of %d at %v", c.k, c.n, c.p)
	}
}

func TestWhichPagesAreBroken(t *testing.T) {
	page := func(users, without, faded int64) *gap { return &gap{users, without, faded} }
	for name, c := range map[string]struct {
		gaps
		want map[int64]bool
	}{
		"nobody's is gone":       {gaps{1: page(500, 380, 0), 2: page(500, 100, 0)}, map[int64]bool{}},
		"one user's is":          {gaps{1: page(500, 380, 1), 2: page(500, 100, 0)}, map[int64]bool{}},
		"that of most of a page": {gaps{1: page(500, 380, 300), 2: page(500, 100, 0)}, map[int64]bool{1: true}},
		"that of few on every page": {gaps{1: page(500, 100, 5), 2: page(500, 100, 5), 3: page(500, 100, 0),
			4: page(500, 100, 5)}, map[int64]bool{1: true, 2: true, 4: true}},
		"that of all but one, small": {gaps{1: page(5, 4, 4)}, map[int64]bool{1: true}},
	} {
		require.Equal(t, c.want, c.broken(), name)
	}
}

func TestWhatStandsInForActivityThatWasLeftOut(t *testing.T) {
	tonight := directory.Snapshot{AsOf: time.Date(2026, time.November, 21, 2, 0, 0, 0, time.UTC), Active: 9,
		Disclosing: 10}
	before := tonight
	before.AsOf = tonight.AsOf.Add(-24 * time.Hour)
	signedIn := rules.Activity{LastSuccessful: before.AsOf.Add(-time.Hour)}
	gone := directory.UserRead{Gap: &directory.Gap{Users: 10, Without: 9}}
	carried := gone
	carried.Activity, carried.As = signedIn, before.AsOf
	for name, c := range map[string]struct {
		now    directory.UserRead
		before *directory.UserRead
		known  bool
		active rules.Activity
	}{
		"nobody knew the user": {gone, nil, false, rules.Activity{}},
		"there was none":       {gone, &directory.UserRead{}, true, rules.Activity{}},
		"there was some":       {carried, &directory.UserRead{User: rules.User{Activity: signedIn}}, true, signedIn},
		"of the night before that": {carried, &directory.UserRead{User: rules.User{Activity: signedIn},
			As: before.AsOf.Add(-24 * time.Hour)}, false, rules.Activity{}},
		"it was left out before": {carried, &directory.UserRead{Earlier: signedIn, LeftOut: true}, false,
			rules.Activity{}},
		"the page was blank before": {gone, &directory.UserRead{Blank: 500}, false, rules.Activity{}},
		"it was none two nights before": {gone, &directory.UserRead{As: before.AsOf.Add(-24 * time.Hour)}, false,
			rules.Activity{}},
	} {
		got := leftOut(c.now, c.before, before, tonight)
		known, _ := tonight.Disclosed(got)
		require.Equal(t, c.known, known, name)
		require.Equal(t, c.active, got.Activity, name)
	}
}
