package simtenant

import (
	"fmt"
	"strings"
	"time"
)

// The $filter grammar of the log collections: or, and, not, parentheses, comparisons, functions,
// any() over a list.

type node interface{ isNode() }

type (
	logical struct {
		op   string // and, or
		l, r node
	}
	negation   struct{ of node }
	comparison struct {
		path, op string
		value    value
	}
	call struct { // startswith(path,'x'), contains(path,'x'), endswith(path,'x')
		name, path, text string
	}
	anyOf struct {
		path, variable string
		of             node
	}
)

func (logical) isNode()    {}
func (negation) isNode()   {}
func (comparison) isNode() {}
func (call) isNode()       {}
func (anyOf) isNode()      {}

// value is a literal: a quoted text, a time, or a bare word (number, true, null).
type value struct {
	text   string
	quoted bool
	time   time.Time
}

// filterError is a 400 with Graph's words.
type filterError struct{ message string }

func (e *filterError) Error() string { return e.message }

func invalid(format string, args ...any) error {
	return &filterError{"Invalid filter clause: " + fmt.Sprintf(format, args...)}
}

// maxDepth bounds nested parentheses.
const maxDepth = 50

type parser struct {
	tokens []token
	depth  int
}

type token struct {
	kind rune // w: word, s: quoted text, or the punctuation itself
	text string
	at   int
}

func parseFilter(text string) (node, error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if len(p.tokens) > 0 {
		return nil, invalid("Syntax error at position %d in '%s'.", p.tokens[0].at, text)
	}
	return n, nil
}

func lex(text string) ([]token, error) {
	var out []token
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == ' ' || c == '\t':
			i++
		case c == '(' || c == ')' || c == ',' || c == ':' && i+1 < len(text) && text[i+1] == ' ':
			out = append(out, token{rune(c), text[i : i+1], i})
			i++
		case c == '\'':
			content, end, ok := quoted(text, i)
			if !ok {
				return nil, invalid("There is an unterminated string literal at position %d in '%s'.", i, text)
			}
			out = append(out, token{'s', content, i})
			i = end
		default:
			end := i
			for end < len(text) && strings.IndexByte(" \t(),'", text[end]) < 0 &&
				!(text[end] == ':' && end+1 < len(text) && text[end+1] == ' ') {
				end++
			}
			// t:t/id has its colon without a blank.
			if colon := strings.IndexByte(text[i:end], ':'); colon > 0 && isName(text[i:i+colon]) {
				out = append(out, token{'w', text[i : i+colon], i}, token{':', ":", i + colon})
				i += colon + 1
				continue
			}
			out = append(out, token{'w', text[i:end], i})
			i = end
		}
	}
	return out, nil
}

func quoted(text string, from int) (content string, end int, ok bool) {
	var b strings.Builder
	for i := from + 1; i < len(text); i++ {
		if text[i] != '\'' {
			b.WriteByte(text[i])
			continue
		}
		if i+1 < len(text) && text[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), i + 1, true
	}
	return "", 0, false
}

func isName(s string) bool {
	for _, c := range s {
		if !(c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return false
		}
	}
	return s != ""
}

func (p *parser) peek(text string) bool {
	return len(p.tokens) > 0 && p.tokens[0].kind != 's' && strings.EqualFold(p.tokens[0].text, text)
}

func (p *parser) take() (token, error) {
	if len(p.tokens) == 0 {
		return token{}, invalid("Expression expected at the end.")
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t, nil
}

func (p *parser) expect(text string) error {
	t, err := p.take()
	if err == nil && (t.kind == 's' || t.text != text) {
		err = invalid("'%s' expected at position %d.", text, t.at)
	}
	return err
}

func (p *parser) or() (node, error) { return p.chain("or", p.and) }

func (p *parser) and() (node, error) { return p.chain("and", p.unary) }

func (p *parser) chain(op string, operand func() (node, error)) (node, error) {
	left, err := operand()
	for err == nil && p.peek(op) {
		p.tokens = p.tokens[1:]
		var right node
		right, err = operand()
		left = logical{op: op, l: left, r: right}
	}
	return left, err
}

func (p *parser) unary() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, invalid("The expression is nested too deeply.")
	}
	defer func() { p.depth-- }()
	switch {
	case p.peek("not"):
		p.tokens = p.tokens[1:]
		of, err := p.unary()
		return negation{of}, err
	case p.peek("("):
		p.tokens = p.tokens[1:]
		n, err := p.or()
		if err != nil {
			return nil, err
		}
		return n, p.expect(")")
	}
	return p.primary()
}

func (p *parser) primary() (node, error) {
	t, err := p.take()
	if err != nil {
		return nil, err
	}
	if t.kind != 'w' {
		return nil, invalid("A property expected at position %d.", t.at)
	}
	if p.peek("(") {
		if path, ok := strings.CutSuffix(t.text, "/any"); ok {
			return p.any(path)
		}
		return p.function(strings.ToLower(t.text), t.at)
	}
	op, err := p.take()
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(op.text) {
	case "eq", "ne", "ge", "le", "gt", "lt":
	default:
		return nil, invalid("'%s' at position %d is no operator.", op.text, op.at)
	}
	v, err := p.value()
	return comparison{path: t.text, op: strings.ToLower(op.text), value: v}, err
}

func (p *parser) value() (value, error) {
	t, err := p.take()
	if err != nil {
		return value{}, err
	}
	if t.kind != 's' && t.kind != 'w' {
		return value{}, invalid("A value expected at position %d.", t.at)
	}
	v := value{text: t.text, quoted: t.kind == 's'}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02"} {
		if at, err := time.Parse(form, t.text); err == nil && !v.quoted {
			v.time = at.UTC()
		}
	}
	return v, nil
}

func (p *parser) function(name string, at int) (node, error) {
	if name != "startswith" && name != "contains" && name != "endswith" {
		return nil, invalid("An unknown function with name '%s' was found at position %d.", name, at)
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	path, err := p.take()
	if err != nil {
		return nil, err
	}
	if err := p.expect(","); err != nil {
		return nil, err
	}
	text, err := p.value()
	if err != nil {
		return nil, err
	}
	return call{name: name, path: path.text, text: text.text}, p.expect(")")
}

func (p *parser) any(path string) (node, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	variable, err := p.take()
	if err != nil {
		return nil, err
	}
	if err := p.expect(":"); err != nil {
		return nil, err
	}
	of, err := p.or()
	if err != nil {
		return nil, err
	}
	return anyOf{path: path, variable: variable.text, of: of}, p.expect(")")
}
