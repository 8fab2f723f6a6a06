package importing

import (
	"strings"

	"github.com/tidwall/gjson"
)

// ruleSet is rules by path, and the paths that lead to one: everything else is copied as bytes.
type ruleSet struct {
	rules map[string]rule
	leads map[string]bool
}

func newRuleSet(rules []rule) ruleSet {
	out := ruleSet{rules: map[string]rule{}, leads: map[string]bool{}}
	for _, r := range rules {
		out.rules[r.Path] = r
		for i := range len(r.Path) {
			if r.Path[i] == '.' {
				out.leads[r.Path[:i]] = true
			}
		}
	}
	return out
}

// apply writes a delivered record by the rules. changed tells whether one of them changed anything:
// otherwise the record is the same bytes. left are the members that were left out.
func (s ruleSet) apply(raw []byte) (out []byte, changed bool, left []string) {
	w := &rewriting{set: s}
	record := gjson.ParseBytes(raw)
	w.object(record, "")
	if !w.changed {
		return raw, false, nil
	}
	return w.out, true, w.left
}

type rewriting struct {
	set     ruleSet
	out     []byte
	left    []string
	changed bool
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (w *rewriting) object(v gjson.Result, path string) {
	w.out = append(w.out, '{')
	first := true
	v.ForEach(func(name, value gjson.Result) bool {
		if strings.HasPrefix(name.Str, noise) {
			w.changed, w.left = true, append(w.left, name.Str)
			return true
		}
		if !first {
			w.out = append(w.out, ',')
		}
		first = false
		at := join(path, name.Str)
		r, ok := w.set.rules[at]
		if ok && r.To != "" && !v.Get(r.To).Exists() {
			w.changed = true
			w.out = appendText(w.out, r.To)
		} else {
			w.out = append(w.out, name.Raw...)
		}
		w.out = append(w.out, ':')
		w.value(value, at, r.As)
		return true
	})
	w.out = append(w.out, '}')
}

func (w *rewriting) value(v gjson.Result, path string, as way) {
	switch {
	case as == asConditions && v.Type == gjson.Number:
		if names, ok := conditionNames(v); ok {
			w.changed = true
			w.out = appendText(w.out, names)
			return
		}
	case as == asLower && v.Type == gjson.String && lowerFirst(v.Str) != v.Str:
		w.changed = true
		w.out = appendText(w.out, lowerFirst(v.Str))
		return
	case v.IsObject() && w.set.leads[path]:
		w.object(v, path)
		return
	case v.IsArray() && w.set.leads[path]:
		w.elements(v, join(path, "#"))
		return
	}
	w.out = append(w.out, v.Raw...)
}

func (w *rewriting) elements(v gjson.Result, path string) {
	w.out = append(w.out, '[')
	first := true
	v.ForEach(func(_, value gjson.Result) bool {
		if !first {
			w.out = append(w.out, ',')
		}
		first = false
		w.value(value, path, asIs)
		return true
	})
	w.out = append(w.out, ']')
}

// conditionNames are the names of a number's bits; ok is false where one is not known.
func conditionNames(v gjson.Result) (names string, ok bool) {
	n := v.Int()
	if n < 0 || float64(n) != v.Num {
		return "", false
	}
	var out []string
	for i, name := range conditions() {
		if n&(1<<i) != 0 {
			out = append(out, name)
			n &^= 1 << i
		}
	}
	if len(out) == 0 {
		out = []string{"none"}
	}
	return strings.Join(out, ","), n == 0
}
