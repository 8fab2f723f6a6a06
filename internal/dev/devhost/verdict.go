package devhost

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// verdict is what the host makes of the answer to an envelope call.
type verdict struct {
	succeeded   bool
	hangs       bool   // the real host would wait until functionTimeout
	cause       string // why it failed
	logs        []string
	outputs     map[string]json.RawMessage
	returnValue json.RawMessage
}

// judge applies the host's rules to a complete answer.
func judge(status int, header http.Header, body []byte) verdict {
	switch {
	case status >= 300 && status < 400:
		return failed("answered %d to %q: the host's client follows redirects, so another address would answer "+
			"for the function; never redirect an invocation", status, header.Get("Location"))
	case status >= 400:
		return failed("answered %d %s: the host ignores body and Logs of such an answer; log the reason to stdout%s",
			status, http.StatusText(status), quoted(body))
	case status < 200:
		return failed("answered %d, which is no final status", status)
	}
	trimmed := bytes.TrimSpace(body)
	if status == http.StatusNoContent || len(trimmed) == 0 || string(trimmed) == "null" {
		v := failed("answered %d with %s: the real host would hang here until functionTimeout and then kill the "+
			"process; answer {} at least", status, emptiness(trimmed))
		v.hangs = true
		return v
	}
	contentType := header.Get("Content-Type")
	if mediaType, _, err := mime.ParseMediaType(contentType); err != nil || mediaType != "application/json" {
		return failed("Invalid HttpResponseMessage: answered %d with Content-Type %q; set application/json "+
			"before WriteHeader", status, contentType)
	}
	return judgeBody(trimmed)
}

func judgeBody(body []byte) verdict {
	if body[0] != '{' && json.Valid(body) {
		return failed("answered JSON that is not an object; answer {\"Outputs\":{},\"Logs\":[],\"ReturnValue\":null}%s",
			quoted(body))
	}
	var answer struct {
		Outputs     map[string]json.RawMessage
		Logs        []string
		ReturnValue json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return failed("answered JSON the host can't read (%v)%s", err, quoted(body))
	}
	return verdict{succeeded: true, logs: answer.Logs, outputs: answer.Outputs, returnValue: answer.ReturnValue}
}

func failed(format string, args ...any) verdict {
	return verdict{cause: fmt.Sprintf(format, args...)}
}

func emptiness(body []byte) string {
	if len(body) > 0 {
		return "the body null"
	}
	return "an empty body"
}

// quoted shows the start of a body on one line.
func quoted(body []byte) string {
	const most = 300
	text := strings.Join(strings.Fields(string(body)), " ")
	if text == "" {
		return ""
	}
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return fmt.Sprintf("; body: %s", text)
}
