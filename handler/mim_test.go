package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/mimserver"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/mim"
)

// mimKey is a key for parts.
var mimKey = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{9}, mim.KeyBytes))

// deliver posts events as a caller with roles; none: with a key alone.
func (p *process) deliver(body []byte, roles ...string) (int, gjson.Result) {
	req, err := http.NewRequestWithContext(p.Context(), http.MethodPost, p.url+"/api/mim/events", bytes.NewReader(body))
	require.NoError(p, err)
	if roles != nil {
		claims := `{"typ":"name","val":"Script"}`
		for _, role := range roles {
			claims += `,{"typ":"roles","val":"` + role + `"}`
		}
		req.Header.Set("X-MS-CLIENT-PRINCIPAL",
			base64.StdEncoding.EncodeToString([]byte(`{"role_typ":"roles","claims":[`+claims+`]}`)))
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(p, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(p, err)
	return resp.StatusCode, gjson.ParseBytes(text)
}

func newMIMSystem(t *testing.T) *system {
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 3, Users: 20, Apps: 2, Days: 1}})
	s.env["ARCHIVE_STREAMS"], s.env["MIM_PARTS_KEY"] = "directoryAudits", mimKey
	return s
}

// comparableRow is a row without what is not of the request.
func comparableRow(r gjson.Result) string {
	row := map[string]any{}
	r.ForEach(func(name, value gjson.Result) bool {
		if name.Str != "id" && name.Str != "computer" {
			row[name.Str] = value.Value()
		}
		return true
	})
	text, _ := json.Marshal(row)
	return string(text)
}

// playedRows are the rows of what happened, by report.
func playedRows(all []mimserver.Happened) map[string][]string {
	out := map[string][]string{}
	add := func(report string, row map[string]any) {
		for name, value := range row {
			if value == "" || name == "gates" && len(value.([]string)) == 0 || name == "methods" &&
				len(value.([]string)) == 0 {
				delete(row, name)
			}
		}
		text, _ := json.Marshal(row)
		out[report] = append(out[report], string(text))
	}
	for _, h := range all {
		for _, r := range h.Resets {
			add(mim.PasswordReset, map[string]any{"eventTime": r.Time, "service": r.Service, "activity": r.Activity,
				"user": r.User, "userId": r.UserID, "requester": r.Requester, "requesterId": r.RequesterID,
				"status": r.Status,
				"result": r.Result, "gates": r.Gates, "reason": r.Reason, "requestId": r.Request})
		}
		for _, r := range h.Registrations {
			add(mim.PasswordRegistration, map[string]any{"eventTime": r.Time, "service": r.Service,
				"activity": r.Activity,
				"user":     r.User, "userId": r.UserID, "methods": r.Methods, "change": r.Change, "status": r.Status,
				"requestId": r.Request})
		}
		for _, r := range h.Groups {
			add(mim.GroupActivity, map[string]any{"eventTime": r.Time, "service": r.Service, "actor": r.Actor,
				"actorId": r.ActorID, "action": r.Action, "group": r.Group, "groupId": r.GroupID, "member": r.Member,
				"memberId": r.MemberID, "by": r.By, "outcome": r.Outcome, "requestId": r.Request})
		}
	}
	for _, rows := range out {
		slices.Sort(rows)
	}
	return out
}

// TestWhatServersOfIdentityManagerSendIsArchivedLikeEveryLog: delivered over HTTP, in the reports,
// queried, downloaded, in coverage, sealed and verified.
func TestWhatServersOfIdentityManagerSendIsArchivedLikeEveryLog(t *testing.T) {
	s := newMIMSystem(t)
	p := s.start()
	status, body := p.deliver(nil)
	require.Equal(t, http.StatusBadRequest, status, body)
	begin := time.Now().UTC().Add(-50 * time.Hour).Truncate(time.Second)
	server, history := mimserver.NewServer("MIM1.contoso.example"), mimserver.NewHistory(11, begin, 3*time.Minute)
	var truth []mimserver.Happened
	for len(server.Events) < 600 {
		h := history.Next()
		truth = append(truth, h)
		server.Log(h.At, h.Request)
	}
	lost := slices.IndexFunc(server.Events, func(e mimserver.Event) bool { return e.Of == 1 && e.RecordID > 300 })
	sending := slices.Delete(slices.Clone(server.Events), lost, lost+1)
	truth = slices.DeleteFunc(truth, func(h mimserver.Happened) bool { return h.ID == server.Events[lost].Request })
	records := int64(0)
	for _, some := range server.Batches(sending, 1<<20) {
		for range 2 {
			status, body := p.deliver(server.Body(some))
			require.Equal(t, http.StatusOK, status, body)
			records += body.Get("records").Int()
		}
	}
	require.Equal(t, int64(len(truth)), records)

	within := "?$top=1000&$filter=" + url.QueryEscape("eventTime gt "+begin.Add(-time.Hour).Format(time.RFC3339))
	for name, want := range playedRows(truth) {
		var got []string
		for _, row := range p.reportRows("/api/reports/" + name + within) {
			got = append(got, comparableRow(row))
		}
		slices.Sort(got)
		require.Equal(t, want, got, name)
		require.NotEmpty(t, p.reportRows("/api/reports/"+name+within+"&merged=true"))
	}
	require.NotEmpty(t, p.reportRows("/api/reports/legacy/mimSsprActivityEvents"+within))

	_, list := p.raw("/api/auditLogs/identityManager?$count=true&$top=1&$filter=" +
		url.QueryEscape("requestId eq '"+truth[0].ID+"'"))
	require.Equal(t, int64(1), gjson.GetBytes(list, `@odata\.count`).Int(), string(list))
	require.Equal(t, truth[0].ID, gjson.GetBytes(list, "value.0.request.HybridObjectID").Str)
	_, file := p.raw("/api/downloads/IdentityManagerRequests?format=csv&from=" +
		begin.Add(-time.Hour).Format(time.RFC3339))
	require.Equal(t, len(truth)+1, strings.Count(string(file), "\r\n"))

	_, coverage := p.raw("/api/coverage")
	row := gjson.GetBytes(coverage, `value.#(stream=="identityManager")`)
	require.Equal(t, int64(len(truth)), row.Get("imported").Int(), row.Raw)
	require.Equal(t, "MIM1.contoso.example", row.Get("deliveries.0.computer").Str)
	require.Equal(t, int64(1), row.Get("deliveries.0.missing").Int())
	require.Equal(t, server.Events[lost].RecordID, row.Get("deliveries.0.missingRecordIds.0.from").Int())
	require.NotEqual(t, "failing", row.Get("status").Str)
	status, answer := p.ask(http.MethodGet, "/api/verify?stream=identityManager", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "intact", answer["status"], answer)
	require.NotContains(t, string(coverage), `"complete"`)
}

func TestWhereNothingWasDeliveredReportsSaySo(t *testing.T) {
	p := newMIMSystem(t).start()
	for _, name := range []string{mim.PasswordReset, mim.PasswordRegistration, mim.GroupActivity,
		"legacy/mimSsprActivityEvents"} {
		status, answer := p.ask(http.MethodGet, "/api/reports/"+name, "")
		require.Equal(t, http.StatusConflict, status)
		require.Contains(t, answer["error"].(map[string]any)["message"],
			"no data of Identity Manager has been delivered")
	}
	status, _ := p.ask(http.MethodGet, "/api/auditLogs/identityManager", "")
	require.Equal(t, http.StatusNotFound, status)
}

func TestADeliveryHasAtMostAMebibyte(t *testing.T) {
	p := newMIMSystem(t).start()
	event := `[{"EventId":1,"Computer":"A","RecordId":1,"Message":"` // of an unknown type: it is put aside
	fill := func(n int) []byte { return []byte(event + strings.Repeat("x", n-len(event)-3) + `"}]`) }
	status, body := p.deliver(fill(1 << 20))
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, int64(1), body.Get("quarantined").Int())
	status, body = p.deliver(fill(1<<20 + 1))
	require.Equal(t, http.StatusRequestEntityTooLarge, status, body)
	require.Equal(t, "bodyTooLarge", body.Get("error.code").Str)
	require.NotContains(t, body.Raw, "xxx")
}

func TestTheRoleThatDeliversOpensNothingElse(t *testing.T) {
	s := newMIMSystem(t)
	s.env["HTTP_AUTHORIZATION"], s.env["WEBSITE_AUTH_ENABLED"] = "entra", "true"
	p := s.start()
	for _, c := range []struct {
		roles []string
		want  int
	}{{nil, 401}, {[]string{}, 403}, {[]string{"Ledger.Read", "Ledger.Operate", "Ledger.ReadAttributes"}, 403},
		{[]string{"Ledger.Ingest"}, 200}} {
		status, body := p.deliver([]byte("[]"), c.roles...)
		require.Equal(t, c.want, status, "%v: %s", c.roles, body)
	}
	for _, c := range attributeCases() {
		if !strings.HasPrefix(c.of, "POST /api/mim") && !strings.HasPrefix(c.of, "GET /api/ui") {
			status, body := p.asked(c, gjson.Parse(`{"id":"x"}`), "Ledger.Ingest")
			require.Equal(t, http.StatusForbidden, status, "%s: %s", c.ask, body)
		}
	}
}

func TestWithoutAKeyPartsAreRefusedOverHTTP(t *testing.T) {
	s := newMIMSystem(t)
	s.env["MIM_PARTS_KEY"] = "@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/x)"
	p := s.start()
	status, body := p.deliver([]byte(`[{"EventId":4137,"Computer":"A","RecordId":1,"Message":` +
		`"Request 'c0000000-0000-4000-8000-000000000001', message 1 out of 2:\n{"}]`))
	require.Equal(t, http.StatusUnprocessableEntity, status, body)
	require.Equal(t, "partsRefused", body.Get("error.code").Str)
	require.Contains(t, body.Get("error.message").Str, "MIM_PARTS_KEY")
}
