package odata

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
)

// maxDepth bounds how deep parentheses, nots and lambdas may be nested.
const maxDepth = 100

// Parse reads a filter. Errors are *entra.Error with the position.
func Parse(text string) (Node, error) {
	if len(text) > MaxLength {
		return nil, problem(MaxLength, fmt.Sprintf("it has %d bytes", len(text)),
			fmt.Sprintf("accepted are up to %d", MaxLength))
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != end {
		return nil, problem(t.at, fmt.Sprintf("%q stands where the filter should end", clip(t.text)),
			"join conditions with and, or; close as many parentheses as are opened")
	}
	return n, nil
}

type parser struct {
	tokens []token
	depth  int
}

func (p *parser) peek() token { return p.tokens[0] }

func (p *parser) next() token {
	t := p.tokens[0]
	if t.kind != end {
		p.tokens = p.tokens[1:]
	}
	return t
}

// is takes a mark if it is the next token.
func (p *parser) is(text string) bool {
	if t := p.peek(); t.kind == mark && t.text == text {
		p.next()
		return true
	}
	return false
}

// keyword takes a word if it is the next token.
func (p *parser) keyword(text string) bool {
	if t := p.peek(); t.kind == word && t.text == text {
		p.next()
		return true
	}
	return false
}

func (p *parser) want(text, where string) error {
	if p.is(text) {
		return nil
	}
	t := p.peek()
	return problem(t.at, fmt.Sprintf("%s is missing %s", text, where), "found is "+t.describe())
}

func (t token) describe() string {
	if t.kind == end {
		return "the end"
	}
	return strconv.Quote(clip(t.text))
}

func (p *parser) or() (Node, error) {
	l, err := p.and()
	for err == nil && p.keyword("or") {
		var r Node
		if r, err = p.and(); err == nil {
			l = &Logical{Or: true, L: l, R: r}
		}
	}
	return l, err
}

func (p *parser) and() (Node, error) {
	l, err := p.not()
	for err == nil && p.keyword("and") {
		var r Node
		if r, err = p.not(); err == nil {
			l = &Logical{L: l, R: r}
		}
	}
	return l, err
}

func (p *parser) not() (Node, error) {
	at := p.peek().at
	if p.depth++; p.depth > maxDepth {
		return nil, problem(at, fmt.Sprintf("it is nested more than %d deep", maxDepth), "write it flatter")
	}
	defer func() { p.depth-- }()
	if p.keyword("not") {
		n, err := p.not()
		return &Not{n}, err
	}
	if p.is("(") {
		n, err := p.or()
		if err == nil {
			err = p.want(")", fmt.Sprintf("for the ( at position %d", at+1))
		}
		return n, err
	}
	return p.condition()
}

// functions take a path and a text.
var functions = []string{"startswith", "endswith", "contains"}

// condition reads a comparison, a call or a lambda.
func (p *parser) condition() (Node, error) {
	t := p.peek()
	switch {
	case t.kind == end:
		return nil, problem(t.at, "a condition is missing",
			"such as userId eq '...', or startswith(appDisplayName,'...')")
	case t.kind == quoted || t.kind == word && isLiteral(t.text):
		return p.flipped()
	case t.kind != word:
		return nil, problem(t.at, fmt.Sprintf("%q stands where a condition should begin", t.text),
			"such as userId eq '...', or startswith(appDisplayName,'...')")
	}
	if name := strings.ToLower(t.text); p.tokens[1].kind == mark && p.tokens[1].text == "(" {
		for _, known := range functions {
			if name == known {
				return p.call(known)
			}
		}
		if strings.HasSuffix(name, "/any") || strings.HasSuffix(name, "/all") {
			return p.lambda()
		}
	}
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	return p.comparison(path)
}

var operators = []string{"eq", "ne", "gt", "ge", "lt", "le"}

func isOperator(text string) bool {
	for _, op := range operators {
		if text == op {
			return true
		}
	}
	return false
}

func (p *parser) comparison(path Path) (Node, error) {
	op := p.next()
	if op.kind == word && op.text == "in" {
		return p.list(path)
	}
	if op.kind != word || !isOperator(op.text) {
		return nil, problem(op.at, fmt.Sprintf("%s stands where an operator should", op.describe()),
			"accepted are eq, ne, gt, ge, lt, le, in")
	}
	v, err := p.value()
	return &Compare{Path: path, Op: op.text, Value: v, At: op.at}, err
}

// flipped reads a comparison whose value comes first.
func (p *parser) flipped() (Node, error) {
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	op := p.next()
	if op.kind != word || !isOperator(op.text) {
		return nil, problem(op.at, fmt.Sprintf("%s stands where an operator should", op.describe()),
			"accepted are eq, ne, gt, ge, lt, le")
	}
	path, err := p.path()
	turned := map[string]string{"gt": "lt", "ge": "le", "lt": "gt", "le": "ge", "eq": "eq", "ne": "ne"}
	return &Compare{Path: path, Op: turned[op.text], Value: v, At: op.at}, err
}

func (p *parser) list(path Path) (Node, error) {
	if err := p.want("(", "behind in"); err != nil {
		return nil, err
	}
	in := &In{Path: path}
	for {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		in.Values = append(in.Values, v)
		if !p.is(",") {
			return in, p.want(")", "behind the values of in")
		}
	}
}

func (p *parser) call(name string) (Node, error) {
	at := p.next().at
	p.is("(")
	path, err := p.path()
	if err == nil {
		err = p.want(",", "between the property and the text of "+name)
	}
	if err != nil {
		return nil, err
	}
	t := p.next()
	if t.kind != quoted {
		return nil, problem(t.at, fmt.Sprintf("%s stands where the text of %s should", t.describe(), name),
			"accepted is a text in single quotes")
	}
	n := &Call{Func: name, Path: path, Text: t.text, At: at}
	if err := p.want(")", "behind the text of "+name); err != nil {
		return nil, err
	}
	// startswith(...) eq true is how some clients write it.
	if p.keyword("eq") {
		v, err := p.value()
		if err != nil || v.Kind != Boolean {
			return nil, problem(v.At, name+" is compared with what is neither true nor false",
				"leave the comparison out")
		}
		if !v.Bool {
			return &Not{n}, nil
		}
	}
	return n, nil
}

func (p *parser) lambda() (Node, error) {
	t := p.next()
	at := strings.LastIndexByte(t.text, '/')
	names, err := splitPath(t.text[:at], t.at)
	if err != nil {
		return nil, err
	}
	n := &Lambda{All: strings.EqualFold(t.text[at+1:], "all"), Path: Path{Names: names, At: t.at}}
	p.is("(")
	if !n.All && p.is(")") {
		return n, nil
	}
	v := p.next()
	if v.kind != word || !isName(v.text) {
		return nil, problem(v.at, fmt.Sprintf("%s stands where the variable should", v.describe()),
			"such as any(t: t/id eq '...')")
	}
	n.Var = v.text
	if err := p.want(":", "behind the variable"); err != nil {
		return nil, err
	}
	if n.Of, err = p.or(); err != nil {
		return nil, err
	}
	return n, p.want(")", "at the end of "+t.text)
}

func (p *parser) path() (Path, error) {
	t := p.next()
	if t.kind != word {
		return Path{}, problem(t.at, t.describe()+" stands where a property should",
			"such as userId or status/errorCode")
	}
	if fold := strings.ToLower(t.text); (fold == "tolower" || fold == "toupper") && p.is("(") {
		inner, err := p.path()
		inner.Fold = fold
		if err == nil {
			err = p.want(")", "behind the property of "+fold)
		}
		return inner, err
	}
	names, err := splitPath(t.text, t.at)
	return Path{Names: names, At: t.at}, err
}

func splitPath(text string, at int) ([]string, error) {
	names := strings.Split(text, "/")
	for _, name := range names {
		if !isName(name) {
			return nil, problem(at, fmt.Sprintf("%q is no property", clip(text)),
				"put texts into single quotes; parts of a path are joined by /")
		}
		at += len(name) + 1
	}
	return names, nil
}

var nameForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

func isName(text string) bool { return nameForm.MatchString(text) }

var (
	guidForm   = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
	dateForm   = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}`)
	numberForm = regexp.MustCompile(`^-?\d+(\.\d+)?([eE][+-]?\d+)?$`)
)

func isLiteral(text string) bool {
	return text == "true" || text == "false" || text == "null" || guidForm.MatchString(text) ||
		dateForm.MatchString(text) || numberForm.MatchString(text)
}

func (p *parser) value() (Value, error) {
	t := p.next()
	v := Value{Text: t.text, At: t.at}
	switch {
	case t.kind == quoted:
		v.Kind = Text
	case t.kind != word:
		return v, problem(t.at, t.describe()+" stands where a value should",
			"accepted are 'texts', numbers, times, true, false, null")
	case t.text == "null":
		v.Kind = Null
	case t.text == "true" || t.text == "false":
		v.Kind, v.Bool = Boolean, t.text == "true"
	case guidForm.MatchString(t.text):
		v.Kind, v.Text = GUID, strings.ToLower(t.text)
	case dateForm.MatchString(t.text):
		at, err := parseTime(t.text)
		if err != nil {
			return v, problem(t.at, fmt.Sprintf("%q is no time", clip(t.text)),
				"accepted are 2026-11-21 and 2026-11-21T14:05:10Z, with up to seven digits behind the seconds")
		}
		v.Kind, v.Time = Time, at
	case numberForm.MatchString(t.text):
		n, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return v, problem(t.at, fmt.Sprintf("%q is too large a number", clip(t.text)),
				"accepted are numbers up to 1.7e308")
		}
		v.Kind, v.Num = Number, n
	default:
		return v, problem(t.at, fmt.Sprintf("%q is no value", clip(t.text)), "put texts into single quotes")
	}
	return v, nil
}

func clip(s string) string { return entra.Clip(s, 60) }
