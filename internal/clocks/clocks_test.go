package clocks_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/clocks"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
)

func TestTwoClocksThatAgreeDecideAndTheThirdIsNamed(t *testing.T) {
	at := func(minutes int) time.Time { return lab.Start.Add(time.Duration(minutes) * time.Minute) }
	far := lab.Start.Add(40 * lab.Days)
	for name, c := range map[string]struct {
		clocks clocks.Readings
		now    time.Time
		wrong  string
	}{
		"all agree": {clocks.Readings{SourceTitle: "Microsoft Graph", Source: at(0), Storage: at(2),
			Machine: at(-3)}, at(0), ""},
		"five minutes are agreement": {clocks.Readings{SourceTitle: "Microsoft Graph", Source: at(0), Storage: at(5),
			Machine: at(-5)}, at(0), ""},
		"Graph is 40 days ahead": {clocks.Readings{SourceTitle: "Microsoft Graph", Source: far, Storage: at(1),
			Machine: at(0)}, at(1), "Microsoft Graph's clock says 2026-12-31T14:30:00Z, the others " +
			"2026-11-21T14:31:00Z"},
		"Graph is six minutes behind": {clocks.Readings{SourceTitle: "Microsoft Graph", Source: at(-6), Storage: at(0),
			Machine: at(0)}, at(0), "Microsoft Graph's clock says"},
		"the storage service is behind": {clocks.Readings{SourceTitle: "Microsoft Graph", Source: at(0),
			Storage: at(-60),
			Machine: at(4)}, at(0), "the storage service's clock says"},
		"the machine is ahead": {clocks.Readings{SourceTitle: "Microsoft Graph", Source: at(0), Storage: at(4),
			Machine: far}, at(0), "this machine's clock says"},
		"the storage service is silent": {clocks.Readings{SourceTitle: "Microsoft Graph", Source: at(0),
			Machine: at(4)},
			at(0), ""},
	} {
		now, wrong, err := c.clocks.Agreed()
		require.NoError(t, err, name)
		require.Equal(t, c.now, now, name)
		require.Contains(t, wrong, c.wrong, name)
		require.Equal(t, c.wrong == "", wrong == "", name)
	}
	for name, clocks := range map[string]clocks.Readings{
		"none agree": {SourceTitle: "Microsoft Graph", Source: at(0), Storage: at(60),
			Machine: at(-60)},
		"two silent ones":             {SourceTitle: "Microsoft Graph", Source: at(0)},
		"a chain of near ones":        {SourceTitle: "Microsoft Graph", Source: at(0), Storage: at(6), Machine: at(12)},
		"silent ones do not agree":    {Machine: at(0)},
		"one is silent, two disagree": {SourceTitle: "Microsoft Graph", Source: at(0), Storage: at(9)},
	} {
		_, _, err := clocks.Agreed()
		require.Equal(t, entra.CodeConflict, entra.CodeOf(err), name)
		require.ErrorContains(t, err, "no two of three clocks agree", name)
	}
}

func TestTwoClocksWithoutAThird(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)
	for off, agree := range map[time.Duration]bool{0: true, 5 * time.Minute: true, -5 * time.Minute: true,
		5*time.Minute + 1: false, -time.Hour: false} {
		err := clocks.Two(at, at.Add(off))
		require.Equal(t, agree, err == nil, "%s", off)
		if err != nil {
			require.Equal(t, entra.CodeConflict, entra.CodeOf(err))
		}
	}
	require.NoError(t, clocks.Two(time.Time{}, at), "the service told nothing")
}
