package tables

import (
	"slices"

	"github.com/entraledger/entraledger/internal/tables/rows"
)

// group gathers the rows of one record after the other from rows in the order of their keys. Its
// rows are used again by the next record.
type group struct {
	all  []fetchedRow
	used int
	next fetchedRow
}

// read reads a row, for begin.
func (g *group) read(body []byte) {
	if g.used > 0 { // most rows have their neighbour's partition
		g.next.PartitionKey = g.all[0].PartitionKey
	}
	if !g.next.scan(body, true) {
		g.next.mark(rows.Column{Name: []byte("RowKey")}, false)
	}
}

// adds reads a row and adds it to the record that is being gathered if it belongs to it. If not,
// begin makes it the first row of the next one.
func (g *group) adds(body []byte) bool {
	g.read(body)
	if g.used > 0 && !g.next.isPartOf(&g.all[0]) {
		return false
	}
	g.begin()
	return true
}

// begin puts the row that was read last behind the others.
func (g *group) begin() {
	if g.used == len(g.all) {
		g.all = append(g.all, fetchedRow{})
	}
	g.all[g.used], g.next = g.next, g.all[g.used]
	g.used++
}

// first is the first row; nil if there is none.
func (g *group) first() *fetchedRow {
	if g.used == 0 {
		return nil
	}
	return &g.all[0]
}

// last is the row that was put there last.
func (g *group) last() *fetchedRow { return &g.all[g.used-1] }

func (g *group) rows() []fetchedRow { return g.all[:g.used] }

// drop drops the record.
func (g *group) drop() { g.used = 0 }

// keepRows copies rows, so that they outlive the group's next record.
func keepRows(read []fetchedRow) []fetchedRow {
	out := slices.Clone(read)
	for i := range out {
		row := &out[i]
		row.columns = slices.Clone(row.columns)
		row.Hash, row.data, row.buffer = slices.Clone(row.Hash), slices.Clone(row.data), nil
		row.ETag, _ = row.etag.Text()
	}
	return out
}
