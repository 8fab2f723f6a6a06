package timeline

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnOrdinaryTimelineIsShort(t *testing.T) {
	var (
		u     User
		c     Credential
		whole = daily(t, 500, "group-one")
	)
	for n := range whole.list {
		whole.list[n].number = int(whole.list[n].asOf / perSecond) // numbers as long as a tenant's
	}
	for n := 1; n <= 500; n++ {
		on := &Snapshots{list: whole.list[:n], oldest: max(0, n-401)}
		on.anchors = on.findAnchors()
		var err error
		u, err = u.Next(on, &UserSeen{
			Enabled: true, Licensed: true, Name: "somebody@contoso.com",
			Known: true, Since: noon(n).Add(-time.Duration(n%30) * time.Hour),
		})
		require.NoError(t, err)
		c, err = c.Next(on, &CredentialSeen{
			Secret: true, Application: true, Object: "an object", Owners: []string{"id", "somebody@contoso.com"},
			Start: noon(-9), End: noon(700), Used: true, Idle: noon(n).Add(-time.Duration(n%50) * time.Hour),
		})
		require.NoError(t, err)
	}
	user, err := json.Marshal(u)
	require.NoError(t, err)
	require.Less(t, len(user), 100, string(user))
	credential, err := json.Marshal(c)
	require.NoError(t, err)
	require.Less(t, len(credential), 160, string(credential))
	t.Logf("%d bytes: %s", len(user), user)
	t.Logf("%d bytes: %s", len(credential), credential)
}

func TestATimeOfLongAgoIsStored(t *testing.T) {
	on := daily(t, 2)
	u := must(User{}.Next(upTo(t, on, 1), &UserSeen{Known: true, Since: noon(1)}))
	u = must(u.Next(on, &UserSeen{Known: true})) // the year 1
	var again User
	require.NoError(t, json.Unmarshal(must(json.Marshal(u)), &again))
	require.Equal(t, u, again)
	require.Len(t, u.ages, 2)
}

func TestWhatIsStoredIsRefusedWhereItIsNotUnderstood(t *testing.T) {
	for doc, want := range map[string]error{
		`{"n":3,"f":1,"s":[[1,-1700000000.05]]}`: nil,
		`{"n":3,"f":1}`:                          nil,
		`{"n":3,"f":1,"s":[[1,-0.5,1],[2,1700000000.1234567]],"g":[[1,3]],"u":[[0,2]],"d":[[0,1]],` +
			`"m":["abcdefgh","abcdefgi2"]}`: nil,
		`{"n":3,"f":1,"x":1}`:                       ErrNewer,
		`{"n":3}`:                                   ErrBroken,
		`{"f":1}`:                                   ErrBroken,
		`{"n":1,"f":2}`:                             ErrBroken,
		`[]`:                                        ErrBroken,
		`{"n":3,"f":1,"s":[[1,5]],"e":[[1,5]]}`:     ErrBroken,
		`{"n":3,"f":1,"s":[[4,5]]}`:                 ErrBroken,
		`{"n":3,"f":1,"s":[[1]]}`:                   ErrBroken,
		`{"n":3,"f":1,"s":[[1,1,2]]}`:               ErrBroken,
		`{"n":3,"f":1,"s":[[1,1],[2,1]]}`:           ErrBroken,
		`{"n":3,"f":1,"s":[[1,1,2],[2,1]]}`:         ErrBroken,
		`{"n":3,"f":1,"s":[[1,1e9]]}`:               ErrBroken,
		`{"n":3,"f":1,"s":[[1,1.12345678]]}`:        ErrBroken,
		`{"n":3,"f":1,"s":[[1,99999999999999]]}`:    ErrBroken,
		`{"n":3,"f":1,"s":[[1.5,1]]}`:               ErrBroken,
		`{"n":3,"f":1,"g":[[2,1]]}`:                 ErrBroken,
		`{"n":3,"f":1,"g":[[1,0],[1,3]]}`:           ErrBroken,
		`{"n":3,"f":1,"g":[[3,0]]}`:                 ErrBroken,
		`{"n":3,"f":1,"g":[[1,4]]}`:                 ErrBroken,
		`{"n":3,"f":1,"d":[[8,1]]}`:                 ErrBroken,
		`{"n":3,"f":1,"d":[[-1,1]]}`:                ErrBroken,
		`{"n":3,"f":1,"d":[[1,3]]}`:                 ErrBroken,
		`{"n":3,"f":1,"m":["abc"]}`:                 ErrBroken,
		`{"n":3,"f":1,"m":["abcdefgh4"]}`:           ErrBroken,
		`{"n":3,"f":1,"m":["abcdefghx"]}`:           ErrBroken,
		`{"n":3,"f":1,"m":["b2345678","a2345678"]}`: ErrBroken,
		`{"n":3,"f":1,"o":["abcdefgh"]}`:            ErrBroken,
	} {
		var u User
		require.ErrorIs(t, json.Unmarshal([]byte(doc), &u), want, doc)
		if want == nil {
			again, err := json.Marshal(u)
			require.NoError(t, err)
			require.JSONEq(t, doc, string(again))
		}
	}
	for doc, want := range map[string]error{
		`{"n":3,"f":1,"e":[[1,5],[2,5,-62135596800]],"s":[[1,5]],"o":["abcdefgh","abcdefgi2"]}`: nil,
		`{"n":3,"f":1}`:                               ErrBroken,
		`{"n":3,"f":1,"e":[[2,5],[1,5]]}`:             ErrBroken,
		`{"n":3,"f":1,"e":[[1,5,6,7]]}`:               ErrBroken,
		`{"n":3,"f":1,"e":[[1,5]],"s":[[1,5,1]]}`:     ErrBroken,
		`{"n":3,"f":1,"e":[[1,5]],"o":["abcdefgi9"]}`: ErrBroken,
		`{"n":3,"f":1,"e":[[1,5]],"y":0}`:             ErrNewer,
	} {
		var c Credential
		require.ErrorIs(t, json.Unmarshal([]byte(doc), &c), want, doc)
	}
}

func FuzzReadingATimeline(f *testing.F) {
	f.Add([]byte(`{"n":3,"f":1,"s":[[1,5,1],[2,6]],"g":[[1,3]],"u":[[0,2]],"d":[[0,1]],"m":["abcdefgh"]}`))
	f.Add([]byte(`{"n":3,"f":1,"s":[[1,5],[2,6]],"e":[[1,5,7],[2,5]],"o":["abcdefgh2"],"b":3}`))
	on := daily(f, 5, "g")
	f.Fuzz(func(t *testing.T, doc []byte) {
		var u User
		if json.Unmarshal(doc, &u) == nil {
			asked, err := UserQuestion{Days: 1, Never: new(true), Groups: []string{"g"}}.On(on)
			require.NoError(t, err)
			asked.Tells(u, Cursor{Number: 1})
			asked.Waits(u, Cursor{Number: 1, Earlier: []int{0}, Began: 1, Judged: noon(2)})
			_, err = u.Next(on, &UserSeen{Known: true})
			require.True(t, err == nil || u.item.At >= 5)
		}
		var c Credential
		if json.Unmarshal(doc, &c) == nil {
			asked, err := CredentialQuestion{Expired: true, Unused: true, UnusedFor: 8 * day, Owner: "a"}.On(on)
			require.NoError(t, err)
			asked.Tells(c, Cursor{Number: 1})
			asked.Waits(c, Cursor{Number: 1, Earlier: []int{0}, Began: 1, Judged: noon(2)})
			_, err = c.Next(on, &CredentialSeen{Used: true})
			require.True(t, err == nil || c.item.At >= 5)
		}
	})
}
