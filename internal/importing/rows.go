package importing

import (
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
)

// form is what Graph's records of a log look like, and what is needed to make one of a row.
type form struct {
	shape   *odata.Shape
	folded  map[*odata.Shape]map[string]string // names in small letters, and as Graph spells them
	columns map[string]string
	rules   ruleSet
}

func newForm(s entra.Stream) (*form, error) {
	shape, err := odata.ShapeOf(s)
	if err != nil {
		return nil, err
	}
	f := &form{shape: shape, folded: map[*odata.Shape]map[string]string{}, columns: columnsOf(s),
		rules: newRuleSet(rulesOf(s))}
	f.fold(shape)
	return f, nil
}

func (f *form) fold(s *odata.Shape) {
	names := map[string]string{}
	for _, name := range s.Names() {
		// Of two spellings the one that begins small counts, and then the first.
		if old, ok := names[strings.ToLower(name)]; !ok || old[0] < 'a' {
			names[strings.ToLower(name)] = name
		}
		f.fold(s.Fields[name])
	}
	f.folded[s] = names
	if s.Elem != nil {
		f.fold(s.Elem)
	}
}

// property is the property of Graph's record that a column becomes.
func (f *form) property(column string) (name string, ok bool) {
	if name, ok := f.columns[column]; ok {
		return name, name != ""
	}
	name, ok = f.folded[f.shape][strings.ToLower(column)]
	return name, ok
}

// row makes a record of a table's row. left are the columns that it has no place for.
func (f *form) row(s entra.Stream, row gjson.Result) (out []byte, left []string) {
	out = append(out, '{')
	add := func(name string) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(appendText(out, name), ':')
	}
	row.ForEach(func(column, cell gjson.Result) bool {
		if cell.Type == gjson.Null || cell.Type == gjson.String && cell.Str == "" {
			return true
		}
		name, ok := f.property(column.Str)
		if !ok {
			left = append(left, column.Str)
			return true
		}
		add(name)
		out = appendCell(out, f.shape.Fields[name], cell)
		return true
	})
	// The tables of applications' sign-ins have no Status: the code is ResultType.
	code := row.Get("ResultType").String()
	if _, err := strconv.ParseInt(code, 10, 64); err == nil && logs.Of(s).IsSignIns() &&
		row.Get("Status").String() == "" {
		add("status")
		out = append(append(out, `{"errorCode":`...), code...)
		if why := row.Get("ResultDescription").String(); why != "" {
			out = appendText(append(out, `,"failureReason":`...), why)
		}
		out = append(out, '}')
	}
	return append(out, '}'), left
}

// appendCell writes a cell as the property's kind has it: CSV and some tables have texts only.
func appendCell(out []byte, s *odata.Shape, cell gjson.Result) []byte {
	if cell.Type != gjson.String {
		if s != nil && s.Kind == odata.KindText && cell.Type == gjson.Number {
			return appendText(out, cell.Raw)
		}
		return append(out, cell.Raw...)
	}
	text := strings.TrimSpace(cell.Str)
	kind := odata.KindText
	if s != nil {
		kind = s.Kind
	}
	switch kind {
	case odata.KindObject, odata.KindList, odata.KindOpen:
		if text != "" && (text[0] == '{' || text[0] == '[') && gjson.Valid(text) {
			return append(out, text...)
		}
	case odata.KindNumber:
		if _, err := strconv.ParseFloat(text, 64); err == nil && gjson.Valid(text) {
			return append(out, text...)
		}
	case odata.KindBool:
		if lower := strings.ToLower(text); lower == "true" || lower == "false" {
			return append(out, lower...)
		}
	case odata.KindTime:
		if t, ok := portalTime(text); ok {
			return appendText(out, t)
		}
	}
	return append(out, cell.Raw...)
}

// portalTimes are the forms in which Azure's portal exports times, in UTC.
func portalTimes() []string {
	return []string{"1/2/2006, 3:04:05.999999999 PM", "1/2/2006 3:04:05.999999999 PM"}
}

func portalTime(text string) (string, bool) {
	if len(text) < len("1/2/2006 3:04:05 PM") || !strings.HasSuffix(text, "M") || strings.Count(text, "/") != 2 {
		return "", false
	}
	for _, form := range portalTimes() {
		if t, err := time.Parse(form, text); err == nil {
			return t.Format(time.RFC3339Nano), true
		}
	}
	return "", false
}
