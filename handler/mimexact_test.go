package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/mimserver"
	"github.com/entraledger/entraledger/internal/mim"
)

// TestThousandsOfEventsOverASocketGiveTheReportsExactly: two servers send to the whole program, some
// batches twice at once, others again as Azure Monitor's agent has them, and some events are lost. The
// reports are what happened, alone and merged with Entra's own audits, and say what did not come.
func TestThousandsOfEventsOverASocketGiveTheReportsExactly(t *testing.T) {
	s := newMIMSystem(t)
	p := s.start()
	status, answer, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%v", answer)
	begin := time.Now().UTC().Add(-10 * time.Hour).Truncate(time.Second)
	history := mimserver.NewHistory(41, begin, 10*time.Second)
	servers := []*mimserver.Server{mimserver.NewServer("MIM1"), mimserver.NewServer("MIM2")}
	servers[1].Documented = true
	var truth []mimserver.Happened
	for len(servers[0].Events)+len(servers[1].Events) < 2_500 {
		h := history.Next()
		truth = append(truth, h)
		servers[len(truth)%2].Log(h.At, h.Request)
		if len(truth)%40 == 0 { // both log it
			servers[(len(truth)+1)%2].Log(h.At, h.Request)
		}
	}
	came, parts := map[string]map[int]bool{}, map[string]int{}
	var records, missing int64
	var mu sync.Mutex
	for n, server := range servers {
		var sending []mimserver.Event
		for i, e := range server.Events {
			if parts[e.Request] = e.Of; (i+7*n)%97 == 50 {
				missing++
				continue
			}
			if sending = append(sending, e); came[e.Request] == nil {
				came[e.Request] = map[int]bool{}
			}
			came[e.Request][e.Part] = true
		}
		for i, some := range server.Batches(sending, 1<<19) {
			var posts sync.WaitGroup
			post := func(body []byte) {
				posts.Go(func() {
					status, body := p.deliver(body)
					mu.Lock()
					defer mu.Unlock()
					require.Equal(t, http.StatusOK, status, body)
					records += body.Get("records").Int()
				})
			}
			post(server.Body(some))
			if i == 0 { // at once
				post(server.Body(some))
			}
			posts.Wait()
			if i%4 == 1 {
				post(server.AgentBody(some))
				posts.Wait()
			}
		}
	}
	truth = slices.DeleteFunc(truth, func(h mimserver.Happened) bool { return len(came[h.ID]) < parts[h.ID] })
	require.Equal(t, int64(len(truth)), records)

	within := "?$top=1000&$filter=" + url.QueryEscape("eventTime gt "+begin.Add(-time.Hour).Format(time.RFC3339))
	audits := pages(t, p.url+"/api/auditLogs/directoryAudits?$filter="+
		url.QueryEscape("activityDateTime ge "+begin.Add(-time.Hour).Format(time.RFC3339)), "")
	rules, err := mim.Shipped()
	require.NoError(t, err)
	merged := 0
	for name, want := range playedRows(truth) {
		var got, own, wantOwn []string
		for _, row := range p.reportRows("/api/reports/" + name + within + "&merged=true") {
			if row.Get("service").Str == mim.Service {
				got = append(got, comparableRow(row))
			} else {
				own = append(own, row.Get("id").Str+" "+row.Get("service").Str)
			}
		}
		slices.Sort(got)
		require.Equal(t, want, got, name)
		for _, raw := range audits {
			audit := gjson.Parse(string(raw))
			if slices.ContainsFunc(rules.EntraActivities(name), func(a string) bool {
				return strings.EqualFold(a, audit.Get("activityDisplayName").Str)
			}) {
				wantOwn = append(wantOwn, audit.Get("id").Str+" "+audit.Get("loggedByService").Str)
			}
		}
		slices.Sort(own)
		slices.Sort(wantOwn)
		require.Equal(t, wantOwn, own, name)
		merged += len(own)
		var alone []string
		for _, row := range p.reportRows("/api/reports/" + name + within) {
			alone = append(alone, comparableRow(row))
		}
		slices.Sort(alone)
		require.Equal(t, want, alone, name)
	}
	require.Positive(t, merged, "Entra's own audits are among the rows")

	_, coverage := p.raw("/api/coverage")
	row := gjson.GetBytes(coverage, `value.#(stream=="identityManager")`)
	require.Equal(t, missing, row.Get("deliveries.0.missing").Int()+row.Get("deliveries.1.missing").Int(), row.Raw)
	_, body := p.raw("/api/reports/" + mim.PasswordReset + within)
	require.Contains(t, string(body), "of the log of MIM2 the events")
	status, later := p.ask(http.MethodGet, "/api/reports/"+mim.PasswordReset+"?$filter="+
		url.QueryEscape("eventTime gt "+time.Now().UTC().Add(-time.Hour).Format(time.RFC3339)), "")
	require.Equal(t, http.StatusConflict, status, later)
	require.Contains(t, later["error"].(map[string]any)["message"], "whether anything happened since is not known")
	for _, h := range truth[:3] { // a record by its ID, with the properties that are asked for
		_, list := p.raw("/api/auditLogs/identityManager?$select=id,requestId&$filter=" +
			url.QueryEscape("requestId eq '"+h.ID+"'"))
		id := gjson.GetBytes(list, "value.0.id").Str
		status, one := p.ask(http.MethodGet, "/api/auditLogs/identityManager/"+id+"?$select=requestId", "")
		require.Equal(t, http.StatusOK, status, one)
		require.Equal(t, h.ID, one["requestId"])
		require.NotContains(t, one, "request")
	}
}
