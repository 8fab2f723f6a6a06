package devhost

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// adminStart is when the host of the admin cases began.
var adminStart = time.Date(2026, 11, 25, 22, 30, 18, 912744800, time.UTC)

func adminSetup() setup {
	cron := func(schedule, more string) string {
		return `{"bindings":[{"type":"timerTrigger","direction":"in","name":"timer","schedule":"` + schedule + `"}]` +
			more + `}`
	}
	s := scriptedSetup(map[string]string{
		"judge/function.json": cron("0 0 7 * * *", ""), "CaseName/function.json": cron("0 0 8 * * *", ""),
		"overlap/function.json":     cron("0 0 7 * * *", ""),
		"disabledone/function.json": cron("*/5 * * * * *", `,"disabled":true`),
		"hello/function.json":       httpJSON("hello/{x?}", `,"methods":["get"]`),
	})
	s.now = adminStart
	keys := s.change
	s.change = func(o *Options) {
		keys(o)
		o.NoTimers = false
		o.HangOnEmpty = true
	}
	return s
}

// startScheduled waits until each timer has written its status, and waits for its time.
func startScheduled(t *testing.T, s setup) *rig {
	r := startReady(t, s)
	for name, timer := range r.timers {
		require.Eventually(t, func() bool { return !timer.monitored || timer.remembered() != nil }, 20*time.Second,
			time.Millisecond, name)
	}
	return r
}

// byName are the runs by hand: what was sent is not in the transcripts.
var byName = map[string]struct{ path, key, contentType, body string }{
	"admin-01-run-timer":           {"/admin/functions/judge", "mk", "application/json", `{"input":""}`},
	"admin-02-run-input-text":      {"/admin/functions/judge", "mk", "application/json", `{"input":"hello"}`},
	"admin-03-run-empty-object":    {"/admin/functions/judge", "mk", "application/json", `{}`},
	"admin-04-run-empty-body":      {"/admin/functions/judge", "mk", "application/json", ``},
	"admin-05-run-no-content-type": {"/admin/functions/judge", "mk", "", `{}`},
	"admin-06-run-invalid-json":    {"/admin/functions/judge", "mk", "application/json", `{"input":`},
	"admin-07-run-no-key":          {"/admin/functions/judge", "", "application/json", `{"input":""}`},
	"admin-08-run-function-key":    {"/admin/functions/judge", "fk-secret", "application/json", `{"input":""}`},
	"admin-09-run-code-query":      {"/admin/functions/judge?code=mk", "", "application/json", `{"input":""}`},
	"admin-10-run-unknown":         {"/admin/functions/nobody", "mk", "application/json", `{"input":""}`},
	"admin-11-run-case":            {"/ADMIN/Functions/judge", "mk", "application/json", `{"input":""}`},
	"admin-12-run-casename":        {"/admin/functions/casename", "mk", "application/json", `{"input":""}`},
	"admin-13-run-http-function":   {"/admin/functions/hello", "mk", "application/json", `{"input":""}`},
	"admin-14-run-disabled":        {"/admin/functions/disabledone", "mk", "application/json", `{"input":""}`},
}

func playAdmin(t *testing.T, c *conformance) {
	r := startScheduled(t, adminSetup())
	var names []string
	for name := range byName {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c.play(t, name, func(t *testing.T, one transcript) { playRunByName(t, r, name, one) })
	}
	for name, ask := range map[string]struct{ path, key string }{
		"admin-20-get-functions": {"/admin/functions", "mk"}, "admin-21-host-status": {"/admin/host/status", "mk"},
		"admin-22-host-ping": {"/admin/host/ping", "mk"}, "admin-24-function": {"/admin/functions/judge", "mk"},
		"admin-28-status-no-key": {"/admin/host/status", ""}, "admin-29-homepage": {"/", "mk"},
		"admin-30-ping-no-key": {"/admin/host/ping", ""},
	} {
		c.play(t, name, func(t *testing.T, one transcript) {
			got := r.send(t, "GET "+ask.path+" HTTP/1.1\r\nHost: h\r\nx-functions-key: "+ask.key+
				"\r\nConnection: close\r\n\r\n")
			text := one.got(t).Text
			sameStatus(t, text, got)
			for _, member := range []string{`"state":"Running"`, `"name":"CaseName"`, `"name":"judge"`,
				`"isDisabled":false`} {
				if strings.Contains(text, member) {
					require.Contains(t, string(got.body), member)
				}
			}
		})
	}
	c.play(t, "index-03-host-status", func(t *testing.T, one transcript) {
		var text string
		one.in(t, &text)
		got := r.send(t, "GET /admin/host/status HTTP/1.1\r\nHost: h\r\nx-functions-key: "+
			"mk\r\nConnection: close\r\n\r\n")
		sameStatus(t, text, got)
		require.Contains(t, text, `"state":"Running"`)
		require.Contains(t, string(got.body), `"state":"Running"`)
	})
}

// playRunByName runs a function by its name.
func playRunByName(t *testing.T, r *rig, name string, one transcript) {
	ask := byName[name]
	before := len(r.events(t, "req"))
	ids := map[string]string{}
	for _, f := range r.app.functions {
		ids[f.name] = r.lastID(f.name)
	}
	got := r.byHand(t, ask.path, ask.key, ask.contentType, ask.body)
	sameStatus(t, one.got(t).Text, got)
	for function, id := range ids {
		if function == "disabledone" && name != "admin-14-run-disabled" {
			continue // its own schedule's
		}
		if succeeded, logged := one.outcome(function); logged {
			require.Equal(t, succeeded, r.awaitEnd(t, function, id).Succeeded)
		}
	}
	want := slices.DeleteFunc(slices.Clone(one.HandlerSaw), func(e event) bool {
		return e.URL == "/disabledone" && name != "admin-14-run-disabled" // its own schedule's
	})
	saw := r.events(t, "req")[before:]
	if name != "admin-14-run-disabled" {
		sameRequests(t, want, saw)
		return
	}
	require.Len(t, saw, 1)
	sameEnvelope(t, want[0], saw[0])
}

func (r *rig) byHand(t *testing.T, path, key, contentType, body string) wire {
	t.Helper()
	head := "POST " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
	if key != "" {
		head += "x-functions-key: " + key + "\r\n"
	}
	if contentType != "" {
		head += "Content-Type: " + contentType + "\r\n"
	}
	return r.send(t, head+"Content-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
}

// run asks for a timer's run, which the host accepts.
func (r *rig) run(t *testing.T, function string) {
	t.Helper()
	require.Equal(t, http.StatusAccepted,
		r.byHand(t, "/admin/functions/"+function, "mk", "application/json", `{"input":""}`).status)
}

func (r *rig) get(t *testing.T, path string) wire {
	t.Helper()
	return r.send(t, "GET "+path+" HTTP/1.1\r\nHost: h\r\nx-functions-key: mk\r\nConnection: close\r\n\r\n")
}

// sameStatus compares the status, and who is to log in how.
func sameStatus(t *testing.T, text string, got wire) {
	t.Helper()
	require.Equal(t, strings.Fields(text)[1], strconv.Itoa(got.status))
	require.Equal(t, strings.Contains(text, "WWW-Authenticate: Bearer"), got.header["www-authenticate"] != nil)
}

// judgedAnswers are what the handler answered: the transcripts have what the host made of it.
var judgedAnswers = map[string]rule{
	"judge-01-empty-object":    {Body: `{}`},
	"judge-02-no-outputs":      {Body: `{"Logs":["a","b"]}`},
	"judge-03-500":             {Status: 500, Body: `{"Logs":["lost"]}`},
	"judge-04-404":             {Status: 404, Body: `{"Logs":["lost"]}`},
	"judge-05-text-plain":      {Headers: map[string]any{"Content-Type": "text/plain"}, Body: `{"Outputs":{}}`},
	"judge-06-no-content-type": {Bare: true, Body: `{"Outputs":{}}`},
	"judge-07-invalid-json":    {Body: `{"Outputs":`},
	"judge-08-array":           {Body: `[]`},
	"judge-09-string":          {Body: `"x"`},
	"judge-10-number":          {Body: `7`},
	"judge-11-logs-string":     {Body: `{"Logs":"one line"}`},
	"judge-12-logs-objects":    {Body: `{"Logs":[{"a":1}]}`},
	"judge-13-unknown-output":  {Body: `{"Outputs":{"nobody":1}}`},
	"judge-15-202":             {Status: 202, Headers: map[string]any{"Content-Type": "application/json"}, Body: `{}`},
	"judge-16-charset": {Headers: map[string]any{"Content-Type": "application/json; charset=utf-8"},
		Body: `{"Logs":["ä {x} {0}"]}`},
	"judge-17-problem-json": {Headers: map[string]any{"Content-Type": "application/problem+json"},
		Body: `{}`},
	"judge-18-lowercase-names":            {Body: `{"outputs":{},"logs":["lower"],"returnValue":null}`},
	"judge-19-destroy":                    {Destroy: true},
	"judge-20-content-type-json-but-html": {Body: `<html>`},
	"judge-21-xml":                        {Headers: map[string]any{"Content-Type": "application/xml"}, Body: `<a/>`},
}

func playJudged(t *testing.T, c *conformance) {
	r := startScheduled(t, adminSetup())
	var names []string
	for name := range judgedAnswers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c.play(t, name, func(t *testing.T, one transcript) {
			answer := judgedAnswers[name]
			answer.Path = "^/judge"
			r.play(t, []rule{answer})
			before, id := len(r.events(t, "req")), r.lastID("judge")
			r.run(t, "judge")
			succeeded, logged := one.outcome("judge")
			require.True(t, logged)
			got := r.awaitEnd(t, "judge", id)
			require.Equal(t, succeeded, got.Succeeded, got.Cause)
			var logs []string
			for i, line := range one.HostLog {
				if strings.HasSuffix(line, "info: Function.judge.User[0]") {
					logs = append(logs, regexp.MustCompile(`^\S+ +`).ReplaceAllString(one.HostLog[i+1], ""))
				}
			}
			require.Equal(t, logs, got.Logs)
			sameRequests(t, one.HandlerSaw, r.events(t, "req")[before:])
		})
	}
	c.play(t, "judge-30-empty-variants", func(t *testing.T, one transcript) {
		var variants map[string][]string
		one.in(t, &variants)
		typed := map[string]any{"Content-Type": "application/json"}
		for name, answer := range map[string]rule{
			"empty-no-content-type": {Bare: true}, "whitespace-json": {Headers: typed, Body: " \n"},
			"empty-text-plain": {Headers: map[string]any{"Content-Type": "text/plain"}},
			"outputs-null":     {Headers: typed, Body: `{"Outputs":null}`},
		} {
			want := strings.Join(variants[name], "\n")
			require.NotEmpty(t, want)
			answer.Path = "^/judge"
			r.play(t, []rule{answer})
			id := r.lastID("judge")
			r.run(t, "judge")
			hangs := strings.Contains(want, "nothing within 1.5 s")
			if hangs {
				r.clock.reach(t, r.clock.Now().Add(10*time.Minute))
			}
			require.Equal(t, strings.Contains(want, "(Succeeded"), r.awaitEnd(t, "judge", id).Succeeded, name)
			if hangs {
				ready := strings.Count(r.out.String(), "handler ready")
				r.clock.reach(t, r.clock.Now().Add(killGrace))
				r.out.awaitCount(t, "handler ready", ready+1)
			}
		}
	})
}

func playIndex(t *testing.T, c *conformance) {
	c.alone(t, "index-01-product", playProduct)
	c.alone(t, "index-02-odd-functions", playOddFunctions)
	c.alone(t, "index-04-bad-route-templates", playBadRoutes)
	c.alone(t, "index-05-route-order", func(t *testing.T, one transcript) {
		var order struct{ O map[string]string }
		one.in(t, &order)
		get := `,"authLevel":"anonymous","methods":["get"]`
		r := startReady(t, scriptedSetup(map[string]string{
			"aparam/function.json": httpJSON("x/{p}", get), "zlit/function.json": httpJSON("x/lit", get),
			"acatch/function.json": httpJSON("y/{*rest}", get), "zone/function.json": httpJSON("y/one", get),
			"zget/function.json": httpJSON("z/{a}", get),
		}))
		require.Len(t, order.O, 3)
		for path, function := range order.O {
			id := r.lastID(function)
			require.Equal(t, http.StatusOK, r.get(t, path).status)
			require.True(t, r.awaitEnd(t, function, id).Succeeded)
		}
	})
}

// playProduct indexes this project as it is: what the real host indexed and is still there has the
// same route, level and schedule, and each method that it had.
func playProduct(t *testing.T, one transcript) {
	var product struct {
		Functions map[string]struct {
			URL      string `json:"invoke_url_template"`
			Bindings []bindingJSON
		}
	}
	one.in(t, &product)
	project := filepath.Join("..", "..", "..")
	host, err := os.ReadFile(filepath.Join(project, "host.json"))
	require.NoError(t, err)
	files := map[string]string{"host.json": string(host)}
	found, err := filepath.Glob(filepath.Join(project, "functions", "*", "function.json"))
	require.NoError(t, err)
	for _, file := range found {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		files[filepath.Join(filepath.Base(filepath.Dir(file)), "function.json")] = string(text)
	}
	h, err := Load(Options{AppRoot: appFiles(t, files), Environ: []string{}, Settings: map[string]string{
		"ARCHIVE_SCHEDULE": "0 */5 * * * *", "INDEX_SCHEDULE": "0 20 * * * *", "PURGE_SCHEDULE": "0 30 3 * * *",
		"SNAPSHOT_SCHEDULE": "0 */10 1-6 * * *"}})
	require.NoError(t, err, "devhost refuses nothing that the real host indexes without a warning")
	same := 0
	for name, want := range product.Functions {
		f := h.function(name)
		if f == nil {
			continue
		}
		same++
		trigger := want.Bindings[0]
		require.Equal(t, trigger.Type == "timerTrigger", f.timer != nil, name)
		if f.http == nil {
			continue
		}
		// Since then a part may have become optional, and a route may have got optional parts at its end.
		known := regexp.QuoteMeta(strings.TrimPrefix(want.URL, "http://ledger.example.org/"))
		route := regexp.MustCompile("^" + strings.ReplaceAll(known, `\}`, `\??\}`) + `(/\{\w+\?\})*$`)
		require.Regexp(t, route, strings.Replace(f.http.path, "auditLogs", "auditlogs", 1), name)
		require.Equal(t, trigger.AuthLevel, f.http.authLevel, name)
		for _, method := range trigger.Methods {
			require.Contains(t, f.http.methods, strings.ToUpper(method), name)
		}
	}
	require.Greater(t, same, 12)
}

// oddly are the requests of index-02 that devhost does not play, and why.
var oddly = map[string]string{
	"/api/extra":          "devhost refuses a function that gets HTTP in an envelope",
	"/api/noout":          "devhost refuses a function that gets HTTP in an envelope",
	"/api/ret":            "it is no plain function: its answer is $return",
	"/runtime/webhooks/x": "extensions have webhooks, and this project has no extension",
	"FOO /api/anym":       "the real host knows the methods of HTTP alone",
}

func playOddFunctions(t *testing.T, one transcript) {
	var odd struct {
		Mapped   []string
		Requests map[string]json.RawMessage
	}
	one.in(t, &odd)
	files := map[string]string{}
	for _, line := range odd.Mapped {
		m := regexp.MustCompile(`^Mapped function route 'api/(.+)' \[(.+)\] to '(.+)'$`).FindStringSubmatch(line)
		require.NotNil(t, m, line)
		level := map[string]string{"noauth": "", "adminlevel": `,"authLevel":"admin"`}
		more, special := level[m[3]]
		if !special {
			more = `,"authLevel":"anonymous"`
		}
		if m[2] != "all" {
			more += `,"methods":["` + strings.ReplaceAll(m[2], ",", `","`) + `"]`
		}
		if m[3] == "dis" {
			files["dis/function.json"] = strings.Replace(httpJSON(m[1], more), "{", `{"disabled":true,`, 1)
			continue
		}
		// devhost refuses a setting in a route, and a route that two functions have.
		if m[3] != "settingroute" && m[3] != "same2" && m[3] != "extra" && m[3] != "nohttpout" && m[3] != "returnb" {
			files[m[3]+"/function.json"] = httpJSON(m[1], more)
		}
	}
	r := startReady(t, scriptedSetup(files))
	played := 0
	for name, raw := range odd.Requests {
		var want struct {
			Got, Fn string
			Handler []string
		}
		if json.Unmarshal(raw, &want) != nil {
			require.NoError(t, json.Unmarshal(raw, &want.Got))
		}
		if oddly[name] != "" {
			continue
		}
		played++
		method, path, ok := strings.Cut(name, " ")
		key := "none"
		switch {
		case strings.HasPrefix(name, "/") && ok:
			words := strings.Fields(name)
			method, path, key = "GET", words[0], map[string]string{"function": "fk-secret", "master": "mk"}[words[1]]
		case !ok:
			method, path = "GET", name
		}
		before, id := len(r.events(t, "start", "req")), r.lastID(want.Fn)
		got := r.send(t, method+" "+path+" HTTP/1.1\r\nHost: h\r\nx-functions-key: "+key+
			"\r\nConnection: close\r\n\r\n")
		require.Equal(t, strings.Fields(want.Got)[1], strconv.Itoa(got.status), name)
		if len(want.Handler) > 0 {
			saw := r.events(t, "start", "req")[before:]
			require.Len(t, saw, 1, name)
			require.Equal(t, want.Handler[0], neutral(saw[0].Method+" "+saw[0].URL), name)
		}
		if want.Fn != "" {
			require.True(t, r.awaitEnd(t, want.Fn, id).Succeeded, name)
		}
	}
	require.Greater(t, played, 60)
}

// playBadRoutes has routes that take the whole app down, or are refused or taken: devhost refuses
// them all, before anything runs.
func playBadRoutes(t *testing.T, one transcript) {
	var routes map[string]struct{ Route, Ok string }
	one.in(t, &routes)
	require.Len(t, routes, 7)
	down := 0
	for name, want := range routes {
		root := appFiles(t, map[string]string{"bad/function.json": httpJSON(want.Route, ""),
			"ok/function.json": httpJSON("ok", "")})
		_, err := Load(Options{AppRoot: root, Environ: []string{}})
		require.ErrorContains(t, err, "bad/function.json: ", name)
		if strings.Contains(want.Ok, "503") {
			down++
		}
	}
	require.Equal(t, 5, down)
}
