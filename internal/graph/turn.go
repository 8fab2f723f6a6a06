package graph

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// turn is what each request on the wire needs: permission to leave, and a clock that times its
// answer.
type turn struct {
	wait  func(context.Context) error
	clock *time.Timer // ends the try; it does not run while the try waits for its turn
	limit time.Duration
	err   error     // of wait
	left  time.Time // when the request left last; zero: it did not
}

type turnKey struct{}

// withTurn lets the requests under the context leave when wait returns, and ends the context where
// one of them is not answered within limit. Connecting and getting a token before has the same time
// for itself.
func withTurn(
	ctx context.Context, wait func(context.Context) error, limit time.Duration,
) (context.Context, *turn, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	clock := time.AfterFunc(limit, func() { cancel(context.DeadlineExceeded) })
	t := &turn{wait: wait, clock: clock, limit: limit}
	return context.WithValue(ctx, turnKey{}, t), t, func() {
		clock.Stop()
		cancel(context.Canceled)
	}
}

var errNoTurn = errors.New("a request to Graph was made without a turn")

// takeTurn waits until the request may leave.
func takeTurn(req *http.Request) error {
	t, ok := req.Context().Value(turnKey{}).(*turn)
	if !ok {
		return errNoTurn
	}
	if !t.clock.Stop() {
		return context.Cause(req.Context()) // there was no token or no connection in time
	}
	if t.err = t.wait(req.Context()); t.err != nil {
		return t.err
	}
	t.clock.Reset(t.limit)
	t.left = time.Now()
	return nil
}

// turned takes a turn for each request before a RoundTripper that does not repeat requests.
type turned struct{ base http.RoundTripper }

func (t turned) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := takeTurn(req); err != nil {
		return nil, err
	}
	return t.base.RoundTrip(req)
}

// single sends each request on a connection of its own. It opens the connection before it takes the
// turn, so that the request leaves when its turn comes.
//
// An http.Transport repeats a GET by itself where a reused connection breaks, and HTTP/2 repeats
// what a server refused. Graph would see more requests than there were turns. An http.ClientConn
// never repeats. What breaks is tried again by retry, with a turn. At a few requests in ten seconds
// a connection for each costs little.
type single struct{ dialer *http.Transport }

func newSingle(t *http.Transport) single {
	t = t.Clone()
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	// A transport that was used before its copy was made has HTTP/2 in here, too.
	t.ForceAttemptHTTP2, t.TLSNextProto = false, make(map[string]func(string, *tls.Conn) http.RoundTripper)
	if t.TLSClientConfig != nil {
		t.TLSClientConfig.NextProtos = nil
	}
	return single{t}
}

func (s single) RoundTrip(req *http.Request) (*http.Response, error) {
	conn, err := s.dial(req)
	if err != nil {
		return nil, err
	}
	if err := takeTurn(req); err != nil {
		_ = conn.Close() // nothing was sent
		return nil, err
	}
	if conn.Err() != nil { // the server closed it during the wait
		if conn, err = s.dial(req); err != nil {
			return nil, err
		}
	}
	resp, err := conn.RoundTrip(req)
	if err != nil {
		_ = conn.Close() // the error of the request tells more
		return nil, err
	}
	resp.Body = lastBody{resp.Body, conn}
	return resp, nil
}

func (s single) dial(req *http.Request) (*http.ClientConn, error) {
	port := req.URL.Port()
	if port == "" {
		port = req.URL.Scheme // its name is a port's, too
	}
	return s.dialer.NewClientConn(req.Context(), req.URL.Scheme, net.JoinHostPort(req.URL.Hostname(), port))
}

// lastBody closes the connection with its only answer.
type lastBody struct {
	io.ReadCloser
	conn *http.ClientConn
}

func (b lastBody) Close() error {
	err := b.ReadCloser.Close()
	_ = b.conn.Close() // the answer was read, or is not wanted
	return err
}
