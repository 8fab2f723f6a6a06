package web_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/web"
)

// tight are limits that a test reaches in no time. What waits has time enough.
func tight() web.Limits {
	l := web.Limits{Grace: 500 * time.Millisecond, Stall: 400 * time.Millisecond,
		Timers: web.Limit{AtOnce: 2, Share: 1, After: time.Minute}}
	for class := range l.Classes {
		l.Classes[class] = web.Limit{AtOnce: 4, Share: 3, Wait: time.Minute, Deadline: 50 * time.Millisecond,
			After: 7 * time.Second}
	}
	return l
}

// limited serves functions with limits over a real socket.
func limited(t *testing.T, l web.Limits, functions ...web.Function) (*httptest.Server, *logged) {
	var log logged
	host, err := web.Serve(web.NewLogger(&log, slog.LevelInfo), "", functions...)
	require.NoError(t, err)
	host.Limit(l)
	server := httptest.NewServer(host)
	t.Cleanup(server.Close)
	return server, &log
}

func does(name string, class web.Class, do func(context.Context, web.Request) (web.Answer, error)) web.Function {
	return function(name, name, `"get"`, web.Operation{Role: web.RoleRead, Class: class, Do: do})
}

func answers(context.Context, web.Request) (web.Answer, error) {
	return web.Object(map[string]string{"status": "fine"}), nil
}

// codeOf is the code of an error's answer.
func codeOf(answer map[string]any) any {
	failed, _ := answer["error"].(map[string]any)
	return failed["code"]
}

// TestAFunctionThatHangsIsAnsweredAtItsDeadlineAndSurvivedByTheOthers whichever class it is of, and
// no more of it hang than it has places.
func TestAFunctionThatHangsIsAnsweredAtItsDeadlineAndSurvivedByTheOthers(t *testing.T) {
	for name, class := range map[string]web.Class{"short": web.Short, "long": web.Long, "large": web.Large} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			var hanging atomic.Int32
			hangs := func(_ context.Context, r web.Request) (web.Answer, error) { // it does not look at ctx
				hanging.Add(1)
				defer hanging.Add(-1)
				<-release
				r.Header.Set("X-Late", "1") // nobody reads it, and nobody writes beside it
				return answers(context.Background(), r)
			}
			server, log := limited(t, tight(), does("hangs", class, hangs), does("works", class, answers))
			given := make(chan *http.Response, 3)
			for range 3 {
				go func() {
					resp, _ := http.Get(server.URL + "/api/hangs") //nolint:bodyclose // it is closed below
					given <- resp
				}()
			}
			for range 3 {
				resp := <-given
				require.NotNil(t, resp)
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				require.NoError(t, err)
				require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
				require.Contains(t, string(body), `"code":"serviceUnavailable"`)
				require.NotEmpty(t, resp.Header.Get("Retry-After"))
			}
			status, header, answer := call(t, server, http.MethodGet, "/api/hangs", "")
			require.Equal(t, http.StatusTooManyRequests, status, "it keeps its places")
			require.Equal(t, "tooManyRequests", codeOf(answer))
			require.Equal(t, "7", header.Get("Retry-After"))
			require.EqualValues(t, 3, hanging.Load())
			for range 10 {
				status, _, _ = call(t, server, http.MethodGet, "/api/works", "")
				require.Equal(t, http.StatusOK, status)
			}
			require.Equal(t, 3, strings.Count(log.String(), "a function hangs"))
			close(release)
			require.Eventually(t, func() bool {
				return strings.Count(log.String(), "has ended") == 3
			}, 10*time.Second, time.Millisecond)
			status, _, _ = call(t, server, http.MethodGet, "/api/hangs", "")
			require.Equal(t, http.StatusOK, status, "its places are free again")
		})
	}
}

// TestAFileWhoseFunctionHangsIsCutOff: its begin was sent, so it must not look like a whole one.
func TestAFileWhoseFunctionHangsIsCutOff(t *testing.T) {
	release, late := make(chan struct{}), make(chan error, 1)
	server, _ := limited(t, tight(), does("hangs", web.Large, func(context.Context, web.Request) (web.Answer, error) {
		return web.Stream(func(w http.ResponseWriter, _ *http.Request) error {
			_, _ = io.WriteString(w, "begin")
			_ = http.NewResponseController(w).Flush()
			<-release
			_, err := io.WriteString(w, "end")
			late <- err
			return err
		}), nil
	}))
	resp, err := http.Get(server.URL + "/api/hangs")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.Error(t, err)
	require.Equal(t, "begin", string(body))
	close(release)
	require.Error(t, <-late, "nothing is written behind the answer")
}

// TestWhatEndsAtItsDeadlineByItselfIsAnswered503 in words, and is no fault of the program.
func TestWhatEndsAtItsDeadlineByItselfIsAnswered503(t *testing.T) {
	l := tight()
	l.Grace = time.Minute
	server, log := limited(t, l, does("waits", web.Long, func(ctx context.Context, _ web.Request) (web.Answer, error) {
		<-ctx.Done()
		return web.Answer{}, ctx.Err()
	}), does("fails", web.Long, func(ctx context.Context, _ web.Request) (web.Answer, error) {
		<-ctx.Done()
		return web.Answer{}, errors.Join(ctx.Err(), &entra.Error{Code: entra.CodeTampered, Doing: "read x"})
	}))
	status, _, answer := call(t, server, http.MethodGet, "/api/waits", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, answer["error"].(map[string]any)["message"], "it was not done after 50ms")
	require.NotContains(t, log.String(), "hangs")
	status, _, _ = call(t, server, http.MethodGet, "/api/fails", "")
	require.Equal(t, http.StatusConflict, status, "what failed beside it is not hidden")
}

// TestWhatWasWaitedForATurnIsTakenOffTheTimeOfAnAnswer: a load balancer before the app counts all of it.
func TestWhatWasWaitedForATurnIsTakenOffTheTimeOfAnAnswer(t *testing.T) {
	l := web.DefaultLimits()
	l.Answer = 1500 * time.Millisecond
	l.Classes[web.Long].AtOnce, l.Classes[web.Long].Share = 1, 1
	left := make(chan time.Duration, 2)
	came, begun, release := make(chan struct{}, 2), make(chan struct{}, 2), make(chan struct{})
	server, _ := limited(t, l, function("works", "works", `"get"`, web.Operation{Role: web.RoleRead, Class: web.Long,
		Find: func(context.Context, web.Request) error { came <- struct{}{}; return nil },
		Do: func(ctx context.Context, r web.Request) (web.Answer, error) {
			until, _ := ctx.Deadline()
			left <- time.Until(until)
			begun <- struct{}{}
			<-release
			return answers(ctx, r)
		},
	}), does("file", web.Large, func(ctx context.Context, r web.Request) (web.Answer, error) {
		until, _ := ctx.Deadline()
		left <- time.Until(until)
		return answers(ctx, r)
	}))
	all := make(chan *http.Response, 2)
	ask := func() {
		resp, _ := http.Get(server.URL + "/api/works") //nolint:bodyclose // it is closed below
		all <- resp
	}
	go ask()
	<-came
	<-begun
	require.LessOrEqual(t, <-left, l.Answer)
	go ask()
	<-came
	time.Sleep(300 * time.Millisecond) // it waits for its turn
	close(release)
	<-begun
	require.LessOrEqual(t, <-left, l.Answer-300*time.Millisecond)
	for range 2 {
		resp := <-all
		require.NotNil(t, resp)
		resp.Body.Close()
	}
	status, _, _ := call(t, server, http.MethodGet, "/api/file", "")
	require.Equal(t, http.StatusOK, status)
	require.Greater(t, <-left, time.Minute, "the bytes of a file flow")
}

// TestOfManyAtOnceOnlySoManyWorkAndTheOthersAreToldToComeBack: the same download 50 times.
func TestOfManyAtOnceOnlySoManyWorkAndTheOthersAreToldToComeBack(t *testing.T) {
	l := tight()
	l.Classes[web.Large] = web.Limit{AtOnce: 3, Share: 3, Waiting: 2, Wait: time.Minute, Deadline: time.Minute,
		After: 30 * time.Second}
	l.Classes[web.Short] = web.Limit{AtOnce: 4, Share: 4, Waiting: 100, Wait: time.Minute, Deadline: time.Minute}
	var working, most atomic.Int32
	release := make(chan struct{})
	server, _ := limited(t, l, does("file", web.Large, func(context.Context, web.Request) (web.Answer, error) {
		return web.Stream(func(w http.ResponseWriter, _ *http.Request) error {
			n := working.Add(1)
			defer working.Add(-1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			<-release
			_, err := io.WriteString(w, "all of it")
			return err
		}), nil
	}), does("short", web.Short, answers))
	type got struct {
		status int
		after  string
		body   string
	}
	all := make(chan got, 50)
	for range 50 {
		go func() {
			resp, err := http.Get(server.URL + "/api/file")
			if err != nil {
				all <- got{body: err.Error()}
				return
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			all <- got{resp.StatusCode, resp.Header.Get("Retry-After"), string(body)}
		}()
	}
	for range 45 {
		refused := <-all
		require.Equal(t, http.StatusTooManyRequests, refused.status, refused.body)
		require.Equal(t, "30", refused.after)
		require.Contains(t, refused.body, `"code":"tooManyRequests"`)
	}
	status, _, _ := call(t, server, http.MethodGet, "/api/short", "")
	require.Equal(t, http.StatusOK, status, "short answers have places of their own")
	close(release)
	for range 5 {
		whole := <-all
		require.Equal(t, got{http.StatusOK, "", "all of it"}, whole)
	}
	require.EqualValues(t, 3, most.Load())
}

// TestWhoWaitsTooLongOrGoesAwayGivesUpItsTurn and holds up nobody behind it.
func TestWhoWaitsTooLongOrGoesAwayGivesUpItsTurn(t *testing.T) {
	l := tight()
	l.Grace = time.Minute
	l.Classes[web.Long] = web.Limit{AtOnce: 1, Share: 1, Waiting: 10, Wait: 30 * time.Millisecond,
		Deadline: time.Minute, After: time.Second}
	begun, release := make(chan struct{}), make(chan struct{})
	server, log := limited(t, l, does("works", web.Long, func(context.Context, web.Request) (web.Answer, error) {
		begun <- struct{}{}
		<-release
		return answers(context.Background(), web.Request{})
	}))
	first := make(chan int, 1)
	go func() {
		resp, err := http.Get(server.URL + "/api/works")
		if err == nil {
			resp.Body.Close()
			first <- resp.StatusCode
		}
	}()
	<-begun
	status, _, answer := call(t, server, http.MethodGet, "/api/works", "")
	require.Equal(t, http.StatusTooManyRequests, status)
	require.Equal(t, "tooManyRequests", codeOf(answer))
	gone, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(gone, http.MethodGet, server.URL+"/api/works", nil)
	require.NoError(t, err)
	leave()
	_, err = http.DefaultClient.Do(req) //nolint:bodyclose // there is none
	require.Error(t, err)
	close(release)
	require.Equal(t, http.StatusOK, <-first)
	go func() { <-begun }()
	status, _, _ = call(t, server, http.MethodGet, "/api/works", "")
	require.Equal(t, http.StatusOK, status)
	require.NotContains(t, log.String(), `"level":"ERROR"`)
}

// TestATimerThatHangsIsAnsweredAtItsDeadline: the host would kill the process at functionTimeout.
func TestATimerThatHangsIsAnsweredAtItsDeadline(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	f := timer("hangs", func(context.Context) (web.Result, error) {
		<-release
		return web.Result{}, nil
	})
	f.Deadline = 20 * time.Millisecond
	stopped := timer("stops", func(ctx context.Context) (web.Result, error) {
		<-ctx.Done()
		return web.Result{}, ctx.Err()
	})
	stopped.Deadline = f.Deadline
	server, log := limited(t, tight(), f, stopped, timer("works", ok))
	status, _, answer := call(t, server, http.MethodPost, "/hangs", timerBody)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "serviceUnavailable", codeOf(answer))
	require.Contains(t, log.String(), "a function hangs")
	status, _, answer = call(t, server, http.MethodPost, "/hangs", timerBody)
	require.Equal(t, http.StatusTooManyRequests, status, "it keeps its place")
	require.Equal(t, "tooManyRequests", codeOf(answer))
	status, _, _ = call(t, server, http.MethodPost, "/works", timerBody)
	require.Equal(t, http.StatusOK, status)
	status, _, _ = call(t, server, http.MethodPost, "/stops", timerBody)
	require.GreaterOrEqual(t, status, 500, "the invocation fails")
}

// TestAPanicInWhatAFunctionWritesIsAnsweredAndSurvived: a function works in a goroutine of its own.
func TestAPanicInWhatAFunctionWritesIsAnsweredAndSurvived(t *testing.T) {
	server, log := limited(t, tight(), does("faulty", web.Large, func(context.Context, web.Request) (web.Answer,
		error) {
		return web.Stream(func(http.ResponseWriter, *http.Request) error { panic("a fault") }), nil
	}), does("works", web.Large, answers))
	for range 10 { // more than it has places
		status, _, answer := call(t, server, http.MethodGet, "/api/faulty", "")
		require.Equal(t, http.StatusInternalServerError, status)
		require.Equal(t, "internalError", codeOf(answer))
	}
	status, _, _ := call(t, server, http.MethodGet, "/api/works", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, log.String(), `"msg":"panic"`)
}

// TestWhoWaitsWhileTheProcessEndsIsAnswered: the host would otherwise wait, and send a GET again.
func TestWhoWaitsWhileTheProcessEndsIsAnswered(t *testing.T) {
	l := web.DefaultLimits()
	l.Classes[web.Long].AtOnce, l.Classes[web.Long].Share = 1, 1
	came, release := make(chan struct{}, 2), make(chan struct{})
	defer close(release)
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", function("hangs", "hangs", `"get"`, web.Operation{
		Role: web.RoleRead, Class: web.Long,
		Find: func(context.Context, web.Request) error { came <- struct{}{}; return nil },
		Do: func(ctx context.Context, r web.Request) (web.Answer, error) {
			<-release
			return answers(ctx, r)
		}}))
	require.NoError(t, err)
	host.Limit(l)
	answering, abandon := context.WithCancel(t.Context())
	server := httptest.NewUnstartedServer(host)
	server.Config.BaseContext = func(net.Listener) context.Context { return answering }
	server.Start()
	defer server.CloseClientConnections()
	all := make(chan *http.Response, 2)
	for range 2 {
		go func() {
			resp, _ := http.Get(server.URL + "/api/hangs") //nolint:bodyclose // it is closed below
			all <- resp
		}()
		<-came
	}
	host.Stop()
	abandon()
	resp := <-all
	require.NotNil(t, resp)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Contains(t, string(body), "this process ends")
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
}

// TestAListThatReadsMoreThanItGivesIsLong by the parameters that are given beside their defaults.
func TestAListThatReadsMoreThanItGivesIsLong(t *testing.T) {
	l := web.DefaultLimits()
	l.Answer = 0
	of := func(ctx context.Context, _ web.Request) (web.Answer, error) {
		until, _ := ctx.Deadline()
		return web.Object(map[string]any{"left": time.Until(until).Seconds()}), nil
	}
	server, _ := limited(t, l, function("lists", "lists", `"get"`, web.Operation{Role: web.RoleRead,
		Parameters: []web.Parameter{web.Choice("state", "all", "", "all", "some"), web.Text("of", ""), web.Format()},
		Heavier:    web.Walking("state", "of"), Do: of}))
	for query, class := range map[string]web.Class{"": web.Short, "?state=all": web.Short, "?state=some": web.Long,
		"?of=a": web.Long, "?of=a&$format=csv": web.Large, "?$format=csv": web.Large} {
		status, _, answer := call(t, server, http.MethodGet, "/api/lists"+query, "")
		require.Equal(t, http.StatusOK, status)
		require.InDelta(t, l.Classes[class].Deadline.Seconds(), answer["left"], 5, query)
	}
}
