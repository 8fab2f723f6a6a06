package devhost

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		panic(err)
	}
	return n
}

// playedApp are the functions of the real host's cases of requests: of this project those that are
// asked for, and one that answers anything.
func playedApp() map[string]string {
	get, both := `,"methods":["get"]`, `,"methods":["get","post"]`
	return map[string]string{
		"applications/function.json":  httpJSON("applications/{id}", get),
		"collect/function.json":       httpJSON("collect/{job?}", both),
		"logs/function.json":          httpJSON("auditLogs/{collection}/{id?}", get),
		"versionedlogs/function.json": httpJSON("{version}/auditLogs/{collection}/{id?}", get),
		"preflight/function.json":     httpJSON("preflight", get),
		"users/function.json":         httpJSON("users/{id}", get),
		"hello/function.json":         httpJSON("hello/{x?}", both),
		"slow/function.json":          httpJSON("slow/{x?}", get),
	}
}

func scriptedSetup(files map[string]string) setup {
	keys := func(o *Options) { o.FunctionKey, o.MasterKey = "fk-secret", "mk" }
	return setup{mode: "scripted", files: files, change: keys}
}

// wire is an answer as it came over the wire.
type wire struct {
	status int
	header map[string][]string // lower case; without what every server writes of its own
	body   []byte
	err    error // how the body broke off
}

// send writes a request as it stands and reads one answer.
func (r *rig) send(t *testing.T, request string) wire {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL(), "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(conn, request) // a host that refuses early reads no more of it
	}()
	defer func() { <-sent }()
	answer := readWire(t, bufio.NewReader(conn), request)
	conn.Close()
	return answer
}

func readWire(t *testing.T, from *bufio.Reader, request string) wire {
	t.Helper()
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(from, &http.Request{Method: method})
	for err == nil && resp.StatusCode == http.StatusContinue {
		resp, err = http.ReadResponse(from, &http.Request{Method: method})
	}
	require.NoError(t, err)
	defer resp.Body.Close()
	answer := wire{status: resp.StatusCode, header: map[string][]string{}}
	answer.body, answer.err = io.ReadAll(resp.Body)
	for name, values := range resp.Header {
		answer.header[strings.ToLower(name)] = values
	}
	for name := range resp.Trailer {
		answer.header["trailer"] = append(answer.header["trailer"], name)
	}
	if slices.Contains(resp.TransferEncoding, "chunked") {
		answer.header["transfer-encoding"] = []string{"chunked"}
	}
	for _, own := range []string{"date", "server", "connection", "keep-alive"} {
		delete(answer.header, own)
	}
	return answer
}

// wired is the answer that the real host gave.
func (a answered) wired(t *testing.T, request string) wire {
	t.Helper()
	text := make([]byte, 0, len(a.Text))
	for _, c := range a.Text {
		text = append(text, byte(c))
	}
	return readWire(t, bufio.NewReader(bytes.NewReader(text)), request)
}

var sentBodies = regexp.MustCompile(`<body of (\d+) bytes>$`)

// request is what the caller sent, with what the transcript left out.
func (c transcript) request(t *testing.T) string {
	t.Helper()
	text := strings.ReplaceAll(c.ClientSent, "<key>", "fk-secret")
	m := sentBodies.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	body := strings.Repeat("x", number(m[1]))
	if len(c.HandlerSaw) > 0 {
		if known, ok := c.HandlerSaw[0].Body.(string); ok {
			body = known
		}
	}
	if strings.Contains(text, "chunked") {
		body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	}
	require.Len(t, body, number(m[1]))
	return strings.TrimSuffix(text, m[0]) + body
}

// ended waits for a function's invocation after the one before.
func (r *rig) awaitEnd(t *testing.T, function, before string) Invocation {
	t.Helper()
	var last *Invocation
	require.Eventually(t, func() bool {
		var running int
		last, running = r.outcomes.of(function)
		return running == 0 && last != nil && last.ID != before
	}, 20*time.Second, 2*time.Millisecond, "%s has not ended", function)
	return *last
}

func (r *rig) lastID(function string) string {
	if last, _ := r.outcomes.of(function); last != nil {
		return last.ID
	}
	return ""
}

// longRequests are those that the transcripts cut.
var longRequests = map[string]string{
	"http-45-long-url-8k":  "GET /api/auditLogs/signIns?$filter=" + strings.Repeat("a", 7000),
	"http-46-long-url-9k":  "GET /api/auditLogs/signIns?$filter=" + strings.Repeat("a", 9000),
	"http-47-long-url-33k": "GET /api/auditLogs/signIns?$filter=" + strings.Repeat("a", 33_000),
	"http-48-headers-40k":  "GET /api/preflight",
}

func playRequests(t *testing.T, c *conformance) {
	r := startReady(t, scriptedSetup(playedApp()))
	var names []string
	for name, state := range c.table {
		if strings.HasPrefix(name, "http-") && (state == statePlayed || state == stateProxy) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	others := map[string]func(*testing.T, *rig, transcript){
		"http-54-client-goes-mid-stream": playCallerGoes, "http-55-client-goes-before-answer": playCallerGoes,
		"http-70-slow-upload": playSlowUpload, "http-71-slow-upload-octet": playSlowUpload,
		"http-72-slow-upload-chunked": playSlowUpload, "http-73-client-gives-up-upload": playUploadGivenUp,
		"http-62-stdout-stderr": nil, // playConsole has it
	}
	for _, name := range names {
		player, special := others[name]
		switch {
		case !special:
			c.play(t, name, func(t *testing.T, one transcript) { playExchange(t, r, name, one) })
		case player != nil:
			c.play(t, name, func(t *testing.T, one transcript) { player(t, r, one) })
		}
	}
	c.play(t, "flex-plain", func(t *testing.T, one transcript) { playForwarded(t, r, one) })
}

// playExchange sends what the caller sent, and compares what came back, what the handler saw and how
// the invocation ended.
func playExchange(t *testing.T, r *rig, name string, one transcript) {
	request := one.request(t)
	if long, ok := longRequests[name]; ok {
		request = long + " HTTP/1.1\r\nHost: ledger.example.org\r\nx-functions-key: fk-secret\r\nConnection: close\r\n"
		if name == "http-48-headers-40k" {
			request += "X-Big: " + strings.Repeat("a", 40_000) + "\r\n"
		}
		request += "\r\n"
	}
	if name == "http-50-body-110MB" { // it is refused for its length alone
		head, _, _ := strings.Cut(request, "\r\n\r\n")
		request = head + "\r\n\r\n"
	}
	if len(one.Rules) == 0 {
		one.Rules = json.RawMessage(`[]`)
	}
	r.transport.CloseIdleConnections() // a used one that breaks would be tried once more
	r.play(t, one.Rules)
	before, ids := len(r.events(t, "req")), map[string]string{}
	for _, f := range r.app.functions {
		ids[f.name] = r.lastID(f.name)
	}
	got, want := r.send(t, request), one.got(t)
	expected := want.wired(t, request)
	require.Equal(t, expected.status, got.status)
	words := name == "http-43-no-host" // net/http refuses it, and says some
	if !words {
		require.Equal(t, masked(expected.header), masked(got.header))
	}
	switch {
	case strings.HasPrefix(want.Closed, "error"):
		require.Error(t, got.err, "the answer breaks off")
	case strings.Contains(want.Text, " more>"):
		require.NoError(t, got.err)
	case !words:
		require.NoError(t, got.err)
		require.Equal(t, neutral(string(expected.body)), neutral(string(got.body)))
	}
	if name == "http-52-stream-20MB" {
		require.Len(t, got.body, 20<<20)
	}
	saw := []event(one.HandlerSaw)
	if name == "http-58-handler-resets-before-answer-get" {
		// The transcript leaves most of them out; they were 40 (facts/functions-host.md, section 5a).
		saw = slices.Repeat(saw[:1], 40)
	}
	sameRequests(t, saw, r.events(t, "req")[before:])
	for _, f := range r.app.functions {
		if succeeded, logged := one.outcome(f.name); logged {
			if name == "http-56-handler-cuts-mid-stream" {
				succeeded = false // devhost says what the host doesn't notice
			}
			require.Equal(t, succeeded, r.awaitEnd(t, f.name, ids[f.name]).Succeeded)
		}
	}
}

func masked(header map[string][]string) map[string][]string {
	same := map[string][]string{}
	for name, values := range header {
		for _, value := range values {
			same[name] = append(same[name], neutral(value))
		}
	}
	return same
}

// playCallerGoes has a caller that closes before all of the answer came: that is no failure.
func playCallerGoes(t *testing.T, r *rig, one transcript) {
	r.play(t, one.Rules)
	before, id := len(r.events(t, "res-close")), r.lastID("preflight")
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL(), "http://"))
	require.NoError(t, err)
	seenBefore := len(r.events(t, "req"))
	_, err = io.WriteString(conn, one.request(t))
	require.NoError(t, err)
	r.awaitEvents(t, seenBefore+1, "req")
	if enough := one.got(t).Bytes; enough > 0 {
		_, err = io.CopyN(io.Discard, conn, int64(enough))
		require.NoError(t, err)
	}
	require.NoError(t, conn.Close())
	ended := r.awaitEvents(t, before+1, "res-close")
	require.False(t, ended[len(ended)-1].Finished, "the handler is told")
	succeeded, logged := one.outcome("preflight")
	require.True(t, logged)
	require.Equal(t, succeeded, r.awaitEnd(t, "preflight", id).Succeeded)
}

// playSlowUpload sends half of a body, and the rest later: only one that is chunked reaches the
// handler before it is whole.
func playSlowUpload(t *testing.T, r *rig, one transcript) {
	want := one.HandlerSaw[1]
	body := want.Body.(string)
	chunked := want.Headers["Transfer-Encoding"] != nil
	r.play(t, one.Rules)
	headersBefore, before := len(r.events(t, "req-headers")), len(r.events(t, "req"))
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL(), "http://"))
	require.NoError(t, err)
	defer conn.Close()
	head := "POST /api/hello HTTP/1.1\r\nHost: ledger.example.org\r\nx-functions-key: " +
		"fk-secret\r\nConnection: close\r\n" +
		"Content-Type: " + want.Headers["Content-Type"].(string) + "\r\n"
	first, rest := body[:5], body[5:]
	if chunked {
		head += "Transfer-Encoding: chunked\r\n\r\n"
		first = fmt.Sprintf("%x\r\n%s\r\n", len(first), first)
		rest = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(rest), rest)
	} else {
		head += fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body))
	}
	_, err = io.WriteString(conn, head+first)
	require.NoError(t, err)
	if chunked {
		r.awaitEvents(t, headersBefore+1, "req-headers")
	} else {
		r.send(t, "GET /api/preflight HTTP/1.1\r\nHost: h\r\nx-functions-key: fk-secret\r\nConnection: close\r\n\r\n")
		require.Len(t, r.events(t, "req-headers"), headersBefore, "the handler waits for the whole body")
		before++
	}
	_, err = io.WriteString(conn, rest)
	require.NoError(t, err)
	got := readWire(t, bufio.NewReader(conn), head)
	require.Equal(t, one.got(t).wired(t, head).status, got.status)
	sameRequests(t, one.HandlerSaw, r.events(t, "req")[before:])
}

// playUploadGivenUp has a caller that goes in the middle of its body.
func playUploadGivenUp(t *testing.T, r *rig, one transcript) {
	r.play(t, one.Rules)
	before, id := len(r.events(t, "req")), r.lastID("hello")
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL(), "http://"))
	require.NoError(t, err)
	_, err = io.WriteString(conn, "POST /api/hello HTTP/1.1\r\nHost: h\r\nx-functions-key: fk-secret\r\n"+
		"Content-Length: 40\r\n\r\nabc")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	succeeded, logged := one.outcome("hello")
	require.True(t, logged)
	require.Equal(t, succeeded, r.awaitEnd(t, "hello", id).Succeeded)
	require.Len(t, r.events(t, "req"), before, "the handler saw nothing of it")
}

// playForwarded sends the headers that Azure's front end sets to a host that does not know Azure.
func playForwarded(t *testing.T, r *rig, one transcript) {
	var flex struct{ Request string }
	one.in(t, &flex)
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(flex.Request)))
	require.NoError(t, err)
	r.play(t, []rule{})
	before := len(r.events(t, "req"))
	sent := "GET /api/hello/a%2Fb HTTP/1.1\r\nHost: ledger.example.org\r\nx-functions-key: fk-secret\r\n" +
		"Connection: close\r\n"
	for name, values := range req.Header {
		if name := strings.ToLower(name); strings.HasPrefix(name, "x-forwarded") ||
			strings.Contains(name, "invocation") {
			values = []string{"spoofed"}
		}
		sent += name + ": " + values[0] + "\r\n"
	}
	require.Equal(t, http.StatusOK, r.send(t, sent+"\r\n").status)
	saw := r.events(t, "req")[before:]
	require.Len(t, saw, 1)
	require.Equal(t, req.RequestURI, saw[0].URL)
	got := headersOf(saw[0].Headers)
	for name, values := range req.Header {
		require.Equal(t, neutral(values[0]), got[strings.ToLower(name)], name)
	}
}

func playKeys(t *testing.T, c *conformance) {
	r := startReady(t, scriptedSetup(playedApp()))
	c.play(t, "keys-01-how-checked", func(t *testing.T, one transcript) {
		var cases map[string]struct {
			Sent, Got  string
			HandlerSaw []event
		}
		one.in(t, &cases)
		require.Len(t, cases, 11)
		for name, want := range cases {
			query, list, ok := strings.Cut(want.Sent, "{")
			require.True(t, ok)
			sent := regexp.MustCompile(`(?i)(code=)[^&]{20,}`).ReplaceAllString(query, "${1}fk-secret")
			head := "GET /api/hello" + sent + " HTTP/1.1\r\nHost: ledger.example.org\r\nConnection: close\r\n"
			for _, m := range regexp.MustCompile(`"([\w-]+)":"([^"]*)"`).FindAllStringSubmatch(list, -1) {
				key := "fk-secret"
				if name == "master" {
					key = "mk"
				}
				head += m[1] + ": " + strings.ReplaceAll(m[2], "<key>", key) + "\r\n"
			}
			before := len(r.events(t, "req"))
			got := r.send(t, head+"\r\n")
			require.Equal(t, strings.Fields(want.Got)[1], strconv.Itoa(got.status), name)
			require.Equal(t, strings.Contains(want.Got, "WWW-Authenticate"), got.header["www-authenticate"] != nil,
				name)
			saw := r.events(t, "req")[before:]
			require.Len(t, saw, len(want.HandlerSaw), name)
			if len(saw) == 1 {
				require.Equal(t, "/api/hello"+sent, saw[0].URL, "the handler sees the key")
			}
		}
	})
}

// TestACallerThatGetsNoAnswerIsTold has what comes of a request when the host gives up.
func TestACallerThatGetsNoAnswerIsTold(t *testing.T) {
	t.Parallel()
	r := startReady(t, scriptedSetup(playedApp()))
	for i := range mostCrashes - 1 {
		require.NoError(t, r.KillHandler())
		r.out.awaitCount(t, "handler ready", i+2)
	}
	exit := 1
	r.play(t, []rule{{Path: "hello", Exit: &exit}})
	got := r.send(t, "GET /api/hello HTTP/1.1\r\nHost: h\r\nx-functions-key: fk-secret\r\nConnection: close\r\n\r\n")
	require.Equal(t, http.StatusInternalServerError, got.status)
	require.Error(t, r.end(t))
	_, err := net.Dial("tcp", strings.TrimPrefix(r.URL(), "http://"))
	var refused *net.OpError
	require.True(t, errors.As(err, &refused))
}
