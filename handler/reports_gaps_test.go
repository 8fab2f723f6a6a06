package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/functions/reports"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/report"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

// reportOf is the address of a report of a time.
func reportOf(name, filter string) string {
	return "/api/reports/legacy/" + name + "?$top=1000&$filter=" + url.QueryEscape(filter)
}

// requireUnknown checks that a report is an error that says why nothing is known.
func (p *process) requireUnknown(address string, why ...string) {
	p.Helper()
	got := p.report(address)
	require.Equal(p, http.StatusConflict, got.status, "%s: %s", address, got.body)
	require.Equal(p, "unknown", got.body.Get("error.code").Str)
	require.False(p, got.body.Get("value").Exists())
	for _, text := range why {
		require.Contains(p, got.body.Get("error.message").Str, text, address)
	}
}

// TestAReportOverWhatIsNotThereSaysSo has a month that was purged, an outage that Graph did not
// bridge, logs that are not archived, and times before and after the archive.
func TestAReportOverWhatIsNotThereSaysSo(t *testing.T) {
	t.Parallel() // it waits most of the time
	_, p, _ := gapsSystem(t)
	const purged = "purged on 2026-12-29 by ARCHIVE_RETENTION of "
	const october = "eventTime gt 2026-10-10 and eventTime lt 2026-10-20"
	for _, name := range []string{"auditEvents", "ssprActivityEvents", "groupActivitySummary",
		"applicationUsageDetailEvents", "applicationUsageSummaryEvents", "applicationUsageSummary",
		"userActivitySummary"} {
		p.requireUnknown(reportOf(name, october), purged)
		p.requireUnknown(reportOf(name, october)+"&$format=csv", purged)
		p.requireUnknown(reportOf(name, "eventTime gt 2026-11-16 and eventTime lt 2026-11-17"),
			"Graph had forgotten it when it was read")
		p.requireUnknown(reportOf(name, "eventTime lt 2026-08-01"), "the archive begins at 2026-10-06T")
		p.requireUnknown(reportOf(name, "eventTime gt 2026-12-29T12:00:00Z and eventTime lt 2026-12-30"),
			"it has not happened yet")
		got := p.report(reportOf(name, "eventTime gt 2027-06-01"))
		require.Equal(t, http.StatusBadRequest, got.status)
	}
	p.requireUnknown(reportOf("accountProvisioningEvents", "eventTime gt 2026-12-20"),
		"provisioning is not archived: ARCHIVE_STREAMS does not name it")

	const crossing = "eventTime gt 2026-10-20 and eventTime lt 2026-11-03"
	for _, name := range []string{"auditEvents", "groupActivitySummary", "applicationUsageSummary",
		"userActivitySummary"} {
		got := p.report(reportOf(name, crossing))
		require.Equal(t, http.StatusOK, got.status, "%s: %s", name, got.body)
		gaps := got.body.Get(`@entraledger\.gaps`).Array()
		require.Len(t, gaps, 1, name)
		require.Contains(t, gaps[0].Get("reason").Str, purged)
		require.Equal(t, "2026-11-01T00:00:00Z", gaps[0].Get("endDateTime").Str)
		require.Contains(t, got.header.Get("X-EntraLedger-Gaps"), purged)
		resp, _ := p.raw(reportOf(name, crossing) + "&$format=csv")
		require.Contains(t, resp.Header.Get("X-EntraLedger-Gaps"), purged)
	}
	// The tenant has forgotten what it was; the log itself is read.
	log := pages(t, p.url+"/api/auditLogs/directoryAudits?$filter="+
		url.QueryEscape("activityDateTime gt 2026-10-20 and activityDateTime lt 2026-11-03"), "")
	require.NotEmpty(t, log)
	require.Len(t, p.reportRows(reportOf("auditEvents", crossing)), len(log))

	got := p.report(reportOf("signInsFromUnknownSourcesEvents", "eventTime gt 2026-12-21 and eventTime lt 2026-12-22"))
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	require.Equal(t, "signIns.nonInteractiveUser: signIns.nonInteractiveUser is not archived: "+
		"ARCHIVE_STREAMS does not "+
		"name it", got.body.Get(`@entraledger\.gaps.0.reason`).Str)
	lost := p.report(reportOf("auditEvents", "eventTime gt 2026-11-10 and eventTime lt 2026-12-10"))
	require.Contains(t, lost.body.Get(`@entraledger\.gaps`).Raw, "Graph had forgotten it when it was read")
}

// TestTheNewestHoursThatAreNotReadYetAreNamed: a sum up to now is not one of all that happened.
func TestTheNewestHoursThatAreNotReadYetAreNamed(t *testing.T) {
	w := newReportedTenant(t, 2)
	w.archives()
	for _, name := range []string{"auditEvents", "applicationUsageSummary", "userActivitySummary"} {
		got := w.report("/api/reports/legacy/" + name)
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
		gaps := got.body.Get(`@entraledger\.gaps`).Array()
		require.NotEmpty(t, gaps)
		last := gaps[len(gaps)-1]
		require.Contains(t, last.Get("reason").Str, "read")
		require.Equal(t, got.body.Get(`@entraledger\.endDateTime`).Str, last.Get("endDateTime").Str)
		first := gaps[0]
		require.Contains(t, first.Get("reason").Str, "the archive begins at", "thirty days are asked for")
		require.Equal(t, got.body.Get(`@entraledger\.startDateTime`).Str, first.Get("startDateTime").Str)
	}
	for name, why := range map[string]string{
		"tenantUserCount": "there is no snapshot of the directory yet"} {
		w.requireUnknown("/api/reports/legacy/"+name, why)
	}
	status, answer := w.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(t, http.StatusOK, status, "%v", answer)
	w.requireUnknown(reportOf("tenantUserCount", "eventTime lt 2026-11-01"), "the first is of 2026-11-2")
}

// TestATenantWithoutALicenceIsAnsweredWhatItsRecordsHold: audits come without one, sign-ins do not.
func TestATenantWithoutALicenceIsAnsweredWhatItsRecordsHold(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newReportedTenant(t, 3)
	for _, l := range logs.All() {
		if l.Licensed {
			w.tenant.Inject(simtenant.Fault{Kind: simtenant.NoLicence, Stream: l.Stream})
		}
	}
	w.process = w.start()
	for n := range 2 {
		w.tenant.Freeze(reportsNow.Add(time.Duration(n) * 10 * time.Minute))
		_, _, err := w.fire() // it fails for the logs without a licence
		require.NoError(t, err)
	}
	within := w.within(reportsNow.Add(-2*day), reportsNow.Add(-12*time.Hour))
	for _, r := range report.Legacy() {
		address := "/api/reports/legacy/" + r.Name + "?" + within
		switch {
		case r.Gone != "" || r.Unknown != "" || len(r.From) == 0:
		case r.From[0].Stream == logs.DirectoryAudits:
			got := w.report(address)
			require.Equal(t, http.StatusOK, got.status, "%s: %s", r.Name, got.body)
			require.Empty(t, got.header.Values("X-EntraLedger-Gaps"))
		case logs.Of(r.From[0].Stream).Delivered:
			w.requireUnknown(address, r.NoData)
		default:
			w.requireUnknown(address, string(r.From[0].Stream), "the last run failed",
				"needs Microsoft Entra ID P1 or P2")
		}
	}
	require.NotEmpty(t, w.reportRows("/api/reports/legacy/auditEvents?"+within))
}

// TestHiddenRiskIsUnknown: without P2 sign-ins say hidden, or generic, which is not that there is
// none.
func TestHiddenRiskIsUnknown(t *testing.T) {
	s := newSystem(t, simtenant.Config{Now: reportsNow, Retention: 60 * day})
	s.tenant.Freeze(reportsNow)
	w := &reportedTenant{system: s}
	hidden := `"riskState":"hidden","riskLevelDuringSignIn":"hidden","riskEventTypes_v2":[]`
	interactive, other := logs.SignInsInteractiveUser, logs.SignInsNonInteractiveUser
	w.signIn(interactive, 100*time.Hour, "ann", 0, noRisk) // so that the archive reaches back
	w.signIn(other, 100*time.Hour, "ann", 0, noRisk)
	w.signIn(interactive, 50*time.Hour, "ann", 0, hidden)
	w.signIn(other, 51*time.Hour, "bob", 0, `"riskState":"atRisk","riskEventTypes_v2":["generic"]`)
	w.signIn(other, 52*time.Hour, "eve", 0, `"riskState":"none"`)
	w.signIn(interactive, 30*time.Hour, "mia", 0, riskOf("unfamiliarFeatures"))
	w.archives()
	only := "?" + w.within(reportsNow.Add(-60*time.Hour), reportsNow.Add(-40*time.Hour))
	partly := "?" + w.within(reportsNow.Add(-60*time.Hour), reportsNow.Add(-20*time.Hour))
	quiet := "?" + w.within(reportsNow.Add(-80*time.Hour), reportsNow.Add(-70*time.Hour))
	for _, name := range []string{"irregularSignInActivityEvents", "allUsersWithAnomalousSignInActivityEvents"} {
		address := "/api/reports/legacy/" + name
		w.requireUnknown(address+only, "do not disclose their risk", "P2")
		w.requireUnknown(address+only+"&$format=csv", "do not disclose their risk")
		for _, format := range []string{"", "&$top=1", "&$format=csv"} {
			resp, body := w.raw(address + partly + format)
			require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
			require.Contains(t, resp.Header.Get("X-EntraLedger-Undisclosed"), "of 4 sign-ins 3 are not judged", format)
			require.Contains(t, string(body), "mia@contoso.com")
			if !strings.Contains(format, "csv") {
				require.Len(t, gjson.GetBytes(body, "value").Array(), 1)
				require.Contains(t, gjson.GetBytes(body, `@entraledger\.undisclosed`).Str,
					"of 4 sign-ins 3 are not judged")
			}
		}
		got := w.report(address + quiet)
		require.Equal(t, http.StatusOK, got.status, "nobody signed in, and that is known: %s", got.body)
		require.Equal(t, "[]", got.body.Get("value").Raw)
	}
}

// TestAReportIsRefusedInWords has filters and names that nobody can answer.
func TestAReportIsRefusedInWords(t *testing.T) {
	w := newReportedTenant(t, 1)
	w.archives()
	for filter, why := range map[string]string{
		"":                        "it is empty",
		"eventTime ge 2026-11-01": "eventTime ge is not known",
		"eventTime le 2026-11-01": "eventTime le is not known",
		"eventTime eq 2026-11-01": "eventTime eq is not known",
		"eventTime gt 2026-11-01 or eventTime lt 2026-11-02":  "joined by and",
		"not (eventTime gt 2026-11-01)":                       "joined by and",
		"eventTime gt 2026-11-01 and eventTime gt 2026-11-02": "eventTime gt stands twice",
		"eventTime gt 2026-11-05 and eventTime lt 2026-11-01": "its end is not later than its begin",
		"eventTime gt 2026-11-05 and eventTime lt 2026-11-05": "its end is not later than its begin",
		"eventTime gt null":                                   "null",
		"eventTime gt 2026-13-05":                             "no time",
		"eventTime gt 2099-01-01":                             "it begins in the future",
		"eventTime in (2026-11-05)":                           "joined by and",
		"userName eq 'ann'":                                   "there is no property userName",
		"eventTime gt":                                        "position",
		"eventTime gt 2026-11-05 and":                         "position",
	} {
		for _, name := range []string{"auditEvents", "userActivitySummary", "applicationUsageSummary",
			"tenantUserCount"} {
			got := w.report("/api/reports/legacy/" + name + "?$filter=" + url.QueryEscape(filter))
			require.Equal(t, http.StatusBadRequest, got.status, "%s %s", name, filter)
			require.Equal(t, "badRequest", got.body.Get("error.code").Str)
			require.Contains(t, got.body.Get("error.message").Str, why, filter)
		}
	}
	for address, want := range map[string]string{
		"/api/reports/legacy/auditEvent":                    "did you mean auditEvents?",
		"/api/reports/legacy/weakCredentials":               "there is no such report",
		"/api/reports/nothing":                              "GET /api/reports lists them",
		"/api/reports/other/auditEvents":                    "there is no such view",
		"/api/reports/legacy/auditEvents/x":                 "there is no such function",
		"/api/reports/legacy/auditEvents?$select=id":        "unknown parameter",
		"/api/reports/legacy/auditEvents?$top=0":            "a whole number from 1 to 1000",
		"/api/reports/legacy/auditEvents?merged=true":       "unknown parameter",
		"/api/reports/auditEvents?merged=true":              "Entra's own logs have nothing beside auditEvents",
		"/api/reports/legacy/auditEvents?$skiptoken=x":      "none that this app gave",
		"/api/reports/legacy/tenantUserCount?$format=excel": "accepted are json and csv",
	} {
		got := w.report(address)
		require.Contains(t, []int{http.StatusBadRequest, http.StatusNotFound}, got.status, address)
		require.Contains(t, got.body.Get("error.message").Str, want, address)
	}
	// a link of one question is of no other
	next := w.report("/api/reports/legacy/applicationUsageDetailEvents?$top=1").body.Get(`@odata\.nextLink`).Str
	require.NotEmpty(t, next)
	other := w.report(strings.Replace(next, "applicationUsageDetailEvents", "auditEvents", 1))
	require.Equal(t, http.StatusBadRequest, other.status)
	require.Contains(t, other.body.Get("error.message").Str, "other parameters")
	require.NotContains(t, next, "code=")
}

// slowly serves the reports of a system with so little time for each request that sums are jobs,
// and pages end early.
func (w *reportedTenant) slowly(slice time.Duration, of ...entra.Stream) *process {
	keeper := cursors.New(w.store.Secrets, w.store.Readers, time.Now)
	known := streams.New(of, w.store)
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", reports.New(reports.Config{Secrets: w.store,
		Jobs: w.store.Jobs, Now: time.Now, Slice: slice, Sources: &report.Sources{Archive: w.store, Streams: known,
			Directory: directory.NewReader(w.store.Directory, keeper, time.Now), Now: time.Now}}))
	require.NoError(w.system, err)
	server := httptest.NewServer(host)
	w.system.Cleanup(server.Close)
	return &process{T: w.system.T, url: server.URL}
}

// TestASumOfManyRequestsIsThatOfOne gives each request no time: what is summed up over the whole
// time is a job of many, and rows come with many links.
func TestASumOfManyRequestsIsThatOfOne(t *testing.T) {
	w := newReportedTenant(t, 4)
	w.fill()
	w.archives()
	within := w.within(reportsNow.Add(-90*time.Hour), reportsNow.Add(-60*time.Hour))
	slow := w.slowly(time.Nanosecond, logs.DefaultStreams()...)
	for _, r := range report.Legacy() {
		if len(r.From) == 0 || r.Daily != nil || logs.Of(r.From[0].Stream).Delivered {
			continue
		}
		address := "/api/reports/legacy/" + r.Name + "?$top=1000&" + within
		want := raws(w.reportRows(address))
		require.Equal(t, want, raws(slow.reportRows(address)), r.Name)
	}
	// Of sums of days each request reads one at least, or says that it can't.
	got := slow.report("/api/reports/legacy/userActivitySummary?" + within)
	require.Equal(t, http.StatusBadRequest, got.status, "%s", got.body)
	require.Contains(t, got.body.Get("error.message").Str, "ask for some hours of it")
}

// TestReportsAreAskedBesideEachOther, also the same job by several at once.
func TestReportsAreAskedBesideEachOther(t *testing.T) {
	w := newReportedTenant(t, 4)
	w.fill()
	w.archives()
	within := w.within(reportsNow.Add(-90*time.Hour), reportsNow.Add(-40*time.Hour))
	slow := w.slowly(2*time.Millisecond, logs.DefaultStreams()...)
	var all sync.WaitGroup
	for _, name := range []string{"userActivitySummary", "applicationUsageSummary", "auditEvents",
		"irregularSignInActivityEvents", "signInsAfterMultipleFailuresEvents", "groupActivitySummary"} {
		address := "/api/reports/legacy/" + name + "?$top=5&" + within
		want := raws(w.reportRows(address))
		for range 4 {
			all.Go(func() { require.Equal(t, want, raws(w.reportRows(address)), name) })
		}
	}
	all.Wait()

	address := "/api/reports/legacy/applicationUsageSummary?$top=1000&" + within
	want := raws(w.reportRows(address))
	resp, body := slow.raw(address)
	require.Equal(t, http.StatusAccepted, resp.StatusCode, "%s", body)
	location := resp.Header.Get("Location")
	answers := make([][]string, 6)
	for i := range answers {
		all.Go(func() {
			for {
				got := slow.report(location)
				if got.status == http.StatusOK {
					answers[i] = raws(got.body.Get("value").Array())
					return
				}
				if got.status != http.StatusConflict { // another one has just done a slice
					answers[i] = []string{got.body.Raw}
					return
				}
			}
		})
	}
	all.Wait()
	for _, got := range answers {
		require.Equal(t, want, got)
	}
	require.Equal(t, want, raws(slow.report(location).body.Get("value").Array()), "and once more")
	require.NoError(t, w.store.DropJobs(t.Context(), reports.Kind, time.Now().Add(time.Hour)))
	gone := slow.report(location)
	require.Equal(t, http.StatusGone, gone.status)
	require.Contains(t, gone.body.Get("error.message").Str, "begin again without $skiptoken")
	require.True(t, slices.Equal(want, raws(w.reportRows(address))))
}
