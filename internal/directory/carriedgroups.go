package directory

import (
	"context"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
)

// excludeGroup finds the members of a group that was read with snapshots; is is false where the
// text names none. Where a snapshot stands in for a newer one, who is a member by either is: who
// was put into the group since is an exception, and who left it stays one until users are read
// again.
func (rd *Reader) excludeGroup(ctx context.Context, snap Snapshot, item string, into *left) (is bool, err error) {
	read := []Snapshot{snap}
	if snap.current != "" {
		newer, err := rd.byID(ctx, snap.current)
		if err != nil {
			return false, rd.gone(newer, err)
		}
		read = append(read, newer)
	}
	known, why := false, (*Undisclosed)(nil)
	for _, s := range read {
		for _, g := range s.Groups {
			switch {
			case !strings.EqualFold(g.ID, item):
			case g.Unknown:
				is, why = true, s.WhyUndisclosed("group "+g.ID)
			default:
				is, known = true, true
				ids := into.ids
				if s.ID != snap.ID {
					ids = into.newer
				}
				err = rd.membersInto(ctx, s, g.ID, ids)
			}
			if err != nil {
				return is, err
			}
		}
	}
	if is && !known {
		return true, &entra.Error{Code: why.Code, Doing: "leave out the members of group " + item, Why: why.Message,
			Remedy: "then take a new snapshot with POST /api/snapshot"}
	}
	return is, nil
}

// membersInto adds the members of a group by one snapshot.
func (rd *Reader) membersInto(ctx context.Context, snap Snapshot, group string, ids map[string]bool) error {
	for row, err := range rd.store.Rows(ctx, snap.ID, snap.Checking(Under(ReadMembers, group))) {
		if err != nil {
			return err
		}
		ids[UserIDOf(row.Key)] = true
	}
	return nil
}
