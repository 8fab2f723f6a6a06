package directory

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
)

// userRead is a user as a snapshot keeps it until the rules are applied.
type userRead struct {
	User
	// Blank is how many users the page had, if none of them came with sign-in activity: Graph has been seen to leave it out
	// of whole pages without an error.
	Blank int `json:",omitempty"`
	// Earlier is what the snapshot before knew of a user on such a page.
	Earlier Activity `json:",omitzero"`
}

// users reads all users, with their sign-in activity where the tenant discloses it.
func (r *reading) users(ctx context.Context) error {
	err := r.walk(ctx, Query{Phase: r.Phase}, r.keepUsers)
	if !refusal(err) {
		if err != nil {
			return err
		}
		return r.next(ctx, phaseAfter[r.Phase])
	}
	what, then := "signInActivity", PhasePlainUsers
	if r.Phase == PhasePlainUsers {
		what, then = "users", PhaseGroups
	}
	if err := r.withhold(ctx, what, err); err != nil {
		return err
	}
	return r.next(ctx, then)
}

// doubtful is how many users without any activity make a page worth a second look.
const doubtful = 10

func (r *reading) keepUsers(ctx context.Context, page Page) error {
	users, active, err := parseUsers(page.Items)
	if err != nil {
		return err
	}
	if active == 0 && len(users) >= doubtful && r.Phase == PhaseUsers {
		again, err := r.source.Objects(ctx, Query{Phase: r.Phase}, r.Link)
		switch {
		case refusal(err):
			r.log.WarnContext(ctx, "a page without any activity could not be asked for again", "error", err.Error())
		case err != nil:
			return err
		default:
			r.GraphRequests++
			second, _, err := parseUsers(again.Items)
			again.Free()
			if err != nil {
				return err
			}
			users, active = r.together(users, second)
		}
	}
	if r.Link == "" {
		r.Users, r.Disclosing, r.Active = 0, 0, 0
	}
	r.Users += int64(len(users))
	if active > 0 {
		r.Disclosing += int64(len(users))
		r.Active += int64(active)
	}
	rows, names := make([]Row, 0, len(users)), make([]Row, 0, len(users))
	for _, u := range users {
		if active == 0 {
			u.Blank = len(users)
		}
		rows = append(rows, document(u.ID, u))
		names = append(names, Row{Key: strings.ToLower(u.UserPrincipalName), Doc: []byte(u.ID)})
	}
	if err := r.store.Put(ctx, r.ID, readUsers, rows); err != nil {
		return err
	}
	return r.store.Put(ctx, r.ID, readNames, names)
}

// together are the users of either of two answers for one page that has no activity in the first,
// and how many of them have some. From the second come activity, and users whom only it has.
func (r *reading) together(first, second []userRead) (users []userRead, active int) {
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
			r.memory.meet(shortHash(u.ID), r.Walk.Nth)
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

func parseUsers(items [][]byte) (users []userRead, active int, err error) {
	for _, raw := range items {
		u, err := ParseUser(raw)
		if err != nil {
			return nil, 0, &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read users from Graph", Err: err, Remedy: "the next run tries again"}
		}
		if !u.Activity.None() {
			active++
		}
		users = append(users, userRead{User: u})
	}
	return users, active, nil
}

// disclosed tells whether a user's missing activity means that there was none. A page on which nobody has any is believed
// if that is not too improbable, the share of users with activity on the other pages being what it is.
func (s Snapshot) disclosed(u userRead) (bool, string) {
	if w := s.Withheld("signInActivity"); w != nil {
		return false, "the tenant does not disclose sign-in activity: " + w.Message
	}
	if s.Active == 0 {
		return false, "Graph gave no sign-in activity for any user"
	}
	if u.Blank == 0 {
		return true, ""
	}
	const improbable = 1e-6
	share := float64(s.Active+1) / float64(s.Disclosing+2) // never quite all: the rule of succession
	if math.Pow(1-share, float64(u.Blank)) < improbable {
		return false, "Graph left the sign-in activity out of the whole page on which this user came"
	}
	return true, ""
}

// useRead is one row of a report of use.
type useRead struct {
	AppID string
	KeyID string `json:",omitempty"`
	Last  time.Time
}

// parseUse reads a row of appCredentialSignInActivities or servicePrincipalSignInActivities.
func parseUse(raw []byte) useRead {
	doc := gjson.ParseBytes(raw)
	u := useRead{AppID: own(doc.Get("appId")), KeyID: own(doc.Get("keyId"))}
	for _, path := range []string{"signInActivity.lastSignInDateTime", "lastSignInActivity.lastSignInDateTime"} {
		if t := when(doc.Get(path)); t.After(u.Last) {
			u.Last = t
		}
	}
	return u
}

// lookBack is how far before a snapshot the archive is searched for newer successes than Graph's: its values are up to a
// day old. Source: learn.microsoft.com/graph/api/resources/signinactivity.
const lookBack = 48 * time.Hour

// slice of the archive that is searched between two savings of the place.
const slice = 12 * time.Hour

// successes finds the newest successful sign-in of each user in the archive's last two days.
func (r *reading) successes(ctx context.Context) error {
	from, to := entra.FloorHour(r.AsOf.Add(-lookBack)), entra.FloorHour(r.AsOf.Add(time.Hour))
	if at, err := time.Parse(keyTime, r.Position); err == nil {
		from = at
	}
	for from.Before(to) {
		until := from.Add(slice)
		newest := make(map[string]time.Time)
		err := r.archive.Successes(ctx, from, until, func(id string, at time.Time) {
			if last, ok := newest[id]; !ok || at.After(last) {
				newest[id] = at
			}
		})
		if err != nil {
			return err
		}
		rows := make([]Row, 0, len(newest))
		for id, at := range newest {
			rows = append(rows, Row{Key: id + "_" + from.Format(keyTime), Doc: at.AppendFormat(nil, keyTime)})
		}
		if err := r.store.Put(ctx, r.ID, readSuccesses, rows); err != nil {
			return err
		}
		from, r.Position = until, until.Format(keyTime)
		if err := r.step(ctx); err != nil {
			return err
		}
	}
	return r.next(ctx, PhaseDecide)
}
