package directory_test

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
)

const withLicence = `{"id":"l","userPrincipalName":"l@x","accountEnabled":true,"createdDateTime":"2020-01-01T00:00:00Z",
	"assignedLicenses":[{"skuId":"06ebc4ee-1bb5-47dd-8120-11324bc54e06"}],
	"signInActivity":{"lastSuccessfulSignInDateTime":"2026-01-01T00:00:00Z"}}`

// Names of licences are refused for a night. The snapshot says that yesterday's stand in for them.
func TestNamesOfLicencesThatAreRefusedAreThoseOfYesterday(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.tenant.AddObject(simtenant.Users, []byte(withLicence))
		h.tenant.AddObject(simtenant.Licences, []byte(`{"skuId":"06ebc4ee-1bb5-47dd-8120-11324bc54e06","skuPartNumber":"SPE_E5"}`))
		h.at(0)
		require.Equal(t, []string{"SPE_E5"}, h.user("l", 30).Licences)
		l := &lossy{house: h}
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.Licences})
		snap := l.until(day)
		require.NotNil(t, snap.WhyCarried("licences"), "so it says")
		require.Equal(t, []string{"SPE_E5"}, h.user("l", 30).Licences)
	})
}

// A version before did not read licences' names, and their permission was never granted.
func TestWhatNoVersionBeforeAskedForIsNotDoubted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.tenant.AddObject(simtenant.Users, []byte(withLicence))
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.Licences})
		before := slices.DeleteFunc(slices.Clone(collections.All()), func(c *collections.Collection) bool {
			return c.Word == collections.Licences
		})
		s := snapshots.NewSnapshotter(h.source, h.store, h.archive,
			snapshots.Options{Every: 12 * time.Hour, Collections: before},
			h.tenant.Now, slog.New(slog.DiscardHandler))
		report, err := s.Run(t.Context(), time.Minute, true)
		require.NoError(t, err)
		require.True(t, report.Finished)
		h.tenant.Freeze(now.Add(day))
		report, err = h.run(t.Context(), true)
		require.NoError(t, err)
		require.NoError(t, report.Doubt)
		require.True(t, report.Finished, "what was never granted is believed at once")
		require.Empty(t, report.Lost)
	})
}

func TestAfterAnUpgradeWithoutTheNewPermissionTheTimerFailsForNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.tenant.AddObject(simtenant.Users, []byte(withLicence))
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.Licences})
		before := slices.DeleteFunc(slices.Clone(collections.All()), func(c *collections.Collection) bool {
			return c.Word == collections.Licences
		})
		s := snapshots.NewSnapshotter(h.source, h.store, h.archive,
			snapshots.Options{Every: 12 * time.Hour, Collections: before},
			h.tenant.Now, slog.New(slog.DiscardHandler))
		_, err := s.Run(t.Context(), time.Minute, true)
		require.NoError(t, err)
		l := &lossy{house: h}
		l.until(day)
		h.tenant.Freeze(h.tenant.Now().Add(time.Minute))
		report, err := h.run(t.Context(), false)
		require.NoError(t, err)
		require.NoError(t, s.Check(t.Context(), report, err, report.Now, time.Hour), "the timer")
	})
}

// The list of products is out of order for a night. Users, who is inactive, and credentials are
// not.
func TestNamesOfLicencesThatDoNotComeHoldNothingUp(t *testing.T) {
	for _, kind := range []simtenant.Kind{simtenant.Unavailable, simtenant.GatewayTimeout, simtenant.HTMLPage,
		simtenant.ServerError} {
		subtest(t, string(kind), func(t *testing.T) {
			h := newLossy(t)
			h.tenant.Inject(simtenant.Fault{Kind: kind, Stream: simtenant.Licences})
			finished := false
			for run := range 10 {
				h.tenant.Freeze(now.Add(day + time.Duration(run)*30*time.Minute))
				report, _ := h.run(t.Context(), true)
				finished = finished || report.Finished
			}
			require.True(t, finished, "in five hours no snapshot, for names of products")
		})
	}
}

// A list of names that does not come is no loss; one that is refused is, and stays one while the
// list does not come.
func TestNamesThatDoNotComeFailNoTimer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := &lossy{house: open(t, simtenant.Config{})}
		h.tenant.AddObject(simtenant.Users, []byte(withLicence))
		h.tenant.AddObject(simtenant.Licences, []byte(`{"skuId":"06ebc4ee-1bb5-47dd-8120-11324bc54e06","skuPartNumber":"SPE_E5"}`))
		h.at(0)
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.Unavailable, Stream: simtenant.Licences})
		for night := 1; night <= 5; night++ {
			snap := h.until(time.Duration(night) * day)
			require.NoError(t, h.timer())
			require.Equal(t, night <= 3, snap.WhyCarried("licences") != nil)
		}
		h.tenant.ClearFaults()
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.Licences})
		h.until(6 * day)
		require.ErrorContains(t, h.timer(), "licences")
		h.tenant.ClearFaults()
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.Unavailable, Stream: simtenant.Licences})
		h.until(7 * day)
		require.ErrorContains(t, h.timer(), "licences")
		h.tenant.ClearFaults()
		require.Empty(t, h.until(8*day).Lost)
		require.NoError(t, h.timer())
	})
}
