package directory

import (
	"context"
	"encoding/json"
	"errors"
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

// Application finds one by its appId; an error with entra.CodeNotFound if the snapshot has no credential of it.
func (rd *Reader) Application(ctx context.Context, appID string, within, unusedFor time.Duration) (Application, error) {
	snap, err := rd.Current(ctx)
	if err != nil {
		return Application{}, err
	}
	app := Application{Snapshot: snap, AppID: strings.ToLower(appID)}
	var holders []rules.App
	for row, err := range rd.store.Rows(ctx, snap.ID, snap.Checking(Range{Partition: ReadApps, From: app.AppID + "_", Below: app.AppID + "`"})) {
		if err != nil {
			return app, rd.gone(snap, err)
		}
		var h rules.App
		if err := json.Unmarshal(row.Doc, &h); err != nil {
			return app, err
		}
		app.DisplayName = h.DisplayName
		holders = append(holders, h)
	}
	if len(holders) == 0 {
		return app, &entra.Error{Code: entra.CodeNotFound, Doing: "find application " + clip(appID),
			Why: "the snapshot of " + snap.AsOf.Format(time.RFC3339) + " has no credential of it", Remedy: "give the appId (client id), not the object id"}
	}
	used := make(map[string]time.Time)
	for row, err := range rd.store.Rows(ctx, snap.ID, snap.Checking(Range{Partition: ReadUse, From: app.AppID + "_", Below: app.AppID + "`"})) {
		if err != nil {
			return app, rd.gone(snap, err)
		}
		var u rules.Use
		if err := json.Unmarshal(row.Doc, &u); err != nil {
			return app, err
		}
		used[u.KeyID] = u.Last
	}
	if row, err := rd.store.Row(ctx, snap.ID, ReadAppUse, app.AppID, snap.Checked(ReadAppUse)); err == nil {
		var u rules.Use
		if err := json.Unmarshal(row.Doc, &u); err != nil {
			return app, err
		}
		app.LastUsed = u.Last
	} else if !errors.Is(err, ErrNoRow) {
		return app, rd.gone(snap, err)
	}
	now := rd.clock().UTC()
	for _, c := range rules.JoinedWithUse(holders, used, snap.WhyUndisclosed("credentialUse") == nil, snap.AsOf) {
		app.Credentials = append(app.Credentials, answered(c, now, within, unusedFor))
	}
	return app, nil
}

// User is all that a snapshot knows of one user.
func (rd *Reader) User(ctx context.Context, idOrName string, days int) (Snapshot, json.RawMessage, error) {
	snap, err := rd.Current(ctx)
	if err != nil {
		return snap, nil, err
	}
	none := &entra.Error{Code: entra.CodeNotFound, Doing: "find user " + clip(idOrName), Why: "the snapshot of " + snap.AsOf.Format(time.RFC3339) + " has none",
		Remedy: "give the id or the user principal name"}
	id, err := rd.findUser(ctx, snap, idOrName)
	if err != nil {
		return snap, nil, noRow(err, none)
	}
	row, err := rd.store.Row(ctx, snap.ID, ReadUsers, id, snap.Checked(ReadUsers))
	if err != nil {
		return snap, nil, noRow(err, none)
	}
	var u UserRead
	if err := json.Unmarshal(row.Doc, &u); err != nil {
		return snap, nil, err
	}
	e := rules.Evidence{}
	e.Disclosed, e.WhyNot = snap.Disclosed(u)
	for row, err := range rd.store.Rows(ctx, snap.ID, snap.Checking(Range{Partition: ReadSuccesses, From: id + "_", Below: id + "`"})) {
		if err != nil {
			return snap, nil, rd.gone(snap, err)
		}
		at, err := time.Parse(KeyTime, string(row.Doc))
		if err != nil {
			return snap, nil, err
		}
		if at.After(e.Archived) {
			e.Archived = at
		}
	}
	_, decided := StoredUser(u.User, rules.Decide(u.User, e), e, snap.AsOf)
	question := users{page: UserPage{Snapshot: snap, Cutoff: snap.AsOf.Add(-time.Duration(days) * 24 * time.Hour)}}
	return snap, question.stated(decided), nil
}
