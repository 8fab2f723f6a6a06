package timeline

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// noon is when the snapshot of a day begins, the first of them on day 1.
func noon(d int) time.Time { return time.Date(2026, time.March, d, 12, 0, 0, 0, time.UTC) }

// daily are snapshots 1 to n, one a day, all of which could read some groups.
func daily(t testing.TB, n int, groups ...string) *Snapshots {
	var list []Snapshot
	for d := 1; d <= n; d++ {
		list = append(list, Snapshot{d, noon(d), groups})
	}
	on, err := NewSnapshots(list)
	require.NoError(t, err)
	return on
}

// upTo are the first of some snapshots.
func upTo(t testing.TB, on *Snapshots, n int) *Snapshots {
	var list []Snapshot
	for _, s := range on.list[:n] {
		list = append(list, Snapshot{s.number, time.Unix(int64(s.asOf/perSecond), 0), s.groups})
	}
	out, err := NewSnapshots(list)
	require.NoError(t, err)
	return out
}

// lived is the timeline of who was seen like that, day for day: nil is a day on which nobody can
// say, and gone one on which it was not there.
func lived[T User | Credential, S any](
	t testing.TB, on *Snapshots, next func(T, *Snapshots, *S) (T, error), gone *S, days ...*S,
) T {
	var line T
	for i, s := range days {
		var err error
		if s == gone {
			var zero T
			line = zero
			continue
		}
		line, err = next(line, upTo(t, on, i+1), s)
		require.NoError(t, err)
	}
	return line
}

type (
	days = []*UserSeen
	uses = []*CredentialSeen
)

func TestWhenAUserEntered(t *testing.T) {
	gone := new(UserSeen)
	// Inactive for ten days on the first.
	base := UserSeen{Enabled: true, Known: true, Since: noon(-9), Name: "ada@contoso.com"}
	with := func(change func(*UserSeen)) *UserSeen {
		u := base
		change(&u)
		return &u
	}
	is := func(d int) *UserSeen { return with(func(u *UserSeen) { u.Since = noon(d) }) }
	disabled := with(func(u *UserSeen) { u.Enabled = false })
	dark := with(func(u *UserSeen) { u.Known = false })
	never := with(func(u *UserSeen) { u.Never = true })
	member := with(func(u *UserSeen) { u.Groups = []string{"Break-Glass"} })
	renamed := with(func(u *UserSeen) { u.Name = "Eve@contoso.com" })
	active := is(0)
	// In a grace until after the second snapshot, or until the very moment of the third.
	grace := with(func(u *UserSeen) { u.GraceUntil = noon(2).Add(time.Hour) })
	toThird := with(func(u *UserSeen) { u.GraceUntil = noon(3) })
	darkGrace := with(func(u *UserSeen) { u.Known, u.GraceUntil = false, noon(9) })

	for _, c := range []struct {
		what string
		q    UserQuestion
		days []*UserSeen
		want int // 0: not in the answer
	}{
		{"who is there from the first snapshot on", UserQuestion{}, days{&base, &base, &base}, 1},
		{"who appears", UserQuestion{}, days{gone, &base, &base}, 2},
		{"who was away and comes back is new", UserQuestion{}, days{&base, gone, &base}, 3},
		{"a snapshot that says nothing breaks no run", UserQuestion{}, days{&base, nil, &base}, 1},
		{"nor does one begin with it", UserQuestion{Enabled: new(true)}, days{disabled, nil, &base}, 3},
		{"nobody is in an answer that says nothing of them", UserQuestion{}, days{&base, &base, nil}, 0},
		{"who is gone", UserQuestion{}, days{&base, &base, gone}, 0},

		{"days pass: on the very moment a user is still active", UserQuestion{Days: 11},
			days{&base, &base, &base, &base}, 3},
		{"days have long passed", UserQuestion{Days: 9}, days{&base, &base}, 1},
		{"days have not passed", UserQuestion{Days: 13}, days{&base, &base}, 0},
		{"a sign-in between two snapshots of inactivity", UserQuestion{Days: 1},
			days{&base, is(2), is(2), is(2)}, 4},
		{"a sign-in that is learned when the days are over again", UserQuestion{Days: 2},
			days{&base, &base, is(0)}, 1},
		{"a sign-in that is taken back", UserQuestion{Days: 5}, days{active, active, &base}, 3},
		{"a sign-in that is taken back and comes again", UserQuestion{Days: 5}, days{active, &base, active}, 0},
		{"activity that was not disclosed breaks no run", UserQuestion{Days: 5}, days{&base, dark, &base}, 1},
		{"and none begins with it", UserQuestion{Days: 2}, days{active, active, dark, dark, active}, 5},
		{"nor is it inactivity", UserQuestion{Days: 2}, days{&base, &base, dark}, 0},
		{"but does not matter to other questions", UserQuestion{Enabled: new(true)}, days{dark, dark, dark}, 1},
		{"who is known for the first time", UserQuestion{Days: 5}, days{dark, dark, &base}, 3},
		{"days over while others were not disclosed", UserQuestion{Days: 11},
			days{&base, dark, dark, &base, &base}, 4},

		{"who is in a grace is not inactive", UserQuestion{Days: 5}, days{grace, grace}, 0},
		{"nor is anybody until it is over", UserQuestion{Days: 5}, days{grace, grace, grace, grace}, 3},
		{"on the very moment it is over", UserQuestion{Days: 5}, days{toThird, toThird, toThird}, 3},
		{"a grace breaks a run", UserQuestion{Days: 5}, days{&base, darkGrace, &base}, 3},
		{"when it is over the last sign of life counts", UserQuestion{Days: 12},
			days{grace, grace, grace, grace}, 4},
		{"who is in a grace is there", UserQuestion{}, days{&base, grace, &base}, 1},
		{"a grace of whom nothing was known", UserQuestion{}, days{&base, nil, &base}, 1},

		{"who is enabled again", UserQuestion{Days: 5, Enabled: new(true)},
			days{&base, disabled, disabled, &base}, 4},
		{"who is disabled", UserQuestion{Enabled: new(true)}, days{&base, disabled}, 0},
		{"who was enabled while nobody looked", UserQuestion{Enabled: new(true)},
			days{disabled, nil, nil, &base, &base}, 4},
		{"any guest", UserQuestion{Guest: new(false)}, days{with(func(u *UserSeen) { u.Guest = true }), &base}, 2},
		{"any licensed", UserQuestion{Licensed: new(true)},
			days{&base, with(func(u *UserSeen) { u.Licensed = true })}, 2},
		{"any synced", UserQuestion{Synced: new(true)},
			days{&base, with(func(u *UserSeen) { u.Synced = true })}, 2},
		{"who never signed in, and did", UserQuestion{Never: new(false)}, days{never, dark, &base}, 3},
		{"that nobody did is not known in between", UserQuestion{Never: new(true)}, days{never, dark, never}, 1},

		{"who lost the exception by a group", UserQuestion{Days: 5, Groups: []string{"break-glass"}},
			days{&base, member, &base}, 3},
		{"who has it", UserQuestion{Groups: []string{"break-glass"}}, days{&base, member, member}, 0},
		{"who had it when nobody was seen", UserQuestion{Groups: []string{"break-glass"}},
			days{member, nil, &base}, 3},
		{"who lost the exception by name", UserQuestion{Names: []string{"ADA@contoso.com"}},
			days{&base, renamed, renamed}, 2},
		{"who has the name of an exception", UserQuestion{Names: []string{"eve@contoso.com"}},
			days{&base, renamed}, 0},
		{"the last of several reasons counts",
			UserQuestion{Days: 11, Enabled: new(true), Names: []string{"eve@contoso.com"}},
			days{renamed, disabled, &base, &base}, 3},
	} {
		t.Run(c.what, func(t *testing.T) {
			on := daily(t, len(c.days), "break-glass")
			line := lived(t, on, User.Next, gone, c.days...)
			asked, err := c.q.On(on)
			require.NoError(t, err)
			got, ok := asked.Entered(line)
			require.Equal(t, c.want > 0, ok)
			if ok {
				require.Equal(t, c.want, got)
			}
		})
	}
}

func TestAGroupThatCouldNotBeReadBreaksNoRun(t *testing.T) {
	list := []Snapshot{{1, noon(1), []string{"g"}}, {2, noon(2), nil}, {3, noon(3), []string{"G"}}, {4, noon(4), nil}}
	on := func(n int) *Snapshots {
		s, err := NewSnapshots(list[:n])
		require.NoError(t, err)
		return s
	}
	q := UserQuestion{Groups: []string{"g"}}
	for _, first := range []struct {
		groups []string
		want   int
	}{{nil, 1}, {[]string{"g"}, 3}} {
		var u User
		for n, s := range []UserSeen{{Groups: first.groups}, {Groups: []string{"g"}}, {}, {}} {
			var err error
			u, err = u.Next(on(n+1), &s)
			require.NoError(t, err)
			asked, err := q.On(on(n + 1))
			require.NoError(t, err)
			got, ok := asked.Entered(u)
			require.Equal(t, n == 2 || n == 0 && first.groups == nil, ok, "snapshot %d", n+1)
			if n == 2 {
				require.Equal(t, first.want, got)
			}
		}
	}
}

// A timeline is not cut where a group could not be read: the run would seem to begin after that.
func TestWhatIsForgottenIsNotNewWhereAGroupCouldNotBeRead(t *testing.T) {
	var list []Snapshot
	for d := 1; d <= 30; d++ {
		s := Snapshot{Number: d, AsOf: noon(d)}
		if d <= 15 || d > 25 {
			s.Groups = []string{"g"}
		}
		list = append(list, s)
	}
	var u User
	for n := 1; n <= 30; n++ {
		on := must(newSnapshots(list[:n], 10*day))
		said := &UserSeen{Known: true}
		if 26 <= n && n <= 28 {
			said = nil
		}
		u = must(u.Next(on, said))
	}
	asked := must(UserQuestion{Groups: []string{"g"}}.On(must(newSnapshots(list, 10*day))))
	require.False(t, asked.Tells(u, Cursor{Number: 27}))
}

func TestSnapshotsRise(t *testing.T) {
	for _, list := range [][]Snapshot{
		nil, {{Number: 0, AsOf: noon(1)}}, {{Number: 1, AsOf: noon(1)}, {Number: 1, AsOf: noon(2)}},
		{{Number: 2, AsOf: noon(1)}, {Number: 1, AsOf: noon(2)}},
		{{Number: 1, AsOf: noon(1)}, {Number: 2, AsOf: noon(1)}},
	} {
		_, err := NewSnapshots(list)
		require.Error(t, err)
	}
}

func TestNothingIsKnownOfASnapshotThatATimelineSkipped(t *testing.T) {
	on := daily(t, 3)
	u := must(User{}.Next(upTo(t, on, 1), &UserSeen{Enabled: true}))
	u = must(u.Next(on, &UserSeen{}))
	n, ok := must(UserQuestion{Enabled: new(false)}.On(on)).Entered(u)
	require.True(t, ok)
	require.Equal(t, 3, n)
}

func TestATimelineGoesForwardOnly(t *testing.T) {
	on := daily(t, 2)
	u, err := User{}.Next(on, &UserSeen{})
	require.NoError(t, err)
	_, err = u.Next(on, &UserSeen{})
	require.Error(t, err)
	_, err = u.Next(upTo(t, on, 1), nil)
	require.Error(t, err)
	none, err := User{}.Next(on, nil)
	require.NoError(t, err)
	require.Equal(t, User{}, none, "who was never seen has none")
}

func TestTextsAreEqualWhateverTheirCase(t *testing.T) {
	for _, pair := range [][2]string{
		{"ADA", "ada"}, {"Straße", "strAße"}, {"\u212a", "k"}, {"ς", "Σ"}, {"a", "b"},
	} {
		require.Equal(t, strings.EqualFold(pair[0], pair[1]), hashOf(pair[0]) == hashOf(pair[1]), fmt.Sprint(pair))
	}
	require.Len(t, hashOf("a"), markLength)
}
