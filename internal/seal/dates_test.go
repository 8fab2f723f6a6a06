package seal_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

// TestDatesAreKnownAfterTheyGrew: what was sealed of the dates at 10 is computed from what is
// stored at 40.
func TestDatesAreKnownAfterTheyGrew(t *testing.T) {
	before := []seal.Leaf{leaf("a", "a1", 1, 0), leaf("b", "b2", 5, 0), leaf("b", "b1", 1, 5)}
	again := leaf("b", "b1", 1, 0)
	again.Came, again.Spells = at(30), []seal.Spell{{From: at(1), To: at(5)}}
	again2 := again
	again2.Came, again2.Spells = at(60), append(again.Spells, seal.Spell{From: at(30), To: at(50)})
	cases := map[string][]seal.Leaf{
		"nothing changed":        before,
		"a record came":          append([]seal.Leaf{leaf("aa", "new", 20, 0)}, before...),
		"a content changed":      {leaf("a", "a2", 20, 0), leaf("a", "a1", 1, 20), before[1], before[2]},
		"an old one came again":  {before[0], again, leaf("b", "b2", 5, 30)},
		"and once more":          {before[0], again2, leaf("b", "b2", 5, 30), leaf("b", "b3", 50, 60)},
		"it came at that moment": {before[0], before[1], before[2], leaf("c", "c", 11, 0)},
	}
	rootAt := func(leaves []seal.Leaf, minute int) any {
		return seal.DatesRoot(seal.LeavesAt(leaves, at(minute)), at(minute))
	}
	for name, now := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, rootAt(before, 10), rootAt(now, 10)) })
	}
	bent := map[string][]seal.Leaf{
		"first seen earlier":      {leaf("a", "a1", 0, 0), before[1], before[2]},
		"first seen later":        {leaf("a", "a1", 2, 0), before[1], before[2]},
		"superseded earlier":      {before[0], before[1], leaf("b", "b1", 1, 4)},
		"superseded later":        {before[0], before[1], leaf("b", "b1", 1, 6)},
		"superseded, and was not": {leaf("a", "a1", 1, 7), before[1], before[2]},
		"a spell that never was": {before[0], before[1], {Key: "b", Hash: before[2].Hash, FirstSeen: at(1),
			Superseded: at(5), Came: at(3), Spells: []seal.Spell{{From: at(1), To: at(2)}}}},
		"two dates change places":  {leaf("a", "a1", 1, 0), leaf("b", "b2", 1, 0), leaf("b", "b1", 5, 5)},
		"another content, as then": {leaf("a", "A1", 1, 0), before[1], before[2]},
	}
	for name, now := range bent {
		t.Run(name, func(t *testing.T) { require.NotEqual(t, rootAt(before, 10), rootAt(now, 10)) })
	}
	require.Equal(t, rootAt(cases["an old one came again"], 40), rootAt(cases["and once more"], 40))
	require.Equal(t, "2026-11-21T14:01:00.0000000Z 2026-11-21T14:01:00.0000000Z/2026-11-21T14:05:00.0000000Z "+
		"2026-11-21T14:30:00.0000000Z/", again2.DatesAt(at(40)))
}

func TestAnEntryWithDatesIsReadBack(t *testing.T) {
	w := entra.Window{Stream: logs.DirectoryAudits, Start: hour}
	leaves := []seal.Leaf{leaf("a", "a1", 1, 0)}
	for _, reason := range []string{"", "1 new and 0 changed records came after the seal", "a; dates ; b", "dates x",
		"purged: a rule; contents: 3"} {
		for _, dated := range []bool{false, true} {
			s := seal.Seal{Window: w, Leaves: 1, Root: seal.Root(leaves), SealedAt: at(70), Reason: reason}
			if dated {
				s.Dated, s.Dates = true, seal.DatesRoot(leaves, at(70))
			}
			back, err := seal.ParseSeal(s.Text())
			require.NoError(t, err)
			require.Equal(t, s, back)
		}
	}
}

// TestProofsOfBeforeStayValid checks proofs that the version before gave, whose seals do not cover
// dates.
func TestProofsOfBeforeStayValid(t *testing.T) {
	body, err := os.ReadFile("testdata/proofs_without_dates.json")
	require.NoError(t, err)
	var proofs []seal.Proof
	require.NoError(t, json.Unmarshal(body, &proofs))
	require.Len(t, proofs, 3)
	for _, p := range proofs {
		head, err := seal.ParseHead([]byte(p.Head))
		require.NoError(t, err)
		s, err := seal.Check(p, &head)
		require.NoError(t, err)
		require.False(t, s.Dated)
		requireEveryChangeIsNoticed(t, p)
		p.Dates = "2026-11-21T14:00:00.0000000Z"
		_, err = seal.Check(p, &head)
		require.ErrorContains(t, err, "dates")
	}
}

func TestAProofSaysWhenTheRecordWasThere(t *testing.T) {
	raw := `{"id":"1","activityDateTime":"2026-11-21T14:00:00Z"}`
	leaves := []seal.Leaf{leaf("1", raw, 5, 0), leaf("2", "b2", 7, 0), leaf("2", "b1", 1, 7)}
	s := seal.Seal{Window: entra.Window{Stream: logs.DirectoryAudits, Start: hour}, Leaves: 3, Root: seal.Root(leaves),
		SealedAt: at(70),
		Dates:    seal.DatesRoot(leaves, at(70)), Dated: true}
	s, err := seal.Append(memory{}, 0, s)
	require.NoError(t, err)
	log := memory{s}
	head, err := seal.HeadOf(log, logs.DirectoryAudits, 1)
	require.NoError(t, err)
	p, err := seal.Prove(log, head, s, leaves, []byte(raw), leaves[0])
	require.NoError(t, err)
	require.Equal(t, "2026-11-21T14:05:00.0000000Z 2026-11-21T14:05:00.0000000Z/", p.Dates)
	_, err = seal.Check(p, &head)
	require.NoError(t, err)
	requireEveryChangeIsNoticed(t, p)
	bent := p
	bent.Dates = "2026-11-21T14:04:00.0000000Z 2026-11-21T14:04:00.0000000Z/"
	_, err = seal.Check(bent, &head)
	require.ErrorContains(t, err, "dates")
	bent = p
	bent.DatesProof = nil
	_, err = seal.Check(bent, &head)
	require.ErrorContains(t, err, "dates")
}
