package questions_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/questions"
)

// shelf keeps questions in memory.
type shelf struct {
	rows   map[string]questions.Question
	broken error
}

func (s *shelf) Question(_ context.Context, token string) (questions.Question, error) {
	q, ok := s.rows[token]
	if !ok && s.broken == nil {
		return q, questions.ErrNone
	}
	return q, s.broken
}

func (s *shelf) KeepQuestion(_ context.Context, q questions.Question) error {
	if s.broken == nil {
		s.rows[q.Token] = q
	}
	return s.broken
}

func (s *shelf) DropQuestions(_ context.Context, before time.Time) error {
	for token, q := range s.rows {
		if q.At.Before(before) {
			delete(s.rows, token)
		}
	}
	return nil
}

func TestAQuestionIsKeptForADayAfterItsLastLink(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	store := &shelf{rows: map[string]questions.Question{}}
	kept := questions.New(store, func() time.Time { return now })
	q := kept.New("logs?collection=signIns", "%24filter=x")
	require.NoError(t, kept.Keep(t.Context(), q))
	begin := now

	for _, age := range []time.Duration{0, time.Hour, questions.Kept} {
		now = begin.Add(age)
		got, err := kept.Recall(t.Context(), q.Token, q.Of)
		require.NoError(t, err, age)
		require.Equal(t, q.Query, got.Query)
	}
	now = begin.Add(questions.Kept + time.Second)
	_, err := kept.Recall(t.Context(), q.Token, q.Of)
	require.Equal(t, entra.CodeTokenExpired, entra.CodeOf(err))
	require.ErrorContains(t, err, "ask again from the first page")

	now = begin.Add(questions.Kept)
	require.NoError(t, kept.Keep(t.Context(), q), "the next page's link")
	now = now.Add(questions.Kept)
	require.NoError(t, kept.Expire(t.Context()))
	_, err = kept.Recall(t.Context(), q.Token, q.Of)
	require.NoError(t, err, "its link is a day old")
	now = now.Add(2 * time.Hour)
	require.NoError(t, kept.Expire(t.Context()))
	require.Empty(t, store.rows)
}

func TestATokenIsGoodForItsOwnAddressAlone(t *testing.T) {
	store := &shelf{rows: map[string]questions.Question{}}
	kept := questions.New(store, time.Now)
	q := kept.New("logs?collection=signIns", "%24filter=x")
	require.NoError(t, kept.Keep(t.Context(), q))
	_, err := kept.Recall(t.Context(), q.Token, "logs?collection=directoryAudits")
	require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err))
	for _, text := range []string{"", "x", q.Token[:31], q.Token + "A", strings.ToLower(q.Token), "../" + q.Token[3:],
		strings.Repeat("A", 32), strings.Repeat("'", 32)} {
		_, err := kept.Recall(t.Context(), text, q.Of)
		require.Equal(t, entra.CodeTokenExpired, entra.CodeOf(err), text)
	}
	store.broken = errors.New("connection refused")
	_, err = kept.Recall(t.Context(), q.Token, q.Of)
	require.ErrorIs(t, err, store.broken)
	require.ErrorIs(t, kept.Keep(t.Context(), q), store.broken)
}

func TestATokenIsOfOneQuestionAndTellsNothingOfIt(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	kept := questions.New(&shelf{}, func() time.Time { return now })
	a, b := kept.New("of", "query"), questions.New(&shelf{}, time.Now).New("of", "query")
	require.NotEqual(t, a.Token, b.Token, "of another process")
	now = now.Add(59 * time.Minute)
	require.Equal(t, a, kept.New("of", "query"), "it leaves no second row")
	require.NotEqual(t, a.Token[:12], kept.New("o", "fquery").Token[:12])
	now = now.Add(time.Minute)
	require.NotEqual(t, a.Token, kept.New("of", "query").Token)
	require.True(t, a.Fits())
	for _, changed := range []questions.Question{{a.Token, "of", "quer", a.At}, {a.Token, "ofq", "uery", a.At},
		{a.Token, "o", "fquery", a.At}, {b.Token[:12] + a.Token[12:], "of", "query", a.At}, {"", "of", "query", a.At}} {
		require.False(t, changed.Fits(), changed)
	}
}

// TestWhatAProcessStoresInAnHourIsBounded, whatever is asked; what was stored before is stored again.
func TestWhatAProcessStoresInAnHourIsBounded(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	store := &shelf{rows: map[string]questions.Question{}}
	kept := questions.New(store, func() time.Time { return now })
	long := strings.Repeat("x", 1<<20)
	first := kept.New("logs", long)
	stored := 0
	for n := range 100 {
		q := kept.New("logs", strconv.Itoa(n)+long)
		if n == 0 {
			q = first
		}
		err := kept.Keep(t.Context(), q)
		if err != nil {
			require.Equal(t, entra.CodeBusy, entra.CodeOf(err))
			require.ErrorContains(t, err, "ask again in an hour, or shorter")
			break
		}
		stored += len(q.Query)
	}
	require.InDelta(t, questions.MostAnHour, stored, 2<<20)
	for range 100 {
		require.NoError(t, kept.Keep(t.Context(), first), "the row is there")
	}
	read, err := kept.Recall(t.Context(), first.Token, "logs")
	require.NoError(t, err)
	now = now.Add(time.Hour)
	for range 100 { // a walk that goes on writes the row that it has
		require.NoError(t, kept.Keep(t.Context(), read))
	}
	for range 100 {
		require.NoError(t, kept.Keep(t.Context(), kept.New("logs", long)))
	}
	now = now.Add(-2 * time.Hour) // of a clock that was set back
	require.NoError(t, kept.Keep(t.Context(), kept.New("logs", long)))
}
