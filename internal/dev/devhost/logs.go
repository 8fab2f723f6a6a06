package devhost

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Levels as the host's logs name them.
const (
	levelInformation = "Information"
	levelWarning     = "Warning"
	levelError       = "Error"
)

// journal writes everything that is shown, one line at a time.
type journal struct {
	mu    sync.Mutex
	out   io.Writer
	raw   bool
	clock Clock
}

// host writes a line of the emulator itself.
func (j *journal) host(level, format string, args ...any) {
	j.write(fmt.Sprintf("%s %-11s host     %s", stamp(j.clock.Now()), level, fmt.Sprintf(format, args...)))
}

// handler writes a line that the handler printed.
func (j *journal) handler(stderr bool, line string) {
	if j.raw {
		j.write(line)
		return
	}
	at, level, text := stamp(j.clock.Now()), consoleLevel(stderr, line), line
	if e, ok := readEntry(line); ok {
		text = e.text
		if e.at != "" {
			at = e.at
		}
		if e.level != "" && !stderr {
			level = e.level
		}
	}
	j.write(fmt.Sprintf("%s %-11s handler  %s", at, level, text))
	if strings.HasPrefix(line, "LanguageWorkerConsoleLog") || strings.HasPrefix(line, "azfuncjsonlog:") {
		j.host(levelWarning, "the host treats the handler's line above specially; begin it with another word")
	}
}

func (j *journal) write(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	// A console that went away must not stop the emulator.
	_, _ = io.WriteString(j.out, line+"\n")
}

func stamp(t time.Time) string { return t.UTC().Format("15:04:05.000") }

// consoleLevel is the level the host gives a console line.
func consoleLevel(stderr bool, line string) string {
	switch {
	case !stderr:
		return levelInformation
	case strings.Contains(strings.ToLower(line), "warn"):
		return levelWarning
	}
	return levelError
}

// entry is a structured log line, made readable.
type entry struct{ at, level, text string }

// readEntry understands one JSON object with "msg", as log/slog writes it, and
// keeps the order of its members. ok is false for any other line.
func readEntry(line string) (e entry, ok bool) {
	if !strings.HasPrefix(line, "{") || !json.Valid([]byte(line)) {
		return entry{}, false
	}
	dec := json.NewDecoder(strings.NewReader(line))
	if _, err := dec.Token(); err != nil {
		return entry{}, false
	}
	var message string
	var rest strings.Builder
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return entry{}, false
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return entry{}, false
		}
		text := plain(value)
		switch key {
		case "time":
			if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
				e.at = stamp(t)
			}
		case "level":
			e.level = fullLevel(text)
		case "msg":
			message, ok = text, true
		default:
			fmt.Fprintf(&rest, " %s=%s", key, quoteIfNeeded(text))
		}
	}
	e.text = strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(message) + rest.String()
	return e, ok
}

func plain(value json.RawMessage) string {
	var text string
	if err := json.Unmarshal(value, &text); err == nil && value[0] == '"' {
		return text
	}
	return string(value)
}

func quoteIfNeeded(text string) string {
	if text == "" || strings.ContainsAny(text, " \t\n\"") && !strings.HasPrefix(text, "{") &&
		!strings.HasPrefix(text, "[") {
		return fmt.Sprintf("%q", text)
	}
	return text
}

func fullLevel(level string) string {
	switch strings.ToUpper(level) {
	case "INFO":
		return levelInformation
	case "WARN", "WARNING":
		return levelWarning
	case "ERROR":
		return levelError
	}
	return level
}

// lineWriter cuts a stream of bytes into lines.
type lineWriter struct {
	mu      sync.Mutex
	pending []byte
	emit    func(line string)
}

// longestLine keeps a handler that never ends its line from filling memory.
const longestLine = 1 << 20

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = append(w.pending, p...)
	for {
		end := bytes.IndexByte(w.pending, '\n')
		if end < 0 {
			break
		}
		w.emit(strings.TrimSuffix(string(w.pending[:end]), "\r"))
		w.pending = w.pending[end+1:]
	}
	if len(w.pending) > longestLine {
		w.emit(string(w.pending))
		w.pending = nil
	}
	return len(p), nil
}

// flush emits a last line that has no end.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) > 0 {
		w.emit(string(w.pending))
		w.pending = nil
	}
}

// tail keeps the last lines of stderr, which the host quotes when the handler dies.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
	if len(t.lines) > 3 {
		t.lines = t.lines[len(t.lines)-3:]
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, " | ")
}
