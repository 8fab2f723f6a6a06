package memstorage

import (
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxPage is how many entities the service gives at once.
const maxPage = 1000

// read answers a query, or the reading of one row.
func (s *Service) read(r *Request) Answer {
	if name, partition, key, ok := parseAddress(r.path); ok {
		return s.readOne(name, &row{partition: partition, key: key}, selection(r))
	}
	t, failed := s.find(strings.TrimSuffix(r.path, "()"))
	if failed != nil {
		return failed.answer()
	}
	text := r.query.Get("$filter")
	meant, err := parseFilter(text)
	if err != nil {
		return invalidInput("One of the request inputs is not valid: " + err.Error()).answer()
	}
	limit, failed := s.pageSize(r)
	if failed != nil {
		return failed.answer()
	}
	at := 0
	if from := decodePlace(r.query.Get("NextPartitionKey")); from != "" {
		next := &row{partition: from, key: decodePlace(r.query.Get("NextRowKey"))}
		at, _ = slices.BinarySearchFunc(t.rows, next, compareKeys)
	}
	found, next := s.page(t.rows, at, bound(text), meant, limit)
	a := jsonAnswer(http.StatusOK, encodeRows(t.name, found, selection(r)))
	if next != nil {
		a.Header.Set("X-Ms-Continuation-Nextpartitionkey", encodePlace(next.partition))
		a.Header.Set("X-Ms-Continuation-Nextrowkey", encodePlace(next.key))
	}
	return a
}

func (s *Service) readOne(name string, at *row, selected []string) Answer {
	t, failed := s.find(name)
	if failed != nil {
		return failed.answer()
	}
	i, found := slices.BinarySearchFunc(t.rows, at, compareKeys)
	if !found {
		return resourceNotFound.answer()
	}
	a := jsonAnswer(http.StatusOK, t.rows[i].appendTo(nil, selected))
	a.Header.Set("Etag", t.rows[i].etag())
	return a
}

// page finds up to limit rows from index at on, and the row at which the next page begins; nil if
// there is none. The service ends a page at its own limits too, so a page may be short, or empty,
// and still have a next one.
func (s *Service) page(rows []*row, at int, within keyBound, meant filter, limit int) (found []*row, next *row) {
	if low, _ := slices.BinarySearchFunc(rows, &row{partition: within.from}, compareKeys); low > at {
		at = low
	}
	for i := at; i < len(rows) && within.holds(rows[i].partition); i++ {
		switch {
		case len(found) == limit,
			s.Limits.PageScan > 0 && i-at == s.Limits.PageScan,
			s.Limits.PageSplits && i > at && rows[i].partition != rows[i-1].partition:
			return found, rows[i]
		}
		if meant(rows[i]) {
			found = append(found, rows[i])
		}
	}
	return found, nil
}

func (s *Service) pageSize(r *Request) (int, *fault) {
	limit := maxPage
	if s.Limits.PageEntities > 0 {
		limit = s.Limits.PageEntities
	}
	top := r.query.Get("$top")
	if top == "" {
		return limit, nil
	}
	n, err := strconv.Atoi(top)
	if err != nil || n < 1 || n > maxPage {
		return 0, invalidInput("One of the request inputs is not valid: $top.")
	}
	return min(n, limit), nil
}

// keyBound is what a filter says of the partition: [from, to], an empty to being no bound. It only
// saves looking at rows; the filter decides.
type keyBound struct{ from, to string }

func (b keyBound) holds(partition string) bool { return b.to == "" || partition <= b.to }

// bound reads the comparisons of PartitionKey with which a filter without "or" and "not" begins.
func bound(filter string) keyBound {
	var b keyBound
	if strings.Contains(filter, " or ") || strings.Contains(filter, "not ") || strings.Contains(filter, "(not") {
		return b
	}
	for rest := filter; strings.HasPrefix(rest, "PartitionKey "); {
		operator, value, ok := strings.Cut(strings.TrimPrefix(rest, "PartitionKey "), " '")
		value, after, closed := strings.Cut(value, "'")
		if !ok || !closed || strings.HasPrefix(after, "'") {
			return b
		}
		if operator == "eq" || operator == "ge" || operator == "gt" {
			b.from = max(b.from, value)
		}
		if (operator == "eq" || operator == "le" || operator == "lt") && (b.to == "" || value < b.to) {
			b.to = value
		}
		rest = strings.TrimPrefix(after, " and ")
	}
	return b
}

func selection(r *Request) []string {
	text := r.query.Get("$select")
	if text == "" || text == "*" {
		return nil
	}
	names := strings.Split(text, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return names
}

func encodeRows(table string, rows []*row, selected []string) []byte {
	b := []byte(`{"odata.metadata":"http://` + tableHost + `/$metadata#` + table + `","value":[`)
	for i, r := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = r.appendTo(b, selected)
	}
	return append(b, `]}`...)
}

// encodePlace writes a key of a continuation; clients are not to look into it.
func encodePlace(key string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(key))
	return "1!" + strconv.Itoa(len(text)) + "!" + text
}

func decodePlace(text string) string {
	parts := strings.SplitN(text, "!", 3)
	if len(parts) != 3 {
		return ""
	}
	key, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return ""
	}
	return string(key)
}

// listTables answers a query of tables: their names are compared as TableName.
func (s *Service) listTables(r *Request) Answer {
	meant, err := parseFilter(r.query.Get("$filter"))
	if err != nil {
		return invalidInput("One of the request inputs is not valid: " + err.Error()).answer()
	}
	limit, failed := s.pageSize(r)
	if failed != nil {
		return failed.answer()
	}
	b := []byte(`{"odata.metadata":"http://` + tableHost + `/$metadata#Tables","value":[`)
	n, next, from := 0, "", decodePlace(r.query.Get("NextTableName"))
	for _, lower := range slices.Sorted(maps.Keys(s.state.tables)) {
		name := s.state.tables[lower].name
		as := &row{properties: []property{{"TableName", "Edm.String", strconv.Quote(name)}}}
		if lower < from || !meant(as) {
			continue
		}
		if n == limit {
			next = lower
			break
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		b = append(b, `{"TableName":"`+name+`"}`...)
	}
	a := jsonAnswer(http.StatusOK, append(b, `]}`...))
	if next != "" {
		a.Header.Set("X-Ms-Continuation-Nexttablename", encodePlace(next))
	}
	return a
}
