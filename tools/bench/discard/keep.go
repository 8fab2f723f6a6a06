package discard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"time"
)

type key struct{ partition, row string }

func (k key) less(o key) bool {
	if k.partition != o.partition {
		return k.partition < o.partition
	}
	return k.row < o.row
}

type row struct {
	properties map[string]json.RawMessage
	etag       string
}

type table struct {
	name string
	kept bool
	rows map[key]row
	bulk *bulk // nil: it is none
}

// apply carries out operations on one table, all or none, and returns each one's new ETag (empty
// for discarded ones), or the index and the fault of the first that failed.
func (s *Server) apply(ops []operation) (tags []string, index int, failed *fault) {
	sizes := make([]int64, len(ops)) // measured before locking: it is most of the work
	for i, op := range ops {
		if op.method != http.MethodDelete {
			sizes[i] = entitySize(op.body)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := map[key]*row{} // nil: deleted
	var records, stored int64
	tags = make([]string, len(ops))
	for i, op := range ops {
		t, ok := s.tables[op.target.table]
		if !ok {
			f := tableNotFound()
			return nil, i, &f
		}
		if t.bulk != nil {
			if f := t.bulk.put(op); f != nil {
				return nil, i, f
			}
			tags[i] = `W/"bulk"`
			continue
		}
		if !t.kept {
			if op.method != http.MethodDelete {
				records++
				stored += sizes[i]
			}
			tags[i] = `W/"discarded"`
			continue
		}
		tag, f := s.stage(t, op, changed)
		if f != nil {
			return nil, i, f
		}
		tags[i] = tag
	}
	s.operations.Add(int64(len(ops)))
	s.records.Add(records)
	s.storedBytes.Add(stored)
	if len(ops) > 0 {
		s.commit(s.tables[ops[0].target.table], changed)
	}
	return tags, 0, nil
}

func (s *Server) commit(t *table, changed map[key]*row) {
	for k, r := range changed {
		if r == nil {
			delete(t.rows, k)
		} else {
			t.rows[k] = *r
		}
	}
}

// stage prepares one write to a kept table.
func (s *Server) stage(t *table, op operation, changed map[key]*row) (string, *fault) {
	var sent map[string]json.RawMessage
	if op.method != http.MethodDelete {
		if err := json.Unmarshal(op.body, &sent); err != nil {
			return "", &fault{http.StatusBadRequest, "InvalidInput", err.Error()}
		}
	}
	at := op.target.key
	if op.method == http.MethodPost {
		at = key{text(sent["PartitionKey"]), text(sent["RowKey"])}
	}
	if _, twice := changed[at]; twice {
		return "", &fault{http.StatusBadRequest, "InvalidDuplicateRow", "The batch names a row twice."}
	}
	old, exists := t.rows[at]
	if f := precondition(op, old, exists); f != nil {
		return "", f
	}
	if op.method == http.MethodDelete {
		changed[at] = nil
		return "", nil
	}
	if op.method != http.MethodPut && exists {
		merged := make(map[string]json.RawMessage, len(old.properties)+len(sent))
		for name, value := range old.properties {
			merged[name] = value
		}
		for name, value := range sent {
			merged[name] = value
		}
		sent = merged
	}
	s.etags++
	tag := fmt.Sprintf(`W/"kept'%d'"`, s.etags)
	now, _ := json.Marshal(time.Now().UTC().Format("2006-01-02T15:04:05.0000000Z"))
	sent["Timestamp"] = now
	sent["Timestamp@odata.type"] = json.RawMessage(`"Edm.DateTime"`)
	sent["odata.etag"] = json.RawMessage(strconv.Quote(tag))
	sent["PartitionKey"], _ = json.Marshal(at.partition)
	sent["RowKey"], _ = json.Marshal(at.row)
	changed[at] = &row{properties: sent, etag: tag}
	return tag, nil
}

// precondition checks what the operation expects of the row that is there.
func precondition(op operation, old row, exists bool) *fault {
	switch {
	case op.method == http.MethodPost && exists:
		return &fault{http.StatusConflict, "EntityAlreadyExists", "The specified entity already exists."}
	case op.ifMatch != "" && !exists:
		return &fault{http.StatusNotFound, "ResourceNotFound", "The specified resource does not exist."}
	case op.ifMatch != "" && op.ifMatch != "*" && op.ifMatch != old.etag:
		return &fault{http.StatusPreconditionFailed, "UpdateConditionNotSatisfied",
			"The update condition specified in the request was not satisfied."}
	}
	return nil
}

// point answers a read by both keys.
func (s *Server) point(w http.ResponseWriter, at target) {
	s.mu.Lock()
	t, ok := s.tables[at.table]
	var found row
	if ok {
		found = t.rows[at.key]
	}
	var whole []byte
	if ok && t.bulk != nil && t.bulk.partitions[at.key.partition] != nil {
		whole = t.bulk.partitions[at.key.partition].rows[at.key.row]
	}
	s.mu.Unlock()
	switch {
	case whole != nil:
		writeJSON(w, http.StatusOK, whole)
	case !ok:
		writeFault(w, tableNotFound())
	case found.properties == nil:
		writeFault(w, fault{http.StatusNotFound, "ResourceNotFound", "The specified resource does not exist."})
	default:
		body, err := json.Marshal(found.properties)
		if err != nil {
			writeFault(w, fault{http.StatusInternalServerError, "InternalError", err.Error()})
			return
		}
		w.Header().Set("ETag", found.etag)
		writeJSON(w, http.StatusOK, body)
	}
}

// query answers a read of many rows; of a discarding table there are none.
func (s *Server) query(w http.ResponseWriter, r *http.Request, name string) {
	asked := r.URL.Query()
	s.mu.Lock()
	large, known := s.tables[name]
	s.mu.Unlock()
	if !known {
		writeFault(w, tableNotFound())
		return
	}
	if large.bulk != nil {
		s.queryBulk(w, asked, large.bulk)
		return
	}
	matches, err := parseFilter(asked.Get("$filter"))
	if err != nil {
		writeFault(w, fault{http.StatusNotImplemented, "NotImplemented", err.Error()})
		return
	}
	keys, found := s.meant(name, key{asked.Get("NextPartitionKey"), asked.Get("NextRowKey")}, matches)
	sort.Slice(keys, func(i, j int) bool { return keys[i].less(keys[j]) })
	limit := 1000
	if top, err := strconv.Atoi(asked.Get("$top")); err == nil && top > 0 && top < limit {
		limit = top
	}
	if len(keys) > limit {
		w.Header().Set("x-ms-continuation-NextPartitionKey", keys[limit].partition)
		w.Header().Set("x-ms-continuation-NextRowKey", keys[limit].row)
		keys = keys[:limit]
	}
	answer := struct {
		Value []map[string]json.RawMessage `json:"value"`
	}{Value: make([]map[string]json.RawMessage, 0, len(keys))}
	for _, k := range keys {
		answer.Value = append(answer.Value, found[k].properties)
	}
	body, err := json.Marshal(answer)
	if err != nil {
		writeFault(w, fault{http.StatusInternalServerError, "InternalError", err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, body)
}

// meant finds the rows of a table from a place on that a filter lets through, in no order.
func (s *Server) meant(name string, from key, matches condition) (keys []key, found map[key]row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found = map[key]row{}
	t, ok := s.tables[name]
	if !ok {
		return nil, found
	}
	for k, r := range t.rows {
		if !k.less(from) && matches(func(property string) string { return text(r.properties[property]) }) {
			keys = append(keys, k)
			found[k] = r
		}
	}
	return keys, found
}

// text is the value of a JSON string, empty for anything else.
func text(raw json.RawMessage) string {
	var value string
	if json.Unmarshal(raw, &value) != nil {
		return ""
	}
	return value
}
