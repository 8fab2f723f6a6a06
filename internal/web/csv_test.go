package web_test

import (
	"context"
	"net/http"
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

// TestAHeadOfAFileReadsNoMoreThanItsBegin: all of a tenant's users would be read for nothing, in the
// place of a file that somebody wants.
func TestAHeadOfAFileReadsNoMoreThanItsBegin(t *testing.T) {
	read := make(chan int, 1)
	endless := func(context.Context, web.Request) (web.Answer, error) {
		return web.File("rows.csv", nil, func(yield func(row) error) (err error) {
			n := 0
			for ; n < 1_000_000 && err == nil; n++ {
				err = yield(row{Name: "a"})
			}
			read <- n
			return err
		}), nil
	}
	server, log := limited(t, web.DefaultLimits(), does("rows", web.Large, endless))
	resp, err := http.Head(server.URL + "/api/rows")
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "text/csv; charset=utf-8", resp.Header.Get("Content-Type"))
	require.Less(t, <-read, 10_000)
	require.NotContains(t, log.String(), "hung up")
}
