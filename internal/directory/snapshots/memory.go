package snapshots

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
)

// memory is what the walks through one collection have met. It is kept page by page in the
// partition ReadPages, so that a walk that takes several runs knows its own links.
type memory struct {
	of     string              // the collection
	nth    int64               // the walk that goes on
	links  map[uint64]struct{} // that this walk was led to
	met    map[uint64]int64    // each object, with the last walk that met it
	beyond int64               // objects that were not remembered, because they are too many
	stale  int                 // pages in a row, at the end of this walk, that brought nothing new
}

const (
	// maxMet bounds the objects of one collection that are remembered, at some 30 bytes each.
	maxMet = 3_000_000
	// maxStale is how many pages in a row may bring nothing but what the walk has met. Graph sends
	// one page twice now and then, and goes on; two are a circle, whatever their links say.
	maxStale = 1
)

func newMemory(of string) *memory {
	return &memory{of: of, links: make(map[uint64]struct{}), met: make(map[uint64]int64)}
}

func shortHash(text string) uint64 {
	sum := sha256.Sum256([]byte(text))
	return binary.BigEndian.Uint64(sum[:8])
}

// sightings are the hashes of a page's objects.
func sightings(items [][]byte) []uint64 {
	out := make([]uint64, 0, len(items))
	for _, raw := range items {
		id := gjson.GetBytes(raw, "id").Str
		if id == "" {
			id = string(raw)
		}
		out = append(out, shortHash(id))
	}
	return out
}

// begin clears the links of the walk before; the objects it met stay known.
func (m *memory) begin(nth int64) {
	m.nth, m.stale = nth, 0
	clear(m.links)
}

// add remembers a page of the walk and where it leads, 0 being nowhere, and tells why that is a
// circle; empty where it is none.
func (m *memory) add(link uint64, objects []uint64) string {
	fresh := false
	for _, o := range objects {
		if nth, ok := m.met[o]; !ok || nth != m.nth {
			fresh = true
		}
		m.meet(o, m.nth)
	}
	switch {
	case fresh:
		m.stale = 0
	case len(objects) > 0: // an empty page brings nothing, and repeats nothing
		m.stale++
	}
	if link == 0 {
		return ""
	}
	if _, ok := m.links[link]; ok {
		return "the pages lead back to one that was read"
	}
	m.links[link] = struct{}{}
	if m.stale > maxStale {
		return "the pages bring only what they brought before"
	}
	return ""
}

func (m *memory) meet(object uint64, nth int64) {
	if _, ok := m.met[object]; !ok && len(m.met) >= maxMet {
		m.beyond++
		return
	}
	m.met[object] = nth
}

// lost tells whether the walk did not meet an object that the one before it had met.
func (m *memory) lost() bool {
	for _, nth := range m.met {
		if nth == m.nth-1 {
			return true
		}
	}
	return false
}

// metNow tells whether the walk has met an object. Of one that was not remembered it has.
func (m *memory) metNow(object uint64) bool {
	nth, ok := m.met[object]
	return ok && nth == m.nth || !ok && m.beyond > 0
}

// brought is how many objects all walks together have met, each once.
func (m *memory) brought() int64 { return int64(len(m.met)) + m.beyond }

// pageKey is where a page is remembered.
func pageKey(of string, nth, page int64) string { return fmt.Sprintf("%s_%06d_%06d", of, nth, page) }

// pageRow is how a page is remembered: eight bytes for its link and for each of its objects.
func pageRow(of string, nth, page int64, link uint64, objects []uint64) directory.Row {
	doc := binary.BigEndian.AppendUint64(make([]byte, 0, 8+8*len(objects)), link)
	for _, o := range objects {
		doc = binary.BigEndian.AppendUint64(doc, o)
	}
	return directory.Row{Key: pageKey(of, nth, page), Doc: doc}
}

// readPageRow is pageRow's inverse.
func readPageRow(row directory.Row) (nth, page int64, link uint64, objects []uint64, err error) {
	_, numbers, _ := strings.Cut(row.Key, "_")
	if _, err = fmt.Sscanf(numbers, "%06d_%06d", &nth, &page); err == nil && (len(row.Doc) < 8 || len(row.Doc)%8 != 0) {
		err = errors.New("its length is not one of hashes")
	}
	if err != nil {
		return 0, 0, 0, nil, fmt.Errorf("read page %s of the snapshot: %w", row.Key, err)
	}
	link = binary.BigEndian.Uint64(row.Doc)
	for at := 8; at < len(row.Doc); at += 8 {
		objects = append(objects, binary.BigEndian.Uint64(row.Doc[at:]))
	}
	return nth, page, link, objects, nil
}

// recall readies the memory of a collection. A page that was kept after the row was saved is not in
// it: it is read again. Where an older version began the walk, nothing tells what it met, and it is
// begun anew.
func (r *reading) recall(ctx context.Context, q collections.Query) error {
	of := q.Key()
	if r.memory != nil && r.memory.of == of {
		return nil
	}
	m := newMemory(of)
	r.memory = m
	m.begin(r.snap.Walk.Nth)
	if r.snap.Walk.Pages == 0 && r.snap.Walk.Nth == 0 {
		return nil
	}
	var known int64
	pages := directory.Under(directory.ReadPages, of)
	for row, err := range r.maker.store.Rows(ctx, r.snap.ID, pages) {
		if errors.Is(err, directory.ErrNoSnapshot) {
			break
		}
		if err != nil {
			return err
		}
		nth, page, link, objects, err := readPageRow(row)
		if err != nil {
			return err
		}
		switch {
		case nth < r.snap.Walk.Nth:
			for _, o := range objects {
				m.meet(o, nth)
			}
		case nth == r.snap.Walk.Nth && page <= r.snap.Walk.Pages:
			known++
			m.add(link, objects)
		}
	}
	if known < r.snap.Walk.Pages {
		r.maker.log.InfoContext(ctx, "the collection is begun anew: an older version read its first pages",
			"collection", of)
		r.beginAnew()
	}
	return nil
}

// beginAnew leads the walk back to the first page.
func (r *reading) beginAnew() {
	w := r.snap.Walk
	r.snap.Link = ""
	r.snap.Walk = directory.Walk{Farthest: w.Farthest, Nth: w.Nth + 1, Lost: w.Lost, Anew: w.Anew, First: w.First,
		Small: w.Small}
	r.memory.begin(r.snap.Walk.Nth)
}
