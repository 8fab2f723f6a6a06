package devhost

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/entraledger/entraledger/internal/web/router"
)

// ServeHTTP is the public listener: the host's own routes first, then the app's.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.enter() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer h.work.Done()
	if status := refusal(r); status != 0 {
		w.WriteHeader(status)
		return
	}
	path := hostPath(r.URL.EscapedPath())
	parts, _ := router.Split(path)
	switch {
	case len(parts) == 0:
		fmt.Fprintln(w, "devhost is running")
	case strings.EqualFold(parts[0], "admin"):
		h.serveAdmin(w, r, parts[1:])
	default:
		f := h.find(r.Method, path)
		if f == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if !h.admits(r, f.http.authLevel) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.serveFunction(w, r, f, path)
	}
}

// serveAdmin serves the host's own addresses. What it does not have is 404 whoever asks, and what
// it has is told from a function key (403) to none (401).
func (h *Host) serveAdmin(w http.ResponseWriter, r *http.Request, parts []string) {
	path := strings.ToLower(strings.Join(parts, "/"))
	var serve func()
	switch ask := r.Method + " " + path; {
	case path == "host/ping":
		return // 200, whoever asks
	case ask == "GET host/status":
		serve = func() { answer(w, http.StatusOK, h.hostStatus()) }
	case ask == "POST host/drain":
		serve = func() {
			h.stopFiring()
			w.WriteHeader(http.StatusAccepted)
		}
	case ask == "GET host/drain/status":
		serve = func() { answer(w, http.StatusOK, h.drainStatus()) }
	case ask == "GET functions":
		serve = func() { answer(w, http.StatusOK, h.list()) }
	case len(parts) >= 2 && strings.EqualFold(parts[0], "functions"):
		serve = func() { h.serveAdminFunction(w, r, parts[1:]) }
	default:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	switch {
	case h.isMaster(r):
		serve()
	case h.isFunction(r):
		w.WriteHeader(http.StatusForbidden)
	default:
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func (h *Host) serveAdminFunction(w http.ResponseWriter, r *http.Request, parts []string) {
	f := h.function(parts[0])
	switch {
	case f == nil:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodGet && len(parts) == 2 && strings.EqualFold(parts[1], "status"):
		answer(w, http.StatusOK, h.functionStatus(f))
	case r.Method == http.MethodGet && len(parts) == 1:
		answer(w, http.StatusOK, h.describe(f))
	case r.Method == http.MethodPost && len(parts) == 1:
		h.acceptRun(w, r, f)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// acceptRun answers 202 and runs the function in the background, beside a run in progress. The host
// takes the name of an HTTP function, too, and then fails.
func (h *Host) acceptRun(w http.ResponseWriter, r *http.Request, f *function) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		answer(w, http.StatusUnsupportedMediaType, message(`send Content-Type: application/json`))
		return
	}
	var body struct{ Input *string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body); err != nil {
		answer(w, http.StatusBadRequest, message(`send {"input":""}: `+err.Error()))
		return
	}
	switch t := h.timers[f.name]; {
	case f.http != nil:
		h.failByHand(f)
	case t == nil:
		answer(w, http.StatusBadRequest, message(f.name+" is disabled"))
		return
	default:
		h.background(func() { h.runTimer(h.life, t, occasion{reason: byHand, input: body.Input}) })
	}
	w.WriteHeader(http.StatusAccepted)
}

func message(text string) map[string]string { return map[string]string{"message": text} }

// failByHand is the run of an HTTP function without a request.
func (h *Host) failByHand(f *function) {
	now := h.opts.Clock.Now()
	inv := Invocation{ID: newGUID(), Function: f.name, Reason: byHand, Started: now, Finished: now, Attempts: 1,
		Cause: "an HTTP function needs a request; call it by its route"}
	h.outcomes.begin(f.name)
	h.outcomes.end(inv)
	h.log.host(levelError, "Executed %s (Failed, Id=%s, Duration=0ms): %s", f.name, inv.ID, inv.Cause)
}

func (h *Host) hostStatus() map[string]any {
	ready, _ := h.super.readiness()
	state := "Initialized"
	select {
	case <-ready:
		state = "Running"
	default:
	}
	return map[string]any{
		"id": "devhost", "state": state, "version": hostVersion,
		"processUptime": h.opts.Clock.Now().Sub(h.started).Milliseconds(), "handlerPid": h.HandlerPID(),
	}
}

// drainStatus counts what a drain waits for: requests and scheduled runs.
func (h *Host) drainStatus() map[string]any {
	state := "Disabled"
	select {
	case <-h.drained:
		state = "Completed"
		if h.busy.Load() > 0 {
			state = "InProgress"
		}
	default:
	}
	return map[string]any{"state": state, "outstandingInvocations": h.busy.Load(), "outstandingRetries": 0}
}

func (h *Host) list() []map[string]any {
	list := make([]map[string]any, 0, len(h.app.functions))
	for _, f := range h.app.functions {
		list = append(list, h.describe(f))
	}
	return list
}

func (h *Host) describe(f *function) map[string]any {
	d := map[string]any{"name": f.name, "isDisabled": f.disabled, "href": h.URL() + "/admin/functions/" + f.name}
	if f.timer != nil {
		d["trigger"], d["schedule"] = "timerTrigger", f.timer.schedule.text
	}
	if f.http != nil {
		d["trigger"], d["methods"], d["authLevel"] = "httpTrigger", f.http.methods, f.http.authLevel
		d["invoke_url_template"] = h.URL() + "/" + f.http.path
	}
	return d
}

func (h *Host) functionStatus(f *function) map[string]any {
	last, running := h.outcomes.of(f.name)
	s := map[string]any{"name": f.name, "isDisabled": f.disabled, "running": running}
	if last != nil {
		s["last"] = last
	}
	if t := h.timers[f.name]; t != nil {
		if status := t.remembered(); status != nil {
			s["next"] = status.Next.Format(time.RFC3339)
		}
	}
	return s
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the caller went away
}

// outcomes remembers each function's last invocation.
type outcomes struct {
	mu      sync.Mutex
	last    map[string]Invocation
	running map[string]int
}

func newOutcomes() *outcomes {
	return &outcomes{last: map[string]Invocation{}, running: map[string]int{}}
}

func (o *outcomes) begin(function string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.running[function]++
}

func (o *outcomes) end(inv Invocation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.running[inv.Function]--
	o.last[inv.Function] = inv
}

func (o *outcomes) of(function string) (last *Invocation, running int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if inv, ok := o.last[function]; ok {
		last = &inv
	}
	return last, o.running[function]
}
