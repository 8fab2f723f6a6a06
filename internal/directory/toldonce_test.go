package directory_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
)

// standing is what the definition says of one item on one snapshot.
type standing int

const (
	out     standing = iota // it is not in the answer
	in                      // it is
	unknown                 // nobody can say
)

// answers are A(Q, n) of one question: for each snapshot in order, the items; what has no entry is
// out. missing says of a snapshot that it could not read the collection.
type answers struct {
	of      []map[string]standing
	missing []bool
	carried []bool // an older snapshot stood in for one that is missing
}

// shown is the snapshot from which answers are given at present: the newest, or what it refers to.
func (a *answers) shown() int {
	n := len(a.of) - 1
	for n > 0 && a.carried[n] {
		n--
	}
	return n
}

func (a *answers) at(id string, n int) standing {
	if a.missing[n] {
		return unknown
	}
	return a.of[n][id]
}

// run is, of the unbroken run in which an item answers the question at the newest snapshot, the
// first snapshot, and the last before it at which the item did not; -1: there is none.
func (a *answers) run(id string) (entered, lastOut int) {
	newest := len(a.of) - 1
	entered, lastOut = newest, -1
	for n := newest; n >= 0; n-- {
		switch a.at(id, n) {
		case out:
			return entered, n
		case in:
			entered = n
		}
	}
	return entered, lastOut
}

// caller asks one question again and again.
type caller struct {
	name   string
	users  *directory.UserQuery
	creds  *directory.CredentialQuery
	byTime bool // it keeps when it was answered, not the cursor

	since   directory.NewSince
	first   int             // the snapshot of the first answer
	asked   int             // that of the last one
	told    map[string]int  // with the snapshot at which it entered
	early   map[string]bool // told by the first answer for the moment of the call alone
	answers answers
}

// page is one page of either list.
type page struct {
	ids          []string
	next, cursor string
	answered     time.Time
}

func (c *caller) page(ctx context.Context, rd *directory.Reader, since directory.NewSince, top int, token string) (
	p page, err error) {
	if c.users != nil {
		q := *c.users
		q.NewSince = since
		got, err := rd.Users(ctx, q, top, false, token)
		for _, raw := range got.Rows {
			var u directory.UserRow
			if err := json.Unmarshal(raw, &u); err != nil {
				return p, err
			}
			p.ids = append(p.ids, u.ID)
		}
		p.next, p.cursor, p.answered = got.Next, got.Cursor, got.Answered
		return p, err
	}
	q := *c.creds
	q.NewSince = since
	got, err := rd.Credentials(ctx, q, top, false, token)
	for _, row := range got.Rows {
		p.ids = append(p.ids, row.AppID+"/"+row.KeyID)
	}
	p.next, p.cursor, p.answered = got.Next, got.Cursor, got.Answered
	return p, err
}

// all follows an answer through its pages.
func (c *caller) all(t *testing.T, rd *directory.Reader, since directory.NewSince, top int) (page, error) {
	all := page{ids: []string{}}
	for token := ""; ; {
		p, err := c.page(t.Context(), rd, since, top, token)
		if err != nil {
			return all, err
		}
		all.ids, all.cursor, all.answered = append(all.ids, p.ids...), p.cursor, p.answered
		require.Equal(t, p.next == "", p.cursor != "", "the last page has the cursor, and no other")
		if token = p.next; token == "" {
			return all, nil
		}
	}
}

// look notes A(Q, n) of the newest snapshot, asked without timelines: by a plain question whose
// clock stands at the snapshot's time.
func (c *caller) look(t *testing.T, h *house, snap directory.Snapshot) {
	rd := directory.NewReader(h.store, h.cursors, func() time.Time { return snap.AsOf })
	now := make(map[string]standing)
	carried := snap.WhyCarried("users") != nil
	if c.creds != nil {
		carried = snap.WhyCarried("applications") != nil || snap.WhyCarried("servicePrincipals") != nil
	}
	c.answers.carried = append(c.answers.carried, carried)
	got, err := c.all(t, rd, directory.NewSince{}, 999)
	if withheld := entra.CodeOf(err) == entra.CodePermission; withheld || carried {
		require.True(t, withheld || err == nil, "%v", err)
		c.answers.of, c.answers.missing = append(c.answers.of, now), append(c.answers.missing, true)
		return
	}
	require.NoError(t, err, c.name)
	for _, id := range got.ids {
		now[id] = in
	}
	c.unknowns(t, rd, snap, now)
	c.answers.of, c.answers.missing = append(c.answers.of, now), append(c.answers.missing, false)
}

// unknowns notes of whom nobody can say.
func (c *caller) unknowns(t *testing.T, rd *directory.Reader, snap directory.Snapshot, now map[string]standing) {
	other := *c
	switch {
	case c.users != nil && (c.users.State == directory.Inactive || c.users.Never != nil):
		q := *c.users
		q.State, q.Never = directory.Unknown, nil
		other.users = &q
		for token := ""; ; {
			p, err := other.page(t.Context(), rd, directory.NewSince{}, 999, token)
			require.NoError(t, err)
			for _, id := range p.ids {
				now[id] = unknown
			}
			if token = p.next; token == "" {
				return
			}
		}
	case c.creds != nil && slices.Contains(c.creds.States, directory.Unused) &&
		snap.WhyUndisclosed("credentialUse") != nil:
		q := *c.creds
		q.States = []directory.State{directory.Valid} // as far as is known
		got, err := rd.Credentials(t.Context(), q, 999, false, "")
		require.NoError(t, err)
		for _, row := range got.Rows {
			if start := at(row.Start); start.After(snap.AsOf) {
				continue
			}
			now[row.AppID+"/"+row.KeyID] = unknown
		}
	}
}

// ask asks as the caller does, and compares with the definition.
func (c *caller) ask(t *testing.T, h *house, top int, fails bool) {
	newest := c.answers.shown()
	plain := c.since.IsZero()
	got, err := c.all(t, h.reader, c.since, top)
	if c.answers.missing[newest] {
		require.Equal(t, entra.CodePermission, entra.CodeOf(err), c.name)
		return
	}
	require.NoError(t, err, c.name)
	slices.Sort(got.ids)
	require.Equal(t, slices.Compact(slices.Clone(got.ids)), got.ids, "%s: nobody stands twice in one answer", c.name)
	if !plain {
		require.Equal(t, c.expected(), got.ids, "%s at snapshot %d, asked at %d", c.name, newest, c.asked)
	}
	again, err := c.all(t, h.reader, c.since, 999)
	require.NoError(t, err)
	slices.Sort(again.ids)
	require.Equal(t, got.ids, again.ids, "the same cursor gives the same answer")
	if fails {
		return // what it was told is told again
	}
	for _, id := range got.ids {
		if c.answers.at(id, newest) == in {
			c.told[id], _ = c.answers.run(id)
		} else {
			require.True(t, plain, "%s was told of %s, which is not in the answer", c.name, id)
			c.early[id] = true
		}
	}
	if c.asked = newest; plain {
		c.first = newest
	}
	c.since = directory.NewSince{Cursor: got.cursor}
	if c.byTime {
		c.since = directory.NewSince{At: got.answered}
	}
}

// expected is what the definition has told now.
func (c *caller) expected() []string {
	ids := []string{}
	newest := c.answers.shown()
	for _, id := range slices.Sorted(maps.Keys(c.answers.of[newest])) {
		if c.answers.at(id, newest) != in {
			continue
		}
		entered, lastOut := c.answers.run(id)
		before, was := c.told[id]
		switch {
		case was && before == entered, c.early[id] && lastOut <= c.first:
			continue
		case c.byTime && entered <= c.asked: // a time knows no more than its snapshot
			continue
		}
		ids = append(ids, id)
	}
	return ids
}
