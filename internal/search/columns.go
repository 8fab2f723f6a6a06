package search

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// ask is a span, and what the table can be asked for there.
type ask struct {
	span
	columns [][]entra.Column
}

// asks parts a span where its hours were written with other sets of columns. An hour whose rows
// lack a column is asked for without it: a condition on it would leave out every row in silence.
func (q Question) asks(ctx context.Context, in Archive, all span) iter.Seq2[ask, error] {
	return func(yield func(ask, error) bool) {
		if q.columnSet() <= 1 {
			yield(ask{all, q.plan.Columns}, nil)
			return
		}
		parts, err := q.sets(ctx, in, all)
		if err != nil {
			yield(ask{}, err)
			return
		}
		if q.NewestFirst {
			slices.Reverse(parts)
		}
		for _, part := range parts {
			if !yield(ask{part.span, q.columnsOf(part.set)}, nil) {
				return
			}
		}
	}
}

// columnSet is the first set that has all columns of the question; 1 where it has none.
func (q Question) columnSet() int {
	log, set := logs.Of(q.Stream), 1
	for _, any := range q.plan.Columns {
		for _, col := range any {
			set = max(set, log.Since(col.Name))
		}
	}
	return set
}

// columnsOf are the conditions that rows written with a set can answer.
func (q Question) columnsOf(set int) [][]entra.Column {
	log := logs.Of(q.Stream)
	return slices.DeleteFunc(slices.Clone(q.plan.Columns), func(any []entra.Column) bool {
		return slices.ContainsFunc(any, func(col entra.Column) bool { return log.Since(col.Name) > set })
	})
}

// written is a span whose rows have one set of columns.
type written struct {
	span
	set int
}

// sets parts a span by the sets that its hours were written with, the earliest first.
func (q Question) sets(ctx context.Context, in Archive, all span) ([]written, error) {
	var out []written
	current := logs.Of(q.Stream).ColumnSet()
	add := func(to time.Time, set int) {
		from := all.from
		if n := len(out) - 1; n >= 0 {
			if from = out[n].to; out[n].set == set {
				out[n].to = to
				return
			}
		}
		if from.Before(to) {
			out = append(out, written{span{from, to}, set})
		}
	}
	earliest := func(t time.Time) time.Time {
		if t.Before(all.to) {
			return t
		}
		return all.to
	}
	for cov, err := range in.Windows(ctx, q.Stream, entra.FloorHour(all.from), all.to) {
		if entra.CodeOf(err) == entra.CodeTampered {
			break // a row was altered: what comes after it is queried without columns, which is slower
		}
		if err != nil {
			return nil, err
		}
		last := all.from
		if n := len(out) - 1; n >= 0 {
			last = out[n].to
		}
		if cov.Start.After(last) {
			add(earliest(cov.Start), 1) // the ledger does not have it
		}
		set := max(1, cov.ColumnSet)
		if cov.Records+cov.Versions+cov.Unconfirmed+cov.Unmet == 0 && !cov.Doubt {
			set = current // it has no rows
		} else if cov.Doubt {
			set = 1
		}
		add(earliest(cov.End()), min(set, current))
	}
	if n := len(out) - 1; n < 0 || out[n].to.Before(all.to) {
		add(all.to, 1)
	}
	return out, nil
}
