package entra

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// OriginKind says how a record that was not read from its source came to the archive.
type OriginKind string

// The kinds of origin.
const (
	Imported  OriginKind = "imported"  // out of a file that was kept elsewhere
	Delivered OriginKind = "delivered" // by who has the log, because nothing can be read from the source
)

// Origin says where a record came from that was not read from its source. The zero Origin is that
// of a record that was read. Its text is the record's column Origin, and a part of its leaf.
type Origin struct {
	Kind   OriginKind
	SHA256 [32]byte  // of the file, or of the delivery as it was received
	At     time.Time // when it was taken, whole Ticks
	By     string    // who brought it: an account, or the name of a key
	Name   string    // of the file, or the computer that delivered
}

// mostOriginText bounds By and Name: the column has to fit beside the record.
const mostOriginText = 256

// IsZero reports whether it is that of a record which was read from its source.
func (o Origin) IsZero() bool { return o == Origin{} }

// Valid returns why an origin can't be stored; nil if it can.
func (o Origin) Valid() error {
	switch {
	case o.Kind != Imported && o.Kind != Delivered:
		return fmt.Errorf("origin is of the kind %q: accepted are %s, %s", o.Kind, Imported, Delivered)
	case o.SHA256 == [32]byte{}:
		return fmt.Errorf("origin has no SHA-256")
	case o.At.IsZero():
		return fmt.Errorf("origin has no time")
	}
	return nil
}

// String is the origin on one line of ASCII: kind, SHA-256 in hexadecimal digits, time, and who and
// what, each quoted as in Go. Longer texts are clipped. It is empty for the zero Origin.
func (o Origin) String() string {
	if o.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s %x %s %s %s", o.Kind, o.SHA256, o.At.UTC().Format(originTime),
		strconv.QuoteToASCII(clipText(o.By)), strconv.QuoteToASCII(clipText(o.Name)))
}

// clipText shortens a text to what an origin holds, at the begin of a character.
func clipText(s string) string {
	if len(s) <= mostOriginText {
		return s
	}
	return strings.ToValidUTF8(s[:mostOriginText], "")
}

const originTime = "2006-01-02T15:04:05.0000000Z"

// ParseOrigin reads the text of an origin. Only what String writes is accepted, byte for byte.
func ParseOrigin(text string) (Origin, error) {
	var o Origin
	if text == "" {
		return o, nil
	}
	wrong := fmt.Errorf("read an origin: %s is not what is written", strconv.QuoteToASCII(Clip(text, 80)))
	parts := strings.SplitN(text, " ", 4)
	if len(parts) != 4 {
		return o, wrong
	}
	hash, err := hex.DecodeString(parts[1])
	if err != nil || len(hash) != len(o.SHA256) {
		return o, wrong
	}
	at, err := time.Parse(originTime, parts[2])
	if err != nil {
		return o, wrong
	}
	by, err := strconv.QuotedPrefix(parts[3])
	if err != nil {
		return o, wrong
	}
	o.Kind, o.At = OriginKind(parts[0]), at
	copy(o.SHA256[:], hash)
	if o.By, err = strconv.Unquote(by); err != nil {
		return o, wrong
	}
	if o.Name, err = strconv.Unquote(strings.TrimPrefix(parts[3][len(by):], " ")); err != nil || o.Valid() != nil ||
		o.String() != text {
		return Origin{}, wrong
	}
	return o, nil
}
