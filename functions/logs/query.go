package logs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/answer"
	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/odata"
)

// collections are Graph's names of the logs, and the stream that each has without a filter of types.
var collections = map[string]entra.Stream{
	"directoryAudits":               entra.DirectoryAudits,
	"signIns":                       entra.SignInsInteractiveUser,
	"provisioning":                  entra.Provisioning,
	"customSecurityAttributeAudits": entra.CustomSecurityAttributeAudits,
}

// query is a question, read.
type query struct {
	collection  string
	stream      entra.Stream
	filter      string
	plan        odata.Plan
	from, to    time.Time // what the archive has, within what was asked for
	newestFirst bool
	top         int
	fields      []string
	count       bool
	versions    bool
}

// readQuery reads a request for a collection.
func (f *Function) readQuery(r *http.Request, accepted ...string) (query, error) {
	q := query{collection: r.PathValue("collection"), newestFirst: true}
	var ok bool
	if q.stream, ok = collections[q.collection]; !ok {
		return q, &entra.Error{Code: entra.CodeNotFound, Doing: "find auditLogs/" + entra.Clip(q.collection, 80), Why: "there is no such log",
			Remedy: "there are directoryAudits, signIns, provisioning"}
	}
	p := answer.ReadParameters(r, accepted...)
	q.top = p.Int("$top", defaultTop, 1, maxTop)
	q.count = p.Choice("$count", "false", "true", "false") == "true"
	q.versions = p.Choice("versions", "current", "current", "all") == "all"
	if by, desc := p.OrderBy(q.stream.TimeProperty()); by != "" {
		q.newestFirst = desc
	}
	if p.Err() != nil {
		return q, p.Err()
	}
	shape, err := odata.ShapeOf(q.stream)
	if err != nil {
		return q, err
	}
	if q.fields, err = selected(p, shape); err != nil {
		return q, err
	}
	if q.filter = p.Text("$filter"); p.Has("$filter") {
		if err := q.readFilter(shape); err != nil {
			return q, err
		}
	}
	if !slices.Contains(f.Streams, q.stream) {
		return q, &entra.Error{Code: entra.CodeNotFound, Doing: "read " + string(q.stream), Why: "it is not archived", Remedy: fmt.Sprintf("archived are %v", f.Streams)}
	}
	return q, f.bound(r.Context(), &q)
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

func (q *query) readFilter(shape *odata.Shape) error {
	n, err := odata.Parse(q.filter)
	if err == nil {
		err = odata.Check(n, shape)
	}
	if err == nil {
		q.plan, err = odata.PlanFor(n, q.stream.TimeProperty(), entra.ColumnPaths(q.stream))
	}
	if err != nil {
		return err
	}
	for i, name := range q.plan.EventTypes {
		s, err := entra.ParseStream("signIns." + name)
		if err != nil || i > 0 && s != q.stream {
			return &entra.Error{Code: entra.CodeBadRequest, Doing: "read $filter", Why: fmt.Sprintf("%q is no type of sign-ins, or one of several", entra.Clip(name, 80)),
				Remedy: "accepted is one of interactiveUser, nonInteractiveUser, servicePrincipal, managedIdentity"}
		}
		q.stream = s
	}
	return nil
}

// from is the first moment that the archive speaks for.
func (f *Function) from(ctx context.Context, s entra.Stream) (time.Time, error) {
	p, err := f.Archive.Progress(ctx, s)
	if err != nil {
		return time.Time{}, err
	}
	from, _ := p.Hours(f.Now())
	return from, nil
}

// bound keeps a question within what the archive has.
func (f *Function) bound(ctx context.Context, q *query) error {
	begin, err := f.from(ctx, q.stream)
	if err != nil {
		return err
	}
	// Records lie a little in the future where clocks differ.
	q.from, q.to = begin, f.Now().Add(24*time.Hour)
	if q.plan.From.After(q.from) {
		q.from = q.plan.From
	}
	if !q.plan.To.IsZero() && q.plan.To.Before(q.to) {
		q.to = q.plan.To
	}
	if begin.IsZero() {
		q.to = time.Time{} // nothing is archived yet
	}
	return nil
}

func (q query) reading(after string) archive.Reading {
	return archive.Reading{Stream: q.stream, From: q.from, To: q.to, NewestFirst: q.newestFirst, Columns: q.plan.Columns, Versions: q.versions, After: after}
}

func (q query) matches(raw []byte) bool { return q.plan.Rest == nil || odata.Matches(q.plan.Rest, raw) }

// question hashes what was asked: a token is good for the same question only, with whatever $top.
func (q query) question() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{q.collection, q.filter, fmt.Sprint(q.newestFirst, q.versions)}, "\n")))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}
