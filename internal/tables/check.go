package tables

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/tables/rows"
)

// Rows that were computed have a column Check: the first bytes of a SHA-256 over the row's place
// and content. A reader sees that such a row was changed, moved or copied, and does without it. The
// check is no secret: a row with a forged one is found by verify alone. A row of a version before
// has none, and is believed.
const checkColumn = "Check"

// checkBytes is how much of the SHA-256 a check has.
const checkBytes = 8

// checkOf is the check of a row's place and of what it holds.
func checkOf(table, partition, key string, content ...[]byte) []byte {
	h := sha256.New()
	var length [8]byte
	put := func(part []byte) {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	put([]byte(table))
	put([]byte(partition))
	put([]byte(key))
	for _, part := range content {
		put(part)
	}
	return h.Sum(nil)[:checkBytes]
}

// checkState is what a row's check says of the row.
type checkState int

// The states of a check.
const (
	unchecked checkState = iota // the row has none
	agrees
	differs
)

// compareCheck compares a row's check with what it should be.
func compareCheck(row gjson.Result, want []byte) checkState {
	column := row.Get(checkColumn)
	switch {
	case !rows.Given(column):
		return unchecked
	case column.Str == base64.StdEncoding.EncodeToString(want):
		return agrees
	}
	return differs
}

// number64 is a check as a number, for sums that do not depend on an order.
func number64(check []byte) uint64 { return binary.BigEndian.Uint64(check) }
