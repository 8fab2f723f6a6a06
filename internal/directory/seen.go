package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/newest"
)

// perSeenRow is how many users a row of partition ReadSeen has: about 100 kB.
const perSeenRow = 4000

// SeenRows are the rows that keep the times of a source.
func SeenRows(s Source, times newest.Times) []Row {
	var out []Row
	for _, packed := range times.Pack(perSeenRow) {
		out = append(out, Row{Key: s.Name() + "_" + packed.Last, Doc: packed.Content})
	}
	return out
}

// reaches is from when on the archive has all logs of sign-ins without a gap; zero: it does not
// reach back from the present, or one of them is not archived.
func (s Snapshot) reaches() (back time.Time) {
	if len(s.Unarchived) > 0 {
		return time.Time{}
	}
	for _, read := range s.Archived {
		switch {
		case read.Tells != TellsSuccesses:
		case read.ReachesBack.IsZero():
			return time.Time{}
		case read.ReachesBack.After(back):
			back = read.ReachesBack
		}
	}
	return back
}

// Evidence is what a snapshot knows of a user beside the user's own record. seen is by what a
// source tells.
func (s Snapshot) Evidence(u UserRead, seen map[Tells]time.Time) rules.Evidence {
	e := rules.Evidence{Archived: seen[TellsSuccesses], ReachesBack: s.reaches(), Earlier: u.Earlier.LastSuccessful}
	if slices.ContainsFunc(s.Archived, func(r SourceRead) bool { return r.Tells == TellsSuccesses }) {
		e.Unarchived = strings.Join(s.Unarchived, ", ")
	}
	e.Disclosed, e.WhyNot = s.Disclosed(u)
	if at := seen[TellsRestores]; !at.IsZero() && at.Add(s.Grace).After(s.AsOf) {
		e.Restored, e.GraceUntil = at, at.Add(s.Grace)
	}
	return e
}

// seen reads when a user was last seen by each source of a snapshot.
func (rd *Reader) seen(ctx context.Context, snap Snapshot, id string) (map[Tells]time.Time, error) {
	out := make(map[Tells]time.Time)
	for row, err := range rd.store.Rows(ctx, snap.ID, snap.Checking(Under(ReadSuccesses, id))) {
		if err != nil {
			return nil, err
		}
		at, err := time.Parse(KeyTime, string(row.Doc))
		if err != nil {
			return nil, err
		}
		if at.After(out[TellsSuccesses]) {
			out[TellsSuccesses] = at
		}
	}
	if err := rd.seenIsWhole(ctx, snap); err != nil {
		return nil, err
	}
	for _, source := range snap.Archived {
		of := Under(ReadSeen, source.Name())
		of.From, of.Top = source.Name()+"_"+id, 1
		for row, err := range rd.store.Rows(ctx, snap.ID, snap.Checking(of)) {
			if err != nil {
				return nil, err
			}
			for one, err := range newest.Each(row.Doc) {
				if err != nil {
					return nil, fmt.Errorf("read row %s of the snapshot: %w", row.Key, err)
				}
				if one.ID == id && one.At.After(out[source.Tells]) {
					out[source.Tells] = one.At
				}
			}
		}
	}
	return out, nil
}

// seenIsWhole counts the rows of partition ReadSeen without reading them: where one is gone, its
// users would pass for such that the archive does not know. A snapshot without sums is believed.
func (rd *Reader) seenIsWhole(ctx context.Context, snap Snapshot) error {
	if snap.Sums == nil || len(snap.Archived) == 0 {
		return nil
	}
	var n int64
	for _, err := range rd.store.Rows(ctx, snap.ID, Range{Partition: ReadSeen, KeysOnly: true}) {
		if err != nil {
			return err
		}
		n++
	}
	if written := snap.Sums[ReadSeen].Rows; n != written {
		return &entra.Error{Code: entra.CodeTampered, Doing: "read what the archive knows of users in snapshot " +
			snap.ID,
			Why:    fmt.Sprintf("there are %d rows of it, and %d were written", n, written),
			Remedy: "POST /api/snapshot takes a new snapshot; GET /api/verify names the rows that were changed"}
	}
	return nil
}
