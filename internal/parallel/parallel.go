// Package parallel starts the program's goroutines. A panic in a goroutine would end the process, and
// with it all else that runs in it; the Functions host then sends a GET again to the next process,
// and stops at the third crash. Here a panic becomes the error of the work that it ended. No other
// package of the program has a go statement.
package parallel

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"golang.org/x/sync/errgroup"

	"github.com/entraledger/entraledger/internal/entra"
)

// Start runs work in a goroutine. ended is told, in that goroutine, how it ended: a panic is an error
// with CodeInternal, and is logged with its stack. ended itself must not panic.
func Start(work func() error, ended func(error)) {
	go func() { ended(Recovered(work)) }()
}

// Later runs work in a goroutine, and returns what waits for its result; it may be called once.
func Later[T any](work func() (T, error)) func() (T, error) {
	var value T
	done := make(chan error, 1)
	Start(func() (err error) {
		value, err = work()
		return err
	}, func(err error) { done <- err })
	return func() (T, error) {
		err := <-done
		return value, err
	}
}

// Group runs functions side by side, as an errgroup.Group does.
type Group struct{ group *errgroup.Group }

// New is a group that cancels nothing when one of its functions fails.
func New() *Group { return &Group{new(errgroup.Group)} }

// WithContext is a group, and a context that ends when one of its functions fails or all have ended.
func WithContext(ctx context.Context) (*Group, context.Context) {
	group, ctx := errgroup.WithContext(ctx)
	return &Group{group}, ctx
}

// SetLimit bounds how many functions run at once.
func (g *Group) SetLimit(n int) { g.group.SetLimit(n) }

// Go runs a function in a goroutine, as soon as the limit allows.
func (g *Group) Go(f func() error) { g.group.Go(func() error { return Recovered(f) }) }

// Wait waits for all functions, and returns the first error.
func (g *Group) Wait() error { return g.group.Wait() }

// Recovered calls f, and makes a panic of it an error.
func Recovered(f func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			slog.Error("panic", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			err = &entra.Error{Code: entra.CodeInternal, Doing: "do a part of the work side by side",
				Why: "the program has a fault here"}
		}
	}()
	return f()
}
