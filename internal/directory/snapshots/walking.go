package snapshots

import (
	"context"
	"errors"
	"fmt"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
)

// begin begins a phase.
func (r *reading) begin(ctx context.Context, phase directory.Phase) error {
	r.snap.Phase, r.snap.Link, r.snap.Position, r.snap.Walk, r.snap.Doubt = phase, "", "", directory.Walk{}, nil
	return r.step(ctx)
}

// walk reads the pages of a collection from where the snapshot is, and keeps each with its place,
// until all is there as far as a second question tells. If Graph has lost the place, or leads
// back to it, the collection is begun anew: what was read is written over. An error of keeping a
// page is a notKept.
func (r *reading) walk(ctx context.Context, q collections.Query, keep pageKeeper) error {
	if err := r.recall(ctx, q); err != nil {
		return notKept{err}
	}
	for {
		q.Small = r.snap.Walk.Small
		page, err := r.maker.source.Objects(ctx, q, r.snap.Link)
		if err != nil && !errors.Is(err, entra.ErrPagingLost) {
			return err
		}
		done := false
		if err == nil {
			done, err = r.keepPage(ctx, page, keep)
		}
		if errors.Is(err, entra.ErrPagingLost) {
			err = r.restart(ctx, err)
		}
		if err == nil && done {
			done, err = r.confirm(ctx, q)
		}
		if err != nil {
			return notKept{err}
		}
		if done {
			return nil
		}
	}
}

// keepPage keeps a page and its place, and tells whether it was the last.
func (r *reading) keepPage(
	ctx context.Context, page collections.Page, keep pageKeeper,
) (last bool, err error) {
	r.snap.GraphRequests++
	r.snap.Doubt = nil
	objects := sightings(page.Items)
	err = keep(ctx, page)
	page.Free()
	if err != nil {
		return false, err
	}
	if page.Next == "" {
		r.memory.add(0, objects)
		return true, nil
	}
	link := shortHash(page.Next)
	circle := r.memory.add(link, objects)
	further := follow(&r.snap.Walk, len(objects) > 0)
	if circle != "" {
		return false, fmt.Errorf("read %s from Graph: %s: %w", r.snap.Phase, circle, entra.ErrPagingLost)
	}
	row := pageRow(r.memory.of, r.snap.Walk.Nth, r.snap.Walk.Pages, link, objects)
	if err := r.maker.store.Put(ctx, r.snap.ID, directory.ReadPages, []directory.Row{row}); err != nil {
		return false, err
	}
	r.snap.Link = page.Next
	if further {
		r.snap.Walk.Lost = 0
		return false, r.step(ctx)
	}
	return false, r.save(ctx)
}

// notKept is an error of keeping what was read: whatever its code, it is not the tenant's refusal.
type notKept struct{ error }

func (e notKept) Unwrap() error { return e.error }

// follow keeps that a page was read, and tells whether the walk is further than any before it. An
// empty page is no progress: Graph may send them without end.
func follow(w *directory.Walk, full bool) (further bool) {
	w.Pages++
	if full {
		w.Full++
	}
	further = w.Full > w.Farthest
	w.Farthest = max(w.Farthest, w.Full)
	return further
}

// maxRestarts bounds how often a run begins a collection anew, and how often several runs do before
// it comes further.
const maxRestarts = 5

// restart begins the collection anew, or says that this was done too often. The next run begins it
// anew too.
func (r *reading) restart(ctx context.Context, lost error) error {
	read := r.snap.Walk.Pages
	r.beginAnew()
	r.snap.Walk.Lost++
	r.restarts++
	times := fmt.Sprintf("%d times in this run", r.restarts)
	switch {
	case r.restarts > maxRestarts:
		r.snap.Walk.Lost = 0
	case r.snap.Walk.Lost > maxRestarts:
		times = fmt.Sprintf("%d times since it last came further, in several runs", r.snap.Walk.Lost)
	default:
		r.snap.Restarts++
		return r.save(ctx)
	}
	return &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read " + string(r.snap.Phase) + " from Graph",
		Why:    fmt.Sprintf("its pages were lost %s, the last time after %d pages: %s", times, read, lost),
		Remedy: "the next run begins this collection anew; if it stays, look at Microsoft 365 service health",
		Err:    lost}
}
