package gate

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	bicep "github.com/tree-sitter-grammars/tree-sitter-bicep/bindings/go"
	ts "github.com/tree-sitter/go-tree-sitter"
)

// node is a node of the syntax tree with the text that it was read from.
type node struct {
	*ts.Node
	src []byte
}

func (n node) text() string { return n.Utf8Text(n.src) }

// kids are the named children, without comments.
func (n node) kids() []node {
	var out []node
	for i := range n.NamedChildCount() {
		k := n.NamedChild(i)
		if kind := k.Kind(); kind != "comment" && kind != "diagnostic_comment" {
			out = append(out, node{k, n.src})
		}
	}
	return out
}

func (n node) field(name string) (node, bool) {
	k := n.ChildByFieldName(name)
	return node{k, n.src}, k != nil
}

// word tells whether a keyword or an operator stands between the node's children.
func (n node) word(text string) bool {
	for i := range n.ChildCount() {
		if k := n.Child(i); !k.IsNamed() && k.Utf8Text(n.src) == text {
			return true
		}
	}
	return false
}

var escapes = strings.NewReplacer(`\'`, `'`, `\\`, `\`, `\n`, "\n", `\r`, "\r", `\t`, "\t", `\$`, `$`)

// literal is the text of a string without interpolation.
func (n node) literal() (string, bool) {
	if n.Kind() != "string" {
		return "", false
	}
	for _, k := range n.kids() {
		if k.Kind() == "interpolation" {
			return "", false
		}
	}
	text := n.text()
	if inner, ok := strings.CutPrefix(text, "'''"); ok {
		return strings.TrimPrefix(strings.TrimSuffix(inner, "'''"), "\n"), true
	}
	return escapes.Replace(strings.TrimSuffix(strings.TrimPrefix(text, "'"), "'")), true
}

// extensionLine is Bicep's `extension name`, which the grammar is older than.
var extensionLine = regexp.MustCompile(`(?m)^extension[ \t]+([A-Za-z_]\w*)[ \t]*$`)

// extensions names the extensions of a file, and gives its text with blanks in their place: all else stays where it was.
func extensions(src []byte) (names []string, blanked []byte) {
	for _, m := range extensionLine.FindAllSubmatch(src, -1) {
		names = append(names, string(m[1]))
	}
	return names, extensionLine.ReplaceAllFunc(src, func(m []byte) []byte { return bytes.Repeat([]byte(" "), len(m)) })
}

// parse reads a file's text. The tree has to be closed.
func parse(src []byte) (*ts.Tree, error) {
	p := ts.NewParser()
	defer p.Close()
	if err := p.SetLanguage(ts.NewLanguage(bicep.Language())); err != nil {
		return nil, err
	}
	return p.Parse(src, nil), nil
}

// syntaxErrors reports each place that the grammar could not read, from the innermost.
func syntaxErrors(n node, report func(node, string, ...any)) {
	switch {
	case n.IsMissing():
		report(n, "syntax: %s is missing here", n.Kind())
	case n.IsError():
		report(n, "syntax: can't read %.40q", n.text())
	}
	if !n.HasError() {
		return
	}
	for i := range n.ChildCount() {
		syntaxErrors(node{n.Child(i), n.src}, report)
	}
}

// oneOf tells whether a kind is among some.
func oneOf(kind string, kinds ...string) bool { return slices.Contains(kinds, kind) }
