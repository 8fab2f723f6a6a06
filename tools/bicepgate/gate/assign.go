package gate

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// assign checks a value against the type of the place that it goes to. path names the place.
func (f *File) assign(n node, want *typ, path string, in locals) {
	kids := n.kids()
	switch {
	case n.Kind() == "parenthesized_expression":
		f.assign(kids[0], want, path, in)
	case n.Kind() == "ternary_expression":
		f.want(kids[0], boolType, in)
		f.assign(kids[1], want, path, in)
		f.assign(kids[2], want, path, in)
	case n.Kind() == "for_statement" && want.kind == list:
		body, inside := f.loop(n, in)
		f.assign(body, want.element(), path+"[]", inside)
	case n.Kind() == "array" && want.kind == list:
		for _, k := range kids {
			f.assign(k, want.element(), path+"[]", in)
		}
		if why := outOfBounds(len(kids), want, "elements"); why != "" {
			f.report(n, "%s: %s", path, why)
		}
	case n.Kind() == "object" && want.kind == object && !want.untyped:
		f.assignObject(n, want, path, in)
	default:
		if why := mismatch(f.infer(n, in), want); why != "" {
			f.report(n, "%s: %s", path, why)
			return
		}
		f.bounds(n, want, path)
	}
}

// bounds checks what is written out against lengths, values and patterns.
func (f *File) bounds(n node, want *typ, path string) {
	if text, ok := n.literal(); ok {
		if pattern, err := regexp.Compile(want.pattern); err == nil && want.pattern != "" && !pattern.MatchString(text) {
			f.report(n, "%s: %q does not match %s", path, text, want.pattern)
		}
	}
	if number, err := strconv.Atoi(n.text()); err == nil && want.kind == integer {
		if why := outOfBounds(number, want, ""); why != "" {
			f.report(n, "%s: %d %s", path, number, strings.TrimSpace(why))
		}
	}
}

func (f *File) assignObject(n node, want *typ, path string, in locals) {
	have := map[string]bool{}
	for _, p := range n.kids() {
		key, value, ok := property(p)
		switch {
		case !ok:
			f.report(p, "the gate does not know %s in an object", p.Kind())
			continue
		case key == "":
			f.infer(p.kids()[0], in)
			if want.extra == nil {
				f.report(p, "%s takes no properties but its own", path)
				continue
			}
			f.assign(value, want.extra, path+".*", in)
			continue
		case have[key]:
			f.report(p, "%s.%s stands twice", path, key)
		}
		have[key] = true
		to, known := want.props[key]
		switch {
		case known && to.readOnly:
			f.report(p, "%s.%s is read-only", path, key)
		case known && value.Kind() == "null" && to.required:
			f.report(p, "%s.%s is required", path, key)
		case known:
			f.assign(value, to.typ, path+"."+key, in)
		case want.extra != nil:
			f.assign(value, want.extra, path+"."+key, in)
		default:
			f.report(p, "there is no %s.%s%s", path, key, didYouMean(key, want))
			f.infer(value, in)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want.props)) {
		if p := want.props[key]; p.required && !p.readOnly && !have[key] {
			f.report(n, "%s.%s is required", path, key)
		}
	}
}

func didYouMean(key string, t *typ) string {
	for _, name := range slices.Sorted(maps.Keys(t.props)) {
		if strings.EqualFold(name, key) || strings.Contains(strings.ToLower(name), strings.ToLower(key)) || strings.Contains(strings.ToLower(key), strings.ToLower(name)) {
			return "; there is " + name
		}
	}
	return ""
}
