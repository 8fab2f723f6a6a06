package importing

import (
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/odata"
)

// PowerShell's objects have Graph's properties with a large first letter, null for each that Graph
// did not send, what their class does not know in AdditionalProperties, and in Windows PowerShell
// times as /Date(milliseconds)/. Source: learn.microsoft.com/powershell/module/
// microsoft.graph.beta.reports, and ConvertTo-Json of Windows PowerShell 5.1.

// powershell makes a record of such an object.
func (f *form) powershell(v gjson.Result) []byte {
	out, _ := f.named(nil, v, f.shape)
	return out
}

// named writes an object with Graph's names; members is how many it has.
func (f *form) named(out []byte, v gjson.Result, shape *odata.Shape) (_ []byte, members int) {
	out = append(out, '{')
	seen := map[string]bool{}
	var add func(name, value gjson.Result) bool
	add = func(name, value gjson.Result) bool {
		if name.Str == "AdditionalProperties" && value.IsObject() {
			value.ForEach(add)
			return true
		}
		to := f.spelt(name.Str, shape)
		before := len(out)
		if seen[to] {
			return true
		}
		if members > 0 {
			out = append(out, ',')
		}
		out = append(appendText(out, to), ':')
		var field *odata.Shape
		if shape != nil {
			field = shape.Fields[to]
		}
		var ok bool
		if out, ok = f.member(out, value, field); !ok {
			out = out[:before]
			return true
		}
		seen[to] = true
		members++
		return true
	}
	v.ForEach(add)
	return append(out, '}'), members
}

// spelt is Graph's spelling of a name.
func (f *form) spelt(name string, shape *odata.Shape) string {
	lower := strings.ToLower(name)
	if to, ok := extractorNames()[lower]; ok {
		return to
	}
	if shape != nil {
		if to, ok := f.folded[shape][lower]; ok {
			return to
		}
	}
	return lowerFirst(name)
}

// member writes a value; ok is false where there is none.
func (f *form) member(out []byte, v gjson.Result, shape *odata.Shape) (_ []byte, ok bool) {
	switch {
	case v.Type == gjson.Null:
		return out, false
	case v.IsObject():
		out, members := f.named(out, v, shape)
		return out, members > 0
	case v.IsArray():
		var elem *odata.Shape
		if shape != nil {
			elem = shape.Elem
		}
		out = append(out, '[')
		count := 0
		v.ForEach(func(_, e gjson.Result) bool {
			before := len(out)
			if count > 0 {
				out = append(out, ',')
			}
			if out, ok = f.member(out, e, elem); !ok {
				out = out[:before]
			} else {
				count++
			}
			return true
		})
		return append(out, ']'), true
	case v.Type == gjson.String:
		if t, ok := dateOf(v.Str); ok {
			return appendText(out, t), true
		}
	}
	return append(out, v.Raw...), true
}

// dateOf reads /Date(milliseconds)/, in UTC.
func dateOf(text string) (string, bool) {
	digits, ok := strings.CutPrefix(text, "/Date(")
	if digits, ok = cutSuffix(digits, ")/", ok); !ok {
		return "", false
	}
	ms, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return "", false
	}
	return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano), true
}

func cutSuffix(text, suffix string, ok bool) (string, bool) {
	if !ok {
		return "", false
	}
	return strings.CutSuffix(text, suffix)
}
