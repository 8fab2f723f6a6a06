package logs

import (
	"context"
	"time"

	"github.com/entraledger/entraledger/internal/web"
)

// countSegment ends the path of a collection whose number is asked for.
const countSegment = "$count"

// counting is the operation that answers with the number of records alone. A connector has no use
// for a text; it has $count=true of the list.
func (cfg Config) counting(collection web.Parameter) web.Operation {
	var parameters []web.Parameter
	for _, p := range listParameters() {
		switch p.Name {
		case "$filter", "versions", "$skiptoken":
			parameters = append(parameters, p)
		}
	}
	return web.Operation{Given: "id", Word: countSegment, Summary: "Count the archived records",
		Text: "The number of records, as text.", Role: web.RoleRead, Path: []web.Parameter{collection},
		Parameters: parameters, Answers: web.Shape{File: []string{"text/plain"}}, Class: web.Long, Find: find,
		Do: cfg.number}
}

// countPlace is where a count stands.
type countPlace struct {
	N     int64  `json:"n"`
	After string `json:"k"`
}

// number answers with how many records there are, altered ones included, as pages have them. What
// takes longer than one request may last is answered with 202, and goes on at Location.
func (cfg Config) number(ctx context.Context, r web.Request) (web.Answer, error) {
	q, err := cfg.readFiltered(ctx, r)
	if err != nil {
		return web.Answer{}, err
	}
	at, next, err := stand[countPlace](ctx, cfg, r, questionOf(countSegment, q.question()))
	if err != nil {
		return web.Answer{}, err
	}
	gaps := cfg.gaps(ctx, q)
	n, left, err := q.Count(ctx, cfg.Archive, at.After, time.Now().Add(cfg.Slice))
	if err != nil {
		return web.Answer{}, err
	}
	missing, err := gaps()
	if err != nil {
		return web.Answer{}, err
	}
	web.SetGaps(r.Header, missing)
	if n += at.N; left != "" {
		return goOn(r, r.NextLink(next(countPlace{n, left})), left), nil
	}
	if n == 0 {
		web.SetHint(r.Header, q.Hint())
	}
	return web.Number(n), nil
}
