package collections

import (
	"context"

	"github.com/entraledger/entraledger/internal/directory"
)

// UsersWithoutActivity are all users, where the tenant does not disclose their activity.
const UsersWithoutActivity = "usersWithoutActivity"

// Source: learn.microsoft.com/graph/api/user-list.
func usersWithoutActivity() *Collection {
	return &Collection{
		Word: UsersWithoutActivity, Title: "users", Resource: "users", InPlaceOf: Users,
		Path: pathOfUsers, Query: "$top=999&$select=" + userFields, ByID: IDAlone,
		Permissions: []Permission{readUsers},
		Consequence: "inactive-users can't answer",
		Keep: func(_ context.Context, page Objects) ([]Kept, error) {
			users, active, err := parseUsers(page.Items)
			if err != nil {
				return nil, err
			}
			return keepUsers(page, users, active), nil
		},
		Evidence: ByUser, Partition: directory.ReadUsers,
	}
}
