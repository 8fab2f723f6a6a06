package simtenant

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// position is where a walk is: a place in the log, or, without an order of time, how many records
// were returned as the place's index; and which page of which walk comes next. The first page is 1.
type position struct {
	place place
	page  int
	walk  uint32
}

// walking reports whether the position was reached by a next link.
func (p position) walking() bool { return p.page > 1 }

// walks are what the tenant remembers of the walks through its collections: when each began, and,
// while a fault leads walks back, the links that it handed out.
type walks struct {
	began  []time.Time
	trails map[uint32]map[int]link // nil: not recorded; by walk and page
	salted bool                    // no two tokens are equal
	salt   uint16
}

// link is a next link's skip token and where it leads.
type link struct {
	token string
	to    position
}

// beginWalk is the position of a walk's first page, but for its place.
func (t *Tenant) beginWalk() position {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.walks.began = append(t.walks.began, t.now())
	return position{page: 1, walk: uint32(len(t.walks.began) - 1)}
}

// when is when a walk began by the tenant's clock; zero where that is not known. The caller holds
// the lock.
func (w *walks) when(walk uint32) time.Time {
	if int(walk) >= len(w.began) {
		return time.Time{}
	}
	return w.began[walk]
}

// tokenMask hides what a skip token holds: callers must follow it, not read it.
var tokenMask = sha256.Sum256([]byte("skip token"))

// tokenBytes are written as 64 hexadecimal digits, as Graph's tokens are. What follows an
// underscore is padding.
const tokenBytes = 32

// sealToken writes a position, the time of issue and a salt, by which two tokens differ that lead
// to one place.
func sealToken(p position, now time.Time, salt uint16) string {
	var b [tokenBytes]byte
	binary.BigEndian.PutUint32(b[0:], uint32(p.place.index))
	binary.BigEndian.PutUint64(b[4:], uint64(p.place.time))
	binary.BigEndian.PutUint32(b[12:], uint32(p.place.seq))
	binary.BigEndian.PutUint16(b[16:], uint16(min(p.page, 1<<16-1)))
	binary.BigEndian.PutUint32(b[18:], p.walk)
	binary.BigEndian.PutUint32(b[22:], uint32(now.Unix()))
	binary.BigEndian.PutUint16(b[26:], salt)
	check := sha256.Sum256(b[:28])
	copy(b[28:], check[:4])
	for i := range b {
		b[i] ^= tokenMask[i]
	}
	return hex.EncodeToString(b[:])
}

func (t *Tenant) openToken(text string) (position, bool) {
	text, _, _ = strings.Cut(text, "_")
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != tokenBytes {
		return position{}, false
	}
	for i := range b {
		b[i] ^= tokenMask[i]
	}
	check := sha256.Sum256(b[:28])
	age := t.Now().Sub(time.Unix(int64(binary.BigEndian.Uint32(b[22:])), 0))
	if string(check[:4]) != string(b[28:]) || age > t.cfg.SkipTokenLifetime {
		return position{}, false
	}
	return position{
		place: place{
			index: int(binary.BigEndian.Uint32(b[0:])),
			time:  int64(binary.BigEndian.Uint64(b[4:])),
			seq:   int(binary.BigEndian.Uint32(b[12:])),
		},
		page: int(binary.BigEndian.Uint16(b[16:])),
		walk: binary.BigEndian.Uint32(b[18:]),
	}, true
}

// nextLink is the address of the page at a position: the request's, and a skip token.
func (t *Tenant) nextLink(r *http.Request, at position, f *Fault) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := link{to: at}
	if back, ok := f.leadsBack(&t.walks, at); ok {
		next = back
	}
	if next.to.walking() && (next.token == "" || t.walks.salted) {
		if t.walks.salted {
			t.walks.salt++
		}
		next.token = sealToken(next.to, t.now(), t.walks.salt)
	}
	if t.walks.trails != nil {
		t.walks.record(next)
	}
	if f != nil && f.Kind == LongLinks {
		next.token += "_" + strings.Repeat("A", max(0, orDefault(f.Bytes, 16<<10)-len(next.token)-1))
	}
	return linkWith(r, next.token)
}

func (w *walks) record(next link) {
	if w.trails[next.to.walk] == nil {
		w.trails[next.to.walk] = make(map[int]link)
	}
	w.trails[next.to.walk][next.to.page] = next
}

// linkWith repeats a request's query with another skip token; an empty one leads to the first page.
func linkWith(r *http.Request, token string) string {
	var parts []string
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if decoded, err := url.QueryUnescape(name); err == nil && decoded != "$skiptoken" && part != "" {
			parts = append(parts, part)
		}
	}
	if token != "" {
		parts = append(parts, "$skiptoken="+token)
	}
	address := scheme(r) + "://" + r.Host + r.URL.Path
	if len(parts) == 0 {
		return address
	}
	return address + "?" + strings.Join(parts, "&")
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}
