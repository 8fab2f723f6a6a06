package web_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/questions"
	"github.com/entraledger/entraledger/internal/web"
)

// hanging is a shelf whose reads last until their context ends, or are refused.
type hanging struct {
	*shelf
	asked chan struct{}
}

func (h hanging) Question(ctx context.Context, _ string) (questions.Question, error) {
	h.asked <- struct{}{}
	<-ctx.Done()
	return questions.Question{}, ctx.Err()
}

// TestAQuestionsStorageThatHangsIsWaitedForAsLongAsAnAnswer, by as many as have a place.
func TestAQuestionsStorageThatHangsIsWaitedForAsLongAsAnAnswer(t *testing.T) {
	a := newAsking(t)
	limits := web.DefaultLimits()
	limits.Classes[web.Short] = web.Limit{AtOnce: 1, Share: 1, Wait: time.Minute, Deadline: 200 * time.Millisecond,
		After: time.Second}
	a.host.Limit(limits)
	in := hanging{a.kept, make(chan struct{}, 1)}
	a.host.KeepQuestions(questions.New(in, func() time.Time { return a.now }))
	link := "/api/things?question=" + strings.Repeat("a", 32)
	first := make(chan said, 1)
	go func() { first <- a.get(link) }()
	<-in.asked
	require.Equal(t, http.StatusTooManyRequests, a.get(link).status, "nobody waits here, and the only place is taken")
	got := <-first
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	require.Contains(t, got.Error.Message, "it was not done after 200ms")
}

// TestWhatAKeptQuestionNamesIsNotLogged.
func TestWhatAKeptQuestionNamesIsNotLogged(t *testing.T) {
	a := newAsking(t)
	link := a.get("/api/things?$filter=" + strings.Repeat("x,", 3_500) + "'Jane+Doe'").Next
	a.kept.refused = errors.New("the account says: no row of Jane Doe")
	require.Equal(t, http.StatusInternalServerError, a.get(link).status)
	require.Contains(t, a.log.String(), "no row of {$filter}")
	require.NotContains(t, a.log.String(), "Jane")
}

// TestAKeyIsKnownInAnyCaseAsTheHostKnowsIt: it is refused by nothing, and no link has it.
func TestAKeyIsKnownInAnyCaseAsTheHostKnowsIt(t *testing.T) {
	a := newAsking(t)
	for _, key := range []string{"code=secret-key", "CODE=secret-key", "Code=secret-key&clientid=secret-key",
		"code=secret-key&cOdE=secret-key"} {
		for _, long := range []int{1, 7_000} {
			query := key + "&$filter=" + strings.Repeat("x", long)
			posted := a.ask(http.MethodPost, "/api/things/$query?"+key, plainText, query)
			for _, got := range []said{a.get("/api/things?" + query), posted} {
				require.Equal(t, http.StatusOK, got.status, "%s: %s", key, got.Error.Message)
				require.NotContains(t, got.Next+got.header.Get("Location"), "secret-key")
				again := a.get(got.Next + "&" + key)
				require.Equal(t, http.StatusOK, again.status, "%s: %s", key, again.Error.Message)
			}
		}
	}
	for _, q := range a.kept.rows {
		require.NotContains(t, q.Query, "secret-key")
	}
}

// TestAQuestionThatIsNotUTF8IsRefused: compared with records its letters would find nothing. Windows
// PowerShell 5.1 sends a text as ISO-8859-1, and names no charset. Source:
// learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_character_encoding.
func TestAQuestionThatIsNotUTF8IsRefused(t *testing.T) {
	a := newAsking(t)
	const latin = "$filter=displayName eq 'M\xfcller'"
	for name, got := range map[string]said{
		"posted":           a.ask(http.MethodPost, "/api/things/$query", plainText, latin),
		"posted as a form": a.ask(http.MethodPost, "/api/things/$query", "application/x-www-form-urlencoded", latin),
		"escaped":          a.get("/api/things?$filter=M%FCller"),
		"a name":           a.get("/api/things?M%FCller=x"),
		"in two halves":    a.get("/api/things?who=%C3&who=%BC"),
	} {
		require.Equal(t, http.StatusBadRequest, got.status, name)
		require.Contains(t, got.Error.Message, "it is not UTF-8; write it as UTF-8, such as %C3%BC", name)
	}
	for kind, want := range map[string]int{"text/plain; charset=iso-8859-1": 415, "text/plain;charset=utf-16": 415,
		"text/plain; charset=UTF-8": 200, `application/x-www-form-urlencoded; charset="utf-8"`: 200,
		"text/plain; charset=us-ascii": 200} {
		got := a.ask(http.MethodPost, "/api/things/$query", kind, "$filter=Müller")
		require.Equal(t, want, got.status, kind)
		if want == http.StatusOK {
			require.Equal(t, "Müller", got.Filter)
		}
	}
}

// TestThePartsThatARefusalNamesAreStored, so that their links can be followed.
func TestThePartsThatARefusalNamesAreStored(t *testing.T) {
	a := newAsking(t)
	refused := web.Operation{Role: web.RoleRead, Parameters: []web.Parameter{web.Text("$filter", ""),
		web.Text("from", "")},
		Do: func(_ context.Context, r web.Request) (web.Answer, error) {
			var parts []web.Part
			for n := range 100 {
				at := a.now.Add(time.Duration(n) * time.Hour)
				parts = append(parts, web.PartOf(r, at, at, 1, map[string]string{"from": web.Time(at)}))
			}
			return web.Answer{}, web.TooLongFile(100, 1, time.Minute, parts, 0)
		}}
	host, err := web.Serve(web.NewLogger(a.log, slog.LevelInfo), "", function("files", "files", `"get"`, refused))
	require.NoError(t, err)
	host.KeepQuestions(questions.New(a.kept, func() time.Time { return a.now }))
	server := httptest.NewServer(host)
	defer server.Close()
	got := a.get(server.URL + "/api/files?$filter=" + strings.Repeat("x", 7_000))
	require.Equal(t, http.StatusUnprocessableEntity, got.status)
	require.Contains(t, got.Error.Message, "ask for its 100 parts")
	require.Len(t, a.kept.rows, 100)
}

// TestWhoFillsTheTableIsTold, and who asks shorter questions is answered.
func TestWhoFillsTheTableIsTold(t *testing.T) {
	a := newAsking(t)
	status := 0
	for n := 0; status != http.StatusTooManyRequests; n++ {
		require.Less(t, n*60_000, questions.MostAnHour)
		query := "$top=" + strconv.Itoa(n%1000+1) + "&who=" + strconv.Itoa(n) + "&$filter=" +
			strings.Repeat("x", 60_000)
		got := a.ask(http.MethodPost, "/api/things/$query", plainText, query)
		if status = got.status; status != http.StatusOK {
			require.Contains(t, got.Error.Message, "ask again in an hour, or shorter")
			require.NotEmpty(t, got.header.Get("Retry-After"))
		}
	}
	require.Equal(t, http.StatusOK, a.get("/api/things?$filter=x").status)
}
