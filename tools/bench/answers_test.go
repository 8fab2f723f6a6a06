package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnswersAreMeasuredAtAnySize(t *testing.T) {
	for _, users := range []int{1_000, 1_000_000} {
		a, err := measureAnswer(context.Background(), users, time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
		require.NoError(t, err)
		require.InDelta(t, 1, a.Requests, 0.2, "a page is one query")
		require.Positive(t, a.Own)
	}
}

func BenchmarkAPage(b *testing.B) {
	for b.Loop() {
		_, err := measureAnswer(context.Background(), 100_000, time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
		require.NoError(b, err)
	}
}
