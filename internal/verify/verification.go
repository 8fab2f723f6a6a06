package verify

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/turns"
)

// MaxFindings is how many findings of tampering a Verification names, and how many others;
// MaxRanges is how many ranges. The rest is counted.
const (
	MaxFindings = 500
	MaxRanges   = 500
)

// maxDetail bounds a finding's sentence, so that a stored Verification fits its row.
const maxDetail = 500

// Range is a stretch of hours of which one thing is to be said that is no sign of tampering.
type Range struct {
	Difference Difference
	Stream     entra.Stream
	From, To   time.Time
	Hours      int64
	Detail     string
}

// Verification is a comparison of a range of the archive with its seals: what is asked, how far it
// is, and what was found. It can be stored between two slices of its work.
type Verification struct {
	Streams  []entra.Stream
	From, To time.Time // hours; zero: as far as there is something

	At      int       // index of the stream that is being verified
	Next    time.Time // its next window; zero: its log comes first
	End     time.Time // its last window's end
	Looked  time.Time // up to when it was looked beside the records
	Windows int64     // verified so far
	Left    int64     // of the stream's windows
	Records int64     // contents that were read and recomputed

	Findings []Finding            // those of tampering first
	Ranges   []Range              // of hours that are unsealed or missing
	More     int64                // findings that are not named
	MoreOf   int64                // hours of ranges that are not named
	Counts   map[Difference]int64 // all findings, hours of ranges included
	Heads    []seal.Head          // of the logs that were recomputed
	Purges   []Purge              // what was dropped, as the logs say
	Repairs  []ledger.Repair      // of progress rows, as the logs say

	row inARow
}

// Intact reports whether no finding proves tampering.
func (v *Verification) Intact() bool {
	for d, n := range v.Counts {
		if n > 0 && d.IsTampering() {
			return false
		}
	}
	return true
}

// Done reports whether all streams were verified.
func (v *Verification) Done() bool { return v.At >= len(v.Streams) }

func (v *Verification) add(findings []Finding) {
	if v.Counts == nil {
		v.Counts = make(map[Difference]int64)
	}
	for _, f := range findings {
		if len(f.Detail) > maxDetail {
			f.Detail = f.Detail[:maxDetail] + "..."
		}
		if f.Hour.IsZero() && slices.Contains(v.Findings, f) {
			continue // about something that several hours need
		}
		v.Counts[f.Difference]++
		if v.follows(f) {
			continue
		}
		if f.Difference == DiffUnsealed || f.Difference == DiffMissing {
			v.addRange(f)
			continue
		}
		v.name(f)
	}
}

// inARow is a finding that holds of hour after hour.
type inARow struct {
	finding Finding // the first one
	end     time.Time
}

// follows joins a finding about a row of the ledger to the same one of the hour before.
func (v *Verification) follows(f Finding) bool {
	r := &v.row
	first := r.finding
	first.Hour, first.Row = f.Hour, f.Row
	if f.Table != LedgerTable || f.Hour.IsZero() || first != f || !f.Hour.Equal(r.end) {
		*r = inARow{finding: f, end: f.Hour.Add(time.Hour)}
		return false
	}
	at := slices.IndexFunc(v.Findings, func(o Finding) bool {
		return o.Stream == f.Stream && o.Row == r.finding.Row && strings.HasPrefix(o.Detail, f.Detail)
	})
	if at < 0 {
		return false // it is not named
	}
	r.end = f.Hour.Add(time.Hour)
	v.Findings[at].Detail = fmt.Sprintf("%s; likewise the hours that follow, up to %s", f.Detail,
		r.end.Format(entra.HourFormat))
	return true
}

// name adds a finding to those that are named, if there is room: those of tampering have their own.
func (v *Verification) name(f Finding) {
	at := slices.IndexFunc(v.Findings, func(o Finding) bool { return !o.Difference.IsTampering() })
	if at < 0 {
		at = len(v.Findings)
	}
	switch tampering := f.Difference.IsTampering(); {
	case tampering && at < MaxFindings:
		v.Findings = slices.Insert(v.Findings, at, f)
	case !tampering && len(v.Findings)-at < MaxFindings:
		v.Findings = append(v.Findings, f)
	default:
		v.More++
	}
}

// addRange adds an hour to the ranges; one that follows the last of its kind makes it longer.
func (v *Verification) addRange(f Finding) {
	for i := len(v.Ranges) - 1; i >= 0 && v.Ranges[i].Stream == f.Stream; i-- {
		r := &v.Ranges[i]
		if r.Difference != f.Difference {
			continue
		}
		if r.To.Equal(f.Hour) && r.Detail == f.Detail {
			r.To, r.Hours = f.Hour.Add(time.Hour), r.Hours+1
			return
		}
		break
	}
	if len(v.Ranges) == MaxRanges {
		v.MoreOf++
		return
	}
	v.Ranges = append(v.Ranges, Range{f.Difference, f.Stream, f.Hour, f.Hour.Add(time.Hour), 1, f.Detail})
}

// Work verifies until all is done, ctx ends, or the time comes. It changes nothing but v.
func (v *Verification) Work(ctx context.Context, evidence Evidence, heads HeadLister, until time.Time) error {
	for !v.Done() && time.Now().Before(until) {
		if err := v.stream(ctx, evidence, heads, until); err != nil {
			return fmt.Errorf("verify %s: %w", v.Streams[v.At], err)
		}
	}
	return nil
}

// stream continues with one stream. It reads the log again each time: a few requests for a year.
func (v *Verification) stream(ctx context.Context, evidence Evidence, heads HeadLister, until time.Time) error {
	verifier, err := v.open(ctx, evidence, heads)
	if err != nil {
		return err
	}
	v.Left = int64(entra.HoursBetween(v.Next, v.End))
	for window, err := range verifier.Verify(ctx, v.Next, v.End) {
		if err != nil {
			return err
		}
		v.add(window.Findings)
		v.Records += window.Records
		v.Windows++
		v.Left--
		v.Next = window.End()
		turns.Yield(ctx)
		if err := v.lookBeside(ctx, evidence); err != nil {
			return err
		}
		if time.Now().After(until) && v.Next.Before(v.End) {
			return nil
		}
	}
	if err := v.lastBeside(ctx, evidence); err != nil {
		return err
	}
	v.At++
	v.Next, v.End, v.Looked, v.Left = time.Time{}, time.Time{}, time.Time{}, 0
	return nil
}

// open begins a stream, or continues with it.
func (v *Verification) open(ctx context.Context, evidence Evidence, heads HeadLister) (*Verifier, error) {
	if !v.Next.IsZero() {
		return resumeVerifier(ctx, evidence, v.Streams[v.At], false)
	}
	verifier, err := NewVerifier(ctx, evidence, heads, v.Streams[v.At])
	if err != nil {
		return nil, err
	}
	v.add(verifier.LogFindings())
	v.Heads = append(v.Heads, verifier.Head())
	v.Purges = append(v.Purges, verifier.Purges()...)
	v.Repairs = append(v.Repairs, verifier.Repairs()...)
	from, to := verifier.Hours()
	if v.From.After(from) {
		from = entra.FloorHour(v.From)
	}
	if !v.To.IsZero() && v.To.Before(to) {
		to = v.To
	}
	v.Next, v.End, v.Looked = from, to, from
	return verifier, v.beside(ctx, evidence, time.Time{}, time.Time{})
}

// lookBeside adds what is wrong beside the records of a month, as soon as its last hour was
// verified.
func (v *Verification) lookBeside(ctx context.Context, evidence Evidence) error {
	next := time.Date(v.Looked.Year(), v.Looked.Month()+1, 1, 0, 0, 0, 0, time.UTC)
	if v.Next.Before(next) && v.Next.Before(v.End) {
		return nil
	}
	from := v.Looked
	v.Looked = v.Next
	return v.beside(ctx, evidence, from, v.Next)
}

// beside adds what is wrong beside the records and the ledger of a stream.
func (v *Verification) beside(ctx context.Context, evidence Evidence, from, to time.Time) error {
	return v.addFlaws(v.Streams[v.At], evidence.Flaws(ctx, v.Streams[v.At], from, to))
}

// lastBeside adds, with the last stream, what is wrong with the directory's snapshots, with readers,
// with questions and with rows of no stream.
func (v *Verification) lastBeside(ctx context.Context, evidence Evidence) error {
	if v.At < len(v.Streams)-1 {
		return nil
	}
	if err := v.addFlaws("", evidence.StrayFlaws(ctx)); err != nil {
		return err
	}
	if err := v.addFlaws("", evidence.SnapshotFlaws(ctx)); err != nil {
		return err
	}
	if err := v.addFlaws("", evidence.ReaderFlaws(ctx)); err != nil {
		return err
	}
	return v.addFlaws("", evidence.QuestionFlaws(ctx))
}

func (v *Verification) addFlaws(s entra.Stream, flaws iter.Seq2[Flaw, error]) error {
	for f, err := range flaws {
		if err != nil {
			return err
		}
		v.add([]Finding{{Difference: f.Difference, Stream: s, Hour: f.Hour, Table: f.Table, Row: f.Row,
			Detail: f.Detail}})
	}
	return nil
}
