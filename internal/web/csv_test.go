package web_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/web"
)

type inner struct {
	Text string `json:"text"`
}

type row struct {
	Name  string `json:"name"`
	Count int64  `json:"count,omitempty"`
	Inner *inner `json:"inner,omitempty"`
}

func TestCSVIsSafeForExcel(t *testing.T) {
	w := httptest.NewRecorder()
	require.NoError(t, web.CSV(w, "rows.csv", []row{
		{"plain", 1, nil},
		{"=HYPERLINK(\"http://x\")", -2, &inner{"a,b\nc"}},
		{"@cmd", 0, &inner{"-1"}},
	}))
	require.Equal(t, "\ufeffname,count,inner.text\r\nplain,1,\r\n\"'=HYPERLINK(\"\"http://x\"\")\",-2,\"a,b\r\nc\"\r\n'@cmd,0,'-1\r\n", w.Body.String())
	require.Equal(t, "text/csv; charset=utf-8", w.Header().Get("Content-Type"))
}

func TestWhoAsksForCSVGetsIt(t *testing.T) {
	for query, want := range map[string]bool{"": false, "?$format=csv": true, "?$format=json": false} {
		got, err := web.WantsCSV(httptest.NewRequest(http.MethodGet, "/api/coverage"+query, nil))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	r := httptest.NewRequest(http.MethodGet, "/api/coverage", nil)
	r.Header.Set("Accept", "text/csv")
	got, err := web.WantsCSV(r)
	require.NoError(t, err)
	require.True(t, got)
	_, err = web.WantsCSV(httptest.NewRequest(http.MethodGet, "/api/coverage?$format=xml", nil))
	require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err))
}
