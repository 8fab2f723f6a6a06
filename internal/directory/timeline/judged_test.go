package timeline

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Snapshots begin at noon of a day, some also two hours later. The first answer is from that of the
// first day, and judged ten hours later.
func TestWhatAFirstAnswerThatWasJudgedLaterToldOf(t *testing.T) {
	at := func(hours int) time.Time { return noon(1).Add(time.Duration(hours) * time.Hour) }
	ends := func(hours int) *CredentialSeen {
		return &CredentialSeen{Start: noon(-90), End: at(hours), Used: true, Idle: noon(-1)}
	}
	used := func(hours int) *CredentialSeen {
		return &CredentialSeen{Start: noon(-90), Used: true, Idle: at(hours)}
	}
	dark := &CredentialSeen{Start: noon(-90), End: at(24*30 + 5)}
	secret := *ends(24*30 + 5)
	secret.Secret = true
	gone := new(CredentialSeen)
	expiring := CredentialQuestion{Expiring: true, Within: 30 * day}
	unused := CredentialQuestion{Unused: true, UnusedFor: 7 * day}
	both := CredentialQuestion{Expiring: true, Unused: true, Within: 30 * day, UnusedFor: 7 * day}
	certificates := expiring
	certificates.Secret = new(false)
	passes := 24*30 + 5 // its end is within 30 days from five hours after the first snapshot on

	for _, c := range []struct {
		what  string
		q     CredentialQuestion
		hours []int // of the snapshots
		seen  uses
		want  []int // the calls, by index of their snapshot, that tell of it
	}{
		{"what passed the line before it was judged is told by the first answer", expiring,
			[]int{0, 24, 48}, uses{ends(passes), ends(passes), ends(passes)}, nil},
		{"what passes it later is told later", expiring,
			[]int{0, 24, 48}, uses{ends(passes + 6), ends(passes + 6), ends(passes + 6)}, []int{1}},
		{"on the very moment it has passed", expiring,
			[]int{0, 24}, uses{ends(24*30 + 10), ends(24*30 + 10)}, nil},
		{"no use for long enough when it was judged", unused,
			[]int{0, 24}, uses{used(-7*24 + 9), used(-7*24 + 9)}, nil},
		{"not on the very moment", unused,
			[]int{0, 24}, uses{used(-7*24 + 10), used(-7*24 + 10)}, []int{1}},
		{"use that was not disclosed was not judged", unused,
			[]int{0, 24}, uses{dark, used(-7*24 + 5)}, []int{1}},
		{"but does not matter where it ends", both, []int{0, 24}, uses{dark, dark}, nil},
		{"a snapshot from before it was judged does not break the run", expiring,
			[]int{0, 2, 24}, uses{ends(passes), ends(passes), ends(passes)}, nil},
		{"but where it had changed", expiring,
			[]int{0, 2, 24}, uses{ends(passes), ends(24 * 99), ends(passes)}, []int{2}},
		{"or was absent", expiring, []int{0, 2, 24}, uses{ends(passes), gone, ends(passes)}, []int{2}},
		{"nor does one at whose time it was in the answer", expiring,
			[]int{0, 2, 24}, uses{ends(passes), ends(5), ends(passes)}, nil},
		{"what left later and comes back is told", expiring,
			[]int{0, 24, 48}, uses{ends(passes), ends(24 * 99), ends(passes)}, []int{2}},
		{"what nobody can say breaks no run", expiring,
			[]int{0, 24, 48}, uses{ends(passes), nil, ends(passes)}, nil},
		{"however long", expiring,
			[]int{0, 24, 48, 72}, uses{ends(passes), nil, nil, ends(passes)}, nil},
		{"what a filter left out was not told", certificates,
			[]int{0, 24, 48}, uses{&secret, ends(passes), ends(passes)}, []int{1}},
		{"what had expired was not told, and is where it gets another end", expiring,
			[]int{0, 24, 48}, uses{ends(5), ends(passes), ends(passes)}, []int{1}},
		{"what had expired, and stays so", expiring, []int{0, 24, 48}, uses{ends(5), ends(5), ends(5)}, nil},
		{"what nobody could say at first is told once", expiring,
			[]int{0, 24, 48, 72}, uses{nil, ends(passes), ends(passes), ends(passes)}, []int{1}},
	} {
		t.Run(c.what, func(t *testing.T) {
			var (
				list   []Snapshot
				line   Credential
				cursor Cursor
				told   []int
			)
			for i, seen := range c.seen {
				list = append(list, Snapshot{Number: i + 1, AsOf: at(c.hours[i])})
				on := must(NewSnapshots(list))
				if line = must(line.Next(on, seen)); seen == gone {
					line = Credential{}
				}
				asked := must(c.q.On(on))
				if i == 0 {
					cursor = cursor.After(list[0], asked.Waits(line, cursor)).JudgedAt(at(10))
					require.False(t, asked.Tells(line, cursor), "there is no new snapshot")
					continue
				}
				if asked.Tells(line, cursor) {
					told = append(told, i)
				}
				cursor = cursor.After(list[i], asked.Waits(line, cursor))
				cursor = must(Open(archiveKey, cursor.Seal(archiveKey), ""))
			}
			require.Equal(t, c.want, told)
			require.Zero(t, cursor.Began, "it need not be kept")
		})
	}
}

// Numbers are seconds since 1970: between two snapshots there are many that are none.
func TestNothingIsKnownBetweenTwoSnapshots(t *testing.T) {
	var list []Snapshot
	var c Credential
	for d, end := range []time.Time{noon(3).Add(-time.Hour), noon(3).Add(-time.Hour), noon(9)} {
		list = append(list, Snapshot{Number: int(noon(d + 1).Unix()), AsOf: noon(d + 1)})
		c = must(c.Next(must(NewSnapshots(list)), &CredentialSeen{End: end}))
	}
	asked := must(CredentialQuestion{Expiring: true, Within: 30 * day}.On(must(NewSnapshots(list))))
	n, ok := asked.Entered(c)
	require.True(t, ok)
	require.Equal(t, list[0].Number, n, "it was never seen to have expired")
}

func TestHowLongItMattersWhenTheFirstAnswerWasJudged(t *testing.T) {
	at := func(n int) Snapshot { return Snapshot{Number: n, AsOf: noon(n)} }
	first := Cursor{Archive: "a", Question: "q"}.After(at(1), true)
	require.Equal(t, first, first.JudgedAt(noon(1)), "at the time of its snapshot")
	require.Zero(t, Cursor{}.JudgedAt(noon(1)).Began)
	late := noon(2).Add(time.Hour + 300*time.Nanosecond)
	judged := first.JudgedAt(late.Add(99 * time.Nanosecond))
	require.Equal(t, Cursor{Archive: "a", Question: "q", Number: 1, AsOf: noon(1), Began: 1, Judged: late}, judged)
	require.Equal(t, judged, must(Open(archiveKey, judged.Seal(archiveKey), "a")))

	next := judged.After(at(2), false)
	require.Equal(t, 1, next.Began, "the snapshot is older")
	require.Zero(t, next.After(at(3), false).Began)
	next = next.After(at(3), true)
	require.Equal(t, 1, next.Began, "something waits")
	require.Equal(t, late, next.After(at(4), true).Judged)
	require.Zero(t, next.After(at(4), false).Began)

	plain := Cursor{Archive: "a", Question: "q", Number: 3, AsOf: noon(3)}
	waiting := plain
	waiting.Earlier = []int{0}
	anew := Cursor{Archive: "a", Question: "q"}.After(at(3), false).JudgedAt(noon(4))
	for what, c := range map[string]struct {
		kept, offered Cursor
		began         int
	}{
		"nothing waits":                 {judged, plain, 0},
		"something waits":               {judged, waiting, 1},
		"the snapshot is older":         {judged.JudgedAt(noon(4)), plain, 1},
		"the offered one began anew":    {judged, anew, 3},
		"the kept one is another":       {plain.After(at(4), false), judged.After(at(5), true), 0},
		"the kept one had waited":       {judged.After(at(2), true), judged.After(at(3), true), 1},
		"the first of a reader":         {Cursor{}, judged, 1},
		"one that a reader has already": {anew, judged, 3},
	} {
		got, err := Advance(c.kept, c.offered)
		require.NoError(t, err, what)
		require.Equal(t, c.began, got.Began, what)
	}
}

// A cursor is sent in a URL, and so is a skip token that holds it again.
func TestTheLongestCursorFitsIntoAURL(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	archive := "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
	begin := time.Date(2026, time.January, 1, 1, 10, 0, 0, time.UTC)
	c := Cursor{Archive: archive, Question: UserQuestion{Days: 90}.ID()}
	for d := range 3 * maxCalls {
		at := begin.AddDate(0, 0, d).Add(time.Duration(d*7919%30000) * time.Second)
		c = c.After(Snapshot{Number: int(at.Unix()), AsOf: at}, true)
		if d == 0 {
			c = c.JudgedAt(at.Add(6*time.Hour + 300*time.Nanosecond))
		}
	}
	require.Len(t, c.Earlier, maxCalls)
	require.Equal(t, int(begin.Unix()), c.Base(), "nothing is forgotten")
	text := c.Seal(key)
	require.Less(t, len(text), 2000)
	require.Equal(t, c, must(Open(key, text, archive)))
	t.Logf("%d characters", len(text))
}

func TestTheListOfSnapshotsIsTrimmed(t *testing.T) {
	require.Empty(t, Trim(nil))
	var list []Snapshot
	for d := 1; d <= 2000; d++ {
		list = Trim(append(list, Snapshot{Number: d, AsOf: noon(d)}))
	}
	require.Len(t, list, 801)
	require.Equal(t, 1200, list[0].Number, "it is 800 days old to the minute")
	all := daily(t, 2000)
	require.Equal(t, must(NewSnapshots(list)), all, "the others never were")
	require.Equal(t, 1600, all.Oldest())
}

// Who was last judged before all snapshots of the list is told again.
func TestATimelineStaysShortWhereActivityIsNotDisclosed(t *testing.T) {
	var (
		list []Snapshot
		u    User
		c    Credential
	)
	for d := 1; d <= 300; d++ {
		list = trim(append(list, Snapshot{Number: d, AsOf: noon(d)}), 20*day)
		on := must(newSnapshots(list, 20*day))
		if d%3 == 0 {
			u, c = must(u.Next(on, nil)), must(c.Next(on, nil))
			continue
		}
		u = must(u.Next(on, &UserSeen{Name: fmt.Sprint(d), Known: d < 5, Since: noon(-9)}))
		c = must(c.Next(on, &CredentialSeen{Object: fmt.Sprint(d), Start: noon(d)}))
	}
	require.Less(t, len(must(json.Marshal(u))), 1000)
	require.Less(t, len(must(json.Marshal(c))), 1500)
	on := must(newSnapshots(append(list, Snapshot{Number: 301, AsOf: noon(301)}), 20*day))
	u = must(u.Next(on, &UserSeen{Known: true, Since: noon(-9)}))
	require.Equal(t, []age{{first: 301, since: ticksOf(noon(-9))}}, u.ages)
	n, ok := must(UserQuestion{Days: 5}.On(on)).Entered(u)
	require.True(t, ok)
	require.Equal(t, 301, n)
	n, ok = must(UserQuestion{Enabled: new(false)}.On(on)).Entered(u)
	require.True(t, ok)
	require.Less(t, n, on.Oldest())
}

func TestWhatWasNotSeenForLongIsForgotten(t *testing.T) {
	on := daily(t, 402)
	u := must(User{}.Next(upTo(t, on, 1), &UserSeen{}))
	c := must(Credential{}.Next(upTo(t, on, 1), &CredentialSeen{}))
	for n := 2; n <= 402; n++ {
		on := upTo(t, on, n)
		u, c = must(u.Next(on, nil)), must(c.Next(on, nil))
		require.Equal(t, n == 402, u.Forgotten(on), n)
		require.Equal(t, n == 402, c.Forgotten(on), n)
	}
	require.False(t, must(User{}.Next(on, &UserSeen{})).Forgotten(on))
}
