package logs

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/search"
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

// readQuery reads a request for a collection.
func (f *Function) readQuery(r *http.Request, accepted ...string) (query, error) {
	q := query{collection: r.PathValue("collection")}
	log, ok := logs.Collections()[q.collection]
	if !ok {
		return q, &entra.Error{Code: entra.CodeNotFound, Doing: "find auditLogs/" + entra.Clip(q.collection, 80), Why: "there is no such log",
			Remedy: "there are " + strings.Join(slices.Sorted(maps.Keys(logs.Collections())), ", ")}
	}
	stream := log.Stream
	p := answer.ReadParameters(r, accepted...)
	q.top = p.Int("$top", defaultTop, 1, maxTop)
	q.count = p.Choice("$count", "false", "true", "false") == "true"
	versions := p.Choice("versions", "current", "current", "all") == "all"
	q.aggregate = p.Choice("aggregate", "", "1h", "6h", "24h")
	by, desc := p.OrderBy(logs.Of(stream).TimeProperty)
	if p.Err() != nil {
		return q, p.Err()
	}
	shape, err := odata.ShapeOf(stream)
	if err != nil {
		return q, err
	}
	if q.fields, err = selected(p, shape); err != nil {
		return q, err
	}
	if q.filter = p.Text("$filter"); p.Has("$filter") && q.filter == "" {
		p.Refuse("$filter is empty", "give a condition, or leave it out")
		return q, p.Err()
	}
	if q.Question, err = search.New(stream, shape, q.filter); err != nil {
		return q, err
	}
	q.Versions, q.NewestFirst = versions, by == "" || desc
	if err := f.Streams.Check(r.Context(), q.Stream); err != nil {
		return q, err
	}
	progress, err := f.Archive.Progress(r.Context(), q.Stream)
	q.Within(progress, f.Now())
	return q, err
}

func selected(p *answer.Parameters, shape *odata.Shape) ([]string, error) {
	fields := p.List("$select")
	for _, name := range fields {
		if _, ok := shape.Fields[name]; ok {
			continue
		}
		remedy := "accepted are names of properties, with commas between"
		if near := odata.Nearest(name, shape.Names()); near != "" {
			remedy = "did you mean " + near + "?"
		}
		return nil, &entra.Error{Code: entra.CodeBadRequest, Doing: "read $select", Why: "there is no property " + entra.Clip(name, 80), Remedy: remedy}
	}
	return fields, nil
}

// question hashes what was asked: a token is good for the same question only, with whatever $top.
func (q query) question() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{q.collection, q.filter, fmt.Sprint(q.NewestFirst, q.Versions)}, "\n")))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}
