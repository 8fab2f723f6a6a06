package graph

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
)

var _ directory.Groups = (*Directory)(nil)

// maxMemberPages bounds a walk through a group's members: most of them may be devices.
const maxMemberPages = 10

// Members is directory.Groups'. The end of a walk is not taken for the whole by its own word: Graph
// is asked how many users there are, and where it says more, or nothing, a second walk has to bring
// as many, or the same. Source: learn.microsoft.com/graph/api/group-list-transitivemembers.
func (d *Directory) Members(ctx context.Context, group string, most int) ([]string, error) {
	members, _ := collections.All().Of(collections.GroupMembers)
	q := collections.Query{Collection: members, Group: group}
	if err := d.Readable(ctx, q); err != nil {
		return nil, err
	}
	found, err := d.walkMembers(ctx, q, most)
	if err != nil {
		return nil, err
	}
	count, counting := d.Count(ctx, q)
	if counting == nil && count <= int64(len(found)) {
		return slices.Collect(maps.Keys(found)), nil
	}
	if ctx.Err() != nil {
		return nil, counting
	}
	second, err := d.walkMembers(ctx, q, most)
	if err != nil {
		return nil, err
	}
	if counting != nil && !maps.Equal(found, second) || counting == nil && count > int64(len(second)) {
		why := fmt.Sprintf("Graph counts %d users and gives %d", count, len(second))
		if counting != nil {
			why = "Graph gives other users each time, and does not count them"
		}
		return nil, &entra.Error{Code: entra.CodeUnavailable, Doing: "read the members of group " + group, Why: why,
			Remedy: "ask again in a few minutes: its count follows a change of the group a little later", Err: counting}
	}
	return slices.Collect(maps.Keys(second)), nil
}

// walkMembers walks through the pages of a group's members once.
func (d *Directory) walkMembers(ctx context.Context, q collections.Query, most int) (map[string]bool, error) {
	found, link := make(map[string]bool), ""
	doing := "read the members of group " + q.Group
	for range maxMemberPages {
		page, err := d.Objects(ctx, q, link)
		if errors.Is(err, entra.ErrPagingLost) {
			return nil, &entra.Error{Code: entra.CodeUnavailable, Doing: doing, Why: "Graph lost the place in its list",
				Remedy: "ask again", Err: err}
		}
		if err != nil {
			return nil, err
		}
		for _, raw := range page.Items {
			if id := gjson.GetBytes(raw, "id").Str; id != "" {
				found[strings.ToLower(id)] = true
			}
		}
		link = strings.Clone(page.Next)
		page.Free()
		if len(found) > most {
			break
		}
		if link == "" {
			return found, nil
		}
	}
	why := fmt.Sprintf("more than %d users are members", most)
	if len(found) <= most {
		why = fmt.Sprintf("after %d pages of members there are more", maxMemberPages)
	}
	return nil, &entra.Error{Code: entra.CodeBadRequest, Doing: doing, Why: why,
		Remedy: "name the group in SNAPSHOT_GROUPS: groups of any size are read with each snapshot"}
}
