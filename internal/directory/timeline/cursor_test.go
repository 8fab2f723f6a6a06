package timeline

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
)

var archiveKey = []byte("the archive's key")

func TestACursorComesBackAsItWas(t *testing.T) {
	for _, c := range []Cursor{
		{Archive: "a", Question: "q"},
		{Archive: "a", Question: "q", Number: 7, AsOf: noon(7)},
		{Archive: "a", Question: "q", Number: 7, AsOf: noon(7), Earlier: []int{6, 3, 0}},
	} {
		got, err := Open(archiveKey, c.Seal(archiveKey), "a")
		require.NoError(t, err)
		require.Equal(t, c.Number, got.Number)
		require.Equal(t, c.Earlier, got.Earlier)
		require.True(t, c.AsOf.Equal(got.AsOf))
		require.Equal(t, c.Seal(archiveKey), got.Seal(archiveKey))
	}
}

func TestACursorThatCantBeUsedSaysWhy(t *testing.T) {
	var list []Snapshot
	for d := 1; d <= 500; d++ {
		if d != 490 {
			list = append(list, Snapshot{Number: d, AsOf: noon(d)})
		}
	}
	on, err := NewSnapshots(list)
	require.NoError(t, err)
	require.Equal(t, 100, on.Oldest(), "it is 400 days old to the minute")
	use := func(text string) error {
		c, err := Open(archiveKey, text, "archive")
		if err == nil {
			err = c.Check(on, "question")
		}
		return err
	}
	of := func(n int, change ...func(*Cursor)) string {
		c := Cursor{Archive: "archive", Question: "question", Number: n, AsOf: noon(n)}
		for _, f := range change {
			f(&c)
		}
		return c.Seal(archiveKey)
	}
	encode, good := base64.RawURLEncoding.EncodeToString, of(499)
	altered := func(at int) string {
		data, err := base64.RawURLEncoding.DecodeString(good)
		require.NoError(t, err)
		data[at] ^= 1
		return encode(data)
	}
	number := strings.Index(string(must(base64.RawURLEncoding.DecodeString(good))), `"n":499`) + 6
	other := Cursor{Archive: "archive", Question: "question", Number: 499}.Seal([]byte("other"))
	newer := []byte(`{"a":"archive","q":"question","n":499,"t":0,"new":1}`)
	newer = append(sign(archiveKey, newer), newer...)
	body := must(base64.RawURLEncoding.DecodeString(good))[signature:]
	mac := hmac.New(sha256.New, archiveKey)
	mac.Write(body)
	elsewhere := encode(append(mac.Sum(nil)[:signature], body...))
	foreign := of(499, func(c *Cursor) { c.Archive = "other" })
	before := of(499, func(c *Cursor) { c.AsOf = noon(498) })
	for what, c := range map[string]struct {
		text string
		want error
		code entra.Code
	}{
		"a good one":          {good, nil, ""},
		"the first":           {of(0), nil, ""},
		"the oldest":          {of(100), nil, ""},
		"one too old":         {of(99), ErrTooOld, entra.CodeTokenExpired},
		"one from the future": {of(501), ErrFuture, entra.CodeBadRequest},
		"one of another question": {
			of(499, func(c *Cursor) { c.Question = "other" }), ErrOtherQuestion, entra.CodeBadRequest,
		},
		"one of another archive":     {foreign, ErrForeign, entra.CodeTokenExpired},
		"one of an archive before":   {before, ErrForeign, entra.CodeTokenExpired},
		"one of no snapshot":         {of(490), ErrForeign, entra.CodeTokenExpired},
		"one with another number":    {altered(number), ErrAltered, entra.CodeBadRequest},
		"one with another seal":      {altered(0), ErrAltered, entra.CodeBadRequest},
		"one with another end":       {altered(len(good)*3/4 - 1), ErrAltered, entra.CodeBadRequest},
		"a shorter one":              {good[:len(good)-4], ErrAltered, entra.CodeBadRequest},
		"a seal alone":               {good[:20], ErrAltered, entra.CodeBadRequest},
		"nothing":                    {"", ErrAltered, entra.CodeBadRequest},
		"a time":                     {"2026-11-26T07:00:00Z", ErrAltered, entra.CodeBadRequest},
		"one of a newer version":     {encode(newer), ErrAltered, entra.CodeBadRequest},
		"one sealed for another use": {elsewhere, ErrAltered, entra.CodeBadRequest},
		"one sealed by another key":  {other, ErrAltered, entra.CodeBadRequest},
	} {
		err := use(c.text)
		require.ErrorIs(t, err, c.want, what)
		if c.want != nil {
			require.Equal(t, c.code, entra.CodeOf(err), what)
			require.Contains(t, err.Error(), "newSince", what)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestACursorOfASnapshotIsThatOfItsAnswer(t *testing.T) {
	on := daily(t, 9)
	c, err := At(on, "a", "q", 5)
	require.NoError(t, err)
	require.Equal(t, Cursor{Archive: "a", Question: "q"}.After(Snapshot{Number: 5, AsOf: noon(5)}, false), c)
	_, err = At(on, "a", "q", 10)
	require.ErrorIs(t, err, ErrFuture)
}

func TestACursorKeepsTheCallsBeforeOnlyWhereSomethingWaits(t *testing.T) {
	at := func(n int) Snapshot { return Snapshot{Number: n, AsOf: noon(n)} }
	c := Cursor{Archive: "a", Question: "q"}.After(at(3), true)
	require.Equal(t, []int{0}, c.Earlier)
	require.Equal(t, 0, c.Base())
	c = c.After(at(5), true)
	require.Equal(t, []int{3, 0}, c.Earlier)
	require.Equal(t, c, c.After(at(5), false), "there is no new snapshot")
	require.Equal(t, c, c.After(at(4), false))
	c = c.After(at(6), false)
	require.Empty(t, c.Earlier)
	require.Equal(t, 6, c.Base())
	for n := 7; n <= 7+2*maxCalls; n++ {
		c = c.After(at(n), true)
	}
	require.Len(t, c.Earlier, maxCalls)
	require.Equal(t, 6, c.Base(), "nothing is forgotten")
	require.Less(t, len(c.Seal(archiveKey)), 2000)
}

// A weekly caller asks on a day on which activity was not disclosed.
func TestWhatWaitsIsToldOnceItIsKnownAgain(t *testing.T) {
	on := daily(t, 5)
	idle := &UserSeen{Known: true, Since: noon(-9)}
	line := func(n int) User {
		all := days{{Known: true, Since: noon(1)}, idle, {}, idle, idle}
		return lived(t, upTo(t, on, n), User.Next, nil, all[:n]...)
	}
	asked := func(n int) Asked[User] { return must(UserQuestion{Days: 5}.On(upTo(t, on, n))) }
	at := func(n int) Snapshot { return Snapshot{Number: n, AsOf: noon(n)} }

	first := Cursor{}.After(at(1), false)
	require.False(t, asked(3).Tells(line(3), first), "nobody can say")
	require.True(t, asked(3).Waits(line(3), first))
	later := first.After(at(3), true)
	require.True(t, asked(4).Tells(line(4), later))
	require.False(t, asked(5).Tells(line(5), later.After(at(4), false)))

	daily := first.After(at(2), false)
	require.True(t, asked(2).Tells(line(2), first), "who asked the day before was told")
	require.False(t, asked(3).Waits(line(3), daily))
	require.False(t, asked(4).Tells(line(4), daily.After(at(3), true)), "whether or not it looks for what waits")
	require.False(t, asked(4).Tells(line(4), daily.After(at(3), false)))
}

func TestAReaderGoesForwardOnly(t *testing.T) {
	of := func(n int, earlier ...int) Cursor {
		return Cursor{Archive: "a", Question: "q", Number: n, AsOf: noon(n), Earlier: earlier}
	}
	for what, c := range map[string]struct{ kept, offered, want Cursor }{
		"a new one":                             {Cursor{}, of(5, 0), of(5, 0)},
		"a newer cursor":                        {of(3), of(5), of(5)},
		"one where something waits":             {of(3), of(5, 3), of(5, 3)},
		"the same again":                        {of(5), of(5), of(5)},
		"the same, of another run":              {of(5), of(5, 3), of(5)},
		"an older one":                          {of(5), of(3), of(5)},
		"two runs at once, the other one first": {of(5, 3), of(6, 3), of(6, 5, 3)},
		"what waited has come":                  {of(5, 3), of(6), of(6)},
		"one that an old run was given":         {of(5), of(6, 2), of(6, 5)},
	} {
		got, err := Advance(c.kept, c.offered)
		require.NoError(t, err, what)
		require.Equal(t, c.want, got, what)
	}
	for want, offered := range map[error]Cursor{
		ErrForeign:       {Archive: "b", Question: "q", Number: 9},
		ErrOtherQuestion: {Archive: "a", Question: "r", Number: 9},
	} {
		got, err := Advance(of(5), offered)
		require.ErrorIs(t, err, want)
		require.Equal(t, of(5), got)
	}
}

func BenchmarkGoingOnWithAUser(b *testing.B) {
	on := daily(b, 400)
	u := must(User{}.Next(upTo(b, on, 399), &UserSeen{Known: true, Since: noon(300), Name: "ada"}))
	doc := must(json.Marshal(u))
	for b.Loop() {
		var before User
		require.NoError(b, json.Unmarshal(doc, &before))
		must(json.Marshal(must(before.Next(on, &UserSeen{Known: true, Since: noon(400), Name: "ada"}))))
	}
}

func BenchmarkTellingOfAUser(b *testing.B) {
	on := daily(b, 400)
	u := must(User{}.Next(upTo(b, on, 399), &UserSeen{Known: true, Since: noon(300), Name: "ada"}))
	u = must(u.Next(on, &UserSeen{Known: true, Since: noon(300), Name: "ada"}))
	asked := must(UserQuestion{Days: 90, Enabled: new(false), Names: []string{"eve"}}.On(on))
	for b.Loop() {
		asked.Tells(u, Cursor{Number: 380, AsOf: time.Time{}})
	}
}
