package questions_test

import (
	"context"
	"errors"
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
	kept := questions.New(&shelf{}, time.Now)
	a, b := kept.New("of", "query"), kept.New("of", "query")
	require.NotEqual(t, a.Token, b.Token, "who asks the same does not know another's link")
	require.True(t, a.Fits())
	for _, changed := range []questions.Question{{a.Token, "of", "quer", a.At}, {a.Token, "ofq", "uery", a.At},
		{a.Token, "o", "fquery", a.At}, {b.Token[:12] + a.Token[12:], "of", "query", a.At}, {"", "of", "query", a.At}} {
		require.False(t, changed.Fits(), changed)
	}
}
