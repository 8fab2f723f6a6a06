package web_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/web"
)

// hurried are limits in which two callers have all places, and somebody who waits has little patience.
func hurried() web.Limits {
	l := tight()
	l.Stall = time.Minute
	for class := range l.Classes {
		l.Classes[class] = web.Limit{AtOnce: 2, Share: 2, Waiting: 10, Wait: time.Minute, Deadline: time.Minute,
			Patience: 200 * time.Millisecond, Pace: 1 << 20}
	}
	return l
}

// manyBytes are more than sockets take that nobody reads from.
var manyBytes = strings.Repeat("x", 16<<20)

func givesMuch(context.Context, web.Request) (web.Answer, error) { return web.Object(manyBytes), nil }

// TestWhoTakesTooSlowlyGivesWayToThoseWhoWait whatever the class, and is waited for where nobody
// waits. Whoever takes quickly keeps the place.
func TestWhoTakesTooSlowlyGivesWayToThoseWhoWait(t *testing.T) {
	for name, class := range map[string]web.Class{"short": web.Short, "long": web.Long, "large": web.Large} {
		t.Run(name, func(t *testing.T) {
			stream := func(context.Context, web.Request) (web.Answer, error) {
				return web.Stream(func(w http.ResponseWriter, _ *http.Request) error {
					_, err := io.WriteString(w, manyBytes)
					return err
				}), nil
			}
			server, log := limited(t, hurried(), does("long", class, givesMuch), does("stream", class, stream),
				does("works", class, answers))
			var slow []net.Conn
			for _, of := range []string{"long", "stream"} {
				slow = append(slow, dial(t, server, "GET /api/"+of+" HTTP/1.1\r\nHost: x\r\n\r\n"))
			}
			for _, conn := range slow { // both have their places
				_, err := io.ReadFull(conn, make([]byte, 1))
				require.NoError(t, err)
			}
			status, _, _ := call(t, server, http.MethodGet, "/api/works", "")
			require.Equal(t, http.StatusOK, status)
			require.Eventually(t, func() bool {
				return strings.Contains(log.String(), "too slowly while others waited")
			}, 10*time.Second, time.Millisecond)
			require.Equal(t, 1, strings.Count(log.String(), "too slowly"), "one place was needed: %s", log)
			cut := 0
			for _, conn := range slow {
				got, err := io.Copy(io.Discard, io.LimitReader(conn, int64(len(manyBytes))))
				if err != nil || got < int64(len(manyBytes)) {
					cut++
				}
			}
			require.Equal(t, 1, cut, "the other one was waited for")
			for range 3 {
				status, _, _ = call(t, server, http.MethodGet, "/api/works", "")
				require.Equal(t, http.StatusOK, status)
			}
			require.NotContains(t, log.String(), `"level":"ERROR"`)
		})
	}
}

// TestWhoSendsTooSlowlyGivesWayToThoseWhoWait and is told so.
func TestWhoSendsTooSlowlyGivesWayToThoseWhoWait(t *testing.T) {
	begun := make(chan struct{}, 2)
	takes := function("takes", "takes", `"post"`, web.Operation{Method: http.MethodPost, Role: web.RoleRead,
		Class: web.Long, Do: func(_ context.Context, r web.Request) (web.Answer, error) {
			begun <- struct{}{}
			body, err := r.ReadAll(1 << 20)
			return web.Object(len(body)), err
		}})
	server, _ := limited(t, hurried(), takes, does("works", web.Long, answers))
	var slow []net.Conn
	for range 2 {
		slow = append(slow, dial(t, server, "POST /api/takes HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n1"))
	}
	gives := make(chan string, 2)
	for _, conn := range slow {
		go func() {
			answer := make([]byte, 1000)
			n, err := conn.Read(answer)
			gives <- fmt.Sprint(string(answer[:n]), err)
		}()
	}
	for range slow { // both have their places
		<-begun
	}
	status, _, _ := call(t, server, http.MethodGet, "/api/works", "")
	require.Equal(t, http.StatusOK, status)
	first := <-gives
	require.Contains(t, first, "408 Request Timeout")
	require.Contains(t, first, "it came too slowly, and others waited")
	for _, conn := range slow {
		_, _ = io.WriteString(conn, "23") // one of them is gone
	}
	require.Contains(t, <-gives, "200 OK", "the other one was waited for")
}
