package collect_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// tokenless is a tenant of which nobody has a token.
type tokenless struct {
	*lab.Forgetful
	code entra.Code
}

func (t tokenless) Now(context.Context) (time.Time, error) {
	return time.Time{}, &entra.Error{Code: t.code, Doing: "ask Graph for the time", Why: "no token for Graph: it is refused"}
}

// TestWithoutATokenTheStreamsSayWhy and go on from where they are as soon as there is one. By which
// clock that is written is a matter of two that agree.
func TestWithoutATokenTheStreamsSayWhy(t *testing.T) {
	for name, c := range map[string]struct {
		code    entra.Code
		storage time.Duration // by which its clock is ahead of the machine's
		written bool
	}{
		"no token":                         {entra.CodeToken, 0, true},
		"clocks that are a bit apart":      {entra.CodeToken, 4 * time.Minute, true},
		"clocks that do not agree":         {entra.CodeToken, 48 * time.Hour, false},
		"a service that is out of order":   {entra.CodeUnavailable, 0, false},
		"a machine that is far behind all": {entra.CodeToken, -48 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				both := []entra.Stream{lab.Stream, lab.Other}
				l.Tenant.Fill(lab.Stream, lab.Start.Add(-6*time.Hour), lab.Start.Add(6*time.Hour), 10*time.Minute)
				run := func() error {
					_, err := l.Collector(l.Store, l.Tenant).Run(l.Context(), lab.Execution(), []entra.Stream{lab.Stream}, lab.Budget)
					return err
				}
				require.NoError(l, run())
				before := l.Progress(lab.Stream)
				l.Storage = c.storage
				time.Sleep(10 * time.Minute)
				report, err := l.Collector(l.Store, tokenless{l.Tenant, c.code}).Run(l.Context(), lab.Execution(), both, lab.Budget)
				require.ErrorContains(l, err, "no token for Graph: it is refused")
				require.Empty(l, report.Streams)
				for _, s := range both {
					p := l.Progress(s)
					status := p.Status(time.Now(), 0)
					if !c.written {
						require.NotEqual(l, ledger.StatusFailing, status, "%s", s)
						require.Empty(l, p.LastError)
						continue
					}
					require.Equal(l, ledger.StatusFailing, status, "%s", s)
					require.Equal(l, c.code, p.LastErrorCode)
					require.Contains(l, p.LastError, "no token for Graph: it is refused")
					require.WithinDuration(l, time.Now(), p.LastErrorAt, 5*time.Minute)
				}
				after := l.Progress(lab.Stream)
				require.Equal(l, []any{before.Watermark, before.Backfilled, before.Records, before.SteppedAt},
					[]any{after.Watermark, after.Backfilled, after.Records, after.SteppedAt}, "nothing else moved")
				require.False(l, l.Lease().Held())

				l.Storage = 0
				time.Sleep(10 * time.Minute)
				require.NoError(l, run())
				p := l.Progress(lab.Stream)
				require.NotEqual(l, ledger.StatusFailing, p.Status(time.Now(), 0))
				require.Greater(l, p.Records, before.Records)
				lab.CheckLedgerTotals(l)
			})
		})
	}
}
