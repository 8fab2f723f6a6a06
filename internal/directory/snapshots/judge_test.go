package snapshots

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/rules"
)

func TestTheEndOfAWalkIsWeighedByOtherWordsThanItsOwn(t *testing.T) {
	for name, c := range map[string]struct {
		ending
		want verdict
	}{
		"all that was there came again": {ending{Brought: 1000}, isWhole},
		"somebody is gone":              {ending{Brought: 999, Missing: 1}, askNames},
		"and really is":                 {ending{Brought: 997, Missing: 3, Named: true, Asked: 3}, isWhole},
		"several are gone at once":      {ending{Brought: 996, Missing: 4, Named: true, Asked: 4}, askCount},
		"and the count knows of it": {ending{Brought: 996, Missing: 4, Named: true, Asked: 4,
			Counts: true, Count: 996}, isWhole},
		"and the count knows nothing of it": {ending{Brought: 96, Missing: 4, Named: true, Asked: 4,
			Counts: true, Count: 100}, isShort},
		"and there is no count": {ending{Brought: 996, Missing: 4, Named: true, Asked: 4,
			Counts: true, Count: -1}, isWhole},
		"the one before was in doubt": {ending{Unsure: true, Brought: 1000}, askCount},
		"and somebody is gone, too":   {ending{Unsure: true, Brought: 999, Missing: 1}, askNames},
		"and really is, but is that all": {ending{Unsure: true, Brought: 999, Missing: 1, Named: true,
			Asked: 1}, askCount},
		"in doubt, and the count agrees": {ending{Unsure: true, Brought: 1000, Counts: true, Count: 1000},
			isWhole},
		"in doubt, and the count disagrees": {ending{Unsure: true, Brought: 1000, Counts: true, Count: 1012},
			isShort},
		"in doubt, and there is no count": {ending{Unsure: true, Brought: 1000, Counts: true, Count: -1},
			isUnknown},
		"and is not": {ending{Brought: 999, Missing: 3, Named: true, Asked: 3, There: 1},
			isShort},
		"too many are gone to ask for each": {ending{Brought: 11941, Missing: 5051, Named: true, Asked: 60},
			askCount},
		"and the count says so, too": {ending{Brought: 11941, Missing: 5051, Named: true, Asked: 60,
			Counts: true, Count: 11941}, isWhole},
		"and the count says otherwise": {ending{Brought: 11941, Missing: 5051, Named: true, Asked: 60,
			Counts: true, Count: 16992}, isShort},
		"and one of the sample is there": {ending{Brought: 11941, Missing: 5051, Named: true, Asked: 60,
			There: 1}, isShort},
		"and the count is refused": {ending{Brought: 11941, Missing: 5051, Named: true, Asked: 60,
			Counts: true, Count: -1}, isUnknown},
		"nobody can be asked for by name": {ending{Brought: 997, Missing: 3, Named: true}, askCount},
		"then the count must be exact": {ending{Brought: 997, Missing: 3, Named: true, Counts: true,
			Count: 998}, isShort},
		"more than a tenth are gone": {ending{Brought: 880, Missing: 120, Steep: true, Named: true, Asked: 60,
			Counts: true, Count: 880}, walkTwice},
		"and the second walk says the same": {ending{Brought: 880, Missing: 120, Steep: true, Named: true, Asked: 60,
			Counts: true, Count: 880, Twice: true, Agree: true}, isWhole},
		"and the second walk differs": {ending{Brought: 890, Missing: 110, Steep: true, Named: true, Asked: 60,
			Counts: true, Count: 880, Twice: true, Same: true}, isTorn},
		"but one of them is there": {ending{Brought: 880, Missing: 120, Steep: true, Named: true, Asked: 60,
			There: 1}, isShort},
		"but they are counted": {ending{Brought: 880, Missing: 120, Steep: true, Named: true, Asked: 60,
			Counts: true, Count: 1000, Twice: true, Same: true}, isShort},
		"one of five is gone": {ending{Brought: 4, Missing: 1, Steep: true, Named: true, Asked: 1}, walkTwice},
		"the first snapshot":  {ending{First: true, Brought: 1000}, askCount},
		"the first is whole": {ending{First: true, Brought: 1000, Counts: true, Count: 1000},
			isWhole},
		"some were made while it was walked": {ending{First: true, Brought: 1000, Counts: true, Count: 1011},
			walkTwice},
		"a second walk brought the same": {ending{First: true, Brought: 1000, Counts: true, Count: 1011,
			Twice: true, Same: true}, isWhole},
		"a second walk did not": {ending{First: true, Brought: 1000, Counts: true, Count: 1011,
			Twice: true}, walkTwice},
		"nor did the third": {ending{First: true, Brought: 1000, Counts: true, Count: 1011,
			Twice: true, Spent: true}, isUnknown},
		"the second brought what was missing": {ending{First: true, Brought: 1011, Counts: true, Count: 1011,
			Twice: true}, isWhole},
		"after walks that fell short": {ending{First: true, Brought: 1000, Counts: true, Count: 1011,
			Spent: true}, walkTwice},
		"more than that are missing": {ending{First: true, Brought: 1000, Counts: true, Count: 1012},
			isShort},
		"in a small tenant none may be": {ending{First: true, Brought: 99, Counts: true, Count: 100},
			isShort},
		"an empty collection": {ending{First: true, Counts: true, Count: 1}, isShort},
		"a group's members are counted exactly": {ending{First: true, Exact: true, Brought: 900, Counts: true,
			Count: 901}, isShort},
		"the index is behind on deletions": {ending{First: true, Brought: 990, Counts: true, Count: 995,
			Twice: true, Same: true}, isWhole},
		"without a count one page is walked twice": {ending{First: true, Brought: 9, Counts: true, Count: -1,
			Few: true}, walkTwice},
		"and is the same": {ending{First: true, Brought: 9, Counts: true, Count: -1, Few: true,
			Twice: true, Same: true}, isWhole},
		"and is not the same": {ending{First: true, Brought: 9, Counts: true, Count: -1, Few: true,
			Twice: true}, isUnknown},
		"without a count many pages are not": {ending{First: true, Brought: 9000, Counts: true, Count: -1},
			isUnknown},
	} {
		require.Equal(t, c.want, judge(c.ending), name)
	}
}

func TestARefusalIsBelievedOnceItHasLasted(t *testing.T) {
	now := time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)
	require.True(t, believed(false, now, now), "what was never disclosed")
	require.False(t, believed(true, now, now))
	require.False(t, believed(true, now.Add(-59*time.Minute), now))
	require.True(t, believed(true, now.Add(-time.Hour), now))
}

func TestAWalkRemembersItsLinksAndItsObjects(t *testing.T) {
	type page struct {
		link    uint64
		objects []uint64
	}
	const led, stale = "the pages lead back to one that was read", "the pages bring only what they brought before"
	a, b, c := []uint64{1, 2}, []uint64{3, 4}, []uint64{5, 6}
	for name, w := range map[string]struct {
		pages []page
		want  string // of the last; the others are none
	}{
		"a straight walk":                  {[]page{{11, a}, {12, b}, {13, c}}, ""},
		"a page that leads to itself":      {[]page{{11, a}, {11, b}}, led},
		"A-B-A":                            {[]page{{11, a}, {12, b}, {13, c}, {11, a}}, led},
		"A-A with new links":               {[]page{{11, a}, {12, a}, {13, a}}, stale},
		"A-B-A-B with new links":           {[]page{{11, a}, {12, b}, {13, a}, {14, b}}, stale},
		"one page twice":                   {[]page{{11, a}, {12, a}, {13, b}}, ""},
		"two pages twice, not in a row":    {[]page{{11, a}, {12, a}, {13, b}, {14, b}, {15, c}}, ""},
		"a page with one that moved":       {[]page{{11, a}, {12, []uint64{2, 3}}, {13, []uint64{3, 4}}}, ""},
		"empty pages bring nothing again":  {[]page{{11, a}, {12, nil}, {13, nil}, {14, nil}, {15, b}}, ""},
		"the last page leads nowhere":      {[]page{{11, a}, {12, a}, {0, a}}, ""},
		"empty pages do not hide a circle": {[]page{{11, a}, {12, a}, {13, nil}, {14, a}}, stale},
		"a circle of pages that overlap": {[]page{{11, a}, {12, b}, {13, []uint64{2, 3}}, {14, []uint64{4, 1}}},
			stale},
		"a new object breaks what is stale": {[]page{{11, a}, {12, a}, {13, []uint64{1, 9}}, {14, a}}, ""},
	} {
		m := newMemory("users")
		for i, p := range w.pages {
			want := ""
			if i == len(w.pages)-1 {
				want = w.want
			}
			require.Equal(t, want, m.add(p.link, p.objects), "%s, page %d", name, i)
		}
	}
	m := newMemory("users")
	m.add(11, a)
	m.begin(1)
	require.Empty(t, m.add(11, b), "another walk may use the link")
	require.Empty(t, m.add(12, a), "and bring the objects again")
	require.EqualValues(t, 4, m.brought())
	require.False(t, m.lost())
	m.begin(2)
	m.add(11, b)
	require.True(t, m.lost(), "the walk before met more")
	m.begin(3)
	m.add(11, b)
	require.False(t, m.lost(), "what only an older one met is gone")
}

func TestAPageIsRememberedAsItWas(t *testing.T) {
	row := pageRow("groups 1-2", 3, 14, 15, []uint64{9, 2, 6})
	require.Equal(t, "groups 1-2_000003_000014", row.Key)
	nth, page, link, objects, err := readPageRow(row)
	require.NoError(t, err)
	require.Equal(t, []any{int64(3), int64(14), uint64(15), []uint64{9, 2, 6}}, []any{nth, page, link, objects})
	row.Doc = row.Doc[:12]
	_, _, _, _, err = readPageRow(row)
	require.ErrorContains(t, err, "read page groups 1-2_000003_000014 of the snapshot")
}

func TestNoSignInIsEverTakenBack(t *testing.T) {
	early, late := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2026, time.November, 2, 0, 0, 0, 0, time.UTC)
	require.Equal(t, rules.Activity{LastSuccessful: late, LastInteractive: late, LastNonInteractive: early},
		rules.Newest(rules.Activity{LastSuccessful: late, LastInteractive: early, LastNonInteractive: early},
			rules.Activity{LastInteractive: late}))
}

func TestASampleIsSpreadOverTheList(t *testing.T) {
	require.Equal(t, []int{0, 2, 5, 7}, sample([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 4))
	require.Equal(t, []int{1, 2}, sample([]int{1, 2}, 4))
}
