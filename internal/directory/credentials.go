package directory

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/skiptoken"
)

// CredentialQuery asks which credentials are in a state.
type CredentialQuery struct {
	States    []State // empty: all
	Within    time.Duration
	UnusedFor time.Duration
	Kind      Kind   // empty: both
	Origin    Origin // empty: both
	AppID     string
	Owner     string // id or principal name of an owner; "none": those without
	Exclude   []string
	NewSince  NewSince
	Order     Order
}

// CredentialOrders are the properties by which credentials can be sorted, and where a stored credential has them.
var credentialOrders = map[string]string{"endDateTime": "End", "appDisplayName": "DisplayName", "startDateTime": "Start", "lastUsedDateTime": "LastUsed"}

// CredentialOrders are the properties by which credentials can be sorted.
func CredentialOrders() []string {
	return []string{"endDateTime", "appDisplayName", "startDateTime", "lastUsedDateTime"}
}

// CredentialPage is one page of an answer.
type CredentialPage struct {
	Snapshot Snapshot
	Now      time.Time // for which states are told
	Since    time.Time // what is new is newer; zero: all was asked for
	Count    *int64
	Rows     []CredentialRow
	Next     string
}

// certs is a question, put to one snapshot.
type certs struct {
	CredentialPage
	walk
	query CredentialQuery
}

// putCredentials readies a question for a snapshot and a moment. Expired, expiring and the rest follow each other in the
// order of their end.
func (rd *Reader) putCredentials(ctx context.Context, snap Snapshot, q CredentialQuery, now time.Time) (certs, error) {
	c := certs{CredentialPage: CredentialPage{Snapshot: snap, Now: now}, query: q}
	for _, what := range []string{"applications", "servicePrincipals"} {
		if w := snap.Withheld(what); w != nil {
			return c, &entra.Error{Code: w.Code, Doing: "answer from the directory's snapshot", Why: w.Message, Remedy: "then take a new one with POST /api/snapshot"}
		}
	}
	after := func(t time.Time) string { return t.Add(entra.Tick).UTC().Format(keyTime) } // keys later than t
	all := Range{Partition: credentials}
	equal := func(column string, value any) { all.Where = append(all.Where, []Condition{{column, "eq", value}}) }
	if q.Kind != "" {
		equal("Kind", string(q.Kind))
	}
	if q.Origin != "" {
		equal("Origin", string(q.Origin))
	}
	if q.AppID != "" {
		equal("AppId", q.AppID)
	}
	if q.Owner == "none" {
		equal("NoOwner", true)
	}
	asked := func(s State) bool { return len(q.States) == 0 || slices.Contains(q.States, s) }
	expired, expiring, rest := all, all, all
	expired.Below = after(now)
	expiring.From, expiring.Below = after(now), after(now.Add(q.Within))
	rest.From = after(now.Add(q.Within))
	if !asked(Valid) {
		rest.Where = append(slices.Clone(rest.Where), []Condition{{"UseKnown", "eq", true}}, []Condition{{"IdleSince", "lt", now.Add(-q.UnusedFor)}})
	}
	if !q.NewSince.IsZero() {
		if len(q.States) == 0 || asked(Valid) {
			return c, refuse("newSince", "it is asked together with credentials that are valid", "ask with state=expired, expiring or unused, or several of them with commas between")
		}
		since, err := rd.sinceWhen(ctx, snap, q.NewSince)
		if err != nil {
			return c, err
		}
		c.Since = since
		expired.From = after(since)
		// New is what has come into the state by the passing of time, and what was made since.
		expiring.Where = append(slices.Clone(expiring.Where), []Condition{{"Ends", "gt", since.Add(q.Within)}, {"Start", "gt", since}})
		rest.Where = append(slices.Clone(rest.Where), []Condition{{"IdleSince", "ge", since.Add(-q.UnusedFor)}})
	}
	for _, part := range []struct {
		asked bool
		Range
	}{{asked(Expired), expired}, {asked(Expiring), expiring}, {asked(Unused) || asked(Valid), rest}} {
		if part.asked {
			c.segments = append(c.segments, part.Range)
		}
	}
	c.walk.store, c.walk.snap, c.keep, c.columns = rd.store, snap, c.wanted, credentialColumns
	if segments := c.segments; q.AppID == "" {
		c.expected = func(ctx context.Context) (int64, error) { return rd.countCredentials(ctx, snap, segments) }
	}
	return c, nil
}

// wanted tells whether a row is asked for, as far as the table service was not asked to tell.
func (c certs) wanted(row Row) (bool, error) {
	q := c.query
	cred, err := readCredential(row)
	if err != nil {
		return false, err
	}
	for _, out := range q.Exclude {
		if strings.EqualFold(out, cred.AppID) || strings.EqualFold(out, cred.KeyID) || strings.EqualFold(out, cred.ObjectID) {
			return false, nil
		}
	}
	if q.Owner != "" && q.Owner != "none" && !slices.ContainsFunc(cred.Owners, func(o Owner) bool {
		return strings.EqualFold(o.ID, q.Owner) || strings.EqualFold(o.UserPrincipalName, q.Owner)
	}) {
		return false, nil
	}
	if len(q.States) == 0 {
		return true, nil
	}
	state, _ := cred.Judge(c.Now, q.Within, q.UnusedFor)
	return slices.Contains(q.States, state), nil
}

// Credentials answers with one page. token is empty for the first, and what the page before gave for the next.
func (rd *Reader) Credentials(ctx context.Context, q CredentialQuery, top int, count bool, token string) (CredentialPage, error) {
	asked := question("credentials", q)
	from, snap, err := rd.begin(ctx, token, asked)
	if err != nil {
		return CredentialPage{}, err
	}
	c, err := rd.putCredentials(ctx, snap, q, from.Now)
	if err != nil {
		return CredentialPage{}, rd.gone(snap, err)
	}
	if count && token == "" {
		var n int64
		if err := c.all(ctx, false, func(Row) error { n++; return nil }); err != nil {
			return CredentialPage{}, rd.gone(snap, err)
		}
		c.Count = &n
	}
	read := c.page
	if q.Order != (Order{}) && q.Order != (Order{By: "endDateTime"}) {
		read = func(ctx context.Context, from place, top int) ([]Row, place, bool, error) {
			return c.sorted(ctx, q.Order, credentialOrders[q.Order.By], from, top)
		}
	}
	rows, at, more, err := read(ctx, from, top)
	if err != nil {
		return CredentialPage{}, rd.gone(snap, err)
	}
	for _, row := range rows {
		cred, err := readCredential(row)
		if err != nil {
			return CredentialPage{}, err
		}
		c.Rows = append(c.Rows, cred.row(c.Now, q.Within, q.UnusedFor))
	}
	if more {
		c.Next = skiptoken.Seal(snap.TokenKey, at)
	}
	return c.CredentialPage, nil
}

// EachCredential answers with all rows, one after the other.
func (rd *Reader) EachCredential(ctx context.Context, q CredentialQuery, yield func(CredentialRow) error) error {
	snap, err := rd.Current(ctx)
	if err != nil {
		return err
	}
	c, err := rd.putCredentials(ctx, snap, q, rd.clock().UTC())
	if err != nil {
		return rd.gone(snap, err)
	}
	return rd.gone(snap, c.all(ctx, false, func(row Row) error {
		cred, err := readCredential(row)
		if err != nil {
			return err
		}
		return yield(cred.row(c.Now, q.Within, q.UnusedFor))
	}))
}

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
	var holders []Holder
	for row, err := range rd.store.Rows(ctx, snap.ID, snap.rows(Range{Partition: readHolders, From: app.AppID + "_", Below: app.AppID + "`"})) {
		if err != nil {
			return app, rd.gone(snap, err)
		}
		var h Holder
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
	for row, err := range rd.store.Rows(ctx, snap.ID, snap.rows(Range{Partition: readUse, From: app.AppID + "_", Below: app.AppID + "`"})) {
		if err != nil {
			return app, rd.gone(snap, err)
		}
		var u useRead
		if err := json.Unmarshal(row.Doc, &u); err != nil {
			return app, err
		}
		used[u.KeyID] = u.Last
	}
	if row, err := rd.store.Row(ctx, snap.ID, readAppUse, app.AppID, snap.checked(readAppUse)); err == nil {
		var u useRead
		if err := json.Unmarshal(row.Doc, &u); err != nil {
			return app, err
		}
		app.LastUsed = u.Last
	} else if !errors.Is(err, ErrNoRow) {
		return app, rd.gone(snap, err)
	}
	now := rd.clock().UTC()
	for _, c := range joinedWithUse(holders, used, snap.Withheld("credentialUse") == nil, snap.AsOf) {
		app.Credentials = append(app.Credentials, c.row(now, within, unusedFor))
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
	row, err := rd.store.Row(ctx, snap.ID, readUsers, id, snap.checked(readUsers))
	if err != nil {
		return snap, nil, noRow(err, none)
	}
	var u userRead
	if err := json.Unmarshal(row.Doc, &u); err != nil {
		return snap, nil, err
	}
	e := Evidence{}
	e.Disclosed, e.Withheld = snap.disclosed(u)
	for row, err := range rd.store.Rows(ctx, snap.ID, snap.rows(Range{Partition: readSuccesses, From: id + "_", Below: id + "`"})) {
		if err != nil {
			return snap, nil, rd.gone(snap, err)
		}
		at, err := time.Parse(keyTime, string(row.Doc))
		if err != nil {
			return snap, nil, err
		}
		if at.After(e.Archived) {
			e.Archived = at
		}
	}
	_, decided := userRow(u.User, Decide(u.User, e), e, snap.AsOf)
	question := users{UserPage: UserPage{Snapshot: snap, Cutoff: snap.AsOf.Add(-time.Duration(days) * 24 * time.Hour)}}
	return snap, question.stated(decided), nil
}
