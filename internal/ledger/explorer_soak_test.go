//go:build soak

package ledger_test

import (
	"testing"

	"github.com/entraledger/entraledger/internal/dev/explore"
)

func TestSoakRunsThatMeetLeaveTheArchiveInOrder(t *testing.T) { explore.Soak(t, scenarios()) }

func TestSoakEveryDetourLeavesTheArchiveInOrder(t *testing.T) { explore.EveryDetour(t, scenarios()) }
