package discard

import (
	"fmt"
	"regexp"
	"strings"
)

// comparison is one term of a filter, of the only form that is understood: property operator 'text'.
type comparison struct{ property, operator, value string }

// parseFilter reads comparisons of texts joined by "and". Anything else is refused, so that a client that needs more
// than that fails instead of being answered wrongly. The result tells whether an entity, given by its properties'
// texts, is meant; an empty filter means all.
func parseFilter(filter string) (func(get func(property string) string) bool, error) {
	// One comparison with the word that joins it to the next; a quote within the text is doubled.
	term := regexp.MustCompile(`^\s*\(*\s*(\w+)\s+(eq|ne|ge|gt|le|lt)\s+'((?:[^']|'')*)'\s*\)*\s*(and\s|$)`)
	var terms []comparison
	for rest := filter; strings.TrimSpace(rest) != ""; {
		m := term.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("read filter %q: only comparisons of texts joined by and are understood", filter)
		}
		terms = append(terms, comparison{m[1], m[2], strings.ReplaceAll(m[3], "''", "'")})
		rest = rest[len(m[0]):]
	}
	return func(get func(string) string) bool {
		for _, t := range terms {
			if !t.holds(get(t.property)) {
				return false
			}
		}
		return true
	}, nil
}

func (c comparison) holds(value string) bool {
	switch c.operator {
	case "eq":
		return value == c.value
	case "ne":
		return value != c.value
	case "ge":
		return value >= c.value
	case "gt":
		return value > c.value
	case "le":
		return value <= c.value
	default:
		return value < c.value
	}
}
