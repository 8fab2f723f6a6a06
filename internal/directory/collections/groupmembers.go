package collections

import (
	"context"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/rules"
)

// GroupMembers are the members of each group that the settings name.
const GroupMembers = "groups"

// Members come without the cast to users, which Graph refuses or ignores where ConsistencyLevel and
// $count are not asked for, and answers from an index that lags where they are. Sources:
// learn.microsoft.com/graph/api/group-list-transitivemembers;
// github.com/microsoftgraph/microsoft-graph-docs/issues/17604.
func groupMembers() *Collection {
	return &Collection{
		Word: GroupMembers, Title: "members of group ", Resource: "group ",
		Path: "/v1.0/groups/" + group + "/transitiveMembers", Query: "$top=999&$select=id",
		Type:        "microsoft.graph.user",
		Permissions: []Permission{readMembers}, Beside: []Permission{readHidden},
		Keep: keepMembers, Evidence: ByMember, Partition: directory.ReadMembers,
	}
}

func keepMembers(_ context.Context, page Objects) ([]Kept, error) {
	g := page.Group
	if page.First {
		g.Members = 0
	}
	rows := make([]directory.Row, 0, len(page.Items))
	for _, raw := range page.Items {
		if u, err := rules.ParseUser(raw); err == nil {
			rows = append(rows, directory.Row{Key: g.ID + "_" + u.ID})
		}
	}
	g.Members += int64(len(rows))
	return []Kept{{directory.ReadMembers, rows}}, nil
}
