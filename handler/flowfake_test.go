package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// fakeLedger has the two lists and the readers as docs/http.md describes them, for what can't be
// made to happen with the app. Only the handler of its server and the test use it, in turn.
type fakeLedger struct {
	*httptest.Server
	key      string
	newest   int                  // number of the snapshot
	rows     map[string][]fakeRow // by address
	readers  map[string]int       // the snapshot up to which each was told
	gone     map[string]bool      // readers whose cursor is too old
	instead  func(r *http.Request) *fakeAnswer
	requests []*url.URL // of lists
	advances int        // requests of AdvanceReader
}

// fakeRow entered the answer with a snapshot.
type fakeRow struct {
	entered int
	row     map[string]any
}

type fakeAnswer struct {
	status  int
	headers map[string]string
	body    string
}

func newFakeLedger(t *testing.T) *fakeLedger {
	l := &fakeLedger{key: "the key", rows: map[string][]fakeRow{}, readers: map[string]int{}, gone: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/{list}", l.list)
	mux.HandleFunc("POST /api/readers/{name}", l.advance)
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			l.requests = append(l.requests, r.URL)
		} else {
			l.advances++
		}
		if r.Header.Get("x-functions-key") != l.key {
			w.WriteHeader(http.StatusUnauthorized) // the host's own answer has no body
			return
		}
		if l.instead != nil {
			if a := l.instead(r); a != nil {
				a.write(w)
				return
			}
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(l.Close)
	return l
}

// of gives a flow a connection to the ledger.
func (l *fakeLedger) of(f *flow) *flow {
	f.ledger = flowLedger{l.URL, l.key, contractOperations()}
	return f
}

// snapshot is a new one, with which items entered the answer at an address.
func (l *fakeLedger) snapshot(address string, rows ...map[string]any) {
	l.newest++
	for _, row := range rows {
		l.rows[address] = append(l.rows[address], fakeRow{l.newest, row})
	}
}

func (a *fakeAnswer) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	for name, value := range a.headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(a.body))
}

// refusal is an error as the app answers it.
func refusal(status int, code, message string) *fakeAnswer {
	body, _ := json.Marshal(map[string]any{"error": map[string]any{"code": code, "message": message,
		"innerError": map[string]any{"date": "2026-11-02T07:00:00Z"}}}) // of texts
	return &fakeAnswer{status: status, body: string(body)}
}

// list answers a page: all pages come from the snapshot of the first.
func (l *fakeLedger) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	reader := query.Get("reader")
	if l.gone[reader] {
		refusal(http.StatusGone, "gone", `the reader "`+reader+`" is older than 400 days: delete it`).write(w)
		return
	}
	from, to, offset, top := l.readers[reader], l.newest, 0, 100
	if token := query.Get("$skiptoken"); token != "" {
		if n, _ := fmt.Sscanf(token, "%d-%d-%d", &from, &to, &offset); n != 3 {
			refusal(http.StatusBadRequest, "badRequest", "the skip token is none that this app gave").write(w)
			return
		}
	}
	_, _ = fmt.Sscan(query.Get("$top"), &top)
	page := []any{}
	entered := 0
	for _, row := range l.rows[r.URL.Path] {
		if row.entered <= from || row.entered > to {
			continue
		}
		if entered >= offset && len(page) < top {
			page = append(page, row.row)
		}
		entered++
	}
	answer := map[string]any{"value": page, "answeredAtDateTime": "2026-11-02T07:00:00Z"}
	if offset+len(page) < entered {
		query.Set("$skiptoken", fmt.Sprintf("%d-%d-%d", from, to, offset+len(page)))
		answer["@odata.nextLink"] = l.URL + r.URL.Path + "?" + query.Encode()
	} else {
		answer["nextCursor"] = fmt.Sprintf("%s@%d", r.URL.Path, to)
	}
	body, _ := json.Marshal(answer) // of texts and numbers
	(&fakeAnswer{status: http.StatusOK, body: string(body)}).write(w)
}

func (l *fakeLedger) advance(w http.ResponseWriter, r *http.Request) {
	var body struct{ Cursor string }
	var to int
	err := json.NewDecoder(r.Body).Decode(&body)
	_, at, ok := strings.Cut(body.Cursor, "@")
	if _, scan := fmt.Sscan(at, &to); err != nil || !ok || scan != nil {
		refusal(http.StatusBadRequest, "badRequest", "the cursor is none that this app gave").write(w)
		return
	}
	name := r.PathValue("name")
	moved := to > l.readers[name]
	l.readers[name] = max(to, l.readers[name])
	(&fakeAnswer{status: http.StatusOK, body: fmt.Sprintf(`{"name":%q,"moved":%t}`, name, moved)}).write(w)
}
