package memstorage

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// table holds its rows in the order of their keys.
type table struct {
	name string // as it was created; names are compared without case
	rows []*row
}

var (
	tableName    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{2,62}$`)
	tableAddress = regexp.MustCompile(`^Tables\('([^']*)'\)$`)
)

// executeTable carries out a request to the table service. The caller holds the lock.
func (s *Service) executeTable(r *Request) Answer {
	switch {
	case r.batch:
		index, failed := checkBatch(r.ops)
		var done []*row
		if failed == nil {
			done, index, failed = s.apply(r.ops)
		}
		return batchAnswer(r.ops, done, index, failed)
	case len(r.ops) == 1:
		return s.executeOne(r.ops[0])
	case r.path == "Tables" && r.method == http.MethodPost:
		return s.createTable(r)
	case r.path == "Tables" && r.method == http.MethodGet:
		return s.listTables(r)
	case r.method == http.MethodDelete && tableAddress.MatchString(r.path):
		return s.deleteTable(tableAddress.FindStringSubmatch(r.path)[1])
	case r.method == http.MethodGet:
		return s.read(r)
	}
	return methodNotAllowed.answer()
}

// find gives a table that can be used.
func (s *Service) find(name string) (*table, *fault) {
	name = strings.ToLower(name)
	if s.isBeingDeleted(name) {
		return nil, tableDeleting
	}
	t, ok := s.state.tables[name]
	if !ok {
		return nil, tableNotFound
	}
	return t, nil
}

func (s *Service) isBeingDeleted(name string) bool {
	at, ok := s.state.deleted[name]
	if ok && !s.clock().Before(at.Add(s.Limits.DeleteTakes)) {
		delete(s.state.deleted, name)
		ok = false
	}
	return ok
}

func (s *Service) createTable(r *Request) Answer {
	name := gjson.GetBytes(r.body, "TableName").Str
	lower := strings.ToLower(name)
	switch {
	case !tableName.MatchString(name) || lower == "tables":
		return badRequest("InvalidResourceName", "The specified resource name contains invalid characters.").answer()
	case s.isBeingDeleted(lower):
		return tableDeleting.answer()
	case s.state.tables[lower] != nil:
		return tableExists.answer()
	}
	s.state.tables[lower] = &table{name: name}
	if r.header.Get("Prefer") == "return-no-content" {
		return Answer{Status: http.StatusNoContent}
	}
	return jsonAnswer(http.StatusCreated, []byte(`{"TableName":"`+name+`"}`))
}

func (s *Service) deleteTable(name string) Answer {
	lower := strings.ToLower(name)
	switch {
	case s.isBeingDeleted(lower):
		return tableDeleting.answer()
	case s.state.tables[lower] == nil:
		return resourceNotFound.answer()
	}
	delete(s.state.tables, lower)
	if s.Limits.DeleteTakes > 0 {
		s.state.deleted[lower] = s.clock()
	}
	return Answer{Status: http.StatusNoContent}
}

// executeOne carries out one write.
func (s *Service) executeOne(o operation) Answer {
	done, _, failed := s.apply([]operation{o})
	if failed != nil {
		return failed.answer()
	}
	if done[0] == nil {
		return Answer{Status: http.StatusNoContent}
	}
	tag := http.Header{"Etag": {done[0].etag()}}
	if o.method == http.MethodPost && !o.quiet {
		tag.Set("Content-Type", jsonType)
		return Answer{Status: http.StatusCreated, Header: tag, Body: done[0].appendTo(nil, nil)}
	}
	return Answer{Status: http.StatusNoContent, Header: tag}
}

// apply carries out writes to one table, all or none, and returns the rows that they left; nil for
// a deleted one. Where one fails its index and the reason are returned.
func (s *Service) apply(ops []operation) (done []*row, index int, failed *fault) {
	if len(ops) == 0 {
		return nil, 0, invalidInput("There is no operation.")
	}
	for i, o := range ops {
		if o.refused != nil {
			return nil, i, o.refused
		}
	}
	t, failed := s.find(ops[0].table)
	if failed != nil {
		return nil, 0, failed
	}
	rows := slices.Clone(t.rows)
	stamp := s.nextStamp()
	for i, o := range ops {
		var r *row
		if rows, r, failed = o.apply(rows, stamp); failed != nil {
			return nil, i, failed
		}
		done = append(done, r)
	}
	s.state.tables[strings.ToLower(t.name)] = &table{name: t.name, rows: rows}
	return done, 0, nil
}

// apply executes one write on rows that no other request uses.
func (o operation) apply(rows []*row, stamp time.Time) ([]*row, *row, *fault) {
	at, found := slices.BinarySearchFunc(rows, o.row, compareKeys)
	switch {
	case o.method == http.MethodPost && found:
		return nil, nil, entityExists
	case o.method != http.MethodPost && o.ifMatch != "" && !found:
		return nil, nil, resourceNotFound
	case o.method != http.MethodPost && o.ifMatch != "" && o.ifMatch != "*" && o.ifMatch != rows[at].etag():
		return nil, nil, conditionFailed
	case o.method == http.MethodDelete:
		return slices.Delete(rows, at, at+1), nil, nil
	}
	r := *o.row
	if o.method == http.MethodPatch && found {
		r = *rows[at].merged(o.row)
		if f := r.check(); f != nil {
			return nil, nil, f
		}
	}
	r.stamp = stamp
	if found {
		rows[at] = &r
		return rows, &r, nil
	}
	return slices.Insert(rows, at, &r), &r, nil
}

func jsonAnswer(status int, body []byte) Answer {
	return Answer{Status: status, Header: http.Header{"Content-Type": {jsonType}}, Body: body}
}
