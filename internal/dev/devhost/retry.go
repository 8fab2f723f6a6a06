package devhost

import (
	"errors"
	"fmt"
	"time"
)

// retryPolicy repeats a failed run. The count lives in memory, as in the host.
type retryPolicy struct {
	max         int // -1 is without end
	exponential bool
	minimum     time.Duration // the fixed delay, or where the exponential one begins
	maximum     time.Duration
}

type retryJSON struct {
	Strategy        string
	MaxRetryCount   *int
	DelayInterval   string
	MinimumInterval string
	MaximumInterval string
}

func (r retryJSON) policy() (*retryPolicy, error) {
	if r.MaxRetryCount == nil || *r.MaxRetryCount < -1 {
		return nil, errors.New("retry has no valid maxRetryCount; give a number, or -1 for ever")
	}
	switch r.Strategy {
	case "fixedDelay":
		delay, err := parseTimeSpan(r.DelayInterval)
		if err != nil {
			return nil, fmt.Errorf("retry delayInterval: %w", err)
		}
		return &retryPolicy{max: *r.MaxRetryCount, minimum: delay, maximum: delay}, nil
	case "exponentialBackoff":
		minimum, err := parseTimeSpan(r.MinimumInterval)
		if err != nil {
			return nil, fmt.Errorf("retry minimumInterval: %w", err)
		}
		maximum, err := parseTimeSpan(r.MaximumInterval)
		if err != nil {
			return nil, fmt.Errorf("retry maximumInterval: %w", err)
		}
		if minimum > maximum {
			return nil, errors.New("retry minimumInterval is longer than maximumInterval; swap them")
		}
		return &retryPolicy{max: *r.MaxRetryCount, exponential: true, minimum: minimum, maximum: maximum}, nil
	}
	return nil, fmt.Errorf("retry strategy %q is unknown; write fixedDelay or exponentialBackoff", r.Strategy)
}

// again reports whether to try again after `failures` failed tries.
func (p *retryPolicy) again(failures int) bool {
	return p != nil && (p.max < 0 || failures <= p.max)
}

// delay is the pause after `failures` failed tries. The host adds a random
// part to the exponential one; here it is left out so that runs repeat exactly.
func (p *retryPolicy) delay(failures int) time.Duration {
	d := p.minimum
	if !p.exponential {
		return d
	}
	for i := 1; i < failures && d < p.maximum; i++ {
		d *= 2
	}
	return min(d, p.maximum)
}
