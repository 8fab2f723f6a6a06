package collect

import (
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// Balance accounts for every record that a read fetched.
type Balance struct {
	Fetched, New, Changed, Enriched, Unchanged, Quarantined int64
}

// Holds reports whether every fetched record is accounted for.
func (b Balance) Holds() bool {
	return b.Fetched == b.New+b.Changed+b.Enriched+b.Unchanged+b.Quarantined
}

func (b *Balance) add(o Balance) {
	b.Fetched += o.Fetched
	b.New += o.New
	b.Changed += o.Changed
	b.Enriched += o.Enriched
	b.Unchanged += o.Unchanged
	b.Quarantined += o.Quarantined
}

// reconcile decides what has to be written so that the store holds everything that was fetched of
// one window at a stamp. The last content fetched under a key becomes its current row, unless the
// store has one that was read under a later stamp: then this read has been overtaken. Every other
// distinct content is kept as an earlier version. forms: the stream comes in several, and of those
// that were fetched under one key the richest becomes the current row.
func reconcile(stored map[entra.Key]Stored, fetched []entra.Record, seen time.Time, forms bool) ([]Change, Balance) {
	var (
		changes []Change
		balance = Balance{Fetched: int64(len(fetched))}
		order   []entra.Key
		byKey   = make(map[entra.Key][]entra.Record, len(fetched))
	)
	for _, rec := range fetched {
		if _, ok := byKey[rec.Key]; !ok {
			order = append(order, rec.Key)
		}
		byKey[rec.Key] = append(byKey[rec.Key], rec)
	}
	for _, key := range order {
		versions := distinct(byKey[key])
		balance.Unchanged += int64(len(byKey[key]) - len(versions))
		if forms && len(versions) > 1 {
			versions = richestLast(versions)
		}
		has := stored[key]
		last := versions[len(versions)-1]
		for _, rec := range versions[:len(versions)-1] {
			if has.holds(rec.Hash) {
				balance.Unchanged++
				continue
			}
			if forms && poorer(rec, last) {
				balance.Enriched++
			} else {
				balance.Changed++
			}
			changes = append(changes, Change{Kind: KeepVersion, Record: rec})
		}
		if change, needed := currentChange(has, last, seen, &balance); needed {
			changes = append(changes, change)
		}
	}
	return changes, balance
}

// currentChange is what makes a content the current one of its key, or keeps it where a later read
// was quicker; needed is false where it is stored already.
func currentChange(has Stored, last entra.Record, seen time.Time, balance *Balance) (_ Change, needed bool) {
	switch {
	case !has.HasFirst:
		balance.New++
		return Change{Kind: InsertCurrent, Record: last}, true
	case has.Current == last.Hash:
		balance.Unchanged++
	case has.Since.After(seen) && has.holds(last.Hash):
		balance.Unchanged++
	case has.Since.After(seen):
		balance.Changed++
		return Change{Kind: KeepVersion, Record: last, Until: has.Since}, true
	default:
		balance.Changed++
		return Change{Kind: Supersede, Record: last, Was: has.Current, Again: has.holds(last.Hash)}, true
	}
	return Change{}, false
}

// holds reports whether the content is stored under the key, as the current or an earlier version.
func (s Stored) holds(h entra.Hash) bool {
	if s.HasFirst && s.Current == h {
		return true
	}
	return slices.ContainsFunc(s.Earlier, func(v entra.Hash) bool {
		return [ledger.VersionHashBytes]byte(v[:]) == [ledger.VersionHashBytes]byte(h[:])
	})
}

// distinct keeps the last of each content, in order.
func distinct(recs []entra.Record) []entra.Record {
	if len(recs) == 1 {
		return recs
	}
	var out []entra.Record
	for i, rec := range recs {
		again := slices.ContainsFunc(recs[i+1:], func(o entra.Record) bool { return o.Hash == rec.Hash })
		if !again {
			out = append(out, rec)
		}
	}
	return out
}

// unique reports whether every key occurs once, so that the records can be inserted without reading
// the store.
func unique(recs []entra.Record) bool {
	seen := make(map[entra.Key]struct{}, len(recs))
	for _, rec := range recs {
		if _, ok := seen[rec.Key]; ok {
			return false
		}
		seen[rec.Key] = struct{}{}
	}
	return true
}
