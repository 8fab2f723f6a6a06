package simtenant

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// addAdmin adds the tenant's own controls: faults, counters, the truth, the clock.
func (t *Tenant) addAdmin(mux *http.ServeMux) {
	mux.HandleFunc("POST /_sim/faults", func(w http.ResponseWriter, r *http.Request) {
		var f Fault
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&f); err != nil || !slices.Contains(AllKinds(), f.Kind) {
			writeJSON(w, http.StatusBadRequest, map[string]any{"error": "the body is no fault with a known kind", "kinds": AllKinds()})
			return
		}
		if err := f.Check(); err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]any{"error": err.Error()})
			return
		}
		t.Inject(f)
		writeJSON(w, http.StatusOK, f)
	})
	mux.HandleFunc("DELETE /_sim/faults", func(w http.ResponseWriter, r *http.Request) {
		if kind := r.URL.Query().Get("kind"); kind != "" {
			t.ClearFault(Kind(kind))
		} else {
			t.ClearFaults()
		}
		writeJSON(w, http.StatusOK, map[string]any{})
	})
	mux.HandleFunc("GET /_sim/requests", func(w http.ResponseWriter, _ *http.Request) {
		t.mu.Lock()
		defer t.mu.Unlock()
		writeJSON(w, http.StatusOK, t.counts)
	})
	mux.HandleFunc("GET /_sim/records/{stream}", func(w http.ResponseWriter, r *http.Request) {
		s := entra.Stream(r.PathValue("stream"))
		kept, ok := t.logs[s]
		if !ok {
			known := slices.Sorted(maps.Keys(t.logs))
			writeJSON(w, http.StatusNotFound, map[string]any{"error": "no such stream", "streams": known})
			return
		}
		form := kept.about.Form()
		if text := r.URL.Query().Get("form"); text != "" {
			form = text
		}
		if form != entra.FormBeta && form != entra.FormV1 {
			writeJSON(w, http.StatusBadRequest, map[string]any{"error": "form is none of beta, v1.0"})
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		for raw := range t.TruthIn(form, s) {
			if _, err := w.Write(append(raw, '\n')); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("GET /_sim/objects/{collection}", func(w http.ResponseWriter, r *http.Request) {
		name := entra.Stream(r.PathValue("collection"))
		if !slices.Contains(DirectoryCollections(), name) {
			writeJSON(w, http.StatusNotFound, map[string]any{"error": "no such collection", "collections": DirectoryCollections()})
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		for _, raw := range t.Objects(name) {
			if _, err := w.Write(append(raw, '\n')); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("POST /_sim/clock", func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Now time.Time }
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&body); err != nil || body.Now.IsZero() {
			writeJSON(w, http.StatusBadRequest, map[string]any{"error": `the body has to be {"now":"2026-11-21T14:00:00Z"}`})
			return
		}
		t.SetNow(body.Now)
		writeJSON(w, http.StatusOK, map[string]any{"now": t.Now()})
	})
}
