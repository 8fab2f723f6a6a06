package entra

import (
	"errors"
	"fmt"
	"net/url"
)

// WithoutAddress is the error of a request without the request's address, which may hold names, a
// signature, or the token of a page. What was tried and why it failed stay, also for errors.Is and
// errors.As below the address.
func WithoutAddress(err error) error {
	e, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err
	}
	return fmt.Errorf("%s: %w", e.Op, WithoutAddress(e.Err))
}
