package collect_test

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// TestABetaRecordThatIsTooLargeLeavesItsHourThin: the v1.0 record stays, the beta one is in
// quarantine.
func TestABetaRecordThatIsTooLargeLeavesItsHourThin(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		u := filledPoorly(l, lab.Stream, 2*lab.Days, 2*time.Hour)
		rec := l.Tenant.Records[lab.Stream][5]
		hour := entra.FloorHour(rec.Time)
		noise := make([]byte, 4<<20)
		_, _ = rand.Read(noise)
		raw := strings.TrimSuffix(string(rec.Raw), "}") + `,"more":"` + base64.StdEncoding.EncodeToString(noise) + `"}`
		l.Tenant.Replace(lab.Stream, rec.Key, lab.Parsed(lab.Stream, raw))
		time.Sleep(time.Hour)
		l.RunsOf(u, 3)
		cov := l.Hours(lab.Stream)[hour]
		current, _ := contents(l, entra.WindowOf(lab.Stream, hour))
		l.Log(cov.Quarantined, len(current))
		for _, text := range current {
			if string(lab.Poor(lab.Stream, lab.Parsed(lab.Stream, text)).Raw) == text {
				require.True(l, cov.Thin(), "the hour is called %s, and holds %s", cov.Form, text)
			}
		}
	})
}

// TestHoursOfAPassThatWasRemovedFromTheSettingsAwaitASecondRead: an hour waits for a pass that is
// removed from ARCHIVE_PASSES before it runs.
func TestHoursOfAPassThatWasRemovedFromTheSettingsAwaitASecondRead(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Options.Backfill, l.Options.Passes = 6*lab.Days, []time.Duration{3 * time.Hour, 24 * time.Hour, 7 * lab.Days}
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-20*lab.Days), lab.Start.Add(20*lab.Days), 23*time.Minute)
		u := &lab.Unruly{Forgetful: l.Tenant}
		from, to := entra.FloorHour(lab.Start.Add(-4*lab.Days)), entra.FloorHour(lab.Start.Add(-3*lab.Days))
		u.Answer = func(_ int, q entra.Query) lab.Answer {
			return lab.Answer{Hides: func(_ int, r entra.Record) bool {
				return !r.Time.Before(from) && r.Time.Before(to)
			}}
		}
		l.RunsOf(u, 1)
		u.Answer = nil
		l.Options.Passes = []time.Duration{3 * time.Hour}
		age(l, u)
		for h := from; h.Before(to); h = h.Add(time.Hour) {
			cov := l.Hours(lab.Stream)[h]
			require.False(l, cov.Records == 0 && cov.State == ledger.WindowSealed && cov.ReadsDiffer() == "",
				"%s is sealed after %d passes, with 0 records; Graph has 2 or 3 and has them for weeks", h, cov.Passes)
		}
	})
}
