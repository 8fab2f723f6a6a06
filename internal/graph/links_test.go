package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// step is one page: the record that it holds (empty: none) and the text of its next link (empty:
// none).
type step struct{ record, link string }

func (s step) page(w http.ResponseWriter, r *http.Request) {
	record := s.record
	if record != "" && !strings.HasPrefix(record, "{") {
		record = fmt.Sprintf(`{"id":%q}`, record)
	}
	if s.link == "" {
		body(`{"value":[`+record+`]}`)(w, r)
		return
	}
	link := s.link
	if strings.HasPrefix(link, "/") {
		link = "%s" + link
	}
	linkTo(link, record)(w, r)
}

func pages(steps ...step) []http.HandlerFunc {
	var out []http.HandlerFunc
	for _, s := range steps {
		out = append(out, s.page)
	}
	return out
}

// firstAddress is the address of the first page, as the client asks for it.
func firstAddress(t *testing.T) string {
	graphs := newScript(t, body(onePage))
	_, err := read(t.Context(), graphs.client(t, nil), logs.DirectoryAudits)
	require.NoError(t, err)
	return graphs.requests[0].URL.RequestURI()
}

func TestAWalkThatComesBackEnds(t *testing.T) {
	const audits = "/v1.0/auditLogs/directoryAudits?$skiptoken="
	cases := map[string]struct {
		steps   []step
		records int // that come before the end
		says    string
	}{
		"A-A": {[]step{{"1", audits + "a"}, {"2", audits + "a"}}, 2, "page 2 leads back to page 2"},
		"A-B-A": {[]step{{"1", audits + "a"}, {"2", audits + "b"}, {"3", audits + "a"}}, 3,
			"page 3 leads back to page 2"},
		"A-B-C-D-B": {[]step{{"1", audits + "a"}, {"2", audits + "b"}, {"3", audits + "c"}, {"4", audits + "d"},
			{"5", audits + "b"}}, 5,
			"page 5 leads back to page 3"},
		"to the first page": {[]step{{"1", audits + "a"}, {"2", firstAddress(t)}}, 2, "page 2 leads back to page 1"},
		"in another spelling": {[]step{{"1", audits + "a-b"}, {"2", audits + "c"},
			{"3", "/v1.0/auditLogs/directoryAudits?%24skiptoken=a%2Db"}}, 3,
			"page 3 leads back to page 2"},
		"by new links to the same records": {[]step{{"1", audits + "a"}, {"2", audits + "b"}, {"1", audits + "c"}}, 2,
			"page 3 has the records of page 1 again"},
		"by a last page with the same records": {[]step{{"1", audits + "a"}, {"2", audits + "b"}, {"2", ""}}, 2,
			"page 3 has the records of page 2 again"},
		"over empty pages": {[]step{{"1", audits + "a"}, {"", audits + "b"}, {"", audits + "c"}, {"", audits + "a"}}, 1,
			"page 4 leads back to page 2"},
		"in another order": {[]step{{`{"id":"1"},{"id":"2"}`, audits + "a"}, {`{"id":"2"},{"id":"1"}`, audits + "b"}},
			2,
			"page 2 has the records of page 1 again"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			graphs := newScript(t, pages(c.steps...)...)
			records, err := read(t.Context(), graphs.client(t, nil), logs.DirectoryAudits)
			require.ErrorIs(t, err, entra.ErrPagingLost)
			require.ErrorContains(t, err, "read directoryAudits from Graph: "+c.says)
			require.Len(t, records, c.records, "what is good of the walk came")
			require.Len(t, graphs.requests, len(c.steps), "a link that was met before is not followed")
		})
	}
}

func TestAWalkThatOnlyLooksAsIfItCameBackGoesOn(t *testing.T) {
	const audits = "/v1.0/auditLogs/directoryAudits?$skiptoken="
	steps := []step{
		// tokens tell capitals apart, and empty pages are alike
		{"1", audits + "a"}, {"", audits + "A"}, {"", audits + "b"},
		{`{"id":"1","v":2}`, audits + "c"},           // the same id with other content
		{`{"id":"1"},{"id":"1"}`, audits + "a%2525"}, // the same record, another number of times
		{`{"id":"2"},{"id":"1"}`, audits + "a%25"}, {"3", ""},
	}
	graphs := newScript(t, pages(steps...)...)
	records, err := read(t.Context(), graphs.client(t, nil), logs.DirectoryAudits)
	require.NoError(t, err)
	require.Len(t, records, 7)
	require.Len(t, graphs.requests, len(steps))
}

func TestAnotherReadMayWalkTheSameWay(t *testing.T) {
	steps := pages(step{"1", "/v1.0/x?a"}, step{"2", ""}, step{"1", "/v1.0/x?a"}, step{"2", ""})
	client := newScript(t, steps...).client(t, nil)
	for range 2 {
		records, err := read(t.Context(), client, logs.DirectoryAudits)
		require.NoError(t, err)
		require.Len(t, records, 2)
	}
}

func TestEmptyPagesAreFollowedUpToAHundredInARow(t *testing.T) {
	walk := func(empty int) *script {
		steps := []step{{"0", "/v1.0/x?0"}}
		for i := range empty {
			steps = append(steps, step{"", fmt.Sprintf("/v1.0/x?%d", i+1)})
		}
		return newScript(t, pages(append(steps, step{"last", ""})...)...)
	}
	records, err := read(t.Context(), walk(100).client(t, nil), logs.DirectoryAudits)
	require.NoError(t, err)
	require.Len(t, records, 2)
	graphs := walk(101)
	_, err = read(t.Context(), graphs.client(t, nil), logs.DirectoryAudits)
	require.ErrorIs(t, err, entra.ErrPagingLost)
	require.ErrorContains(t, err, "page 102 is the last of 101 empty ones in a row")
	require.Len(t, graphs.requests, 102)
}

func TestLongLinksAreFollowedUpToABound(t *testing.T) {
	for _, size := range []int{16 << 10, 60 << 10} {
		link := "/v1.0/auditLogs/directoryAudits?$skiptoken=" + strings.Repeat("a", size)
		graphs := newScript(t, pages(step{"1", link}, step{"2", ""})...)
		records, err := read(t.Context(), graphs.client(t, nil), logs.DirectoryAudits)
		require.NoError(t, err)
		require.Len(t, records, 2)
		require.Equal(t, link, graphs.requests[1].URL.RequestURI(), "as Graph wrote it")
	}
	graphs := newScript(t, pages(step{"1", "/v1.0/x?" + strings.Repeat("a", 64<<10)}, step{"2", ""})...)
	records, err := read(t.Context(), graphs.client(t, nil), logs.DirectoryAudits)
	require.Equal(t, entra.CodeBrokenAnswer, entra.CodeOf(err))
	require.ErrorContains(t, err, "more than the 65536 that are followed")
	require.Len(t, records, 1)
	require.Len(t, graphs.requests, 1)
}

func TestNoTokenLeavesForAnotherHost(t *testing.T) {
	other := newScript(t, body(onePage))
	for _, address := range []string{other.URL + "/x", "https://graph.microsoft.com.evil.example/x", "//evil.example/x",
		"/relative"} {
		graphs := newScript(t, linkTo(address, ""))
		_, err := read(t.Context(), graphs.client(t, nil), logs.SignInsInteractiveUser)
		require.Equal(t, entra.CodeBrokenAnswer, entra.CodeOf(err), "%v", err)
		require.ErrorContains(t, err, "another host")
	}
	require.Empty(t, other.requests)
}
