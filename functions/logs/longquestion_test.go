package logs_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/functions/logs"
	"github.com/entraledger/entraledger/functions/versionedlogs"
	"github.com/entraledger/entraledger/internal/entra"
	tenantlogs "github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/questions"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/search/searchtest"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

// shelf keeps questions in memory, for one caller.
type shelf map[string]questions.Question

func (s shelf) Question(_ context.Context, token string) (questions.Question, error) {
	if q, ok := s[token]; ok {
		return q, nil
	}
	return questions.Question{}, questions.ErrNone
}

func (s shelf) KeepQuestion(_ context.Context, q questions.Question) error {
	s[q.Token] = q
	return nil
}

func (s shelf) DropQuestions(context.Context, time.Time) error { return nil }

// TestLongQuestionsOfEachKindGoOnByShortLinks, also those that take a request for each stretch of
// time: lists, groups, counts and the search for one record.
func TestLongQuestionsOfEachKindGoOnByShortLinks(t *testing.T) {
	a := searchtest.New(t, tenantlogs.SignInsNonInteractiveUser, begin)
	for i, id := range []string{"a", "b", "c", "d"} {
		a.Add(t, tenantlogs.SignInsNonInteractiveUser, signIn(id, 90*i+1))
	}
	of := []entra.Stream{tenantlogs.SignInsInteractiveUser, tenantlogs.SignInsNonInteractiveUser}
	long := "$filter=signInEventTypes/any(t: t eq 'nonInteractiveUser') and not (userPrincipalName in ('x'" +
		strings.Repeat(",'jane.doe@contoso.com'", 600) + "))"
	for _, slice := range []time.Duration{time.Minute, time.Nanosecond} {
		cfg := logs.Config{Archive: a, Streams: streams.New(of, nil), Gaps: search.NewGaps(a), Now: a.Now, Slice: slice}
		host, err := web.Serve(slog.New(slog.DiscardHandler), "", logs.New(cfg), versionedlogs.New(cfg))
		require.NoError(t, err)
		host.KeepQuestions(questions.New(shelf{}, time.Now))
		server := httptest.NewServer(host)
		t.Cleanup(server.Close)
		for _, at := range []string{"/api/auditLogs/signIns", "/api/v1.0/auditLogs/signIns"} {
			ids, links := walk(t, server.URL+at+"/$query", long+"&$top=1")
			require.Equal(t, []string{"d", "c", "b", "a"}, ids)
			require.GreaterOrEqual(t, links, 3)
			if slice == time.Minute { // groups of an hour are made within one request
				_, links = walk(t, server.URL+at+"/$query", long+"&$top=1&aggregate=1h")
				require.GreaterOrEqual(t, links, 1)
			}
			resp, body := send(t, http.MethodPost, server.URL+at+"/$count/$query", long)
			for resp.StatusCode == http.StatusAccepted {
				require.Less(t, len(resp.Header.Get("Location")), 6<<10)
				resp, body = send(t, http.MethodGet, resp.Header.Get("Location"), "")
			}
			require.Equal(t, "4", body)
			resp, body = send(t, http.MethodPost, server.URL+at+"/a/$query", "$select="+strings.Repeat("id,", 3_000))
			for resp.StatusCode == http.StatusAccepted {
				require.Less(t, len(resp.Header.Get("Location")), 6<<10)
				resp, body = send(t, http.MethodGet, resp.Header.Get("Location"), "")
			}
			require.Equal(t, `{"id":"a"}`, strings.TrimSpace(body))
		}
	}
}

// walk posts a query and follows its links to the end.
func walk(t *testing.T, address, body string) (ids []string, links int) {
	t.Helper()
	resp, text := send(t, http.MethodPost, address, body)
	for {
		require.Equal(t, http.StatusOK, resp.StatusCode, text)
		for _, id := range gjson.Get(text, "value.#.id").Array() {
			ids = append(ids, id.Str)
		}
		next := gjson.Get(text, `@odata\.nextLink`).Str
		if next == "" {
			return ids, links
		}
		require.Less(t, len(next), 6<<10)
		links++
		resp, text = send(t, http.MethodGet, next, "")
	}
}

func send(t *testing.T, method, address, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	require.NoError(t, err)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "text/plain")
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(text)
}

// TestAnOddIDIsHadByAFilter, and by its path, as far as the host leaves one as it is.
func TestAnOddIDIsHadByAFilter(t *testing.T) {
	a := searchtest.New(t, tenantlogs.DirectoryAudits, begin)
	ids := []string{"a/b", "a%2Fb", "a%b", "100%", "a+b", "a#b", "a?b=c&d", "a b", ".", "..", "...", "a.b", "o'neil",
		`a\b`,
		"ä€𝄞", "$query", "$count", "''"}
	for i, id := range ids {
		a.Add(t, tenantlogs.DirectoryAudits, map[string]any{"id": id,
			"activityDateTime": begin.Add(time.Duration(i) * time.Minute).Format(time.RFC3339)})
	}
	list := strings.Replace(serve(t, a, time.Minute, tenantlogs.DirectoryAudits), "signIns", "directoryAudits", 1)
	for _, id := range ids {
		filter := url.QueryEscape("id eq '" + strings.ReplaceAll(id, "'", "''") + "'")
		_, text := send(t, http.MethodGet, list+"?$filter="+filter, "")
		require.EqualValues(t, 1, gjson.Get(text, "value.#").Int(), text)
		require.Equal(t, id, gjson.Get(text, "value.0.id").Str)
		if !web.InPath(id) || id == "$count" {
			continue
		}
		path := url.URL{Path: "/" + id} // as the host encodes it
		_, text = send(t, http.MethodGet, list+path.EscapedPath(), "")
		require.Equal(t, id, gjson.Get(text, "id").Str, text)
	}
	resp, text := send(t, http.MethodGet, list+"/x%252Fy", "")
	require.Equal(t, http.StatusNotFound, resp.StatusCode, text)
	_, text = send(t, http.MethodGet, list+"/a%252Fb", "")
	require.Contains(t, []string{"a/b", "a%2Fb"}, gjson.Get(text, "id").Str, "the host writes both alike")
}
