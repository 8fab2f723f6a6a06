package tables

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// columnCheck compares the promoted columns of rows with those that their records make.
type columnCheck struct {
	log   *logs.Log
	since map[string]int // by name: the first set of columns that has it
}

func newColumnCheck(stream entra.Stream) columnCheck {
	c := columnCheck{log: logs.Of(stream), since: make(map[string]int)}
	for _, col := range c.log.Columns {
		c.since[col.Name] = max(col.Since, 1)
	}
	return c
}

// set is the latest set of promoted columns of which a row has exactly those that its record makes;
// 0: of none. foreign is the first column that this version does not write.
func (c *columnCheck) set(rec entra.Record, row *fetchedRow) (set int, foreign string) {
	latest, fits, next, found := 0, true, 0, 0
	for i := range row.columns {
		col := &row.columns[i]
		since := c.since[string(col.Name)]
		if since == 0 {
			if foreign == "" && !isOwn(col.Name) {
				foreign = string(col.Name)
			}
			continue
		}
		// A row mostly has its columns in the order in which the record makes them.
		at := indexOfColumn(rec.Columns, col.Name, next)
		if at < 0 || !holds(col, rec.Columns[at]) {
			fits = false
			continue
		}
		latest, next, found = max(latest, since), at+1, found+1
	}
	if !fits {
		return 0, foreign
	}
	set = c.log.ColumnSet()
	if found < len(rec.Columns) {
		for _, col := range rec.Columns {
			if _, there := row.column(col.Name); !there {
				set = min(set, c.since[col.Name]-1)
			}
		}
	}
	if set < max(latest, 1) {
		return 0, foreign
	}
	return set, foreign
}

// isOwn reports whether a column is one of those that describe a record's row.
func isOwn(name []byte) bool {
	switch string(name) {
	case "Id", "Hash", "Codec", "FirstSeen", "Superseded", "Came", "Spells", "Parts", "Origin":
		return true
	}
	return false
}

// indexOfColumn finds a column, looking first at a position.
func indexOfColumn(columns []entra.Column, name []byte, guess int) int {
	if guess < len(columns) && columns[guess].Name == string(name) {
		return guess
	}
	for i := range columns {
		if columns[i].Name == string(name) {
			return i
		}
	}
	return -1
}

// isGUIDColumn reports whether a column is stored as a GUID.
func isGUIDColumn(col entra.Column) bool {
	return strings.HasSuffix(col.Name, "Id") && rows.IsGUID(col.Text)
}

// holds reports whether a column is stored as the record makes it, in value and kind: a query for a
// GUID or a number does not find a text.
func holds(c *rows.Column, want entra.Column) bool {
	edm := string(bytes.Trim(c.EDM, `"`))
	switch {
	case want.IsInt:
		return (edm == "" || edm == "Edm.Int32") && string(c.Value) == strconv.Itoa(int(want.Int))
	case isGUIDColumn(want):
		return edm == "Edm.Guid" && string(c.Plain()) == want.Text
	case edm != "" && edm != "Edm.String":
		return false
	}
	if plain := c.Plain(); plain != nil {
		return string(plain) == want.Text
	}
	text, ok := c.Text()
	return ok && text == want.Text
}
