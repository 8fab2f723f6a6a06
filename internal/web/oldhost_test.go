package web_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// hostsEnvelope is the request of a real host in one of the transcripts, and its headers.
func hostsEnvelope(t *testing.T) (body map[string]any, headers map[string]string) {
	file, err := os.Open(filepath.Join("..", "..", "..", "shared", "samples", "host", "transcripts.jsonl"))
	require.NoError(t, err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 10<<20)
	for lines.Scan() {
		var one struct {
			Case       string
			Transcript json.RawMessage
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &one))
		if one.Case != "admin-01-run-timer" {
			continue
		}
		var transcript struct {
			HandlerSaw []struct {
				Headers map[string]string
				Body    string
			}
		}
		require.NoError(t, json.Unmarshal(one.Transcript, &transcript))
		require.NoError(t, json.Unmarshal([]byte(transcript.HandlerSaw[0].Body), &body))
		return body, transcript.HandlerSaw[0].Headers
	}
	require.NoError(t, lines.Err())
	require.Fail(t, "there is no such transcript")
	return nil, nil
}

// TestAHostThatSendsHTTPInEnvelopesIsToldThatItIsTooOld has the envelope of a real host, with the
// request in it that facts/functions-host.md describes in section 4.6.
func TestAHostThatSendsHTTPInEnvelopesIsToldThatItIsTooOld(t *testing.T) {
	server, log := serve(t, ok)
	envelope, headers := hostsEnvelope(t)
	envelope["Data"] = map[string]any{"req": map[string]any{"Url": "http://ledger.example.org/api/things/7",
		"Method": "GET", "Query": map[string]any{}, "Headers": map[string]any{"x-functions-key": []string{"secret"}},
		"Params": map[string]any{"id": "7"}, "Identities": []any{}}}
	body, err := json.Marshal(envelope)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/things",
		strings.NewReader(string(body)))
	require.NoError(t, err)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode, "the host shows nothing of an invocation that failed")
	require.Equal(t, "application/json", strings.Split(resp.Header.Get("Content-Type"), ";")[0])
	var answer struct {
		Outputs map[string]struct {
			StatusCode int
			Headers    map[string]string
			Body       string
		}
		Logs        []string
		ReturnValue any
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	got := answer.Outputs["res"]
	require.Equal(t, http.StatusInternalServerError, got.StatusCode, "what the caller sees is an error")
	require.Contains(t, got.Headers["Content-Type"], "application/json")
	var told struct {
		Error struct{ Code, Message string }
	}
	require.NoError(t, json.Unmarshal([]byte(got.Body), &told))
	require.Equal(t, "internalError", told.Error.Code)
	const says = "answer things: the Functions host 4.1037.0.0 is too old: it sends HTTP in " +
		"envelopes, which this app " +
		"does not read; run the app on Functions host 4.1040 or later, or Azure Functions Core Tools 4.1.0 or later"
	require.Equal(t, says, told.Error.Message)
	require.Equal(t, []string{says}, answer.Logs)
	require.Contains(t, log.String(), `"msg":"the host is too old","function":"things"`)
	require.Contains(t, log.String(), `"hostVersion":"4.1037.0.0","needed":"4.1040","neededCoreTools":"4.1.0"`)
	require.NotContains(t, log.String(), "secret")
}

// TestAnOldHostsLongEnvelopeIsAnsweredAsAShortOne: it holds what a server delivers. Over a connection
// that writes all before it reads.
func TestAnOldHostsLongEnvelopeIsAnsweredAsAShortOne(t *testing.T) {
	server, log := serve(t, ok)
	body := `{"Data":{"req":{"Method":"POST","Body":"` + strings.Repeat("x", 20<<20) + `"}},"Metadata":{}}`
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /things HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(answer), "run the app on Functions host 4.1040 or later")
	require.Contains(t, log.String(), `"msg":"the host is too old","function":"things"`)
}

// TestWhatIsNoEnvelopeIsNotTakenForAnOldHosts also where it names an HTTP function.
func TestWhatIsNoEnvelopeIsNotTakenForAnOldHosts(t *testing.T) {
	server, _ := serve(t, ok)
	for method, body := range map[string]string{http.MethodPost: `{"Metadata":{}}`, http.MethodGet: ""} {
		status, _, answer := call(t, server, method, "/things", body)
		require.Equal(t, http.StatusNotFound, status)
		require.Contains(t, answer["error"].(map[string]any)["message"], "no such function")
	}
}
