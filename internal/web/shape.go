package web

// Shape says what an operation answers. Each key is described where it is declared, in the tags of
// the struct's field: json has its name, text what it means, enum the values that it may have.
type Shape struct {
	Name  string // of the definition in the connector
	Is    any    // a struct: the object; of a list, the keys that are its own; nil: it has none
	Rows  any    // a struct: one row; nil: it is no list
	Text  string // what the rows are
	AsOf  bool   // the list says as of when
	Count bool   // all rows may be counted
	Pages bool   // it comes in pages

	Later bool     // slow requests are answered with 202
	File  []string // content types: it is a file
}

// Open is a row or an object with more keys than are described: a record as it was received.
type Open interface {
	// Open says what it is.
	Open() string
}
