// Package gate checks Bicep files without Bicep's compiler: syntax, names, types of expressions, resources against Bicep's own index of
// ARM types, modules and parameter files against their declarations. What it does not know it refuses.
package gate

import (
	"cmp"
	"fmt"
	"slices"
)

// Problem is what is wrong at one place.
type Problem struct {
	File   string
	Line   int // from 1
	Column int // from 1
	Text   string
}

func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
}

// inOrder sorts problems by file and place, each once.
func inOrder(problems []Problem) []Problem {
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(problems)
}
