package collect_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

func count(u *lab.Unruly) int { return len(u.Questions(0)) }

// rich gives the tenant a record that has more in the richer form.
func rich(f *lab.Forgetful, s entra.Stream, id string, at time.Time, content string) {
	rec := f.Add(s, id, at, content)
	raw := strings.TrimSuffix(string(rec.Raw), "}") + lab.Beyond + `"multiFactorAuthentication"}`
	f.Replace(s, rec.Key, lab.Parsed(s, raw))
}

// killed runs a process that is killed at its n-th write; it returns whether it was.
func killed(l *lab.Lab, source collect.Source, at int, stored bool, streams ...entra.Stream) bool {
	store, w := l.Process()
	w.DiesAt, w.Stored = at, stored
	_, err := l.Collector(store, source).Run(l.Context(), lab.Execution(), lab.OrStream(streams), 8*time.Minute)
	if !w.Dead {
		require.NoError(l, err)
	}
	return w.Dead
}

// contents are the current contents of an hour, and the earlier ones, each sorted.
func contents(l *lab.Lab, w entra.Window) (current, earlier []string) {
	for rec, err := range l.Store.Records(l.Context(), w) {
		require.NoError(l, err)
		if rec.Superseded.IsZero() {
			current = append(current, string(rec.Raw))
		} else {
			earlier = append(earlier, string(rec.Raw))
		}
	}
	slices.Sort(current)
	slices.Sort(earlier)
	return current, earlier
}

// atTruth holds the archive of a stream against all that the tenant has from a time up to the
// watermark: every record is there, or its hour says what is not known of it. It returns how many
// hours say that.
func atTruth(l *lab.Lab, s entra.Stream, from time.Time) (unsure int) {
	l.Helper()
	p, hours := l.Progress(s), l.Hours(s)
	shown := make(map[time.Time][]string)
	for _, rec := range l.Tenant.Records[s] {
		if !rec.Time.Before(from) && rec.Time.Before(p.Watermark) {
			shown[entra.FloorHour(rec.Time)] = append(shown[entra.FloorHour(rec.Time)], string(rec.Raw))
		}
	}
	seals := make(map[int64]seal.Seal)
	for entry, err := range l.Store.Seals(l.Context(), s) {
		require.NoError(l, err)
		seals[entry.Number] = entry
	}
	for hour, want := range shown {
		cov, ok := hours[hour]
		require.True(l, ok, "%s has %d records and no row; the ledger begins at %s", hour, len(want), p.Begin)
		current, _ := contents(l, cov.Window)
		slices.Sort(want)
		if cov.ReadsDiffer() != "" || cov.InPart() || cov.State == ledger.WindowLost {
			unsure++
			require.Subset(l, want, current)
			continue
		}
		if !hour.Before(p.SealedTo) { // a pass may still find what is missing
			require.Subset(l, want, current)
			continue
		}
		require.Equal(l, want, current, "%s is %s, reads %q", cov.Window, cov.State, cov.Reads)
	}
	for _, cov := range hours {
		if cov.State == ledger.WindowSealed && cov.ReadsDiffer() != "" {
			require.Contains(l, seals[cov.LastSeal].Reason, cov.ReadsDiffer())
		}
	}
	require.Zero(l, p.Awaits, "from %s to %s", p.AwaitsFrom, p.AwaitsTo)
	require.Zero(l, p.Doubts)
	require.Empty(l, p.Suspects)
	lab.CheckLedger(l.T, l.Store, s)
	if s == lab.Stream {
		v := lab.Verification(l)
		require.True(l, v.Intact(), "%v", v.Counts)
	}
	return unsure
}

// age lets the timer fire until everything up to now is sealed.
func age(l *lab.Lab, source collect.Source, streams ...entra.Stream) {
	l.Helper()
	now := time.Now()
	l.RunsOf(source, 3, streams...)
	time.Sleep(4*time.Hour + 20*time.Minute)
	l.RunsOf(source, 3, streams...)
	for _, s := range lab.OrStream(streams) {
		p := l.Progress(s)
		require.False(l, p.SealedTo.Before(entra.FloorHour(now)),
			"%s is sealed to %s; %d hours await a read from %s on", s,
			p.SealedTo, p.Awaits, p.AwaitsFrom)
	}
}

func kinds() []entra.Stream { return []entra.Stream{lab.Stream, logs.SignInsNonInteractiveUser} }

func name(parts ...any) string { return strings.TrimSpace(fmt.Sprintln(parts...)) }
