package directory

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/directory/rules"
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
	Since    time.Time // what is new is newer; zero: all was asked for
	Count    *int64
	Rows     []CredentialRow
	Next     string
}

// certs is a question about one snapshot.
type certs struct {
	page  CredentialPage
	walk  walk
	query CredentialQuery
}

// putCredentials prepares a question for a snapshot and a moment. Expired, expiring and the rest
// follow each other in the order of their end.
func (rd *Reader) putCredentials(ctx context.Context, snap Snapshot, q CredentialQuery, now time.Time) (certs, error) {
	c := certs{page: CredentialPage{Snapshot: snap, Now: now}, query: q}
	for _, what := range []string{"applications", "servicePrincipals"} {
		if w := snap.WhyUndisclosed(what); w != nil {
			return c, &entra.Error{Code: w.Code, Doing: "answer from the directory's snapshot", Why: w.Message,
				Remedy: "then take a new one with POST /api/snapshot"}
		}
	}
	segments := q.segments(now)
	if !q.NewSince.IsZero() {
		if len(q.States) == 0 || q.asks(Valid) {
			return c, refuse("newSince", "it is asked together with credentials that are valid",
				"ask with state=expired, expiring or unused, or several of them with commas between")
		}
		since, err := rd.sinceWhen(ctx, snap, q.NewSince)
		if err != nil {
			return c, err
		}
		c.page.Since = since
		segments.newSince(since, q)
	}
	asked := segments.asked(q)
	c.walk = walk{store: rd.store, snap: snap, segments: asked, keep: c.wanted, columns: credentialColumns}
	if q.AppID == "" {
		c.walk.expected = func(ctx context.Context) (int64, error) { return rd.countCredentials(ctx, snap, asked) }
	}
	return c, nil
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
		equal("AppId", q.AppID)
	}
	if q.Owner == "none" {
		equal("NoOwner", true)
	}
	return out
}

// ranges are the credentials in the order of their end.
type ranges struct{ expired, expiring, rest Range }

// segments are the ranges of a question at a moment.
func (q CredentialQuery) segments(now time.Time) ranges {
	all := Range{Partition: Credentials, Where: q.where()}
	r := ranges{all, all, all}
	r.expired.Below = after(now)
	r.expiring.From, r.expiring.Below = after(now), after(now.Add(q.Within))
	r.rest.From = after(now.Add(q.Within))
	if !q.asks(Valid) {
		r.rest.and("UseKnown", "eq", true)
		r.rest.and("IdleSince", "lt", now.Add(-q.UnusedFor))
	}
	return r
}

// newSince leaves what is new: what has come into its state by the passing of time, and what was
// made since.
func (r *ranges) newSince(since time.Time, q CredentialQuery) {
	r.expired.From = after(since)
	r.expiring.Where = append(slices.Clone(r.expiring.Where),
		[]Condition{{"Ends", "gt", since.Add(q.Within)}, {"Start", "gt", since}})
	r.rest.and("IdleSince", "ge", since.Add(-q.UnusedFor))
}

// asked are the ranges in which a credential can be in a state that is asked for.
func (r *ranges) asked(q CredentialQuery) (out []Range) {
	if q.asks(Expired) {
		out = append(out, r.expired)
	}
	if q.asks(Expiring) {
		out = append(out, r.expiring)
	}
	if q.asks(Unused) || q.asks(Valid) {
		out = append(out, r.rest)
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
	for _, out := range q.Exclude {
		is := func(id string) bool { return strings.EqualFold(out, id) }
		if is(cred.AppID) || is(cred.KeyID) || is(cred.ObjectID) {
			return false, nil
		}
	}
	if q.Owner != "" && q.Owner != "none" && !slices.ContainsFunc(cred.Owners, func(o rules.Owner) bool {
		return strings.EqualFold(o.ID, q.Owner) || strings.EqualFold(o.UserPrincipalName, q.Owner)
	}) {
		return false, nil
	}
	if len(q.States) == 0 {
		return true, nil
	}
	state, _ := cred.Judge(c.page.Now, q.Within, q.UnusedFor)
	return slices.Contains(q.States, state), nil
}

// Credentials answers with one page. token is empty for the first, and what the page before gave
// for the next.
func (rd *Reader) Credentials(
	ctx context.Context, q CredentialQuery, top int, count bool, token string,
) (CredentialPage, error) {
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
	if more {
		c.page.Next = skiptoken.Seal(snap.TokenKey, at)
	}
	return c.page, nil
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
	return rd.gone(snap, c.walk.all(ctx, false, func(row Row) error {
		cred, err := readCredential(row)
		if err != nil {
			return err
		}
		return yield(answered(cred, c.page.Now, q.Within, q.UnusedFor))
	}))
}
