package collect_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
)

// TestTheLedgerSaysWhoseItIs once a run could tell, and keeps it; it is asked for no more often than
// needed, and a run without an answer goes on.
func TestTheLedgerSaysWhoseItIs(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		asked, answer, failure := 0, "", error(nil)
		l.Options.Tenant = func(context.Context) (string, error) {
			asked++
			return answer, failure
		}
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-3*time.Hour), lab.Start.Add(lab.Days), time.Hour)
		run := func() string {
			_, err := l.Run()
			require.NoError(l, err)
			return l.Progress(lab.Stream).Tenant
		}
		failure = errors.New("no token")
		require.Empty(l, run())
		failure = nil
		require.Empty(l, run(), "a token that does not tell it")
		answer = "a tenant"
		require.Equal(l, "a tenant", run())
		answer = "another one"
		require.Equal(l, "a tenant", run())
		require.Equal(l, 3, asked)

		// A version before writes the row without it.
		p := l.Progress(lab.Stream)
		p.Tenant = ""
		l.Write(p)
		answer = "a tenant"
		require.Equal(l, "a tenant", run())
		require.Equal(l, 4, asked)
	})
}
