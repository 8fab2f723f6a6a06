package web_test

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

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
	require.Equal(t, "\ufeffname,count,inner.text\r\nplain,1,\r\n"+
		"\"'=HYPERLINK(\"\"http://x\"\")\",-2,\"a,b\nc\"\r\n'@cmd,0,'-1\r\n", w.Body.String())
	require.Equal(t, "text/csv; charset=utf-8", w.Header().Get("Content-Type"))
}
