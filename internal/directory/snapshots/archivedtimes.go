package snapshots

import (
	"fmt"
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/newest"
)

// archivedTimes walks through what the archive knows of users, by each source, beside the users.
type archivedTimes struct {
	tells []directory.Tells
	walks []*archivedTime
}

// archivedTime is a walk through the rows of one source.
type archivedTime struct {
	next func() (newest.One, error, bool)
	stop func()
	one  newest.One
	err  error
	ok   bool
}

func newArchivedTimes(
	snap directory.Snapshot, rows func(directory.Range) iter.Seq2[directory.Row, error],
) *archivedTimes {
	s := &archivedTimes{}
	for _, source := range snap.Archived {
		w := &archivedTime{}
		w.next, w.stop = iter.Pull2(unpacked(rows(directory.Under(directory.ReadSeen, source.Name()))))
		w.one, w.err, w.ok = w.next()
		s.tells, s.walks = append(s.tells, source.Tells), append(s.walks, w)
	}
	return s
}

func unpacked(rows iter.Seq2[directory.Row, error]) iter.Seq2[newest.One, error] {
	return func(yield func(newest.One, error) bool) {
		for row, err := range rows {
			if err != nil {
				yield(newest.One{}, err)
				return
			}
			for one, err := range newest.Each(row.Doc) {
				if err != nil {
					err = fmt.Errorf("read row %s of the snapshot: %w", row.Key, err)
				}
				if !yield(one, err) || err != nil {
					return
				}
			}
		}
	}
}

// of is when a user was last seen, by what the sources tell. Users have to come in order.
func (s *archivedTimes) of(user string) (map[directory.Tells]time.Time, error) {
	out := make(map[directory.Tells]time.Time, len(s.walks))
	for i, w := range s.walks {
		for w.ok && w.err == nil && w.one.ID < user {
			w.one, w.err, w.ok = w.next()
		}
		if w.err != nil {
			return nil, w.err
		}
		if w.ok && w.one.ID == user && w.one.At.After(out[s.tells[i]]) {
			out[s.tells[i]] = w.one.At
		}
	}
	return out, nil
}

func (s *archivedTimes) stop() {
	for _, w := range s.walks {
		w.stop()
	}
}
