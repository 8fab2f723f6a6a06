package rows

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// TimeFormat has seven digits of a fraction: the resolution of Table Storage.
const TimeFormat = "2006-01-02T15:04:05.0000000Z"

// Storable is a time that Table Storage can hold: its earliest one in place of the zero time.
func Storable(t time.Time) time.Time {
	if t.IsZero() {
		return time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return t
}

const plain = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_.:@,()"

// isPlain are the bytes of plain.
var isPlain = func() (is [256]bool) {
	for i := range len(plain) {
		is[plain[i]] = true
	}
	return is
}()

// Escape makes a text valid in a key: everything that Table Storage forbids (/ \ # ? and control
// characters) or advises against (% +), blanks, quotes, the exclamation mark and whatever is not
// ASCII becomes ~ and two hexadecimal digits for each byte.
func Escape(text string) string {
	first := 0
	for first < len(text) && isPlain[text[first]] {
		first++
	}
	if first == len(text) {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + 2*(len(text)-first))
	b.WriteString(text[:first])
	for i := first; i < len(text); i++ {
		if c := text[i]; isPlain[c] {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "~%02X", c)
		}
	}
	return b.String()
}

// Unescape is Escape's reverse.
func Unescape(text string) (string, error) {
	if strings.IndexByte(text, '~') < 0 {
		return text, nil
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '~' {
			out = append(out, text[i])
			continue
		}
		if i+2 >= len(text) {
			return "", fmt.Errorf("read escaped id %q: it ends within an escape", text)
		}
		c, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
		if err != nil {
			return "", fmt.Errorf("read escaped id %q: %w", text, err)
		}
		out = append(out, byte(c))
		i += 2
	}
	return string(out), nil
}

// Quote writes a text in the filter language of the table service.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Literal writes a value in the filter language of the table service.
func Literal(v any) string {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return "datetime'" + Storable(v).UTC().Format(TimeFormat) + "'"
	default:
		return Quote(fmt.Sprint(v))
	}
}

// In filters the rows of one partition with row keys in [from, below).
func In(partition, from, below string) string {
	return "PartitionKey eq " + Quote(partition) + " and RowKey ge " + Quote(from) + " and RowKey lt " + Quote(below)
}

// Of filters the one row of a key.
func Of(partition, key string) string {
	return "PartitionKey eq " + Quote(partition) + " and RowKey eq " + Quote(key)
}

// Spanning filters the rows of the partitions in [from, below).
func Spanning(from, below string) string {
	return "PartitionKey ge " + Quote(from) + " and PartitionKey lt " + Quote(below)
}
