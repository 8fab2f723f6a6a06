package cost

import (
	"context"
	"time"

	"github.com/entraledger/entraledger/internal/cost"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// ledgerOf is what the ledger says of a log.
type ledgerOf struct {
	stream    entra.Stream
	collected bool
	progress  ledger.Progress
	err       error // why its row of progress can't be used; nil: it can
	expect    cost.Forecast
}

// held is what the archive has of it now; false where the ledger's totals can't be.
func (l *ledgerOf) held(plan cost.Plan) (cost.Bill, bool) {
	p := &l.progress
	total := cost.Counts{Records: p.Records, Versions: p.Versions, Arrived: p.Imported, Received: p.Bytes,
		Stored: p.StoredBytes}
	if !total.OfALog() {
		return cost.Bill{}, false
	}
	return plan.Held(p.StoredBytes, p.Records+p.Versions+p.Imported), true
}

// read asks the ledger of each log for its progress and its last hours.
func (cfg Config) read(ctx context.Context) (logs []ledgerOf, from time.Time, err error) {
	all, err := cfg.Streams.All(ctx)
	if err != nil {
		return nil, from, err
	}
	for _, s := range all {
		l := ledgerOf{stream: s, collected: cfg.Streams.Collects(s)}
		if l.progress, l.err = cfg.Ledger.Progress(ctx, s); l.err != nil && entra.CodeOf(l.err) != entra.CodeTampered {
			return nil, from, l.err // of a row that was changed the other logs know nothing
		}
		logs = append(logs, l)
	}
	from, to := cost.Span(cfg.tenantTime(logs))
	for i := range logs {
		if err := cfg.forecast(ctx, &logs[i], from, to); err != nil {
			return nil, from, err
		}
	}
	return logs, from, nil
}

// tenantTime is now by the tenant's clock, as the last run of a collected log knew it. A row that
// is ahead of the time moves nothing: the last run of a log is over, and a tenant that is not
// simulated has no later time than this machine.
func (cfg Config) tenantTime(logs []ledgerOf) time.Time {
	now := cfg.Now()
	var last *ledger.Progress
	for i := range logs {
		l := &logs[i]
		at := l.progress.TenantTime(now)
		switch {
		case l.err != nil || !l.collected:
		case at.After(now) && !cfg.Simulated, l.progress.LastRunAt.After(at.Add(clocksApart)):
		case last == nil || l.progress.LastRunAt.After(last.LastRunAt):
			last = &l.progress
		}
	}
	if last == nil {
		return now
	}
	return last.TenantTime(now)
}

// clocksApart is how far a clock may be from another that it agrees with.
const clocksApart = 5 * time.Minute

// forecast asks the ledger for the hours of a log.
func (cfg Config) forecast(ctx context.Context, l *ledgerOf, from, to time.Time) error {
	if l.err != nil {
		return nil
	}
	var hours []cost.Hour
	if l.progress.Started() {
		for cov, err := range cfg.Ledger.Windows(ctx, l.stream, from, to) {
			if err != nil && entra.CodeOf(err) != entra.CodeTampered {
				return err
			}
			if l.err = err; err != nil {
				return nil
			}
			hours = append(hours, hourOf(cov))
		}
	}
	l.expect = cost.Expect(from, hours)
	return nil
}

// hourOf is an hour for the forecast. A purged one has no data any more.
func hourOf(c ledger.Coverage) cost.Hour {
	h := cost.Hour{Start: c.Start,
		Counts: cost.Counts{Records: c.Records, Versions: c.Versions, Arrived: c.Imported, Received: c.Bytes,
			Stored: c.StoredBytes}}
	switch {
	case c.Doubt || c.State == ledger.WindowPurged:
	case c.State == ledger.WindowLost || c.InPart():
		h.State = cost.Lost
	case c.State.IsRead():
		h.State = cost.There
	case c.Awaits():
		h.State = cost.Awaiting
	}
	return h
}
