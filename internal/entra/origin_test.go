package entra_test

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
)

// TestAnOriginIsOneLineThatIsReadBackExactly whatever its texts hold, and no other text is one.
func TestAnOriginIsOneLineThatIsReadBackExactly(t *testing.T) {
	whole := entra.Origin{Kind: entra.Imported, SHA256: sha256.Sum256([]byte("file")),
		At: time.Date(2026, 11, 21, 14, 30, 0, 100, time.UTC), By: `Ann "Zoë" \ Example`, Name: "signins 2024\n.json"}
	for _, o := range []entra.Origin{whole, {Kind: entra.Delivered, SHA256: whole.SHA256, At: whole.At}, {}} {
		text := o.String()
		for i := range len(text) {
			require.True(t, text[i] >= ' ' && text[i] < 0x7f, "%q", text)
		}
		is, err := entra.ParseOrigin(text)
		require.NoError(t, err)
		require.Equal(t, o, is)
	}
	long := whole
	long.By = strings.Repeat("é", 300)
	is, err := entra.ParseOrigin(long.String())
	require.NoError(t, err)
	require.Len(t, is.By, 256)
	text := whole.String()
	for _, wrong := range []string{"read", text + " ", " " + text, strings.ToUpper(text[:20]) + text[20:],
		strings.Replace(text, "imported", "graph", 1), strings.Replace(text, ".0000001Z", "Z", 1),
		strings.TrimSuffix(text, `"`), strings.Replace(text, " ", "  ", 1), strings.Replace(text, `\u00eb`, "ë", 1),
		strings.Replace(text, text[9:73], strings.Repeat("0", 64), 1)} {
		_, err := entra.ParseOrigin(wrong)
		require.Error(t, err, wrong)
	}
	require.NoError(t, whole.Valid())
	for _, wrong := range []entra.Origin{{}, {Kind: "graph", SHA256: whole.SHA256, At: whole.At}, {Kind: entra.Imported,
		At: whole.At}, {Kind: entra.Imported, SHA256: whole.SHA256}} {
		require.Error(t, wrong.Valid())
	}
}
