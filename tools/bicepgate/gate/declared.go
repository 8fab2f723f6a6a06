package gate

// declared is the type that a type expression means.
func (f *File) declared(n node) *typ {
	kids := n.kids()
	switch n.Kind() {
	case "type", "parenthesized_type":
		if len(kids) == 1 {
			return f.declared(kids[0])
		}
	case "primitive_type":
		switch n.text() {
		case "string":
			return textType
		case "int":
			return intType
		case "bool":
			return boolType
		case "object":
			return anyObj
		case "array":
			return anyList
		}
	case "array_type":
		return listOf(f.declared(kids[0]))
	case "nullable_type":
		t := *f.declared(kids[0])
		t.nullable = true
		return &t
	case "union_type":
		return f.union(kids)
	case "object":
		t := &typ{kind: object, props: make(map[string]prop)}
		for _, p := range kids {
			key, value, ok := property(p)
			if !ok {
				f.report(p, "the gate does not know %s in a type", p.Kind())
				continue
			}
			of := f.declared(value)
			t.props[key] = prop{typ: of, required: !of.nullable}
		}
		return t
	case "identifier":
		if d := f.names[n.text()]; d != nil && d.what == "type" {
			d.used = true
			return f.typeOf(d)
		}
		f.report(n, "there is no type %q", n.text())
		return anyType
	}
	f.report(n, "the gate does not know the type %q", n.text())
	return anyType
}

// union joins the members of a union. The grammar reads all but the last of several as one binary expression.
func (f *File) union(members []node) (out *typ) {
	for _, m := range members {
		if m.Kind() == "binary_expression" && m.word("|") {
			out = join(out, f.union(m.kids()))
			continue
		}
		out = join(out, f.infer(m, nil))
	}
	return out
}

// typeOf finds out the type of a declaration, once.
func (f *File) typeOf(d *declaration) *typ {
	if d.typ != nil {
		return d.typ
	}
	if d.busy {
		f.report(d.id, "%q depends on itself", d.name)
		return anyType
	}
	d.busy = true
	defer func() { d.busy = false }()
	switch d.what {
	case "parameter":
		d.typ = f.parameterType(d)
	case "type":
		value, _ := d.value()
		d.typ = f.declared(value)
	case "variable":
		value, _ := d.value()
		d.typ = f.infer(value, nil)
	case "resource":
		d.typ = f.resourceType(d)
	case "module":
		d.typ = f.moduleType(d)
	case "output":
		d.typ = f.declared(d.typeNode())
	}
	return d.typ
}

// parameterType is a parameter's declared type within what its decorators say.
func (f *File) parameterType(d *declaration) *typ {
	t := *f.declared(d.typeNode())
	if call, ok := d.decorators["allowed"]; ok {
		values := call.kids()[1].kids()[0]
		allowed := f.infer(values, nil).element()
		if allowed.kind != t.kind {
			f.report(values, "the allowed values of %q are no %ss", d.name, t.kind)
		}
		t.literals = allowed.literals
	}
	if _, bad := d.decorators["minLength"]; bad && t.kind != text && t.kind != list {
		f.report(d.id, "minLength does not fit an %s", t.kind)
	}
	if _, bad := d.decorators["minValue"]; bad && t.kind != integer {
		f.report(d.id, "minValue does not fit %s", t.kind)
	}
	for _, name := range []string{"minLength", "minValue"} {
		if n := d.number(name); n != nil {
			t.least = n
		}
	}
	for _, name := range []string{"maxLength", "maxValue"} {
		if n := d.number(name); n != nil {
			t.most = n
		}
	}
	if t.least != nil && t.most != nil && *t.least > *t.most {
		f.report(d.id, "nothing is between %d and %d", *t.least, *t.most)
	}
	return &t
}
