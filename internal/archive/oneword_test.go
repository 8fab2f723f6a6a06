package archive_test

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

// TestABetaRecordThatIsTooLargeLeavesItsHourThin: the v1.0 record stays, the beta one is in
// quarantine.
func TestABetaRecordThatIsTooLargeLeavesItsHourThin(t *testing.T) {
	inLab(t, func(l *lab) {
		u := l.filledPoorly(stream, 2*days, 2*time.Hour)
		rec := l.tenant.records[stream][5]
		hour := entra.FloorHour(rec.Time)
		noise := make([]byte, 4<<20)
		_, _ = rand.Read(noise)
		raw := strings.TrimSuffix(string(rec.Raw), "}") + `,"more":"` + base64.StdEncoding.EncodeToString(noise) + `"}`
		l.tenant.replace(stream, rec.Key, parsed(stream, raw))
		time.Sleep(time.Hour)
		l.runsOf(u, 3)
		cov := l.hours(stream)[hour]
		current, _ := l.contents(entra.WindowOf(stream, hour))
		l.Log(cov.Quarantined, len(current))
		for _, text := range current {
			if string(poor(stream, parsed(stream, text)).Raw) == text {
				require.True(l, cov.Thin(), "the hour is called %s, and holds %s", cov.Form, text)
			}
		}
	})
}

// TestFewerPassesThanWhenTheHoursWereReadBelieveNothing: an hour that was left to a pass, and the
// pass is taken out of ARCHIVE_PASSES before it was made.
func TestFewerPassesThanWhenTheHoursWereReadBelieveNothing(t *testing.T) {
	inLab(t, func(l *lab) {
		l.options.Backfill, l.options.Passes = 6*days, []time.Duration{3 * time.Hour, 24 * time.Hour, 7 * days}
		l.tenant.fill(stream, start.Add(-20*days), start.Add(20*days), 23*time.Minute)
		u := &unruly{forgetful: l.tenant}
		from, to := entra.FloorHour(start.Add(-4*days)), entra.FloorHour(start.Add(-3*days))
		u.answer = func(_ int, q entra.Query) answer {
			return answer{hides: func(_ int, r entra.Record) bool { return !r.Time.Before(from) && r.Time.Before(to) }}
		}
		l.runsOf(u, 1)
		u.answer = nil
		l.options.Passes = []time.Duration{3 * time.Hour}
		l.age(u)
		for h := from; h.Before(to); h = h.Add(time.Hour) {
			cov := l.hours(stream)[h]
			require.False(l, cov.Records == 0 && cov.State == archive.WindowSealed && cov.ReadsDiffer() == "", "%s is sealed after %d passes, with 0 records; Graph has 2 or 3 and has them for weeks", h, cov.Passes)
		}
	})
}
