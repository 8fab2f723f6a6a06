package simtenant

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFormKeepsTheTextOfWhatItDoesNotChange(t *testing.T) {
	r := &rule{}
	r.member("gone").left = true
	r.member("kind").newer = map[string]bool{`"new"`: true}
	r.member("in").member("gone").left = true
	for text, want := range map[string]string{
		`{}`:                               `{}`,
		` { } `:                            ` { } `,
		`{"gone":1}`:                       `{}`,
		`{"gone":1 , "a":2}`:               `{ "a":2}`,
		`{"a":2 ,"gone":{"x":"}"}}`:        `{"a":2 }`,
		`{"a":[{"gone":1}],"gone":1}`:      `{"a":[{"gone":1}]}`,
		`{"in":[ {"gone":1,"b":2},3 ]}`:    `{"in":[ {"b":2},3 ]}`,
		`{"in":{"gone":"\\\"","b":[]}}`:    `{"in":{"b":[]}}`,
		`{"kind":"new","kind":"old"}`:      `{"kind":"unknownFutureValue","kind":"old"}`,
		`{"kind":["old","new"],"x":"new"}`: `{"kind":["old","unknownFutureValue"],"x":"new"}`,
		`{"gone":1.50,"gone":2,"n":1.50}`:  `{"n":1.50}`,
	} {
		require.Equal(t, want, string(form{rule: r}.append(nil, []byte(text))), text)
		require.Equal(t, "x"+want, string(form{rule: r}.append([]byte("x"), []byte(text))), text)
	}
}

func TestWhatIsNoJSONIsServedAsItIs(t *testing.T) {
	r := &rule{}
	r.member("gone").left = true
	whole := `{"a":[1,{"b":"\"x\""}],"gone":{"c":null},"d":true}`
	require.Equal(t, `{"a":[1,{"b":"\"x\""}],"d":true}`, string(form{rule: r}.append(nil, []byte(whole))))
	for cut := range len(whole) {
		require.Equal(t, whole[:cut], string(form{rule: r, spell: true}.append(nil, []byte(whole[:cut]))))
	}
	for _, text := range []string{`{"gone":1}}`, `{"gone":1,}`, `{"gone" 1}`, `{gone:1}`, `{"gone":}`,
		`nonsense {"gone":1}`} {
		require.Equal(t, text, string(form{rule: r}.append(nil, []byte(text))), text)
	}
}

func TestAnotherSpellingMeansTheSame(t *testing.T) {
	for value, want := range map[string]string{
		`"2026-11-21T14:30:00Z"`:    `"2026-11-21T14:30:00.0000000Z"`,
		`"2026-11-21T14:30:00.12Z"`: `"2026-11-21T14:30:00.1200000Z"`,
		`"Zoë 🚀"`:                   `"Zo\u00eb \ud83d\ude80"`, `"\u00eb"`: `"\u00eb"`, `""`: `""`,
		`0`: `0.0`, `-12`: `-12.0`, `1.5`: `1.5`, `1e3`: `1e3`, `null`: `null`, `true`: `true`,
	} {
		require.Equal(t, want, string(appendOtherwise(nil, []byte(value))))
	}
}
