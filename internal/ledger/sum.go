package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

func SumOfLeaves(leaves []seal.Leaf) (sum Sum) {
	for _, l := range leaves {
		sum.Add(SumOf(l.Key, l.Fixed()))
	}
	return sum
}

// Parted are the contents that were read from the source, and those that were not.
func Parted(leaves []seal.Leaf) (read, arrived []seal.Leaf) {
	if !slices.ContainsFunc(leaves, seal.Leaf.Arrived) {
		return leaves, nil
	}
	for _, l := range leaves {
		if l.Arrived() {
			arrived = append(arrived, l)
		} else {
			read = append(read, l)
		}
	}
	return read, arrived
}

// Sum is over the contents that are stored of an hour: the SHA-256 of each content's key and hash,
// added modulo 2^256. It does not depend on their order, so a write adds what it stored, and rows
// can be compared with the ledger by one number.
type Sum [sha256.Size]byte

// SumOf is the sum over one content: SHA-256 of its record's row key, a zero byte, and its hash.
func SumOf(key string, h entra.Hash) Sum {
	text := make([]byte, 0, len(key)+1+len(h))
	text = append(text, key...)
	text = append(text, 0)
	return sha256.Sum256(append(text, h[:]...))
}

// Add adds another sum.
func (s *Sum) Add(o Sum) { s.combine(o, bits.Add64) }

// Sub subtracts another sum.
func (s *Sum) Sub(o Sum) { s.combine(o, bits.Sub64) }

func (s *Sum) combine(o Sum, with func(x, y, carry uint64) (uint64, uint64)) {
	var carry uint64
	for at := len(s) - 8; at >= 0; at -= 8 {
		var v uint64
		v, carry = with(binary.BigEndian.Uint64(s[at:]), binary.BigEndian.Uint64(o[at:]), carry)
		binary.BigEndian.PutUint64(s[at:], v)
	}
}

// Contents is what rows hold, or what a write added. Bytes and StoredBytes are of arrivals, too;
// all else is of what was read from the source.
type Contents struct {
	Tally
	Sum Sum
	// Eclipsed counts the arrivals that another form of the same record took the place of.
	Eclipsed int64
}

// HourContents is how many contents the rows of an hour hold, earlier versions included, and their
// sum.
type HourContents struct {
	Count int64
	Sum   Sum
	// Arrivals counts, beside them, those that were not read from the source.
	Arrivals int64
}
