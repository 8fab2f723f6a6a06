package entra

import (
	"errors"
	"time"
)

// WhyOf is what an answer said, without what to do about it.
func WhyOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok && e.Why != "" {
		return e.Why
	}
	return err.Error()
}

func Earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func Later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
