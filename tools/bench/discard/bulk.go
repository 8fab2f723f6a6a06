package discard

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// bulk is a table of very many rows that is read back: rows are kept as they were sent, and ranges
// of keys are found without going through the others, as Table Storage does.
type bulk struct {
	partitions map[string]*bulkPartition
	names      []string // of the partitions, in order; nil: to be sorted again
}

type bulkPartition struct {
	rows map[string][]byte
	keys []string // in order; nil: to be sorted again
}

func newBulk() *bulk { return &bulk{partitions: make(map[string]*bulkPartition)} }

// put executes one write, and reports whether it is refused because the row is there.
func (b *bulk) put(op operation) *fault {
	at := op.target.key
	if at.partition == "" {
		at = key{gjson.GetBytes(op.body, "PartitionKey").Str, gjson.GetBytes(op.body, "RowKey").Str}
	}
	p, ok := b.partitions[at.partition]
	if !ok {
		p = &bulkPartition{rows: make(map[string][]byte)}
		b.partitions[at.partition] = p
		b.names = nil
	}
	_, exists := p.rows[at.row]
	switch {
	case op.method == http.MethodDelete:
		delete(p.rows, at.row)
		p.keys = nil
		return nil
	case op.method == http.MethodPost && exists:
		return &fault{http.StatusConflict, "EntityAlreadyExists", "The specified entity already exists."}
	case !exists:
		p.keys = nil
	}
	p.rows[at.row] = slices.Clone(op.body)
	return nil
}

func (b *bulk) sorted() []string {
	if b.names == nil {
		for name := range b.partitions {
			b.names = append(b.names, name)
		}
		sort.Strings(b.names)
	}
	return b.names
}

func (p *bulkPartition) sorted() []string {
	if p.keys == nil {
		p.keys = make([]string, 0, len(p.rows))
		for name := range p.rows {
			p.keys = append(p.keys, name)
		}
		sort.Strings(p.keys)
	}
	return p.keys
}

// bulkFilter is a parsed filter: bounds of the keys, and groups of conditions of which each has to
// have one that holds.
type bulkFilter struct {
	partition, row bounds
	groups         [][]comparison
}

type bounds struct{ from, below string } // below is empty for no bound

func (b bounds) holds(k string) bool { return k >= b.from && (b.below == "" || k < b.below) }

func (b *bounds) narrow(operator, value string) {
	switch operator {
	case "eq":
		b.from, b.below = value, value+"\x00"
	case "ge":
		b.from = max(b.from, value)
	case "gt":
		b.from = max(b.from, value+"\x00")
	case "le":
		value += "\x00"
		fallthrough
	case "lt":
		if b.below == "" || value < b.below {
			b.below = value
		}
	}
}

var (
	keyTerm   = regexp.MustCompile(`^(PartitionKey|RowKey) (eq|ge|gt|le|lt) '((?:[^']|'')*)'(?: and |$)`)
	groupTerm = regexp.MustCompile(`^\(((?:[^()']|'(?:[^']|'')*')*)\)(?: and |$)`)
	plainTerm = regexp.MustCompile(`^(\w+) (eq) (?:guid)?(?:'((?:[^']|'')*)'|(-?\d+))(?: or |$)`)
)

// parseBulkFilter reads the filters that the archive asks with; anything else is refused.
func parseBulkFilter(filter string) (bulkFilter, error) {
	var f bulkFilter
	for rest := filter; rest != ""; {
		if m := keyTerm.FindStringSubmatch(rest); m != nil {
			of := map[string]*bounds{"PartitionKey": &f.partition, "RowKey": &f.row}[m[1]]
			of.narrow(m[2], strings.ReplaceAll(m[3], "''", "'"))
			rest = rest[len(m[0]):]
			continue
		}
		m := groupTerm.FindStringSubmatch(rest)
		if m == nil {
			return f, fmt.Errorf("read filter %q: it is not understood", filter)
		}
		var group []comparison
		for inner := m[1]; inner != ""; {
			t := plainTerm.FindStringSubmatch(inner)
			if t == nil {
				return f, fmt.Errorf("read filter %q: it is not understood", filter)
			}
			group = append(group, comparison{t[1], t[2], strings.ReplaceAll(t[3], "''", "'") + t[4]})
			inner = inner[len(t[0]):]
		}
		f.groups = append(f.groups, group)
		rest = rest[len(m[0]):]
	}
	return f, nil
}

func (f bulkFilter) matches(body []byte) bool {
	for _, group := range f.groups {
		if !slices.ContainsFunc(group, func(c comparison) bool {
			return c.holds(gjson.GetBytes(body, c.property).String())
		}) {
			return false
		}
	}
	return true
}

// page finds up to limit rows from a place on, and where the next ones begin.
func (b *bulk) page(f bulkFilter, from key, limit int) (rows [][]byte, next key, more bool) {
	names := b.sorted()
	for i := sort.SearchStrings(names, max(f.partition.from, from.partition)); i < len(names) &&
		f.partition.holds(names[i]); i++ {
		p := b.partitions[names[i]]
		keys, low := p.sorted(), f.row.from
		if names[i] == from.partition {
			low = max(low, from.row)
		}
		for j := sort.SearchStrings(keys, low); j < len(keys) && f.row.holds(keys[j]); j++ {
			if !f.matches(p.rows[keys[j]]) {
				continue
			}
			if len(rows) == limit {
				return rows, key{names[i], keys[j]}, true
			}
			rows = append(rows, p.rows[keys[j]])
		}
	}
	return rows, key{}, false
}

// queryBulk answers a read of many rows of a bulk table.
func (s *Server) queryBulk(w http.ResponseWriter, asked url.Values, b *bulk) {
	f, err := parseBulkFilter(asked.Get("$filter"))
	if err != nil {
		writeFault(w, fault{http.StatusNotImplemented, "NotImplemented", err.Error()})
		return
	}
	limit := 1000
	if top, err := strconv.Atoi(asked.Get("$top")); err == nil && top > 0 && top < limit {
		limit = top
	}
	s.mu.Lock()
	rows, next, more := b.page(f, key{asked.Get("NextPartitionKey"), asked.Get("NextRowKey")}, limit)
	s.mu.Unlock()
	if more {
		w.Header().Set("x-ms-continuation-NextPartitionKey", next.partition)
		w.Header().Set("x-ms-continuation-NextRowKey", next.row)
	}
	body := []byte(`{"value":[`)
	for i, row := range rows {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, row...)
	}
	writeJSON(w, http.StatusOK, append(body, "]}"...))
}
