package importing

import (
	"strings"

	"github.com/tidwall/gjson"
)

// list is a list of entries that an object holds: of a page of Graph, of an event hub's batch, or
// of the answer to a query of Log Analytics.
type list struct {
	path    string   // of it in the object
	length  int      // of what is before its first entry
	closing int      // objects and lists that are still open after it
	columns []string // of a table: its entries are rows
}

// listIn finds the list of an object of which the beginning is given. An object that is an entry
// itself begins with another member.
// Sources: learn.microsoft.com/graph/paging (value), learn.microsoft.com/azure/event-hubs/
// monitor-event-hubs-reference and the bodies that diagnostic settings send (records),
// learn.microsoft.com/azure/azure-monitor/logs/api/response-format (tables).
func listIn(data []byte) (list, bool) {
	at := 1
	for {
		name, value := member(data, at)
		switch {
		case value < 0:
			return list{}, false
		case (name == "records" || name == "value") && data[value] == '[':
			return list{path: name, length: value + 1, closing: 1}, true
		case name == "tables" && data[value] == '[':
			return rowsIn(data, value+1)
		case !strings.HasPrefix(name, "@"):
			return list{}, false
		}
		if at = skipValue(data, value); at < 0 {
			return list{}, false
		}
	}
}

// rowsIn finds the rows of the first table, behind its columns.
func rowsIn(data []byte, at int) (list, bool) {
	if at = skipSpace(data, at); at >= len(data) || data[at] != '{' {
		return list{}, false
	}
	out := list{path: "tables.0.rows", closing: 3}
	for at++; ; {
		name, value := member(data, at)
		if value < 0 {
			return list{}, false
		}
		if name == "rows" && data[value] == '[' {
			out.length = value + 1
			return out, len(out.columns) > 0
		}
		if at = skipValue(data, value); at < 0 {
			return list{}, false
		}
		if name == "columns" {
			for _, c := range gjson.ParseBytes(data[value:at]).Array() {
				out.columns = append(out.columns, c.Get("name").String())
			}
		}
	}
}
