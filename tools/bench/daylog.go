package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/functions/archivelogs"
	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/web"
)

// written counts what the app writes to its standard output, as it is written on Azure: one line
// of JSON for each entry, with the invocation's id.
type written struct {
	mu           sync.Mutex
	lines, bytes int64
}

// Write is io.Writer's.
func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines += int64(bytes.Count(p, []byte("\n")))
	w.bytes += int64(len(p))
	return len(p), nil
}

func (w *written) logger() *slog.Logger { return web.NewLogger(w, slog.LevelInfo) }

// invoke runs the timer function archivelogs as the Functions host does, with a collector, and
// returns the line that it answers.
func invoke(ctx context.Context, collector *collect.Collector, log *slog.Logger) (line string, err error) {
	host, err := web.Serve(log, "", archivelogs.New(archivelogs.Config{Collector: collector,
		Streams:   logs.DefaultStreams(),
		Preflight: func(context.Context) {}, Budget: 10 * time.Minute, AlertAfter: 3 * time.Hour}))
	if err != nil {
		return "", err
	}
	envelope := strings.NewReader(`{"Data":{"timer":{}},"Metadata":{}}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/"+archivelogs.Name, envelope)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Azure-Functions-InvocationId", uuid.NewString())
	answer := httptest.NewRecorder()
	host.ServeHTTP(answer, req)
	var result struct{ Logs []string }
	err = json.Unmarshal(answer.Body.Bytes(), &result)
	if err != nil || answer.Code != http.StatusOK || len(result.Logs) != 1 {
		return "", fmt.Errorf("run %s: %d %s", archivelogs.Name, answer.Code, answer.Body)
	}
	return result.Logs[0], nil
}
