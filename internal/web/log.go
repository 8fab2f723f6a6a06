package web

import (
	"context"
	"io"
	"log/slog"
)

type invocationKey struct{}

// WithInvocation ties what is logged under ctx to an invocation.
func WithInvocation(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, invocationKey{}, id)
}

// Invocation is the id of the invocation that ctx belongs to; empty outside of one.
func Invocation(ctx context.Context) string {
	id, _ := ctx.Value(invocationKey{}).(string)
	return id
}

// NewLogger writes one JSON object a line. The host does not tie a handler's lines to invocations,
// so each has the invocation's id. w is stdout: the host reads every line of stderr as an error.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(withInvocation{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})})
}

type withInvocation struct{ slog.Handler }

func (h withInvocation) Handle(ctx context.Context, record slog.Record) error {
	if id := Invocation(ctx); id != "" {
		record.AddAttrs(slog.String("invocationId", id))
	}
	return h.Handler.Handle(ctx, record)
}

func (h withInvocation) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withInvocation{h.Handler.WithAttrs(attrs)}
}

func (h withInvocation) WithGroup(name string) slog.Handler {
	return withInvocation{h.Handler.WithGroup(name)}
}
