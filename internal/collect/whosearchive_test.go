package collect_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
)

// TestTheLedgerSaysWhoseItIs once a run could tell, and keeps it; it is asked for once a run, and a run
// without an answer goes on.
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
		answer = ""
		require.Equal(l, "a tenant", run())
		require.Equal(l, 4, asked)

		// A version before writes the row without it.
		p := l.Progress(lab.Stream)
		p.Tenant = ""
		l.Write(p)
		answer = "a tenant"
		require.Equal(l, "a tenant", run())
		require.Equal(l, 5, asked)
	})
}

const ownTenant, otherTenant = "3f2a9c52-1111-4222-8333-abcdefabcdef", "00000000-1111-4222-8333-abcdefabcdef"

// TestTheLogsOfAnotherTenantAreNotRead into an archive, whether its cell was changed or the app moved.
func TestTheLogsOfAnotherTenantAreNotRead(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		tenant, failure := ownTenant, error(nil)
		l.Options.Tenant = func(context.Context) (string, error) { return tenant, failure }
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-5*time.Hour), lab.Start.Add(lab.Days), 20*time.Minute)
		l.Runs(5*time.Minute, lab.Start.Add(6*time.Minute))
		require.Equal(l, ownTenant, l.Progress(lab.Stream).Tenant)

		refused := func() {
			was, asked := l.Progress(lab.Stream), l.Tenant.Served.Load()
			_, err := l.Run()
			require.Equal(l, entra.CodeTampered, entra.CodeOf(err), "%v", err)
			require.ErrorContains(l, err, ownTenant)
			require.ErrorContains(l, err, otherTenant)
			is := l.Progress(lab.Stream)
			require.Equal(l, []any{was.Watermark, was.Records, was.Tenant, asked},
				[]any{is.Watermark, is.Records, is.Tenant, l.Tenant.Served.Load()}, "nothing was read")
			require.Equal(l, entra.CodeTampered, is.LastErrorCode)
			require.Equal(l, time.Duration(0), l.Lease().Length, "it is free")
			time.Sleep(5 * time.Minute)
		}
		tenant = otherTenant
		refused()
		tenant = ownTenant
		p := l.Progress(lab.Stream)
		p.Tenant = otherTenant
		l.Write(p)
		refused()
		refused()

		// In other letters it is the same; where it can't be told, nothing is known against it.
		for _, cell := range []string{strings.ToUpper(ownTenant), "", ownTenant} {
			p = l.Progress(lab.Stream)
			p.Tenant = cell
			l.Write(p)
			_, err := l.Run()
			require.NoError(l, err)
			require.True(l, strings.EqualFold(ownTenant, l.Progress(lab.Stream).Tenant))
			time.Sleep(5 * time.Minute)
		}
		tenant, failure = "", errors.New("no answer")
		_, err := l.Run()
		require.NoError(l, err)
		require.Equal(l, ownTenant, l.Progress(lab.Stream).Tenant)
	})
}
