package directory

import (
	"cmp"
	"slices"
	"time"
)

// holds tells whether columns are such as a range asks for, as the table service would.
func (r Range) holds(columns []Column) bool {
	return !slices.ContainsFunc(r.Where, func(any []Condition) bool {
		return !slices.ContainsFunc(any, func(c Condition) bool { return c.holds(columns) })
	})
}

func (c Condition) holds(columns []Column) bool {
	at := slices.IndexFunc(columns, func(col Column) bool { return col.Name == c.Column })
	if at < 0 {
		return false
	}
	order := cmp.Compare(ordered(columns[at].Value), ordered(c.Value))
	switch c.Op {
	case "eq":
		return order == 0
	case "ne":
		return order != 0
	case "lt":
		return order < 0
	case "le":
		return order <= 0
	case "gt":
		return order > 0
	case "ge":
		return order >= 0
	}
	return false
}

// ordered is a text in the order of the values, all of one type.
func ordered(value any) string {
	switch v := value.(type) {
	case time.Time:
		// As the table keeps it. The table's year 1601 is no earlier than any that is asked for.
		return v.UTC().Format(KeyTime)
	case bool:
		if v {
			return "true"
		}
		return "false"
	case string:
		return v
	}
	return ""
}
