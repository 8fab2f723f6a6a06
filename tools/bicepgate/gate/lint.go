package gate

import "strings"

// lint asks for what the compiler does not: that a person can tell what a parameter is for.
func (f *File) lint() {
	for _, d := range f.all {
		if (d.what == "parameter" || d.what == "output") && len(strings.TrimSpace(d.description())) < 4 {
			f.report(d.id, "%s %q has no description", d.what, d.name)
		}
	}
}

// lintUse reports what nothing uses.
func (f *File) lintUse() {
	for _, d := range f.all {
		if !d.used && (d.what == "parameter" || d.what == "variable" || d.what == "type" || d.what == "resource" && d.existing) {
			f.report(d.id, "nothing uses the %s %q", d.what, d.name)
		}
	}
}

// checkOrder reports resources and modules that wait for each other.
func (f *File) checkOrder() {
	const (
		going = 1
		done  = 2
	)
	state := map[*declaration]int{}
	var visit func(d *declaration)
	visit = func(d *declaration) {
		state[d] = going
		for _, name := range identifiers(d.node) {
			next := f.names[name]
			if next == nil || next == d {
				continue
			}
			if state[next] == going {
				f.report(d.id, "%q and %q wait for each other", d.name, next.name)
			} else if state[next] == 0 {
				visit(next)
			}
		}
		state[d] = done
	}
	for _, d := range f.all {
		if state[d] == 0 && d.what != "output" {
			visit(d)
		}
	}
}

// identifiers are the names that an expression speaks of, keys of objects apart.
func identifiers(n node) (out []string) {
	kids := n.kids()
	if n.Kind() == "identifier" {
		return []string{n.text()}
	}
	if n.Kind() == "object_property" && len(kids) == 2 && kids[0].Kind() == "identifier" {
		kids = kids[1:]
	}
	if declarations[n.Kind()] != "" {
		kids = kids[1:]
	}
	for _, k := range kids {
		out = append(out, identifiers(k)...)
	}
	return out
}
