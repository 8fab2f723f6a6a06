package collect_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
)

// gappy has an empty page behind every page, as Graph may have.
type gappy struct{ collect.Source }

func (g gappy) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	return func(yield func(entra.Page, error) bool) {
		for page, err := range g.Source.Pages(ctx, q) {
			if !yield(page, err) || err == nil && !yield(entra.Page{Date: page.Date}, nil) {
				return
			}
		}
	}
}

// loseWalk loses a walk whose rows are stored and not counted, and asks for a shorter span next.
func loseWalk(t *testing.T, through func(collect.Source) collect.Source) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.InOrder = false
		l.Options.Backfill = 4 * lab.Days
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-4*lab.Days), lab.Start.Add(lab.Days), 20*time.Minute)
		l.SealIn()
		from, to := lab.Start.Add(-90*time.Hour), lab.Start.Add(-4*time.Hour)
		for h := from; h.Before(to); h = h.Add(time.Hour) {
			l.Tenant.Add(lab.Stream, "late-"+h.Format("0215"), entra.FloorHour(h).Add(13*time.Minute), "late")
		}
		l.Tenant.PageSize = 10
		pages, lost := 0, false
		l.Tenant.Fails = func(entra.Stream) error {
			if pages++; pages == 25 && !lost {
				lost = true
				return entra.ErrPagingLost
			}
			return nil
		}
		_, err := l.Collector(l.Store, through(l.Tenant)).Range(l.Context(), lab.Execution(),
			[]entra.Stream{lab.Stream},
			from, to, lab.Budget)
		require.NoError(l, err)
		require.True(l, lost)
		l.Tenant.Fails, l.Tenant.PageSize = nil, 100
		time.Sleep(20 * time.Minute)
		l.Runs(5*time.Minute, time.Now().Add(20*time.Minute))
		v := lab.Verification(l)
		require.True(l, v.Intact(), "%v", v.Counts)
		lab.CheckLedger(l.T, l.Store, lab.Stream)
	})
}
