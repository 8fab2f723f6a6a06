// Package newest has the newest time of each of many ids, in a form of about 25 bytes each.
package newest

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"iter"
	"maps"
	"slices"
	"time"
)

// Times are the newest time of each id.
type Times map[string]time.Time

// Add takes in a time. One that is no newer changes nothing.
func (t Times) Add(id string, at time.Time) {
	if last, ok := t[id]; !ok || at.After(last) {
		t[id] = at
	}
}

// Packed are some times, in the order of their ids.
type Packed struct {
	First, Last string // ids
	Content     []byte
}

// Pack packs the times in the order of their ids, no more than most in each, as UTC with the
// resolution of 100 ns.
func (t Times) Pack(most int) []Packed {
	var out []Packed
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(t)), most) {
		p := Packed{First: ids[0], Last: ids[len(ids)-1], Content: make([]byte, 0, 25*len(ids))}
		for _, id := range ids {
			p.Content = appendID(p.Content, id)
			p.Content = binary.BigEndian.AppendUint64(p.Content, uint64(ticksOf(t[id])))
		}
		out = append(out, p)
	}
	return out
}

// ErrBroken says that a content is not what Pack gives.
var ErrBroken = errors.New("it is no list of newest times")

// Each gives what a content holds, in order. After an error there is nothing more.
func Each(content []byte) iter.Seq2[One, error] {
	return func(yield func(One, error) bool) {
		for len(content) > 0 {
			id, rest, ok := cutID(content)
			if !ok || len(rest) < 8 {
				yield(One{}, ErrBroken)
				return
			}
			at := timeOf(int64(binary.BigEndian.Uint64(rest)))
			if content = rest[8:]; !yield(One{id, at}, nil) {
				return
			}
		}
	}
}

// One is an id and its newest time.
type One struct {
	ID string
	At time.Time
}

// AddAll takes in all that a content holds.
func (t Times) AddAll(content []byte) error {
	for one, err := range Each(content) {
		if err != nil {
			return err
		}
		t.Add(one.ID, one.At)
	}
	return nil
}

// A GUID in lower case is 16 bytes behind a zero; every other id a text behind its length.

const guidLength = 36

func appendID(to []byte, id string) []byte {
	if guid, ok := parseGUID(id); ok {
		return append(append(to, 0), guid[:]...)
	}
	to = binary.AppendUvarint(to, uint64(len(id))+1)
	return append(to, id...)
}

func cutID(content []byte) (id string, rest []byte, ok bool) {
	if content[0] == 0 {
		if len(content) < 17 {
			return "", nil, false
		}
		return guidText([16]byte(content[1:])), content[17:], true
	}
	n, size := binary.Uvarint(content)
	if size <= 0 || n-1 > uint64(len(content)-size) {
		return "", nil, false
	}
	content = content[size:]
	return string(content[:n-1]), content[n-1:], true
}

func parseGUID(id string) (guid [16]byte, ok bool) {
	if len(id) != guidLength || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return guid, false
	}
	digits := id[:8] + id[9:13] + id[14:18] + id[19:23] + id[24:]
	if _, err := hex.Decode(guid[:], []byte(digits)); err != nil {
		return guid, false
	}
	return guid, guidText(guid) == id
}

func guidText(guid [16]byte) string {
	var out [guidLength]byte
	hex.Encode(out[:8], guid[:4])
	hex.Encode(out[9:13], guid[4:6])
	hex.Encode(out[14:18], guid[6:8])
	hex.Encode(out[19:23], guid[8:10])
	hex.Encode(out[24:], guid[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// Times are kept in units of 100 ns since 1970.
const tick = 100 * time.Nanosecond

func ticksOf(t time.Time) int64 {
	return t.Unix()*int64(time.Second/tick) + int64(t.Nanosecond())/int64(tick)
}

func timeOf(ticks int64) time.Time {
	second := int64(time.Second / tick)
	return time.Unix(ticks/second, ticks%second*int64(tick)).UTC()
}
