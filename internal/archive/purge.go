package archive

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

// Retention says how long the archive keeps a month, and what it must not drop.
type Retention struct {
	Default time.Duration                  // 0: for ever
	By      map[entra.Stream]time.Duration // in place of Default
	Holds   []Hold
}

// LeastRetention is the shortest that may be set: longer than the last pass can be put off, and than Graph keeps a record,
// so that nothing that was dropped is read again.
const LeastRetention = 35 * 24 * time.Hour

// Hold keeps [From, To) of a stream, or of all, whatever the retention: somebody needs it as evidence.
type Hold struct {
	Stream   entra.Stream // empty: all
	From, To time.Time
}

// Of is how long a stream's months are kept; 0 is for ever.
func (r Retention) Of(s entra.Stream) time.Duration {
	if d, ok := r.By[s]; ok {
		return d
	}
	return r.Default
}

// held finds a hold on any part of [from, to).
func (r Retention) held(s entra.Stream, from, to time.Time) (Hold, bool) {
	for _, h := range r.Holds {
		if (h.Stream == "" || h.Stream == s) && h.From.Before(to) && from.Before(h.To) {
			return h, true
		}
	}
	return Hold{}, false
}

// PurgeStore is a Store whose months can be dropped.
type PurgeStore interface {
	Store
	// Months lists the months of which a stream has a table, in order.
	Months(ctx context.Context, s entra.Stream) ([]time.Time, error)
	// DropMonth removes a month's records and what was kept beside its seals; never an entry of the log. The table of records
	// goes last: a drop that is killed is found again by Months.
	DropMonth(ctx context.Context, s entra.Stream, month time.Time) error
	// DropQuarantined removes what has been in quarantine since before, and tells how many records there were.
	DropQuarantined(ctx context.Context, s entra.Stream, before time.Time) (int64, error)
}

// PurgeMonth is a month that is past its retention.
type PurgeMonth struct {
	Stream      entra.Stream
	Month       time.Time
	Records     int64
	StoredBytes int64
	Rule        string // by which it is dropped
	Kept        string // why it is kept all the same; empty: it is dropped
	Dropped     bool
}

// Purger drops months that are past their retention.
type Purger struct {
	store     PurgeStore
	heads     Heads // nil: none
	retention Retention
}

// NewPurger makes a Purger.
func NewPurger(store PurgeStore, heads Heads, retention Retention) *Purger {
	return &Purger{store: store, heads: heads, retention: retention}
}

// purged begins the reason of a log entry that says that a window's records were dropped.
const purged = "purged: "

// Plan lists the months of a stream that are past their retention at a moment, and changes nothing.
func (p *Purger) Plan(ctx context.Context, s entra.Stream, now time.Time) ([]PurgeMonth, error) {
	keep := p.retention.Of(s)
	if keep == 0 {
		return nil, nil
	}
	months, err := p.store.Months(ctx, s)
	if err != nil {
		return nil, err
	}
	progress, err := p.store.Progress(ctx, s)
	if err != nil {
		return nil, err
	}
	var out []PurgeMonth
	for _, month := range months {
		end := month.AddDate(0, 1, 0)
		if end.After(now.Add(-keep)) {
			break
		}
		m := PurgeMonth{Stream: s, Month: month, Rule: fmt.Sprintf("ARCHIVE_RETENTION of %s is %d days", s, int(keep/(24*time.Hour)))}
		if err := p.sum(ctx, &m, end); err != nil {
			return nil, err
		}
		hold, held := p.retention.held(s, month, end)
		switch {
		case held:
			m.Kept = fmt.Sprintf("ARCHIVE_HOLD keeps %s to %s", hold.From.Format(time.DateOnly), hold.To.Format(time.DateOnly))
		case progress.SealedTo.Before(end):
			m.Kept = "it is not sealed to its end"
		case progress.Reopened > 0 && progress.ReopenedFrom.Before(end):
			m.Kept = "an hour of it is to be sealed again"
		}
		out = append(out, m)
	}
	return out, nil
}

func (p *Purger) sum(ctx context.Context, m *PurgeMonth, end time.Time) error {
	for cov, err := range p.store.Windows(ctx, m.Stream, m.Month, end) {
		if err != nil {
			return err
		}
		m.Records += cov.Records + cov.Versions
		m.StoredBytes += cov.StoredBytes
	}
	return nil
}

// Run drops the months of a plan. For each hour the log gets an entry that says when it was purged and by which rule, and the
// heads outside the tables stand for it, before anything is dropped: what is gone without such an entry was removed by
// somebody else.
func (p *Purger) Run(ctx context.Context, run string, s entra.Stream, now time.Time) ([]PurgeMonth, error) {
	months, err := p.Plan(ctx, s, now)
	if err != nil {
		return nil, err
	}
	for i := range months {
		m := &months[i]
		if m.Kept != "" {
			continue
		}
		if err := p.record(ctx, run, *m, now); err != nil {
			return months, err
		}
		if err := p.store.DropMonth(ctx, s, m.Month); err != nil {
			return months, err
		}
		m.Dropped = true
	}
	if _, held := p.retention.held(s, time.Time{}, now.Add(time.Hour)); p.retention.Of(s) > 0 && !held {
		// Of when a record in quarantine is, nobody can say, so a hold on any time keeps them all.
		if _, err := p.store.DropQuarantined(ctx, s, now.Add(-p.retention.Of(s))); err != nil {
			return months, err
		}
	}
	return months, nil
}

// record writes the entries of a month into the log and the ledger, as many at a time as fit a commit.
func (p *Purger) record(ctx context.Context, run string, m PurgeMonth, now time.Time) error {
	for {
		var rows []Coverage
		for cov, err := range p.store.Windows(ctx, m.Stream, m.Month, m.Month.AddDate(0, 1, 0)) {
			if err != nil {
				return err
			}
			if cov.State == WindowSealed {
				rows = append(rows, cov)
			}
			if len(rows) == sealsAtOnce {
				break
			}
		}
		progress, err := p.store.Progress(ctx, m.Stream)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return p.putHead(ctx, run, progress)
		}
		progress.Run = run
		log := &storeLog{ctx, p.store, m.Stream, make(map[int64]seal.Seal)}
		seals := make([]seal.Seal, len(rows))
		for i := range rows {
			was := rows[i]
			s := seal.Seal{Window: was.Window, Root: seal.Root(nil), SealedAt: now.UTC().Truncate(entra.Tick), Reason: purged + m.Rule}
			if seals[i], err = seal.Append(log, progress.Seals, s); err != nil {
				return err
			}
			log.known[progress.Seals] = seals[i]
			rows[i].State, rows[i].Reason, rows[i].LastSeal = WindowPurged, s.Reason, progress.Seals
			rows[i].Seals++
			rows[i].Records, rows[i].Versions, rows[i].Bytes, rows[i].StoredBytes = 0, 0, 0, 0
			progress.Seals++
			progress.addToWindow(was, rows[i])
		}
		// A run of the collector that is under way loses its turn, as it would to another run, and goes on with the next.
		if _, err := p.store.Commit(ctx, progress, rows, seals); err != nil && !errors.Is(err, ErrMoved) {
			return err
		}
	}
}

func (p *Purger) putHead(ctx context.Context, run string, progress Progress) error {
	if p.heads == nil || progress.Heads == progress.Seals {
		return nil
	}
	head, err := seal.HeadOf(&storeLog{ctx, p.store, progress.Stream, make(map[int64]seal.Seal)}, progress.Stream, progress.Seals)
	if err != nil {
		return err
	}
	if err := p.heads.PutHead(ctx, head); err != nil {
		return err
	}
	progress.Heads, progress.Run = progress.Seals, run
	_, err = p.store.Commit(ctx, progress, nil, nil)
	if errors.Is(err, ErrMoved) {
		return nil // the collector's next run counts it
	}
	return err
}

// Purge is what the log says of months that were dropped.
type Purge struct {
	Stream   entra.Stream
	From, To time.Time // first hour, and the end of the last
	PurgedAt time.Time
	Rule     string
	Hours    int64
}

// wasPurged tells whether an entry of the log says that its window's records were dropped.
func wasPurged(s seal.Seal) bool { return strings.HasPrefix(s.Reason, purged) && s.Leaves == 0 }

// Purges lists what was dropped, as the log has it.
func (v *Verifier) Purges() []Purge {
	var out []Purge
	for _, s := range v.purges {
		if n := len(out) - 1; n >= 0 && out[n].PurgedAt.Equal(s.SealedAt) && out[n].Rule == strings.TrimPrefix(s.Reason, purged) && !s.Start.After(out[n].To.Add(31*24*time.Hour)) {
			out[n].To = s.Window.End()
			out[n].Hours++
			continue
		}
		out = append(out, Purge{Stream: s.Stream, From: s.Start, To: s.Window.End(), PurgedAt: s.SealedAt, Rule: strings.TrimPrefix(s.Reason, purged), Hours: 1})
	}
	return out
}
