package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/web/router"
)

// Function is one function of the app, declared once in its package. The connector and the docs are
// generated from it.
type Function struct {
	Name       string      // its folder's
	Trigger    []byte      // its function.json, the only place of routes, methods and the level of its key
	Operations []Operation // of an HTTP function: what can be asked of it
	// Only are the values of parameters of the route that are served, as if they stood in the
	// route.
	Only  map[string][]string
	Timer Timer // of a timer
	// Deadline of a timer's run, with all that comes behind its budget: well below functionTimeout in
	// host.json, at which the host kills the process and all that runs in it.
	Deadline time.Duration
	// Public functions answer everybody, without key and role: what they answer holds no data.
	Public bool
}

// Timer is the work of a timer function; an error fails the invocation. ctx ends when the process
// is to end: whether the run is handed over then, or has failed, the function says.
type Timer func(ctx context.Context) (Result, error)

// Operation is one question that is asked of an HTTP function. Of those with the request's method,
// the one is asked whose Given and Word fit the request.
type Operation struct {
	Method string // empty: GET
	Given  string // the last of the route's optional parameters that the request has; empty: it has none
	Word   string // the value that it has; empty: any other
	Within string // the value of the optional parameter before it; empty: any other
	// AnyCase compares Word and Within without the case of ASCII letters.
	AnyCase bool

	ID      string // in the connector; empty: it is not part of the connector
	Summary string // a few words
	Text    string // one sentence or two
	Role    Role
	Class   Class // what an answer takes
	// Heavier tells of which class a request is, where that depends on what is asked for. It is asked
	// once the query was read, and reads nothing else; nil: all are of Class.
	Heavier func(Request) Class
	// Probe is asked whenever somebody makes a connection to the connector, to test the key. It is
	// a GET, works without parameters, is cheap, and answers 200 before anything was archived. One
	// operation has it.
	Probe bool

	Path       []Parameter // of the route
	Parameters []Parameter // of the query
	Body       any         // a struct, read with Request.ReadBody; nil: it has none
	BodyTitle  string      // a few words
	BodyText   string
	Answers    Shape

	// Find looks for what the path names, before the query is read; nil: there is nothing to look
	// for.
	Find func(context.Context, Request) error
	// Incomplete is the error where a required parameter is missing; nil: one that names it.
	Incomplete func(context.Context, Request) error
	// Do answers. An error is written and logged by this package alone.
	Do func(context.Context, Request) (Answer, error)
}

// Verb is the operation's method.
func (o *Operation) Verb() string {
	if o.Method == "" {
		return http.MethodGet
	}
	return o.Method
}

// classOf is the class of a request.
func (o *Operation) classOf(r Request) Class {
	if o.Heavier == nil {
		return o.Class
	}
	return max(o.Class, o.Heavier(r))
}

// MayBeRefused reports whether requests are answered with 429 where as many are under way as an
// instance can. Short ones are so few moments under way that they wait instead.
func (o *Operation) MayBeRefused() bool { return o.Class != Short || o.Heavier != nil }

// AsFile is the class of a list that may be asked for as a file.
func AsFile(r Request) Class {
	if r.Query.CSV() {
		return Large
	}
	return Short
}

// Walking tells of the class of a list that reads far more rows than it gives where one of some
// parameters is given and is not its default; as a file it is Large.
func Walking(parameters ...string) func(Request) Class {
	return func(r Request) Class {
		for _, name := range parameters {
			if given := r.Query.Text(name); r.Query.Has(name) && given != r.Query.parameter(name).Default {
				return max(Long, AsFile(r))
			}
		}
		return AsFile(r)
	}
}

// fits reports whether the operation is the one for the values of a route's parameters, of which
// some are optional.
func (o *Operation) fits(values map[string]string, optional []string) bool {
	if len(optional) == 0 {
		return true
	}
	given, before := "", ""
	for _, name := range optional {
		if values[name] != "" {
			given, before = name, values[given]
		}
	}
	return o.Given == given && (o.Word == "" || o.is(o.Word, values[given])) &&
		(o.Within == "" || o.is(o.Within, before))
}

func (o *Operation) is(word, value string) bool {
	return word == value || o.AnyCase && router.SameLiteral(word, value)
}

// Binding is a function's declaration for the host.
type Binding struct {
	Route   string   // without the prefix; empty for a timer
	Methods []string // upper case
	Level   string   // of the key: anonymous, function or admin
	HTTP    bool
}

// prefix precedes every route: the host's default.
const prefix = "api/"

// Binding reads the function's trigger.
func (f *Function) Binding() (Binding, error) {
	var file struct {
		Bindings []struct {
			Type, Route, AuthLevel string
			Methods                []string
		}
	}
	if err := json.Unmarshal(f.Trigger, &file); err != nil {
		return Binding{}, fmt.Errorf("read function.json of %s: %w", f.Name, err)
	}
	for _, b := range file.Bindings {
		switch b.Type {
		case "timerTrigger":
			return Binding{}, nil
		case "httpTrigger":
			out := Binding{Route: b.Route, Level: b.AuthLevel, HTTP: true}
			for _, m := range b.Methods {
				out.Methods = append(out.Methods, strings.ToUpper(m))
			}
			return out, nil
		}
	}
	return Binding{}, fmt.Errorf("read function.json of %s: it has no trigger that this app knows", f.Name)
}

// Address is the path of an operation, as in `users/{id}`.
func (b Binding) Address(o Operation) string {
	optional := b.optional()
	parts := strings.Split(b.Route, "/")
	address := parts[:len(parts)-len(optional)]
	for i, name := range optional[:slices.Index(optional, o.Given)+1] {
		last := name == o.Given
		switch {
		case last && o.Word != "":
			name = o.Word
		case o.Within != "" && i+1 < len(optional) && optional[i+1] == o.Given:
			name = o.Within
		default:
			name = "{" + name + "}"
		}
		address = append(address, name)
	}
	return strings.Join(address, "/")
}

// optional are the names of the route's optional parameters, which are its last.
func (b Binding) optional() []string {
	var out []string
	for part := range strings.SplitSeq(b.Route, "/") {
		if name, ok := strings.CutSuffix(part, "?}"); ok {
			out = append(out, strings.TrimPrefix(name, "{"))
		}
	}
	return out
}

// given is the value of the last optional parameter that a request has.
func (s *served) given(values map[string]string) string {
	given := ""
	for _, name := range s.optional {
		if values[name] != "" {
			given = values[name]
		}
	}
	return given
}

// served is an HTTP function with its route.
type served struct {
	Function
	binding  Binding
	optional []string // parameters of the route
}

// serves tells whether the values of a route's parameters are among those that are served.
func (s *served) serves(values map[string]string) bool {
	for name, only := range s.Only {
		if !slices.Contains(only, values[name]) {
			return false
		}
	}
	return true
}

// find returns the operation of a request, and the methods of all that fit its path.
func (s *served) find(verb string, values map[string]string) (found *Operation, methods []string) {
	literal := slices.ContainsFunc(s.Operations, func(o Operation) bool {
		return o.Word != "" && o.fits(values, s.optional)
	})
	for i := range s.Operations {
		o := &s.Operations[i]
		if !o.fits(values, s.optional) || literal && o.Word == "" {
			continue
		}
		methods = append(methods, o.Verb())
		if o.Verb() == verb && found == nil {
			found = o
		}
	}
	return found, methods
}

// words are the values of the optional parameter that the function knows.
func (s *served) words() []string {
	var out []string
	for _, o := range s.Operations {
		if o.Word != "" {
			out = append(out, o.Word)
		}
	}
	return out
}
