package collect

import (
	"context"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// Some logs come in two forms: the richer one has properties that the poorer one lacks. A record in
// the richer form replaces the same record in the poorer form, which stays as an earlier version. A
// poorer form never replaces a richer one.

// enrichReach is how far back a thin hour is read again. No tenant keeps its logs for longer.
const enrichReach = 31 * 24 * time.Hour

// hasForms reports whether Graph returns the stream in more than one form.
func (r *streamRun) hasForms() bool { return len(logs.Of(r.stream).Forms) > 1 }

// formOf is the form of a page's records: the richest if the source does not name one.
func (r *streamRun) formOf(page entra.Page) string {
	if page.Form == "" {
		return logs.Of(r.stream).Form()
	}
	return page.Form
}

// isRich reports whether a form is the richest one of the stream.
func (r *streamRun) isRich(form string) bool { return form == logs.Of(r.stream).Form() }

// compareForms separates a record in a richer form from a changed record, and does not let a poorer
// form replace a richer one.
func (rd *read) compareForms(ctx context.Context, p part, changes []Change, balance *Balance) ([]Change, error) {
	rich := rd.run.isRich(p.form)
	if rich && !p.older {
		return changes, nil
	}
	var keys []entra.Key
	for _, change := range changes {
		if change.Kind == Supersede {
			keys = append(keys, change.Record.Key)
		}
	}
	if len(keys) == 0 {
		return changes, nil
	}
	stored, err := rd.run.collector.store.Contents(ctx, p.window, keys)
	if err != nil {
		return nil, err
	}
	var out []Change
	for _, change := range changes {
		old, ok := stored[change.Record.Key]
		switch {
		case change.Kind != Supersede:
		case !ok: // the row was altered or moved: Apply returns the error
		case entra.HashOf(old) != change.Was:
			return nil, ledger.ErrMoved
		case rich && entra.Enriches(old, change.Record.Raw):
			balance.Changed--
			balance.Enriched++
		case rich:
		case entra.Enriches(change.Record.Raw, old), entra.HasMore(old, change.Record.Raw) && change.Again:
			balance.Changed--
			balance.Unchanged++
			continue
		case entra.HasMore(old, change.Record.Raw):
			change = Change{Kind: KeepVersion, Record: change.Record}
		}
		out = append(out, change)
	}
	return out, nil
}

// richestLast moves the richest of several contents of one record on a page to the end, the
// position of the current content.
func richestLast(versions []entra.Record) []entra.Record {
	last := len(versions) - 1
	for i, v := range versions[:last] {
		if poorer(versions[last], v) {
			versions = slices.Delete(slices.Clone(versions), i, i+1)
			return append(versions, v)
		}
	}
	return versions
}

// poorer reports whether b is the same record in a richer form.
func poorer(a, b entra.Record) bool {
	return entra.Enriches(a.Raw, b.Raw) && !entra.Enriches(b.Raw, a.Raw)
}

// enrich reads again, from the richest form, what is archived in a poorer one and Graph may still
// have: the oldest first, each hour once.
func (r *streamRun) enrich(ctx context.Context) error {
	p := &r.progress
	if p.Thin == 0 || r.form != "" || !p.Started() {
		return nil
	}
	from := entra.Later(entra.Later(p.ThinFrom, p.EnrichedTo),
		entra.Later(p.Readable(), entra.FloorHour(r.now.Add(-enrichReach))))
	to := entra.Earlier(p.ThinTo, entra.FloorHour(p.Watermark))
	if !from.Before(to) {
		return nil
	}
	spans, err := r.thin(ctx, from, to)
	if err != nil {
		return err
	}
	for _, s := range spans {
		if err := r.enrichSpan(ctx, s); err != nil {
			return err
		}
		if r.form != "" {
			return nil // the richer form is refused now
		}
		r.progress.EnrichedTo = entra.Later(r.progress.EnrichedTo, s.To)
	}
	r.progress.EnrichedTo = entra.Later(r.progress.EnrichedTo, to)
	return r.seal(ctx)
}

// enrichSpan reads the windows of a span again, and those again of which it did not meet all
// records: that Graph does not show one in the richest form is not believed on one word.
func (r *streamRun) enrichSpan(ctx context.Context, whole ledger.Span) error {
	todo := []ledger.Span{whole}
	for n := range mostReads {
		for _, s := range todo {
			if err := r.reread(ctx, s, time.Duration(n)*differs); err != nil || r.form != "" {
				return err
			}
		}
		var err error
		if todo, err = r.thin(ctx, whole.From, whole.To); err != nil || len(todo) == 0 {
			return err
		}
	}
	return nil
}

// thin lists the spans of thin hours; hours without a record do not part them.
func (r *streamRun) thin(ctx context.Context, from, to time.Time) ([]ledger.Span, error) {
	var (
		spans []ledger.Span
		apart = true
	)
	for cov, err := range r.collector.store.Windows(ctx, r.stream, from, to) {
		switch n := len(spans); {
		case err != nil:
			return nil, err
		case !cov.Start.Before(to):
		case !cov.Thin():
			apart = apart || cov.Counted() > 0
		case n > 0 && !apart:
			spans[n-1].To = cov.End()
		default:
			spans, apart = append(spans, ledger.Span{From: cov.Start, To: cov.End()}), false
		}
	}
	return spans, nil
}
