package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
)

// logs writes every line of devhost and the handler to a file, and shows the warnings and errors on
// the screen.
type logs struct {
	mu      sync.Mutex
	file    io.Writer
	screen  screen
	pending []byte
	muted   atomic.Bool // while everything is being stopped, errors are no news
}

func (l *logs) Write(p []byte) (int, error) {
	if _, err := l.file.Write(p); err != nil {
		return 0, fmt.Errorf("write the handler's log: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, p...)
	for {
		end := bytes.IndexByte(l.pending, '\n')
		if end < 0 {
			return len(p), nil
		}
		line := string(l.pending[:end])
		l.pending = l.pending[end+1:]
		if matters(line) && !l.muted.Load() {
			l.screen.say("%s", line)
		}
	}
}

// matters reports whether a line of devhost, "15:04:05.000 Warning     handler  ...", is a warning
// or an error. Requests above Graph's ceiling are intended: see requestShares.
func matters(line string) bool {
	fields := strings.Fields(line)
	return len(fields) > 3 && (fields[1] == "Warning" || fields[1] == "Error") && fields[3] != "GRAPH_REQUESTS_PER_10S"
}
