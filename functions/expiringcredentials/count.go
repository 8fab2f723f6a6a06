package expiringcredentials

import (
	"context"

	"github.com/entraledger/entraledger/internal/web"
)

// counting is the operation that answers with the number of rows alone, as a path of Graph does
// that ends with $count. A connector has no use for a text; it has $count=true of the list.
func (f function) counting() web.Operation {
	return web.Operation{Given: "view", Word: "$count", Summary: "How many credentials the list has",
		Text: "The number of the list's rows, as text.", Role: web.RoleRead,
		Parameters: append(filters(), web.ByID("keyId")),
		Answers:    web.Shape{File: []string{"text/plain"}}, Class: web.Long, Do: f.count}
}

// count answers with how many rows the list has.
func (f function) count(ctx context.Context, r web.Request) (web.Answer, error) {
	q, err := question(r.Query)
	if err != nil {
		return web.Answer{}, err
	}
	q.KeyID = r.Query.ID()
	page, err := f.snapshot.Credentials(ctx, q, 1, true, "")
	if err != nil {
		return web.Answer{}, err
	}
	web.SetHint(r.Header, page.Hint)
	return web.Number(*page.Count), nil
}
