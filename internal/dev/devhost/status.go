package devhost

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Status is what the host remembers about a timer between starts. Last is zero
// where the timer never ran.
type Status struct {
	Last        time.Time
	Next        time.Time
	LastUpdated time.Time
}

// startPlan is what a host start does about one timer.
type startPlan struct {
	status  Status
	changed bool // the status must be written
	pastDue bool // one run is due now, however many were missed
}

// planStart decides from the remembered status. The status holds no schedule
// text, so a changed schedule shows by a Next that the schedule would not give.
func planStart(now time.Time, s schedule, remembered *Status) startPlan {
	if remembered == nil {
		return startPlan{status: Status{Next: s.next(now), LastUpdated: now}, changed: true}
	}
	base := remembered.Last
	if base.IsZero() {
		base = remembered.LastUpdated
	}
	if base.IsZero() {
		base = now
	}
	expected := s.next(base)
	if gap := expected.Sub(remembered.Next).Abs(); gap >= time.Second {
		return startPlan{status: Status{Next: s.next(now), LastUpdated: remembered.LastUpdated}, changed: true}
	}
	return startPlan{status: *remembered, pastDue: now.After(remembered.Next)}
}

// following is the status after a run that began at ran, successful or not. A
// run that began a moment early counts as begun at its occurrence, which would
// otherwise fire twice.
func following(s schedule, ran, occurrence time.Time) Status {
	if occurrence.After(ran) && occurrence.Sub(ran) < time.Second {
		ran = occurrence
	}
	return Status{Last: ran, Next: s.next(ran), LastUpdated: ran}
}

// statusStore keeps one file per timer; without a folder it remembers only
// while the program runs.
type statusStore struct {
	dir string
	mu  sync.Mutex
	mem map[string]Status
}

func newStatusStore(dir string) *statusStore {
	return &statusStore{dir: dir, mem: map[string]Status{}}
}

func (s *statusStore) path(function string) string {
	return filepath.Join(s.dir, function+".status.json")
}

// read returns nil where nothing is remembered.
func (s *statusStore) read(function string) (*Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" {
		if status, ok := s.mem[function]; ok {
			return &status, nil
		}
		return nil, nil
	}
	data, err := os.ReadFile(s.path(function))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read timer status: %w; make the file readable or delete it", err)
	}
	var status Status
	if err := json.Unmarshal(data, &status); err != nil {
		return nil, fmt.Errorf("read timer status %s: %w; delete the file", s.path(function), err)
	}
	return &status, nil
}

// write replaces the file as a whole, so that a kill leaves the old or the new one.
func (s *statusStore) write(function string, status Status) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" {
		s.mem[function] = status
		return nil
	}
	data, err := json.MarshalIndent(status, "", "  ")
	if err != nil {
		return fmt.Errorf("encode timer status of %s: %w", function, err)
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return fmt.Errorf("create state folder: %w; choose another with --state", err)
	}
	draft := s.path(function) + ".new"
	if err := os.WriteFile(draft, data, 0o644); err != nil {
		return fmt.Errorf("write timer status: %w; choose another folder with --state", err)
	}
	if err := os.Rename(draft, s.path(function)); err != nil {
		return fmt.Errorf("replace timer status: %w; choose another folder with --state", err)
	}
	return nil
}
