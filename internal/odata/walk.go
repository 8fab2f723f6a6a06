package odata

// Texts calls yield with each text that a filter compares a property with, by eq or in, and its
// position.
func Texts(n Node, yield func(path, text string, at int)) {
	switch n := n.(type) {
	case *Logical:
		Texts(n.L, yield)
		Texts(n.R, yield)
	case *Not:
		Texts(n.Of, yield)
	case *Compare:
		if n.Op == "eq" && n.Value.Kind == Text && n.Path.Fold == "" {
			yield(n.Path.String(), n.Value.Text, n.Value.At)
		}
	case *In:
		for _, v := range n.Values {
			if v.Kind == Text && n.Path.Fold == "" {
				yield(n.Path.String(), v.Text, v.At)
			}
		}
	case *Lambda:
		if n.Of != nil {
			Texts(n.Of, yield)
		}
	}
}
