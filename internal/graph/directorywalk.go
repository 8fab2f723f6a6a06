package graph

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/entraledger/entraledger/internal/directory"
)

// request is one for a page of a collection, but for its address.
func (d *Directory) request(doing string, l listing) request {
	return request{doing: doing, permission: l.permission, wait: d.keys.Wait,
		licence: "this needs Microsoft Entra ID P1 or P2"}
}

// Count is directory.Source's: /$count of the collection, which Graph answers from its index. It
// does not count against the reporting ceiling.
// Source: learn.microsoft.com/graph/aad-advanced-queries.
func (d *Directory) Count(ctx context.Context, q directory.Query) (int64, error) {
	l := listings[q.Phase]
	l.query = ""
	r := d.request("count "+string(q.Phase)+" in Graph", l)
	r.wait = freely
	if q.Phase == directory.PhaseUsers {
		r.permission = listings[directory.PhasePlainUsers].permission
	}
	r.url = d.base.String() + address(l, q.Group) + "/$count"
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
			return 0, r.answered(Unreadable, "", fmt.Sprintf("the answer is %q, which is no number", shorten(string(text))), nil)
		}
		return n, nil
	})
}

// Named is directory.Source's. Graph takes 15 values with "in". Sources:
// developer.microsoft.com/graph/known-issues, "Some limitations apply to query parameters";
// learn.microsoft.com/graph/api/resources/application, serviceprincipal, user: id supports in.
func (d *Directory) Named(ctx context.Context, q directory.Query, ids []string) (directory.Page, error) {
	l := listings[q.Phase]
	switch q.Phase {
	case directory.PhaseUsers, directory.PhasePlainUsers:
		l.query, l.permission = "$select=id", listings[directory.PhasePlainUsers].permission
	default:
		l.query = "$select=" + holderFields
	}
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = "'" + strings.ReplaceAll(id, "'", "''") + "'"
	}
	filter := "&$filter=" + escape("id in ("+strings.Join(quoted, ",")+")")
	r := d.request("read "+string(q.Phase)+" by id from Graph", l)
	if l.query == "$select=id" {
		r.wait = freely
	}
	l.query += filter
	r.url = d.base.String() + address(l, q.Group)
	return ask(ctx, d.Client, r, func(a answer) (directory.Page, error) {
		page, err := parseObjects(a.body.Bytes())
		page.Free = func() { d.giveBuffer(a.body) }
		return page, err
	})
}
