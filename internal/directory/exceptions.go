package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// MaxMembers is how many users a group may have that is read when a question leaves it out. More
// are read with each snapshot, for groups that the settings name.
const MaxMembers = 999

// Groups are the groups of the tenant.
type Groups interface {
	// Members are the ids, in lower case, of the users who are members of a group, directly or by
	// another group. The errors have entra.CodeNotFound where the tenant has no such group,
	// entra.CodePermission where the members are hidden from the app, and entra.CodeBadRequest
	// where there are more than most.
	Members(ctx context.Context, group string, most int) ([]string, error)
}

// Exceptions reads groups that questions leave out and that snapshots do not read. What was read of
// a group is kept with the snapshot, so that all answers from it leave out the same users.
type Exceptions struct {
	reader *Reader
	groups Groups
	slice  time.Duration
}

// NewExceptions makes Exceptions. slice is how long one call of Read may ask for groups.
func NewExceptions(reader *Reader, groups Groups, slice time.Duration) *Exceptions {
	return &Exceptions{reader, groups, slice}
}

// Read reads the groups of a question that were not read for its snapshot yet. asked says that
// there were any: the same question is then answered when it is asked again, or reads what is left.
// token is as for Reader.Users. Calls at the same time read the same group twice, and the first one
// that is kept counts.
func (e *Exceptions) Read(ctx context.Context, q UserQuery, token string) (asked bool, err error) {
	if len(q.Exclude) == 0 {
		return false, nil
	}
	_, snap, err := e.reader.begin(ctx, token, question("users", q), usersRead)
	if err != nil {
		return false, err
	}
	unread, err := e.reader.unread(ctx, snap, q.Exclude)
	if err != nil || len(unread) == 0 {
		return false, e.reader.gone(snap, err)
	}
	if !q.NewSince.IsZero() {
		return false, notTold(q.NewSince, unread[0])
	}
	working, stop := context.WithTimeout(ctx, e.slice)
	defer stop()
	for i, group := range unread {
		err := e.read(working, snap, group)
		switch {
		case errors.Is(err, ErrNoSnapshot): // it was dropped, so another one is current
			return true, nil
		case err != nil && working.Err() != nil && ctx.Err() == nil && i > 0:
			return true, nil
		case err != nil && working.Err() != nil && ctx.Err() == nil:
			return false, &entra.Error{Code: entra.CodeUnavailable, Doing: "read the members of group " + group,
				Err: err,
				Why: fmt.Sprintf("Graph did not give them within %s", e.slice), Remedy: "ask again"}
		case err != nil:
			return false, err
		}
	}
	return true, nil
}

// read reads one group and keeps it with a snapshot.
func (e *Exceptions) read(ctx context.Context, snap Snapshot, group string) error {
	members, err := e.groups.Members(ctx, group, MaxMembers)
	if entra.CodeOf(err) == entra.CodeNotFound {
		return unknownException(snap, group)
	}
	if err != nil {
		return err
	}
	slices.Sort(members)
	read := readGroup{Read: e.reader.clock().UTC(), Members: members}
	return e.reader.store.Add(ctx, snap.ID, AskedMembers, Document(group, read))
}

// readGroup is the document of a group that a question had read.
type readGroup struct {
	Read    time.Time `json:"readDateTime"`
	Members []string  `json:"members"`
}

// guid is the form of an object's id.
var guid = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// unread are the exceptions of a list, in lower case, that may be groups of which nothing was read.
func (rd *Reader) unread(ctx context.Context, snap Snapshot, list []string) (out []string, err error) {
	if len(list) > maxExcluded {
		return nil, nil // that is refused with the answer
	}
	for _, item := range list {
		id := strings.ToLower(item)
		if !guid.MatchString(item) || snap.hasGroup(item) || slices.Contains(out, id) {
			continue
		}
		_, err := rd.findUser(ctx, snap, item)
		if errors.Is(err, ErrNoRow) {
			_, err = rd.members(ctx, snap, item)
		}
		if errors.Is(err, ErrNoRow) {
			out, err = append(out, id), nil
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// members are those of a group that a question had read; ErrNoRow where none had.
func (rd *Reader) members(ctx context.Context, snap Snapshot, group string) ([]string, error) {
	row, err := rd.store.Row(ctx, snap.ID, AskedMembers, strings.ToLower(group), snap.Checked(AskedMembers))
	if err != nil {
		return nil, err
	}
	var read readGroup
	if err := json.Unmarshal(row.Doc, &read); err != nil {
		return nil, fmt.Errorf("read the members of group %s: %w", clip(group), err)
	}
	return read.Members, nil
}

// notTold is the error of a question for what is new that leaves out such a group: nobody knows who
// was a member when the snapshots before were made.
func notTold(since NewSince, group string) error {
	return refuse(since.parameter(), "exclude names "+clip(group)+", which is no user of the snapshot, and no group "+
		"that snapshots read: who was a member before is not known",
		"name the group in SNAPSHOT_GROUPS; the snapshot after that can tell what is new")
}

// oneIsNotTold is the error of a question for what is new that asks for one row: a cursor is of all
// that its question has.
func oneIsNotTold(since NewSince) error {
	return refuse(since.parameter(), "$filter asks for one row by its id", "leave out one of the two")
}

// unknownException is the error of an exception that is nothing.
func unknownException(snap Snapshot, item string) error {
	return refuse("exclude",
		fmt.Sprintf("%q is no user of the snapshot of %s, and no group of the tenant", clip(item),
			snap.AsOf.Format(time.RFC3339)),
		"accepted are ids and principal names of users, and ids of groups")
}
