package devhost

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
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
	parts, ok := router.Split(r.URL.EscapedPath())
	switch {
	case !ok:
		w.WriteHeader(http.StatusBadRequest)
	case len(parts) == 0:
		fmt.Fprintln(w, "devhost is running")
	case strings.EqualFold(parts[0], "admin"):
		h.serveAdmin(w, r, parts[1:])
	default:
		f := h.find(r.Method, r.URL.EscapedPath())
		if f == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if !h.admits(r, f.http.authLevel) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.serveFunction(w, r, f)
	}
}

// admits checks the caller's key: the master key opens everything, the function
// key what asks for one.
func (h *Host) admits(r *http.Request, level string) bool {
	if level == "anonymous" {
		return true
	}
	key := r.Header.Get("x-functions-key")
	if key == "" {
		key = r.URL.Query().Get("code")
	}
	same := func(want string) bool { return subtle.ConstantTimeCompare([]byte(key), []byte(want)) == 1 }
	return same(h.opts.MasterKey) || level == "function" && same(h.opts.FunctionKey)
}

func (h *Host) serveAdmin(w http.ResponseWriter, r *http.Request, parts []string) {
	if !h.admits(r, "admin") {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	path := strings.ToLower(strings.Join(parts, "/"))
	switch {
	case r.Method == http.MethodGet && path == "host/status":
		answer(w, http.StatusOK, h.hostStatus())
	case r.Method == http.MethodGet && path == "functions":
		answer(w, http.StatusOK, h.list())
	case len(parts) >= 2 && strings.EqualFold(parts[0], "functions"):
		h.serveAdminFunction(w, r, parts[1:])
	default:
		w.WriteHeader(http.StatusNotFound)
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

// acceptRun answers 202 and runs the function in the background, after a run in progress.
func (h *Host) acceptRun(w http.ResponseWriter, r *http.Request, f *function) {
	var body struct{ Input any }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"message": `send {"input":""}: ` + err.Error()})
		return
	}
	t := h.timers[f.name]
	if t == nil {
		answer(w, http.StatusBadRequest,
			map[string]string{"message": f.name + " is no enabled timer function; call an HTTP function by its route"})
		return
	}
	h.background(func() { h.runTimer(h.life, t, "manual") })
	w.WriteHeader(http.StatusAccepted)
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
