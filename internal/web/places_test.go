package web_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/turns"
	"github.com/entraledger/entraledger/internal/web"
)

var classes = []string{"short", "long", "large"}

// faulty are functions of each class, with a fault in each step that an answer takes, and without.
func faulty() (functions []web.Function, paths []string) {
	for class, name := range classes {
		for _, where := range []string{"find", "heavier", "do", "write", "nowhere"} {
			at := func(here string) {
				if where == here {
					panic("a fault")
				}
			}
			paths = append(paths, name+where)
			functions = append(functions, function(name+where, name+where, `"get"`, web.Operation{Role: web.RoleRead,
				Find:    func(context.Context, web.Request) error { at("find"); return nil },
				Heavier: func(web.Request) web.Class { at("heavier"); return web.Class(class) },
				Do: func(ctx context.Context, _ web.Request) (web.Answer, error) {
					at("do")
					return web.Stream(func(w http.ResponseWriter, _ *http.Request) error {
						at("write")
						_, err := io.WriteString(w, strings.Repeat("x", 10_000))
						return err
					}), ctx.Err()
				}}))
		}
	}
	return functions, paths
}

// storm asks for paths 300 times at once, also with HEAD and with parameters that are refused, and
// often goes away before the answer.
func storm(t *testing.T, server *httptest.Server, paths []string) {
	var group sync.WaitGroup
	for n := range 300 {
		group.Go(func() {
			ctx, stop := context.WithTimeout(t.Context(), time.Duration(1+n*7%40)*time.Millisecond)
			defer stop()
			req, err := http.NewRequestWithContext(ctx, []string{http.MethodGet, http.MethodHead}[n%2],
				server.URL+"/api/"+paths[n%len(paths)]+[]string{"", "", "?odd=1"}[n%3], nil)
			if err != nil {
				panic(err)
			}
			if resp, err := http.DefaultClient.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	group.Wait()
}

// TestNoPlaceIsLostHoweverAnAnswerEnds: refused, with a fault anywhere, as a HEAD, to a caller that
// went away, or in a heavier class than it began in. Then as many are answered at once as before.
func TestNoPlaceIsLostHoweverAnAnswerEnds(t *testing.T) {
	l := web.DefaultLimits()
	for class := range l.Classes {
		l.Classes[class].AtOnce, l.Classes[class].Share, l.Classes[class].Waiting = 2, 2, 3
		l.Classes[class].Wait = 20 * time.Millisecond
	}
	together := make(chan struct{})
	both := func(context.Context, web.Request) (web.Answer, error) { // two at once, or neither ends
		select {
		case together <- struct{}{}:
		case <-together:
		}
		return answers(context.Background(), web.Request{})
	}
	functions, paths := faulty()
	for class, name := range classes {
		functions = append(functions, does("both"+name, web.Class(class), both))
	}
	server, log := limited(t, l, functions...)
	storm(t, server, paths)
	require.Contains(t, log.String(), `"msg":"panic"`)
	for _, name := range classes {
		require.Eventually(t, func() bool { // those whose callers went away end by themselves
			ended := make(chan int, 2)
			for range 2 {
				go func() {
					resp, err := http.Get(server.URL + "/api/both" + name)
					if err != nil {
						ended <- 0
						return
					}
					resp.Body.Close()
					ended <- resp.StatusCode
				}()
			}
			first, second := <-ended, <-ended
			return first == http.StatusOK && second == http.StatusOK
		}, 20*time.Second, time.Millisecond, name)
	}
}

// TestThoseWhoWaitForAFunctionThatHangsLeaveRoomForOthers to wait for theirs.
func TestThoseWhoWaitForAFunctionThatHangsLeaveRoomForOthers(t *testing.T) {
	l := web.DefaultLimits()
	l.Classes[web.Long] = web.Limit{AtOnce: 2, Share: 1, Waiting: 8, Wait: time.Hour, Deadline: time.Hour}
	begun, release := make(chan struct{}, 20), make(chan struct{})
	waits := func(ctx context.Context, r web.Request) (web.Answer, error) {
		begun <- struct{}{}
		<-release
		return answers(ctx, r)
	}
	server, _ := limited(t, l, does("hangs", web.Long, waits), does("works", web.Long, waits))
	got := make(chan string, 20)
	ask := func(of string) {
		resp, err := http.Get(server.URL + "/api/" + of)
		if err != nil {
			got <- err.Error()
			return
		}
		resp.Body.Close()
		got <- of + " " + resp.Status
	}
	go ask("hangs")
	<-begun
	for range 9 {
		go ask("hangs")
	}
	for range 2 { // seven of them wait
		select {
		case refused := <-got:
			require.Equal(t, "hangs 429 Too Many Requests", refused)
		case <-time.After(20 * time.Second):
			close(release)
			require.Fail(t, "they have all places of those who wait")
		}
	}
	go ask("works")
	<-begun
	go ask("works") // it waits
	close(release)
	for range 10 {
		require.Contains(t, <-got, "200 OK")
	}
}

// TestLongWorkGivesWayToNobodyWhoHangs: it would have half of the time, for as long as the process runs.
func TestLongWorkGivesWayToNobodyWhoHangs(t *testing.T) {
	l := tight()
	l.Classes[web.Long].Deadline = time.Minute
	release := make(chan struct{})
	defer close(release)
	server, _ := limited(t, l, does("hangs", web.Short, func(context.Context, web.Request) (web.Answer, error) {
		<-release
		return web.Answer{}, nil
	}), does("works", web.Long, func(ctx context.Context, r web.Request) (web.Answer, error) {
		rested := time.Duration(0)
		for range 5 {
			time.Sleep(50 * time.Millisecond) // it works
			began := time.Now()
			turns.Yield(ctx)
			rested += time.Since(began)
		}
		return web.Object(map[string]any{"rested": rested.Seconds()}), nil
	}))
	status, _, _ := call(t, server, http.MethodGet, "/api/hangs", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	_, _, answer := call(t, server, http.MethodGet, "/api/works", "")
	require.Less(t, answer["rested"], 0.2)
}
