package web

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// errHead ends the writing of a body that a HEAD does not ask for: a download would read all of the
// archive for it.
var errHead = errors.New("a HEAD has no body")

// errLeft is what a function is told that writes after its deadline.
var errLeft = errors.New("the answer was given up at its deadline")

// atOnce is how much of a body is written with one deadline.
const atOnce = 64 << 10

// guarded is a response that a function writes in a goroutine of its own. It has headers of its own
// until they are written, and can be taken away from a function that hangs. It knows whether the
// answer has begun, and whether the caller takes no more of it.
type guarded struct {
	to      http.ResponseWriter
	control *http.ResponseController
	header  http.Header
	head    bool          // only the headers are asked for
	stall   time.Duration // the longest time for a part of the body
	pace    pace

	mu             sync.Mutex
	begun, refused bool
	left           bool // it is the function's no more
	slow           bool // the request's body did not come to its end in time
}

func newGuarded(w http.ResponseWriter, head bool, stall time.Duration) *guarded {
	return &guarded{to: w, control: http.NewResponseController(w), header: w.Header().Clone(), head: head,
		stall: stall}
}

// Header is http.ResponseWriter's.
func (g *guarded) Header() http.Header { return g.header }

// WriteHeader is http.ResponseWriter's.
func (g *guarded) WriteHeader(status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.begin(status)
}

func (g *guarded) begin(status int) {
	if g.left || g.begun {
		return
	}
	g.begun = true
	clear(g.to.Header())
	maps.Copy(g.to.Header(), g.header)
	g.to.WriteHeader(status)
}

// Write is http.ResponseWriter's. A caller that takes no part of the body for too long is cut off.
func (g *guarded) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left {
		return 0, errLeft
	}
	g.begin(http.StatusOK)
	if g.head {
		return 0, errHead
	}
	written := 0
	for len(p) > 0 {
		part := p[:min(len(p), atOnce)]
		n, err := g.part(part)
		written += n
		if err != nil {
			g.refused = true
			return written, err
		}
		p = p[len(part):]
	}
	return written, nil
}

// part writes a part of the body.
func (g *guarded) part(p []byte) (n int, err error) {
	// What is no connection has no deadlines. Whoever cuts the caller off behind it sets an earlier one.
	_ = g.control.SetWriteDeadline(time.Now().Add(g.stall))
	if err := g.pace.begin(false); err != nil {
		return 0, err
	}
	defer func() { g.pace.end(n) }()
	return g.to.Write(p)
}

// FlushError is for http.ResponseController.
func (g *guarded) FlushError() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left {
		return errLeft
	}
	if !g.begun {
		g.begin(http.StatusOK)
	}
	_ = g.control.SetWriteDeadline(time.Now().Add(g.stall)) // likewise
	if err := g.pace.begin(false); err != nil {
		return err
	}
	defer g.pace.end(0)
	return g.control.Flush()
}

// end hands on the trailers that were announced.
func (g *guarded) end() {
	for _, list := range g.header.Values("Trailer") {
		for name := range strings.SplitSeq(list, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			if values, ok := g.header[name]; ok {
				g.to.Header()[name] = values
			}
		}
	}
}

// leave takes the response away from its function, and reports whether the answer has begun.
func (g *guarded) leave() (begun bool) {
	g.cutOff() // a write that waits for the caller ends
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left = true
	_ = g.control.SetWriteDeadline(time.Now().Add(g.stall)) // of the answer that comes in its place
	return g.begun
}

// state is what became of the answer and of the request's body.
func (g *guarded) state() (begun, refused, slow bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.begun, g.refused, g.slow
}

// limitBody bounds the time for a request's body, also for one that nobody reads: net/http reads it
// when the request is answered. ended is called behind the answer.
func limitBody(w http.ResponseWriter, r *http.Request, stall time.Duration) (ended func()) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return func() {}
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(stall)) // what is no connection has no deadlines
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		w.Header().Set("Connection", "close") // the answer does not wait for a body that nobody needs
	}
	return func() { // net/http reads what is left, and then sends what it holds of the answer
		_ = control.SetReadDeadline(time.Now().Add(min(stall/2, time.Second)))
		_ = control.SetWriteDeadline(time.Now().Add(stall))
	}
}

// bodyEnded is told how the reading of the request's body ended. From then on net/http reads ahead,
// to see whether the caller goes away: that must have no deadline.
func (g *guarded) bodyEnded(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		g.slow = true
	case !g.left:
		_ = g.control.SetReadDeadline(time.Time{}) // likewise
	}
}

// slowBody is the error of a body that did not come to its end in time. cut says that others waited.
func slowBody(stall time.Duration, cut bool) error {
	why := "it did not come to its end in " + stall.String()
	if cut {
		why = "it came too slowly, and others waited"
	}
	return &entra.Error{Code: entra.CodeSlowBody, Doing: "read the body", Why: why, Remedy: "send it again, at once"}
}
