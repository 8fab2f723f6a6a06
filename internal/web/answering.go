package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/parallel"
)

// answering is one request that a function works on, in a goroutine of its own: so the request is
// answered at its deadline, whatever the function does.
type answering struct {
	host     *Host
	request  Request
	function string
	asked    *Operation
	to       *guarded
	came     time.Time

	due   chan time.Duration // how long what begins now may take
	ended chan error
	short chan func() // ends that short work is under way, once
}

// serveOperation answers, or writes and logs the error.
func (h *Host) serveOperation(w http.ResponseWriter, r Request, function string, o *Operation) {
	sentBy(r.http).route, sentBy(r.http).query = o.Path, o.Parameters
	to := newGuarded(w, r.http.Method == http.MethodHead, h.limits.Stall)
	r.writer, r.Header = to, to.header
	a := &answering{host: h, request: r, function: function, asked: o, to: to, came: time.Now(),
		due: make(chan time.Duration, 4), ended: make(chan error, 1), short: make(chan func(), 1)}
	parallel.Start(a.work, func(err error) { a.ended <- err })
	err, hangs := a.wait()
	if hangs {
		a.giveUp(w)
		return
	}
	begun, refused, slow := to.state()
	away := r.http.Context().Err() != nil && h.stopping.Err() == nil
	switch {
	case err == nil && refused && to.pace.wasCut():
		h.logSlow(r.http, function)
		panic(http.ErrAbortHandler)
	case err == nil && away: // what was done by then is kept, and nobody reads the answer
		h.logHangUp(r.http, function)
	case err == nil, errors.Is(err, errHead):
		to.end()
	case begun:
		_ = to.FlushError() // a caller that went away needs no answer
		if to.pace.wasCut() {
			h.logSlow(r.http, function)
		} else if refused && h.stopping.Err() == nil || h.hungUp(r.http, err) {
			h.logHangUp(r.http, function)
		} else {
			h.log.WarnContext(r.http.Context(), "a download broke off", "error", loggable(r.http, err))
		}
		panic(http.ErrAbortHandler)
	case slow:
		to.header.Set("Connection", "close") // what is left of the body is not waited for
		h.fail(to, r.http, function, slowBody(h.limits.Stall, to.pace.wasCut()))
	default:
		h.fail(to, r.http, function, err)
	}
}

// wait waits for the function's end, or until it hangs.
func (a *answering) wait() (err error, hangs bool) {
	var late <-chan time.Time
	for {
		select {
		case d := <-a.due:
			late = time.After(d + a.host.limits.Grace)
		case err := <-a.ended:
			return err, false
		case <-late:
			return nil, true
		}
	}
}

// giveUp answers in the place of a function that hangs. It keeps its place until it ends, so that no
// more of them hang than have one.
func (a *answering) giveUp(w http.ResponseWriter) {
	begun := a.to.leave()
	select {
	case end := <-a.short: // long work would give way to it for ever
		end()
	default:
	}
	a.host.log.ErrorContext(a.request.http.Context(), "a function hangs: it is past its deadline, and keeps its place",
		"function", a.function, "method", a.request.http.Method)
	parallel.Start(func() error { return <-a.ended }, func(error) {
		a.host.log.Warn("a function that was given up has ended", "function", a.function)
	})
	if begun {
		panic(http.ErrAbortHandler)
	}
	Error(w, a.request.http, overdue(a.asked.Class, a.host.limits.Classes[a.asked.Class].Deadline))
}

// overdue is the error of an answer that is not there at its deadline.
func overdue(class Class, deadline time.Duration) error {
	remedy := "ask again; if that lasts, the app's log says what it waits for"
	if class == Large {
		remedy = "ask for a shorter time"
	}
	return &entra.Error{Code: entra.CodeUnavailable, Doing: "answer the request",
		Why: fmt.Sprintf("it was not done after %s", deadline), Remedy: remedy}
}

// work reads the query, asks the function and writes its answer, each in its turn.
func (a *answering) work() (err error) {
	r := a.request.http
	defer func() {
		if cause := recover(); cause != nil {
			err = a.host.panicked(r, cause)
		}
	}()
	begin := r.Context()
	release, err := a.turn(begin, Short)
	if err != nil {
		return err
	}
	defer func() { release() }()
	ctx, stop := a.deadline(begin, Short)
	defer func() { stop() }()
	asked := a.request
	asked.http = r.WithContext(ctx)
	if a.asked.Verb() == http.MethodGet {
		if asked.http, err = asked.links.recalled(asked.keeper, asked.http); err != nil {
			return a.late(ctx, Short, err)
		}
		sentBy(r).kept = asked.links.given.Query
	}
	if err := a.asked.read(ctx, &asked); err != nil {
		return a.late(ctx, Short, asked.kept(ctx, err))
	}
	class := a.asked.classOf(asked)
	if class != Short {
		release()
		release = func() {}
		if release, err = a.turn(begin, class); err != nil {
			release = func() {}
			return err
		}
		stop()
		ctx, stop = a.deadline(begin, class)
		var rested func()
		ctx, rested = a.host.turns.Long(ctx)
		defer rested()
		asked.http = asked.http.WithContext(ctx)
	}
	answer, err := a.asked.Do(ctx, asked)
	if err = asked.kept(ctx, err); err == nil {
		err = answer.write(a.to, asked)
	}
	return a.late(ctx, class, err)
}

// turn waits for a place.
func (a *answering) turn(ctx context.Context, class Class) (release func(), err error) {
	places := a.host.places[class]
	a.due <- places.Wait
	free, err := places.take(ctx, a.function, a.to)
	if entra.CodeOf(err) == entra.CodeBusy && err != nil {
		a.to.header.Set("Retry-After", seconds(places.After))
	}
	if err != nil || class != Short {
		return free, err
	}
	end := sync.OnceFunc(a.host.turns.Short())
	a.short <- end
	return func() { end(); free() }, nil
}

// deadline is the time of what begins now.
func (a *answering) deadline(ctx context.Context, class Class) (context.Context, context.CancelFunc) {
	d := a.host.limits.Classes[class].Deadline
	if all := a.host.limits.Answer; class != Large && all > 0 {
		d = min(d, max(time.Second, all-time.Since(a.came)))
	}
	a.due <- d
	return context.WithTimeout(ctx, d)
}

// late is the error of what came to its deadline, and err of all else.
func (a *answering) late(ctx context.Context, class Class, err error) error {
	if err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) || a.request.http.Context().Err() != nil ||
		entra.Without(err, context.DeadlineExceeded) != nil {
		return err
	}
	return overdue(class, a.host.limits.Classes[class].Deadline)
}

func seconds(d time.Duration) string { return strconv.Itoa(max(1, int(d/time.Second))) }

// read looks for what the path names, and reads the query.
func (o *Operation) read(ctx context.Context, r *Request) error {
	if o.Find != nil {
		if err := o.Find(ctx, *r); err != nil {
			return err
		}
	}
	var err error
	if r.Query, err = readQuery(r.http, o.Parameters); err != nil {
		return err
	}
	name := r.Query.missing()
	switch {
	case name == "":
		return nil
	case o.Incomplete != nil:
		return o.Incomplete(ctx, *r)
	}
	return Refuse(name+" is missing", fmt.Sprintf("give %s: %s", name, r.Query.parameter(name).Text))
}
