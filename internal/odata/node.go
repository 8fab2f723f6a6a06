// Package odata reads the $filter language of Microsoft Graph: a text is parsed once into a tree,
// checked against the shape of the records, evaluated on a record, and taken apart into what a
// table can be asked for.
package odata

import "time"

// Node is a part of a filter that is true or false of a record: *Logical, *Not, *Compare, *In,
// *Call, *Lambda.
type Node interface{ isNode() }

// Logical is and, or.
type Logical struct {
	Or   bool
	L, R Node
}

// Not is not.
type Not struct{ Of Node }

// Compare is a path beside a value. Op is one of eq ne gt ge lt le.
type Compare struct {
	Path  Path
	Op    string
	Value Value
	At    int // position of the operator in the text
}

// In is a path whose value is one of several.
type In struct {
	Path   Path
	Values []Value
}

// Call is startswith, endswith or contains.
type Call struct {
	Func string // in small letters
	Path Path
	Text string
	At   int
}

// Lambda is any or all over the elements of a list; Of is nil in any() without a condition.
type Lambda struct {
	All  bool
	Path Path
	Var  string
	Of   Node
}

func (*Logical) isNode() {}
func (*Not) isNode()     {}
func (*Compare) isNode() {}
func (*In) isNode()      {}
func (*Call) isNode()    {}
func (*Lambda) isNode()  {}

// Path leads to a value of a record, or of the element that a lambda's variable is bound to.
type Path struct {
	Var   string   // empty: of the record
	Names []string // may be empty where Var is not: the element itself
	Fold  string   // tolower, toupper, or empty
	At    int
	kind  Kind // what the value is, once checked
	fold  bool // texts are compared without regard to case, because Graph does
}

// String is the path as it is written.
func (p Path) String() string {
	text := p.Var
	for _, name := range p.Names {
		if text != "" {
			text += "/"
		}
		text += name
	}
	return text
}

// ValueKind says what a literal is.
type ValueKind int

// The kinds of literals.
const (
	Null ValueKind = iota
	Text
	Number
	Boolean
	Time
	GUID
)

// Value is a literal.
type Value struct {
	Kind ValueKind
	Text string // of texts and GUIDs; of others as written
	Num  float64
	Bool bool
	Time time.Time
	At   int
}
