package verify_test

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

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/repair"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/verify"
)

// named finds a finding by its difference and a part of what it says.
func named(v verify.Verification, d verify.Difference, text string) bool {
	return slices.ContainsFunc(v.Findings, func(f verify.Finding) bool {
		return f.Difference == d && strings.Contains(fmt.Sprintln(f.Table, f.Row, f.Hour.Format(entra.HourFormat),
			f.Detail), text)
	})
}

// TestNoMarkOfTheLedgerExcusesAForgedRowForGood: an hour in doubt, or one that changed, waits for a
// query; once runs have succeeded for a day without it, it is not excused.
func TestNoMarkOfTheLedgerExcusesAForgedRowForGood(t *testing.T) {
	lab.InAt(t, lab.November.Add(5*time.Hour), func(l *lab.Lab) {
		restore := proven(l)
		for name, mark := range map[string]func(){
			"in doubt": func() {
				p, cov := l.Progress(lab.Stream), l.Hours(lab.Stream)[mid]
				cov.Doubt = true
				p.Doubts, p.DoubtFrom, p.DoubtTo = 1, mid, mid.Add(time.Hour)
				l.Write(p, cov)
			},
			"read under way": func() {
				p := l.Progress(lab.Stream)
				p.ReadingFrom, p.ReadingTo = mid, mid.Add(time.Hour)
				l.Write(p)
			},
			"suspected": func() {
				p := l.Progress(lab.Stream)
				p.Suspects = []ledger.Suspect{{From: mid, To: mid.Add(time.Hour), Committed: mid,
					Next: time.Now().Add(time.Hour), Since: time.Now()}}
				l.Write(p)
			},
		} {
			restore()
			_, lease, err := l.Store.State(l.Context(), lab.Stream)
			require.NoError(l, err)
			forged(l, lease.Stamp.Add(entra.Tick))
			mark()
			v := verifyAll(l, l.Store)
			require.True(l, v.Intact(), "%s: %v", name, v.Findings)
			require.True(l, named(v, verify.DiffUnconfirmed, midKey), "%s: %v", name, v.Findings)
			time.Sleep(49 * time.Hour)
			progressRow(l, func(e lab.Entity) lab.Entity { return typed(e, "LastSuccessAt", edmTime, at(time.Now())) })
			v = verifyAll(l, l.Store)
			require.True(l, named(v, verify.DiffAdded, "_forged"), "%s, long ago: %v", name, v.Findings)
		}
	})
}

// bent are heads of which one has a name that is none, and the newest another text.
type bent struct {
	repair.Heads
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
	lab.InAt(t, lab.November.Add(5*time.Hour), func(l *lab.Lab) {
		proven(l)
		verified := func(heads repair.Heads) verify.Verification {
			v := verify.Verification{Streams: both}
			require.NoError(l, v.Work(l.Context(), l.Store, heads, time.Now().Add(time.Hour)))
			return v
		}
		require.Empty(l, verified(bentHeads{bent{Heads: l.Heads}}).Findings)
		require.True(l, named(verified(bentHeads{bent{Heads: l.Heads, name: true}}), verify.DiffLog,
			"the name of blob x is garbage"))
		require.True(l, named(verified(bentHeads{bent{Heads: l.Heads, text: []byte("x")}}), verify.DiffLog,
			"entraledger-heads"))
		require.True(l, named(verified(&lab.Shelf{}), verify.DiffLog, "the newest head is of size 0"))
	})
}

// TestARecordOfSeveralRowsThatLacksOneIsAltered: and so is one with a row too many.
func TestARecordOfSeveralRowsThatLacksOneIsAltered(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		var text strings.Builder
		for n := range 60_000 {
			hash := entra.HashOf([]byte(fmt.Sprint(n)))
			fmt.Fprintf(&text, "%x", hash[:16])
		}
		at := lab.Start.Add(-3 * time.Hour)
		l.Tenant.Add(lab.Stream, "several", at, text.String())
		l.SealIn()
		v := lab.Verification(l)
		require.Empty(l, v.Findings)
		rows := l.Service.Rows(lab.TableOf(at))
		require.Greater(l, len(rows), 1)
		last := rows[len(rows)-1]
		e := get(l, lab.TableOf(at), last.Partition, last.Key)
		drop(l, lab.TableOf(at), last.Partition, last.Key)
		require.True(l, named(lab.Verification(l), verify.DiffAltered, "_several"))
		set(l, lab.TableOf(at), e)
		require.Empty(l, lab.Verification(l).Findings)
		set(l, lab.TableOf(at), moved(e, last.Partition, last.Key[:len(last.Key)-3]+"009"))
		require.True(l, named(lab.Verification(l), verify.DiffAltered, "_several"))
	})
}

// failing is evidence of which one question is not answered.
type failing struct {
	verify.Evidence
	at string
}

var errNetwork = &entra.Error{Code: entra.CodeUnavailable, Why: "the network is gone"}

func (f failing) Guards(ctx context.Context, s entra.Stream) (verify.Guards, error) {
	if f.at == "guards" {
		return verify.Guards{}, errNetwork
	}
	return f.Evidence.Guards(ctx, s)
}

func (f failing) Inspect(ctx context.Context, s entra.Stream, from, to time.Time) iter.Seq2[verify.Inspected, error] {
	if f.at == "records" {
		return func(yield func(verify.Inspected, error) bool) { yield(verify.Inspected{}, errNetwork) }
	}
	return f.Evidence.Inspect(ctx, s, from, to)
}

func (f failing) LogRows(ctx context.Context, s entra.Stream, from int64) iter.Seq2[verify.LogRow, error] {
	if f.at == "log" {
		return func(yield func(verify.LogRow, error) bool) { yield(verify.LogRow{}, errNetwork) }
	}
	return f.Evidence.LogRows(ctx, s, from)
}

func (f failing) KeptLists(ctx context.Context, s entra.Stream, from, to time.Time,
	seals []seal.Seal) (map[int64]verify.SealList, error) {
	if f.at == "lists" {
		return nil, errNetwork
	}
	return f.Evidence.KeptLists(ctx, s, from, to, seals)
}

// TestOnlyAnErrorOfReadingEndsVerify: and that is no finding.
func TestOnlyAnErrorOfReadingEndsVerify(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-5*time.Hour), lab.Start, time.Hour)
		l.Options.Backfill = 6 * time.Hour
		l.SealIn()
		for _, at := range []string{"guards", "records", "log", "lists"} {
			v := verify.Verification{Streams: []entra.Stream{lab.Stream}}
			err := v.Work(l.Context(), failing{l.Store, at}, l.Heads, time.Now().Add(time.Hour))
			require.ErrorContains(l, err, "the network is gone", at)
			require.True(l, errors.Is(err, errNetwork), at)
			require.Empty(l, v.Findings, at)
		}
	})
}

// TestVerifyGoesOnWhereTheProgressRowIsGone: with hours and counts of ledger and log, whatever else
// is gone.
func TestVerifyGoesOnWhereTheProgressRowIsGone(t *testing.T) {
	lab.InAt(t, lab.November.Add(5*time.Hour), func(l *lab.Lab) {
		restore := proven(l)
		sound := verifyAll(l, l.Store)
		for name, more := range map[string]func(){
			"alone":          func() {},
			"with the lease": func() { drop(l, lab.CoverageTable, string(lab.Stream), "lease") },
			"with a sealed record": func() {
				r := recordRow(l, lab.Stream, "_large")
				drop(l, recordsTable, r.Partition,
					r.Key)
			},
			"with every row of an hour": func() {
				for hour := range l.Hours(lab.Stream) {
					drop(l, lab.CoverageTable, string(lab.Stream), hour.Format(entra.HourFormat))
				}
			},
		} {
			restore()
			more()
			drop(l, lab.CoverageTable, string(lab.Stream), "progress")
			v := verifyAll(l, l.Store)
			require.True(l, named(v, verify.DiffLedger, "coverage progress"), "%s: %v", name, v.Findings)
			require.GreaterOrEqual(l, v.Windows, sound.Windows-1, name)
			require.GreaterOrEqual(l, v.Records, sound.Records-1, name)
			if name == "with a sealed record" {
				require.True(l, named(v, verify.DiffRemoved, "_large"), "%v", v.Findings)
			}
			if name == "alone" {
				require.Len(l, v.Findings, 1, "%v", v.Findings)
			}
		}
	})
}
