package simtenant

import (
	"encoding/json"
	"iter"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// addAdmin adds the tenant's own controls: faults, counters, the truth, the clock.
func (t *Tenant) addAdmin(mux *http.ServeMux) {
	mux.HandleFunc("POST /_sim/faults", t.postFault)
	mux.HandleFunc("DELETE /_sim/faults", t.deleteFaults)
	mux.HandleFunc("GET /_sim/requests", t.getRequests)
	mux.HandleFunc("GET /_sim/records/{stream}", t.getRecords)
	mux.HandleFunc("GET /_sim/objects/{collection}", t.getObjects)
	mux.HandleFunc("POST /_sim/clock", t.postClock)
}

func (t *Tenant) postFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&f)
	if err != nil || !slices.Contains(AllKinds(), f.Kind) {
		answer := map[string]any{"error": "the body is no fault with a known kind", "kinds": AllKinds()}
		writeJSON(w, http.StatusBadRequest, answer)
		return
	}
	if err := f.Check(); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": err.Error()})
		return
	}
	t.Inject(f)
	writeJSON(w, http.StatusOK, f)
}

func (t *Tenant) deleteFaults(w http.ResponseWriter, r *http.Request) {
	if kind := r.URL.Query().Get("kind"); kind != "" {
		t.ClearFault(Kind(kind))
	} else {
		t.ClearFaults()
	}
	writeJSON(w, http.StatusOK, map[string]any{})
}

func (t *Tenant) getRequests(w http.ResponseWriter, _ *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	writeJSON(w, http.StatusOK, t.counts)
}

// getRecords answers what there is of a stream, a line for each record.
func (t *Tenant) getRecords(w http.ResponseWriter, r *http.Request) {
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
	writeLines(w, t.TruthIn(form, s))
}

func (t *Tenant) getObjects(w http.ResponseWriter, r *http.Request) {
	name := entra.Stream(r.PathValue("collection"))
	if !slices.Contains(DirectoryCollections(), name) {
		answer := map[string]any{"error": "no such collection", "collections": DirectoryCollections()}
		writeJSON(w, http.StatusNotFound, answer)
		return
	}
	writeLines(w, slices.Values(t.Objects(name)))
}

// writeLines ends early where the client has gone away.
func writeLines(w http.ResponseWriter, lines iter.Seq[[]byte]) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	for raw := range lines {
		if _, err := w.Write(append(raw, '\n')); err != nil {
			return
		}
	}
}

func (t *Tenant) postClock(w http.ResponseWriter, r *http.Request) {
	var body struct{ Now time.Time }
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&body)
	if err != nil || body.Now.IsZero() {
		answer := map[string]any{"error": `the body has to be {"now":"2026-11-21T14:00:00Z"}`}
		writeJSON(w, http.StatusBadRequest, answer)
		return
	}
	t.SetNow(body.Now)
	writeJSON(w, http.StatusOK, map[string]any{"now": t.Now()})
}
