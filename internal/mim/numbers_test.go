package mim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/mim"
)

// numbered are events a minute apart, from a number and a minute on.
func numbered(minute int, from ...int64) []mim.Numbered {
	var out []mim.Numbered
	for i, n := range from {
		out = append(out, mim.Numbered{RecordID: n, At: now.Add(time.Duration(minute+i) * time.Minute)})
	}
	return out
}

func TestGapsAreTheNumbersThatDidNotCome(t *testing.T) {
	for name, c := range map[string]struct {
		came [][]mim.Numbered
		gaps []mim.Gap
		most int64
	}{
		"nothing":       {nil, nil, 0},
		"no numbers":    {[][]mim.Numbered{numbered(0, 0, 0)}, nil, 0},
		"all":           {[][]mim.Numbered{numbered(0, 5, 6, 7), numbered(3, 8)}, nil, 8},
		"a gap":         {[][]mim.Numbered{numbered(0, 5, 6), numbered(9, 10)}, []mim.Gap{{From: 7, To: 9}}, 10},
		"filled later":  {[][]mim.Numbered{numbered(0, 5), numbered(9, 7), numbered(8, 6)}, nil, 7},
		"twice":         {[][]mim.Numbered{numbered(0, 5, 6, 7), numbered(0, 5, 6, 7)}, nil, 7},
		"backwards":     {[][]mim.Numbered{numbered(2, 7), numbered(1, 6), numbered(0, 5)}, nil, 7},
		"begin again":   {[][]mim.Numbered{numbered(0, 100, 101), numbered(10, 1, 2, 3)}, nil, 3},
		"the old one":   {[][]mim.Numbered{numbered(0, 100, 103), numbered(10, 1, 2), numbered(1, 101, 102)}, nil, 2},
		"its last came": {[][]mim.Numbered{numbered(0, 100), numbered(10, 1, 2), numbered(1, 101)}, nil, 2},
		"gaps of both": {[][]mim.Numbered{numbered(0, 100, 102), numbered(10, 1, 3)},
			[]mim.Gap{{From: 101, To: 101}, {From: 2, To: 2}}, 3},
		"out of order": {[][]mim.Numbered{{{RecordID: 2, At: now.Add(time.Second)},
			{RecordID: 1, At: now.Add(2 * time.Second)},
			{RecordID: 3, At: now}}}, nil, 3},
		"no time of one": {[][]mim.Numbered{numbered(0, 5, 6), {{RecordID: 7}}, numbered(3, 8)}, nil, 8},
	} {
		t.Run(name, func(t *testing.T) {
			var all mim.Computer
			var missing int64
			for _, events := range c.came {
				all.Count(events)
			}
			for _, g := range c.gaps {
				missing += g.To - g.From + 1
			}
			require.Equal(t, c.gaps, numbersAlone(all.Gaps()))
			require.Equal(t, missing, all.Missing())
			require.Equal(t, c.most, all.Greatest())
		})
	}
}

// numbersAlone are gaps without their times.
func numbersAlone(all []mim.Gap) (out []mim.Gap) {
	for _, g := range all {
		out = append(out, mim.Gap{From: g.From, To: g.To})
	}
	return out
}

// TestAGapSaysBetweenWhichTimesItIs, however it came to be one.
func TestAGapSaysBetweenWhichTimesItIs(t *testing.T) {
	at := func(minute int) time.Time { return now.Add(time.Duration(minute) * time.Minute) }
	var c mim.Computer
	c.Count(numbered(0, 5, 6))
	c.Count(numbered(9, 10))
	require.Equal(t, []mim.Gap{{From: 7, To: 9, After: at(1), Before: at(9)}}, c.Gaps())
	c.Count(numbered(2, 7))
	require.Equal(t, []mim.Gap{{From: 8, To: 9, After: at(2), Before: at(9)}}, c.Gaps())
	c.Count(numbered(8, 9))
	require.Equal(t, []mim.Gap{{From: 8, To: 8, After: at(2), Before: at(8)}}, c.Gaps())
	c.Count([]mim.Numbered{{RecordID: 8}, {RecordID: 12}})
	require.Equal(t, []mim.Gap{{From: 11, To: 11, After: at(9)}}, c.Gaps(), "12 has no time of its own")
}

func TestWhatIsKnownOfAComputerStaysShort(t *testing.T) {
	var c mim.Computer
	for i := range 1000 {
		c.Count(numbered(i, int64(3*i+1)))
	}
	require.Len(t, c.Gaps(), 99)
	require.Equal(t, int64(2*999), c.Missing(), "what is not listed is counted")
	for run := range 20 {
		c.Count(numbered(2000+10*run, 1, 3))
	}
	require.LessOrEqual(t, len(c.Runs), 8)
	require.Equal(t, int64(2*999+20), c.Missing())
}
