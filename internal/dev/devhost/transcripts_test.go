package devhost

import (
	"bufio"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// transcript is one case of the real host, as samples/host/README.md describes it. Which members
// there are depends on the case.
type transcript struct {
	ClientSent string
	Rules      json.RawMessage
	ClientGot  json.RawMessage
	HandlerSaw events
	HostLog    []string

	Control struct {
		Startup json.RawMessage
		Rules   json.RawMessage
	}
	HostAliveAtEnd bool
	Extra          json.RawMessage
	Handler        events

	Status, StatusBefore, StatusAfter    json.RawMessage
	Invocations, Ten, RetryFix, RetryExp events
	raw                                  json.RawMessage
}

// events are those of a transcript. A long list has words in the middle, which say how many were
// left out.
type events []event

func (e *events) UnmarshalJSON(data []byte) error {
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	for _, raw := range list {
		if raw[0] == '"' {
			continue
		}
		var one event
		if err := json.Unmarshal(raw, &one); err != nil {
			return err
		}
		*e = append(*e, one)
	}
	return nil
}

// answered is what a caller of the real host got.
type answered struct {
	Closed string
	Bytes  int
	Text   string // bytes as Latin-1; long ones are cut, and say so
}

func (c transcript) got(t *testing.T) answered {
	t.Helper()
	var a answered
	require.NoError(t, json.Unmarshal(c.ClientGot, &a))
	return a
}

// in reads the whole transcript into another shape.
func (c transcript) in(t *testing.T, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(c.raw, into))
}

// conformance is the file of the cases and the table that says what becomes of each.
type conformance struct {
	cases map[string]transcript
	table map[string]string // by case: its state
	mu    sync.Mutex
	seen  []string // cases that were played
}

// The states of a case in testdata/transcripts.tsv.
const (
	statePlayed   = "played"   // devhost does the same
	stateProxy    = "proxy"    // played; but the real host's proxy was added to a host that had none
	stateDiffers  = "differs"  // devhost does otherwise, on purpose
	stateUnneeded = "unneeded" // nothing here depends on it
	stateUntested = "untested" // it is Azure's, or needs more than one host
)

func readConformance(t *testing.T) *conformance {
	t.Helper()
	c := &conformance{cases: map[string]transcript{}, table: map[string]string{}}
	file, err := os.Open(filepath.Join("..", "..", "..", "..", "shared", "samples", "host", "transcripts.jsonl"))
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
		require.NotContains(t, c.cases, one.Case)
		parsed := transcript{raw: one.Transcript}
		if one.Transcript[0] == '{' { // of two cases the players read another shape
			require.NoError(t, json.Unmarshal(one.Transcript, &parsed), one.Case)
		}
		c.cases[one.Case] = parsed
	}
	require.NoError(t, lines.Err())
	table, err := os.ReadFile(filepath.Join("testdata", "transcripts.tsv"))
	require.NoError(t, err)
	for line := range strings.Lines(string(table)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(strings.TrimRight(line, "\n"), "\t")
		require.Len(t, fields, 3, line)
		name, state, why := fields[0], fields[1], fields[2]
		require.NotContains(t, c.table, name, "the table names a case twice")
		require.Contains(t, []string{statePlayed, stateProxy, stateDiffers, stateUnneeded, stateUntested}, state, name)
		require.True(t, why != "" || state == statePlayed || state == stateProxy, "%s: the table does not say why",
			name)
		c.table[name] = state
	}
	return c
}

// play runs a case as a subtest of its name.
func (c *conformance) play(t *testing.T, name string, player func(*testing.T, transcript)) {
	c.mu.Lock()
	c.seen = append(c.seen, name)
	c.mu.Unlock()
	one, ok := c.cases[name]
	require.True(t, ok, "there is no transcript %s", name)
	t.Run(name, func(t *testing.T) { player(t, one) })
}

// alone runs a case beside others, with a host of its own.
func (c *conformance) alone(t *testing.T, name string, player func(*testing.T, transcript)) {
	c.play(t, name, func(t *testing.T, one transcript) {
		t.Parallel()
		player(t, one)
	})
}

// TestTheHostIsPlayedAsItWasSeen plays what the real Functions host did in each case on which this
// project depends. testdata/transcripts.tsv has every case: it can't be left out of it in silence.
func TestTheHostIsPlayedAsItWasSeen(t *testing.T) {
	t.Parallel()
	c := readConformance(t)
	require.Len(t, c.cases, 170)
	for name := range c.cases {
		require.Contains(t, c.table, name, "the table does not have the case")
	}
	for name := range c.table {
		require.Contains(t, c.cases, name, "the table has a case that is none")
	}
	t.Run("cases", func(t *testing.T) {
		for name, group := range map[string]func(*testing.T, *conformance){
			"requests": playRequests, "keys": playKeys, "admin": playAdmin, "judged": playJudged, "index": playIndex,
			"processes": playProcesses, "timeouts": playTimeouts, "timers": playTimers, "console": playConsole,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				group(t, c)
			})
		}
	})
	if strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		return // only some cases were asked for
	}
	var played []string
	for name, state := range c.table {
		if state == statePlayed || state == stateProxy {
			played = append(played, name)
		}
	}
	require.ElementsMatch(t, played, c.seen, "what the table has as played is what was played")
}

var (
	ports       = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	guids       = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	numbers     = regexp.MustCompile(`"id":\d+`)
	cutTexts    = regexp.MustCompile(`([a-zA-Z])([a-zA-Z])([a-zA-Z])<(\d+) more>`)
	fractions   = regexp.MustCompile(`(T\d\d:\d\d:\d\d)\.\d+`)
	currentTime = regexp.MustCompile(`"UtcNow":"[^"]*"`)
)

// neutral is a text without what differs between two runs.
func neutral(text string) string {
	text = ports.ReplaceAllString(text, "127.0.0.1:<port>")
	text = guids.ReplaceAllString(text, "<guid>")
	text = strings.NewReplacer("fk-secret", "<key>", hostVersion, "<version>", "4.1037.0.0", "<version>").Replace(text)
	return numbers.ReplaceAllString(text, `"id":1`)
}

// sameRequests compares what the handler saw. Of timers it is the body, which names the function
// and the times; fractions of seconds are left out.
func sameRequests(t *testing.T, want, got []event) {
	t.Helper()
	want = slices.DeleteFunc(slices.Clone(want), func(e event) bool {
		return e.Ev != "req" || e.URL == "/" || e.URL == "/disabledone" || e.URL == "/span"
	})
	require.Len(t, got, len(want), "requests that the handler saw")
	for i := range want {
		require.Equal(t, want[i].Method, got[i].Method)
		require.Equal(t, lengthened(want[i].URL), got[i].URL)
		require.Equal(t, headersOf(want[i].Headers), headersOf(got[i].Headers))
		if isEnvelope(want[i]) {
			sameEnvelope(t, want[i], got[i])
			continue
		}
		require.Equal(t, want[i].BodyLength, got[i].BodyLength)
		if text, ok := want[i].Body.(string); ok {
			require.Equal(t, text, got[i].Body)
		}
	}
}

func isEnvelope(e event) bool { return e.Method == "POST" && !strings.HasPrefix(e.URL, "/api/") }

// sameEnvelope compares two envelopes as JSON.
func sameEnvelope(t *testing.T, want, got event) {
	t.Helper()
	text := func(e event) string {
		body, ok := e.Body.(string)
		require.True(t, ok)
		body = fractions.ReplaceAllString(neutral(body), "$1")
		return currentTime.ReplaceAllString(body, `"UtcNow":"<now>"`)
	}
	require.JSONEq(t, text(want), text(got))
}

func headersOf(headers map[string]any) map[string]string {
	found := map[string]string{}
	for name, value := range headers {
		text, _ := value.(string)
		found[strings.ToLower(name)] = neutral(text)
	}
	return found
}

// lengthened puts back what a transcript cut out of a long text of one letter.
func lengthened(text string) string {
	return cutTexts.ReplaceAllStringFunc(text, func(cut string) string {
		m := cutTexts.FindStringSubmatch(cut)
		return strings.Repeat(m[1], 3+number(m[4]))
	})
}

// outcome is how the real host logged the end of a function, and whether it did.
func (c transcript) outcome(function string) (succeeded, found bool) {
	for _, line := range c.HostLog {
		if _, rest, ok := strings.Cut(line, "Executed 'Functions."+function+"' ("); ok {
			return strings.HasPrefix(rest, "Succeeded"), true
		}
	}
	return false, false
}
