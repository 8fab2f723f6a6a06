package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Count is one bar of a chart.
type Count struct {
	By    string `json:"by" text:"What is counted by: ageBand, userType, state, ..."`
	Name  string `json:"name" text:"The bar"`
	Count int64  `json:"count" text:"How many"`
}

// counter counts bars in the order in which they were named first.
type counter struct {
	bars  []Count
	index map[[2]string]int
}

func newCounter() *counter { return &counter{index: make(map[[2]string]int)} }

func (c *counter) add(by, name string, n int64) {
	key := [2]string{by, name}
	at, ok := c.index[key]
	if !ok {
		at = len(c.bars)
		c.index[key] = at
		c.bars = append(c.bars, Count{By: by, Name: name})
	}
	c.bars[at].Count += n
}

// named makes bars that show even if nothing falls into them.
func (c *counter) named(by string, names ...string) {
	for _, name := range names {
		c.add(by, name, 0)
	}
}

// ageBands are the bands by which users are counted: whole days from the last sign of life, up to
// the next band's.
var ageBands = []struct {
	from int
	name string
}{{0, "under 30 days"}, {30, "30 to 59 days"}, {60, "60 to 89 days"}, {90, "90 to 179 days"},
	{180, "180 to 364 days"}, {365, "365 days and more"}}

func bandOf(days int) string {
	name := ageBands[0].name
	for _, b := range ageBands {
		if days >= b.from {
			name = b.name
		}
	}
	return name
}

// UserSummary counts users: by age band all that the question's other parameters let through, and
// by type, enabled, licensed and so on those that are in the asked state.
func (rd *Reader) UserSummary(ctx context.Context, q UserQuery) (Snapshot, int64, []Count, error) {
	if !q.Before.IsZero() || len(q.Exclude) > 0 || !q.NewSince.IsZero() || q.picks() {
		return Snapshot{}, 0, nil, refuse("the query", "a summary knows whole days only, no texts, and no exceptions",
			"leave out before, exclude, department, domain, externalUserState, newSince and reader")
	}
	snap, err := rd.currentOf(ctx, usersRead)
	if err != nil {
		return snap, 0, nil, err
	}
	if _, err := rd.putUsers(ctx, snap, q, place{}); err != nil {
		return snap, 0, nil, rd.gone(snap, err)
	}
	counts, err := rd.ageCounts(ctx, snap)
	if err != nil {
		return snap, 0, nil, rd.gone(snap, err)
	}
	bars := userBars()
	anyAge := q
	anyAge.State = ""
	var total int64
	for _, c := range counts {
		if anyAge.counts(c) {
			bars.add("ageBand", c.band(), c.Users)
		}
		if q.counts(c) {
			total += c.Users
			bars.addUsers(c)
		}
	}
	return snap, total, bars.bars, nil
}

// userBars are the bars of a summary of users, all empty.
func userBars() *counter {
	bars := newCounter()
	for _, b := range ageBands {
		bars.named("ageBand", b.name)
	}
	bars.named("ageBand", Unknown)
	bars.named("userType", "member", "guest")
	for _, by := range []string{"accountEnabled", "licensed", "onPremisesSyncEnabled", "neverSignedIn"} {
		bars.named(by, "true", "false")
	}
	return bars
}

// addUsers adds users of one kind to the bars that tell kinds apart.
func (c *counter) addUsers(of AgeCount) {
	userType := "member"
	if of.Guest {
		userType = "guest"
	}
	c.add("userType", userType, of.Users)
	c.add("accountEnabled", fmt.Sprint(of.Enabled), of.Users)
	c.add("licensed", fmt.Sprint(of.Licensed), of.Users)
	c.add("onPremisesSyncEnabled", fmt.Sprint(of.Synced), of.Users)
	c.add("neverSignedIn", fmt.Sprint(of.Never), of.Users)
}

// band is the band by which users are counted.
func (c AgeCount) band() string {
	if c.Days < 0 {
		return Unknown
	}
	return bandOf(c.Days)
}

// CredentialSummary counts credentials: by state all that the question's other parameters let
// through, and by kind, origin and owner those that are in the asked states.
func (rd *Reader) CredentialSummary(ctx context.Context, q CredentialQuery) (Snapshot, int64, []Count, error) {
	if q.AppID != "" || q.Owner != "" && q.Owner != "none" || len(q.Exclude) > 0 || !q.NewSince.IsZero() ||
		q.Successor != nil || q.SelfRotating != nil {
		return Snapshot{}, 0, nil, refuse("the query", "a summary knows no single applications, owners or exceptions",
			"leave out appId, owner, successor, selfRotating, exclude, newSince and reader")
	}
	snap, err := rd.currentOf(ctx, credentialsRead)
	if err != nil {
		return snap, 0, nil, err
	}
	now := rd.clock().UTC()
	if _, err := rd.putCredentials(ctx, snap, q, place{Now: now}); err != nil {
		return snap, 0, nil, rd.gone(snap, err)
	}
	ends, err := rd.ends(ctx, snap)
	if err != nil {
		return snap, 0, nil, rd.gone(snap, err)
	}
	bars := newCounter()
	bars.named("state", string(Expired), string(Expiring), string(Unused), string(Valid))
	bars.named("kind", string(Secret), string(Certificate), string(FederatedKind))
	bars.named("origin", string(OnApplication), string(OnServicePrincipal))
	bars.named("noOwner", "true", "false")
	var total int64
	for _, e := range ends {
		if q.Kind != "" && q.Kind != e.Kind || q.Origin != "" && q.Origin != e.Origin ||
			q.Owner == "none" && !e.NoOwner || !q.Microsoft.Asks(e.Microsoft, e.Renewed) {
			continue
		}
		state, _ := e.credential().Judge(now, q.Within, q.UnusedFor)
		bars.add("state", string(state), 1)
		if len(q.States) > 0 && !slices.Contains(q.States, state) {
			continue
		}
		total++
		bars.add("kind", string(e.Kind), 1)
		bars.add("origin", string(e.Origin), 1)
		bars.add("noOwner", fmt.Sprint(e.NoOwner), 1)
	}
	return snap, total, bars.bars, nil
}

// ends is what a snapshot counts credentials by.
func (rd *Reader) ends(ctx context.Context, snap Snapshot) ([]CredentialEnd, error) {
	row, err := rd.store.Row(ctx, snap.ID, Summaries, credentialEnds, snap.Checked(Summaries))
	if err != nil {
		return nil, err
	}
	var ends []CredentialEnd
	if err := json.Unmarshal(row.Doc, &ends); err != nil {
		return nil, fmt.Errorf("read the counts of the snapshot: %w", err)
	}
	return ends, nil
}

// State tells what is known of snapshots, the newest first.
func (rd *Reader) State(ctx context.Context) ([]Snapshot, error) {
	return rd.store.Snapshots(ctx, listed)
}

func noRow(err, instead error) error {
	if errors.Is(err, ErrNoRow) {
		return instead
	}
	return err
}
