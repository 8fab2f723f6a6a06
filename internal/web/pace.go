package web

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// errCut is what the writing of an answer ends with that was cut off, because its caller took it
// too slowly while others waited for the place.
var errCut = errors.New("the caller was too slow while others waited")

// pace is how quickly a caller takes its answer, or sends its body. Only the time counts in which the
// caller was waited for. What sockets took at once is no credit for later.
type pace struct {
	mu      sync.Mutex
	least   int64         // bytes a second
	behind  time.Duration // for how long it was waited for, beyond what it needed at the least pace
	since   time.Time     // of the part that is waited for now; zero: none is
	reading bool          // it is a part of the request's body
	cut     bool
}

// begin notes that the caller is waited for, unless it was cut off.
func (p *pace) begin(reading bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut && p.reading == reading { // whose body came too slowly is answered
		return errCut
	}
	p.since, p.reading = time.Now(), reading
	return nil
}

// end notes how much came of it.
func (p *pace) end(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.behind += time.Since(p.since)
	if p.least > 0 {
		p.behind = max(0, p.behind-time.Duration(n)*time.Second/time.Duration(p.least))
	}
	p.since = time.Time{}
}

// keep says how many bytes a second the caller has to take or send where others wait.
func (p *pace) keep(least int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.least = least
}

// wasCut tells whether the caller was cut off.
func (p *pace) wasCut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut
}

// cutIfSlow cuts off a caller that is waited for, and is behind its pace by more than the patience. It
// reports whether it did.
func (g *guarded) cutIfSlow(patience time.Duration) bool {
	p := &g.pace
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut || p.since.IsZero() || p.behind+time.Since(p.since) <= patience {
		return false
	}
	p.cut = true // before its deadline: what begins behind it sees that, and sets none of its own
	if p.reading {
		_ = g.control.SetReadDeadline(time.Now()) // what is no connection has no deadlines
	} else {
		_ = g.control.SetWriteDeadline(time.Now()) // likewise
	}
	return true
}

// cutOff lets nothing more be written, also by what writes now.
func (g *guarded) cutOff() {
	g.pace.mu.Lock()
	defer g.pace.mu.Unlock()
	g.pace.cut, g.pace.reading = true, false
	_ = g.control.SetWriteDeadline(time.Now()) // likewise
}

// paced is a request's body whose caller's pace is noted.
type paced struct {
	io.ReadCloser
	by *guarded
}

// Read is io.Reader's.
func (b paced) Read(p []byte) (n int, err error) {
	if b.by.pace.begin(true) != nil {
		return 0, os.ErrDeadlineExceeded
	}
	defer func() { b.by.pace.end(n) }()
	return b.ReadCloser.Read(p)
}
