package odata

// Texts calls take with each text that a filter compares a property with, by eq or in, and its position.
func Texts(n Node, take func(path, text string, at int)) {
	switch n := n.(type) {
	case *Logical:
		Texts(n.L, take)
		Texts(n.R, take)
	case *Not:
		Texts(n.Of, take)
	case *Compare:
		if n.Op == "eq" && n.Value.Kind == Text && n.Path.Fold == "" {
			take(n.Path.String(), n.Value.Text, n.Value.At)
		}
	case *In:
		for _, v := range n.Values {
			if v.Kind == Text && n.Path.Fold == "" {
				take(n.Path.String(), v.Text, v.At)
			}
		}
	case *Lambda:
		if n.Of != nil {
			Texts(n.Of, take)
		}
	}
}
