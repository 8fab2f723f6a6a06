package snapshots

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/newest"
)

// seen reads what the archive knows of users, a source after the other. It goes on with what the
// snapshot before knew: a newest time does not become older, unless its month is purged.
func (r *reading) seen(ctx context.Context) error {
	for n, source := range r.maker.archive.Sources() {
		if r.snap.Position > sourcePosition(n) {
			continue
		}
		if source.Tells != directory.TellsRestores || r.maker.options.Grace > 0 {
			if err := r.readSource(ctx, source); err != nil {
				return err
			}
		}
		r.snap.Position = sourcePosition(n + 1)
		if err := r.step(ctx); err != nil {
			return err
		}
	}
	return r.begin(ctx, directory.PhaseDecide)
}

// sourcePosition comes after every position that a version before kept here, an hour.
func sourcePosition(n int) string { return "source " + positionOf(n) }

func (r *reading) readSource(ctx context.Context, source directory.Source) error {
	since := time.Time{}
	if source.Tells == directory.TellsRestores {
		r.snap.Grace = r.maker.options.Grace
		since = r.snap.AsOf.Add(-r.snap.Grace)
	}
	before, err := r.seenBefore(ctx, source)
	if err != nil {
		return err
	}
	now, err := r.maker.archive.GoOn(ctx, source, before, since, r.snap.AsOf)
	if err != nil {
		return err
	}
	log := string(source.Stream)
	if now.Read == nil { // the log is not archived
		if source.Tells == directory.TellsSuccesses && !slices.Contains(r.snap.Unarchived, log) {
			r.snap.Unarchived = append(slices.Clone(r.snap.Unarchived), log)
		}
		return nil
	}
	r.snap.Unarchived = slices.DeleteFunc(slices.Clone(r.snap.Unarchived), func(s string) bool { return s == log })
	rows := directory.SeenRows(source, now.Times)
	if err := r.maker.store.Put(ctx, r.snap.ID, directory.ReadSeen, rows); err != nil {
		return err
	}
	if err := r.dropStrays(ctx, source, rows); err != nil {
		return err
	}
	read := []directory.Row{{Key: source.Name(), Doc: now.Read}}
	r.snap.Archived = append(slices.DeleteFunc(slices.Clone(r.snap.Archived),
		func(s directory.SourceRead) bool { return s.Source == source }),
		directory.SourceRead{Source: source, Users: len(now.Times), ReachesBack: now.ReachesBack})
	return r.maker.store.Put(ctx, r.snap.ID, directory.ReadArchive, read)
}

// dropStrays removes what a run that was killed here wrote under other keys.
func (r *reading) dropStrays(ctx context.Context, source directory.Source, rows []directory.Row) error {
	of := directory.Under(directory.ReadSeen, source.Name())
	of.KeysOnly = true
	var strays []string
	for row, err := range r.maker.store.Rows(ctx, r.snap.ID, of) {
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(rows, func(made directory.Row) bool { return made.Key == row.Key }) {
			strays = append(strays, row.Key)
		}
	}
	return r.maker.store.Delete(ctx, r.snap.ID, directory.ReadSeen, strays)
}

// seenBefore is what the snapshot before knew of a source. Where a row of it was changed or is
// gone, nothing of it is believed, and the archive is read from its begin.
func (r *reading) seenBefore(ctx context.Context, source directory.Source) (directory.Seen, error) {
	at := slices.IndexFunc(r.before.Archived, func(s directory.SourceRead) bool { return s.Source == source })
	if at < 0 {
		return directory.Seen{}, nil
	}
	seen, err := r.readSeen(ctx, r.before.Archived[at])
	if errors.Is(err, directory.ErrAltered) || errors.Is(err, directory.ErrNoSnapshot) ||
		errors.Is(err, directory.ErrNoRow) || errors.Is(err, newest.ErrBroken) {
		r.maker.log.WarnContext(ctx, "what the snapshot before knew of the archive is not gone on with",
			"source", source.Name(), "error", err.Error())
		return directory.Seen{}, nil
	}
	return seen, err
}

func (r *reading) readSeen(ctx context.Context, source directory.SourceRead) (directory.Seen, error) {
	out := directory.Seen{Times: make(newest.Times)}
	store, before := r.maker.store, r.before
	row, err := store.Row(ctx, before.ID, directory.ReadArchive, source.Name(), before.Checked(directory.ReadArchive))
	if err != nil {
		return out, err
	}
	out.Read = json.RawMessage(row.Doc)
	of := before.Checking(directory.Under(directory.ReadSeen, source.Name()))
	for row, err := range store.Rows(ctx, before.ID, of) {
		if err != nil {
			return out, err
		}
		if err := out.Times.AddAll(row.Doc); err != nil {
			return out, fmt.Errorf("read row %s of snapshot %s: %w", row.Key, before.ID, err)
		}
	}
	if len(out.Times) != source.Users {
		return out, fmt.Errorf("count the users of snapshot %s that the archive knows, %d of %d: %w", before.ID,
			len(out.Times), source.Users, directory.ErrAltered)
	}
	return out, nil
}
