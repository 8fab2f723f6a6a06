package lastseen_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/lastseen"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/newest"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

const (
	anna = "00000000-0000-0000-0000-00000000000a"
	bert = "00000000-0000-0000-0000-00000000000b"
	cleo = "cleo"
)

// archive is a lab whose tenant has sign-ins of users.
type archive struct {
	*lab.Lab
	source directory.Source
	signs  int
	wire   *lab.Wire // of the store that is read
	store  *tablestest.Store
	logged bytes.Buffer
}

// in runs a test with an archive that begins on 10 September, and reads back thirty days then.
func in(t *testing.T, test func(a *archive)) {
	lab.InAt(t, begin, func(l *lab.Lab) {
		l.Options = collect.Options{Backfill: 30 * lab.Days, Passes: []time.Duration{3 * time.Hour}}
		a := &archive{Lab: l, source: directory.Source{Stream: lab.Stream, Tells: directory.TellsSuccesses}}
		a.store, a.wire = l.Process()
		test(a)
	})
}

var begin = time.Date(2026, time.September, 10, 5, 0, 0, 0, time.UTC)

// signsIn gives the tenant a sign-in; code 0 is a success.
func (a *archive) signsIn(user string, at time.Time, code int) time.Time {
	a.signs++
	a.Tenant.AddRaw(lab.Stream, fmt.Sprintf(`{"id":"s%d","createdDateTime":%q,"userId":%q,"status":{"errorCode":%d}}`,
		a.signs, at.Format(time.RFC3339Nano), user, code))
	return at
}

// until archives every three hours until a time, and makes the views.
func (a *archive) until(t time.Time) {
	a.Runs(3*time.Hour, t, a.source.Stream)
	a.views()
}

func (a *archive) views() {
	store, _ := a.Process()
	report, err := derive.Update(a.Context(), store, lab.Execution(), a.source.Stream, false,
		time.Now().Add(time.Hour))
	require.NoError(a, err)
	require.False(a, report.Left)
}

func (a *archive) try(store lastseen.Store, before directory.Seen) (directory.Seen, error) {
	before.Times = maps.Clone(before.Times)
	since := time.Time{}
	if a.source.Tells == directory.TellsRestores {
		since = time.Now().Add(-14 * lab.Days)
	}
	return lastseen.New(store, slog.New(slog.NewTextHandler(&a.logged, nil))).
		GoOn(a.Context(), a.source, before, since, time.Now().UTC())
}

// goOn goes on with what was known, and tells how many requests it took.
func (a *archive) goOn(before directory.Seen) (directory.Seen, int) {
	n := 0
	a.wire.Before = func(*memstorage.Request) {
		a.wire.Mu.Lock()
		defer a.wire.Mu.Unlock()
		n++
	}
	now, err := a.try(a.store, before)
	require.NoError(a, err)
	return now, n
}

// anew is what the archive knows, read from its begin.
func (a *archive) anew() directory.Seen {
	seen, _ := a.goOn(directory.Seen{})
	return seen
}

// known is without how it came to be known.
func known(s directory.Seen) directory.Seen {
	s.Read = nil
	return s
}

func TestTheNewestSuccessCountsHoweverOld(t *testing.T) {
	in(t, func(a *archive) {
		old := a.signsIn(anna, begin.Add(-20*lab.Days), 0)
		a.signsIn(anna, begin.Add(-2*lab.Days), 50126)
		a.signsIn("CLEO", old.Add(time.Minute), 0)
		a.until(begin.Add(60 * lab.Days))
		last := a.signsIn(bert, time.Now().UTC().Add(-time.Hour).Truncate(time.Second), 0)
		a.until(time.Now().Add(time.Minute))
		seen := a.anew()
		require.Equal(t, newest.Times{anna: old, bert: last, cleo: old.Add(time.Minute)}, seen.Times)
		require.Equal(t, entra.FloorHour(old), seen.ReachesBack)

		again, requests := a.goOn(seen)
		require.Equal(t, seen.Times, again.Times)
		require.Equal(t, seen.ReachesBack, again.ReachesBack)
		require.Less(t, requests, 25, "what was read is not read again")

		later := a.signsIn(anna, time.Now().UTC().Add(time.Hour).Truncate(time.Second), 0)
		a.until(later.Add(24 * time.Hour))
		seen, _ = a.goOn(again)
		require.Equal(t, later, seen.Times[anna])
		require.Equal(t, a.anew().Times, seen.Times)
	})
}

// TestALateRecordOfAnOldDayCounts, which is read again, and no other.
func TestALateRecordOfAnOldDayCounts(t *testing.T) {
	in(t, func(a *archive) {
		a.signsIn(anna, begin.Add(-5*lab.Days), 0)
		a.until(begin.Add(10 * lab.Days))
		seen := a.anew()
		late := a.signsIn(bert, begin.Add(2*lab.Days), 0)
		_, err := a.Collector(a.Store, a.Tenant).Range(a.Context(), lab.Execution(), []entra.Stream{lab.Stream},
			late.Add(-time.Hour), late.Add(time.Hour), lab.Budget)
		require.NoError(t, err)
		seen, _ = a.goOn(seen)
		require.Empty(t, seen.Times[bert], "the view is not made anew yet, and an old day is not read by records")
		require.Equal(t, begin.AddDate(0, 0, 3).Truncate(lab.Days), seen.ReachesBack.Truncate(lab.Days))
		a.until(time.Now().Add(6 * time.Hour))
		seen, _ = a.goOn(seen)
		require.Equal(t, late, seen.Times[bert])
		require.Equal(t, known(a.anew()), known(seen))
	})
}

// TestAnArchiveWithoutViewsSaysHowFarItReaches, until they are made.
func TestAnArchiveWithoutViewsSaysHowFarItReaches(t *testing.T) {
	in(t, func(a *archive) {
		old := a.signsIn(anna, begin.Add(-5*lab.Days), 0)
		a.Runs(3*time.Hour, begin.Add(10*lab.Days))
		last := a.signsIn(bert, time.Now().UTC().Add(-5*time.Hour), 0)
		a.Runs(3*time.Hour, time.Now().Add(time.Minute))
		seen := a.anew()
		require.Equal(t, newest.Times{bert: last}, seen.Times)
		require.WithinRange(t, seen.ReachesBack, last.Add(-3*lab.Days), last.Add(-24*time.Hour))
		a.views()
		seen, _ = a.goOn(seen)
		require.Equal(t, newest.Times{anna: old, bert: last}, seen.Times)
		p := a.Progress(lab.Stream)
		require.Equal(t, p.FirstHour(), seen.ReachesBack)
	})
}

// TestAGapEndsTheReach: hours that the source had forgotten when they were read.
func TestAGapEndsTheReach(t *testing.T) {
	in(t, func(a *archive) {
		old := a.signsIn(anna, begin.Add(-5*lab.Days), 0)
		a.until(begin.Add(2 * lab.Days))
		a.Until(time.Now().Add(40 * lab.Days)) // nothing is read meanwhile
		last := a.signsIn(bert, time.Now().UTC().Add(-30*time.Minute), 0)
		a.until(time.Now().Add(12 * time.Hour))
		seen := a.anew()
		require.Equal(t, newest.Times{anna: old, bert: last}, seen.Times)
		require.Greater(t, seen.ReachesBack, begin.Add(9*lab.Days))
		require.Less(t, seen.ReachesBack, last)
		a.Until(time.Now().Add(3 * lab.Days))
		seen, _ = a.goOn(seen)
		require.Zero(t, seen.ReachesBack, "the newest days were not read")
	})
}

// TestAPurgeTakesItsEvidenceAway, and what a hold keeps of older months counts again.
func TestAPurgeTakesItsEvidenceAway(t *testing.T) {
	in(t, func(a *archive) {
		september := a.signsIn(anna, lab.October.Add(-5*lab.Days), 0)
		october := a.signsIn(anna, lab.October.Add(5*lab.Days), 0)
		a.signsIn(bert, lab.October.Add(5*lab.Days), 0)
		november := a.signsIn(cleo, lab.November.Add(5*lab.Days), 0)
		a.until(lab.December)
		seen := a.anew()
		require.Equal(t, october, seen.Times[anna])
		_, err := a.Purge(a.Store, purge.Retention{Default: purge.LeastRetention,
			Holds: []purge.Hold{{From: begin.AddDate(0, 0, -9), To: lab.October}}})
		require.NoError(t, err)
		kept := seen
		seen, _ = a.goOn(kept)
		require.Equal(t, newest.Times{anna: september, cleo: november}, seen.Times)
		require.Equal(t, lab.November, seen.ReachesBack)
		require.Equal(t, known(a.anew()), known(seen))
		again, _ := a.goOn(seen)
		require.Equal(t, known(seen), known(again))

		_, err = a.Purge(a.Store, lab.Keep35)
		require.NoError(t, err)
		for _, before := range []directory.Seen{seen, kept, {}} {
			now, _ := a.goOn(before)
			require.Equal(t, newest.Times{cleo: november}, now.Times)
		}
		require.Empty(t, a.Left(lab.October))
	})
}

// TestAViewThatIsAlteredIsNotBelievedAndMadeAgain, whoever altered which row of it.
func TestAViewThatIsAlteredIsNotBelievedAndMadeAgain(t *testing.T) {
	in(t, func(a *archive) {
		a.signsIn(anna, begin.Add(-20*lab.Days), 0)
		a.signsIn(bert, begin.Add(-2*lab.Days), 0)
		a.until(begin.Add(40 * lab.Days))
		want := a.anew()
		ready := a.Service.Snapshot()
		altered := 0
		for _, table := range []string{"views202608", "views202609", "views202610"} {
			for n, row := range a.Service.Rows(table) {
				if strings.HasPrefix(row.Key, "stamp!successes!") && n%7 > 0 {
					continue
				}
				for _, alter := range []func(){
					func() { a.delete(table, row) },
					func() { a.change(table, row) },
				} {
					a.Service.Restore(ready)
					alter()
					altered++
					seen := a.anew()
					a.views()
					seen, _ = a.goOn(seen)
					require.Equal(t, want.Times, seen.Times, row.Key)
					require.Equal(t, want.ReachesBack, seen.ReachesBack, row.Key)
					require.Equal(t, known(want), known(a.anew()), row.Key)
				}
			}
		}
		require.Greater(t, altered, 20)
		require.Contains(t, a.logged.String(), "it is made again")
	})
}

func (a *archive) delete(table string, row memstorage.Row) {
	_, err := a.Hand(table).DeleteEntity(a.Context(), row.Partition, row.Key, nil)
	require.NoError(a, err)
}

// change changes what a row says: how many rows there are, or a byte of the times.
func (a *archive) change(table string, row memstorage.Row) {
	e := a.ReadFrom(table, row.Partition, row.Key)
	switch {
	case strings.HasPrefix(row.Key, "stamp!"):
		e = e.With("Rows", 7)
	default:
		var content []byte
		require.NoError(a, json.Unmarshal(e["Record"], &content))
		content[len(content)-1]++
		e = e.With("Record", content)
		e["Record@odata.type"] = []byte(`"Edm.Binary"`)
	}
	a.PutInto(table, e)
}

// TestKilledBetweenAnyTwoRequests of the reading or of the views, and with both at once, the next
// reading knows the same.
func TestKilledBetweenAnyTwoRequests(t *testing.T) {
	in(t, func(a *archive) {
		a.signsIn(anna, begin.Add(-20*lab.Days), 0)
		a.until(begin.Add(lab.Days))
		before := a.anew()
		a.signsIn(bert, begin.Add(3*lab.Days), 0)
		a.Runs(3*time.Hour, begin.Add(25*lab.Days))
		ready := a.Service.Snapshot()
		a.views()
		want := a.anew()
		for at, ended := 1, false; !ended; at += 3 {
			a.Service.Restore(ready)
			store, wire := a.Process()
			n, dead := 0, false
			wire.Before = func(*memstorage.Request) {
				wire.Mu.Lock()
				defer wire.Mu.Unlock()
				if n++; n == at {
					wire.Dead, dead = true, true
				}
				if n == at/2 { // meanwhile another one reads
					wire.Mu.Unlock()
					_, err := a.try(a.Store, before)
					wire.Mu.Lock()
					require.NoError(t, err)
				}
			}
			_, err := derive.Update(a.Context(), store, lab.Execution(), lab.Stream, false, time.Now().Add(time.Hour))
			if err == nil {
				_, err = a.try(store, before)
			}
			require.Equal(t, dead, err != nil)
			ended = !dead
			time.Sleep(10 * time.Minute) // the lease of the dead
			a.views()
			seen, _ := a.goOn(before)
			require.Equal(t, want.Times, seen.Times, "killed at request %d", at)
			require.Equal(t, want.Times, a.anew().Times, "killed at request %d", at)
		}
	})
}

// TestRestoresAreThoseOfTheGrace, by views and by records, and no older ones.
func TestRestoresAreThoseOfTheGrace(t *testing.T) {
	in(t, func(a *archive) {
		a.source = directory.Source{Stream: logs.DirectoryAudits, Tells: directory.TellsRestores}
		restores := func(user string, at time.Time) time.Time {
			a.signs++
			a.Tenant.AddRaw(a.source.Stream, fmt.Sprintf(`{"id":"a%d","activityDateTime":%q,"result":"success",
				"activityDisplayName":"Restore user","targetResources":[{"id":%q,"type":"User"}]}`, a.signs,
				at.Format(time.RFC3339), user))
			return at
		}
		restores(anna, begin.Add(-20*lab.Days))
		some := restores(bert, begin.Add(-9*lab.Days))
		last := restores(cleo, begin.Add(-2*time.Hour))
		a.Runs(3*time.Hour, begin.Add(5*time.Hour), a.source.Stream)
		seen := a.anew()
		require.Equal(t, newest.Times{bert: some, cleo: last}, seen.Times, "no view is there yet")
		a.views()
		seen, _ = a.goOn(seen)
		require.Equal(t, newest.Times{bert: some, cleo: last}, seen.Times)
		a.until(begin.Add(6 * lab.Days))
		seen, _ = a.goOn(seen)
		require.Equal(t, newest.Times{cleo: last}, seen.Times)
		require.Equal(t, a.anew().Times, seen.Times)
		again, requests := a.goOn(seen)
		require.Equal(t, seen.Times, again.Times)
		require.Less(t, requests, 20)
	})
}

// TestALogThatIsNotArchivedSaysNothing.
func TestALogThatIsNotArchivedSaysNothing(t *testing.T) {
	in(t, func(a *archive) { require.Equal(t, directory.Seen{}, a.anew()) })
}
