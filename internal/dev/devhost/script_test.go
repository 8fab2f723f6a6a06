package devhost

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rule is what the scripted handler does with a request whose path matches, in the words of the
// transcripts. Times are a twentieth of what is written, and 30 s or more are without end.
type rule struct {
	Path             string
	Status           int
	Headers          map[string]any // a text, a number, or a list of texts
	Body, BodyBase64 string
	DelayMs          int
	Stream           *stream
	Trailers         map[string]string
	Destroy          bool
	Exit             *int
	Informational    bool
	HeadersOnlyFirst bool
	Stdout, Stderr   string

	Once bool // the process that plays it first is the only one
	Gate bool // each request waits for a file of its own
	Bare bool // without the content type that answers have otherwise
}

type stream struct{ Bytes, Chunk, EveryMs, DieAt int }

// startup is what the scripted handler does before it serves.
type startup struct {
	Exit                       *int
	ExitDelayMs, DelayListenMs int
	NeverListen                bool
	Stdout, Stderr             string
}

func scripted(ms int) time.Duration {
	if ms >= 30_000 {
		return time.Hour
	}
	return time.Duration(ms) * time.Millisecond / 20
}

// event is what the scripted handler saw or did, one a line of its file.
type event struct {
	Ev, Method, URL string
	Headers         map[string]any `json:",omitempty"`
	BodyLength      int
	Body            any    `json:",omitempty"`
	Code            int    `json:",omitempty"`
	UnixNano        int64  `json:",omitempty"`
	Pid             int    `json:",omitempty"`
	T               string `json:",omitempty"` // in transcripts
	Finished        bool   `json:",omitempty"`
}

// script is the handler's side: its files begin with mark.
type script struct {
	mark string
	mu   sync.Mutex
	n    map[string]int // requests of each path
}

func playScript(mark string) {
	s := &script{mark: mark, n: map[string]int{}}
	s.note(event{Ev: "start"})
	var begin startup
	s.read(".startup", &begin)
	fmt.Fprint(os.Stdout, begin.Stdout)
	fmt.Fprint(os.Stderr, begin.Stderr)
	if begin.Exit != nil {
		time.Sleep(scripted(begin.ExitDelayMs))
		os.Exit(*begin.Exit)
	}
	if begin.NeverListen {
		select {}
	}
	time.Sleep(scripted(begin.DelayListenMs))
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	_ = http.Serve(l, s) // it ends with an exit code of its own choice, or by a kill
}

func (s *script) read(name string, into any) {
	data, err := os.ReadFile(s.mark + name)
	if err != nil {
		return // nothing is scripted
	}
	if err := json.Unmarshal(data, into); err != nil {
		panic(err)
	}
}

func (s *script) note(e event) {
	e.UnixNano, e.Pid = time.Now().UnixNano(), os.Getpid()
	line, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	f, err := os.OpenFile(s.mark+".events", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if _, err := f.Write(append(line, '\n')); err != nil {
		panic(err)
	}
}

func (s *script) rule(path string) rule {
	var rules []rule
	s.read(".rules", &rules)
	for _, r := range rules {
		if regexp.MustCompile(r.Path).MatchString(path) && (!r.Once || s.isFirst(r.Path)) {
			return r
		}
	}
	return rule{}
}

func (s *script) isFirst(name string) bool {
	f, err := os.OpenFile(s.mark+".once."+hex.EncodeToString([]byte(name)), os.O_CREATE|os.O_EXCL, 0o644)
	return err == nil && f.Close() == nil
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/" {
		return
	}
	rule := s.rule(r.URL.Path)
	if rule.HeadersOnlyFirst {
		s.note(event{Ev: "req-headers", Method: r.Method, URL: r.RequestURI})
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.note(seen(r, body))
	fmt.Fprint(os.Stdout, rule.Stdout)
	fmt.Fprint(os.Stderr, rule.Stderr)
	s.mu.Lock()
	s.n[r.URL.Path]++
	gate := fmt.Sprintf("%s.open.%d", s.mark, s.n[r.URL.Path])
	s.mu.Unlock()
	for rule.Gate {
		if _, err := os.Stat(gate); err == nil {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	select {
	case <-time.After(scripted(rule.DelayMs)):
		s.answer(w, r, rule)
	case <-r.Context().Done():
	}
	s.note(event{Ev: "res-close", URL: r.RequestURI, Finished: r.Context().Err() == nil})
}

// seen is a request as the transcripts describe it.
func seen(r *http.Request, body []byte) event {
	headers := map[string]any{"Host": r.Host}
	for name, values := range r.Header {
		headers[name] = strings.Join(values, ", ")
	}
	if r.ContentLength < 0 {
		headers["Transfer-Encoding"] = "chunked"
	}
	e := event{Ev: "req", Method: r.Method, URL: r.RequestURI, Headers: headers, BodyLength: len(body)}
	if len(body) > 10_000 {
		sum := sha256.Sum256(body)
		e.Body = map[string]string{"sha256": hex.EncodeToString(sum[:])}
	} else if len(body) > 0 {
		e.Body = string(body)
	}
	return e
}

func (s *script) answer(w http.ResponseWriter, r *http.Request, rule rule) {
	switch {
	case rule.Exit != nil:
		s.note(event{Ev: "exit", Code: *rule.Exit})
		os.Exit(*rule.Exit)
	case rule.Destroy:
		cut(w)
		return
	case rule.Informational:
		w.Header().Set("Link", "</a>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
	}
	rule.setHeaders(w.Header(), r)
	if rule.Status != 0 {
		w.WriteHeader(rule.Status)
	}
	text := rule.text(r)
	if rule.Stream != nil {
		s.stream(w, *rule.Stream)
	} else if len(text) > 0 {
		_, _ = w.Write(text)
		_ = http.NewResponseController(w).Flush() // so that it is chunked
	}
	for name, value := range rule.Trailers {
		w.Header().Set(name, value)
	}
}

func (rule rule) setHeaders(header http.Header, r *http.Request) {
	given := rule.Headers
	if given == nil && rule.Status == 0 && !rule.Bare {
		header.Set("Content-Type", "application/json")
	}
	if rule.Bare {
		header["Content-Type"] = nil
	}
	for name, value := range given {
		if list, ok := value.([]any); ok {
			for _, one := range list {
				header.Add(name, fmt.Sprint(one))
			}
			continue
		}
		if number, ok := value.(float64); ok {
			value = int64(number)
		}
		header.Set(name, fmt.Sprint(value))
	}
}

// text is what is written, of a route without a rule what came.
func (rule rule) text(r *http.Request) []byte {
	if rule.BodyBase64 != "" {
		text, err := base64.StdEncoding.DecodeString(rule.BodyBase64)
		if err != nil {
			panic(err)
		}
		return text
	}
	if rule.Body != "" || rule.Status != 0 || rule.Headers != nil || rule.Bare || r.Method == http.MethodHead {
		return []byte(rule.Body)
	}
	if strings.HasPrefix(strings.ToLower(r.URL.Path), "/api/") {
		return []byte(`{"got":"` + r.Method + " " + r.RequestURI + `","id":1}`)
	}
	return []byte(`{"Outputs":{},"Logs":["hello from Logs"],"ReturnValue":null}`)
}

func (s *script) stream(w http.ResponseWriter, of stream) {
	if of.Chunk == 0 {
		of.Chunk = 64 << 10
	}
	for sent := 0; sent < of.Bytes; {
		size := min(of.Chunk, of.Bytes-sent)
		_, err := io.WriteString(w, strings.Repeat("x", size))
		if err == nil {
			err = http.NewResponseController(w).Flush()
		}
		if err != nil {
			s.note(event{Ev: "stream-stopped"})
			return
		}
		if sent += size; of.DieAt > 0 && sent >= of.DieAt {
			cut(w)
			return
		}
		time.Sleep(scripted(of.EveryMs))
	}
	s.note(event{Ev: "stream-done"})
}

// cut closes the connection under the answer.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_ = conn.Close()
}

// play sets what the scripted handler does from now on.
func (r *rig) play(t *testing.T, rules any) {
	t.Helper()
	data, err := json.Marshal(rules)
	require.NoError(t, err)
	write(t, r.root, "mark.rules.new", string(data))
	require.NoError(t, os.Rename(filepath.Join(r.root, "mark.rules.new"), filepath.Join(r.root, "mark.rules")))
}

// events is what the scripted handler noted, without what it wrote of other kinds.
func (r *rig) events(t *testing.T, kinds ...string) (list []event) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(r.root, "mark.events"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	for line := range strings.Lines(string(data)) {
		var e event
		if !strings.HasSuffix(line, "\n") || json.Unmarshal([]byte(line), &e) != nil {
			break // it is being written
		}
		for _, kind := range kinds {
			if e.Ev == kind {
				list = append(list, e)
			}
		}
	}
	return list
}

// awaitEvents waits for the n-th event of a kind, and returns those there are.
func (r *rig) awaitEvents(t *testing.T, n int, kinds ...string) (list []event) {
	t.Helper()
	require.Eventually(t, func() bool {
		list = r.events(t, kinds...)
		return len(list) >= n
	}, 20*time.Second, 2*time.Millisecond, "%d of %v", n, kinds)
	return list
}
