package snapshots

import (
	"context"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
)

// lookBack is how far before a snapshot the archive is searched for newer successes than Graph's:
// its values are up to a day old. Source: learn.microsoft.com/graph/api/resources/signinactivity.
const lookBack = 48 * time.Hour

// slice of the archive that is searched between two savings of the place.
const slice = 12 * time.Hour

// successes finds the newest successful sign-in of each user in the archive's last two days.
func (r *reading) successes(ctx context.Context) error {
	from, to := entra.FloorHour(r.snap.AsOf.Add(-lookBack)), entra.FloorHour(r.snap.AsOf.Add(time.Hour))
	if at, err := time.Parse(directory.KeyTime, r.snap.Position); err == nil {
		from = at
	}
	for from.Before(to) {
		until := from.Add(slice)
		newest := make(map[string]time.Time)
		err := r.maker.archive.Successes(ctx, from, until, func(id string, at time.Time) {
			if last, ok := newest[id]; !ok || at.After(last) {
				newest[id] = at
			}
		})
		if err != nil {
			return err
		}
		rows := make([]directory.Row, 0, len(newest))
		for id, at := range newest {
			rows = append(rows, directory.Row{
				Key: id + "_" + from.Format(directory.KeyTime), Doc: at.AppendFormat(nil, directory.KeyTime)})
		}
		if err := r.maker.store.Put(ctx, r.snap.ID, directory.ReadSuccesses, rows); err != nil {
			return err
		}
		from, r.snap.Position = until, until.Format(directory.KeyTime)
		if err := r.step(ctx); err != nil {
			return err
		}
	}
	return r.begin(ctx, directory.PhaseDecide)
}
