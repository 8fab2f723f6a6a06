package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/web"
)

// dial opens a connection over which a test sends bytes as it likes.
func dial(t *testing.T, server *httptest.Server, sends string) net.Conn {
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, sends)
	require.NoError(t, err)
	return conn
}

// answered reads an answer with a JSON body.
func answered(t *testing.T, conn net.Conn) (*http.Response, map[string]any) {
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	var answer map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	return resp, answer
}

// closed reports that the other end closes the connection.
func closed(t *testing.T, conn net.Conn) {
	_, err := io.Copy(io.Discard, conn)
	var timeout net.Error
	require.False(t, errors.As(err, &timeout) && timeout.Timeout(), "the connection stays open")
}

// endless is a file that goes on until it can't be written any more; it tells how that ended.
func endless(ended chan<- error) web.Function {
	return does("endless", web.Large, func(context.Context, web.Request) (web.Answer, error) {
		return web.Stream(func(w http.ResponseWriter, r *http.Request) error {
			part := make([]byte, 64<<10)
			for {
				if _, err := w.Write(part); err != nil {
					ended <- err
					return err
				}
				if err := r.Context().Err(); err != nil {
					ended <- err
					return err
				}
			}
		}), nil
	})
}

// body reads a body of JSON, or all bytes of one.
func body(name string) web.Function {
	read := func(_ context.Context, r web.Request) (web.Answer, error) {
		var into struct{ Name string }
		if err := r.ReadBody(&into); err != nil {
			return web.Answer{}, &entra.Error{Code: entra.CodeBadRequest, Doing: "read the request", Err: err}
		}
		return web.Object(map[string]string{"name": into.Name}), nil
	}
	all := func(_ context.Context, r web.Request) (web.Answer, error) {
		text, err := r.ReadAll(1 << 20)
		if errors.Is(err, web.ErrBodyTooLong) {
			return web.Answer{}, &entra.Error{Code: entra.CodeBodyTooLarge, Doing: "read the request", Err: err}
		}
		if err != nil {
			return web.Answer{}, &entra.Error{Code: entra.CodeBadRequest, Doing: "read the request", Err: err}
		}
		return web.Object(map[string]int{"length": len(text)}), nil
	}
	return function(name, name+"/{how?}", `"post","get"`,
		web.Operation{Method: http.MethodPost, Role: web.RoleRead, Do: read},
		web.Operation{Method: http.MethodPost, Given: "how", Role: web.RoleRead, Do: all},
		web.Operation{Role: web.RoleRead, Do: answers})
}

func long() web.Limits {
	l := tight()
	for class := range l.Classes {
		l.Classes[class].Deadline = time.Minute
	}
	return l
}

// TestACallerThatReadsNothingMoreIsCutOff and its place is free again: with one byte a second, a
// part of the body takes hours.
func TestACallerThatReadsNothingMoreIsCutOff(t *testing.T) {
	ended := make(chan error, 1)
	l := long()
	l.Classes[web.Large].AtOnce = 1
	server, log := limited(t, l, endless(ended), does("file", web.Large, answers))
	conn := dial(t, server, "GET /api/endless HTTP/1.1\r\nHost: x\r\n\r\n")
	one := make([]byte, 1)
	_, err := conn.Read(one)
	require.NoError(t, err)
	var timeout net.Error
	require.ErrorAs(t, <-ended, &timeout)
	require.True(t, timeout.Timeout())
	require.Eventually(t, func() bool {
		status, _, _ := call(t, server, http.MethodGet, "/api/file", "")
		return status == http.StatusOK
	}, 10*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "the caller hung up") },
		10*time.Second, time.Millisecond)
}

func TestACallerThatGoesAwayInTheMiddleEndsItsFile(t *testing.T) {
	ended := make(chan error, 1)
	l := long()
	l.Stall, l.Classes[web.Large].AtOnce = time.Minute, 1
	server, log := limited(t, l, endless(ended), does("file", web.Large, answers))
	conn := dial(t, server, "GET /api/endless HTTP/1.1\r\nHost: x\r\n\r\n")
	_, err := conn.Read(make([]byte, 1000))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.Error(t, <-ended)
	require.Eventually(t, func() bool {
		status, _, _ := call(t, server, http.MethodGet, "/api/file", "")
		return status == http.StatusOK
	}, 10*time.Second, time.Millisecond)
	require.NotContains(t, log.String(), `"level":"WARN"`)
}

// TestABodyThatDoesNotComeIsRefusedInTime: it sends a byte, and then nothing; more than a byte a second
// would not change it, for the time is for the whole body.
func TestABodyThatDoesNotComeIsRefusedInTime(t *testing.T) {
	server, _ := limited(t, long(), body("things"), function("lists", "lists/{query?}", `"get","post"`,
		web.Operation{Role: web.RoleRead, Do: answers}))
	for _, head := range []string{
		"POST /api/lists/$query HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n$",
		"POST /api/things HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
		"POST /api/things HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
		"POST /api/things HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
		"POST /api/things/all HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
	} {
		conn := dial(t, server, head)
		resp, answer := answered(t, conn)
		require.Equal(t, http.StatusRequestTimeout, resp.StatusCode, "%s %v", head, answer)
		require.Equal(t, "requestTimeout", codeOf(answer))
		closed(t, conn)
	}
}

// TestABodyOnGETIsLeftAndNothingWaitsForIt however it is sent.
func TestABodyOnGETIsLeftAndNothingWaitsForIt(t *testing.T) {
	l := long()
	l.Stall = time.Minute
	server, _ := limited(t, l, body("things"))
	for _, head := range []string{
		"GET /api/things HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
		"GET /api/things HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n{",
		"GET /api/things HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
	} {
		conn := dial(t, server, head)
		resp, _ := answered(t, conn)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		closed(t, conn)
	}
}

// TestABodyThatGoesOnAndOnIsCutOffAtItsBound: nothing is kept of what is beyond it.
func TestABodyThatGoesOnAndOnIsCutOffAtItsBound(t *testing.T) {
	l := long()
	l.Stall = time.Minute
	server, _ := limited(t, l, body("things"))
	for path, want := range map[string]int{"/api/things": http.StatusBadRequest,
		"/api/things/all": http.StatusRequestEntityTooLarge} {
		conn := dial(t, server, "POST "+path+" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
		chunk := "400\r\n" + strings.Repeat("[", 1024) + "\r\n"
		go func() {
			for {
				if _, err := io.WriteString(conn, chunk); err != nil {
					return
				}
			}
		}()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, want, resp.StatusCode)
		closed(t, conn)
	}
}

// TestAConnectionIsGoodForTheNextRequestBehindABody: what bounds a body bounds nothing after it.
func TestAConnectionIsGoodForTheNextRequestBehindABody(t *testing.T) {
	l := long()
	l.Stall = 50 * time.Millisecond
	working := make(chan struct{})
	slow := function("slow", "slow", `"post"`, web.Operation{Method: http.MethodPost, Role: web.RoleRead,
		Do: func(ctx context.Context, r web.Request) (web.Answer, error) {
			var into struct{}
			if err := r.ReadBody(&into); err != nil {
				return web.Answer{}, err
			}
			close(working)
			select {
			case <-ctx.Done():
				return web.Answer{}, ctx.Err()
			case <-time.After(200 * time.Millisecond): // the time for the body is over meanwhile
				return web.Object("done"), nil
			}
		}})
	server, _ := limited(t, l, slow, does("short", web.Short, answers))
	conn := dial(t, server, "POST /api/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
	<-working
	reader := bufio.NewReader(conn)
	for range 2 {
		resp, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		_, err = io.WriteString(conn, "GET /api/short HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
	}
}

func TestHeadersOf31KilobytesAreTakenAndOf33AreNot(t *testing.T) {
	server, _ := limited(t, long(), does("things", web.Short, answers))
	for kilobytes, want := range map[int]int{31: http.StatusOK, 33: http.StatusRequestHeaderFieldsTooLarge} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/things", nil)
		require.NoError(t, err)
		for i := range kilobytes {
			req.Header.Add("X-Filler", strings.Repeat(string(rune('a'+i%26)), 1024-len("X-Filler: \r\n")))
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		var answer map[string]any
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
		resp.Body.Close()
		require.Equal(t, want, resp.StatusCode, "%d KB", kilobytes)
		if want != http.StatusOK {
			require.Equal(t, "headersTooLarge", codeOf(answer))
		}
	}
}

func TestRangeAndIfNoneMatchAreLeft(t *testing.T) {
	server, _ := limited(t, long(), does("things", web.Short, answers))
	for name, value := range map[string]string{"Range": "bytes=0-3", "If-None-Match": "*", "If-Match": `"x"`} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/things", nil)
		require.NoError(t, err)
		req.Header.Set(name, value)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode, name)
		require.JSONEq(t, `{"status":"fine"}`, string(text))
	}
}

// TestABodyThatIsNestedDeeplyCostsNoMoreThanItsLength: each level would be read once for each above.
func TestABodyThatIsNestedDeeplyCostsNoMoreThanItsLength(t *testing.T) {
	server, _ := limited(t, long(), body("things"))
	deep := strings.Repeat("[", 32_000)
	began := time.Now()
	status, _, _ := call(t, server, http.MethodPost, "/api/things", deep+strings.ReplaceAll(deep, "[", "]"))
	require.Equal(t, http.StatusBadRequest, status)
	require.Less(t, time.Since(began), 5*time.Second)
}
