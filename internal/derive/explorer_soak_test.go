//go:build soak

package derive_test

import (
	"testing"

	"github.com/entraledger/entraledger/internal/dev/explore"
)

func TestSoakRunsThatMeetLeaveTheViewsAsTheLedgerHasIt(t *testing.T) { explore.Soak(t, scenarios()) }

func TestSoakEveryDetourLeavesTheViewsAsTheLedgerHasIt(t *testing.T) {
	explore.EveryDetour(t, scenarios())
}
