package entra

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unsafe"

	"github.com/tidwall/gjson"
)

// Tick is the archive's resolution of time: 100 ns, Table Storage's and .NET's. Graph's longest
// fraction has seven digits.
const Tick = 100 * time.Nanosecond

// Key identifies a record within its stream. An id alone is not unique: the same sign-in id comes
// with another time and result (first 50074, seconds later 0).
type Key struct {
	Time time.Time // UTC, whole Ticks
	ID   string
}

// Compare orders keys by time, then id.
func (k Key) Compare(o Key) int {
	if c := k.Time.Compare(o.Time); c != 0 {
		return c
	}
	switch {
	case k.ID < o.ID:
		return -1
	case k.ID > o.ID:
		return 1
	}
	return 0
}

// Hash is the SHA-256 of a record's bytes as received.
type Hash [sha256.Size]byte

// HashOf hashes a record's bytes.
func HashOf(raw []byte) Hash { return sha256.Sum256(raw) }

// Column is one promoted value of a record. Text is set for strings, Int (with IsInt) for whole
// numbers.
type Column struct {
	Name  string // PascalCase of Graph's property path
	Text  string
	Int   int32
	IsInt bool
}

// Record is one entry of a log: its bytes exactly as Graph sent them, and what was decoded from
// them. Raw, ID and the columns' texts may alias the page that they came on.
type Record struct {
	Key
	Raw     []byte
	Hash    Hash
	Columns []Column
}

// Window is the hour that the record belongs to.
func (r Record) Window(s Stream) Window { return WindowOf(s, r.Time) }

// Reasons why a record can't be filed under its time and id. Its bytes go to quarantine.
var (
	ErrNoObject = errors.New("record is not a JSON object")
	ErrNoID     = errors.New("record has no id")
	ErrNoTime   = errors.New("record has no time that can be read")
)

// ErrNotJSON says that a record is not JSON at all.
var ErrNotJSON = errors.New("record is not JSON")

// Parsed is a record of a page, or why it can't be filed.
type Parsed struct {
	Record
	Err error // ErrNoObject, ErrNoID or ErrNoTime, wrapped
}

// ParseRecord decodes what the archive needs of one record and hashes it. raw must not be changed
// while the record lives. Of repeated keys, which published beta records have, the first counts.
// Errors: ErrNotJSON, ErrNoObject, ErrNoID, ErrNoTime (wrapped, with the value).
func ParseRecord(l *Layout, raw []byte) (Record, error) {
	sc := &scanner{data: raw}
	at := sc.space(0)
	rec, end := l.scan(sc, at, 0)
	if end >= 0 {
		end = sc.space(end)
	}
	if end < 0 || len(rec.Raw) != len(raw) { // there is white space around it, or it is no record
		rec.Raw, rec.Hash = raw, HashOf(raw)
	}
	if end != len(raw) {
		return rec.Record, ErrNotJSON
	}
	return rec.Record, rec.Err
}

// scan decodes the record that begins at a position, and returns the position after it; -1 where it
// is not JSON.
func (l *Layout) scan(s *scanner, at, depth int) (Parsed, int) {
	if at >= len(s.data) || s.data[at] != '{' {
		return scanNoObject(s, at, depth)
	}
	var (
		out      Parsed
		timeText string
	)
	out.Columns = make([]Column, 0, len(l.Columns))
	var promoted uint64 // the bits of the properties that make columns: most others have another one
	for i := range l.Columns {
		promoted |= nameBit(l.Columns[i].Property)
	}
	end := s.object(at, depth, func(name []byte, from int) int {
		to := s.value(from, depth+1)
		if to < 0 {
			return to
		}
		switch {
		case string(name) == "id":
			if value := s.data[from:to]; out.ID == "" && value[0] == '"' {
				out.ID = parse(value).Str
			}
		case string(name) == l.TimeProperty:
			if timeText == "" {
				timeText = parse(s.data[from:to]).String()
			}
		}
		if promoted&nameBit(name) == 0 {
			return to
		}
		for i := range l.Columns {
			if l.Columns[i].Property == string(name) {
				out.promote(&l.Columns[i], parse(s.data[from:to]))
			}
		}
		return to
	})
	if end < 0 {
		return out, end
	}
	out.Raw = s.data[at:end:end]
	out.Hash = HashOf(out.Raw)
	out.Time, out.Err = l.dated(out.ID, timeText)
	return out, end
}

// scanNoObject is scan for a value that is no object.
func scanNoObject(s *scanner, at, depth int) (out Parsed, end int) {
	end = s.value(at, depth)
	if end < 0 {
		return out, end
	}
	out.Raw, out.Err = s.data[at:end:end], ErrNoObject
	out.Hash = HashOf(out.Raw)
	return out, end
}

// dated reads the time of a record, or returns why the record has no usable time.
func (l *Layout) dated(id, text string) (time.Time, error) {
	if id == "" {
		return time.Time{}, ErrNoID
	}
	t, err := ParseTime(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %s is %s", ErrNoTime, l.TimeProperty, strconv.QuoteToASCII(Clip(text, 80)))
	}
	return t.Truncate(Tick), nil
}

// nameBit is one of 64 bits by which most names differ.
func nameBit[T string | []byte](name T) uint64 {
	if len(name) == 0 {
		return 1
	}
	return 1 << ((31*len(name) + int(name[0]) + int(name[len(name)-1])) & 63)
}

// parse reads a value that was scanned. Its texts share the value's memory where they hold no
// escape.
func parse(value []byte) gjson.Result {
	return gjson.Parse(unsafe.String(unsafe.SliceData(value), len(value)))
}

// timeForms are the forms seen in Graph's answers, in published samples and in exports of other
// tools. A form without a zone means UTC.
var timeForms = [...]string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999Z07:00"}

// ParseTime reads a record's time and returns it in UTC. The zero time of .NET (year 1) is a
// missing time.
func ParseTime(text string) (time.Time, error) {
	for _, form := range timeForms {
		if t, err := time.Parse(form, text); err == nil {
			if t.Year() <= 1 {
				break
			}
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("parse time %q: accepted is RFC 3339", Clip(text, 80))
}

// Clip shortens a text for a message.
func Clip(s string, limit int) string {
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}
