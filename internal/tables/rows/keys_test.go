package rows_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

func TestAnEscapedTextIsValidInAKeyAndComesBack(t *testing.T) {
	for _, text := range []string{"", "plain-text_1.2:3@,()", `a/b\c#d?e%f+g'h`, "tab\tnul\u0000del\u007f", "é 漢 😀",
		"~", "~41", "!v",
		" ", string([]byte{0xff, 0xfe})} {
		key := rows.Escape(text)
		require.False(t, strings.ContainsFunc(key, func(r rune) bool {
			return r < ' ' || r > '~' || strings.ContainsRune(`/\#?%+' !`, r)
		}), "%q", key)
		back, err := rows.Unescape(key)
		require.NoError(t, err)
		require.Equal(t, text, back)
	}
	for _, key := range []string{"a~", "a~4", "~xy"} {
		_, err := rows.Unescape(key)
		require.Error(t, err, key)
	}
}

func TestTimesAreReadAsRowsHaveThem(t *testing.T) {
	for _, text := range []string{"2026-11-21T14:05:10Z", "2026-11-21T14:05:10.1Z", "2026-11-21T14:05:10.1234567Z",
		"2028-02-29T00:00:00Z"} {
		want, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		got, ok := rows.ParseTick(text)
		require.True(t, ok, text)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "2026-11-21", "2026-13-21T14:05:10Z", "2026-02-30T14:05:10Z",
		"2026-11-21T24:05:10Z",
		"2026-11-21T14:05:10+01:00", "2026-11-21T14:05:10.Z", "2026-11-21T14:05:10.12345678Z", "2026-11-21 14:05:10Z"} {
		_, ok := rows.ParseTick(text)
		require.False(t, ok, text)
	}
}

func TestLongTextsAreCutToWhatAPropertyHolds(t *testing.T) {
	require.Equal(t, "short", rows.Clip("short"))
	require.Less(t, len(rows.Clip(strings.Repeat("x", 100_000))), 32_768)
}

func TestJSONIsScannedAsFarAsItIsWhole(t *testing.T) {
	var names []string
	collect := func(name, value []byte) bool {
		names = append(names, string(name)+"="+string(value))
		return string(name) != "stop"
	}
	require.True(t, rows.Members([]byte(`{ "a" : "x\"}" , "b":[1,{"c":"]"}], "d":-1.5e3,"e":null}`), collect))
	require.Equal(t, []string{`a="x\"}"`, `b=[1,{"c":"]"}]`, "d=-1.5e3", "e=null"}, names)
	require.True(t, rows.Members([]byte(`{"stop":1,garbage`), collect), "it was not read on")
	for _, text := range []string{"", "[]", `{"a"`, `{"a":`, `{"a":"x`, `{"a":1`, `{"a":1,}`, `{"a":[1}`} {
		require.False(t, rows.Members([]byte(text), func([]byte, []byte) bool { return true }), text)
	}
	all, ok := rows.Elements([]byte(`[ {"a":1}, "b,]" ,3 ]`), nil)
	require.True(t, ok)
	require.True(t, slices.EqualFunc(all, []string{`{"a":1}`, `"b,]"`, "3"}, func(b []byte, s string) bool {
		return string(b) == s
	}))
	for _, text := range []string{"", "{}", "[1", "[1,", `["a]`} {
		_, ok := rows.Elements([]byte(text), nil)
		require.False(t, ok, text)
	}
}

// noToken is an identity of which there is none.
type noToken struct{ err error }

func (n noToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, n.err
}

// silent is a network on which no request may be sent.
type silent struct{ t *testing.T }

func (s silent) RoundTrip(req *http.Request) (*http.Response, error) {
	s.t.Error("sent " + req.URL.String())
	return nil, http.ErrServerClosed
}

func TestAnIdentityWithoutATokenIsNamed(t *testing.T) {
	c, err := rows.New(rows.Config{ServiceURI: "https://acme.table.core.windows.net", Retries: -1,
		Credential: noToken{azidentity.NewCredentialUnavailableError("no managed identity\nand no developer's")},
		HTTP:       &http.Client{Transport: silent{t}}})
	require.NoError(t, err)
	_, err = c.Get(t.Context(), table, partition, "a", "read a")
	require.Equal(t, entra.CodeToken, entra.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, "az login")
	require.NotContains(t, err.Error(), "\n")
}
