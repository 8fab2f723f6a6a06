package main

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/reference"
)

var bothSignIns = []entra.Stream{logs.SignInsInteractiveUser, logs.SignInsNonInteractiveUser}

// TestEachOfThe32OldNamesAnswersWithTheTenantsTruth asks all names of the list, and compares the
// rows with what the tenant itself has.
func TestEachOfThe32OldNamesAnswersWithTheTenantsTruth(t *testing.T) {
	w := newReportedTenant(t, 6)
	w.fill()
	w.archives()
	status, answer := w.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(t, http.StatusOK, status, "%v", answer)
	from, to := reportsNow.Add(-5*day), reportsNow.Add(-30*time.Hour)
	asked := map[string]bool{}

	ask := func(name string, check func(t *testing.T, rows []gjson.Result)) {
		asked[name] = true
		t.Run(name, func(t *testing.T) {
			w.process.T, w.system.T = t, t
			path := "/api/reports/legacy/" + name + "?api-version=beta&" + w.within(from, to)
			one := w.report(path + "&$top=1000")
			require.Equal(t, http.StatusOK, one.status, "%s", one.body)
			require.Empty(t, one.header.Values("X-EntraLedger-Gaps"), "every hour of the time is there")
			require.False(t, one.body.Get(`@odata\.nextLink`).Exists())
			require.Equal(t, "complete", one.body.Get(`@entraledger\.status`).Str)
			rows := one.body.Get("value").Array()
			check(t, rows)
			require.Equal(t, raws(rows), raws(w.reportRows(path+"&$top=3")), "all pages together")
			require.Equal(t, raws(rows), raws(w.report(strings.Replace(path, name, strings.ToUpper(name), 1)+
				"&$top=1000").body.Get("value").Array()), "whatever the case")
			w.requireSameFile(path, one.body)
			for _, row := range rows {
				at := row.Get("eventTime").Str
				if at != "" && name != "tenantUserCount" {
					require.False(t, parsed(t, at).Before(from.Truncate(day)), at)
					require.True(t, parsed(t, at).Before(to), at)
				}
			}
		})
	}
	eachOf := func(fits func(gjson.Result) bool, time string, streams ...entra.Stream) func(*testing.T,
		[]gjson.Result) {
		return func(t *testing.T, rows []gjson.Result) {
			want := w.truth(from, to, fits, streams...)
			require.NotEmpty(t, want)
			require.Equal(t, keysOfRecords(t, want, time), keysOfRecords(t, rows, "eventTime"))
		}
	}
	audits := func(fits func(gjson.Result) bool) func(*testing.T, []gjson.Result) {
		return eachOf(fits, "activityDateTime", logs.DirectoryAudits)
	}
	risk := func(types ...string) func(*testing.T, []gjson.Result) {
		return eachOf(hasRisk(types...), "createdDateTime", bothSignIns...)
	}
	service := func(r gjson.Result) string { return strings.ToLower(r.Get("loggedByService").Str) }
	activity := func(r gjson.Result) string { return strings.ToLower(r.Get("activityDisplayName").Str) }
	info := func(r gjson.Result) bool { return strings.Contains(activity(r), "security info") }

	ask("auditEvents", audits(anyRecord))
	ask("accountProvisioningEvents", eachOf(anyRecord, "activityDateTime", logs.Provisioning))
	ask("ssprActivityEvents", func(t *testing.T, rows []gjson.Result) {
		audits(func(r gjson.Result) bool {
			return !info(r) && (service(r) == "self-service password management" ||
				service(r) == "authentication methods" && strings.Contains(activity(r), "password"))
		})(t, rows)
		of := map[string]string{}
		for _, row := range rows {
			of[row.Get("userName").Str+" "+row.Get("activity").Str] = row.Get("result").Str
		}
		require.Equal(t, "reportSSPR_ResultType_Succeeded", of["ann@contoso.com Reset password (self-service)"])
		require.Equal(t, "reportSSPR_ResultType_Failed", of["bob@contoso.com Reset password (self-service)"])
		require.Equal(t, "reportSSPR_ResultType_Block", of["bob@contoso.com Blocked from self-service password reset"])
	})
	ask("ssprRegistrationActivityEvents", audits(func(r gjson.Result) bool {
		return info(r) && (service(r) == "self-service password management" || service(r) == "authentication methods")
	}))
	ofGroups := func(r gjson.Result) bool { return r.Get("category").Str == "GroupManagement" }
	ask("ssgmGroupActivityEvents", func(t *testing.T, rows []gjson.Result) {
		audits(ofGroups)(t, rows)
		self := 0
		for _, row := range rows {
			if row.Get("selfService").Bool() {
				self++
				require.Equal(t, "Chess", row.Get("groupName").Str)
			}
		}
		require.Equal(t, 2, self)
	})
	ask("groupActivitySummary", func(t *testing.T, rows []gjson.Result) {
		want := map[string]int64{}
		for _, r := range w.truth(from, to, ofGroups, logs.DirectoryAudits) {
			want[instant(t, r.Get("activityDateTime").Str)[:10]+" "+r.Get("activityDisplayName").Str+" "+
				r.Get("result").Str]++
		}
		got := map[string]int64{}
		for _, row := range rows {
			got[row.Get("eventTime").Str[:10]+" "+row.Get("activity").Str+" "+row.Get("auditResult").Str] =
				row.Get("count").Int()
		}
		require.Equal(t, want, got)
	})
	ask("applicationUsageDetailEvents", eachOf(anyRecord, "createdDateTime", logs.SignInsInteractiveUser))
	sums := func(daily bool, key, column string) func(*testing.T, []gjson.Result) {
		return func(t *testing.T, rows []gjson.Result) {
			require.Equal(t, w.signInSums(from, to, daily, key), sumsOf(rows, daily, column))
		}
	}
	ask("applicationUsageSummaryEvents", sums(true, "appId", "appId"))
	ask("applicationUsageSummary", sums(false, "appId", "appId"))
	ask("userActivitySummary", sums(true, "userId", "userId"))
	ask("signInsFromUnknownSourcesEvents", risk("anonymizedIPAddress"))
	ask("signInsFromIPAddressesWithSuspiciousActivityEvents", risk("maliciousIPAddress", "suspiciousIPAddress"))
	ask("signInsFromMultipleGeographiesEvents", risk("unlikelyTravel"))
	ask("signInsFromPossiblyInfectedDevicesEvents", risk("malwareInfectedIPAddress"))
	ask("irregularSignInActivityEvents", risk("unfamiliarFeatures"))
	ask("allUsersWithAnomalousSignInActivityEvents", func(t *testing.T, rows []gjson.Result) {
		want := map[string]int64{}
		for _, r := range w.truth(from, to, func(r gjson.Result) bool {
			return len(r.Get("riskEventTypes_v2").Array()) > 0
		}, bothSignIns...) {
			want[r.Get("userId").Str]++
		}
		got := map[string]int64{}
		for _, row := range rows {
			got[row.Get("id").Str] = row.Get("signInCount").Int()
		}
		require.NotEmpty(t, want)
		require.Equal(t, want, got)
	})
	ask("signInsAfterMultipleFailuresEvents", func(t *testing.T, rows []gjson.Result) {
		require.Len(t, rows, 1)
		require.Equal(t, "mia@contoso.com", rows[0].Get("userName").Str)
		require.EqualValues(t, 6, rows[0].Get("failureCount").Int())
	})
	w.process.T, w.system.T = t, t

	users := w.report("/api/reports/legacy/tenantUserCount")
	require.Equal(t, http.StatusOK, users.status, "%s", users.body)
	require.EqualValues(t, len(w.tenant.Objects("users")), users.body.Get("value.0.userCount").Int())
	asked["tenantUserCount"] = true

	for name, reason := range map[string]string{
		"compromisedCredentials": "leakedCredentials", "threatenedCredentials": "leakedCredentials",
		"mimSsprActivityEvents":             "no data of Identity Manager has been delivered",
		"mimSsprRegistrationActivityEvents": "no data of Identity Manager has been delivered",
		"mimSsgmGroupActivityEvents":        "no data of Identity Manager has been delivered",
	} {
		asked[name] = true
		got := w.report("/api/reports/legacy/" + name)
		require.Equal(t, http.StatusConflict, got.status, name)
		require.Equal(t, "unknown", got.body.Get("error.code").Str)
		require.Contains(t, got.body.Get("error.message").Str, reason)
	}
	for name, successor := range map[string]string{"cloudAppDiscoveryEvents": "Defender for Cloud Apps",
		"b2cAuthenticationEvent": "B2C", "b2cAuthenticationCount": "B2C", "b2cAuthenticationCountSummary": "B2C",
		"b2cMfaRequestEvent": "B2C", "b2cMfaRequestCount": "B2C", "b2cMfaRequestCountSummary": "B2C",
		"b2cUserJourneyEvents": "B2C", "b2cUserJourneySummaryEvents": "B2C"} {
		asked[name] = true
		got := w.report("/api/reports/legacy/" + name)
		require.Equal(t, http.StatusGone, got.status, name)
		require.Equal(t, "retired", got.body.Get("error.code").Str)
		require.Contains(t, got.body.Get("error.message").Str, successor)
	}

	list := w.report("/api/reports/legacy?api-version=beta")
	var names []string
	for _, row := range list.body.Get("value").Array() {
		names = append(names, row.Get("Name").Str)
		require.Contains(t, []string{"True", "False"}, row.Get("LicenseRequired").Str)
		require.NotEmpty(t, row.Get("Description").Str)
	}
	require.Len(t, names, 32)
	require.ElementsMatch(t, names, slices.Collect(maps.Keys(asked)))
}

func parsed(t *testing.T, text string) time.Time {
	at, err := entra.ParseTime(text)
	require.NoError(t, err)
	return at
}

func raws(rows []gjson.Result) []string {
	out := []string{}
	for _, r := range rows {
		out = append(out, r.Raw)
	}
	return out
}

// requireSameFile compares a report's file with its rows as JSON.
func (w *reportedTenant) requireSameFile(path string, answer gjson.Result) {
	w.process.Helper()
	got, body := w.raw(path + "&$format=csv")
	require.Equal(w.process, http.StatusOK, got.StatusCode, "%s", body)
	lines := csvRows(w.process.T, body)
	rows := answer.Get("value").Array()
	require.Len(w.process, lines, len(rows)+1)
	for i, row := range rows {
		for c, name := range lines[0] {
			value := row.Get(strings.ReplaceAll(name, ".", `\.`))
			text := value.String()
			if value.IsArray() {
				text = strings.Join(textsOf(value), "; ")
			}
			require.Equal(w.process, text, strings.TrimPrefix(lines[i+1][c], "'"), name)
		}
	}
}

func textsOf(list gjson.Result) (out []string) {
	for _, v := range list.Array() {
		out = append(out, v.String())
	}
	return out
}

// signInSums counts interactive sign-ins, each id once, by how its newest record ended.
func (w *reportedTenant) signInSums(from, to time.Time, daily bool, key string) map[string][4]int64 {
	type sign struct {
		where, status string
	}
	last := map[string]sign{}
	all := w.truth(from, to, anyRecord, logs.SignInsInteractiveUser)
	slices.Reverse(all) // the newest is written last
	for _, r := range all {
		where, prefix := r.Get(key).Str, ""
		if daily {
			prefix = instant(w.system.T, r.Get("createdDateTime").Str)[:10] + " "
		}
		last[prefix+r.Get("id").Str] = sign{prefix + where, reference.SignInStatus(r.Get("status.errorCode").Int())}
	}
	out := map[string][4]int64{}
	for _, s := range last {
		n := out[s.where]
		n[0]++
		n[map[string]int{"Success": 1, "Interrupted": 2, "Failure": 3}[s.status]]++
		out[s.where] = n
	}
	return out
}

func sumsOf(rows []gjson.Result, daily bool, column string) map[string][4]int64 {
	out := map[string][4]int64{}
	for _, row := range rows {
		key := row.Get(column).Str
		if daily {
			key = row.Get("eventTime").Str[:10] + " " + key
		}
		out[key] = [4]int64{row.Get("signInCount").Int(), row.Get("successCount").Int(),
			row.Get("interruptedCount").Int(), row.Get("failureCount").Int()}
	}
	return out
}
