package directory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/entra"
)

// timelineMark stands between a document's own properties and its timeline. No text in a document
// has it, for within a text a quotation mark is escaped.
const timelineMark = `,"timeline":`

// WithTimeline puts a timeline behind the properties of a row's document, so that the row's check
// is of both.
func (r Row) WithTimeline(line any) Row {
	text, err := json.Marshal(line)
	if err != nil {
		panic("write a timeline: " + err.Error()) // it always has a JSON form
	}
	r.Doc = slices.Concat(r.Doc[:len(r.Doc)-1], []byte(timelineMark), text, []byte("}"))
	return r
}

// own is a row's document without the timeline, and the timeline; nil where it has none.
func (r Row) own() (doc, line []byte) {
	at := bytes.LastIndex(r.Doc, []byte(timelineMark))
	if at < 0 {
		return r.Doc, nil
	}
	return append(slices.Clip(r.Doc[:at]), '}'), r.Doc[at+len(timelineMark) : len(r.Doc)-1]
}

// readTimeline reads the timeline of a row of a snapshot whose rows have one.
func readTimeline[T timeline.User | timeline.Credential](row Row) (line T, err error) {
	_, text := row.own()
	if text == nil {
		return line, errors.New("it has no timeline")
	}
	err = json.Unmarshal(text, &line)
	return line, err
}

// badTimeline is the error about a row of an answer whose timeline can't be read.
func badTimeline(snap Snapshot, row Row, why error) error {
	return &entra.Error{Code: entra.CodeTampered, Doing: "read row " + clip(row.Key) + " of snapshot " + snap.ID,
		Why: why.Error(), Err: why,
		Remedy: "POST /api/snapshot takes a new snapshot; if a newer version of the app made this one, deploy that one"}
}

// numberedSnapshot is a snapshot in the list of those that timelines speak of.
type numberedSnapshot struct {
	Number int       `json:"n"`
	AsOf   time.Time `json:"t"`
	Groups *[]string `json:"g,omitempty"` // ids of the groups that it could read; nil: those of the one before
}

// numberedList is the document of the list.
type numberedList struct {
	Form int                `json:"form"`
	List []numberedSnapshot `json:"list"`
}

// timelineForm is the form in which this version keeps timelines.
const timelineForm = 1

// ErrOtherForm says that timelines are kept in a form that this version does not know.
var ErrOtherForm = errors.New("timelines are kept in the form of a newer version")

// NumberedSnapshots is the row that lists the snapshots that timelines speak of.
func NumberedSnapshots(list []timeline.Snapshot) Row {
	out := numberedList{Form: timelineForm}
	for i, s := range list {
		n := numberedSnapshot{Number: s.Number, AsOf: s.AsOf.UTC()}
		if i == 0 || !slices.Equal(list[i-1].Groups, s.Groups) {
			n.Groups = &s.Groups
		}
		out.List = append(out.List, n)
	}
	return Document(numbered, out)
}

// ReadNumbered reads the list of the snapshots that a snapshot's timelines speak of, the oldest
// first; the snapshot is the last of them.
func ReadNumbered(ctx context.Context, store Store, snap Snapshot) ([]timeline.Snapshot, error) {
	row, err := store.Row(ctx, snap.ID, Summaries, numbered, snap.Checked(Summaries))
	if err != nil {
		return nil, err
	}
	var stored numberedList
	if err := json.Unmarshal(row.Doc, &stored); err != nil {
		return nil, fmt.Errorf("read the list of snapshots: %w", err)
	}
	if stored.Form != timelineForm {
		return nil, ErrOtherForm
	}
	var (
		out    []timeline.Snapshot
		groups []string
	)
	for _, n := range stored.List {
		if n.Groups != nil {
			groups = *n.Groups
		}
		out = append(out, timeline.Snapshot{Number: n.Number, AsOf: n.AsOf, Groups: groups})
	}
	return out, nil
}

// Numbered is the snapshot in the list of those that timelines speak of.
func (s Snapshot) Numbered() timeline.Snapshot {
	groups := []string{}
	for _, g := range s.Groups {
		if !g.Unknown {
			groups = append(groups, g.ID)
		}
	}
	return timeline.Snapshot{Number: s.Number(), AsOf: s.AsOf, Groups: groups}
}

// SeenUser is what a snapshot says of a user to the user's timeline. groups are those that the user
// is a member of.
func SeenUser(u rules.User, d rules.Decision, groups []string) timeline.UserSeen {
	return timeline.UserSeen{Guest: u.Guest(), Enabled: u.Enabled, Licensed: len(u.Licences) > 0, Synced: u.Synced,
		Name: u.UserPrincipalName, Groups: groups, Known: d.Known, Since: d.Since, Never: d.Never,
		GraceUntil: d.GraceUntil, Texts: UserTexts{Department: u.Department,
			Domain: rules.DomainOf(u.UserPrincipalName), ExternalState: u.ExternalState}}
}

// SeenCredential is what a snapshot says of a credential to the credential's timeline.
func SeenCredential(c rules.Credential) timeline.CredentialSeen {
	seen := timeline.CredentialSeen{Secret: c.Kind == Secret, Application: c.Origin == OnApplication,
		SelfRotating: c.Rotates != "", HasSuccessor: c.Successor != "", NoOwner: c.NoOwner(),
		TenantKnown: c.TenantKnown, Microsoft: c.Microsoft, RenewedByMicrosoft: c.RenewedByMicrosoft(),
		Object: c.ObjectID, Start: c.Start, End: c.End, Used: c.UseKnown, Idle: c.IdleSince()}
	for _, o := range c.Owners {
		seen.Owners = append(seen.Owners, o.ID)
		for _, name := range []string{o.UserPrincipalName, o.Address()} {
			if name != "" {
				seen.Owners = append(seen.Owners, name)
			}
		}
	}
	return seen
}
