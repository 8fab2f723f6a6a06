package directory

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/directory/timeline"
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
	// Successor asks for those beside which there is a newer one, or for the others; nil: both.
	Successor    *bool `json:",omitempty"`
	SelfRotating *bool `json:",omitempty"` // likewise those that are renewed without a person
	// Microsoft asks for those that Microsoft renews, too, or for all on service principals of
	// Microsoft's and no others; empty: those that Microsoft renews are left out.
	Microsoft timeline.Microsoft `json:",omitempty"`
	KeyID     string             `json:",omitempty"` // of one credential, whatever its case; empty: all
	Exclude   []string
	NewSince  NewSince
	Order     Order
}

// CredentialOrders are the properties by which credentials can be sorted, and where a stored
// credential has them.
var credentialOrders = map[string]string{"endDateTime": "End", "appDisplayName": "DisplayName",
	"startDateTime": "Start", "lastUsedDateTime": "LastUsed"}

// CredentialOrders are the properties by which credentials can be sorted.
func CredentialOrders() []string {
	return []string{"endDateTime", "appDisplayName", "startDateTime", "lastUsedDateTime"}
}

// CredentialPage is one page of an answer.
type CredentialPage struct {
	Snapshot Snapshot
	Now      time.Time // for which states are told
	Since    time.Time // of the snapshot up to which the caller was told; zero: all was asked for
	Answered time.Time // the snapshot was then the current one
	Count    *int64
	Rows     []CredentialRow
	Next     string
	Cursor   string // for the next call, on the last page; empty: the question can't be continued
	Hint     string // on the first page: what of the question fits nothing; empty: all does
}

// certs is a question about one snapshot.
type certs struct {
	page  CredentialPage
	walk  walk
	query CredentialQuery
	goes  *continuing[timeline.Credential]
}

// putCredentials prepares a question for a snapshot. Expired, expiring and the rest follow each
// other in the order of their end. at is the place of the page: states are told for its moment, but
// where only what is new is asked for.
func (rd *Reader) putCredentials(ctx context.Context, snap Snapshot, q CredentialQuery, at place) (certs, error) {
	now := at.Now
	if !q.NewSince.IsZero() || now.Before(snap.AsOf) { // this machine's clock may be behind the tenant's
		now = snap.AsOf
	}
	c := certs{page: CredentialPage{Snapshot: snap, Now: now, Answered: answeredAt(snap, at.Now)}, query: q}
	if err := snap.discloses(credentialsRead); err != nil {
		return c, err
	}
	asked, err := q.timeline()
	if q.KeyID != "" {
		err = oneIsNotTold(q.NewSince)
	}
	switch {
	case err == nil:
		c.goes, err = goOn(ctx, rd, snap, asked, q.NewSince, at)
	case q.NewSince.IsZero():
		err = nil
	}
	if err != nil {
		return c, err
	}
	c.page.Since = c.goes.since()
	segments := q.segments(now)
	c.walk = walk{store: rd.store, snap: snap, segments: segments, keep: c.wanted, columns: credentialColumns,
		few: !q.NewSince.IsZero() || q.Microsoft == timeline.OnlyMicrosoft || q.KeyID != ""}
	if q.AppID == "" && q.KeyID == "" {
		c.walk.expected = func(ctx context.Context) (int64, error) { return rd.countCredentials(ctx, snap, segments) }
	}
	return c, nil
}

// cursor is the one that the answer gives.
func (c certs) cursor(ctx context.Context) (string, error) {
	waits := false
	for _, what := range []string{"all applications", "all servicePrincipals"} { // what did not come may be there
		waits = waits || c.page.Snapshot.WhyUndisclosed(what) != nil
	}
	if len(c.query.States) > 0 && c.query.asks(Unused) {
		waits = waits || c.page.Snapshot.WhyUndisclosed("credentialUse") != nil
	}
	return c.goes.next(ctx, c.page.Now, waits)
}

// asks tells whether credentials in a state are asked for.
func (q CredentialQuery) asks(s State) bool {
	return len(q.States) == 0 || slices.Contains(q.States, s)
}

// where are the conditions of a question that the table service checks.
func (q CredentialQuery) where() (out [][]Condition) {
	equal := func(column string, value any) { out = append(out, []Condition{{column, "eq", value}}) }
	if q.Kind != "" {
		equal("Kind", string(q.Kind))
	}
	if q.Origin != "" {
		equal("Origin", string(q.Origin))
	}
	if q.AppID != "" {
		equal("AppId", strings.ToLower(q.AppID))
	}
	if q.Owner == "none" {
		equal("NoOwner", true)
	}
	return out
}

// segments are the ranges in which a credential can be, at a moment, in a state that is asked for.
func (q CredentialQuery) segments(now time.Time) (out []Range) {
	all := Range{Partition: Credentials, Where: q.where()}
	expired, expiring, rest := all, all, all
	expired.Below = after(now)
	expiring.From, expiring.Below = after(now), after(now.Add(q.Within))
	rest.From = after(now.Add(q.Within))
	if !q.asks(Valid) {
		rest.and("UseKnown", "eq", true)
		rest.and("IdleSince", "lt", now.Add(-q.UnusedFor))
	}
	if q.asks(Expired) {
		out = append(out, expired)
	}
	if q.asks(Expiring) {
		out = append(out, expiring)
	}
	if q.asks(Unused) || q.asks(Valid) {
		out = append(out, rest)
	}
	return out
}

// and adds a condition to a range.
func (r *Range) and(column, op string, value any) {
	r.Where = append(slices.Clone(r.Where), []Condition{{column, op, value}})
}

// after begins the keys of times later than t.
func after(t time.Time) string { return t.Add(entra.Tick).UTC().Format(KeyTime) }

// wanted tells whether a row is asked for, as far as the table service was not asked to tell.
func (c certs) wanted(row Row) (bool, error) {
	q := c.query
	cred, err := readCredential(row)
	if err != nil {
		return false, err
	}
	if q.KeyID != "" && !strings.EqualFold(q.KeyID, cred.KeyID) {
		return false, nil
	}
	for _, out := range q.Exclude {
		is := func(id string) bool { return strings.EqualFold(out, id) }
		if is(cred.AppID) || is(cred.KeyID) || is(cred.ObjectID) {
			return false, nil
		}
	}
	if q.Owner != "" && q.Owner != "none" && !slices.ContainsFunc(cred.Owners, func(o rules.Owner) bool {
		return strings.EqualFold(o.ID, q.Owner) || strings.EqualFold(o.UserPrincipalName, q.Owner) ||
			strings.EqualFold(o.Address(), q.Owner)
	}) {
		return false, nil
	}
	if differs(q.Successor, cred.Successor != "") || differs(q.SelfRotating, cred.Rotates != "") {
		return false, nil
	}
	if !q.Microsoft.Asks(cred.Microsoft, cred.RenewedByMicrosoft()) {
		return false, nil
	}
	if state, _ := cred.Judge(c.page.Now, q.Within, q.UnusedFor); !q.asks(state) {
		return false, nil
	}
	return c.goes.tells(row)
}

// differs tells whether something else is wanted; nil wants either.
func differs(want *bool, is bool) bool { return want != nil && *want != is }

// Credentials answers with one page. token is empty for the first, and what the page before gave
// for the next.
func (rd *Reader) Credentials(
	ctx context.Context, q CredentialQuery, top int, count bool, token string,
) (CredentialPage, error) {
	asked := question("credentials", q)
	from, snap, err := rd.begin(ctx, token, asked, credentialsRead)
	if err != nil {
		return CredentialPage{}, err
	}
	c, err := rd.putCredentials(ctx, snap, q, from)
	if err != nil {
		return CredentialPage{}, rd.gone(snap, err)
	}
	if count && token == "" {
		var n int64
		if err := c.walk.all(ctx, false, func(Row) error { n++; return nil }); err != nil {
			return CredentialPage{}, rd.gone(snap, err)
		}
		c.page.Count = &n
	}
	read := c.walk.page
	if q.Order != (Order{}) && q.Order != (Order{By: "endDateTime"}) {
		read = func(ctx context.Context, from place, top int) ([]Row, place, bool, error) {
			return c.walk.sorted(ctx, q.Order, credentialOrders[q.Order.By], from, top)
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
		c.page.Rows = append(c.page.Rows, answered(cred, c.page.Now, q.Within, q.UnusedFor))
	}
	if token == "" {
		if c.page.Hint, err = rd.credentialHint(ctx, snap, q, len(rows) == 0 && !more); err != nil {
			return c.page, err
		}
	}
	if !more {
		c.page.Cursor, err = c.cursor(ctx)
		return c.page, rd.gone(snap, err)
	}
	if at, err = c.goes.at(ctx, at); err != nil {
		return c.page, err
	}
	c.page.Next = skiptoken.Seal(snap.TokenKey, at)
	return c.page, nil
}

// EachCredential answers with all rows, one after the other.
func (rd *Reader) EachCredential(ctx context.Context, q CredentialQuery, yield func(CredentialRow) error) error {
	snap, err := rd.currentOf(ctx, credentialsRead)
	if err != nil {
		return err
	}
	c, err := rd.putCredentials(ctx, snap, q, place{Now: rd.clock().UTC()})
	if err != nil {
		return rd.gone(snap, err)
	}
	return rd.gone(snap, c.walk.all(ctx, false, func(row Row) error {
		cred, err := readCredential(row)
		if err != nil {
			return err
		}
		return yield(answered(cred, c.page.Now, q.Within, q.UnusedFor))
	}))
}
