package discard

import (
	"fmt"
	"regexp"
	"strings"
)

// comparison is one term of a filter, of the only form that is understood: property operator
// 'text'.
type comparison struct{ property, operator, value string }

// condition reports whether an entity, given by its properties' texts, matches.
type condition func(get func(property string) string) bool

// parseFilter reads comparisons of texts joined by "and" and "or", with parentheses. Anything else
// is refused, so that a client that needs more than that fails instead of being answered wrongly.
// An empty filter means all.
func parseFilter(filter string) (condition, error) {
	if strings.TrimSpace(filter) == "" {
		return func(func(string) string) bool { return true }, nil
	}
	p := &filterParser{rest: filter}
	meant := p.joined("or", func() condition { return p.joined("and", p.term) })
	if p.failed || strings.TrimSpace(p.rest) != "" {
		return nil, fmt.Errorf("read filter %q: only comparisons of texts joined by and, or are understood", filter)
	}
	return meant, nil
}

// filterParser reads a filter from its begin on.
type filterParser struct {
	rest   string
	failed bool
}

// joined reads terms with one word between them.
func (p *filterParser) joined(word string, term func() condition) condition {
	all := []condition{term()}
	for !p.failed {
		rest, ok := strings.CutPrefix(strings.TrimLeft(p.rest, " "), word+" ")
		if !ok {
			break
		}
		p.rest = rest
		all = append(all, term())
	}
	return func(get func(string) string) bool {
		for _, c := range all {
			if c(get) == (word == "or") {
				return word == "or"
			}
		}
		return word == "and"
	}
}

// textTerm is one comparison; a quote within the text is doubled.
var textTerm = regexp.MustCompile(`^\s*(\w+)\s+(eq|ne|ge|gt|le|lt)\s+'((?:[^']|'')*)'`)

// term reads one comparison, or a parenthesis.
func (p *filterParser) term() condition {
	if rest, ok := strings.CutPrefix(strings.TrimLeft(p.rest, " "), "("); ok {
		p.rest = rest
		inner := p.joined("or", func() condition { return p.joined("and", p.term) })
		rest, closed := strings.CutPrefix(strings.TrimLeft(p.rest, " "), ")")
		p.rest, p.failed = rest, p.failed || !closed
		return inner
	}
	m := textTerm.FindStringSubmatch(p.rest)
	if m == nil {
		p.failed = true
		return nil
	}
	p.rest = p.rest[len(m[0]):]
	c := comparison{m[1], m[2], strings.ReplaceAll(m[3], "''", "'")}
	return func(get func(string) string) bool { return c.holds(get(c.property)) }
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
