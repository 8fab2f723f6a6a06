package directory

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/entra"
)

// Application is all that a snapshot knows of one application's credentials.
type Application struct {
	Snapshot    Snapshot
	AppID       string
	DisplayName string
	LastUsed    time.Time // of the application, by anybody; zero: not known
	Credentials []CredentialRow
}

// Application finds one by its appId; an error with entra.CodeNotFound if the snapshot has no
// credential of it.
func (rd *Reader) Application(ctx context.Context, appID string, within, unusedFor time.Duration) (Application, error) {
	snap, err := rd.currentOf(ctx, credentialsRead)
	if err == nil {
		err = snap.discloses(credentialsRead)
	}
	if err != nil {
		return Application{}, err
	}
	app := Application{Snapshot: snap, AppID: strings.ToLower(appID)}
	objects, err := documents[rules.App](ctx, rd, snap, Under(ReadApps, app.AppID))
	if err != nil {
		return app, err
	}
	has := func(a rules.App) bool { return len(a.Secrets)+len(a.Keys)+len(a.Federated) > 0 }
	if !slices.ContainsFunc(objects, has) {
		return app, &entra.Error{Code: entra.CodeNotFound, Doing: "find application " + clip(appID),
			Why:    "the snapshot of " + snap.AsOf.Format(time.RFC3339) + " has no credential of it",
			Remedy: "give the appId (client id), not the object id"}
	}
	app.DisplayName = objects[len(objects)-1].DisplayName
	uses, err := documents[rules.Use](ctx, rd, snap, Under(ReadUse, app.AppID))
	if err != nil {
		return app, err
	}
	used := make(map[string]time.Time)
	for _, u := range uses {
		used[u.KeyID] = u.Last
	}
	if app.LastUsed, err = rd.lastUse(ctx, snap, app.AppID); err != nil {
		return app, err
	}
	now := rd.clock().UTC()
	for _, c := range rules.JoinedWithUse(objects, used, snap.WhyUndisclosed("credentialUse") == nil, snap.AsOf) {
		app.Credentials = append(app.Credentials, answered(c, now, within, unusedFor))
	}
	return app, nil
}

// documents reads the documents of a range.
func documents[T any](ctx context.Context, rd *Reader, snap Snapshot, of Range) (out []T, err error) {
	for row, err := range rd.store.Rows(ctx, snap.ID, snap.Checking(of)) {
		if err != nil {
			return nil, rd.gone(snap, err)
		}
		var v T
		if err := json.Unmarshal(row.Doc, &v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// lastUse is when an application was last used; zero: not known.
func (rd *Reader) lastUse(ctx context.Context, snap Snapshot, appID string) (time.Time, error) {
	row, err := rd.store.Row(ctx, snap.ID, ReadAppUse, appID, snap.Checked(ReadAppUse))
	if errors.Is(err, ErrNoRow) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, rd.gone(snap, err)
	}
	var u rules.Use
	err = json.Unmarshal(row.Doc, &u)
	return u.Last, err
}

// User is all that a snapshot knows of one user.
func (rd *Reader) User(ctx context.Context, idOrName string, days int) (Snapshot, json.RawMessage, error) {
	snap, err := rd.currentOf(ctx, usersRead)
	if err == nil {
		err = snap.discloses(usersRead)
	}
	if err != nil {
		return snap, nil, err
	}
	none := &entra.Error{Code: entra.CodeNotFound, Doing: "find user " + clip(idOrName),
		Why:    "the snapshot of " + snap.AsOf.Format(time.RFC3339) + " has none",
		Remedy: "give the id or the user principal name"}
	id, err := rd.findUser(ctx, snap, idOrName)
	if err != nil {
		return snap, nil, rd.gone(snap, noRow(err, none))
	}
	row, err := rd.store.Row(ctx, snap.ID, ReadUsers, id, snap.Checked(ReadUsers))
	if err != nil {
		return snap, nil, rd.gone(snap, noRow(err, none))
	}
	var u UserRead
	if err := json.Unmarshal(row.Doc, &u); err != nil {
		return snap, nil, err
	}
	seen, err := rd.seen(ctx, snap, id)
	if err != nil {
		return snap, nil, rd.gone(snap, err)
	}
	licences, err := LicenceNames(ctx, rd.store, snap, snap.Checking)
	if err != nil {
		return snap, nil, rd.gone(snap, err)
	}
	e := snap.Evidence(u, seen)
	_, decided := StoredUser(u.User, rules.Decide(u.User, e), e, snap.AsOf, licences)
	asked := users{page: UserPage{Snapshot: snap, Cutoff: rules.DaysBefore(snap.AsOf, days)}}
	return snap, asked.stated(decided), nil
}
