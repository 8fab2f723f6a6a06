package lab

import (
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/web"
)

// RequireHandedOver checks that a timer's run ended well although it was stopped.
func RequireHandedOver(l *Lab, summary string, result web.Result, err error) {
	l.Helper()
	require.NoError(l, err)
	require.True(l, result.HandedOver)
	require.Contains(l, result.Summary, summary)
}

// RequireNothingDone checks that it failed, because it was stopped before it could do anything.
func RequireNothingDone(l *Lab, function string, result web.Result, err error) {
	l.Helper()
	require.False(l, result.HandedOver)
	require.Equal(l, entra.CodeUnavailable, entra.CodeOf(err))
	require.ErrorContains(l, err, "run "+function+": it was stopped before it could do anything")
	require.ErrorContains(l, err, "the next run goes on")
}

// RequireDone checks that the run after it did the rest.
func RequireDone(l *Lab, summary string, result web.Result, err error) {
	l.Helper()
	require.NoError(l, err)
	require.False(l, result.HandedOver)
	require.Contains(l, result.Summary, summary)
}
