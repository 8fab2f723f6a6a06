package tables

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// A record's row key is <time>_<id>, then, for an earlier version, !v<hash>, and for the second and
// later rows of a record that does not fit one row, !p<n>. One that was not read from its source has
// !x<outcome> behind the id, so that it never stands in the place of one that was. "!" sorts before
// everything that an escaped id can hold, so that the rows of one record follow each other, and "x"
// behind the others, so that nothing comes between them.
const (
	versionMark = "!v"
	partMark    = "!p"
	arrivalMark = "!x"
	// maxOutcome is how much of a record's outcome its key has.
	maxOutcome = 60

	// maxIDLength keeps a row key well below the 512 characters that Azurite refuses; a longer id
	// is cut and hashed.
	maxIDLength = 300
)

// rowKey is the key of a record's current row. whole reports whether the id can be read back from
// it.
func rowKey(k entra.Key) (key string, whole bool) {
	id := rows.Escape(k.ID)
	if len(id) <= maxIDLength {
		return k.Time.UTC().Format(rows.TimeFormat) + "_" + id, true
	}
	sum := sha256.Sum256([]byte(k.ID))
	return k.Time.UTC().Format(rows.TimeFormat) + "_" + id[:maxIDLength] + "~~" + hex.EncodeToString(sum[:]), false
}

func versionKey(current string, h entra.Hash) string {
	return current + versionMark + hex.EncodeToString(h[:ledger.VersionHashBytes])
}

// arrivalKey is the key of a record that was not read from its source.
func arrivalKey(k entra.Key, outcome string) string {
	key, _ := rowKey(k)
	return key + arrivalMark + rows.Escape(entra.Clip(outcome, maxOutcome))
}

// ownKey is the key that a record of a stream has, as an arrival or as one that was read.
func ownKey(stream entra.Stream, rec entra.Record, arrived bool) string {
	if arrived {
		return arrivalKey(rec.Key, logs.Of(stream).OutcomeOf(rec.Columns))
	}
	key, _ := rowKey(rec.Key)
	return key
}

func partKey(first string, n int) string { return fmt.Sprintf("%s%s%03d", first, partMark, n) }

// place is what a row key says of its row.
type place struct {
	key       entra.Key
	whole     bool       // key.ID is the id; otherwise the row has a column Id
	isVersion bool       // an earlier version
	version   entra.Hash // its hash's first bytes
	part      int        // 0 for a record's first row
	arrived   bool       // not read from its source
}

func parseRowKey(rk string) (place, error) {
	if len(rk) <= len(rows.TimeFormat) || rk[len(rows.TimeFormat)] != '_' {
		return place{}, fmt.Errorf("read row key %q: it is not <time>_<id>", rk)
	}
	t, ok := rows.ParseTick(rk[:len(rows.TimeFormat)])
	if !ok {
		return place{}, fmt.Errorf("read row key %q: it begins with no time", rk)
	}
	p := place{key: entra.Key{Time: t}}
	id := rk[len(rows.TimeFormat)+1:]
	if at := strings.LastIndex(id, partMark); at >= 0 {
		number := id[at+len(partMark):]
		if p.part = rows.Digits(number); len(number) != 3 || p.part < 1 {
			return place{}, fmt.Errorf("read row key %q: it ends with the number of no part", rk)
		}
		id = id[:at]
	}
	if at := strings.LastIndex(id, versionMark); at >= 0 {
		version, err := hex.DecodeString(id[at+len(versionMark):])
		if err != nil || len(version) != ledger.VersionHashBytes {
			return place{}, fmt.Errorf("read row key %q: it names no version", rk)
		}
		p.isVersion = true
		copy(p.version[:], version)
		id = id[:at]
	}
	if before, _, arrived := strings.Cut(id, arrivalMark); arrived && !p.isVersion {
		p.arrived, id = true, before
	}
	if strings.Contains(id, "~~") {
		return p, nil
	}
	var err error
	p.key.ID, err = rows.Unescape(id)
	p.whole = err == nil
	return p, err
}

// timeRange bounds the row keys of all records dated first to last, versions and parts included.
func timeRange(first, last time.Time) (from, below string) {
	// "`" is the character after "_".
	return first.UTC().Format(rows.TimeFormat) + "_", last.UTC().Format(rows.TimeFormat) + "`"
}
