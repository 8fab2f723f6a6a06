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

// Tick is the archive's resolution of time: 100 ns, Table Storage's and .NET's. Graph's longest fraction has seven digits.
const Tick = 100 * time.Nanosecond

// Key identifies a record within its stream. An id alone is not unique: the same sign-in id comes with another
// time and result (first 50074, seconds later 0).
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

// Column is one promoted value of a record. Text is set for strings, Int (with IsInt) for whole numbers.
type Column struct {
	Name  string // PascalCase of Graph's property path
	Text  string
	Int   int32
	IsInt bool
}

// Record is one entry of a log: its bytes exactly as Graph sent them, and what was decoded from them.
// Raw, ID and the columns' texts may alias the page that they came on.
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

// ParseRecord decodes what the archive needs of one record and hashes it. raw must be valid JSON and must not be
// changed while the record lives. Of repeated keys, which published beta records have, the first counts.
// Errors: ErrNoObject, ErrNoID, ErrNoTime (wrapped, with the value).
func ParseRecord(s Stream, raw []byte) (Record, error) {
	rec := Record{Raw: raw, Hash: HashOf(raw)}
	// The string shares raw's memory: a copy of every record would cost more than scanning it.
	doc := gjson.Parse(unsafe.String(unsafe.SliceData(raw), len(raw)))
	if !doc.IsObject() {
		return rec, ErrNoObject
	}
	var (
		timeProperty = s.TimeProperty()
		timeText     string
		promoted     = promotions(s)
	)
	rec.Columns = make([]Column, 0, len(promoted))
	doc.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "id":
			if rec.ID == "" && value.Type == gjson.String {
				rec.ID = value.Str
			}
		case timeProperty:
			if timeText == "" {
				timeText = value.String()
			}
		}
		for i := range promoted {
			if promoted[i].property == key.Str {
				rec.promote(&promoted[i], value)
			}
		}
		return true
	})
	if rec.ID == "" {
		return rec, ErrNoID
	}
	t, err := ParseTime(timeText)
	if err != nil {
		return rec, fmt.Errorf("%w: %s is %s", ErrNoTime, timeProperty, strconv.QuoteToASCII(clip(timeText, 80)))
	}
	rec.Time = t.Truncate(Tick)
	return rec, nil
}

// timeForms are the forms seen in Graph's answers, in published samples and in exports of other tools.
// A form without a zone means UTC.
var timeForms = [...]string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00"}

// ParseTime reads a record's time and returns it in UTC. The zero time of .NET (year 1) is a missing time.
func ParseTime(text string) (time.Time, error) {
	for _, form := range timeForms {
		if t, err := time.Parse(form, text); err == nil {
			if t.Year() <= 1 {
				break
			}
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("parse time %q: accepted is RFC 3339", clip(text, 80))
}

func clip(s string, limit int) string {
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}
