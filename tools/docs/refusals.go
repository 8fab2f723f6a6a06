package main

import (
	"fmt"
	"strings"

	"github.com/entraledger/entraledger/internal/graph"
)

// refusalTable says what the program makes of answers of Graph's that are no page.
func refusalTable() string {
	var b strings.Builder
	b.WriteString("| Graph answers | to | is believed | then the error is | and when it stays so |\n" +
		"| --- | --- | --- | --- | --- |\n")
	for _, row := range graph.Refusals() {
		var answers []string
		for _, s := range row.Statuses {
			answers = append(answers, s.String())
		}
		text := strings.Join(answers, ", ")
		if len(row.Codes) > 0 {
			text += " with code " + code(row.Codes...)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", text, row.Place, row.Believed(), becomes(row), row.Later)
	}
	return b.String()
}

// becomes names the error that a row makes.
func becomes(row graph.Refusal) string {
	switch {
	case row.Becomes == "":
		return row.Err.Error()
	case row.Err != nil:
		return code(string(row.Becomes)) + ": " + row.Err.Error()
	}
	return code(string(row.Becomes))
}
