package graph

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/tidwall/gjson"
	"golang.org/x/time/rate"

	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
)

var _ snapshots.Source = (*Directory)(nil)

// Directory reads the collections of the directory as raw pages. It is a Client whose Limiter is
// the snapshot's share.
type Directory struct {
	*Client
	// keys spaces requests for keyCredentials, of which Graph allows a tenant 150 a minute. Source:
	// learn.microsoft.com/graph/throttling-limits, "Identity and access service limits".
	keys *rate.Limiter
}

// NewDirectory makes a Directory of a client of its own.
func NewDirectory(c *Client) *Directory { return &Directory{Client: c, keys: rate.NewLimiter(2, 1)} }

// Objects is snapshots.Source's.
func (d *Directory) Objects(ctx context.Context, q collections.Query, link string) (collections.Page, error) {
	r := d.request("read "+q.Collection.Word+" from Graph", q.Collection)
	r.url, r.walking = link, link != ""
	if link == "" {
		query := q.Collection.Query
		if q.Small && q.Collection.Smaller != "" {
			query = q.Collection.Smaller
		}
		r.url = d.address(q, query)
	}
	page, err := ask(ctx, d.Client, r, d.objects)
	if t := q.Collection.Type; t != "" {
		page.Items = slices.DeleteFunc(page.Items, func(raw []byte) bool {
			is := gjson.GetBytes(raw, `@odata\.type`).Str
			return is != "" && is != "#"+t
		})
	}
	if err == nil {
		err = d.checkLink(r.doing, page.Next, link)
	}
	return page, err
}

// request is one for a page of a collection, but for its address.
func (d *Directory) request(doing string, c *collections.Collection) request {
	r := request{doing: doing, permission: c.Permission(), wait: d.keys.Wait,
		licence: "this needs Microsoft Entra ID P1 or P2"}
	if c.Reporting {
		r.wait = d.cfg.Limiter.Wait
	}
	return r
}

// address is where Graph has a collection, with a query that is escaped already.
func (d *Directory) address(q collections.Query, query string) string {
	u := url.URL{Path: q.Path()}
	text := d.base.String() + u.EscapedPath()
	if query != "" {
		text += "?" + query
	}
	return text
}

// objects reads an answer. Its buffer goes back to the client with the page's Free.
func (d *Directory) objects(a answer) (collections.Page, error) {
	page, err := parseObjects(a.body.Bytes())
	page.Free = func() { d.giveBuffer(a.body) }
	return page, err
}

// parseObjects takes a page apart. What is no JSON, has no list, or has an error object in it is
// not a page.
func parseObjects(body []byte) (collections.Page, error) {
	var page collections.Page
	if !gjson.ValidBytes(body) {
		return page, errors.New("a page is not JSON")
	}
	doc := gjson.ParseBytes(body)
	if doc.Get("error").IsObject() || !doc.Get("value").IsArray() {
		return page, errors.New("a page holds no list of objects")
	}
	var err error
	doc.Get("value").ForEach(func(_, item gjson.Result) bool {
		if !item.IsObject() || item.Get("error").IsObject() {
			err = errors.New("a page holds an error object among its objects")
			return false
		}
		page.Items = append(page.Items, []byte(item.Raw))
		return true
	})
	page.Next = doc.Get(`@odata\.nextLink`).Str
	return page, err
}
