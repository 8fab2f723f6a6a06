package collect

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// rec is a record with an id and a content, all at the same time.
func rec(id, content string) entra.Record {
	return entra.Record{Key: entra.Key{ID: id, Time: time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)},
		Raw: []byte(content), Hash: hashOf(content)}
}

func hashOf(content string) entra.Hash { return sha256.Sum256([]byte(content)) }

// prefix is a hash as Store.Stored gives that of an earlier version.
func prefix(content string) (p entra.Hash) {
	h := hashOf(content)
	copy(p[:ledger.VersionHashBytes], h[:])
	return p
}

func TestWhatIsFetchedIsComparedWithWhatIsStored(t *testing.T) {
	key := rec("a", "").Key
	stored := func(current string, earlier ...string) map[entra.Key]Stored {
		s := Stored{Current: hashOf(current), HasFirst: current != ""}
		for _, e := range earlier {
			s.Earlier = append(s.Earlier, prefix(e))
		}
		return map[entra.Key]Stored{key: s}
	}
	cases := []struct {
		name    string
		stored  map[entra.Key]Stored
		fetched []entra.Record
		want    []Change
		balance Balance
	}{
		{"nothing stored", nil, []entra.Record{rec("a", "1")},
			[]Change{{Kind: InsertCurrent, Record: rec("a", "1")}}, Balance{Fetched: 1, New: 1}},
		{"the same again", stored("1"), []entra.Record{rec("a", "1")}, nil, Balance{Fetched: 1, Unchanged: 1}},
		{"changed", stored("1"), []entra.Record{rec("a", "2")},
			[]Change{{Kind: Supersede, Record: rec("a", "2"), Was: hashOf("1")}}, Balance{Fetched: 1, Changed: 1}},
		{"an earlier content comes back", stored("2", "1"), []entra.Record{rec("a", "1")},
			[]Change{{Kind: Supersede, Record: rec("a", "1"), Was: hashOf("2"), Again: true}},
			Balance{Fetched: 1, Changed: 1}},
		{"two contents at once: the later is current", nil, []entra.Record{rec("a", "1"), rec("a", "2")},
			[]Change{{Kind: KeepVersion, Record: rec("a", "1")}, {Kind: InsertCurrent, Record: rec("a",
				"2")}}, Balance{Fetched: 2, New: 1, Changed: 1}},
		{"two contents, both known", stored("2", "1"), []entra.Record{rec("a", "1"), rec("a", "2")}, nil,
			Balance{Fetched: 2, Unchanged: 2}},
		{"one content three times", nil, []entra.Record{rec("a", "1"), rec("a", "1"), rec("a", "1")},
			[]Change{{Kind: InsertCurrent, Record: rec("a", "1")}}, Balance{Fetched: 3, New: 1, Unchanged: 2}},
		{"there and back within a page", nil, []entra.Record{rec("a", "1"), rec("a", "2"), rec("a", "1")},
			[]Change{{Kind: KeepVersion, Record: rec("a", "2")}, {Kind: InsertCurrent, Record: rec("a",
				"1")}}, Balance{Fetched: 3, New: 1, Changed: 1, Unchanged: 1}},
		{"a killed run left only the version", stored("", "1"), []entra.Record{rec("a", "1"), rec("a", "2")},
			[]Change{{Kind: InsertCurrent, Record: rec("a", "2")}}, Balance{Fetched: 2, New: 1, Unchanged: 1}},
		{"others are left alone", stored("1"), []entra.Record{rec("b", "1"), rec("a", "1")},
			[]Change{{Kind: InsertCurrent, Record: rec("b", "1")}}, Balance{Fetched: 2, New: 1, Unchanged: 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			changes, balance := reconcile(c.stored, c.fetched, time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), false)
			require.Equal(t, c.want, changes)
			require.Equal(t, c.balance, balance)
			require.True(t, balance.Holds())
		})
	}
}

func TestABalanceThatLosesARecordDoesNotHold(t *testing.T) {
	require.True(t, Balance{Fetched: 4, New: 1, Changed: 1, Unchanged: 1, Quarantined: 1}.Holds())
	require.False(t, Balance{Fetched: 5, New: 1, Changed: 1, Unchanged: 1, Quarantined: 1}.Holds())
}
