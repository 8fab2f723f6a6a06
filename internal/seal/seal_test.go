package seal_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

var (
	hour = time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
)

func at(minutes int) time.Time { return hour.Add(time.Duration(minutes) * time.Minute) }

func leaf(key, content string, seen, superseded int) seal.Leaf {
	l := seal.Leaf{Key: key, Hash: entra.HashOf([]byte(content)), FirstSeen: at(seen)}
	if superseded > 0 {
		l.Superseded = at(superseded)
	}
	return l
}

// TestWhatTheArchiveHeldBeforeIsKnownAfterItChanged: what was sealed at 10 has the same root when
// it is computed from what is stored at 40.
func TestWhatTheArchiveHeldBeforeIsKnownAfterItChanged(t *testing.T) {
	before := []seal.Leaf{leaf("a", "a1", 1, 0), leaf("b", "b2", 5, 0), leaf("b", "b1", 1, 5), leaf("c", "c1", 2, 0)}
	cases := map[string][]seal.Leaf{
		"nothing changed":   before,
		"a record came":     append([]seal.Leaf{leaf("aa", "new", 20, 0)}, before...),
		"a content changed": {leaf("a", "a2", 20, 0), leaf("a", "a1", 1, 20), before[1], before[2], before[3]},
		"it changed twice": {leaf("a", "a3", 30, 0), leaf("a", "a2", 20, 30), leaf("a", "a1", 1, 20), before[1],
			before[2], before[3]},
		"an old one came again": {before[0], leaf("b", "b1", 1, 0), leaf("b", "b2", 5, 30), before[3]},
		"rows in another order": {before[3], before[2], before[1], before[0]},
	}
	for name, now := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, seal.Root(seal.LeavesAt(before, at(10))), seal.Root(seal.LeavesAt(now, at(10))))
		})
	}
	altered := []seal.Leaf{leaf("a", "A1", 1, 0), before[1], before[2], before[3]}
	require.NotEqual(t, seal.Root(seal.LeavesAt(before, at(10))), seal.Root(seal.LeavesAt(altered, at(10))))
	require.NotEqual(t, seal.Root(seal.LeavesAt(before, at(10))), seal.Root(seal.LeavesAt(before[1:], at(10))))
	swapped := []seal.Leaf{before[0], leaf("b", "b1", 1, 0), leaf("b", "b2", 5, 7), before[3]}
	require.NotEqual(t, seal.Root(seal.LeavesAt(before, at(10))), seal.Root(seal.LeavesAt(swapped, at(10))),
		"an earlier content is not the current one")
}

// memory is a log in memory.
type memory []seal.Seal

func (m memory) Seal(n int64) (seal.Seal, error) {
	if n >= int64(len(m)) {
		return seal.Seal{}, fmt.Errorf("no entry %d", n)
	}
	return m[n], nil
}

func TestEveryRecordOfEveryWindowCanBeProved(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	var (
		log     memory
		records [][]string
		leaves  [][]seal.Leaf
	)
	for n := range 13 {
		w := entra.Window{Stream: logs.DirectoryAudits, Start: hour.Add(time.Duration(n) * time.Hour)}
		var (
			raws []string
			ls   []seal.Leaf
		)
		for i := range random.IntN(9) {
			raw := fmt.Sprintf(`{"id":"%d","activityDateTime":%q}`, i, w.Start.Add(time.Duration(i)*time.Minute).
				Format(time.RFC3339))
			raws, ls = append(raws, raw), append(ls, seal.Leaf{Key: fmt.Sprint(i), Hash: entra.HashOf([]byte(raw)),
				FirstSeen: w.Start})
		}
		s := seal.Seal{Window: w, Leaves: int64(len(ls)), Root: seal.Root(ls),
			SealedAt: w.Start.Add(7 * 24 * time.Hour)}
		s, err := seal.Append(log, int64(n), s)
		require.NoError(t, err)
		back, err := seal.ParseSeal(s.Text())
		require.NoError(t, err)
		require.Equal(t, s.Text(), back.Text())
		log, records, leaves = append(log, s), append(records, raws), append(leaves, ls)
	}
	head, err := seal.HeadOf(log, logs.DirectoryAudits, int64(len(log)))
	require.NoError(t, err)
	parsed, err := seal.ParseHead(append(head.Text(), "\n— somebody signature\n"...))
	require.NoError(t, err)
	require.Equal(t, head, parsed)
	proofs := 0
	for n, raws := range records {
		for i, raw := range raws {
			p, err := seal.Prove(log, head, log[n], leaves[n], []byte(raw), leaves[n][i])
			require.NoError(t, err)
			body, err := json.Marshal(p)
			require.NoError(t, err)
			var received seal.Proof
			require.NoError(t, json.Unmarshal(body, &received))
			s, err := seal.Check(received, &head)
			require.NoError(t, err)
			require.Equal(t, log[n].Window, s.Window)
			requireEveryChangeIsNoticed(t, received)
			proofs++
		}
	}
	require.Greater(t, proofs, 20)
	_, err = seal.Prove(log, head, log[0], leaves[0], nil, seal.Leaf{Hash: entra.HashOf([]byte("another"))})
	require.ErrorIs(t, err, seal.ErrNotSealed)
}

func requireEveryChangeIsNoticed(t *testing.T, p seal.Proof) {
	changes := map[string]func(*seal.Proof){
		"record": func(p *seal.Proof) { p.RecordText += " " },
		"record and hash": func(p *seal.Proof) {
			p.RecordText += " "
			p.RecordHash = fmt.Sprintf("%x", entra.HashOf([]byte(p.RecordText)))
		},
		"place": func(p *seal.Proof) { p.Leaf++ },
		"entry": func(p *seal.Proof) { p.Entry++ },
		"seal":  func(p *seal.Proof) { p.Seal = p.Seal[:len(p.Seal)-1] + "x\n" },
		"head": func(p *seal.Proof) {
			p.Head = "entraledger/directoryAudits\n99\n" + p.Head[len(p.Head)-45:]
		},
		"head of another": func(p *seal.Proof) {
			p.Head = "entraledger/provisioning" + p.Head[len("entraledger/directoryAudits"):]
		},
		"not a checkpoint": func(p *seal.Proof) { p.Head = "x" },
	}
	for name, change := range changes {
		bent := p
		change(&bent)
		_, err := seal.Check(bent, nil)
		require.Error(t, err, name)
	}
	other, err := seal.ParseHead([]byte(p.Head))
	require.NoError(t, err)
	other.Size++
	_, err = seal.Check(p, &other)
	require.ErrorContains(t, err, "head")
}
