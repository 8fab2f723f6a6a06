package collections

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/entra"
)

// Users are all users with their sign-in activity, where the tenant discloses it.
const Users = "users"

const (
	pathOfUsers = "/v1.0/users"
	userFields  = "id,userPrincipalName,displayName,mail,department,userType,accountEnabled,createdDateTime," +
		"assignedLicenses,onPremisesSyncEnabled,externalUserState,lastPasswordChangeDateTime"
)

// Sources: learn.microsoft.com/graph/api/user-list; for lastPasswordChangeDateTime, which comes
// with $select, learn.microsoft.com/graph/api/resources/user. Neither managers nor sponsors are
// asked for: with $expand Graph gives 100 users a page at most, whatever $top is, which would make
// the night five times as many requests under the ceiling of reports; and it expands one
// relationship, not two. Sources: developer.microsoft.com/graph/known-issues, "Some limitations
// apply to query parameters" (13635); learn.microsoft.com/graph/query-parameters, "expand
// parameter". 500 is the most users that Graph gives with their sign-in activity; it refuses or
// drops more.
func users() *Collection {
	return &Collection{
		Word: Users, Title: "users", Resource: "signInActivity",
		Path: pathOfUsers, Query: "$top=500&$select=" + userFields + ",signInActivity", Reporting: true, ByID: IDAlone,
		Smaller: "$top=100&$select=" + userFields + ",signInActivity", Activity: "$select=id,signInActivity",
		Permissions: []Permission{signInActivity, readUsers}, Bare: readUsers.Name,
		Optional: true, Consequence: "who is inactive is unknown: users are listed without their sign-in activity",
		Keep: keepUsersTwice, Evidence: ByActivity, Partition: directory.ReadUsers,
	}
}

// suspicious is how many users without any activity make a page worth a second look.
const suspicious = 10

// keepUsersTwice keeps users with their activity. A page without any is asked for once more.
func keepUsersTwice(ctx context.Context, page Objects) ([]Kept, error) {
	users, active, err := parseUsers(page.Items)
	if err != nil {
		return nil, err
	}
	if active == 0 && len(users) >= suspicious {
		err := page.Again(ctx, func(items [][]byte) error {
			second, _, err := parseUsers(items)
			if err == nil {
				users, active = together(users, second, page.Came)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if active, err = merge(ctx, page, users, active); err != nil {
		return nil, err
	}
	return keepUsers(page, users, active), nil
}

// merge gives users the activity that an earlier walk brought, and tells how many have some then.
func merge(ctx context.Context, page Objects, users []directory.UserRead, active int) (int, error) {
	if page.Kept == nil || active == len(users) {
		return active, nil
	}
	for i := range users {
		if !users[i].Activity.None() {
			continue
		}
		doc, err := page.Kept(ctx, users[i].ID)
		if err != nil {
			return active, err
		}
		var before directory.UserRead
		if doc == nil || json.Unmarshal(doc, &before) != nil || before.Activity.None() || !before.As.IsZero() {
			continue
		}
		users[i].Activity = before.Activity
		active++
	}
	return active, nil
}

// keepUsers counts the users of a page, and keeps them and their names.
func keepUsers(page Objects, users []directory.UserRead, active int) []Kept {
	s := page.Snapshot
	if page.First {
		s.Users, s.Disclosing, s.Active = 0, 0, 0
	}
	s.Users += int64(len(users))
	if active > 0 {
		s.Disclosing += int64(len(users))
		s.Active += int64(active)
	}
	rows, names := make([]directory.Row, 0, len(users)), make([]directory.Row, 0, len(users))
	for _, u := range users {
		switch {
		case active == 0:
			u.Blank = len(users)
		case u.Activity.None():
			u.Gap = &directory.Gap{Page: page.Number, Users: int64(len(users)), Without: int64(len(users) - active)}
		}
		rows = append(rows, directory.Document(u.ID, u))
		names = append(names, directory.Row{Key: strings.ToLower(u.UserPrincipalName), Doc: []byte(u.ID)})
	}
	return []Kept{{directory.ReadUsers, rows}, {directory.ReadNames, names}}
}

// together are the users of either of two answers for one page that has no activity in the first,
// and how many of them have some. From the second come activity, and users whom only it has.
func together(first, second []directory.UserRead, came func(string)) (users []directory.UserRead, active int) {
	at := make(map[string]int, len(first))
	for i, u := range first {
		at[u.ID] = i
	}
	for _, u := range second {
		i, ok := at[u.ID]
		switch {
		case !ok:
			at[u.ID] = len(first)
			first = append(first, u)
			came(u.ID)
		case first[i].Activity.None():
			first[i].Activity = u.Activity
		}
	}
	for _, u := range first {
		if !u.Activity.None() {
			active++
		}
	}
	return first, active
}

func parseUsers(items [][]byte) (users []directory.UserRead, active int, err error) {
	for _, raw := range items {
		u, err := rules.ParseUser(raw)
		if err != nil {
			return nil, 0, &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read users from Graph", Err: err,
				Remedy: "the next run tries again"}
		}
		if !u.Activity.None() {
			active++
		}
		users = append(users, directory.UserRead{User: u})
	}
	return users, active, nil
}
