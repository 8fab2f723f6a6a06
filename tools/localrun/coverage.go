package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// The keys of devhost; they open nothing but this machine's loopback.
const (
	functionKey = "devfunctionkey"
	masterKey   = "devmasterkey"
)

// streamState is one row of GET /api/coverage.
type streamState struct {
	Stream      string
	Status      string
	Begin       string `json:"beginDateTime"`
	Watermark   string `json:"watermarkDateTime"`
	Done        int64  `json:"windowsDone"`
	Missing     int64  `json:"windowsMissing"`
	Records     int64
	Versions    int64 // earlier contents of records that changed
	Quarantined int64
	Bytes       int64
	StoredBytes int64
	LastError   *struct{ DateTime, Code, Message string }
}

// backfilling is the status of a stream that a further run has work for.
const backfilling = "backfilling"

// coverage asks the archive through its own HTTP function.
type coverage struct {
	base   string // such as http://127.0.0.1:7071
	client *http.Client
}

func newCoverage(base string) coverage {
	// A proxy of the environment must not stand between us and loopback.
	return coverage{base: base, client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}}
}

func (c coverage) read(ctx context.Context) ([]streamState, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/api/coverage", nil)
	if err != nil {
		return nil, fmt.Errorf("ask for coverage: %w", err)
	}
	req.Header.Set("x-functions-key", functionKey)
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for coverage: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("ask for coverage: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask for coverage: the handler answered %s: %.300s", resp.Status, body)
	}
	var list struct{ Value []streamState }
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("ask for coverage: the handler answered no JSON: %w", err)
	}
	return list.Value, nil
}
