package entra

import "github.com/tidwall/gjson"

// HasMore reports whether a record has a member, at its top, that another one lacks: it came in a
// richer form, or something was added to it since. What is not a JSON object has none.
func HasMore(record, other []byte) bool {
	names := make(map[string]bool)
	each := func(raw []byte, yield func(name string) bool) {
		if o := gjson.ParseBytes(raw); o.IsObject() {
			o.ForEach(func(name, _ gjson.Result) bool { return yield(name.Str) })
		}
	}
	each(other, func(name string) bool { names[name] = true; return true })
	more := false
	each(record, func(name string) bool {
		more = !names[name]
		return !more
	})
	return more
}
