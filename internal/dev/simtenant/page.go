package simtenant

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// page is the body of one page.
func (t *Tenant) page(r *http.Request, q query, fault *Fault) []byte {
	w := t.newWalk(q, fault)
	if !q.from.walking() && w.log.about.Ordered {
		q.from.place = w.view.start(q.newestFirst)
	}
	metadata := "https://graph.microsoft.com/" + q.version + "/$metadata#auditLogs/" + q.log.Collection
	head := append(make([]byte, 0, 512), `{"@odata.context":"`+metadata+`",`...)
	if q.count && !q.from.walking() {
		_, n, _, _ := w.take(nil, q.from, int(^uint(0)>>1))
		head = append(head, `"@odata.count":`+strconv.Itoa(n)+`,`...)
	}
	return t.finishPage(r, head, w, q.from, t.pageSize(q.top, fault), fault)
}

// pager writes the elements of a collection: up to top of them, separated by commas. It returns how
// many there were, the position of the walk then, and whether there is more.
type pager interface {
	take(list []byte, from position, top int) (out []byte, n int, at position, more bool)
}

func (t *Tenant) pageSize(top int, fault *Fault) int {
	if t.cfg.PageSize > 0 {
		top = min(top, t.cfg.PageSize)
	}
	return fault.pageSize(top)
}

// finishPage appends a page's link and elements to its head, with what the fault makes of them.
func (t *Tenant) finishPage(r *http.Request, head []byte, from pager, begin position, top int, fault *Fault) []byte {
	p := cut{begin: begin}
	p.list, p.n, p.at, p.more = from.take(make([]byte, 0, 64<<10), begin, top)
	if fault != nil && !fault.bend(from, &p) {
		t.undo(fault)
		fault = nil
	}
	if p.more {
		p.at.page = begin.page + 1
		link := t.nextLink(r, p.at, fault)
		if fault != nil && fault.Kind == SameNextLink && begin.walking() {
			link = scheme(r) + "://" + r.Host + r.URL.RequestURI()
		}
		head = append(head, `"@odata.nextLink":`...)
		head = strconv.AppendQuote(head, link)
		head = append(head, ',')
	}
	body := slices.Grow(head, len(p.list)+16)
	body = append(body, `"value":[`...)
	body = append(body, p.list...)
	return append(body, "]}"...)
}

// walk hands out the records of a view that match a query.
type walk struct {
	view  view
	log   *log
	form  form
	query query
	spare *[]byte
}

func (t *Tenant) newWalk(q query, fault *Fault) walk {
	t.mu.Lock()
	v := t.view(q.stream)
	t.mu.Unlock()
	late := fault.lateness()
	v = v.within(q.plan.from.Add(-late), q.plan.to.Add(-late))
	w := walk{view: v, log: t.logs[q.stream], query: q, spare: new([]byte)}
	w.form = w.log.forms[q.as]
	return w
}

func (w walk) take(list []byte, from position, top int) (out []byte, n int, at position, more bool) {
	if !w.log.about.Ordered {
		return w.takeShuffled(list, from, top)
	}
	at = from
	for n < top {
		e, next, ok := w.view.next(at.place, w.query.newestFirst)
		if !ok {
			return list, n, at, false
		}
		at.place = next
		var added bool
		if list, added = w.add(list, n, e); added {
			n++
		}
	}
	_, _, more = w.view.next(at.place, w.query.newestFirst)
	return list, n, at, more
}

// add appends a record if it matches.
func (w walk) add(list []byte, n int, e entry) ([]byte, bool) {
	raw := w.view.append((*w.spare)[:0], e)
	*w.spare = raw
	if !w.query.plan.matches(raw) {
		return list, false
	}
	if n > 0 {
		list = append(list, ',')
	}
	begin := len(list)
	list = w.form.append(list, raw)
	if w.query.fields != nil {
		list = project(list, begin, w.query.fields)
	}
	return list, true
}

// takeShuffled hands a window out in an order that is always the same and never that of time. The
// place's index counts what was passed.
func (w walk) takeShuffled(list []byte, from position, top int) (out []byte, n int, at position, more bool) {
	var entries []entry
	for p := w.view.start(false); ; {
		e, next, ok := w.view.next(p, false)
		if !ok {
			break
		}
		entries, p = append(entries, e), next
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return strings.Compare(shuffleKey(a), shuffleKey(b)) })
	at = from
	for n < top && at.place.index < len(entries) {
		var added bool
		if list, added = w.add(list, n, entries[at.place.index]); added {
			n++
		}
		at.place.index++
	}
	return list, n, at, at.place.index < len(entries)
}

func shuffleKey(e entry) string {
	n := uint64(e.index)
	if e.added != nil {
		n = uint64(e.added.seq) << 32
	}
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, n))
	return string(sum[:8])
}

// project keeps the selected properties of the record that begins at begin.
func project(list []byte, begin int, fields []string) []byte {
	out := []byte{'{'}
	gjson.ParseBytes(list[begin:]).ForEach(func(key, value gjson.Result) bool {
		if slices.Contains(fields, key.Str) {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(append(append(out, key.Raw...), ':'), value.Raw...)
		}
		return true
	})
	return append(list[:begin], append(out, '}')...)
}
