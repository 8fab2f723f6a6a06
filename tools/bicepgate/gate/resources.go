package gate

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Scopes of a resource type, as the index has them.
const (
	tenantScope    = 1
	groupScope     = 2
	subscriptScope = 4
	resourceScope  = 8
	extensionScope = 16
)

var scopeBits = map[string]int{"tenant": tenantScope, "managementGroup": groupScope, "subscription": subscriptScope, "resourceGroup": resourceScope}

// extended are the types of Bicep's Microsoft Graph extension that are used here.
// Source: learn.microsoft.com/graph/templates/bicep/reference.
var extended = map[string]*typ{
	"Microsoft.Graph/servicePrincipals@v1.0": {kind: object, props: map[string]prop{
		"appId": {typ: textType, required: true}, "id": {typ: textType, readOnly: true}, "displayName": {typ: textType},
		"appRoles": {typ: listOf(closed(map[string]*typ{"id": textType, "value": textType, "displayName": textType, "isEnabled": boolType}))}}},
	"Microsoft.Graph/appRoleAssignedTo@v1.0": {kind: object, props: map[string]prop{
		"appRoleId": {typ: textType, required: true}, "principalId": {typ: textType, required: true}, "resourceId": {typ: textType, required: true}}},
}

// resourceBody is the type of a resource's body: of its properties as they are written and read.
func (f *File) resourceBody(d *declaration) (t *typ, scopes int) {
	at := d.node.kids()[1]
	if len(f.extensions) > 0 {
		if t, ok := extended[d.resource]; ok {
			return t, 0
		}
	}
	name := ""
	if body, ok := f.body(d); ok {
		for _, p := range body.kids() {
			if key, value, ok := property(p); ok && key == "name" {
				name, _ = value.literal()
			}
		}
	}
	t, scopes, ok, err := f.gate.index.resource(d.resource, name)
	switch {
	case err != nil:
		f.report(at, "%s: %v", d.resource, err)
	case !ok:
		f.report(at, "there is no resource type or version %q", d.resource)
	}
	if t == nil {
		return &typ{kind: object, untyped: true}, scopes
	}
	return t, scopes
}

// resourceType is the type of the symbol: what can be read of the resource.
func (f *File) resourceType(d *declaration) *typ {
	body, _ := f.resourceBody(d)
	out := *body
	out.loop = d.loop
	return &out
}

// body is the object of a resource or module, within its loop and its condition.
func (f *File) body(d *declaration) (node, bool) {
	n, _ := d.value()
	for {
		switch n.Kind() {
		case "object":
			return n, true
		case "for_statement":
			b, ok := n.field("body")
			if !ok {
				return node{}, false
			}
			n = b
		case "if_statement":
			kids := n.kids()
			n = kids[len(kids)-1]
		default:
			return node{}, false
		}
	}
}

// context checks the conditions and loops around a body, and gives the names inside.
func (f *File) context(d *declaration) (in locals) {
	n, _ := d.value()
	for {
		switch n.Kind() {
		case "for_statement":
			n, in = f.loop(n, in)
		case "if_statement":
			kids := n.kids()
			f.want(kids[0], boolType, in)
			n = kids[len(kids)-1]
		default:
			return in
		}
	}
}

// metaProperties are Bicep's own of a resource: where it belongs and what it waits for.
var metaProperties = []string{"parent", "scope", "dependsOn"}

func (f *File) checkResource(d *declaration) {
	want, scopes := f.resourceBody(d)
	body, ok := f.body(d)
	if !ok {
		f.report(d.id, "the gate finds no body of %q", d.name)
		return
	}
	in := f.context(d)
	meta := map[string]node{}
	plain := &typ{kind: object, props: map[string]prop{}, extra: want.extra, untyped: want.untyped}
	for name, p := range want.props {
		if d.existing {
			p.required = p.required && oneOf(name, "name", "appId")
		}
		plain.props[name] = p
	}
	for _, p := range body.kids() {
		if key, value, ok := property(p); ok && oneOf(key, metaProperties...) {
			meta[key] = value
			plain.props[key] = prop{typ: anyType}
		}
	}
	f.assign(body, plain, d.name, in)
	f.checkParent(d, meta, in)
	f.checkScope(d, meta, scopes, in)
	if after, ok := meta["dependsOn"]; ok {
		for _, k := range after.kids() {
			if t := f.names[k.text()]; t == nil || t.what != "resource" && t.what != "module" {
				f.report(k, "dependsOn takes resources and modules")
			}
		}
	}
}

// checkParent compares a child's type with its parent's.
func (f *File) checkParent(d *declaration, meta map[string]node, in locals) {
	kind, _, _ := strings.Cut(d.resource, "@")
	parent, has := meta["parent"]
	levels := strings.Count(kind, "/")
	if !has {
		body, _ := f.body(d)
		for _, p := range body.kids() {
			key, value, ok := property(p)
			if text, plain := value.literal(); ok && key == "name" && plain && levels > 0 && strings.Count(text, "/") != levels-1 && !strings.HasPrefix(kind, "Microsoft.Graph/") {
				f.report(value, "%s lies in another resource: give it a parent", kind)
			}
		}
		return
	}
	symbol := parent
	for symbol.Kind() == "subscript_expression" {
		symbol = symbol.kids()[0]
	}
	of := f.names[symbol.text()]
	if of == nil || of.what != "resource" {
		f.report(parent, "a parent is a resource of this file")
		return
	}
	if f.infer(parent, in).loop {
		f.report(parent, "%q is declared in a loop: take one of them with [i]", of.name)
	}
	above, _, _ := strings.Cut(of.resource, "@")
	if i := strings.LastIndex(kind, "/"); !strings.EqualFold(kind[:i], above) {
		f.report(parent, "%s does not lie in %s", kind, above)
	}
}

func (f *File) checkScope(d *declaration, meta map[string]node, scopes int, in locals) {
	scope, has := meta["scope"]
	switch {
	case has && f.names[scope.text()] != nil && f.names[scope.text()].what == "resource":
		if scopes != 0 && scopes&extensionScope == 0 {
			f.report(scope, "%s is no extension of another resource", d.resource)
		}
	case has:
		f.infer(scope, in)
	case scopes != 0 && scopes&(scopeBits[f.scope]|extensionScope) == 0 && !d.existing:
		f.report(d.id, "%s can't be deployed to a %s", d.resource, f.scope)
	}
}

// moduleType is the type of the symbol: its outputs.
func (f *File) moduleType(d *declaration) *typ {
	out := &typ{kind: object, loop: d.loop, props: map[string]prop{"name": {typ: textType}, "outputs": {typ: &typ{kind: object, untyped: true}}}}
	path, ok := d.node.kids()[1].literal()
	if !ok || strings.Contains(path, ":") {
		f.report(d.node.kids()[1], "a module here is a file of this folder")
		return out
	}
	m, err := f.gate.Check(filepath.Join(filepath.Dir(f.Path), filepath.FromSlash(path)))
	if err != nil {
		f.report(d.node.kids()[1], "%v", err)
		return out
	}
	d.module = m
	outputs := &typ{kind: object, props: map[string]prop{}}
	for name, o := range m.outputs {
		outputs.props[name] = prop{typ: m.typeOf(o)}
	}
	out.props["outputs"] = prop{typ: outputs}
	return out
}

func (f *File) checkModule(d *declaration) {
	f.typeOf(d)
	body, ok := f.body(d)
	if !ok {
		f.report(d.id, "the gate finds no body of %q", d.name)
		return
	}
	in := f.context(d)
	params := &typ{kind: object, untyped: d.module == nil, props: map[string]prop{}}
	required := false
	if d.module != nil {
		for name, p := range d.module.params {
			_, has := p.value()
			t := d.module.typeOf(p)
			params.props[name] = prop{typ: t, required: !has && !t.nullable}
			required = required || !has && !t.nullable
		}
		f.Problems = append(f.Problems, d.module.Problems...)
		if d.module.scope != f.scope && !body.contains("scope") {
			f.report(d.id, "%s is for a %s: give it a scope", d.module.Path, d.module.scope)
		}
	}
	f.assign(body, &typ{kind: object, props: map[string]prop{
		"name": {typ: &typ{kind: text, most: ptr(64)}}, "params": {typ: params, required: required}, "scope": {typ: anyType}, "dependsOn": {typ: anyList}}}, d.name, in)
}

func (n node) contains(key string) bool {
	for _, p := range n.kids() {
		if k, _, ok := property(p); ok && k == key {
			return true
		}
	}
	return false
}

func ptr(n int) *int { return &n }

// check goes through all declarations.
func (f *File) check() {
	for _, d := range f.all {
		switch d.what {
		case "resource":
			f.checkResource(d)
		case "module":
			f.checkModule(d)
		case "parameter":
			if value, ok := d.value(); ok {
				f.assign(value, f.typeOf(d), fmt.Sprintf("the default of %q", d.name), nil)
			} else {
				f.typeOf(d)
			}
		case "output":
			value, _ := d.value()
			f.assign(value, f.typeOf(d), fmt.Sprintf("the output %q", d.name), nil)
		default:
			f.typeOf(d)
		}
	}
	f.checkOrder()
}
