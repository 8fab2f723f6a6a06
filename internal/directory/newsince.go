package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/entra"
)

// NewSince asks for what is new only; the zero value asks for everything. One of its fields is set.
type NewSince struct {
	At       time.Time // since the snapshot that a call at that time would have used
	Previous bool      // since the snapshot before
	// What a version before did not know is left out of the hash of a question, so that its skip
	// tokens stay good.
	Cursor string `json:",omitempty"` // since the answer that gave it
	Reader string `json:",omitempty"` // since the answer that the reader was moved to
}

// IsZero tells whether everything is asked for.
func (s NewSince) IsZero() bool { return s == NewSince{} }

// Cursors writes and reads the cursors that answers carry, and keeps them for readers.
type Cursors interface {
	// Archive is the id of the archive, which its cursors name.
	Archive(ctx context.Context) (string, error)
	// Seal writes a cursor as a text.
	Seal(ctx context.Context, c timeline.Cursor) (string, error)
	// Open reads such a text. Errors are those of timeline.Open.
	Open(ctx context.Context, text string) (timeline.Cursor, error)
	// OfReader is the cursor that is kept for a reader; the zero value where there is no such
	// reader.
	OfReader(ctx context.Context, name string) (timeline.Cursor, error)
}

// continuing is a question that goes on with what its caller was told: by a cursor that is given,
// or by the one that the answer gives.
type continuing[T timeline.User | timeline.Credential] struct {
	rd     *Reader
	snap   Snapshot
	asked  timeline.Asked[T]
	cursor timeline.Cursor // what the caller was told
	only   bool            // what it was told is left out
}

// continuable is a question that timelines can answer.
type continuable[T timeline.User | timeline.Credential] interface {
	ID() string
	On(on *timeline.Snapshots) (timeline.Asked[T], error)
}

// goOn readies a question for a snapshot; nil where everything is asked for and the answer gives no
// cursor. at is the place of the page.
func goOn[T timeline.User | timeline.Credential](
	ctx context.Context, rd *Reader, snap Snapshot, q continuable[T], since NewSince, at place,
) (*continuing[T], error) {
	if !snap.Timelines {
		if since.IsZero() {
			return nil, nil
		}
		return nil, &entra.Error{Code: entra.CodeNoSnapshot, Doing: "tell what is new",
			Why:    "the snapshot of " + snap.AsOf.Format(time.RFC3339) + " was made by a version that did not keep it",
			Remedy: "the next one can tell; POST /api/snapshot takes one now"}
	}
	on, err := rd.numbered(ctx, snap)
	if err != nil {
		return nil, err
	}
	asked, err := q.On(on)
	if err != nil {
		if since.IsZero() {
			return nil, nil
		}
		return nil, err
	}
	c := &continuing[T]{rd: rd, snap: snap, asked: asked, only: !since.IsZero()}
	c.cursor, err = rd.told(ctx, snap, on, q.ID(), since, at, read[T]())
	return c, err
}

// numbered are the snapshots that the timelines of a snapshot speak of.
func (rd *Reader) numbered(ctx context.Context, snap Snapshot) (*timeline.Snapshots, error) {
	rd.mu.Lock()
	on, ok := rd.on[snap.ID]
	rd.mu.Unlock()
	if ok {
		return on, nil
	}
	list, err := ReadNumbered(ctx, rd.store, snap)
	if err == nil {
		on, err = timeline.NewSnapshots(list)
	}
	if err != nil {
		return nil, err
	}
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if len(rd.on) >= kept {
		clear(rd.on)
	}
	rd.on[snap.ID] = on
	return on, nil
}

// told is the cursor of what a caller was told. Pages after the first go on with that of the first,
// whatever its reader was moved to meanwhile.
func (rd *Reader) told(
	ctx context.Context, snap Snapshot, on *timeline.Snapshots, id string, since NewSince, at place, of []string,
) (c timeline.Cursor, err error) {
	archive, err := rd.cursors.Archive(ctx)
	nothing := timeline.Cursor{Archive: archive, Question: id}
	if err != nil || since.IsZero() {
		return nothing, err
	}
	text := since.Cursor
	if at.Cursor != "" {
		text = at.Cursor
	}
	switch {
	case text != "":
		if c, err = rd.cursors.Open(ctx, text); err == nil {
			err = c.Check(on, id)
		}
	case since.Reader != "":
		if c, err = rd.cursors.OfReader(ctx, since.Reader); err != nil || c.Number == 0 {
			return nothing, err
		}
		err = cursors.Explain(since.Reader, c.Check(on, id))
	default:
		var n int
		if n, err = rd.usedAt(ctx, snap, on, since, of); err != nil || n == 0 {
			return nothing, err
		}
		c, err = timeline.At(on, archive, id, n)
	}
	return c, err
}

// clockApart is how far the clocks of a caller, of the tenant and of this machine may be apart.
const clockApart = 5 * time.Minute

// usedAt is the number of the snapshot that a call at a time would have used, or of the one before
// the newest; 0: there was none, and nothing has been told.
func (rd *Reader) usedAt(
	ctx context.Context, snap Snapshot, on *timeline.Snapshots, s NewSince, of []string,
) (int, error) {
	if s.Previous {
		return rd.usedBefore(ctx, snap, on, of)
	}
	if now := rd.clock().UTC(); s.At.After(now.Add(clockApart)) {
		return 0, refuse("newSince", fmt.Sprintf("it is %s, and now it is %s", s.At.Format(time.RFC3339),
			now.Format(time.RFC3339)), "give nextCursor of the last answer, or its answeredAtDateTime")
	}
	used, err := rd.store.CurrentAt(ctx, s.At)
	if errors.Is(err, ErrNoSnapshot) {
		return 0, nil
	}
	// A page is answered from one snapshot, though a newer one may be there.
	return min(used.answering(of), snap.Number()), err
}

// usedBefore is the number of the snapshot that answered before another one did.
func (rd *Reader) usedBefore(ctx context.Context, snap Snapshot, on *timeline.Snapshots, of []string) (int, error) {
	n := on.Before(snap.Number())
	if n == 0 {
		return 0, nil
	}
	before, err := rd.byID(ctx, idOf(n))
	if errors.Is(err, ErrNoSnapshot) {
		return n, nil
	}
	return before.answering(of), err
}

// answeredAt is when an answer was given: a moment at which its snapshot was the current one for
// sure, though the tenant's clock, by which snapshots end, and this machine's may differ. So
// newSince with that moment finds the same snapshot.
func answeredAt(snap Snapshot, now time.Time) time.Time {
	if at := now.Add(-clockApart); at.After(snap.Finished) {
		return at
	}
	return snap.Finished
}

// tells tells whether a row belongs to the answer.
func (c *continuing[T]) tells(row Row) (bool, error) {
	if c == nil || !c.only {
		return true, nil
	}
	line, err := readTimeline[T](row)
	if err != nil {
		return false, badTimeline(c.snap, row, err)
	}
	return c.asked.Tells(line, c.cursor), nil
}

// next is the cursor that an answer gives with its last page; empty where it gives none. judged is
// the moment for which it told states; waits tells whether something waits to be told.
func (c *continuing[T]) next(ctx context.Context, judged time.Time, waits bool) (string, error) {
	if c == nil {
		return "", nil
	}
	next := c.cursor.After(c.snap.Numbered(), waits)
	if !c.only && judged.After(c.snap.AsOf) {
		next = next.JudgedAt(judged)
	}
	return c.rd.cursors.Seal(ctx, next)
}

// same is the cursor that the question was asked with; empty where there was none.
func (c *continuing[T]) same(ctx context.Context) (string, error) {
	if c == nil || c.cursor.Number == 0 {
		return "", nil
	}
	return c.rd.cursors.Seal(ctx, c.cursor)
}

// since is the time up to which the caller was told; zero: nothing was.
func (c *continuing[T]) since() time.Time {
	if c == nil || !c.only {
		return time.Time{}
	}
	return c.cursor.AsOf
}

// at is a place with what the caller was told, for the page after it.
func (c *continuing[T]) at(ctx context.Context, p place) (place, error) {
	var err error
	if c != nil && c.only {
		p.Cursor, err = c.rd.cursors.Seal(ctx, c.cursor)
	}
	return p, err
}

// maxWaiting bounds how many rows are looked at to find out whether one waits to be told. Where
// there are more, one is taken to: the next cursor is longer for it, and no less right.
const maxWaiting = 5 * maxTop

// waits tells whether one of some rows waits to be told, because nobody can say of it at the
// moment.
func (c *continuing[T]) waits(ctx context.Context, unknown Range) (bool, error) {
	if c == nil {
		return false, nil
	}
	unknown = c.snap.Checking(unknown)
	seen := 0
	for row, err := range c.rd.store.Rows(ctx, c.snap.ID, unknown) {
		if err != nil {
			return false, err
		}
		line, err := readTimeline[T](row)
		if err != nil {
			return false, badTimeline(c.snap, row, err)
		}
		if seen++; seen == maxWaiting || c.asked.Waits(line, c.cursor) {
			return true, nil
		}
	}
	return false, nil
}

// parameter is the one by which what is new is asked for.
func (s NewSince) parameter() string {
	if s.Reader != "" {
		return "reader"
	}
	return "newSince"
}

// timeline is the question to the timelines of users. An error says that it can't be continued.
func (q UserQuery) timeline(snap Snapshot) (timeline.UserQuestion, error) {
	out := timeline.UserQuestion{Guest: q.Guest, Enabled: q.Enabled, Licensed: q.Licensed, Synced: q.Synced,
		Never: q.Never, Texts: q.Texts}
	switch {
	case q.Texts != nil && snap.Timelines && !snap.Texts:
		return out, &entra.Error{Code: entra.CodeNoSnapshot, Doing: "tell what is new",
			Why: "the snapshot of " + snap.AsOf.Format(time.RFC3339) + " was made by a version that did not keep " +
				"since when users have their department, domain and externalUserState",
			Remedy: "the next one can tell; POST /api/snapshot takes one now"}
	case !q.Before.IsZero() || q.State == Unknown:
		return out, refuse(q.NewSince.parameter(), "it is asked together with before, or with state=unknown",
			"ask with days, and state=inactive or all")
	case q.State == Inactive:
		out.Days = q.Days
	}
	for _, item := range q.Exclude {
		switch {
		case snap.hasGroup(item):
			out.Groups = append(out.Groups, item)
		case strings.Contains(item, "@"):
			out.Names = append(out.Names, item)
		default:
			out.Fixed = append(out.Fixed, item)
		}
	}
	return out, nil
}

// timeline is the question to the timelines of credentials; an error as for users.
func (q CredentialQuery) timeline() (timeline.CredentialQuestion, error) {
	out := timeline.CredentialQuestion{Within: q.Within, UnusedFor: q.UnusedFor, Successor: q.Successor,
		SelfRotating: q.SelfRotating, Objects: q.Exclude, Microsoft: q.Microsoft}
	all := len(q.States) == 0 || q.asks(Expired) && q.asks(Expiring) && q.asks(Unused) && q.asks(Valid)
	if !all && q.asks(Valid) {
		return out, refuse(q.NewSince.parameter(), "it is asked together with credentials that are valid",
			"ask with state=expired, expiring or unused, several of them with commas between, or all")
	}
	if !all && q.asks(Unused) && q.UnusedFor < timeline.LeastUnused {
		return out, refuse(q.NewSince.parameter(), fmt.Sprintf("unusedDays is %d", int(q.UnusedFor.Hours()/24)),
			fmt.Sprintf("with state=unused, ask with %d days or more: the tenant's report of use is days late",
				int(timeline.LeastUnused.Hours()/24)))
	}
	if !all {
		out.Expired, out.Expiring, out.Unused = q.asks(Expired), q.asks(Expiring), q.asks(Unused)
	}
	if q.Kind != "" {
		out.Secret = new(q.Kind == Secret)
	}
	if q.Origin != "" {
		out.Application = new(q.Origin == OnApplication)
	}
	if q.Owner == "none" {
		out.Ownerless = new(true)
	} else {
		out.Owner = q.Owner
	}
	if q.AppID != "" {
		out.Fixed = append(out.Fixed, "appId "+q.AppID)
	}
	for _, item := range q.Exclude {
		out.Fixed = append(out.Fixed, "not "+item)
	}
	return out, nil
}

// hasGroup tells whether the members of a group were to be read.
func (s Snapshot) hasGroup(id string) bool {
	for _, g := range s.Groups {
		if strings.EqualFold(g.ID, id) {
			return true
		}
	}
	return false
}
