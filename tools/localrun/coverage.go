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
	// A proxy of the environment must not be used for loopback.
	return coverage{base: base, client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}}
}

func (c coverage) read(ctx context.Context) ([]streamState, error) {
	var list struct{ Value []streamState }
	err := c.get(ctx, "/api/coverage", &list)
	return list.Value, err
}

// directoryState is what the snapshot says.
type directoryState struct {
	failure     string
	users       int64
	inactive    int64 // for 90 days
	credentials int64
	expiring    int64 // within 30 days
}

func (c coverage) directory(ctx context.Context) (directoryState, error) {
	var users, all, expiring struct {
		Total int64
		Value []struct {
			By    string
			Count int64
		}
	}
	for path, into := range map[string]any{"inactive-users/summary": &users,
		"expiring-credentials/summary?state=all": &all, "expiring-credentials/summary": &expiring} {
		if err := c.get(ctx, "/api/"+path, into); err != nil {
			return directoryState{}, err
		}
	}
	d := directoryState{inactive: users.Total, credentials: all.Total, expiring: expiring.Total}
	for _, bar := range users.Value {
		if bar.By == "ageBand" {
			d.users += bar.Count
		}
	}
	return d, nil
}

// get asks an HTTP function.
func (c coverage) get(ctx context.Context, path string, into any) error {
	doing := "ask for " + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	req.Header.Set("x-functions-key", functionKey)
	resp, err := c.client.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: the handler answered %s: %.300s", doing, resp.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s: the handler answered no JSON: %w", doing, err)
	}
	return nil
}
