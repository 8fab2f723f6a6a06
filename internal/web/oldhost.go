package web

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/entraledger/entraledger/internal/entra"
)

// The first versions that pass HTTP requests on as they are (enableProxyingHttpRequest). Those before
// ignore the flag without a word and send an envelope. The host has it since Azure/azure-functions-host#11035
// of May 2025; Core Tools 4.1.0 are the first that bring a later host, 4.1040.300 (Packages.props of
// Azure/azure-functions-core-tools).
const (
	neededHost  = "4.1040"
	neededTools = "4.1.0"
)

// answerOldHost tells the caller of an HTTP function, and the log, that the host is too old. The
// host is answered with success, since it would keep the reason of a failure to itself.
func (h *Host) answerOldHost(w http.ResponseWriter, r *http.Request, f *served) {
	version := r.Header.Get("X-Azure-Functions-HostVersion")
	if version == "" {
		version = "of unknown version"
	}
	err := &entra.Error{Code: entra.CodeInternal, Doing: "answer " + f.Name,
		Why: fmt.Sprintf("the Functions host %s is too old: it sends HTTP in envelopes, which this app does not read",
			version),
		Remedy: fmt.Sprintf("run the app on Functions host %s or later, or Azure Functions Core Tools %s or later",
			neededHost, neededTools)}
	h.log.ErrorContext(r.Context(), "the host is too old", "function", f.Name, "hostVersion", version, "needed",
		neededHost, "neededCoreTools", neededTools, "error", err.Error())
	answer := &kept{header: http.Header{}}
	Error(answer, r, err)
	JSON(w, http.StatusOK, invocationResult{Logs: []string{err.Error()}, Outputs: map[string]any{
		f.output(): map[string]any{
			"statusCode": answer.status, "headers": map[string]string{
				"Content-Type": answer.header.Get("Content-Type")},
			"body": string(answer.body),
		}}})
}

// output is the name of the binding that takes an HTTP function's answer.
func (s *served) output() string {
	var file struct {
		Bindings []struct{ Type, Direction, Name string }
	}
	if json.Unmarshal(s.Trigger, &file) == nil {
		for _, b := range file.Bindings {
			if b.Type == "http" && b.Direction == "out" && b.Name != "" {
				return b.Name
			}
		}
	}
	return "res"
}

// kept is an answer that goes into an envelope.
type kept struct {
	header http.Header
	status int
	body   []byte
}

func (k *kept) Header() http.Header    { return k.header }
func (k *kept) WriteHeader(status int) { k.status = status }
func (k *kept) Write(p []byte) (int, error) {
	k.body = append(k.body, p...)
	return len(p), nil
}
