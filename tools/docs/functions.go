package main

import (
	"strings"

	"github.com/entraledger/entraledger/functions"
)

// functionsFile has the names of the functions, with which a deployment compares what Azure lists,
// from the repository's root.
const functionsFile = "infra/functions.txt"

// functionNames are those of the list, one a line.
func functionNames() string {
	var b strings.Builder
	for _, f := range functions.All(functions.Parts{}) {
		b.WriteString(f.Name + "\n")
	}
	return b.String()
}
