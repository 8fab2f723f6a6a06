package simtenant

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/logs"
)

// position is where a walk stands: a place in the log, or how many of a shuffled window were handed out.
type position struct {
	place  place
	passed int
}

// tokenMask hides what a skip token holds: callers must follow it, not read it.
var tokenMask = sha256.Sum256([]byte("skip token"))

// sealToken writes a position and the time of issue into 64 hexadecimal digits.
func (t *Tenant) sealToken(p position) string { return t.sealTokenAt(p, t.Now()) }

func (t *Tenant) sealTokenAt(p position, now time.Time) string {
	var b [32]byte
	binary.BigEndian.PutUint32(b[0:], uint32(p.place.index))
	binary.BigEndian.PutUint64(b[4:], uint64(p.place.time))
	binary.BigEndian.PutUint32(b[12:], uint32(p.place.seq))
	binary.BigEndian.PutUint32(b[16:], uint32(p.passed))
	binary.BigEndian.PutUint64(b[20:], uint64(now.Unix()))
	check := sha256.Sum256(b[:28])
	copy(b[28:], check[:4])
	for i := range b {
		b[i] ^= tokenMask[i]
	}
	return hex.EncodeToString(b[:])
}

func (t *Tenant) openToken(text string) (position, bool) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 32 {
		return position{}, false
	}
	for i := range b {
		b[i] ^= tokenMask[i]
	}
	check := sha256.Sum256(b[:28])
	age := t.Now().Sub(time.Unix(int64(binary.BigEndian.Uint64(b[20:])), 0))
	if string(check[:4]) != string(b[28:]) || age > t.cfg.SkipTokenLifetime {
		return position{}, false
	}
	return position{passed: int(binary.BigEndian.Uint32(b[16:])), place: place{
		index: int(binary.BigEndian.Uint32(b[0:])), time: int64(binary.BigEndian.Uint64(b[4:])), seq: int(binary.BigEndian.Uint32(b[12:]))}}, true
}

// page is the body of one page.
func (t *Tenant) page(r *http.Request, q query, fault *Fault) []byte {
	t.mu.Lock()
	v := t.view(q.stream)
	t.mu.Unlock()
	v = v.within(q.plan.from, q.plan.to)
	top := q.top
	if t.cfg.PageSize > 0 {
		top = min(top, t.cfg.PageSize)
	}
	if fault != nil {
		top = fault.pageSize(top)
	}
	w := walk{view: v, query: q}
	if !q.walking {
		q.from.place = v.start(q.newestFirst)
	}
	body := append(make([]byte, 0, 64<<10), `{"@odata.context":"`+contextURL(r, q)+`",`...)
	if q.count && !q.walking {
		all := walk{view: v, query: q}
		_, n, _, _ := all.take(nil, q.from, int(^uint(0)>>1))
		body = append(body, `"@odata.count":`+strconv.Itoa(n)+`,`...)
	}
	list, n, at, more := w.take(make([]byte, 0, 64<<10), q.from, top)
	if fault != nil {
		list, at, more = fault.bend(w, list, n, q.from, at, more)
	}
	if more {
		link := t.nextLink(r, at)
		if fault != nil && fault.Kind == SameNextLink && q.walking {
			link = scheme(r) + "://" + r.Host + r.URL.RequestURI()
		}
		body = append(body, `"@odata.nextLink":`...)
		body = strconv.AppendQuote(body, link)
		body = append(body, ',')
	}
	body = append(body, `"value":[`...)
	body = append(body, list...)
	return append(body, "]}"...)
}

// walk hands out the records of a view that match a query.
type walk struct {
	view  view
	query query
}

// take appends up to top records, with commas between, and tells how many there were, where the walk stands then, and
// whether there is more.
func (w walk) take(list []byte, from position, top int) (out []byte, n int, at position, more bool) {
	if w.query.stream == logs.Provisioning {
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
	before := len(list)
	if n > 0 {
		list = append(list, ',')
	}
	begin := len(list)
	list = w.view.append(list, e)
	if !w.query.plan.matches(list[begin:]) {
		return list[:before], false
	}
	if w.query.fields != nil {
		list = project(list, begin, w.query.fields)
	}
	return list, true
}

// takeShuffled hands a window out in an order that is always the same and never that of time.
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
	for n < top && at.passed < len(entries) {
		var added bool
		if list, added = w.add(list, n, entries[at.passed]); added {
			n++
		}
		at.passed++
	}
	return list, n, at, at.passed < len(entries)
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

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func contextURL(r *http.Request, q query) string {
	version := "v1.0"
	if q.beta {
		version = "beta"
	}
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	return "https://graph.microsoft.com/" + version + "/$metadata#auditLogs/" + name
}

// nextLink repeats the query and adds the token.
func (t *Tenant) nextLink(r *http.Request, at position) string { return linkWith(r, t.sealToken(at)) }

func linkWith(r *http.Request, token string) string {
	var parts []string
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if decoded, err := url.QueryUnescape(name); err == nil && decoded != "$skiptoken" && part != "" {
			parts = append(parts, part)
		}
	}
	parts = append(parts, "$skiptoken="+token)
	return scheme(r) + "://" + r.Host + r.URL.Path + "?" + strings.Join(parts, "&")
}
