package graph

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory/collections"
)

// Count is snapshots.Source's: /$count of the collection, which Graph answers from its index. It
// does not count against the reporting ceiling.
// Source: learn.microsoft.com/graph/aad-advanced-queries.
func (d *Directory) Count(ctx context.Context, q collections.Query) (int64, error) {
	r := d.request("count "+q.Collection.Word+" in Graph", q.Collection)
	r.wait, r.permission = freely, q.Collection.BarePermission()
	r.url = d.address(q, "")
	if t := q.Collection.Type; t != "" {
		r.url += "/" + t // a cast needs ConsistencyLevel, which a count has anyway
	}
	r.url += "/$count"
	r.accept, r.eventual = "text/plain", true // Graph refuses to answer /$count in JSON
	return retry(ctx, d.Client, r.doing, func() (int64, error) {
		a, err := d.send(ctx, r)
		if err != nil {
			return 0, d.unanswered(ctx, r, err)
		}
		defer d.giveBuffer(a.body)
		if a.status != http.StatusOK {
			return 0, r.refused(a)
		}
		text := bytes.TrimSpace(bytes.TrimPrefix(a.body.Bytes(), byteOrderMark))
		n, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil || n < 0 {
			return 0, r.answered(Unreadable, "",
				fmt.Sprintf("the answer is %q, which is no number", shorten(string(text))), nil)
		}
		return n, nil
	})
}

// Named is snapshots.Source's. Graph takes 15 values with "in". Sources:
// developer.microsoft.com/graph/known-issues, "Some limitations apply to query parameters";
// learn.microsoft.com/graph/api/resources/application, serviceprincipal, user: id supports in.
func (d *Directory) Named(ctx context.Context, q collections.Query, ids []string) (collections.Page, error) {
	c := q.Collection
	r := d.request("read "+c.Word+" by id from Graph", c)
	r.wait, r.permission = d.keys.Wait, c.BarePermission()
	if c.ByID == collections.IDAlone {
		r.wait = freely
	}
	r.url = d.address(q, c.ByID+"&$filter="+escape(within(ids)))
	return ask(ctx, d.Client, r, d.objects)
}

// Activity is snapshots.Source's. Sign-in activity can be selected whatever the filter is on.
// Source: learn.microsoft.com/graph/api/user-list.
func (d *Directory) Activity(ctx context.Context, q collections.Query, ids []string) (collections.Page, error) {
	r := d.request("read sign-in activity by id from Graph", q.Collection)
	r.url = d.address(q, q.Collection.Activity+"&$filter="+escape(within(ids)))
	return ask(ctx, d.Client, r, d.objects)
}

// within is the filter for objects by their ids.
func within(ids []string) string {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = "'" + strings.ReplaceAll(id, "'", "''") + "'"
	}
	return "id in (" + strings.Join(quoted, ",") + ")"
}

// Part is snapshots.Source's. Such requests have the pace of those for keyCredentials.
func (d *Directory) Part(ctx context.Context, q collections.Query, p collections.Part) (collections.Page, error) {
	r := d.request("read one of "+q.Collection.Word+" from Graph", q.Collection)
	r.wait = d.keys.Wait
	path, read := q.Path()+"/"+p.ID, d.object
	if p.Of != "" {
		path, read = path+"/"+p.Of, d.objects
	}
	u := url.URL{Path: path}
	r.url = d.base.String() + u.EscapedPath() + "?" + p.Query
	return ask(ctx, d.Client, r, read)
}

// object reads an answer that is a single object. Its buffer is as that of objects.
func (d *Directory) object(a answer) (collections.Page, error) {
	page := collections.Page{Free: func() { d.giveBuffer(a.body) }}
	body := a.body.Bytes()
	if !gjson.ValidBytes(body) {
		return page, errors.New("an object is not JSON")
	}
	if doc := gjson.ParseBytes(body); !doc.Get("id").Exists() || doc.Get("error").IsObject() {
		return page, errors.New("the answer is no object of the directory")
	}
	page.Items = [][]byte{body}
	return page, nil
}
