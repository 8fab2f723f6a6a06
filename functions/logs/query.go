package logs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/web"
)

// query is a request, read.
type query struct {
	search.Question
	collection string
	filter     string
	top        int
	fields     []string
	count      bool
	aggregate  string // empty: records
}

// logOf is the log that the path names.
func logOf(r web.Request) (*logs.Log, error) {
	name := r.Path("collection")
	log, ok := logs.Collections()[name]
	if !ok {
		return nil, &entra.Error{Code: entra.CodeNotFound, Doing: "find auditLogs/" + entra.Clip(name, 80),
			Why: "there is no such log", Remedy: "there are " +
				strings.Join(slices.Sorted(maps.Keys(logs.Collections())), ", ")}
	}
	return log, nil
}

// find looks for the log that the path names, and refuses a caller who may not have its records.
func find(_ context.Context, r web.Request) error {
	log, err := logOf(r)
	if err != nil {
		return err
	}
	return r.MayRead(log.Stream)
}

// readQuery reads a request for a collection.
func (cfg Config) readQuery(ctx context.Context, r web.Request) (query, error) {
	log, err := logOf(r)
	if err != nil {
		return query{}, err
	}
	order := web.Parameter{Name: "$orderby", Kind: web.KindOrder, Accepted: []string{log.TimeProperty}}
	by, desc, err := r.Query.OrderedBy(order)
	if err != nil {
		return query{}, err
	}
	q, err := cfg.readFiltered(ctx, r)
	q.top, q.count = r.Query.Int("$top"), r.Query.Text("$count") == "true"
	q.aggregate = r.Query.Text("aggregate")
	q.NewestFirst = by == "" || desc
	return q, err
}

// readFiltered reads which records of a collection are asked for.
func (cfg Config) readFiltered(ctx context.Context, r web.Request) (query, error) {
	q := query{collection: r.Path("collection")}
	log, err := logOf(r)
	if err != nil {
		return q, err
	}
	if q.filter = r.Query.Text("$filter"); r.Query.Has("$filter") && q.filter == "" {
		return q, web.Refuse("$filter is empty", "give a condition, or leave it out")
	}
	q, err = cfg.asked(ctx, r, q, log.Stream)
	q.Versions = r.Query.Text("versions") == "all"
	return q, err
}

// asked reads what depends on the log: which records, and which of their properties.
func (cfg Config) asked(ctx context.Context, r web.Request, q query, stream entra.Stream) (query, error) {
	shape, err := odata.ShapeOf(stream)
	if err != nil {
		return q, err
	}
	if r.Query.Declares("$select") {
		if q.fields, err = selected(r.Query, shape); err != nil {
			return q, err
		}
	}
	if q.Question, err = search.New(stream, shape, q.filter); err != nil {
		return q, err
	}
	if err := r.MayRead(q.Stream); err != nil { // the filter may lead to another log of the collection
		return q, err
	}
	q.NewestFirst, q.Counts = true, cfg.Counts
	if err := cfg.Streams.Check(ctx, q.Stream); err != nil {
		return q, err
	}
	progress, err := cfg.Archive.Progress(ctx, q.Stream)
	q.Within(progress, cfg.Now())
	return q, err
}

func selected(p web.Query, shape *odata.Shape) ([]string, error) {
	fields := p.List("$select")
	for _, name := range fields {
		if _, ok := shape.Fields[name]; ok {
			continue
		}
		remedy := "accepted are names of properties, with commas between"
		if near := odata.Nearest(name, shape.Names()); near != "" {
			remedy = "did you mean " + near + "?"
		}
		return nil, &entra.Error{Code: entra.CodeBadRequest, Doing: "read $select",
			Why: "there is no property " + entra.Clip(name, 80), Remedy: remedy}
	}
	return fields, nil
}

// question hashes what was asked: a token is good for the same question only, with whatever $top.
func (q query) question() string {
	return questionOf(q.collection, q.filter, fmt.Sprint(q.NewestFirst, q.Versions))
}

func questionOf(asked ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(asked, "\n")))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}
