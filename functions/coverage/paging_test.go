package coverage_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// page is what one page has.
type page struct {
	starts   []string
	statuses []string
	next     *url.URL // nil: it is the last
}

func (a *archive) page(path string) page {
	status, answer := get(a.T, a.server, path)
	require.Equal(a, http.StatusOK, status, "%s: %v", path, answer)
	var out page
	for _, row := range answer["value"].([]any) {
		out.starts = append(out.starts, row.(map[string]any)["startDateTime"].(string))
		out.statuses = append(out.statuses, row.(map[string]any)["status"].(string))
	}
	if link, ok := answer["@odata.nextLink"].(string); ok {
		var err error
		out.next, err = url.Parse(link)
		require.NoError(a, err)
	}
	return out
}

// rest follows the links from a page to the last one, and returns the hours of all of them.
func (a *archive) rest(p page) []string {
	all := p.starts
	for p.next != nil {
		p = a.page(p.next.RequestURI())
		all = append(all, p.starts...)
	}
	return all
}

// hours are the first moments of hours of the ledger.
func (a *archive) hours(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, a.progress.Begin.Add(time.Duration(i)*time.Hour).Format(time.RFC3339))
	}
	return out
}

const paged = "/api/coverage/provisioning?$top=4"

// grow lets five hours pass, which are read, and so are the two that were missing.
func (a *archive) grow() {
	a.now = a.now.Add(5 * time.Hour)
	a.progress.Watermark = a.progress.Watermark.Add(5 * time.Hour)
	a.progress.Backfilled = a.progress.TailBegin
	var rows []ledger.Coverage
	for i := 3; i < 16; i++ {
		if i < 5 || i >= 10 {
			rows = append(rows, a.hour(i, ledger.WindowComplete))
		}
	}
	a.commit(rows...)
}

func TestALinkHasTheQuestionAndAToken(t *testing.T) {
	a := begin(t, logs.Provisioning)
	next := a.page("/api/coverage/provisioning?status=complete&from=2026-11-21T05:00:00Z&$top=2&code=5ecret").next
	require.NotNil(t, next)
	query := next.Query()
	require.NotEmpty(t, query.Get("$skiptoken"))
	query.Del("$skiptoken")
	require.Equal(t, url.Values{"status": {"complete"}, "from": {"2026-11-21T05:00:00Z"}, "$top": {"2"}}, query)
}

func TestAStreamThatGrowsBetweenPagesLosesAndDoublesNoHour(t *testing.T) {
	a := begin(t, logs.Provisioning)
	first := a.page(paged)
	require.Equal(t, a.hours(0, 4), first.starts)
	require.Equal(t, "missing", first.statuses[3])
	second := a.page(first.next.RequestURI())
	a.grow()
	require.Equal(t, a.hours(0, 11), a.rest(first), "the list ends where it ended when it began")
	require.Equal(t, a.hours(4, 11), a.rest(second))
	require.Equal(t, "complete", a.page(first.next.RequestURI()).statuses[0], "an hour is told as it is now")
	require.Equal(t, a.hours(0, 16), a.rest(a.page(paged)))
	// The size of a page is no part of the question.
	query := first.next.Query()
	query.Set("$top", "100")
	require.Equal(t, a.hours(4, 11), a.page(first.next.Path+"?"+query.Encode()).starts)
}

func TestOnlyHoursOfTheStatusThatWasAskedForAreCounted(t *testing.T) {
	a := begin(t, logs.Provisioning)
	require.Equal(t, a.hours(3, 5), a.rest(a.page("/api/coverage/provisioning?status=missing&$top=1")))
	require.Nil(t, a.page("/api/coverage/provisioning?status=missing&$top=2").next, "no link leads to an empty page")
}

func TestAFileGoesOnFromATokenToo(t *testing.T) {
	a := begin(t, logs.Provisioning)
	query := a.page(paged).next.Query()
	query.Del("$top")
	query.Set("$format", "csv")
	resp, err := http.Get(a.server.URL + "/api/coverage/provisioning?" + query.Encode())
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, 1+7, strings.Count(string(body), "\r\n"), "%s", body)
	require.Contains(t, string(body), "\r\n"+a.hours(4, 5)[0])
}

func TestAStreamThatIsNotCollectedAnyMoreEndsWhereItWasRead(t *testing.T) {
	a := begin(t, logs.DirectoryAudits)
	first := a.page(paged)
	a.now = a.now.Add(5 * time.Hour)
	require.Equal(t, a.hours(0, 11), a.rest(first))
}

// TestALinkOfAVersionBeforeGoesOn: it had the next hour in from, the last one in to, and no token.
func TestALinkOfAVersionBeforeGoesOn(t *testing.T) {
	a := begin(t, logs.Provisioning)
	a.grow()
	require.Equal(t, a.hours(4, 11), a.rest(a.page(paged+"&from=2026-11-21T08:00:00Z&to=2026-11-21T15:00:00Z")))
}

func TestATokenThatIsNotOfThisQuestionIsRefused(t *testing.T) {
	a := begin(t, logs.Provisioning, logs.DirectoryAudits)
	next := a.page(paged).next
	token := next.Query().Get("$skiptoken")
	refused := func(path, says string) {
		t.Helper()
		status, answer := get(t, a.server, path)
		require.Equal(t, http.StatusBadRequest, status, path)
		require.Contains(t, answer["error"].(map[string]any)["message"], says, path)
	}
	const other = "it belongs to a question with other parameters"
	with := func(path string) string { return path + "$skiptoken=" + token }
	refused(with("/api/coverage/provisioning?status=missing&"), other)
	refused(with("/api/coverage/provisioning?from=2026-11-21T05:00:00Z&"), other)
	refused(with("/api/coverage/provisioning?to=2026-11-21T12:00:00Z&"), other)
	refused(with("/api/coverage/directoryAudits?"), other)
	for i := range len(token) - 1 { // the last letter has bits that mean nothing
		letter := "A"
		if token[i] == 'A' {
			letter = "B"
		}
		refused("/api/coverage/provisioning?$skiptoken="+token[:i]+letter+token[i+1:], "begin again without $skiptoken")
	}
	require.Len(t, a.page(with("/api/coverage/provisioning?")).starts, 7)
}
