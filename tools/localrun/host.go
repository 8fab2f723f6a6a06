package main

import (
	"context"

	"github.com/entraledger/entraledger/internal/dev/devhost"
)

// functionsHost is what runs the handler.
type functionsHost interface {
	// Run returns when the host has ended: nil where ctx ended it.
	Run(ctx context.Context) error
	Ready() <-chan struct{}
	URL() string
	// Fire runs a timer function by hand and waits for its end.
	Fire(ctx context.Context, function string) (outcome, error)
}

// standIn is devhost.
type standIn struct{ *devhost.Host }

// Fire runs a timer function by hand.
func (s standIn) Fire(ctx context.Context, function string) (outcome, error) {
	invocation, err := s.Trigger(ctx, function)
	return outcome{succeeded: invocation.Succeeded, cause: invocation.Cause}, err
}
