package cursors_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/entra"
)

func TestNamesThatDifferInCaseAloneHaveOneKey(t *testing.T) {
	for _, same := range [][]string{
		{"daily-tickets", "Daily-Tickets", "DAILY-TICKETS"},
		{"überfällig.2026_v1", "ÜBERFÄLLIG.2026_V1"},
		{"σίσυφος", "ΣΊΣΥΦΟΣ", "ΣΊΣΥΦΟς"},
		{"kelvin", "\u212aelvin"},
		{"\u00e5", "\u212b", "\u00c5"},
		{"7"}, {"٧"}, {"-"}, {"a.."}, {"..a"}, {"報告"}, {strings.Repeat("ü", 64), strings.Repeat("Ü", 64)},
	} {
		first, err := cursors.KeyOf(same[0])
		require.NoError(t, err, same[0])
		again, err := cursors.KeyOf(first)
		require.NoError(t, err)
		require.Equal(t, first, again)
		for _, other := range same[1:] {
			key, err := cursors.KeyOf(other)
			require.NoError(t, err, other)
			require.Equal(t, first, key, other)
		}
	}
	for _, other := range [][2]string{{"straße", "strasse"}, {"a-b", "a_b"}, {"i", "ı"}, {"i", "İ"}, {"a", "ä"}} {
		one, err := cursors.KeyOf(other[0])
		require.NoError(t, err)
		two, err := cursors.KeyOf(other[1])
		require.NoError(t, err)
		require.NotEqual(t, one, two, "%v", other)
	}
}

func TestANameThatIsNoneIsRefused(t *testing.T) {
	for name, says := range map[string]string{
		"":                      "it is empty",
		strings.Repeat("x", 65): "it has 65 characters",
		strings.Repeat("é", 65): "it has 65 characters",
		".":                     `"." has only dots`,
		"..":                    `".." has only dots`,
		"a/b":                   `'/' (U+002F)`,
		`a\b`:                   `'\\' (U+005C)`,
		"a b":                   `' ' (U+0020)`,
		" a":                    `' ' (U+0020)`,
		`"a"`:                   `'"' (U+0022)`,
		"o'brien":               `'\'' (U+0027)`,
		"a@b.com":               `'@' (U+0040)`,
		"a+b":                   `'+' (U+002B)`,
		"a%20b":                 `'%' (U+0025)`,
		"a?b":                   `'?' (U+003F)`,
		"a#b":                   `'#' (U+0023)`,
		"a~41":                  `'~' (U+007E)`,
		"a!":                    `'!' (U+0021)`,
		"a\x00":                 `'\x00' (U+0000)`,
		"a\n":                   `'\n' (U+000A)`,
		"u\u0308":               `(U+0308)`,
		"a\u200d":               `(U+200D)`,
		"a\u202e":               `(U+202E)`,
		"\xff":                  `(U+FFFD)`,
		"½":                     `(U+00BD)`,
		"😀":                     `(U+1F600)`,
	} {
		_, err := cursors.KeyOf(name)
		require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err), "%q", name)
		require.ErrorContains(t, err, says, "%q", name)
		require.ErrorContains(t, err, "accepted are 1 to 64 letters, digits, -, _ and .", "%q", name)
	}
}
