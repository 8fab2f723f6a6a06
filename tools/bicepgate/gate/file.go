package gate

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	ts "github.com/tree-sitter/go-tree-sitter"
)

// declaration is a thing with a name.
type declaration struct {
	what       string // parameter, variable, resource, module, output, type
	name       string
	node       node // the whole declaration
	id         node
	decorators map[string]node // by name: the call
	typ        *typ            // once it is known
	busy       bool            // its type is being found out
	used       bool
	loop       bool
	existing   bool
	resource   string // resource: type and version
	module     *File  // module: its file
}

// value is the last child of a declaration, its expression or body; ok is false where it has none, as a parameter without default.
func (d *declaration) value() (node, bool) {
	if d.what == "parameter" && !d.node.word("=") {
		return node{}, false
	}
	kids := d.node.kids()
	return kids[len(kids)-1], true
}

// typeNode is the type that a parameter or an output is declared with.
func (d *declaration) typeNode() node { return d.node.kids()[1] }

// File is a Bicep file that was read and checked.
type File struct {
	Path     string // as it was asked for
	Problems []Problem

	gate       *Gate
	root       node
	tree       *ts.Tree
	scope      string
	extensions []string
	all        []*declaration
	names      map[string]*declaration // outputs are apart: they may be named as something else is
	outputs    map[string]*declaration
	params     map[string]*declaration
}

// Gate checks files against an index of ARM types.
type Gate struct {
	index *Index
	files map[string]*File // by path; nil while a file is being read
}

// New makes a Gate.
func New(x *Index) *Gate { return &Gate{index: x, files: make(map[string]*File)} }

// Close frees the syntax trees.
func (g *Gate) Close() {
	for _, f := range g.files {
		if f != nil && f.tree != nil {
			f.tree.Close()
		}
	}
}

// Check reads a file and everything that it names, and gives it with its problems. Its modules' problems are among them.
func (g *Gate) Check(path string) (*File, error) {
	path = filepath.Clean(path)
	if f, ok := g.files[path]; ok {
		if f == nil {
			return nil, fmt.Errorf("%s is a module of itself", path)
		}
		return f, nil
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a Bicep file: %w", err)
	}
	g.files[path] = nil
	f := &File{Path: path, gate: g, scope: "resourceGroup", names: map[string]*declaration{}, outputs: map[string]*declaration{}, params: map[string]*declaration{}}
	names, blanked := extensions(src)
	f.extensions = names
	if f.tree, err = parse(blanked); err != nil {
		return nil, err
	}
	f.root = node{f.tree.RootNode(), blanked}
	syntaxErrors(f.root, f.report)
	if len(f.Problems) == 0 {
		f.declare()
		f.lint()
		f.check()
		f.lintUse()
	}
	f.Problems = inOrder(f.Problems)
	g.files[path] = f
	return f, nil
}

func (f *File) report(n node, format string, args ...any) {
	at := n.StartPosition()
	f.Problems = append(f.Problems, Problem{File: f.Path, Line: int(at.Row) + 1, Column: int(at.Column) + 1, Text: fmt.Sprintf(format, args...)})
}

var declarations = map[string]string{
	"parameter_declaration": "parameter", "variable_declaration": "variable", "resource_declaration": "resource",
	"module_declaration": "module", "output_declaration": "output", "type_declaration": "type",
}

// declare notes what the file declares, and what stands before it.
func (f *File) declare() {
	decorators := map[string]node{}
	for _, k := range f.root.kids() {
		switch what := declarations[k.Kind()]; {
		case k.Kind() == "decorators":
			for _, d := range k.kids() {
				f.decorator(d, decorators)
			}
			continue
		case what != "":
			f.add(what, k, decorators)
		case k.Kind() == "target_scope_assignment":
			if text, ok := k.kids()[len(k.kids())-1].literal(); ok {
				f.scope = text
			}
			if !oneOf(f.scope, "resourceGroup", "subscription", "managementGroup", "tenant") {
				f.report(k, "targetScope %q is none", f.scope)
			}
		case k.Kind() == "metadata_declaration":
		default:
			f.report(k, "the gate does not know %s", k.Kind())
		}
		decorators = map[string]node{}
	}
}

// decoratorNames are Bicep's, and how many arguments they take.
var decoratorNames = map[string]int{"description": 1, "allowed": 1, "minLength": 1, "maxLength": 1, "minValue": 1, "maxValue": 1, "secure": 0, "metadata": 1,
	"batchSize": 1, "sealed": 0, "export": 0, "discriminator": 1}

func (f *File) decorator(d node, into map[string]node) {
	call := d.kids()[0]
	kids := call.kids()
	if call.Kind() != "call_expression" || len(kids) == 0 {
		f.report(d, "a decorator is a call")
		return
	}
	name := kids[0].text()
	want, ok := decoratorNames[name]
	switch {
	case !ok:
		f.report(d, "there is no decorator %q", name)
	case len(kids[1].kids()) != want:
		f.report(d, "%s takes %d arguments", name, want)
	case into[name].Node != nil:
		f.report(d, "%s stands twice", name)
	default:
		into[name] = call
	}
}

func (f *File) add(what string, k node, decorators map[string]node) {
	kids := k.kids()
	d := &declaration{what: what, name: kids[0].text(), id: kids[0], node: k, decorators: decorators}
	into := f.names
	if what == "output" {
		into = f.outputs
	}
	if into[d.name] != nil {
		f.report(d.id, "%q is declared twice", d.name)
		return
	}
	f.all = append(f.all, d)
	if what != "output" && namespaces[d.name] {
		f.report(d.id, "%q is a name of Bicep's", d.name)
	}
	into[d.name] = d
	switch what {
	case "parameter":
		f.params[d.name] = d
	case "resource":
		d.resource, _ = kids[1].literal()
		d.existing = k.word("existing")
		d.loop = kids[len(kids)-1].Kind() == "for_statement"
	case "module":
		d.loop = kids[len(kids)-1].Kind() == "for_statement"
	}
}

var namespaces = map[string]bool{"az": true, "sys": true}

// number is a decorator's only argument, where it is a whole number.
func (d *declaration) number(decorator string) *int {
	call, ok := d.decorators[decorator]
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(call.kids()[1].kids()[0].text())
	if err != nil {
		return nil
	}
	return &n
}

// description is the text of @description; empty where there is none.
func (d *declaration) description() string {
	call, ok := d.decorators["description"]
	if !ok {
		return ""
	}
	text, _ := call.kids()[1].kids()[0].literal()
	return text
}
