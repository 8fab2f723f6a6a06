package gate

import (
	"maps"
	"slices"
	"strings"
)

// locals are the names of loops and lambdas.
type locals map[string]*typ

func (l locals) with(names []string, types ...*typ) locals {
	out := maps.Clone(l)
	if out == nil {
		out = locals{}
	}
	for i, name := range names {
		t := anyType
		if i < len(types) {
			t = types[i]
		}
		out[name] = t
	}
	return out
}

// infer finds the type of an expression, and reports what is wrong within it.
func (f *File) infer(n node, in locals) *typ {
	kids := n.kids()
	switch n.Kind() {
	case "string":
		for _, k := range kids {
			if k.Kind() == "interpolation" {
				f.scalar(k.kids()[0], in)
			}
		}
		if text, ok := n.literal(); ok {
			return literalOf(text)
		}
		return textType
	case "number":
		return intType
	case "boolean":
		return boolType
	case "null":
		return nullType
	case "array":
		return f.inferArray(kids, in)
	case "object":
		return f.inferObject(kids, in)
	case "identifier":
		return f.name(n, in)
	case "parenthesized_expression":
		return f.infer(kids[0], in)
	case "lambda_expression": // its names are bound: see lambda
		return f.infer(kids[len(kids)-1], in)
	case "member_expression":
		return f.member(n, in)
	case "subscript_expression":
		return f.subscript(n, in)
	case "call_expression":
		return f.call(n, in)
	case "binary_expression":
		return f.binary(n, in)
	case "unary_expression":
		want := intType
		if n.word("!") {
			want = boolType
		}
		f.want(kids[len(kids)-1], want, in)
		return want
	case "ternary_expression":
		f.want(kids[0], boolType, in)
		return join(f.infer(kids[1], in), f.infer(kids[2], in))
	case "for_statement":
		body, inside := f.loop(n, in)
		return listOf(f.infer(body, inside))
	}
	f.report(n, "the gate does not know %s", n.Kind())
	return anyType
}

// want infers an expression that has to be of a type.
func (f *File) want(n node, t *typ, in locals) {
	if why := mismatch(f.infer(n, in), t); why != "" {
		f.report(n, "%s", why)
	}
}

// scalar infers what is put into a text.
func (f *File) scalar(n node, in locals) {
	if t := f.infer(n, in); t.kind == object || t.kind == list {
		f.report(n, "an %s can't be put into a text", t.kind)
	}
}

func (f *File) inferArray(kids []node, in locals) *typ {
	var elem *typ
	for _, k := range kids {
		elem = join(elem, f.infer(k, in))
	}
	return listOf(elem)
}

func (f *File) inferObject(kids []node, in locals) *typ {
	t := &typ{kind: object, props: make(map[string]prop)}
	for _, p := range kids {
		key, value, ok := property(p)
		if !ok {
			f.report(p, "the gate does not know %s in an object", p.Kind())
			continue
		}
		if key == "" {
			f.infer(p.kids()[0], in)
			t.untyped = true
		} else if _, twice := t.props[key]; twice {
			f.report(p, "%q stands twice", key)
		}
		t.props[key] = prop{typ: f.infer(value, in)}
	}
	return t
}

// property splits a property. key is empty where it is made at deployment.
func property(p node) (key string, value node, ok bool) {
	kids := p.kids()
	if p.Kind() != "object_property" || len(kids) != 2 {
		return "", node{}, false
	}
	if kids[0].Kind() == "string" {
		key, _ = kids[0].literal()
	} else {
		key = kids[0].text()
	}
	return key, kids[1], true
}

func (f *File) name(n node, in locals) *typ {
	name := n.text()
	if t, ok := in[name]; ok {
		return t
	}
	d := f.names[name]
	if d == nil {
		f.report(n, "there is no %q", name)
		return anyType
	}
	d.used = true
	if d.what == "type" {
		f.report(n, "%q is a type", name)
		return anyType
	}
	return f.typeOf(d)
}

// member is what stands behind a dot.
func (f *File) member(n node, in locals) *typ {
	kids := n.kids()
	of, name := f.infer(kids[0], in), kids[1].text()
	switch {
	case of.loop:
		f.report(kids[1], "%q is declared in a loop: take one of them with [i]", kids[0].text())
	case of.kind == anything, of.kind == object && of.untyped:
	case of.kind != object:
		f.report(kids[1], "an %s has no %q", of.kind, name)
	default:
		if p, ok := of.props[name]; ok {
			if p.sometimes {
				f.report(kids[1], "not all of them have %q", name)
			}
			return p.typ
		}
		if of.extra != nil {
			return of.extra
		}
		f.report(kids[1], "there is no %q here, but %s", name, strings.Join(slices.Sorted(maps.Keys(of.props)), ", "))
	}
	return anyType
}

func (f *File) subscript(n node, in locals) *typ {
	kids := n.kids()
	of, index := f.infer(kids[0], in), f.infer(kids[1], in)
	switch {
	case of.loop:
		one := *of
		one.loop = false
		if index.kind != integer && index.kind != anything {
			f.report(kids[1], "one of several is taken with a number")
		}
		return &one
	case of.kind == list:
		if index.kind != integer && index.kind != anything {
			f.report(kids[1], "an element is taken with a number")
		}
		return of.element()
	case of.kind == object:
		if key, ok := kids[1].literal(); ok && !of.untyped {
			if p, ok := of.props[key]; ok {
				return p.typ
			}
			if of.extra == nil {
				f.report(kids[1], "there is no %q here", key)
			}
		}
	case of.kind != anything:
		f.report(kids[1], "nothing can be taken out of an %s", of.kind)
	}
	return anyType
}

func (f *File) binary(n node, in locals) *typ {
	kids := n.kids()
	left, right := kids[0], kids[1]
	for _, op := range []string{"&&", "||"} {
		if n.word(op) {
			f.want(left, boolType, in)
			f.want(right, boolType, in)
			return boolType
		}
	}
	for _, op := range []string{"+", "-", "*", "/", "%"} {
		if n.word(op) {
			f.want(left, intType, in)
			f.want(right, intType, in)
			return intType
		}
	}
	a, b := f.infer(left, in), f.infer(right, in)
	if n.word("??") {
		return join(a, b)
	}
	if !slices.ContainsFunc([]string{"==", "!=", "<", ">", "<=", ">=", "=~", "!~"}, n.word) {
		f.report(n, "the gate does not know the operator of %q", n.text())
		return anyType
	}
	if (n.word("==") || n.word("!=")) && a.kind != b.kind && a.kind != anything && b.kind != anything && a.kind != null && b.kind != null {
		f.report(n, "an %s and an %s are never equal", a.kind, b.kind)
	}
	if (n.word("==") || n.word("!=")) && a.literals != nil && b.literals != nil && !slices.ContainsFunc(a.literals, func(v string) bool { return slices.Contains(b.literals, v) }) {
		f.report(n, "%s and %s are never equal", left.text(), right.text())
	}
	return boolType
}

// loop binds what a for statement names, and gives its body.
func (f *File) loop(n node, in locals) (body node, inside locals) {
	kids := n.kids()
	body, _ = n.field("body")
	source := kids[len(kids)-2]
	names := []string{kids[0].text()}
	if kids[0].Kind() == "for_loop_parameters" {
		names = nil
		for _, k := range kids[0].kids() {
			names = append(names, k.text())
		}
	}
	over := f.infer(source, in)
	if over.kind != list && over.kind != anything {
		f.report(source, "a loop goes over an array, and this is an %s", over.kind)
	}
	return body, in.with(names, over.element(), intType)
}

func (f *File) call(n node, in locals) *typ {
	kids := n.kids()
	callee, args := kids[0], kids[1].kids()
	name := callee.text()
	if callee.Kind() == "member_expression" {
		parts := callee.kids()
		name = parts[1].text()
		if !namespaces[parts[0].text()] {
			f.infer(parts[0], in)
			f.report(n, "the method %q is not called here: a resource's methods read its secrets", name)
			return anyType
		}
	}
	if secrets[name] {
		f.report(n, "%s puts a secret into the deployment", name)
		return anyType
	}
	fn, ok := functions[name]
	if !ok {
		f.report(callee, "there is no function %q", name)
		return anyType
	}
	if len(args) < fn.least || fn.most >= 0 && len(args) > fn.most {
		f.report(n, "%s does not take %d arguments", name, len(args))
		return fn.result
	}
	var (
		types  []*typ
		lambda *typ
	)
	for i, a := range args {
		if l, ok := leftLambda(a); ok {
			lambda = f.lambda(l, a, types, in)
			continue
		}
		types = append(types, f.infer(a, in))
		if i == 0 && fn.first != nil {
			if why := mismatch(types[0], fn.first); why != "" {
				f.report(a, "%s: %s", name, why)
			}
		}
	}
	return resultOf(name, types, lambda)
}

// lambda infers what a lambda gives, whose parameters are elements of the first argument. The grammar ends a lambda too early: of
// x => x.a == b it reads (x => x).a == b. So the lambda is looked for at the left end, and its names hold for the whole argument.
func (f *File) lambda(n, within node, args []*typ, in locals) *typ {
	kids := n.kids()
	var names []string
	for _, k := range kids[:len(kids)-1] {
		names = append(names, strings.FieldsFunc(k.text(), func(r rune) bool { return strings.ContainsRune("(), ", r) })...)
	}
	elem := anyType
	if len(args) > 0 && args[0].kind == list {
		elem = args[0].element()
	}
	return f.infer(within, in.with(names, elem, elem))
}

// leftLambda is the lambda at the left end of an argument.
func leftLambda(n node) (node, bool) {
	for n.Kind() != "lambda_expression" {
		kids := n.kids()
		if !oneOf(n.Kind(), "binary_expression", "ternary_expression", "member_expression", "subscript_expression", "call_expression") || len(kids) == 0 {
			return node{}, false
		}
		n = kids[0]
	}
	return n, true
}
