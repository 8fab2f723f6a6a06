// Package readers is the HTTP function that moves readers, for whom the app keeps the cursor, and
// lists and forgets them.
package readers

import (
	"context"
	_ "embed"
	"errors"
	"net/http"

	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// mostTop is how many rows a page has at most.
const mostTop = 1000

// Cursors keeps readers, as cursors.Cursors does.
type Cursors interface {
	Advance(ctx context.Context, name, text string) (kept cursors.Reader, moved bool, err error)
	Delete(ctx context.Context, name string) (was bool, err error)
	List(ctx context.Context, token string, top int) (readers []cursors.Reader, next string, err error)
	Find(ctx context.Context, name string) (cursors.Reader, error)
}

// New makes the function.
func New(of Cursors) web.Function {
	f := function{of}
	name := []web.Parameter{web.Text("name",
		"Name of the reader: 1 to 64 letters, digits, hyphens, underscores and dots")}
	return web.Function{Name: "readers", Trigger: trigger, Operations: []web.Operation{
		{
			ID: "ListReaders", Summary: "List the readers",
			Text: "The readers, and up to which snapshot each has been told.", Role: web.RoleRead,
			Parameters: []web.Parameter{web.ByID("name"), web.Top(mostTop, "Rows of a page"), web.SkipToken()},
			Answers:    web.Shape{Name: "readers", Rows: row{}, Pages: true, Text: "Readers, by name"},
			Do:         f.list,
		},
		{
			Method: http.MethodPost, Given: "name", ID: "AdvanceReader", Summary: "Move a reader forward",
			Text: "Keeps that a reader has dealt with an answer: the next call with the reader has what is " +
				"new since. It never moves back.",
			Role: web.RoleRead, Path: name, Body: request{},
			BodyTitle: "Place of the Reader", BodyText: "Up to where the reader has come",
			Answers: web.Shape{Name: "reader", Is: advanced{}}, Do: f.advance,
		},
		{
			Method: http.MethodDelete, Given: "name", ID: "DeleteReader", Summary: "Forget a reader",
			Text: "Forgets what a reader has been told: the next call with it has everything.",
			Role: web.RoleRead, Path: name, Answers: web.Shape{Name: "deletedReader", Is: deleted{}}, Do: f.delete,
		},
	}}
}

type function struct{ cursors Cursors }

// request is the body of a POST.
type request struct {
	Cursor string `json:"cursor" text:"nextCursor of the answer that was dealt with"`
}

// row is one reader.
type row struct {
	Name  string `json:"name" text:"As it was first written"`
	AsOf  string `json:"asOfDateTime" text:"Up to which snapshot it has been told" format:"date-time"`
	Moved string `json:"movedAtDateTime" text:"When it was moved there" format:"date-time"`
}

func rowOf(r cursors.Reader) row {
	return row{Name: r.Name, AsOf: web.Time(r.AsOf), Moved: web.Time(r.Moved)}
}

// advanced is the answer to a POST.
type advanced struct {
	Context string `json:"@odata.context" text:"What this is"`
	Name    string `json:"name" text:"As it was first written"`
	AsOf    string `json:"asOfDateTime" text:"Up to which snapshot it has been told" format:"date-time"`
	Moved   string `json:"movedAtDateTime" text:"When it was moved there" format:"date-time"`
	Now     bool   `json:"moved"`
}

// Texts are those that are too long for their line.
func (advanced) Texts() map[string]string {
	return map[string]string{"moved": "Whether this request moved it; false: it had come as far already"}
}

// deleted is the answer to a DELETE.
type deleted struct {
	Context string `json:"@odata.context" text:"What this is"`
	Name    string `json:"name" text:"As the request has it"`
	Deleted bool   `json:"deleted" text:"Whether there was such a reader"`
}

// one answers with the list that has a reader alone, or nothing.
func (f function) one(ctx context.Context, name string) (web.Answer, error) {
	out := web.List[row]{Of: "readers"}
	reader, err := f.cursors.Find(ctx, name)
	if err == nil {
		out.Value = []row{rowOf(reader)}
	}
	if errors.Is(err, cursors.ErrNoReader) {
		err = nil
	}
	return out.Answer(), err
}

func (f function) list(ctx context.Context, r web.Request) (web.Answer, error) {
	if name := r.Query.ID(); name != "" {
		return f.one(ctx, name)
	}
	found, next, err := f.cursors.List(ctx, r.Query.Text("$skiptoken"), r.Query.Int("$top"))
	if err != nil {
		return web.Answer{}, err
	}
	out := web.List[row]{Of: "readers"}
	if next != "" {
		out.NextLink = r.NextLink(next)
	}
	for _, reader := range found {
		out.Value = append(out.Value, rowOf(reader))
	}
	return out.Answer(), nil
}

func (f function) advance(ctx context.Context, r web.Request) (web.Answer, error) {
	var body request
	why := "it has no cursor"
	if err := r.ReadBody(&body); err != nil {
		body, why = request{}, err.Error()
	}
	if body.Cursor == "" {
		return web.Answer{}, &entra.Error{Code: entra.CodeBadRequest, Doing: "read the body", Why: why,
			Remedy: `accepted is {"cursor": "..."}, with nextCursor of the answer that was dealt with`}
	}
	kept, moved, err := f.cursors.Advance(ctx, r.Path("name"), body.Cursor)
	if err != nil {
		return web.Answer{}, err
	}
	is := rowOf(kept)
	return web.Object(advanced{Context: r.Context("reader"), Name: is.Name, AsOf: is.AsOf, Moved: is.Moved,
		Now: moved}), nil
}

func (f function) delete(ctx context.Context, r web.Request) (web.Answer, error) {
	was, err := f.cursors.Delete(ctx, r.Path("name"))
	if err != nil {
		return web.Answer{}, err
	}
	return web.Object(deleted{Context: r.Context("deletedReader"), Name: r.Path("name"), Deleted: was}), nil
}
