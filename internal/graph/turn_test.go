package graph_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/logs"
)

// everyTurn is the spacing of 4 requests in 10 seconds.
const everyTurn = 10 * time.Second / 4

// turns hands out turns without waiting, and tells what time it would be had each one waited.
type turns struct {
	mu    sync.Mutex
	taken int
	delay time.Duration         // of each turn, in real time
	until func(context.Context) // what each turn waits for before
}

func (t *turns) NextSlot(ctx context.Context, _ time.Time, _ time.Duration) (time.Time, error) {
	if t.until != nil {
		t.until(ctx)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken++
	return time.Now().Add(t.delay), nil
}

func (t *turns) limiter() *graph.Limiter { return graph.NewSharedLimiter(1_000_000, t) }

func (t *turns) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken
}

func (t *turns) now() time.Time { return from.Add(time.Duration(t.count()) * everyTurn) }

// breaker is a Graph that notes when each request arrives, and breaks connections: of the requests
// on a connection that was used before all, and of all requests every third.
type breaker struct {
	net.Listener
	how    string
	page   func(address string, n int) string // the n-th answer
	clock  func() time.Time
	mu     sync.Mutex
	came   []time.Time
	broken int
	pages  int
}

const (
	resetUnread = "a reset before the request is read"
	resetRead   = "a reset after the request was read"
	closedRead  = "an end after the request was read"
	cutAnswer   = "an end within the answer"
)

func newBreaker(t *testing.T, how string, clock func() time.Time, page func(string, int) string) *breaker {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b := &breaker{Listener: listener, how: how, page: page, clock: clock}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // the test has ended
			}
			go b.serve(conn.(*net.TCPConn))
		}
	}()
	return b
}

func (b *breaker) address() string { return "http://" + b.Addr().String() }

func (b *breaker) serve(conn *net.TCPConn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for n := 0; ; n++ {
		if _, err := reader.Peek(1); err != nil {
			return // the client needs the connection no more
		}
		breaks := b.arrived(n)
		if breaks && b.how == resetUnread {
			_ = conn.SetLinger(0)
			return
		}
		if _, err := http.ReadRequest(reader); err != nil {
			return
		}
		if breaks && b.how != cutAnswer {
			if b.how == resetRead {
				_ = conn.SetLinger(0)
			}
			return
		}
		text := b.answer(breaks)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(text))
		if breaks {
			text = text[:len(text)/2]
		}
		_, _ = io.WriteString(conn, text)
		if breaks {
			return
		}
	}
}

// arrived notes a request, the n-th of its connection, and reports whether its connection breaks.
func (b *breaker) arrived(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.came = append(b.came, b.clock())
	breaks := n > 0 || len(b.came)%3 == 0
	if breaks {
		b.broken++
	}
	return breaks
}

func (b *breaker) answer(breaks bool) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !breaks {
		b.pages++
	}
	return b.page(b.address(), b.pages)
}

// pagesOf answers with pages of one object each, the last without a link.
func pagesOf(path string, last int) func(string, int) string {
	return func(address string, n int) string {
		link := fmt.Sprintf(`"@odata.nextLink":"%s%s?$skiptoken=%d",`, address, path, n)
		if n == last {
			link = ""
		}
		return fmt.Sprintf(`{%s"value":[{"id":"%d"}]}`, link, n)
	}
}

// TestNoRequestArrivesWithoutATurn counts at the server, which also sees what net/http repeats by
// itself.
func TestNoRequestArrivesWithoutATurn(t *testing.T) {
	const pages = 12
	readers := map[string]func(*testing.T, *graph.Client) int{
		"logs": func(t *testing.T, c *graph.Client) int {
			records, err := read(t.Context(), c, logs.SignInsInteractiveUser)
			require.NoError(t, err)
			return len(records)
		},
		"directory": func(t *testing.T, c *graph.Client) int {
			objects, link := 0, ""
			for {
				page, err := graph.NewDirectory(c).Objects(t.Context(), about(collections.Users), link)
				require.NoError(t, err)
				objects += len(page.Items)
				page.Free()
				if link = page.Next; link == "" {
					return objects
				}
			}
		},
	}
	for name, read := range readers {
		for _, how := range []string{resetUnread, resetRead, closedRead, cutAnswer} {
			t.Run(name+" with "+how, func(t *testing.T) {
				handed := &turns{}
				server := newBreaker(t, how, handed.now, pagesOf("/next", pages))
				client, err := graph.New(graph.Config{Endpoint: server.address(), Credential: token("x"),
					Limiter: handed.limiter(),
					Log:     slog.New(slog.DiscardHandler), BackOff: time.Millisecond})
				require.NoError(t, err)
				require.Equal(t, pages, read(t, client), "broken requests are tried again")
				server.mu.Lock()
				defer server.mu.Unlock()
				require.GreaterOrEqual(t, server.broken, pages/3)
				require.Equal(t, pages+server.broken, len(server.came))
				require.Equal(t, handed.count(), len(server.came), "each request had a turn of its own")
				for i, first := range server.came {
					end := i
					for end < len(server.came) && server.came[end].Sub(first) < 10*time.Second {
						end++
					}
					require.LessOrEqual(t, end-i, 4, "in 10 seconds from %s", first)
				}
			})
		}
	}
}

// TestWhatTheSDKRepeatsHasATurnToo is about a claims challenge, which the SDK answers by itself.
func TestWhatTheSDKRepeatsHasATurnToo(t *testing.T) {
	challenge := map[string]string{"WWW-Authenticate": `Bearer error="insufficient_claims", claims="e30="`}
	graphs, handed := newScript(t, status(401, challenge, ""), body(onePage)), &turns{}
	client := graphs.client(t, func(c *graph.Config) { c.Limiter = handed.limiter() })
	records, err := read(t.Context(), client, logs.DirectoryAudits)
	require.NoError(t, err)
	require.Len(t, records, 2)
	require.Len(t, graphs.requests, 2)
	require.Equal(t, 2, handed.count())
}

// TestHTTP2IsNotSpoken: net/http repeats by itself what a server refuses there.
func TestHTTP2IsNotSpoken(t *testing.T) {
	var protocol string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol = r.Proto
		body(onePage)(w, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	resp, err := server.Client().Get(server.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "HTTP/2.0", protocol, "the server offers it")
	client, err := graph.New(graph.Config{Endpoint: server.URL, Credential: token("x"),
		Limiter: graph.NewLimiter(100_000),
		Log:     slog.New(slog.DiscardHandler), Transport: server.Client().Transport})
	require.NoError(t, err)
	records, err := read(t.Context(), client, logs.DirectoryAudits)
	require.NoError(t, err)
	require.Len(t, records, 2)
	require.Equal(t, "HTTP/1.1", protocol)
}

func TestTheWaitForATurnIsNoneForTheAnswer(t *testing.T) {
	graphs, handed := newScript(t, body(onePage)), &turns{delay: 400 * time.Millisecond}
	client := graphs.client(t, func(c *graph.Config) {
		c.Limiter, c.Timeout, c.Tries = handed.limiter(), 200*time.Millisecond, 1
	})
	records, err := read(t.Context(), client, logs.DirectoryAudits)
	require.NoError(t, err)
	require.Len(t, records, 2)
}

// TestAConnectionThatEndsBeforeTheTurnComesIsOpenedAgain: nothing was sent on it, so the turn is
// still good.
func TestAConnectionThatEndsBeforeTheTurnComesIsOpenedAgain(t *testing.T) {
	closed := make(chan struct{}, 10)
	var requests int
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		body(onePage)(w, r)
	}))
	server.Config.ReadHeaderTimeout = 20 * time.Millisecond
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	server.Start()
	defer server.Close()
	handed := &turns{delay: 100 * time.Millisecond, until: func(context.Context) {
		select {
		case <-closed:
		case <-time.After(30 * time.Second):
			t.Error("no connection was opened before the turn")
		}
	}}
	client, err := graph.New(graph.Config{Endpoint: server.URL, Credential: token("x"), Limiter: handed.limiter(),
		Log: slog.New(slog.DiscardHandler), Tries: 1})
	require.NoError(t, err)
	records, err := read(t.Context(), client, logs.DirectoryAudits)
	require.NoError(t, err)
	require.Len(t, records, 2)
	require.Equal(t, 1, requests)
	require.Equal(t, 1, handed.count())
}

// TestAnEndedWaitForATurnSendsNothing also closes the connection that was opened for it.
func TestAnEndedWaitForATurnSendsNothing(t *testing.T) {
	graphs := newScript(t, body(onePage))
	ctx, cancel := context.WithCancel(t.Context())
	handed := &turns{until: func(context.Context) { cancel() }, delay: time.Hour}
	_, err := read(ctx, graphs.client(t, func(c *graph.Config) { c.Limiter = handed.limiter() }), logs.DirectoryAudits)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "wait for its turn")
	require.Empty(t, graphs.requests)
	require.Eventually(t, func() bool { return graphs.open.Load() == 0 }, 10*time.Second, time.Millisecond)
}
