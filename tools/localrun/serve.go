package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/run"

	"github.com/entraledger/entraledger/internal/dev/azurite"
)

const (
	// handlerGrace is how long the handler may need to stop by itself.
	handlerGrace = 3 * time.Second
	pollEvery    = 500 * time.Millisecond
)

// serve archives once, prints the summary and serves until ctx ends or, with --once, at once.
// Everything has ended when it returns.
func (s *stack) serve(ctx context.Context) error {
	defer s.close()
	var group run.Group
	hosting, stopHost := context.WithCancel(context.WithoutCancel(ctx))
	group.Add(func() error {
		if err := s.host.Run(hosting); err != nil {
			return fmt.Errorf("run the handler: %w; its log is .local/handler.log", err)
		}
		return nil
	}, func(error) {
		s.logs.muted.Store(true)
		stopHost()
	})
	addWatch(&group, s.azurite.Done(), "Azurite ended by itself; start again")
	addWatch(&group, s.tenant.done, "the simulated tenant ended by itself; start again")

	working, stopWork := context.WithCancel(ctx)
	group.Add(func() error {
		if err := s.work(working); err != nil || s.options.once {
			return err
		}
		<-working.Done()
		return nil
	}, func(error) { stopWork() })
	err := group.Run()
	s.screen.rest()
	return err
}

// addWatch makes the end of one part the end of all.
func addWatch(group *run.Group, ended <-chan struct{}, why string) {
	stop := make(chan struct{})
	group.Add(func() error {
		select {
		case <-ended:
			return errors.New(why)
		case <-stop:
			return nil
		}
	}, func(error) { close(stop) })
}

// work archives and prints the summary. Its error is a run that failed, with --once; without, what
// can't continue.
func (s *stack) work(ctx context.Context) error {
	select {
	case <-s.host.Ready():
	case <-ctx.Done():
		return ctx.Err()
	}
	s.screen.say("The page: %s/api/ui (its key: %s)", s.host.URL(), functionKey)
	began := time.Now()
	a := archiving{ask: newCoverage(s.host.URL()).read, fire: s.fire("archivelogs"), screen: s.screen, now: time.Now,
		every: pollEvery}
	result, err := a.run(ctx)
	s.screen.rest()
	if err != nil {
		return err
	}
	directory, err := s.snapshot(ctx)
	if err != nil {
		return err
	}
	if directory.failure != "" && result.failure == "" {
		result.failure = directory.failure
	}
	tables, err := s.azurite.Tables(ctx, azurite.DevelopmentAccount)
	if err != nil {
		return err
	}
	summary{
		streams: result.streams, directory: directory, failure: result.failure, took: time.Since(began),
		base:   s.host.URL(),
		tables: tables, tablePort: s.azurite.Port, storage: s.azurite.ConnectionString(azurite.DevelopmentAccount),
		serving: !s.options.once,
	}.print(s.screen.writer())
	if s.options.once && result.failure != "" {
		return fmt.Errorf("archive the logs: %s", result.failure)
	}
	return nil
}

// fire is a function that invokes a timer by hand and waits for its end.
func (s *stack) fire(timer string) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) { return s.host.Fire(ctx, timer) }
}

// snapshot makes a snapshot of the directory, and sends the two requests about it.
func (s *stack) snapshot(ctx context.Context) (directoryState, error) {
	s.screen.say("Taking a snapshot of the directory ...")
	out, err := s.fire("snapshotdirectory")(ctx)
	if err != nil || !out.succeeded {
		return directoryState{failure: out.cause}, err
	}
	return newCoverage(s.host.URL()).directory(ctx)
}
