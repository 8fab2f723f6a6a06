package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// measured is a report with round numbers.
func measured(oursCPU, theirsCPU, oursMB, floorCPU float64) report {
	return report{
		Records: 100_000,
		Figures: []figure{
			{Competitor: "pipeline", Tables: "discard", Asked: 100_000, outcome: outcome{Records: 100_000, Seconds: 5,
				CPUSeconds: oursCPU, PeakMB: oursMB}},
			{Competitor: "obvious", Tables: "discard", Asked: 100_000, outcome: outcome{Records: 50_000, Seconds: 50,
				CPUSeconds: theirsCPU / 2, PeakMB: 300}},
		},
		Flat: []figure{
			{Asked: 10_000, outcome: outcome{Records: 10_000, PeakMB: oursMB * 0.9}},
			{Asked: 1_000_000, outcome: outcome{Records: 1_000_000, PeakMB: oursMB}},
		},
		Floor: floor{Records: 10_000, RawBytes: 30_000_000, CompressedBytes: 9_000_000, ScanSeconds: floorCPU / 20,
			CompressSeconds: floorCPU / 20},
	}
}

func TestAimsAreJudgedPer100000Records(t *testing.T) {
	cases := []struct {
		name                        string
		ours, theirs, peak, floor   float64
		cpuMet, memoryMet, floorMet bool
	}{
		{"all met", 3, 60, 80, 2.4, true, true, true},
		{"exactly at the aims", 4, 80, 99, 3, true, true, true},
		{"all missed", 5, 60, 100, 2, false, false, false},
	}
	for _, c := range cases {
		aims := measured(c.ours, c.theirs, c.peak, c.floor).judge()
		require.Len(t, aims, 4, c.name)
		require.InDelta(t, c.theirs/c.ours, aims[0].Measured, 1e-9, c.name)
		require.Equal(t, c.cpuMet, aims[0].Met, c.name)
		require.Equal(t, c.memoryMet, aims[1].Met, c.name)
		require.True(t, aims[2].Met, c.name)
		require.Equal(t, c.floorMet, aims[3].Met, c.name)
	}
	require.Empty(t, report{}.judge(), "what was not measured is not judged")
}

func TestTheReportNamesWhatWasMeasured(t *testing.T) {
	r := measured(3, 60, 80, 2.4)
	r.Aims = r.judge()
	r.Figures[1].Stopped = "stopped after 4m0s"
	var out bytes.Buffer
	r.print(&out)
	for _, want := range []string{"pipeline -> discard", "obvious -> discard", "20.0 x", "stopped after 4m0s",
		"1,000,000", "missed", "ok"} {
		if want == "missed" {
			require.NotContains(t, out.String(), want)
			continue
		}
		require.Contains(t, out.String(), want)
	}
}

func TestAPlanThatCantBeUnderstoodIsRefused(t *testing.T) {
	for _, args := range [][]string{{"-records", "0"}, {"-tables", "cosmos"}, {"-programs", ""}, {"extra"}} {
		_, err := parsePlan(args)
		require.Error(t, err, "%v", args)
	}
	p, err := parsePlan([]string{"-tables", "discard", "-flat=false"})
	require.NoError(t, err)
	require.Equal(t, []string{"discard"}, p.tables)
	require.Empty(t, p.flat)
}
