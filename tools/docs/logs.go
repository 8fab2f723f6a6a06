package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/logs"
)

// exampleMonth is part of the names of tables.
const exampleMonth = "202611"

// code are words as code, with commas between.
func code(words ...string) string {
	if len(words) == 0 {
		return ""
	}
	return "`" + strings.Join(words, "`, `") + "`"
}

func yes(v bool) string {
	if v {
		return "yes"
	}
	return ""
}

// streamTable lists for each log its source, the permission to read it, and where it is stored.
func streamTable() string {
	var b strings.Builder
	b.WriteString("| stream | what it holds | Graph's collection | forms | permission | P1 or P2 | opt-in | " +
		"table, of a month |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, l := range logs.All() {
		collection, permission := code(l.Collection), code(l.Permission)
		if l.EventType != "" {
			collection += ", type " + code(l.EventType)
		}
		if l.Delivered {
			collection, permission = "none: it is sent", ""
		}
		if l.Alternative != "" {
			permission += " or " + code(l.Alternative)
		}
		if l.Optional != nil {
			permission += "; " + code(l.Optional.Name) + " for more"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", code(string(l.Stream)), l.Title, collection,
			code(l.Forms...), permission, yes(l.Licensed), yes(l.OptIn), code(l.Table+exampleMonth))
	}
	return b.String()
}

// columnTables say of each log which properties are copied into columns. Logs with the same columns
// share a table.
func columnTables() string {
	var b strings.Builder
	all := logs.All()
	for i, l := range all {
		same := func(o *logs.Log) bool { return reflect.DeepEqual(o.Columns, l.Columns) }
		if slices.ContainsFunc(all[:i], same) {
			continue
		}
		var names []string
		for _, o := range all[i:] {
			if same(o) {
				names = append(names, string(o.Stream))
			}
		}
		fmt.Fprintf(&b, "\n%s:\n\n| column | copy of | but not of | indexed | since set |\n", code(names...))
		b.WriteString("| --- | --- | --- | --- | ---: |\n")
		for _, c := range l.Columns {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %d |\n", code(c.Name), code(c.Path), code(c.Usual...),
				yes(c.Indexed), max(c.Since, 1))
		}
	}
	b.WriteString("\n")
	return b.String()
}

// collectionTable says how each log is asked for.
func collectionTable() string {
	var b strings.Builder
	b.WriteString("| collection | `$filter` | stream | in order of | groups of `aggregate` are by |\n| --- | " +
		"--- | --- | --- | --- |\n")
	for _, l := range logs.All() {
		var filters []string
		if l.Unfiltered {
			filters = append(filters, "none")
		}
		if l.EventType != "" {
			filters = append(filters, code("signInEventTypes/any(t: t eq '"+l.EventType+"')"))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", code(l.Collection), strings.Join(filters, " or "),
			code(string(l.Stream)),
			code(l.TimeProperty), code(l.GroupedBy...))
	}
	return b.String()
}

// fileTable says of each file for download of which log it is, and what makes a row.
func fileTable() string {
	var b strings.Builder
	b.WriteString("| file | stream | a row is | columns |\n| --- | --- | --- | ---: |\n")
	for _, l := range logs.All() {
		for _, f := range l.Files {
			row := "a record"
			if f.Each != "" {
				row = "an element of " + code(f.Each)
				if first := l.Files[0]; first.Each == "" {
					row += ", joined to " + code(first.Name) + " by " + code(shared(first, f)...)
				}
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %d |\n", code(f.Name), code(string(l.Stream)), row, len(f.Columns))
		}
	}
	return b.String()
}

// shared are the columns that two files copy from the same place.
func shared(a, b logs.File) []string {
	var out []string
	for _, c := range b.Columns {
		if slices.Contains(a.Columns, c) {
			out = append(out, c.Name)
		}
	}
	return out
}
