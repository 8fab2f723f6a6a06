package entra

import (
	"math"
	"slices"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// MaxColumnBytes bounds a promoted text: columns are for looking and filtering, the record itself
// is always whole.
const MaxColumnBytes = 1024

// Layout is what the archive decodes of a log's records.
type Layout struct {
	TimeProperty string // the property that dates a record
	Columns      []Promotion
}

// Promotion names one column: the record's top-level property, the path below it with points
// between (empty: the property itself), and the column.
type Promotion struct {
	Property, Path, Column string
	Usual                  []string // texts that have no column
}

// promote adds the column if its value is a text with content or a whole number of 32 bits.
// Anything else, null included, has no column: only the record has it.
func (r *Record) promote(p *Promotion, value gjson.Result) {
	if p.Path != "" {
		if !value.IsObject() {
			return
		}
		value = value.Get(p.Path)
	}
	for i := range r.Columns {
		if r.Columns[i].Name == p.Column {
			return
		}
	}
	switch value.Type {
	case gjson.String:
		if value.Str != "" && !slices.Contains(p.Usual, value.Str) {
			r.Columns = append(r.Columns, Column{Name: p.Column, Text: clipColumn(value.Str)})
		}
	case gjson.Number:
		if n := value.Num; n == math.Trunc(n) && n >= math.MinInt32 && n <= math.MaxInt32 {
			r.Columns = append(r.Columns, Column{Name: p.Column, Int: int32(n), IsInt: true})
		}
	}
}

// clipColumn shortens a text to MaxColumnBytes at a rune's edge.
func clipColumn(s string) string {
	if len(s) <= MaxColumnBytes {
		return s
	}
	end := MaxColumnBytes
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
