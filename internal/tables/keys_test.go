package tables

import (
	"crypto/sha256"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

// forbidden are the characters that Table Storage refuses in keys or advises against.
const forbidden = "/\\#?%+'\u0000\u001f\u007f\u009f"

func TestAnIdCanBeReadBackFromItsRowKey(t *testing.T) {
	ids := []string{
		"1472f818-9be7-4279-9919-126f26c6d982", "Directory_1b2c_A3XYZ_123", "Invited Users_123456789",
		"a/b\\c#d?e%f+g'h",
		"tab\tnul\u0000del\u007f", "é 漢 😀", "~", "~41", "!v", "!p1", "a!v0011223344556677", " ", "trailing ",
		string([]byte{0xff, 0xfe}),
		strings.Repeat("x", 300),
	}
	for _, id := range ids {
		key := entra.Key{Time: at("2026-11-21T14:05:10.9301252Z"), ID: id}
		rk, whole := rowKey(key)
		require.True(t, whole)
		require.LessOrEqual(t, len(rk), 512)
		require.False(t, strings.ContainsAny(rk, forbidden), rk)
		got, err := parseRowKey(rk)
		require.NoError(t, err)
		require.Equal(t, key, got.key)
		require.False(t, got.isVersion)

		got, err = parseRowKey(partKey(versionKey(rk, sha256.Sum256([]byte("x"))), 2))
		require.NoError(t, err)
		require.Equal(t, key, got.key)
		require.True(t, got.isVersion)
		require.Equal(t, 2, got.part)
	}
}

func TestAnIdTooLongForAKeyKeepsItsKeyUnique(t *testing.T) {
	a, wholeA := rowKey(entra.Key{Time: at("2026-11-21T14:00:00Z"), ID: strings.Repeat("x", 2000) + "a"})
	b, wholeB := rowKey(entra.Key{Time: at("2026-11-21T14:00:00Z"), ID: strings.Repeat("x", 2000) + "b"})
	require.NotEqual(t, a, b)
	require.False(t, wholeA || wholeB, "the row needs a column Id")
	require.LessOrEqual(t, len(partKey(versionKey(a, entra.Hash{}), 999)), 512)
	got, err := parseRowKey(a)
	require.NoError(t, err)
	require.False(t, got.whole)
}

func TestRowsOfAWindowSortByTimeAndTheRowsOfARecordStayTogether(t *testing.T) {
	first, _ := rowKey(entra.Key{Time: at("2026-11-21T14:00:00Z"), ID: "a"})
	longer, _ := rowKey(entra.Key{Time: at("2026-11-21T14:00:00Z"), ID: "a b"})
	later, _ := rowKey(entra.Key{Time: at("2026-11-21T14:00:00.0000001Z"), ID: "A"})
	hash := entra.Hash(sha256.Sum256([]byte("x")))
	sorted := []string{first, partKey(first, 1), partKey(first, 2), versionKey(first, hash),
		partKey(versionKey(first, hash), 1), longer, later}
	require.True(t, slices.IsSorted(sorted), "%q", sorted)
	from, below := timeRange(at("2026-11-21T14:00:00Z"), at("2026-11-21T14:00:00Z"))
	for _, rk := range sorted[:6] {
		require.True(t, from <= rk && rk < below, rk)
	}
	require.False(t, later < below)
}

func TestRowKeysThatAreNotOursAreRefused(t *testing.T) {
	for _, rk := range []string{"", "2026-11-21", "2026-11-21T14:05:10.9301252Z", "2026-11-21T14:05:10.9301252Zx",
		"2026-13-21T14:05:10.9301252Z_a",
		"2026-11-21T14:05:10.9301252Z_a!pX", "2026-11-21T14:05:10.9301252Z_a!vXY", "2026-11-21T14:05:10.9301252Z_~4"} {
		_, err := parseRowKey(rk)
		require.Error(t, err, rk)
	}
}

func TestTablesAreNamedByStreamAndMonth(t *testing.T) {
	for _, s := range logs.Streams() {
		name := TableName(entra.WindowOf(s, at("2026-11-30T23:59:59Z")))
		require.Regexp(t, `^[a-z][a-z0-9]{2,62}$`, name)
		require.True(t, strings.HasSuffix(name, "202611"), name)
	}
	require.Equal(t, "signinsinteractive202611", TableName(entra.WindowOf(logs.SignInsInteractiveUser,
		at("2026-11-21T14:00:00Z"))))
}
