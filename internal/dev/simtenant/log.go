package simtenant

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// base is the greater part of a log: records in the order of time that never change.
type base interface {
	Len() int
	Time(i int) time.Time
	Append(dst []byte, i int) []byte
}

// made are records of the generator.
type made struct {
	generator *generate.Generator
	stream    entra.Stream
}

func (m made) Len() int                        { return m.generator.Len(m.stream) }
func (m made) Time(i int) time.Time            { return m.generator.Time(m.stream, i) }
func (m made) Append(dst []byte, i int) []byte { return m.generator.Append(dst, m.stream, i) }

// lines are records of a file, served byte for byte.
type lines struct {
	times []time.Time
	raws  [][]byte
}

func (l lines) Len() int                        { return len(l.raws) }
func (l lines) Time(i int) time.Time            { return l.times[i] }
func (l lines) Append(dst []byte, i int) []byte { return append(dst, l.raws[i]...) }

// readLines reads the file of a log; none is an empty log. A line whose time can't be read has the
// time of the line before it, so that it is served with its neighbours.
func (l *log) readLines(dir string) (lines, error) {
	path := filepath.Join(dir, string(l.about.Stream)+".jsonl")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return lines{}, nil
	}
	if err != nil {
		return lines{}, fmt.Errorf("read records: %w", err)
	}
	var out lines
	for line := range bytes.Lines(text) {
		raw := bytes.TrimRight(line, "\r\n")
		if len(raw) == 0 {
			continue
		}
		at := time.Unix(0, 0).UTC()
		if len(out.times) > 0 {
			at = out.times[len(out.times)-1]
		}
		if rec, err := l.parse(raw); err == nil || !rec.Time.IsZero() {
			at = rec.Time
		}
		out.times, out.raws = append(out.times, at), append(out.raws, raw)
	}
	sort.Stable(byTime(out))
	return out, nil
}

type byTime lines

func (b byTime) Len() int           { return len(b.raws) }
func (b byTime) Less(i, j int) bool { return b.times[i].Before(b.times[j]) }
func (b byTime) Swap(i, j int) {
	b.times[i], b.times[j] = b.times[j], b.times[i]
	b.raws[i], b.raws[j] = b.raws[j], b.raws[i]
}

// added is a record that came later.
type added struct {
	time    time.Time
	seq     int
	id      string
	raw     []byte
	visible time.Time
}

// log is one stream: what was there at the start, and what was added since. Its records are beta's.
type log struct {
	about *logs.Log
	forms map[asked]form
	base  base
	added []added // in the order of time and seq
	seq   int
}

func newLog(about *logs.Log, cfg Config) (*log, error) {
	forms, err := newForms(about, cfg.OtherSpelling)
	for as := range forms {
		if cfg.AlwaysNewer {
			forms[as] = forms[asked{as.form, true, as.blind}]
		}
	}
	return &log{about: about, forms: forms, base: lines{}}, err
}

// parse reads a record's id and time.
func (l *log) parse(raw []byte) (entra.Record, error) {
	return entra.ParseRecord(&entra.Layout{TimeProperty: l.about.TimeProperty}, raw)
}

func (l *log) add(at time.Time, id string, raw []byte, visible time.Time) {
	l.seq++
	a := added{time: at, seq: l.seq, id: id, raw: raw, visible: visible}
	i, _ := slices.BinarySearchFunc(l.added, a, compareAdded)
	l.added = slices.Insert(slices.Clone(l.added), i, a) // views keep the old slice
}

func compareAdded(a, b added) int {
	if c := a.time.Compare(b.time); c != 0 {
		return c
	}
	return a.seq - b.seq
}

func (l *log) change(id string, raw []byte) int {
	n := 0
	l.added = slices.Clone(l.added)
	for i := range l.added {
		if l.added[i].id == id {
			l.added[i].raw = raw
			n++
		}
	}
	return n
}

// view is what of a log can be seen now, within bounds of time: base[lo:hi] and some of what was
// added.
type view struct {
	base   base
	lo, hi int
	added  []added
}

// view reads the bounds from the tenant's clock and retention. The caller holds the lock.
func (t *Tenant) view(s entra.Stream) view {
	l, now := t.logs[s], t.now()
	v := view{base: l.base, hi: l.base.Len()}
	v = v.within(now.Add(-t.cfg.Retention), now)
	for _, a := range l.added {
		if !a.visible.After(now) && !a.time.After(now) && !a.time.Before(now.Add(-t.cfg.Retention)) {
			v.added = append(v.added, a)
		}
	}
	return v
}

// within narrows a view to [from, to], both included.
func (v view) within(from, to time.Time) view {
	out := view{base: v.base}
	out.lo = v.lo + sort.Search(v.hi-v.lo, func(i int) bool { return !v.base.Time(v.lo + i).Before(from) })
	out.hi = v.lo + sort.Search(v.hi-v.lo, func(i int) bool { return v.base.Time(v.lo + i).After(to) })
	out.hi = max(out.hi, out.lo)
	for _, a := range v.added {
		if !a.time.Before(from) && !a.time.After(to) {
			out.added = append(out.added, a)
		}
	}
	return out
}

// entry points at a record: an index of base, or a record that was added.
type entry struct {
	index int
	added *added
}

func (v view) append(dst []byte, e entry) []byte {
	if e.added != nil {
		return append(dst, e.added.raw...)
	}
	return v.base.Append(dst, e.index)
}

// place is a point between the records of a log. It stays good when records are added: base by
// index, the rest by the last record passed.
type place struct {
	index int
	time  int64 // of the last added record passed, in nanoseconds
	seq   int
}

func (v view) start(newestFirst bool) place {
	if newestFirst {
		return place{index: v.hi, time: 1<<63 - 1}
	}
	return place{index: v.lo, time: -1 << 63}
}

// next is the record after a place, in the order of time or against it. Of one time, base's records
// come first.
func (v view) next(p place, newestFirst bool) (entry, place, bool) {
	if newestFirst {
		return v.previous(p)
	}
	i, _ := slices.BinarySearchFunc(v.added, p, func(a added, p place) int { return after(a, p) })
	hasAdded, hasBase := i < len(v.added), p.index < v.hi
	switch {
	case hasBase && (!hasAdded || !v.added[i].time.Before(v.base.Time(p.index))):
		return entry{index: p.index}, place{index: p.index + 1, time: p.time, seq: p.seq}, true
	case hasAdded:
		a := &v.added[i]
		return entry{added: a}, place{index: p.index, time: a.time.UnixNano(), seq: a.seq}, true
	}
	return entry{}, p, false
}

// after orders what was passed before what was not.
func after(a added, p place) int {
	at := a.time.UnixNano()
	if at < p.time || at == p.time && a.seq <= p.seq {
		return -1
	}
	return 1
}

func (v view) previous(p place) (entry, place, bool) {
	i := sort.Search(len(v.added), func(i int) bool {
		at := v.added[i].time.UnixNano()
		return at > p.time || at == p.time && (v.added[i].seq >= p.seq && p.seq > 0)
	}) - 1
	hasAdded, hasBase := i >= 0, p.index > v.lo
	switch {
	case hasBase && (!hasAdded || v.base.Time(p.index-1).After(v.added[i].time)):
		return entry{index: p.index - 1}, place{index: p.index - 1, time: p.time, seq: p.seq}, true
	case hasAdded:
		a := &v.added[i]
		return entry{added: a}, place{index: p.index, time: a.time.UnixNano(), seq: a.seq}, true
	}
	return entry{}, p, false
}
