package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/logs"
)

var (
	recordedBegin = time.Date(2026, 8, 31, 20, 0, 0, 0, time.UTC)
	recordedEnd   = time.Date(2026, 10, 8, 0, 0, 0, 0, time.UTC) // of the tenant's records
)

const (
	recordedGroup = "0c0ffee0-1111-4222-8333-444455556666" // whose members can be left out
	twiceID       = "Audit_twice_A1B2"                     // of two audits, at two times
	changedID     = "Audit_changed_C3D4"                   // of an audit that changes
	lateID        = "Audit_late_E5F6"                      // of one that comes late
	formulaID     = "Audit_formula_0789"                   // of one with texts that a spreadsheet would compute
)

// recordedTenant is a small tenant with some odd records.
func recordedTenant(t *testing.T) *simtenant.Tenant {
	tenant, err := simtenant.New(simtenant.Config{NoGzip: true, PageSize: 40,
		Generate: &generate.Config{Seed: 16, Users: 12, Apps: 4, Days: 38, Policies: 2, End: recordedEnd}})
	require.NoError(t, err)
	for _, a := range []struct {
		id      string
		at      string
		visible time.Time
		name    string
	}{
		{"Audit_old_0001", "2026-08-31T15:20:00.1234567Z", time.Time{}, "Add user"},
		{"Audit_old_0002", "2026-08-31T16:40:00.5Z", time.Time{}, "Delete user"},
		{twiceID, "2026-10-05T08:10:00Z", time.Time{}, "Update user"},
		{twiceID, "2026-10-05T11:30:00.25Z", time.Time{}, "Update user"},
		{changedID, "2026-10-05T09:15:00.1Z", time.Time{}, "Add application"},
		{lateID, "2026-10-05T07:45:00.7654321Z", time.Date(2026, 10, 5, 20, 0, 0, 0, time.UTC), "Add owner"},
		{formulaID, "2026-10-05T10:00:00Z", time.Time{}, `=HYPERLINK(\"x\"),\n+1`},
	} {
		require.NoError(t, tenant.Add(logs.DirectoryAudits, auditOf(a.id, a.at, a.name, "success"), a.visible))
	}
	for i, user := range tenant.Objects(simtenant.Users)[:2] {
		tenant.AddObject(simtenant.GroupMembers, fmt.Appendf(nil, `{"id":%q,"groupId":%q,"n":%d}`,
			gjson.GetBytes(user, "id").Str, recordedGroup, i))
	}
	return tenant
}

// auditOf is an audit record as Graph has it; its name is a JSON text's inside.
func auditOf(id, at, name, result string) []byte {
	return fmt.Appendf(nil,
		`{"id":%q,"category":"UserManagement","correlationId":"3b1e6f0a-9d52-4c7e-8a55-0123456789ab",`+
			`"result":%q,"resultReason":"","activityDisplayName":"%s","activityDateTime":%q,"loggedByService":"Core Directory",`+
			`"operationType":"Update","userAgent":null,"initiatedBy":{"app":null,"user":{`+
			`"id":"5f0c7a52-1111-4222-8333-abcdefabcdef",`+
			`"displayName":null,"userPrincipalName":"admin@contoso.example","ipAddress":"203.0.113.7","userType":null,`+
			`"homeTenantId":null,"homeTenantName":null}},"targetResources":[{"id":"6a1d8b63-2222-4333-9444-abcdefabcdef",`+
			`"displayName":"-2+3","type":"User","userPrincipalName":"someone@contoso.example","groupType":null,`+
			`"modifiedProperties":[{"displayName":"Department","oldValue":"[\"Sales\"]","newValue":"[\"R&D\"]"}]}],`+
			`"additionalDetails":[{"key":"User-Agent","value":"Mozilla/5.0"}]}`, id, result, name, at)
}

// tenantIdentity asks the tenant for tokens, as a managed identity does.
type tenantIdentity struct{ recorder *recorder }

func (i tenantIdentity) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	time.Sleep(tokenTakes)
	address := "http://identity.example" + simtenant.IdentityPath + "?api-version=2019-08-01&resource=graph"
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	req.Header.Set("X-IDENTITY-HEADER", "simtenant")
	w := httptest.NewRecorder()
	i.recorder.tenant.ServeHTTP(w, req)
	var got struct {
		Token string `json:"access_token"`
	}
	err := json.Unmarshal(w.Body.Bytes(), &got)
	return azcore.AccessToken{Token: got.Token, ExpiresOn: time.Now().Add(time.Hour)}, err
}

// timer invokes a timer function as the Functions host does.
func (r *recorder) timer(name string) {
	r.file("timers.txt")
	r.at.printf("--- %s\n", time.Now().UTC().Format(time.RFC3339))
	r.ask(http.MethodPost, "/"+name, envelope, "Content-Type: application/json; charset=utf-8")
}

// play lets the weeks pass, and asks all that can be asked.
func (r *recorder) play() {
	r.emptyArchive()

	// An archive of one log without runs for longer than Graph keeps its records.
	r.env["ARCHIVE_STREAMS"], r.env["ARCHIVE_BACKFILL"] = "directoryAudits", "6h"
	r.start()
	r.timer("archivelogs")
	r.timer("indexarchive")

	// It continues with all logs.
	r.until(time.Date(2026, 10, 5, 12, 10, 0, 0, time.UTC))
	r.env["ARCHIVE_BACKFILL"] = "1d"
	r.env["SNAPSHOT_GROUPS"] = recordedGroup
	r.env["ARCHIVE_STREAMS"] = "directoryAudits,signIns.interactiveUser,signIns.nonInteractiveUser," +
		"signIns.servicePrincipal," +
		"signIns.managedIdentity,provisioning,customSecurityAttributeAudits"
	r.env["ARCHIVE_RETENTION"] = "forever,directoryAudits=36d"
	r.env["HTTP_ATTRIBUTE_AUDITS"] = "allow"
	r.start()
	broken := true
	r.spoil = func(path string, body []byte) []byte {
		if broken && strings.HasSuffix(path, "/auditLogs/provisioning") && !bytes.Contains(body, []byte(`"value":[]`)) {
			broken = false
			body = bytes.Replace(body, []byte(`"value":[`), []byte(`"value":[{"activityDisplayName":"it has no id"},`),
				1)
		}
		return body
	}
	r.timer("archivelogs")
	require.False(r, broken, "a record without an id was served")
	r.timer("purgearchive")
	r.until(time.Date(2026, 10, 5, 12, 40, 0, 0, time.UTC))
	r.tenant.Inject(simtenant.Fault{Kind: simtenant.Unavailable, Count: 1})
	r.tenant.Inject(simtenant.Fault{Kind: simtenant.TooManyRequests, RetryAfter: "7", Count: 1})
	r.timer("archivelogs")
	r.tenant.ClearFaults()
	r.timer("snapshotdirectory")
	changed := auditOf(changedID, "2026-10-05T09:15:00.1Z", "Add application", "failure")
	require.Equal(r, 1, r.tenant.Change(logs.DirectoryAudits, changedID, changed))

	r.until(time.Date(2026, 10, 5, 23, 30, 0, 0, time.UTC))
	r.tenant.Inject(simtenant.Fault{Kind: simtenant.NoLicence, Stream: logs.SignInsManagedIdentity})
	r.timer("archivelogs")
	r.tenant.ClearFaults()
	r.until(time.Date(2026, 10, 6, 12, 20, 0, 0, time.UTC))
	r.timer("archivelogs")
	r.timer("snapshotdirectory")
	r.timer("indexarchive")

	r.until(time.Date(2026, 10, 7, 15, 20, 0, 0, time.UTC))
	r.file("purge.txt")
	r.ask("GET", "/api/purge", "")
	r.ask("GET", "/api/purge?stream=provisioning", "")
	r.ask("GET", "/api/purge?stream=nothing", "")
	r.ask("GET", "/api/purge?month=2026-08", "")
	r.timer("archivelogs")
	r.timer("purgearchive")
	r.timer("purgearchive")
	r.timer("indexarchive")
	r.requests()
	r.altered()
	r.roles()
	r.askReaders()
}

// emptyArchive asks an app that has done nothing yet.
func (r *recorder) emptyArchive() {
	r.env["ARCHIVE_STREAMS"] = "directoryAudits"
	r.start()
	r.file("empty.txt")
	for _, target := range []string{
		"/", "/api/coverage", "/api/coverage/directoryAudits", "/api/auditLogs/directoryAudits",
		"/api/auditLogs/directoryAudits/none",
		"/api/inactive-users", "/api/expiring-credentials", "/api/users/none", "/api/applications/none",
		"/api/snapshot",
		"/api/cost", "/api/purge", "/api/verify", "/api/downloads/AuditLogs?from=2026-08-31",
		"/api/repair?stream=directoryAudits",
	} {
		r.ask("GET", target, "")
	}
}

// follow asks for a page and the ones behind it, at most so many.
func (r *recorder) follow(target string, pages int, headers ...string) answered {
	got := r.ask("GET", target, "", headers...)
	for range pages - 1 {
		next := gjson.Get(got.body, `@odata\.nextLink`).Str
		if next == "" {
			break
		}
		got = r.ask("GET", pathOf(r.T, next), "", headers...)
	}
	return got
}

// pathOf is a link without its host.
func pathOf(t *testing.T, link string) string {
	u, err := url.Parse(link)
	require.NoError(t, err)
	return u.RequestURI()
}

// job makes a request that may need several requests, until it is done.
func (r *recorder) job(method, target, body string) answered {
	got := r.ask(method, target, body)
	for range 60 {
		if got.status != http.StatusAccepted {
			return got
		}
		got = r.ask("GET", pathOf(r.T, got.header.Get("Location")), "")
	}
	r.Fatalf("%s %s does not end", method, target)
	return got
}

// alter changes the longest binary column of the first row of a table whose key has a text in it,
// and leaves everything else as it is.
func (r *recorder) alter(table, key string) {
	for _, row := range r.rows(table) {
		if !strings.Contains(row.Get("RowKey").Str, key) {
			continue
		}
		column, value := "", ""
		row.ForEach(func(name, v gjson.Result) bool {
			if row.Get(gjsonName(name.Str+"@odata.type")).Str == "Edm.Binary" && len(v.Str) > len(value) {
				column, value = name.Str, v.Str
			}
			return true
		})
		content, err := base64.StdEncoding.DecodeString(value)
		require.NoError(r, err)
		content[len(content)-1] ^= 1
		text := base64.StdEncoding.EncodeToString(content)
		body := fmt.Sprintf(`{"%s@odata.type":"Edm.Binary","%s":%q}`, column, column, text)
		r.store("MERGE", table, row, body)
		return
	}
	r.Fatalf("table %s has no row with %s in its key", table, key)
}

// drop deletes the first row of a table whose key has a text in it.
func (r *recorder) drop(table, partition, key string) {
	for _, row := range r.rows(table) {
		if row.Get("PartitionKey").Str == partition && strings.Contains(row.Get("RowKey").Str, key) {
			r.store(http.MethodDelete, table, row, "")
			return
		}
	}
	r.Fatalf("table %s has no row %s in %s", table, key, partition)
}

func gjsonName(name string) string { return strings.NewReplacer(".", `\.`, "@", `\@`).Replace(name) }

// rows are those of a table, as they are stored.
func (r *recorder) rows(table string) (out []gjson.Result) {
	var dump bytes.Buffer
	require.NoError(r, r.account.Dump(&dump))
	for line := range strings.Lines(dump.String()) {
		if body, ok := strings.CutPrefix(line, "row "+table+" "); ok {
			out = append(out, gjson.Parse(strings.TrimSpace(body)))
		}
	}
	return out
}

// store writes a row behind the program's back.
func (r *recorder) store(method, table string, row gjson.Result, body string) {
	address := fmt.Sprintf("http://memory.table.core.example/%s(PartitionKey='%s',RowKey='%s')", table,
		url.PathEscape(row.Get("PartitionKey").Str), url.PathEscape(row.Get("RowKey").Str))
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	require.NoError(r, err)
	req.Header.Set("If-Match", "*")
	resp, err := r.account.Client().Do(req)
	require.NoError(r, err)
	require.Equal(r, http.StatusNoContent, resp.StatusCode)
}
