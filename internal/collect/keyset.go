package collect

import (
	"crypto/sha256"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// keySet is the keys of the records that a read has met of one window.
type keySet struct {
	seen map[[16]byte]struct{}
	sum  ledger.Sum // over the keys, whatever their order
}

func newKeySet() *keySet { return &keySet{seen: make(map[[16]byte]struct{})} }

// add stores half of the key's SHA-256, enough to recognize the key.
func (k *keySet) add(key entra.Key) {
	text := make([]byte, 0, 128)
	text = key.Time.UTC().AppendFormat(text, time.RFC3339Nano)
	text = append(text, '_')
	hash := sha256.Sum256(append(text, key.ID...))
	short := [16]byte(hash[:])
	if _, ok := k.seen[short]; ok {
		return
	}
	k.seen[short] = struct{}{}
	k.sum.Add(ledger.Sum(hash))
}

// len is the number of keys; zero for a nil set.
func (k *keySet) len() int64 {
	if k == nil {
		return 0
	}
	return int64(len(k.seen))
}

func (k *keySet) digest() ledger.Sum {
	if k == nil {
		return ledger.Sum{}
	}
	return k.sum
}
