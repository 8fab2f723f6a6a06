package report

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// Covered says what of a question's time the archive does not have, or not completely.
type Covered struct {
	Gaps     []ledger.Gap // oldest first; of several logs, each says of which it is
	Unknown  string       // why nothing at all can be said of the time; empty: something can
	revision string       // of the ledger
}

// Covers asks the ledger about every hour of a question's time: a report says what it lacks, for a
// sum that silently leaves out hours is a wrong answer.
func (s *Sources) Covers(ctx context.Context, q Question) (Covered, error) {
	of, err := s.logs(ctx, q)
	if err != nil {
		return Covered{}, err
	}
	return s.covers(ctx, q, of)
}

func (s *Sources) covers(ctx context.Context, q Question, of []log) (Covered, error) {
	out := Covered{revision: revisionOf(of)}
	var nothing []string
	for _, l := range of {
		c := coverage{log: l, now: l.progress.TenantTime(s.Now()), report: q.Report}
		if logs.Of(l.Stream).Delivered {
			err := c.delivered(ctx, s.Deliveries, q.whole())
			if err != nil {
				return out, err
			}
		} else if err := c.read(ctx, s.Archive, q.whole()); err != nil {
			return out, err
		}
		if len(of) > 1 {
			for i := range c.gaps {
				c.gaps[i].Reason = string(l.Stream) + ": " + c.gaps[i].Reason
			}
		}
		if !c.held {
			nothing = append(nothing, c.why())
		}
		out.Gaps = append(out.Gaps, c.gaps...)
	}
	if len(of) > 0 && len(nothing) == len(of) {
		out.Unknown = strings.Join(slices.Compact(nothing), "; ")
	}
	slices.SortStableFunc(out.Gaps, func(a, b ledger.Gap) int { return a.From.Compare(b.From) })
	return out, nil
}

// revisionOf changes with every change of the ledgers of logs.
func revisionOf(of []log) string {
	var parts []string
	for _, l := range of {
		parts = append(parts, fmt.Sprint(l.Stream, l.archived, l.progress.Revision))
	}
	return strings.Join(parts, ",")
}

// Since joins what was lacking before records were read and after it: a month may have been purged,
// or an hour been read, in between. Only a ledger that has changed is asked again.
func (s *Sources) Since(ctx context.Context, q Question, before Covered) (Covered, error) {
	of, err := s.logs(ctx, q)
	if err != nil || revisionOf(of) == before.revision {
		return before, err
	}
	after, err := s.covers(ctx, q, of)
	after.Gaps = joined(before.Gaps, after.Gaps)
	return after, err
}

// joined are the gaps of two lists, without those of one that lie in a gap of the other.
func joined(before, after []ledger.Gap) []ledger.Gap {
	out := slices.Clone(after)
	for _, g := range before {
		if !slices.ContainsFunc(after, func(o ledger.Gap) bool { return !g.From.Before(o.From) && !g.To.After(o.To) }) {
			out = append(out, g)
		}
	}
	slices.SortStableFunc(out, func(a, b ledger.Gap) int { return a.From.Compare(b.From) })
	return out
}

// coverage gathers what one log lacks of a time.
type coverage struct {
	log
	report *Report
	now    time.Time // by the tenant's clock
	gaps   []ledger.Gap
	held   bool // something of the time is there
}

func (c *coverage) read(ctx context.Context, from ledger.Reader, w Window) error {
	to, before := entra.Earlier(w.To, c.now), c.notThere()
	switch {
	case !c.archived, !w.From.Before(to) && !c.progress.Started():
		c.add(w.From, w.To, ledger.WindowMissing, before)
		return nil
	case !w.From.Before(to):
		c.add(w.From, w.To, ledger.WindowMissing, "it has not happened yet")
		return nil
	case w.From.Before(logs.Earliest()): // the hours before it are not looked at one by one
		c.add(w.From, entra.Earlier(logs.Earliest(), to), ledger.WindowMissing, before)
		w.From = logs.Earliest()
	}
	first := entra.FloorHour(c.progress.FirstHour())
	for cov, err := range ledger.EveryHour(ctx, from, c.Stream, w.From, to) {
		if err != nil {
			return err
		}
		part := Window{entra.Later(cov.Start, w.From), entra.Earlier(cov.End(), to)}
		if cov.State == ledger.WindowMissing && (!c.progress.Started() || cov.Start.Before(first)) {
			c.add(part.From, part.To, cov.State, before)
			continue
		}
		c.hour(cov, part)
	}
	return nil
}

// hour adds what an hour lacks of the part of it that is asked about. An hour that was never read may
// have records none the less.
func (c *coverage) hour(cov ledger.Coverage, part Window) {
	p := &c.progress
	switch {
	case cov.State == ledger.WindowPurged, cov.State == ledger.WindowMissing,
		cov.State == ledger.WindowLost && cov.Bytes == 0:
		c.add(part.From, part.To, cov.State, p.WhyNotRead(cov))
		return
	case cov.InPart():
		c.add(entra.Later(cov.LostFrom, part.From), entra.Earlier(cov.LostTo, part.To), ledger.WindowLost,
			p.WhyNotRead(cov))
	case cov.Doubt || !cov.State.IsRead() || cov.ReadsDiffer() != "":
		c.add(part.From, part.To, cov.State, p.WhyNotRead(cov))
	}
	c.held = true
}

// add adds a gap, joined with the one before where that ends there for the same reason.
func (c *coverage) add(from, to time.Time, state ledger.WindowState, reason string) {
	if !from.Before(to) {
		return
	}
	if n := len(c.gaps) - 1; n >= 0 && c.gaps[n].To.Equal(from) && c.gaps[n].Reason == reason {
		c.gaps[n].To = to
		return
	}
	c.gaps = append(c.gaps, ledger.Gap{From: from, To: to, State: state, Reason: reason})
}

// notThere says why an hour that the ledger does not cover is not there.
func (c *coverage) notThere() string {
	switch {
	case c.progress.Started():
		return "the archive begins at " + entra.FloorHour(c.progress.FirstHour()).UTC().Format(time.RFC3339)
	case c.report.NoData != "":
		return c.report.NoData
	case !c.archived:
		return string(c.Stream) + " is not archived: ARCHIVE_STREAMS does not name it"
	case c.progress.LastError != "":
		return string(c.Stream) + " was never read; its last run failed: " + c.progress.LastError
	}
	return string(c.Stream) + " was never read; the next run reads it"
}

// why says in one sentence why nothing of the time is there.
func (c *coverage) why() string {
	var out []string
	for _, g := range c.gaps {
		if !slices.Contains(out, g.Reason) {
			out = append(out, g.Reason)
		}
	}
	const most = 3
	if len(out) > most {
		out = append(out[:most], "and so on")
	}
	return strings.Join(out, "; ")
}
