package snapshots

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/rules"
)

const (
	// improbable is the chance below which something is not taken for chance.
	improbable = 1e-6
	// fading is how often the activity of a user may be gone for a reason that is none of Graph's
	// paging: it is kept for as long as the user exists, so this is generous. Source:
	// learn.microsoft.com/graph/api/resources/signinactivity.
	fading = 0.001
)

// tooMany tells whether k of n are more than chance gives where each is so with probability p: by
// Chernoff's bound, which is no less than the tail of the binomial distribution.
func tooMany(n, k int64, p float64) bool {
	if n <= 0 || k <= 0 {
		return false
	}
	a := float64(k) / float64(n)
	if a <= p {
		return false
	}
	exponent := a * math.Log(a/p)
	if a < 1 {
		exponent += (1 - a) * math.Log((1-a)/(1-p))
	}
	return math.Exp(-float64(n)*exponent) < improbable
}

// gap is a page some of whose users came without activity.
type gap struct {
	users, without int64
	faded          int64 // of those without, who had some in the snapshot before
}

// gaps are such pages, by their numbers.
type gaps map[int64]*gap

// meet counts a user, if the user came without activity and others of the page with.
func (g gaps) meet(u directory.UserRead, faded bool) {
	if u.Gap == nil {
		return
	}
	page := g[u.Gap.Page]
	if page == nil {
		page = &gap{users: u.Gap.Users, without: u.Gap.Without}
		g[u.Gap.Page] = page
	}
	if faded {
		page.faded++
	}
}

// broken are the pages whose missing activity can't be chance, by the users who had some in the
// snapshot before: those of one page, or those of all together.
func (g gaps) broken() map[int64]bool {
	var held, faded int64
	out := make(map[int64]bool)
	for number, page := range g {
		n := page.users - page.without + page.faded
		held, faded = held+n, faded+page.faded
		if tooMany(n, page.faded, fading) {
			out[number] = true
		}
	}
	for number, page := range g {
		if page.faded > 0 && tooMany(held, faded, fading) {
			out[number] = true
		}
	}
	return out
}

// suspects are the pages on which so many users have no activity that it can't be chance, by the
// share of all others. It takes no decision: which of these users have some is asked.
func (g gaps) suspects(snap directory.Snapshot) map[int64]bool {
	out := make(map[int64]bool)
	for number, page := range g {
		others, without := snap.Disclosing-page.users, snap.Disclosing-snap.Active-page.without
		if others > 0 && tooMany(page.users, page.without, float64(without+1)/float64(others+2)) {
			out[number] = true
		}
	}
	return out
}

// lookCloser finds out whether sign-in activity is missing from a part of some pages, as Graph has
// been seen to leave it out of pages of more than 120 users without an error. If so, the users are
// walked through once more in smaller pages, and anew is true; what is missing after that is marked
// as not known. Source: github.com/microsoftgraph/msgraph-sdk-powershell/issues/1898.
func (r *reading) lookCloser(ctx context.Context, q collections.Query, e ending) (anew bool, err error) {
	if q.Collection.Evidence != collections.ByActivity {
		return false, nil
	}
	var broken map[int64]bool
	if e.First {
		broken, err = r.askActivity(ctx, q)
	} else {
		broken = r.gaps.broken()
	}
	if err != nil || len(broken) == 0 {
		return false, err
	}
	r.maker.log.WarnContext(ctx, "sign-in activity is missing from a part of some pages", "pages", len(broken),
		"smaller", r.snap.Walk.Small)
	if !r.snap.Walk.Small && q.Collection.Smaller != "" {
		r.beginAnew()
		r.snap.Walk.Small, r.snap.Walk.Farthest, r.snap.Walk.First = true, 0, 0
		return true, r.save(ctx)
	}
	return false, r.mark(ctx, q.Collection, broken)
}

// mark marks the users without activity on broken pages. What the snapshot before knew of a user
// stands in for it, also that there was none, if it is of the night before; else it is not known.
func (r *reading) mark(ctx context.Context, c *collections.Collection, broken map[int64]bool) error {
	all := directory.Range{Partition: c.Partition}
	var earlier *merged
	if r.base.ID != "" {
		earlier = newMerged(r.maker.store.Rows(ctx, r.base.ID, r.past(ctx, r.base, all)))
		defer earlier.stop()
	}
	var rows []directory.Row
	for row, err := range r.maker.store.Rows(ctx, r.snap.ID, all) {
		if err != nil {
			return err
		}
		u, err := readUser(row)
		if err != nil {
			return err
		}
		if u.Gap == nil || !broken[u.Gap.Page] {
			continue
		}
		var old *directory.UserRead
		if earlier != nil {
			err = earlier.of(row.Key, func(row directory.Row) error {
				before, err := readUser(row)
				old = &before
				return err
			})
		}
		if err != nil && !errors.Is(err, directory.ErrNoSnapshot) {
			return err
		}
		rows = append(rows, directory.Document(row.Key, leftOut(u, old, r.base, r.snap)))
		if len(rows) == atOnce {
			if err := r.maker.store.Put(ctx, r.snap.ID, c.Partition, rows); err != nil {
				return err
			}
			rows = rows[:0]
		}
	}
	return r.maker.store.Put(ctx, r.snap.ID, c.Partition, rows)
}

// leftOut is a user whose activity Graph left out. before is as the snapshot before had the user;
// nil: it did not.
func leftOut(u directory.UserRead, before *directory.UserRead, old, snap directory.Snapshot) directory.UserRead {
	u.LeftOut, u.As = true, time.Time{}
	if before != nil {
		u.As = asOf(*before, old)
		known, _ := old.Disclosed(*before)
		u.LeftOut = !known || snap.AsOf.Sub(u.As) > directory.CarriedFor
	}
	if u.LeftOut {
		u.Earlier, u.Activity = rules.Newest(u.Earlier, u.Activity), rules.Activity{}
	}
	return u
}

// asOf is as of when a snapshot knows the activity of a user.
func asOf(u directory.UserRead, snap directory.Snapshot) time.Time {
	if u.As.IsZero() {
		return snap.AsOf
	}
	return u.As
}

func readUser(row directory.Row) (u directory.UserRead, err error) {
	if err = json.Unmarshal(row.Doc, &u); err != nil {
		err = fmt.Errorf("read user %s of the snapshot: %w", row.Key, err)
	}
	return u, err
}

// sampled is how many users without activity are asked for again where no snapshot before tells of
// them. If Graph has left out a tenth of such values, none of sixty is among these with a
// probability of 0.2 %.
const sampled = 4 * collections.MaxNamed

// askActivity asks for the activity of some users without, in small questions, and tells on which
// pages it was left out. Half of them are of the pages that have fewer than they should by the
// others.
func (r *reading) askActivity(ctx context.Context, q collections.Query) (map[int64]bool, error) {
	r.gaps = make(gaps)
	var without []directory.UserRead
	for row, err := range r.maker.store.Rows(ctx, r.snap.ID, directory.Range{Partition: q.Collection.Partition}) {
		if errors.Is(err, directory.ErrNoSnapshot) {
			return nil, nil // nobody came
		}
		if err != nil {
			return nil, err
		}
		u, err := readUser(row)
		if err != nil {
			return nil, err
		}
		if u.Gap != nil {
			r.gaps.meet(u, false)
			without = append(without, directory.UserRead{User: rules.User{ID: u.ID}, Gap: u.Gap})
		}
	}
	suspects := r.gaps.suspects(r.snap)
	slices.SortStableFunc(without, func(a, b directory.UserRead) int { return cmp.Compare(a.Gap.Page, b.Gap.Page) })
	var suspect, other []directory.UserRead
	for _, u := range without {
		if suspects[u.Gap.Page] {
			suspect = append(suspect, u)
		} else {
			other = append(other, u)
		}
	}
	half := sampled
	if len(suspect) > 0 && len(other) > 0 {
		half = sampled / 2
	}
	found, err := r.leavesOut(ctx, q, sample(suspect, half))
	if err != nil || !found {
		suspects = nil
	}
	if err != nil {
		return nil, err
	}
	if found, err = r.leavesOut(ctx, q, sample(other, half)); !found || err != nil {
		return suspects, err
	}
	broken := make(map[int64]bool, len(r.gaps))
	for number := range r.gaps {
		broken[number] = true
	}
	return broken, nil
}

// leavesOut asks for users who came without activity, and keeps what they have of it. It tells
// whether they have more than sign-ins between the two questions explain; before the smaller pages,
// whether they have any.
func (r *reading) leavesOut(ctx context.Context, q collections.Query, some []directory.UserRead) (bool, error) {
	var asked, found int64
	for len(some) > 0 {
		ids := make([]string, min(len(some), collections.MaxNamed))
		for i := range ids {
			ids[i] = some[i].ID
		}
		some = some[len(ids):]
		r.snap.GraphRequests++
		page, err := r.maker.source.Activity(ctx, q, ids)
		if refusal(err) || unforeseen(err) {
			r.maker.log.WarnContext(ctx, "sign-in activity can't be asked for by id", "error", err.Error())
			return false, nil
		}
		if err != nil {
			return false, err
		}
		asked += int64(len(page.Items))
		n, err := r.keepActivity(ctx, q.Collection, ids, page.Items)
		page.Free()
		if err != nil {
			return false, err
		}
		found += n
	}
	if !r.snap.Walk.Small {
		return found > 0, nil
	}
	return tooMany(asked, found, fading), nil
}

// keepActivity keeps the activity of users that were asked for by their ids, and tells how many
// have some.
func (r *reading) keepActivity(
	ctx context.Context, c *collections.Collection, ids []string, items [][]byte,
) (found int64, err error) {
	var rows []directory.Row
	for _, raw := range items {
		now, err := rules.ParseUser(raw)
		if err != nil || now.Activity.None() || !slices.Contains(ids, now.ID) {
			continue
		}
		row, err := r.maker.store.Row(ctx, r.snap.ID, c.Partition, now.ID, false)
		if err != nil {
			return 0, err
		}
		u, err := readUser(row)
		if err != nil {
			return 0, err
		}
		u.Activity, u.Gap = now.Activity, nil
		rows = append(rows, directory.Document(row.Key, u))
	}
	return int64(len(rows)), r.maker.store.Put(ctx, r.snap.ID, c.Partition, rows)
}
