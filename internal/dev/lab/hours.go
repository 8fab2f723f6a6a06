package lab

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/verify"
)

func (l *Lab) Entry(cov ledger.Coverage) seal.Seal {
	s, err := l.Store.Seal(l.Context(), cov.Stream, cov.LastSeal)
	require.NoError(l, err)
	return s
}

// hourOfStart is the hour before the first run's end; it was read by the backfill or at the tail.
func (l *Lab) HourAt(at time.Time) ledger.Coverage {
	cov, ok := l.Hours(Stream)[entra.FloorHour(at)]
	require.True(l, ok, "%s", at)
	return cov
}

func (l *Lab) Findings() []verify.Finding {
	findings, _ := Verify(l.T, l.Store, l.Heads)
	return findings
}

// CheckClaims holds every hour that the ledger calls whole, and every part of an hour that it does
// not call lost, against all that the tenant ever showed of it.
func (l *Lab) CheckClaims(s entra.Stream) {
	l.Helper()
	stored, err := l.Store.StoredByHour(l.Context(), s, Start.Add(-200*Days), Start.Add(200*Days))
	require.NoError(l, err)
	shown := make(map[time.Time][]entra.Record)
	for _, rec := range l.Tenant.Records[s] {
		hour := entra.FloorHour(rec.Time)
		shown[hour] = append(shown[hour], rec)
	}
	seals := make(map[int64]seal.Seal)
	for entry, err := range l.Store.Seals(l.Context(), s) {
		require.NoError(l, err)
		seals[entry.Number] = entry
	}
	for hour, cov := range l.Hours(s) {
		var known []entra.Record // what has to be there
		for _, rec := range shown[hour] {
			if !cov.InPart() || rec.Time.Before(cov.LostFrom) || !rec.Time.Before(cov.LostTo) {
				known = append(known, rec)
			}
		}
		switch {
		case cov.Whole():
			var sum ledger.Sum
			for _, rec := range shown[hour] {
				sum.Add(ledger.SumOf(l.Store.RowKey(rec.Key), rec.Hash))
			}
			require.EqualValues(l, len(shown[hour]), stored[hour].Count, "%s is called whole (%s)", cov.Window,
				cov.State)
			require.Equal(l, sum, stored[hour].Sum, "%s is called whole (%s)", cov.Window, cov.State)
		case cov.InPart():
			require.GreaterOrEqual(l, stored[hour].Count, int64(len(known)), "%s is lost only from %s to %s",
				cov.Window,
				cov.LostFrom, cov.LostTo)
		}
		if cov.State == ledger.WindowSealed {
			l.checkSealed(cov, seals[cov.LastSeal], len(shown[hour]))
		}
	}
}

// checkSealed: a seal of an hour that is not known whole says from and until when it is.
func (l *Lab) checkSealed(cov ledger.Coverage, last seal.Seal, shown int) {
	l.Helper()
	require.Equal(l, cov.Start, last.Start)
	if cov.InPart() {
		require.Contains(l, last.Reason, fmt.Sprintf("nothing is known of it from %s to %s",
			cov.LostFrom.Format(time.RFC3339Nano), cov.LostTo.Format(time.RFC3339Nano)))
		return
	}
	require.EqualValues(l, shown, last.Leaves-cov.Imported, "%s is sealed as whole", cov.Window)
}
