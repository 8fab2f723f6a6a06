package tables_test

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/questions"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/verify"
)

// keptQuestion is a question in a store.
func keptQuestion(t *testing.T, store *tablestest.Store, query string) questions.Question {
	of := questions.New(store.Questions, time.Now)
	q := of.New("logs?collection=signIns", query)
	require.NoError(t, of.Keep(t.Context(), q))
	return q
}

func TestQuestionsComeBackAsTheyWereKept(t *testing.T) {
	store, service := newMemory(t)
	_, err := store.Question(t.Context(), "x")
	require.ErrorIs(t, err, questions.ErrNone)
	require.Empty(t, flawsOf(t, store.QuestionFlaws(t.Context())))
	require.NoError(t, store.DropQuestions(t.Context(), time.Now()))
	require.Empty(t, service.TableNames(), "asking writes nothing")
	for _, query := range []string{"%24filter=x", "", strings.Repeat("%C3%A4", 20_000), letters(300_000)} {
		q := keptQuestion(t, store, query)
		got, err := store.Question(t.Context(), q.Token)
		require.NoError(t, err)
		require.Equal(t, []string{q.Token, q.Of, q.Query}, []string{got.Token, got.Of, got.Query})
		require.WithinDuration(t, time.Now(), got.At, time.Minute)
		require.NoError(t, store.KeepQuestion(t.Context(), got), "a second time, under the same token")
	}
	require.Empty(t, flawsOf(t, store.QuestionFlaws(t.Context())))
	require.Len(t, service.Rows("questions"), 4)
	require.NoError(t, store.DropQuestions(t.Context(), time.Now().Add(-time.Hour)))
	require.Len(t, service.Rows("questions"), 4)
	require.NoError(t, store.DropQuestions(t.Context(), time.Now().Add(time.Hour)))
	require.Empty(t, service.Rows("questions"))
}

// letters are some that can hardly be compressed.
func letters(n int) string {
	out := make([]byte, n)
	for i, state := 0, uint32(1); i < n; i++ {
		state = state*1664525 + 1013904223
		out[i] = 'A' + byte(state>>24)%26
	}
	return string(out)
}

// TestAQuestionThatWasAlteredIsNamed by the link that leads to it, and by verify.
func TestAQuestionThatWasAlteredIsNamed(t *testing.T) {
	for name, change := range map[string]func(row map[string]any){
		"no check":         set("Check", nil),
		"check of zeros":   set("Check", bytesOf(8)),
		"another address":  set("Of", "logs?collection=directoryAudits"),
		"no address":       set("Of", nil),
		"a later time":     set("At", forgedTime),
		"no time":          set("At", nil),
		"time no time":     set("At", nil, "At", true),
		"another question": set("Record", "JTI0ZmlsdGVyPXk="),
		"no question":      set("Record", nil),
		"another codec":    set("Codec", "zip"),
		"a column more":    set("Note", "x"),
	} {
		t.Run(name, func(t *testing.T) {
			store, service := newMemory(t)
			q := keptQuestion(t, store, "%24filter=x")
			in := newIntruder(t, service)
			row := in.get("questions", "question", q.Token)
			change(row)
			in.put("questions", row)
			requireAltered(t, store, q.Token)
		})
	}
	t.Run("copied from another question, check and all", func(t *testing.T) {
		store, service := newMemory(t)
		q, other := keptQuestion(t, store, "%24filter=x"), keptQuestion(t, store, "%24filter=y")
		in := newIntruder(t, service)
		row := maps.Clone(in.get("questions", "question", other.Token))
		row["RowKey"] = q.Token
		in.put("questions", row)
		requireAltered(t, store, q.Token)
	})
	t.Run("forged with a check that fits", func(t *testing.T) {
		store, _ := newMemory(t)
		q := keptQuestion(t, store, "%24filter=x")
		q.Query = "%24filter=y"
		require.NoError(t, store.KeepQuestion(t.Context(), q))
		requireAltered(t, store, q.Token)
	})
}

func requireAltered(t *testing.T, store *tablestest.Store, token string) {
	_, err := store.Question(t.Context(), token)
	require.Equal(t, entra.CodeTampered, entra.CodeOf(err), err)
	require.ErrorContains(t, err, "row "+token+" of table questions: it is not what was written")
	flaws := flawsOf(t, store.QuestionFlaws(t.Context()))
	require.Len(t, flaws, 1)
	require.Equal(t, []any{verify.DiffDerived, "questions", token},
		[]any{flaws[0].Difference, flaws[0].Table, flaws[0].Row})
}

func TestARowOfAnotherPartitionOfQuestionsIsNamed(t *testing.T) {
	store, service := newMemory(t)
	keptQuestion(t, store, "x")
	newIntruder(t, service).put("questions", map[string]any{"PartitionKey": "mine", "RowKey": "x"})
	flaws := flawsOf(t, store.QuestionFlaws(t.Context()))
	require.Len(t, flaws, 1)
	require.Equal(t, []any{verify.DiffAdded, "mine x"}, []any{flaws[0].Difference, flaws[0].Row})
}

// requestCount counts the requests to an account in memory.
type requestCount struct {
	*memstorage.Service
	requests atomic.Int64
}

func (c *requestCount) RoundTrip(req *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	return c.Service.RoundTrip(req)
}

func newRequestCount(t *testing.T) (*tablestest.Store, *requestCount) {
	service := &requestCount{Service: memstorage.New(time.Now)}
	store, err := tablestest.New(tables.Config{ConnectionString: service.ConnectionString(),
		HTTP: &http.Client{Transport: service}})
	require.NoError(t, err)
	return store, service
}

func TestTwoWhoDropQuestionsAtOnceBothEnd(t *testing.T) {
	store, service := newRequestCount(t)
	for range 40 {
		keptQuestion(t, store, "x")
	}
	errs := make([]error, 3)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = store.DropQuestions(t.Context(), time.Now().Add(time.Hour)) })
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Empty(t, service.Rows("questions"))
}

// TestManyQuestionsAreDroppedByFewRequests: a busy hour leaves thousands.
func TestManyQuestionsAreDroppedByFewRequests(t *testing.T) {
	store, service := newRequestCount(t)
	for range 250 {
		keptQuestion(t, store, "x")
	}
	before := service.requests.Load()
	require.NoError(t, store.DropQuestions(t.Context(), time.Now().Add(time.Hour)))
	require.Empty(t, service.Rows("questions"))
	require.LessOrEqual(t, service.requests.Load()-before, int64(4), "a list, and 100 rows at once")
}

// TestAQuestionIsStoredByOneRequest, so that a kill leaves it whole or not at all.
func TestAQuestionIsStoredByOneRequest(t *testing.T) {
	store, service := newRequestCount(t)
	keptQuestion(t, store, "x") // makes the table
	before := service.requests.Load()
	keptQuestion(t, store, letters(64<<10))
	require.EqualValues(t, 1, service.requests.Load()-before)
}
