package downloads_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/downloads"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/export"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/search/searchtest"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

var begin = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

const stream = logs.SignInsInteractiveUser

// signIn is a sign-in at a minute of the day, with two steps.
func signIn(id string, minute int) map[string]any {
	step := map[string]any{"authenticationMethod": "=Password"}
	at := begin.Add(time.Duration(minute) * time.Minute).Format(time.RFC3339)
	return map[string]any{"id": id, "createdDateTime": at, "userDisplayName": "A",
		"authenticationDetails": []any{step, step}}
}

func serve(t *testing.T, a *searchtest.Archive) string {
	known := streams.New([]entra.Stream{stream}, nil)
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", downloads.New(downloads.Config{Archive: a, Streams: known,
		Gaps: search.NewGaps(a), Now: a.Now}))
	require.NoError(t, err)
	server := httptest.NewServer(host)
	t.Cleanup(server.Close)
	return server.URL + "/api/downloads"
}

// get reads a file to its end; its trailer is there then.
func get(t *testing.T, address string) (*http.Response, string, error) {
	t.Helper()
	resp, err := http.Get(address) // compressed on its way
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

const (
	rowKey = "2026-11-21T00:02:00.0000000Z_b"
	why    = `its "hash" differs`
	said   = `,"@entraledger.tampered":"its \"hash\" differs","@entraledger.rowKey":"` + rowKey + `"}`
	object = `{"id":"b","createdDateTime":"2026-11-21T00:02:00Z"` + said
	step   = `{"Request ID":"b","Date (UTC)":"2026-11-21T00:02:00Z"` + said
)

func TestAFileGoesOnBehindAnAlteredRecordAndHasARowForIt(t *testing.T) {
	a := searchtest.New(t, stream, begin, signIn("a", 1), signIn("b", 2), signIn("c", 90))
	a.Altered["b"] = why
	files := serve(t, a)
	for _, filter := range []string{"", "&$filter=startswith(userDisplayName,'A')"} {
		resp, body, err := get(t, files+"/InteractiveSignIns?format=csv"+filter)
		require.NoError(t, err)
		require.Equal(t, "1", resp.Trailer.Get("X-EntraLedger-Tampered"))
		require.Empty(t, resp.Header.Get("X-EntraLedger-Tampered"),
			"the number is not known before the file is written")
		rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "\ufeff"))).ReadAll()
		require.NoError(t, err)
		require.Len(t, rows, 4)
		last := len(rows[0]) - 1
		require.Equal(t, "entraledger.tampered", rows[0][last])
		require.Equal(t, []string{"2026-11-21T00:02:00Z", "b"}, rows[2][:2])
		require.Equal(t, "row "+rowKey+": "+why, rows[2][last])
		require.Empty(t, strings.Join(rows[2][2:last], ""), "nothing else is known of it, and nothing is made up")
		require.Equal(t, []string{"a", "", "c", ""}, []string{rows[1][1], rows[1][last], rows[3][1], rows[3][last]})

		_, body, err = get(t, files+"/InteractiveSignIns?format=ndjson"+filter)
		require.NoError(t, err)
		require.Equal(t, object, strings.Split(body, "\n")[1])
		require.Equal(t, 3, strings.Count(body, "\n"), "each line is a record")
		_, body, err = get(t, files+"/InteractiveSignIns?format=json"+filter)
		require.NoError(t, err)
		var list []map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &list))
		require.Equal(t, []any{"a", "b", "c"}, []any{list[0]["id"], list[1]["id"], list[2]["id"]})
		require.Contains(t, body, object)
	}
}

// TestAFileOfElementsHasOneRowForAnAlteredRecord: how many it had is not known.
func TestAFileOfElementsHasOneRowForAnAlteredRecord(t *testing.T) {
	a := searchtest.New(t, stream, begin, signIn("a", 1), signIn("b", 2), signIn("c", 90))
	a.Altered["b"] = why
	files := serve(t, a)
	_, body, err := get(t, files+"/InteractiveSignInsAuthDetails?format=ndjson")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	require.Len(t, lines, 5)
	require.Equal(t, step, lines[2])
	_, body, err = get(t, files+"/InteractiveSignInsAuthDetails?format=csv")
	require.NoError(t, err)
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "\ufeff"))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 6)
	marked := rows[3]
	require.Equal(t, []string{"b", "2026-11-21T00:02:00Z"}, marked[:2])
	require.Equal(t, "row "+rowKey+": "+why, marked[len(marked)-1])
	require.Contains(t, rows[1], "'=Password")
}

// TestEveryFileHasTheColumnAndSaysThatNothingWasAltered: a column that is there only sometimes
// breaks who reads by columns.
func TestEveryFileHasTheColumnAndSaysThatNothingWasAltered(t *testing.T) {
	a := searchtest.New(t, stream, begin, signIn("a", 1))
	files := serve(t, a)
	for _, of := range export.Files() {
		names := of.Names()
		require.Equal(t, "entraledger.tampered", names[len(names)-1])
		require.Len(t, names, len(of.Columns)+1, of.Name)
		row := of.TamperedRow(records.Archived{Key: entra.Key{ID: "b", Time: begin}, Tampered: why, Row: rowKey})
		require.Len(t, row, len(names), of.Name)
		id := slices.IndexFunc(of.Columns, func(c logs.FileColumn) bool { return c.Path == "id" })
		require.Equal(t, "b", row[id], of.Name)
		if of.Stream != stream {
			continue
		}
		for _, query := range []string{"?format=csv", "?format=ndjson", "?from=2019-01-01&to=2019-01-02"} {
			resp, _, err := get(t, files+"/"+of.Name+query)
			require.NoError(t, err)
			require.Equal(t, "0", resp.Trailer.Get("X-EntraLedger-Tampered"), "%s %s", of.Name, query)
		}
	}
	_, body, err := get(t, files)
	require.NoError(t, err)
	require.Contains(t, body, `"entraledger.tampered"]`)
}

// TestAFileThatBreaksOffLooksLikeOne: what comes before a failure has been sent, and is no whole
// file.
func TestAFileThatBreaksOffLooksLikeOne(t *testing.T) {
	var many []map[string]any
	for i := range 30 {
		many = append(many, signIn(fmt.Sprint(i), 40*i))
	}
	a := searchtest.New(t, stream, begin, many...)
	a.Failing["20"] = errors.New("the storage is gone")
	files := serve(t, a)
	resp, body, err := get(t, files+"/InteractiveSignIns?format=ndjson")
	require.Error(t, err, "the connection is cut")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, 20, strings.Count(body, "\n"))
	require.Empty(t, resp.Trailer.Get("X-EntraLedger-Tampered"), "nobody counted to the end")

	a.Failing["0"] = &entra.Error{Code: entra.CodeUnavailable, Doing: "read", Why: "the storage is gone",
		Remedy: "wait"}
	resp, body, err = get(t, files+"/InteractiveSignIns?format=ndjson")
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode, "nothing was sent before it")
	require.Contains(t, body, "the storage is gone")
}

// waiting gives one record, and the others when it is told to go on.
type waiting struct {
	*searchtest.Archive
	goOn chan struct{}
}

func (w waiting) Read(ctx context.Context, r records.Reading) iter.Seq2[records.Archived, error] {
	return func(yield func(records.Archived, error) bool) {
		for rec, err := range w.Archive.Read(ctx, r) {
			if !yield(rec, err) {
				return
			}
			select {
			case <-w.goOn:
			case <-ctx.Done():
			}
		}
	}
}

// TestAFileBeginsBeforeItsFirstRow though few records match: a load balancer waits for some minutes.
func TestAFileBeginsBeforeItsFirstRow(t *testing.T) {
	a := waiting{searchtest.New(t, stream, begin, signIn("a", 1), signIn("b", 2)), make(chan struct{})}
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", downloads.New(downloads.Config{Archive: a,
		Streams: streams.New([]entra.Stream{stream}, nil), Gaps: search.NewGaps(a), Now: a.Now}))
	require.NoError(t, err)
	server := httptest.NewServer(host)
	defer server.Close()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		server.URL+"/api/downloads/InteractiveSignIns?$filter=contains(userDisplayName,'none')", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err, "nothing comes before all was read")
	defer resp.Body.Close()
	close(a.goOn)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(body), "\n"))
}
