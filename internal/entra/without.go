package entra

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Without is what is left of an error without those parts that are nothing but one of some causes,
// such as the end of a context; nil where nothing else is. What is left keeps its words, and those
// of the others go. An *Error says more than its cause, and stays whole.
func Without(err error, causes ...error) error {
	left, _ := without(err, causes)
	return left
}

func without(err error, causes []error) (left error, changed bool) {
	switch e := err.(type) { //nolint:errorlint // it goes through the parts one by one itself
	case nil, *Error:
		return err, false
	case interface{ Unwrap() []error }:
		return withoutParts(err, e.Unwrap(), causes)
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return withoutInner(err, inner, causes)
		}
	}
	if slices.ContainsFunc(causes, func(cause error) bool { return errors.Is(err, cause) }) {
		return nil, true
	}
	return err, false
}

// withoutInner is without for an error that wraps another one.
func withoutInner(err, inner error, causes []error) (error, bool) {
	left, changed := without(inner, causes)
	switch {
	case !changed:
		return err, false
	case left == nil:
		return nil, true
	}
	if before, ok := strings.CutSuffix(err.Error(), inner.Error()); ok {
		left = fmt.Errorf("%s%w", before, left)
	}
	return left, true
}

// withoutParts is without for an error that joins several.
func withoutParts(err error, parts, causes []error) (error, bool) {
	var all []error
	changed := false
	for _, part := range parts {
		left, other := without(part, causes)
		changed = changed || other
		if left != nil {
			all = append(all, left)
		}
	}
	switch {
	case !changed:
		return err, false
	case len(all) == 1:
		return all[0], true
	}
	return errors.Join(all...), true
}
