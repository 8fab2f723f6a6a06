package coverage_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

func TestADayIsARowWithItsHoursInSum(t *testing.T) {
	a := begin(t, logs.Provisioning)
	late := a.hour(7, ledger.WindowLost)
	late.Late, late.Records = 2, 5
	a.commit(late)
	status, answer := get(t, a.server, "/api/coverage/provisioning?by=day")
	require.Equal(t, http.StatusOK, status)
	require.Len(t, answer["value"], 1)
	day := answer["value"].([]any)[0].(map[string]any)
	require.Equal(t, "----CCCMMCCLCCP---------", day["hours"])
	require.Equal(t, "lost", day["status"], "what concerns most")
	require.Equal(t, "2026-11-21T04:00:00Z", day["startDateTime"])
	require.Equal(t, "2026-11-21T15:00:00Z", day["endDateTime"])
	require.EqualValues(t, 8*10+5, day["records"])
	require.EqualValues(t, 2, day["late"])
	require.EqualValues(t, 0, day["passes"], "an hour is missing")
	require.Equal(t, []any{11.0}, day["lateHours"])
	require.Len(t, day["recordsByHour"], 24)
	require.EqualValues(t, 5, day["recordsByHour"].([]any)[11])
	_, hours := get(t, a.server, "/api/coverage/provisioning?by=hour")
	require.Len(t, hours["value"], 11)
	require.NotContains(t, hours["value"].([]any)[0], "hours")
}

func TestDaysComeByStatusAndInPages(t *testing.T) {
	a := begin(t, logs.Provisioning)
	// 20 hours more are read: a second day begins.
	a.now = a.now.AddDate(0, 0, 1)
	a.progress.Watermark = a.progress.Watermark.AddDate(0, 0, 1)
	var rows []ledger.Coverage
	for i := 10; i < 35; i++ {
		rows = append(rows, a.hour(i, ledger.WindowComplete))
	}
	a.commit(rows...)
	first := a.page("/api/coverage/provisioning?by=day&$top=1")
	require.Equal(t, []string{"missing"}, first.statuses)
	require.Equal(t, []string{"2026-11-21T04:00:00Z", "2026-11-22T00:00:00Z"}, a.rest(first))
	require.Equal(t, []string{"2026-11-21T04:00:00Z"},
		a.rest(a.page("/api/coverage/provisioning?by=day&status=missing")))
	query := first.next.Query()
	query.Del("by")
	status, _ := get(t, a.server, first.next.Path+"?"+query.Encode())
	require.Equal(t, http.StatusBadRequest, status, "a token of days is none of hours")
	status, _ = get(t, a.server, "/api/coverage/provisioning?by=week")
	require.Equal(t, http.StatusBadRequest, status)
	resp, err := http.Get(a.server.URL + "/api/coverage/provisioning?by=day&$format=csv")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, 1+2, strings.Count(string(body), "\r\n"), "%s", body)
	require.Contains(t, string(body), "----CCCMMCCCCCCCCCCCCCCC")
}
