package directory

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/skiptoken"
)

// UserQuery asks who is inactive. Either Days or Before says for how long, or since when.
type UserQuery struct {
	Days     int
	Before   time.Time
	State    string // Inactive, Unknown, or empty for all
	Guest    *bool
	Enabled  *bool
	Licensed *bool
	Synced   *bool
	Never    *bool    // nil: whether or not they ever signed in
	Exclude  []string // ids and principal names of users, ids of groups that are read with snapshots
	NewSince NewSince
	Order    Order
	// What a version before did not know is left out of the hash of a question.
	Texts *UserTexts `json:",omitempty"` // that users have; nil: whatever they are
	ID    string     `json:",omitempty"` // of one user, whatever its case; empty: all
}

// UserOrders are the properties by which users can be sorted.
func UserOrders() []string {
	return []string{"inactiveSinceDateTime", "userPrincipalName", "displayName", "createdDateTime",
		"lastSuccessfulSignInDateTime"}
}

// UserPage is one page of an answer.
type UserPage struct {
	Snapshot Snapshot
	Cutoff   time.Time // who has been inactive since before
	Since    time.Time // of the snapshot up to which the caller was told; zero: all was asked for
	Answered time.Time // the snapshot was then the current one
	Count    *int64
	Rows     []json.RawMessage // each a UserRow
	Next     string            // skip token; empty: this was the last page
	Cursor   string            // for the next call, on the last page; empty: the question can't be continued
}

// users is a question about one snapshot.
type users struct {
	page  UserPage
	walk  walk
	query UserQuery
	goes  *continuing[timeline.User]
	// unknown are the users of whom nobody can say for how long they have been inactive.
	unknown Range
	spared  *bool // somebody was left out as a member of a group by the newer snapshot alone
}

// putUsers readies a question for a snapshot. at is the place of the page.
func (rd *Reader) putUsers(ctx context.Context, snap Snapshot, q UserQuery, at place) (users, error) {
	u := users{page: UserPage{Snapshot: snap, Cutoff: q.Before.UTC()}, query: q}
	u.page.Answered = answeredAt(snap, at.Now)
	if err := snap.discloses(usersRead); err != nil {
		return u, err
	}
	if q.Before.IsZero() {
		u.page.Cutoff = rules.DaysBefore(snap.AsOf, q.Days)
	} else if latest := rules.DaysBefore(snap.AsOf, 1); u.page.Cutoff.After(latest) {
		return u, refuse("before", fmt.Sprintf("it is %s, and the snapshot is of %s",
			q.Before.UTC().Format(time.RFC3339), snap.AsOf.Format(time.RFC3339)),
			"accepted is up to 24 hours before the snapshot, "+latest.UTC().Format(time.RFC3339)+
				": nobody is inactive who was active within a day")
	}
	known := Range{Partition: KnownUsers}
	if q.State == Inactive {
		known.Below = u.page.Cutoff.Format(KeyTime) // what rules.IsInactive says of the times in keys
	}
	for name, want := range map[string]*bool{"Guest": q.Guest, "AccountEnabled": q.Enabled, "Licensed": q.Licensed,
		"Synced": q.Synced, "NeverSignedIn": q.Never} {
		if want != nil {
			known.Where = append(known.Where, []Condition{{name, "eq", *want}})
		}
	}
	unknown := known
	unknown.Partition, unknown.Below = UnknownUsers, ""
	u.walk.segments = map[string][]Range{Inactive: {known}, Unknown: {unknown}, "": {known, unknown}}[q.State]
	if q.State == "" && q.Never != nil {
		u.walk.segments = []Range{known} // nobody can say of the others whether they ever signed in
	}
	u.unknown = Range{Partition: UnknownUsers, Where: slices.DeleteFunc(slices.Clone(known.Where),
		func(any []Condition) bool { return any[0].Column == "NeverSignedIn" })}
	excluded, err := rd.excluded(ctx, snap, q.Exclude)
	if err != nil {
		return u, err
	}
	u.walk.store, u.walk.snap, u.walk.columns = rd.store, snap, userColumns
	u.walk.few = !q.NewSince.IsZero() || q.picks()
	if q.Before.IsZero() {
		u.walk.expected = func(ctx context.Context) (int64, error) { return rd.countUsers(ctx, snap, q) }
	}
	asked, err := q.timeline(snap)
	if excluded.group != "" {
		err = notTold(q.NewSince, excluded.group)
	}
	if q.ID != "" {
		err = oneIsNotTold(q.NewSince)
	}
	switch {
	case err == nil:
		u.goes, err = goOn(ctx, rd, snap, asked, q.NewSince, at)
	case q.NewSince.IsZero():
		err = nil
	}
	u.page.Since, u.spared = u.goes.since(), &at.Spared
	u.walk.keep = u.keeper(excluded)
	return u, err
}

// keeper tells which rows belong to the answer.
func (u users) keeper(excluded left) func(Row) (bool, error) {
	return func(row Row) (bool, error) {
		id := UserIDOf(row.Key)
		if excluded.ids[id] || !u.query.has(row.Doc) || u.query.ID != "" && !strings.EqualFold(u.query.ID, id) {
			return false, nil
		}
		told, err := u.goes.tells(row)
		if told && excluded.newer[id] {
			*u.spared = true
			return false, err
		}
		return told, err
	}
}

// cursor is the one that the answer gives.
func (u users) cursor(ctx context.Context) (string, error) {
	snap := u.page.Snapshot
	if *u.spared { // who was left out was not told, and may leave the group before users are read again
		return u.goes.same(ctx)
	}
	waits := snap.WhyUndisclosed("all users") != nil // who did not come may be there
	if u.query.State == Inactive || u.query.Never != nil {
		waits = waits || snap.WhyUndisclosed("signInActivity") != nil
		if !waits {
			var err error
			if waits, err = u.goes.waits(ctx, u.unknown); err != nil {
				return "", err
			}
		}
	}
	return u.goes.next(ctx, snap.AsOf, waits)
}

// picks tells whether users are asked for by what the table service is not asked for.
func (q UserQuery) picks() bool { return q.Texts != nil || q.ID != "" }

// has tells whether a user's document has the texts that are asked for. Snapshots count users by
// none of them, and have no columns of them: what is asked for may be in one of a version before.
func (q UserQuery) has(doc []byte) bool {
	if q.Texts == nil {
		return true
	}
	is := func(asked, property string, of func(string) string) bool {
		return asked == "" || strings.EqualFold(asked, of(gjson.GetBytes(doc, property).Str))
	}
	itself := func(text string) string { return text }
	return is(q.Texts.Department, "department", itself) &&
		is(q.Texts.Domain, "userPrincipalName", rules.DomainOf) &&
		is(q.Texts.ExternalState, "externalUserState", itself)
}

// UserIDOf is the id in the key of a user's row.
func UserIDOf(key string) string {
	if at := strings.IndexByte(key, '_'); at >= 0 {
		return key[at+1:]
	}
	return key
}

// Users answers with one page. token is empty for the first, and what the page before gave for the
// next.
func (rd *Reader) Users(ctx context.Context, q UserQuery, top int, count bool, token string) (UserPage, error) {
	asked := question("users", q)
	from, snap, err := rd.begin(ctx, token, asked, usersRead)
	if err != nil {
		return UserPage{}, err
	}
	u, err := rd.putUsers(ctx, snap, q, from)
	if err != nil {
		return UserPage{}, rd.gone(snap, err)
	}
	if count && token == "" {
		n, err := u.count(ctx, rd)
		if err != nil {
			return UserPage{}, rd.gone(snap, err)
		}
		u.page.Count = &n
	}
	read := u.walk.page
	if q.Order != (Order{}) && q.Order != (Order{By: "inactiveSinceDateTime"}) {
		read = func(ctx context.Context, from place, top int) ([]Row, place, bool, error) {
			return u.walk.sorted(ctx, q.Order, q.Order.By, from, top)
		}
	}
	rows, at, more, err := read(ctx, from, top)
	if err != nil {
		return UserPage{}, rd.gone(snap, err)
	}
	for _, row := range rows {
		u.page.Rows = append(u.page.Rows, u.stated(row))
	}
	if !more {
		u.page.Cursor, err = u.cursor(ctx)
		return u.page, rd.gone(snap, err)
	}
	at.Spared = *u.spared
	if at, err = u.goes.at(ctx, at); err != nil {
		return u.page, err
	}
	u.page.Next = skiptoken.Seal(snap.TokenKey, at)
	return u.page, nil
}

// begin finds the place and snapshot of a token, or those of a first page.
func (rd *Reader) begin(ctx context.Context, token, asked string, of []string) (place, Snapshot, error) {
	if token != "" {
		return rd.open(ctx, token, asked)
	}
	snap, err := rd.currentOf(ctx, of)
	return place{Snapshot: snap.ID, Question: asked, Now: rd.clock().UTC().Truncate(entra.Tick),
		Current: snap.current}, snap, err
}

// EachUser answers with all rows, one after the other.
func (rd *Reader) EachUser(ctx context.Context, q UserQuery, yield func(UserRow) error) error {
	snap, err := rd.currentOf(ctx, usersRead)
	if err != nil {
		return err
	}
	u, err := rd.putUsers(ctx, snap, q, place{})
	if err != nil {
		return rd.gone(snap, err)
	}
	return rd.gone(snap, u.walk.all(ctx, false, func(row Row) error {
		answer, err := readUserRow(u.stated(row))
		if err != nil {
			return fmt.Errorf("read user %s of the snapshot: %w", row.Key, err)
		}
		return yield(answer)
	}))
}

// stated puts the state, which depends on the question, into a row's document.
func (u users) stated(row Row) json.RawMessage {
	state := Unknown
	if since, err := time.Parse(KeyTime, row.Key[:min(len(row.Key), len(KeyTime))]); err == nil {
		state = Active
		if rules.IsInactive(since, u.page.Cutoff) {
			state = Inactive
		}
	}
	doc, _ := row.own()
	return append([]byte(`{"state":"`+state+`",`), doc[1:]...)
}

// count is the number of all rows: from the snapshot's counts where the question is one of whole
// days, else by counting.
func (u users) count(ctx context.Context, rd *Reader) (int64, error) {
	if u.query.Before.IsZero() && len(u.query.Exclude) == 0 && u.query.NewSince.IsZero() && !u.query.picks() {
		return rd.countUsers(ctx, u.page.Snapshot, u.query)
	}
	var n int64
	err := u.walk.all(ctx, u.query.NewSince.IsZero() && !u.query.picks(), func(Row) error { n++; return nil })
	return n, err
}

// countUsers counts the users in a question's state, by the snapshot's counts.
func (rd *Reader) countUsers(ctx context.Context, snap Snapshot, q UserQuery) (n int64, err error) {
	counts, err := rd.ageCounts(ctx, snap)
	for _, c := range counts {
		if q.counts(c) {
			n += c.Users
		}
	}
	return n, err
}

// counts tells whether users of a kind and age are asked for.
func (q UserQuery) counts(c AgeCount) bool {
	for want, is := range map[*bool]bool{q.Guest: c.Guest, q.Enabled: c.Enabled, q.Licensed: c.Licensed,
		q.Synced: c.Synced, q.Never: c.Never} {
		if want != nil && *want != is {
			return false
		}
	}
	switch q.State {
	case "":
		return q.Never == nil || c.Days >= 0
	case Inactive:
		return c.Days >= q.Days
	case Unknown:
		return c.Days < 0
	}
	return true
}

func (rd *Reader) ageCounts(ctx context.Context, snap Snapshot) ([]AgeCount, error) {
	row, err := rd.store.Row(ctx, snap.ID, Summaries, userCounts, snap.Checked(Summaries))
	if err != nil {
		return nil, err
	}
	var counts []AgeCount
	if err := json.Unmarshal(row.Doc, &counts); err != nil {
		return nil, fmt.Errorf("read the counts of the snapshot: %w", err)
	}
	return counts, nil
}

// maxExcluded bounds a list of exceptions; more are better put into a group.
const maxExcluded = 100

// left are the users that a question leaves out.
type left struct {
	ids   map[string]bool
	newer map[string]bool // members of groups by the newer snapshot for which this one stands in
	group string          // the first of the groups that were read for a question; empty: there is none
}

// excluded finds the ids of the users that a question leaves out. What is neither a user of the
// snapshot nor a group that was read is refused: a mistyped exception would have an account that
// somebody needs reported as inactive.
func (rd *Reader) excluded(ctx context.Context, snap Snapshot, list []string) (left, error) {
	if len(list) == 0 {
		return left{}, nil
	}
	if len(list) > maxExcluded {
		return left{}, refuse("exclude", fmt.Sprintf("it names %d", len(list)),
			fmt.Sprintf("accepted are up to %d; put them into a group and name it", maxExcluded))
	}
	name := snap.ID + "\n" + snap.current + "\n" + strings.Join(list, "\n")
	rd.mu.Lock()
	set, ok := rd.sets[name]
	rd.mu.Unlock()
	if ok {
		return set, nil
	}
	set = left{ids: make(map[string]bool), newer: make(map[string]bool)}
	for _, item := range list {
		if err := rd.exclude(ctx, snap, item, &set); err != nil {
			return left{}, err
		}
	}
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if len(rd.sets) >= kept {
		clear(rd.sets)
	}
	rd.sets[name] = set
	return set, nil
}

func (rd *Reader) exclude(ctx context.Context, snap Snapshot, item string, into *left) error {
	if is, err := rd.excludeGroup(ctx, snap, item, into); is || err != nil {
		return err
	}
	id, err := rd.findUser(ctx, snap, item)
	if !errors.Is(err, ErrNoRow) {
		into.ids[id] = true
		return err
	}
	members, err := rd.members(ctx, snap, item)
	if errors.Is(err, ErrNoRow) {
		return unknownException(snap, item)
	}
	for _, id := range members {
		into.ids[id] = true
	}
	into.group = cmp.Or(into.group, item)
	return err
}

// findUser finds a user's id, given the id or the principal name; ErrNoRow where there is none.
func (rd *Reader) findUser(ctx context.Context, snap Snapshot, idOrName string) (string, error) {
	if strings.Contains(idOrName, "@") {
		row, err := rd.store.Row(ctx, snap.ID, ReadNames, strings.ToLower(idOrName), snap.Checked(ReadNames))
		return string(row.Doc), err
	}
	id := strings.ToLower(idOrName)
	_, err := rd.store.Row(ctx, snap.ID, ReadUsers, id, snap.Checked(ReadUsers))
	return id, err
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
