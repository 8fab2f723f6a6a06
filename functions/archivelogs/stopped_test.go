package archivelogs_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/archivelogs"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/web"
)

func TestAStoppedRunOfArchivelogsIsHandedOverOnlyAfterAStepAndNotBehind(t *testing.T) {
	for name, c := range map[string]struct {
		page  int           // that the stop comes in
		alert time.Duration // ARCHIVE_ALERT_AFTER
		check func(*lab.Lab, web.Result, error)
	}{
		"at the first page": {1, 24 * time.Hour, func(l *lab.Lab, r web.Result, err error) {
			lab.RequireNothingDone(l, "archivelogs", r, err)
		}},
		"at the third page": {3, 24 * time.Hour, func(l *lab.Lab, r web.Result, err error) {
			lab.RequireHandedOver(l, "1 streams, 2 pages: 200 records fetched", r, err)
		}},
		"at the third page, and still behind": {3, 3 * time.Hour, func(l *lab.Lab, r web.Result, err error) {
			require.False(l, r.HandedOver)
			require.Equal(l, entra.CodeBehind, entra.CodeOf(err))
			require.ErrorContains(l, err, "keep up with "+string(lab.Stream))
		}},
		"at the first page, and behind": {1, 3 * time.Hour, func(l *lab.Lab, _ web.Result, err error) {
			require.Equal(l, entra.CodeBehind, entra.CodeOf(err))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				l.Options.Backfill, l.Options.Passes = time.Hour, []time.Duration{}
				l.Tenant.Fill(lab.Stream, lab.Start.Add(-time.Hour), lab.Start.Add(11*time.Hour), time.Minute)
				_, err := l.Run()
				require.NoError(l, err)
				time.Sleep(10 * time.Hour)
				run := func(ctx context.Context) (web.Result, error) {
					return archivelogs.New(archivelogs.Config{Preflight: func(context.Context) {},
						Collector: l.Collector(l.Store, l.Tenant),
						Streams:   []entra.Stream{lab.Stream}, Budget: lab.Budget, AlertAfter: c.alert}).Timer(ctx)
				}
				ctx, stop := context.WithCancel(l.Context())
				pages := 0
				l.Tenant.Fails = func(entra.Stream) error {
					if pages++; pages == c.page {
						time.Sleep(time.Second) // the pages before are stored
						stop()
					}
					return ctx.Err()
				}
				result, err := run(ctx)
				c.check(l, result, err)
				l.Tenant.Fails = nil
				result, err = run(l.Context())
				lab.RequireDone(l, "1 streams", result, err)
			})
		})
	}
}
