package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/internal/web"
)

// recordedDir holds what the program answered, stored and logged when it was recorded.
const recordedDir = "testdata/recorded"

// TestRecorded plays some weeks of a small tenant with the whole program and calls every function.
// Each answer, each row and blob at the end, and each line of the log must be what was recorded,
// byte for byte.
//
//	RECORD=1 go test ./handler -run TestRecorded             records again: look at the difference
//	RECORDED_TO=dir go test ./handler -run TestRecorded      also writes everything, not shortened, to dir
//
// All of it runs in a bubble of package synctest, whose clock stops while anything works. Graph and
// the storage account are handlers that are called in place of sockets. Random bytes are made from
// the bubble's clock, so that they do not depend on the order of callers. It works on one stream,
// window or check at a time, and pauses before Graph is queried again are not spread at random.
func TestRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(t, recordedDir, recordedTenant)
		r.play()
		r.finish()
	})
}

// recorder runs the program and keeps what it says.
type recorder struct {
	*testing.T
	dir     string // of what was recorded
	tenant  *simtenant.Tenant
	account *memstorage.Service
	app     http.Handler
	env     map[string]string
	spoil   func(path string, body []byte) []byte // an answer of Graph; nil: it stays as it is

	log    bytes.Buffer
	files  map[string]*recording
	at     *recording // to which is written
	called int
}

// recording is one file of what was recorded: as it is kept, and with nothing left out.
type recording struct{ short, full bytes.Buffer }

func (f *recording) printf(format string, args ...any) {
	fmt.Fprintf(&f.short, format, args...)
	fmt.Fprintf(&f.full, format, args...)
}

// newRecorder stops the process's own sources of what differs from run to run until the test ends.
func newRecorder(t *testing.T, dir string, tenant func(*testing.T) *simtenant.Tenant) *recorder {
	bytesBefore, logBefore, outBefore, flagsBefore := rand.Reader, slog.Default(), log.Writer(), log.Flags()
	zoneBefore := time.Local
	time.Local = time.UTC
	rand.Reader = clockBytes{}
	uuid.SetRand(clockBytes{})
	t.Cleanup(func() {
		rand.Reader, time.Local = bytesBefore, zoneBefore
		uuid.SetRand(nil)
		slog.SetDefault(logBefore)
		log.SetOutput(outBefore) // slog.SetDefault has changed them, and does not change them back
		log.SetFlags(flagsBefore)
	})
	time.Sleep(time.Until(recordedBegin))
	r := &recorder{T: t, dir: dir, account: memstorage.New(time.Now), files: make(map[string]*recording)}
	r.tenant = tenant(t)
	r.env = map[string]string{
		"ARCHIVE_STORAGE": r.account.ConnectionString(),
		"GRAPH_ENDPOINT":  "https://graph.example",
	}
	return r
}

// clockBytes derives bytes from the time: every caller that requests as many at that time gets the
// same.
type clockBytes struct{}

func (clockBytes) Read(b []byte) (int, error) {
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(time.Now().UnixNano()))
	binary.BigEndian.PutUint64(seed[8:], uint64(len(b)))
	return mathrand.NewChaCha8(seed).Read(b)
}

// The delay of Graph's answers and of tokens. Without it a slice of a job would end in the very
// moment in which the next request may leave.
const (
	answerTakes = 113 * time.Millisecond
	tokenTakes  = 37 * time.Millisecond
)

// RoundTrip is Graph's answer to a request.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	asked := req.Clone(req.Context())
	asked.RequestURI, asked.Host, asked.TLS = req.URL.RequestURI(), req.URL.Host, &tls.ConnectionState{}
	if asked.Body == nil {
		asked.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	r.tenant.ServeHTTP(w, asked)
	time.Sleep(answerTakes)
	if r.spoil != nil && w.Code == http.StatusOK {
		w.Body = bytes.NewBuffer(r.spoil(req.URL.Path, w.Body.Bytes()))
		w.Header().Del("Content-Length")
	}
	if w.Header().Get("Date") == "" {
		w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	out := w.Result()
	out.Request = req
	return out, nil
}

// start restarts the program with the settings.
func (r *recorder) start() {
	getenv := func(name string) string { return r.env[name] }
	cfg, err := settings.Load(getenv)
	require.NoError(r, err)
	logger := web.NewLogger(&r.log, slog.LevelInfo)
	slog.SetDefault(logger)
	r.app, err = wire(cfg, preflight.Binary{Version: "1.2.3", SHA256: strings.Repeat("ab", 32)}, getenv, logger,
		outside{
			Graph: r, Storage: r.account.Client(), Identity: tenantIdentity{r}, AtOnce: 1, Steady: true})
	require.NoError(r, err)
}

// file makes what follows be recorded under a name.
func (r *recorder) file(name string) {
	if r.files[name] == nil {
		r.files[name] = &recording{}
	}
	r.at = r.files[name]
}

// answered is the answer to one request.
type answered struct {
	status int
	header http.Header
	body   string
}

// until lets time pass up to a moment.
func (r *recorder) until(at time.Time) {
	require.True(r, at.After(time.Now()), "%s is not to come any more", at)
	time.Sleep(time.Until(at))
}

// ask sends one request to the program and records what comes back. Each comes a second after the
// one before, so that no two get the same random bytes. Headers are given as "Name: value".
func (r *recorder) ask(method, target, body string, headers ...string) answered {
	time.Sleep(time.Second)
	r.called++
	var from io.Reader = http.NoBody
	if body != "" {
		from = strings.NewReader(body)
	}
	req := httptest.NewRequestWithContext(r.Context(), method, encoded(target), from)
	req.Host = "ledger.example"
	req.Header.Set("X-Forwarded-Host", "ledger.example")
	req.Header.Set("X-Forwarded-Proto", "https")
	req.Header.Set("X-Azure-Functions-InvocationId", fmt.Sprintf("call-%d", r.called))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if cause := recover(); cause != nil {
				require.Equal(r, http.ErrAbortHandler, cause)
				fmt.Fprintf(w.Body, "\n(the answer breaks off)")
			}
		}()
		r.app.ServeHTTP(w, req)
	}()
	out := answered{w.Code, w.Result().Header, w.Body.String()}
	r.record(method, target, body, headers, out, w.Result().Trailer)
	return out
}

// encoded is a target as a client sends it: blanks and quotes of filters are written plainly in
// tests.
func encoded(target string) string {
	return strings.NewReplacer(" ", "%20", `"`, "%22", "<", "%3C", ">", "%3E").Replace(target)
}

func (r *recorder) record(method, target, body string, headers []string, got answered, trailer http.Header) {
	f := r.at
	f.printf("=== call-%d %s %s\n", r.called, method, shortened(target, 1000))
	for _, h := range headers {
		f.printf("> %s\n", h)
	}
	if body != "" {
		f.printf("> %s\n", shortened(body, 1000))
	}
	f.printf("%d\n", got.status)
	for _, part := range []struct {
		mark   string
		fields http.Header
	}{{"", got.header}, {"trailer ", trailer}} {
		var names []string
		for name := range part.fields {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			for _, v := range part.fields[name] {
				f.printf("%s%s: %s\n", part.mark, name, v)
			}
		}
	}
	fmt.Fprintf(&f.short, "\n%s\n\n", shortened(got.body, 3000))
	fmt.Fprintf(&f.full, "\n%s\n\n", got.body)
}

// shortened is a text as it is kept: of a long one the beginning, its length and its hash.
func shortened(text string, most int) string {
	sum := sha256.Sum256([]byte(text))
	if !utf8.ValidString(text) {
		return fmt.Sprintf("(%d bytes that are no text, SHA-256 %x)", len(text), sum)
	}
	if len(text) <= most {
		return text
	}
	begin := strings.ToValidUTF8(text[:most/3], "")
	return fmt.Sprintf("%s\n(the beginning of %d bytes, SHA-256 %x)", begin, len(text), sum)
}

// finish records what is stored and what was logged, and compares all of it with what there was.
func (r *recorder) finish() {
	r.file("storage.txt")
	r.recordStorage()
	r.file("log.jsonl")
	r.at.printf("%s", r.log.String())
	r.settle()
}

// settle compares what was recorded with what there was, or replaces it.
func (r *recorder) settle() {
	if dir := os.Getenv("RECORDED_TO"); dir != "" {
		r.write(dir, func(f *recording) []byte { return f.full.Bytes() })
	}
	if os.Getenv("RECORD") != "" {
		require.NoError(r, os.RemoveAll(r.dir))
		r.write(r.dir, func(f *recording) []byte { return f.short.Bytes() })
		return
	}
	r.compare()
}

func (r *recorder) write(dir string, content func(*recording) []byte) {
	require.NoError(r, os.MkdirAll(dir, 0o755))
	for name, f := range r.files {
		require.NoError(r, os.WriteFile(filepath.Join(dir, name), content(f), 0o644))
	}
}

// compare names what differs from the files that were recorded.
func (r *recorder) compare() {
	there, err := os.ReadDir(r.dir)
	require.NoError(r, err, "nothing was recorded yet: RECORD=1")
	for _, entry := range there {
		if r.files[entry.Name()] == nil {
			r.Errorf("%s was recorded, and is not made any more", entry.Name())
		}
	}
	for name, f := range r.files {
		want, err := os.ReadFile(filepath.Join(r.dir, name))
		if err != nil {
			r.Errorf("%s was not recorded: %v", name, err)
		}
		if hint := firstDifference(want, f.short.Bytes()); hint != "" {
			r.Errorf("%s differs from what was recorded:\n%s", name, hint)
		}
	}
}

// firstDifference shows the lines around the first one that differs; empty where none does.
func firstDifference(want, got []byte) string {
	if bytes.Equal(want, got) {
		return ""
	}
	was, is := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	at := 0
	for at < min(len(was), len(is)) && (was[at] == is[at] || ofLength(was[at]) && ofLength(is[at])) {
		at++ // a length differs because of what follows it, which says more
	}
	var out strings.Builder
	heading := at
	for ; heading > 0 && !strings.HasPrefix(was[min(heading, len(was)-1)], "=== "); heading-- {
	}
	if heading > 0 && heading < at {
		fmt.Fprintf(&out, "  %s\n", was[heading])
	}
	fmt.Fprintf(&out, "  line %d\n", at+1)
	for _, side := range []struct {
		mark  string
		lines []string
	}{{"-", was}, {"+", is}} {
		for _, line := range side.lines[min(at, len(side.lines)):min(at+3, len(side.lines))] {
			fmt.Fprintf(&out, "%s %s\n", side.mark, aroundDifference(line, was, is, at))
		}
	}
	return out.String()
}

func ofLength(line string) bool { return strings.HasPrefix(line, "Content-Length: ") }

// aroundDifference is a line, or of a long one the part where the first line that differs does.
func aroundDifference(line string, was, is []string, at int) string {
	const most = 300
	if len(line) <= most {
		return line
	}
	from := 0
	if at < len(was) && at < len(is) {
		for from < min(len(was[at]), len(is[at]), len(line)) && was[at][from] == is[at][from] {
			from++
		}
	}
	from = max(0, from-100)
	return strings.ToValidUTF8(line[from:min(len(line), from+most)], "") + " ..."
}

// shownRows is how many rows of a partition are kept whole; of those behind it there are keys, and
// the half of a SHA-256.
const shownRows = 12

// recordStorage records tables and blobs.
func (r *recorder) recordStorage() {
	var dump bytes.Buffer
	require.NoError(r, r.account.Dump(&dump))
	seen := make(map[string]int)
	for line := range strings.Lines(dump.String()) {
		fmt.Fprint(&r.at.full, line)
		fmt.Fprint(&r.at.short, shortLine(strings.TrimSuffix(line, "\n"), seen)+"\n")
	}
}

// shortLine is a line of a dump as it is kept. Long binary columns are given by their hash.
func shortLine(line string, seen map[string]int) string {
	word, rest, _ := strings.Cut(line, " ")
	name, body, _ := strings.Cut(rest, " ")
	if word != "row" {
		return shortened(line, 3000)
	}
	var keys struct{ PartitionKey, RowKey string }
	_ = json.Unmarshal([]byte(body), &keys) // the account wrote it
	partition := name + " " + keys.PartitionKey
	if seen[partition]++; seen[partition] > shownRows {
		sum := sha256.Sum256([]byte(body))
		return fmt.Sprintf("row %s %s %s %x", name, keys.PartitionKey, keys.RowKey, sum[:16])
	}
	var columns map[string]json.RawMessage
	_ = json.Unmarshal([]byte(body), &columns)
	for column, value := range columns {
		if len(value) > 120 {
			short := fmt.Sprintf(`"(%d characters, SHA-256 %x)"`, len(value), sha256.Sum256(value))
			body = strings.Replace(body, `"`+column+`":`+string(value), `"`+column+`":`+short, 1)
		}
	}
	return fmt.Sprintf("row %s %s", name, body)
}
