package archive_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

// named finds a finding by its difference and a part of what it says.
func named(v archive.Verification, d archive.Difference, text string) bool {
	return slices.ContainsFunc(v.Findings, func(f archive.Finding) bool {
		return f.Difference == d && strings.Contains(fmt.Sprintln(f.Table, f.Row, f.Hour.Format(entra.HourFormat),
			f.Detail), text)
	})
}

// TestNoMarkOfTheLedgerExcusesAForgedRowForGood: an hour in doubt, or one that changed, is about to
// be asked for; once runs have succeeded for a day without that, it is not.
func TestNoMarkOfTheLedgerExcusesAForgedRowForGood(t *testing.T) {
	inLabAt(t, november.Add(5*time.Hour), func(l *lab) {
		restore := l.proven()
		for name, mark := range map[string]func(){
			"in doubt": func() {
				p, cov := l.progress(stream), l.hours(stream)[mid]
				cov.Doubt = true
				p.Doubts, p.DoubtFrom, p.DoubtTo = 1, mid, mid.Add(time.Hour)
				l.write(p, cov)
			},
			"read under way": func() {
				p := l.progress(stream)
				p.ReadingFrom, p.ReadingTo = mid, mid.Add(time.Hour)
				l.write(p)
			},
			"suspected": func() {
				p := l.progress(stream)
				p.Suspects = []archive.Suspect{{From: mid, To: mid.Add(time.Hour), Committed: mid,
					Next: time.Now().Add(time.Hour), Since: time.Now()}}
				l.write(p)
			},
		} {
			restore()
			_, lease, err := l.store.State(l.Context(), stream)
			require.NoError(l, err)
			l.forged(lease.Stamp.Add(entra.Tick))
			mark()
			v := l.verifyAll(l.store)
			require.True(l, v.Intact(), "%s: %v", name, v.Findings)
			require.True(l, named(v, archive.DiffUnconfirmed, midKey), "%s: %v", name, v.Findings)
			time.Sleep(49 * time.Hour)
			l.progressRow(func(e entity) entity { return e.typed("LastSuccessAt", edmTime, at(time.Now())) })
			v = l.verifyAll(l.store)
			require.True(l, named(v, archive.DiffAdded, "_forged"), "%s, long ago: %v", name, v.Findings)
		}
	})
}

// bent are heads of which one has a name that is none, and the newest another text.
type bent struct {
	archive.Heads
	name bool
	text []byte
}

func (b bent) list(ctx context.Context, s entra.Stream) iter.Seq2[seal.Head, error] {
	return func(yield func(seal.Head, error) bool) {
		if b.name && !yield(seal.Head{}, &entra.Error{Code: entra.CodeTampered, Why: "the name of blob x is garbage"}) {
			return
		}
		b.Heads.Heads(ctx, s)(yield)
	}
}

type bentHeads struct{ bent }

func (b bentHeads) Heads(ctx context.Context, s entra.Stream) iter.Seq2[seal.Head, error] {
	return b.list(ctx, s)
}

func (b bentHeads) Read(_ context.Context, h seal.Head) ([]byte, error) {
	if b.text != nil {
		return b.text, nil
	}
	return h.Text(), nil
}

// TestAHeadThatIsNotWhatWasWrittenIsNamed: its name, its text, or that it is not there.
func TestAHeadThatIsNotWhatWasWrittenIsNamed(t *testing.T) {
	inLabAt(t, november.Add(5*time.Hour), func(l *lab) {
		l.proven()
		verified := func(heads archive.Heads) archive.Verification {
			v := archive.Verification{Streams: both}
			require.NoError(l, v.Work(l.Context(), l.store, heads, time.Now().Add(time.Hour)))
			return v
		}
		require.Empty(l, verified(bentHeads{bent{Heads: l.heads}}).Findings)
		require.True(l, named(verified(bentHeads{bent{Heads: l.heads, name: true}}), archive.DiffLog,
			"the name of blob x is garbage"))
		require.True(l, named(verified(bentHeads{bent{Heads: l.heads, text: []byte("x")}}), archive.DiffLog,
			"entraledger-heads"))
		require.True(l, named(verified(&shelf{}), archive.DiffLog, "the newest head is of size 0"))
	})
}

// TestARecordOfSeveralRowsThatLacksOneIsAltered: and so is one with a row too many.
func TestARecordOfSeveralRowsThatLacksOneIsAltered(t *testing.T) {
	inLab(t, func(l *lab) {
		var text strings.Builder
		for n := range 60_000 {
			hash := entra.HashOf([]byte(fmt.Sprint(n)))
			fmt.Fprintf(&text, "%x", hash[:16])
		}
		at := start.Add(-3 * time.Hour)
		l.tenant.add(stream, "several", at, text.String())
		l.sealIn()
		v := verification(l)
		require.Empty(l, v.Findings)
		rows := l.service.Rows(tableOf(at))
		require.Greater(l, len(rows), 1)
		last := rows[len(rows)-1]
		e := l.get(tableOf(at), last.Partition, last.Key)
		l.drop(tableOf(at), last.Partition, last.Key)
		require.True(l, named(verification(l), archive.DiffAltered, "_several"))
		l.set(tableOf(at), e)
		require.Empty(l, verification(l).Findings)
		l.set(tableOf(at), e.moved(last.Partition, last.Key[:len(last.Key)-3]+"009"))
		require.True(l, named(verification(l), archive.DiffAltered, "_several"))
	})
}

// failing is evidence of which one question is not answered.
type failing struct {
	archive.Evidence
	at string
}

var errNetwork = &entra.Error{Code: entra.CodeUnavailable, Why: "the network is gone"}

func (f failing) Guards(ctx context.Context, s entra.Stream) (archive.Guards, error) {
	if f.at == "guards" {
		return archive.Guards{}, errNetwork
	}
	return f.Evidence.Guards(ctx, s)
}

func (f failing) Inspect(ctx context.Context, s entra.Stream, from, to time.Time) iter.Seq2[archive.Inspected, error] {
	if f.at == "records" {
		return func(yield func(archive.Inspected, error) bool) { yield(archive.Inspected{}, errNetwork) }
	}
	return f.Evidence.Inspect(ctx, s, from, to)
}

func (f failing) LogRows(ctx context.Context, s entra.Stream, from int64) iter.Seq2[archive.LogRow, error] {
	if f.at == "log" {
		return func(yield func(archive.LogRow, error) bool) { yield(archive.LogRow{}, errNetwork) }
	}
	return f.Evidence.LogRows(ctx, s, from)
}

func (f failing) KeptLists(ctx context.Context, s entra.Stream, from, to time.Time,
	seals []seal.Seal) (map[int64]archive.SealList, error) {
	if f.at == "lists" {
		return nil, errNetwork
	}
	return f.Evidence.KeptLists(ctx, s, from, to, seals)
}

// TestOnlyAnErrorOfReadingEndsVerify: and that is no finding.
func TestOnlyAnErrorOfReadingEndsVerify(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-5*time.Hour), start, time.Hour)
		l.options.Backfill = 6 * time.Hour
		l.sealIn()
		for _, at := range []string{"guards", "records", "log", "lists"} {
			v := archive.Verification{Streams: []entra.Stream{stream}}
			err := v.Work(l.Context(), failing{l.store, at}, l.heads, time.Now().Add(time.Hour))
			require.ErrorContains(l, err, "the network is gone", at)
			require.True(l, errors.Is(err, errNetwork), at)
			require.Empty(l, v.Findings, at)
		}
	})
}

// TestVerifyGoesOnWhereTheProgressRowIsGone: with hours and counts of ledger and log, whatever else
// is gone.
func TestVerifyGoesOnWhereTheProgressRowIsGone(t *testing.T) {
	inLabAt(t, november.Add(5*time.Hour), func(l *lab) {
		restore := l.proven()
		sound := l.verifyAll(l.store)
		for name, more := range map[string]func(){
			"alone":          func() {},
			"with the lease": func() { l.drop(coverageTable, string(stream), "lease") },
			"with a sealed record": func() {
				r := l.recordRow(stream, "_large")
				l.drop(recordsTable, r.Partition,
					r.Key)
			},
			"with every row of an hour": func() {
				for hour := range l.hours(stream) {
					l.drop(coverageTable, string(stream), hour.Format(entra.HourFormat))
				}
			},
		} {
			restore()
			more()
			l.drop(coverageTable, string(stream), "progress")
			v := l.verifyAll(l.store)
			require.True(l, named(v, archive.DiffLedger, "coverage progress"), "%s: %v", name, v.Findings)
			require.GreaterOrEqual(l, v.Windows, sound.Windows-1, name)
			require.GreaterOrEqual(l, v.Records, sound.Records-1, name)
			if name == "with a sealed record" {
				require.True(l, named(v, archive.DiffRemoved, "_large"), "%v", v.Findings)
			}
			if name == "alone" {
				require.Len(l, v.Findings, 1, "%v", v.Findings)
			}
		}
	})
}
