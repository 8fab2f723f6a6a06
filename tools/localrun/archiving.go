package main

import (
	"context"
	"fmt"
	"time"
)

// mostRuns bounds how often the timer is fired for one backfill.
const mostRuns = 20

// archiving fires the timer until the backfill is done, and follows it.
type archiving struct {
	ask    func(context.Context) ([]streamState, error)
	fire   func(context.Context) (outcome, error)
	screen screen
	now    func() time.Time
	every  time.Duration // between two looks
}

// outcome is how one invocation of the timer ended.
type outcome struct {
	succeeded bool
	cause     string
}

// archived is how it all ended.
type archived struct {
	streams []streamState
	failure string // why a run failed, or why the backfill is not done; empty where all is well
}

// run fires once, and again while a run that succeeded leaves backfill to do. A run that failed, or
// that brought nothing, is the last.
func (a archiving) run(ctx context.Context) (archived, error) {
	track := newTracking()
	before := int64(-1)
	for range mostRuns {
		out, err := a.follow(ctx, track)
		if err != nil {
			return archived{}, err
		}
		streams, err := a.ask(ctx)
		if err != nil {
			return archived{}, err
		}
		a.screen.show(a.now(), track.add(a.now(), streams))
		switch {
		case !out.succeeded:
			return archived{streams, out.cause}, nil
		case !unfinished(streams):
			return archived{streams, ""}, nil
		case done(streams) <= before:
			return archived{streams, "a run brought nothing although backfill is left; see .local/handler.log"}, nil
		}
		before = done(streams)
		a.screen.say("The run has used its time (ARCHIVE_RUN_BUDGET); firing the timer again for the rest.")
	}
	streams, err := a.ask(ctx)
	return archived{streams, fmt.Sprintf("backfill is left after %d runs; the timer goes on with it", mostRuns)}, err
}

// follow runs one invocation and shows the streams meanwhile.
func (a archiving) follow(ctx context.Context, track *tracking) (outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type ended struct {
		outcome
		err error
	}
	result := make(chan ended, 1)
	go func() {
		out, err := a.fire(ctx)
		result <- ended{out, err}
	}()
	tick := time.NewTicker(a.every)
	defer tick.Stop()
	for {
		select {
		case end := <-result:
			return end.outcome, end.err
		case <-tick.C:
			// One look that fails is not worth a word: the next comes soon, and the last one
			// counts.
			if streams, err := a.ask(ctx); err == nil {
				a.screen.show(a.now(), track.add(a.now(), streams))
			}
		}
	}
}
