package graph

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/parallel"
)

// detailsTime is how long one user's details, or a page of a list of them, are asked for: what did
// not come by then is not known.
const detailsTime = 20 * time.Second

// UserDetails asks for what is asked for one user, but for the lists that may have many pages,
// which rest names. id has to be an object id. What Graph refuses or does not answer is among the
// undisclosed; a user that is gone is all of it.
func (d *Directory) UserDetails(
	ctx context.Context, id string, now time.Time,
) (out directory.UserDetails, rest []string) {
	ctx, cancel := context.WithTimeout(ctx, detailsTime)
	defer cancel()
	out = directory.UserDetails{AsOf: now.UTC().Format(time.RFC3339), Partial: []string{},
		Undisclosed: []directory.Undisclosed{}}
	all := collections.UserDetails()
	if err := d.detail(ctx, all[0], id, func(gjson.Result) error { return nil }); err != nil {
		for _, one := range all[1:] {
			out.Undisclosed = append(out.Undisclosed, undisclosed(one, err))
		}
		return out, nil
	}
	take := map[string]func(gjson.Result){
		collections.DetailLeave: out.TakeLeave, collections.DetailManager: out.TakeManager,
		collections.DetailSponsors: out.TakeSponsors, collections.DetailMailbox: out.TakeMailbox,
	}
	var mu sync.Mutex
	group := parallel.New()
	failed := make([]error, len(all))
	for i, one := range all[1:] {
		if one.Paged {
			rest = append(rest, one.Word)
			continue
		}
		group.Go(func() error {
			failed[i+1] = parallel.Recovered(func() error {
				return d.detail(ctx, one, id, func(doc gjson.Result) error {
					mu.Lock()
					defer mu.Unlock()
					take[one.Word](doc)
					return nil
				})
			})
			return nil
		})
	}
	_ = group.Wait() // none gives an error
	for i, err := range failed {
		if err == nil && all[i].Word == collections.DetailMailbox && out.Purpose == "" {
			err = &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read mailbox of one user from Graph",
				Why: "its settings do not say what it is for"}
		}
		if err != nil {
			out.Undisclosed = append(out.Undisclosed, undisclosed(all[i], err))
		}
	}
	return out, rest
}

// UserList reads one more page of a list that UserDetails names, the first where link is empty, and
// gives the link to the next; empty: that was all. nth counts the pages from 0. A list that Graph
// refuses or does not give is among the undisclosed, and nothing of it is in the details. An error
// is the context's.
func (d *Directory) UserList(
	ctx context.Context, word, id, link string, nth int, into *directory.UserDetails,
) (next string, err error) {
	all := collections.UserDetails()
	one := all[slices.IndexFunc(all, func(o collections.Detail) bool { return o.Word == word })]
	take, lists, drop := into.TakeMemberships, []string{"directoryRoles", "groups"},
		func() { into.Roles, into.Groups = nil, nil }
	if word == collections.DetailApplications {
		take, lists, drop = into.TakeApplications, []string{"applications"}, func() { into.Applications = nil }
	}
	asking, cancel := context.WithTimeout(ctx, detailsTime)
	defer cancel()
	err = d.page(asking, one, id, link, func(doc gjson.Result) error {
		next = strings.Clone(doc.Get(`@odata\.nextLink`).Str)
		if err := d.checkLink("read "+one.Word+" of one user from Graph", next, link); err != nil {
			return err
		}
		take(doc)
		return nil
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return link, err
	case err != nil:
		drop()
		into.Undisclosed = append(slices.Clone(into.Undisclosed), undisclosed(one, err))
		return "", nil
	case next != "" && nth+1 == collections.MaxPages:
		into.More(lists...)
		return "", nil
	}
	return next, nil
}

func undisclosed(one collections.Detail, err error) directory.Undisclosed {
	if errors.Is(err, context.DeadlineExceeded) {
		err = &entra.Error{Code: entra.CodeUnavailable, Doing: "read " + one.Word + " of one user from Graph",
			Why: "Graph did not give it within " + detailsTime.String(), Remedy: "ask again", Err: err}
	}
	return directory.Undisclosed{What: one.Word, Code: entra.CodeOf(err), Message: err.Error()}
}

// detail asks for one of them. take does not keep the document.
func (d *Directory) detail(
	ctx context.Context, one collections.Detail, id string, take func(gjson.Result) error,
) error {
	return d.page(ctx, one, id, "", take)
}

// page asks for one page of one of them, the first where link is empty.
func (d *Directory) page(
	ctx context.Context, one collections.Detail, id, link string, take func(gjson.Result) error,
) error {
	users, _ := collections.All().Of(collections.UsersWithoutActivity)
	r := d.request("read "+one.Word+" of one user from Graph", users)
	r.wait = freely
	if needed := one.Permission.Name; needed != "" {
		r.permission = needed
		roles, known, err := d.roles(ctx)
		if err != nil {
			return err
		}
		if known && !slices.Contains(roles, needed) {
			return &entra.Error{Code: entra.CodePermission, Doing: r.doing, Why: "the app's token lacks " + needed,
				Remedy: "grant it to the app's identity (infra/grant.sh), and restart the app"}
		}
	}
	r.url = d.address(collections.Query{Collection: &collections.Collection{Path: users.Path + "/" + id + one.Path}},
		one.Query)
	if link != "" {
		r.url, r.walking = link, true
	}
	_, err := ask(ctx, d.Client, r, func(a answer) (struct{}, error) {
		defer d.giveBuffer(a.body)
		body := a.body.Bytes()
		if !gjson.ValidBytes(body) {
			return struct{}{}, errors.New("the answer is not JSON")
		}
		doc := gjson.ParseBytes(body)
		list := one.Path != "" && one.Word != collections.DetailMailbox
		if doc.Get("error").IsObject() || list && !doc.Get("value").IsArray() ||
			one.Path == "" && !doc.Get("id").Exists() {
			return struct{}{}, errors.New("the answer is not what was asked for")
		}
		return struct{}{}, take(doc)
	})
	return err
}
