package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/web"
)

func TestTheHeaderNamesTheNewestGapsAndIsShortAndASCII(t *testing.T) {
	var gaps []ledger.Gap
	begin := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	for i := range 40 {
		gaps = append(gaps, ledger.Gap{From: begin.AddDate(0, i, 0), To: begin.AddDate(0, i+1, 0),
			Reason: "purged by a rule with an ü,\r\nand " + strings.Repeat("more ü ", 100)})
	}
	h := http.Header{}
	web.SetGaps(h, gaps)
	text := h.Get("x-entraledger-gaps")
	require.Less(t, len(text), 1000)
	require.True(t, strings.HasPrefix(text, "2030-01-01T00:00:00Z/2030-02-01T00:00:00Z purged by a "+
		"rule with an ?,??and "), text)
	require.True(t, strings.HasSuffix(text, "; and 37 more"), text)
	require.NotRegexp(t, `[^ -~]`, text)

	h = http.Header{}
	web.SetGaps(h, nil)
	require.Empty(t, h)
}
