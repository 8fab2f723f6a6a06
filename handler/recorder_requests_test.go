package main

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// Two of the collections that are asked most.
const (
	auditsAt  = "/api/auditLogs/directoryAudits"
	signInsAt = "/api/auditLogs/signIns"
)

// requests asks every function, in each of its ways.
func (r *recorder) requests() {
	r.askHost()
	r.askRecords()
	r.askVersioned()
	r.askCoverage()
	r.askDownloads()
	r.askReference()
	r.askCost()
	r.askPreflight()
	r.askDirectory()
	r.askProof()
	r.askCollect()
	r.askRepair()
	r.askSnapshot()
}

// all asks for several addresses.
func (r *recorder) all(targets ...string) {
	for _, target := range targets {
		r.ask("GET", target, "")
	}
}

// first is a value of the first row of a list.
func first(got answered, path string) string { return gjson.Get(got.body, "value.0."+path).Str }

// askHost asks for what no function answers, and invokes timers as the host never should.
func (r *recorder) askHost() {
	r.file("host.txt")
	r.all("/", "/api/", "/api/nothing", "/api/coverage/directoryAudits/more", "/api/Coverage", "/api/coverage/",
		"/nothing", "/archivelogs",
		"/api//coverage", "/api/auditLogs", "/api/auditLogs/signIns/a/b", "/api/v2.0/auditLogs/signIns",
		"/api/coverage?"+strings.Repeat("x", 300<<10))
	for _, target := range []string{"/api/coverage", "/api/cost", "/api/purge", "/api/preflight", "/api/inactive-users",
		"/api/inactive-users/summary", "/api/expiring-credentials", "/api/users/x", "/api/applications/x",
		"/api/downloads",
		"/api/downloads/AuditLogs", "/api/reference/errorCodes", "/api/verify", "/api/verify/x",
		"/api/auditLogs/signIns",
		"/api/v1.0/auditLogs/signIns", "/api/collect/x", "/api/snapshot/x", "/api/repair/x"} {
		r.ask("POST", target, "{}")
	}
	r.ask("GET", "/api/collect", "")
	r.ask("PUT", "/api/collect", "{}")
	r.ask("DELETE", "/api/snapshot", "")
	r.ask("PATCH", "/api/repair", "{}")
	r.ask("OPTIONS", "/api/coverage", "")
	r.ask("HEAD", "/api/coverage", "")
	r.ask("POST", "/nothing", envelope)
	r.ask("POST", "/ArchiveLogs", envelope)
	r.ask("POST", "/archivelogs", "")
	r.ask("POST", "/archivelogs", `{"Data":`)
	r.ask("POST", "/archivelogs", `{"Metadata":{}}`)
	r.ask("POST", "/indexarchive", `{"Data":{"timer":null},"Metadata":{}}`)
	r.ask("POST", "/purgearchive",
		`{"Data":{"timer":{"IsPastDue":true}},"Metadata":{"sys":{},"RetryContext":{"RetryCount":2}}}`)
}

// askRecords asks for records in Graph's language.
func (r *recorder) askRecords() {
	r.file("records.txt")
	one := r.ask("GET", "/api/auditLogs/signIns?$top=1", "")
	audit := r.ask("GET", "/api/auditLogs/directoryAudits?$top=1", "")
	id, user, app := first(one, "id"), first(one, "userId"), first(one, "appId")
	require.NotEmpty(r, id)
	r.follow("/api/auditLogs/directoryAudits?$top=9&$count=true&$select=id,activityDateTime,result", 4)
	r.follow("/api/auditLogs/signIns?$top=7&$orderby=createdDateTime asc&$select=id,createdDateTime,status", 3)
	r.all(
		"/api/auditLogs/signIns/"+id,
		"/api/auditLogs/directoryAudits/"+first(audit, "id"),
		"/api/auditLogs/directoryAudits/"+twiceID,
		"/api/auditLogs/directoryAudits/"+changedID,
		"/api/auditLogs/directoryAudits/"+lateID+"?$select=id,activityDisplayName",
		"/api/auditLogs/directoryAudits/Audit_old_0001",
		"/api/auditLogs/directoryAudits/"+id+"?$top=1",
		"/api/auditLogs/directoryAudits/"+changedID+"?versions=all",
		"/api/auditLogs/nothing", "/api/auditLogs/nothing/x",
		"/api/auditLogs/provisioning", "/api/auditLogs/customSecurityAttributeAudits?$top=2",
		auditsAt+"?$filter=id eq '"+changedID+"'&versions=all",
		auditsAt+"?$filter=id in ('"+twiceID+"','"+lateID+"')&$select=id,activityDateTime",
		auditsAt+"?$filter=activityDateTime ge 2026-10-05T08:00:00Z and "+
			"activityDateTime lt 2026-10-05T12:00:00Z&$select=id",
		auditsAt+"?$filter=activityDateTime lt 2026-09-05T00:00:00Z&$select=id&$count=true",
		auditsAt+"?$filter=result eq 'failure'&$select=id,result&$top=5",
		auditsAt+"?$filter=initiatedBy/user/id eq '5f0c7a52-1111-4222-8333-abcdefabcdef'&$select=id",
		auditsAt+"?$filter=targetResources/any(t: t/displayName eq '-2%2B3')&$select=id&$top=3",
		auditsAt+"?$filter=startswith(activityDisplayName,'Update') and not (result eq 'failure')&$select=id&$top=3",
		auditsAt+"?$filter=contains(tolower(activityDisplayName),'user') "+
			"or endswith(category,'Management')&$select=id&$top=3",
		signInsAt+"?$filter=userId eq '"+user+"'&$select=id,userId&$top=3",
		signInsAt+"?$filter=appId eq '"+app+"' and status/errorCode ne 0&$select=id,status&$count=true",
		signInsAt+"?$filter=userId in ('"+user+"','00000000-0000-0000-0000-000000000000')&$count=true&$select=id&$top=2",
		signInsAt+"?$filter=location/city eq 'Nowhere'",
		signInsAt+"?$filter=status/errorCode eq null&$top=1",
		signInsAt+"?$filter=isInteractive eq true&$select=id&$top=2",
		signInsAt+"?$filter=signInEventTypes/any(t: t eq 'nonInteractiveUser')&$select=id,signInEventTypes&$top=3",
		signInsAt+"?$filter=signInEventTypes/any(t: t eq 'servicePrincipal')&$select=id,servicePrincipalId&$top=3",
		signInsAt+"?$filter=signInEventTypes/any(t: t eq 'managedIdentity') and "+
			"createdDateTime ge 2026-10-06&$select=id&$top=3",
	)
	r.askRecordsWrongly()
	grouped := signInsAt + "?$filter=signInEventTypes/any(t: t eq 'nonInteractiveUser') and " +
		"createdDateTime ge 2026-10-05&aggregate="
	r.follow(grouped+"6h&$top=6", 3)
	r.all(grouped+"1h&$top=2", grouped+"24h&$top=3", grouped+"2h", grouped+"1h&$select=id",
		"/api/auditLogs/signIns?aggregate=1h", "/api/auditLogs/directoryAudits?$apply=groupby((result))",
		signInsAt+"?$filter=signInEventTypes/any(t: t eq 'servicePrincipal')&aggregate=24h&$top=2&$count=true")
}

// askRecordsWrongly asks for what is refused.
func (r *recorder) askRecordsWrongly() {
	page := r.ask("GET", auditsAt+"?$top=3&$select=id", "")
	next, err := url.Parse(gjson.Get(page.body, `@odata\.nextLink`).Str)
	require.NoError(r, err)
	token := url.QueryEscape(next.Query().Get("$skiptoken"))
	require.NotEmpty(r, token)
	for _, query := range []string{
		"$skiptoken=" + token + "&$filter=result eq 'failure'", "$skiptoken=" + token + "&$top=2&$select=id",
		"$skiptoken=" + token[:len(token)-3] + "AAA",
		"$skiptoken=x", "$top=0", "$top=1001", "$top=x", "$select=nothing", "$select=activityDateTim", "$select=",
		"$count=yes", "versions=some",
		"$orderby=result", "$orderby=activityDateTime sideways", "$filter=", "$filter=result", "$filter=result eq",
		"$filter=resul eq 'x'",
		"$filter=result eq 'a' and", "$filter=(result eq 'a'", "$filter=activityDateTime ge yesterday",
		"$filter=result gt 5 or nothing(result)",
		"$filter=result eq 'failure' or result eq 'failed'", "$filter=category eq 'UserManagment'", "$skip=5",
		"$expand=x",
		"top=5", "$search=x",
		"$top=1&$top=2", "$format=csv", "$filter=id eq ''",
	} {
		r.ask("GET", auditsAt+"?"+query, "")
	}
	r.ask("GET", signInsAt+"?$filter=signInEventTypes/any(t: t eq 'nothing')", "")
	r.ask("GET", "/api/auditLogs/signIns?$top=2&$select=id", "", "Accept: text/csv")
	r.ask("GET", "/api/auditLogs/signIns?%zz", "")
}

// askVersioned asks by the addresses that Graph's own clients use.
func (r *recorder) askVersioned() {
	r.file("versioned.txt")
	one := r.follow("/api/v1.0/auditLogs/signIns?$top=2&$select=id,createdDateTime", 2)
	r.all("/api/beta/auditLogs/signIns/"+first(one, "id")+"?$select=id",
		"/api/beta/auditLogs/directoryAudits?$top=1&$select=id",
		"/api/v1.0/auditLogs/provisioning?$top=1&$select=id", "/api/v1.0/auditLogs/nothing",
		"/api/beta/auditLogs/signIns/none")
	r.ask("GET", "/api/v1.0/auditLogs/directoryAudits?$top=1&$select=id", "", "X-Forwarded-Host: other.example:444",
		"X-Forwarded-Proto: http")
}

func (r *recorder) askCoverage() {
	r.file("coverage.txt")
	r.all("/api/coverage", "/api/coverage?$format=csv", "/api/coverage?$format=xml", "/api/coverage?stream=x",
		"/api/coverage/nothing")
	r.ask("GET", "/api/coverage", "", "Accept: text/csv")
	r.follow("/api/coverage/directoryAudits?$top=2", 3)
	r.all("/api/coverage/directoryAudits?status=lost,purged&$top=2",
		"/api/coverage/directoryAudits?status=settled&$top=1",
		"/api/coverage/directoryAudits?from=2026-10-05T07:00:00Z&to=2026-10-05T12:00:00Z",
		"/api/coverage/provisioning?$format=csv&from=2026-10-07",
		"/api/coverage/signIns.managedIdentity?from=2026-10-06T12:00:00Z&to=2026-10-06T10:00:00Z",
		"/api/coverage/directoryAudits?from=x",
		"/api/coverage/directoryAudits?status=nothing", "/api/coverage/directoryAudits?$top=1001",
		"/api/coverage/directoryAudits?$skiptoken=x",
		"/api/coverage/provisioning?status=missing,partial,reopened,sealed&$top=3")
	r.ask("GET", "/api/coverage/provisioning?from=2026-10-07T12:00:00Z", "", "Accept: text/csv")
}

func (r *recorder) askDownloads() {
	r.file("downloads.txt")
	r.all("/api/downloads", "/api/downloads?x=1", "/api/downloads/nothing",
		"/api/downloads/AuditLogs?from=2026-10-05&to=2026-10-06",
		"/api/downloads/AuditLogs?from=2026-10-05T08:00:00Z&to=2026-10-05T12:00:00Z&format=json",
		"/api/downloads/AuditLogs?from=2026-10-05T08:00:00Z&to=2026-10-05T12:00:00Z&format=ndjson",
		"/api/downloads/AuditLogs?from=2026-08-01&to=2026-09-10",
		"/api/downloads/AuditLogs?$filter=result eq 'failure'",
		"/api/downloads/InteractiveSignIns?from=2026-10-07",
		"/api/downloads/InteractiveSignInsAuthDetails?from=2026-10-07",
		"/api/downloads/NonInteractiveSignIns?from=2026-10-07T12:00:00Z",
		"/api/downloads/NonInteractiveSignIns_AuthDetails?from=2026-10-07T12:00:00Z",
		"/api/downloads/ApplicationSignIns?from=2026-10-07", "/api/downloads/MSISignIns?from=2026-10-07",
		"/api/downloads/ProvisioningLogs",
		"/api/downloads/ProvisioningLogs_ProvisioningSteps", "/api/downloads/ProvisioningLogs_ModifiedProperties?format=csv",
		"/api/downloads/AuditLogs?format=zip", "/api/downloads/AuditLogs?from=x",
		"/api/downloads/AuditLogs?from=2026-10-06&to=2026-10-05",
		"/api/downloads/AuditLogs?$filter=nothing eq 1", "/api/downloads/AuditLogs?$top=1",
		"/api/downloads/interactivesignins_conditionalaccess?from=2026-10-07")
	r.ask("GET", "/api/downloads/InteractiveSignIns?from=2026-10-07", "", "Accept-Encoding: gzip")
	r.ask("HEAD", "/api/downloads/AuditLogs?from=2026-10-07", "")
}

func (r *recorder) askReference() {
	r.file("reference.txt")
	r.all("/api/reference/auditActivities?search=password&category=UserManagement",
		"/api/reference/auditActivities?service=Nothing",
		"/api/reference/auditActivities?service=Core Directory&search=owner&$format=csv",
		"/api/reference/errorCodes?search=50126",
		"/api/reference/errorCodes", "/api/reference/errorCodes?service=x", "/api/reference/nothing",
		"/api/reference/errorCodes?$top=1")
	r.ask("GET", "/api/reference/errorCodes?search=locked", "", "Accept: text/csv")
}

func (r *recorder) askCost() {
	r.file("cost.txt")
	r.all("/api/cost", "/api/cost?retentionMonths=3&redundancy=GRS&instanceMemoryMB=2048", "/api/cost?$format=csv",
		"/api/cost?retentionMonths=0",
		"/api/cost?redundancy=XRS", "/api/cost?instanceMemoryMB=1", "/api/cost?retentionMonths=200&redundancy=LRS",
		"/api/cost?x=1")
	r.ask("GET", "/api/cost", "", "Accept: text/csv")
}

func (r *recorder) askPreflight() {
	r.file("preflight.txt")
	r.all("/api/preflight", "/api/preflight?x=1")
	r.tenant.Revoke("AuditLog.Read.All", true)
	r.tenant.RevokeTokens()
	r.all("/api/preflight")
	r.tenant.Revoke("AuditLog.Read.All", false)
	r.tenant.RevokeTokens()
}

func (r *recorder) askDirectory() {
	r.file("directory.txt")
	const users, keys = "/api/inactive-users", "/api/expiring-credentials"
	whole := r.ask("GET", users+"?state=all&days=1&$count=true", "")
	id, name := first(whole, "id"), first(whole, "userPrincipalName")
	require.NotEmpty(r, id)
	r.follow(users+"?state=all&$top=5&$select=id,state,decidedBy,inactiveSinceDateTime", 3)
	r.all(users, users+"?days=1", users+"?state=unknown", users+"?before=2026-10-01",
		users+"?before=2026-10-01T00:00:00Z&userType=guest",
		users+"?state=all&userType=member&enabled=false", users+"?state=all&licensed=true&synced=false&$select=id",
		users+"?days=1&neverSignedIn=only",
		users+"?days=1&neverSignedIn=exclude&$orderby=userPrincipalName desc&$select=userPrincipalName",
		users+"?days=1&exclude="+recordedGroup+","+name+"&$select=id", users+"?exclude=nobody@contoso.example",
		users+"?days=1&newSince=previous",
		users+"?days=30&newSince=2026-10-05T13:00:00Z", users+"?newSince=yesterday", users+"?days=0",
		users+"?days=3651",
		users+"?state=x",
		users+"?before=x", users+"?days=3&before=2026-10-01", users+"?$top=1000", users+"?$orderby=nothing",
		users+"?$select=nothing",
		users+"?$skiptoken=x", users+"?x=1", users+"?days=1&$format=csv",
		users+"?state=all&$format=csv&$select=id,userPrincipalName",
		users+"/summary", users+"/summary?days=1&userType=guest", users+"/summary?$format=csv", users+"/summary?$top=1",
		users+"/nothing",
		"/api/users/"+id, "/api/users/"+name+"?days=30", "/api/users/nobody", "/api/users/"+id+"?days=x",
		"/api/users/"+id+"?x=1")
	r.ask("GET", users+"?days=1&$select=id", "", "Accept: text/csv")
	every := r.ask("GET", keys+"?state=all&$count=true", "")
	app, owner := first(every, "appId"), first(every, "owners.0.id")
	r.follow(keys+"?state=all&$top=2&$select=keyId,state,endDateTime", 2)
	r.all(keys, keys+"?withinDays=3650", keys+"?state=expired,unused", keys+"?state=valid", keys+"?state=x",
		keys+"?withinDays=3651", keys+"?unusedDays=0",
		keys+"?state=all&kind=secret", keys+"?state=all&kind=certificate&origin=servicePrincipal",
		keys+"?state=all&origin=application&$select=keyId",
		keys+"?state=all&appId="+app, keys+"?state=all&owner=none&$select=keyId",
		keys+"?state=all&owner="+owner+"&$select=keyId",
		keys+"?state=all&exclude="+app+"&$select=keyId", keys+"?state=all&newSince=previous",
		keys+"?state=all&newSince=2026-10-06&$orderby=endDateTime desc",
		keys+"?state=all&$format=csv", keys+"?state=all&unusedDays=1&$select=keyId,state", keys+"?$orderby=nothing",
		keys+"?x=1", keys+"?state=",
		keys+"/summary", keys+"/summary?withinDays=365&$format=csv", keys+"/summary?x=1", keys+"/nothing",
		"/api/applications/"+app, "/api/applications/"+app+"?withinDays=3650&unusedDays=1", "/api/applications/none",
		"/api/applications/"+app+"?days=1")
	r.ask("GET", keys+"?state=all&$select=keyId", "", "Accept: text/csv")
}

func (r *recorder) askProof() {
	r.file("verify.txt")
	r.job("GET", "/api/verify", "")
	r.job("GET", "/api/verify?stream=directoryAudits&stream=provisioning", "")
	r.job("GET", "/api/verify?stream=signIns.interactiveUser&from=2026-10-06T00:00:00Z&to=2026-10-07T00:00:00Z", "")
	r.all("/api/verify?stream=nothing", "/api/verify?from=x",
		"/api/verify?from=2026-10-07T00:00:00Z&to=2026-10-06T00:00:00Z", "/api/verify?from=2026-10-07&to=2026-10-06",
		"/api/verify?x=1", "/api/verify/none",
		"/api/verify/none?x=1", "/api/verify/proof?stream=directoryAudits&id="+changedID+
			"&dateTime=2026-10-05T09:15:00.1Z",
		"/api/verify/proof?stream=directoryAudits&id="+changedID+"&dateTime=2026-10-05T09:15:00Z",
		"/api/verify/proof?stream=directoryAudits&id=Audit_old_0001&dateTime=2026-08-31T15:20:00.1234567Z",
		"/api/verify/proof?stream=nothing&id=x&dateTime=2026-10-05T09:15:00Z",
		"/api/verify/proof?stream=directoryAudits",
		"/api/verify/proof?x=1",
		"/api/verify/proof?stream=directoryAudits&id="+lateID+"&dateTime=yesterday")
}

func (r *recorder) askCollect() {
	r.file("collect.txt")
	r.job("POST", "/api/collect", "")
	r.job("POST", "/api/collect", `{"streams":["provisioning"]}`)
	again := r.job("POST", "/api/collect",
		`{"streams":["directoryAudits","signIns.interactiveUser"],"from":"2026-10-05T00:00:00Z","to":"2026-10-06T00:00:00Z"}`)
	require.Equal(r, http.StatusOK, again.status)
	for _, body := range []string{"{", "[]", `{"stream":"provisioning"}`, `{"streams":["nothing"]}`, `{"streams":[]}`,
		`{"from":"2026-10-05T00:00:00Z"}`,
		`{"from":"x","to":"y"}`, `{"from":"2026-10-06T00:00:00Z","to":"2026-10-05T00:00:00Z"}`,
		`{"streams":["` + strings.Repeat("x", 70<<10) + `"]}`} {
		r.ask("POST", "/api/collect", body)
	}
	r.ask("POST", "/api/collect?x=1", "")
	r.ask("GET", "/api/collect/none", "")
	held := r.env["ARCHIVE_STREAMS"]
	r.env["ARCHIVE_STREAMS"] = "directoryAudits,provisioning"
	r.start()
	r.ask("POST", "/api/collect", `{"streams":["signIns.managedIdentity"]}`)
	r.all("/api/coverage", "/api/cost", "/api/auditLogs/signIns?$top=1&$select=id")
	r.timer("purgearchive")
	r.file("collect.txt")
	r.env["ARCHIVE_STREAMS"] = held
	r.start()
}

func (r *recorder) askRepair() {
	r.file("repair.txt")
	r.all("/api/repair", "/api/repair?stream=nothing", "/api/repair?x=1", "/api/repair/none", "/api/repair/none?x=1",
		"/api/repair?stream=provisioning")
	for _, body := range []string{"", "{", `{"stream":"nothing"}`, `{"x":1}`, `{"stream":"provisioning"}`} {
		r.ask("POST", "/api/repair", body)
	}
	r.drop("coverage", "provisioning", "progress")
	r.all("/api/coverage", "/api/coverage/provisioning?$top=1", "/api/auditLogs/provisioning?$top=1")
	r.timer("archivelogs")
	r.file("repair.txt")
	r.job("GET", "/api/repair?stream=provisioning", "")
	r.job("POST", "/api/repair", `{"stream":"provisioning"}`)
	r.timer("archivelogs")
	r.file("repair.txt")
	r.job("GET", "/api/verify?stream=provisioning", "")
}

// askSnapshot makes snapshots by hand. A link into one that is not kept any more is gone then.
func (r *recorder) askSnapshot() {
	r.file("snapshot.txt")
	r.all("/api/snapshot", "/api/snapshot?x=1", "/api/snapshot/none")
	page := r.ask("GET", "/api/inactive-users?state=all&$top=2&$select=id", "")
	link := pathOf(r.T, gjson.Get(page.body, `@odata\.nextLink`).Str)
	for range 2 {
		r.job("POST", "/api/snapshot", "")
		r.ask("GET", link, "")
		r.until(time.Now().Add(3 * time.Hour))
	}
	r.job("POST", "/api/snapshot", "")
	r.all(link, "/api/snapshot")
	r.ask("POST", "/api/snapshot?x=1", "")
	r.ask("POST", "/api/snapshot", `{"x":1}`)
}

// altered asks for what was changed behind the program's back.
func (r *recorder) altered() {
	r.file("altered.txt")
	r.alter("directoryaudits202610", lateID)
	r.all(auditsAt+"?$filter=activityDateTime ge 2026-10-05T07:00:00Z and "+
		"activityDateTime lt 2026-10-05T09:00:00Z&$count=true",
		"/api/auditLogs/directoryAudits/"+lateID, "/api/auditLogs/directoryAudits/none",
		auditsAt+"?$filter=id eq '"+lateID+"'&$select=id&versions=all",
		"/api/downloads/AuditLogs?from=2026-10-05T07:00:00Z&to=2026-10-05T08:00:00Z",
		"/api/downloads/AuditLogs?from=2026-10-05T07:00:00Z&to=2026-10-05T08:00:00Z&format=json",
		"/api/verify/proof?stream=directoryAudits&id="+lateID+"&dateTime=2026-10-05T07:45:00.7654321Z")
	r.job("GET", "/api/verify?stream=directoryAudits", "")
	r.job("POST", "/api/repair", `{"stream":"directoryAudits"}`)
	r.timer("indexarchive")
}

// roles records the answers of an app that asks for roles.
func (r *recorder) roles() {
	r.file("roles.txt")
	r.env["HTTP_AUTHORIZATION"] = "entra"
	r.start()
	r.all("/api/coverage", "/api/preflight")
	r.env["WEBSITE_AUTH_ENABLED"] = "true"
	r.start()
	reader := who(ledgerRead)
	operator := who(`{"auth_typ":"aad","role_typ":"http://role","claims":[{"typ":"http://role","val":"Ledger.Operate"}]}`)
	attributes := who(`{"auth_typ":"aad","role_typ":"roles","claims":[{"typ":"roles","val":"Ledger.Read"},` +
		`{"typ":"roles","val":"Ledger.ReadAttributes"}]}`)
	for _, header := range []string{reader, operator, attributes} {
		r.ask("GET", "/api/auditLogs/customSecurityAttributeAudits?$top=1&$select=activityDateTime", "", header)
	}
	for _, header := range []string{"X-Nobody: 1",
		"X-MS-CLIENT-PRINCIPAL: %%", who("{}"), who(`{"claims":[{"typ":"roles","val":"Other"}]}`),
		reader, operator} {
		r.ask("GET", "/api/cost?x=1", "", header)
		r.ask("POST", "/api/collect", `{"streams":["nothing"]}`, header)
		r.ask("HEAD", "/api/auditLogs/signIns?$top=1&$select=id", "", header)
		r.ask("POST", "/api/repair", `{"stream":"nothing"}`, header)
	}
	r.ask("GET", "/api/nothing", "", reader)
	r.ask("DELETE", "/api/coverage", "", reader)
	r.ask("GET", "/api/preflight", "", reader)
	r.timer("archivelogs")
}

// ledgerRead is a caller with a role, as App Service says it.
const ledgerRead = `{"auth_typ":"aad","role_typ":"roles","claims":[{"typ":"roles","val":"Ledger.Read"}]}`

// who is the header of a caller.
func who(text string) string {
	return "X-MS-CLIENT-PRINCIPAL: " + base64.StdEncoding.EncodeToString([]byte(text))
}

// askReaders moves readers, and forgets them, while callers need a role.
func (r *recorder) askReaders() {
	r.file("readers.txt")
	reader := who(ledgerRead)
	r.ask("DELETE", "/api/readers/x", "")
	for _, of := range [][2]string{{"GET", ""}, {"GET", "?$top=0"}, {"GET", "?$skiptoken=x"}, {"POST", ""}, {"DELETE", ""},
		{"GET", "/x"}, {"PUT", "/x"}, {"DELETE", "/x"}, {"DELETE", "/a%2Fb"}, {"DELETE", "/.."}, {"DELETE", "/x?y=1"}} {
		r.ask(of[0], "/api/readers"+of[1], "", reader)
	}
	store, err := tablestest.New(tables.Config{ConnectionString: r.account.ConnectionString(), HTTP: r.account.Client()})
	require.NoError(r, err)
	good := `{"cursor":"` + cursorIn(r.T, store, 7) + `"}`
	for _, body := range []string{"", "{}", `{"cursor":7}`, `{"cursor":"x"}`, `{"nextCursor":"x"}`, good, good} {
		r.ask("POST", "/api/readers/Tickets", body, reader)
	}
	r.ask("POST", "/api/readers/T%C3%A4glich", good, reader)
	r.ask("POST", "/api/readers/other", good, reader)
	r.ask("GET", "/api/readers?$top=2", "", reader)
	r.alter("readers", "tickets")
	r.ask("GET", "/api/readers", "", reader)
	r.ask("POST", "/api/readers/tickets", good, reader)
	r.ask("DELETE", "/api/readers/TICKETS", "", reader)
	r.ask("DELETE", "/api/readers/TICKETS", "", reader)
	r.ask("POST", "/api/readers/tickets", good, reader)
	r.ask("GET", "/api/readers", "", reader)
}
