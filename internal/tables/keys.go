package tables

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"crypto/sha256"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

const (
	coverageTable   = "coverage"
	quarantineTable = "quarantine"
	// progressKey is the row of a stream's progress among its coverage rows; it sorts after every hour.
	progressKey = "progress"
	// revisionMark begins the key of the row that bears the progress row's revision.
	revisionMark = "revision!"
	// sealMark begins the key of an entry of a stream's log.
	sealMark = "seal!"

	// timeFormat is a row key's beginning: seven digits, the resolution of Table Storage and of Graph.
	timeFormat = "2006-01-02T15:04:05.0000000Z"

	// A row key is <time>_<id>, then, for an earlier version, !v<hash>, and for the second and later rows of a record
	// that does not fit one row, !p<n>. "!" sorts before everything that an escaped id can hold, so that the rows of
	// one record follow each other.
	versionMark = "!v"
	partMark    = "!p"

	// maxIDLength keeps a row key well below the 512 characters that Azurite refuses; a longer id is cut and hashed.
	maxIDLength = 300
)

// TableName is the table that holds a window's records: one a stream and month, so that purging a month is dropping
// a table.
func TableName(w entra.Window) string {
	return logs.Of(w.Stream).Table + w.Start.UTC().Format("200601")
}

func partitionKey(w entra.Window) string { return w.Start.UTC().Format(entra.HourFormat) }

// rowKey is the key of a record's current row. whole tells whether the id can be read back from it.
func rowKey(k entra.Key) (key string, whole bool) {
	id := escape(k.ID)
	if len(id) <= maxIDLength {
		return k.Time.UTC().Format(timeFormat) + "_" + id, true
	}
	sum := sha256.Sum256([]byte(k.ID))
	return k.Time.UTC().Format(timeFormat) + "_" + id[:maxIDLength] + "~~" + hex.EncodeToString(sum[:]), false
}

func versionKey(current string, h entra.Hash) string {
	return current + versionMark + hex.EncodeToString(h[:archive.VersionHashBytes])
}

func partKey(first string, n int) string { return fmt.Sprintf("%s%s%03d", first, partMark, n) }

// place is what a row key says of its row.
type place struct {
	key       entra.Key
	whole     bool       // key.ID is the id; otherwise the row has a column Id
	isVersion bool       // an earlier version
	version   entra.Hash // its hash's first bytes
	part      int        // 0 for a record's first row
}

func parseRowKey(rk string) (place, error) {
	if len(rk) <= len(timeFormat) || rk[len(timeFormat)] != '_' {
		return place{}, fmt.Errorf("read row key %q: it is not <time>_<id>", rk)
	}
	t, ok := parseTick(rk[:len(timeFormat)])
	if !ok {
		return place{}, fmt.Errorf("read row key %q: it begins with no time", rk)
	}
	p := place{key: entra.Key{Time: t}}
	id := rk[len(timeFormat)+1:]
	if at := strings.LastIndex(id, partMark); at >= 0 {
		number := id[at+len(partMark):]
		if p.part = digits(number); len(number) != 3 || p.part < 1 {
			return place{}, fmt.Errorf("read row key %q: it ends with the number of no part", rk)
		}
		id = id[:at]
	}
	if at := strings.LastIndex(id, versionMark); at >= 0 {
		version, err := hex.DecodeString(id[at+len(versionMark):])
		if err != nil || len(version) != archive.VersionHashBytes {
			return place{}, fmt.Errorf("read row key %q: it names no version", rk)
		}
		p.isVersion = true
		copy(p.version[:], version)
		id = id[:at]
	}
	if strings.Contains(id, "~~") {
		return p, nil
	}
	var err error
	p.key.ID, err = unescape(id)
	p.whole = err == nil
	return p, err
}

// timeRange bounds the row keys of all records dated first to last, versions and parts included.
func timeRange(first, last time.Time) (from, below string) {
	// "`" is the character after "_".
	return first.UTC().Format(timeFormat) + "_", last.UTC().Format(timeFormat) + "`"
}

const plain = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_.:@,()"

// isPlain are the bytes of plain.
var isPlain = func() (is [256]bool) {
	for i := range len(plain) {
		is[plain[i]] = true
	}
	return is
}()

// escape writes an id so that it can stand in a key: everything that Table Storage forbids (/ \ # ? and control
// characters) or advises against (% +), blanks, quotes, our own marks and whatever is not ASCII becomes ~ and two
// hexadecimal digits for each byte.
func escape(id string) string {
	first := 0
	for first < len(id) && isPlain[id[first]] {
		first++
	}
	if first == len(id) {
		return id
	}
	var b strings.Builder
	b.Grow(len(id) + 2*(len(id)-first))
	b.WriteString(id[:first])
	for i := first; i < len(id); i++ {
		if c := id[i]; isPlain[c] {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "~%02X", c)
		}
	}
	return b.String()
}

func unescape(text string) (string, error) {
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
