package derive_test

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/purge"
)

// contents is a made-up view: a row for each record, whose key has what the record holds. So a
// record that changes takes a row away and adds another.
func contents(name string, version int, unit derive.Unit, when derive.When) derive.View {
	return derive.View{Name: name, Version: version, Unit: unit, When: when, Needs: derive.Records,
		Of: func(_ derive.Period, all iter.Seq[derive.Content]) (out []derive.Row, err error) {
			for c := range all {
				if !c.Version && c.Problem == "" {
					out = append(out, contentRow(version, c.Key.ID, gjson.GetBytes(c.Raw, "content").Str))
				}
			}
			return out, nil
		}}
}

func contentRow(version int, id, content string) derive.Row {
	return derive.Row{Key: fmt.Sprintf("%s = %s", id, content), Content: fmt.Appendf(nil, "version %d: %s = %s",
		version, id, content)}
}

// joined is a made-up view of months that is made of one of days: the same rows.
func joined(version int, when derive.When) derive.View {
	days := contents("days", version, derive.Day, when)
	return derive.View{Name: "joined", Version: version, Unit: derive.Month, When: when,
		Over: func() derive.View { return days },
		Of: func(_ derive.Period, rows iter.Seq[derive.Content]) (out []derive.Row, err error) {
			for row := range rows {
				_, key, _ := strings.Cut(string(row.Raw), ": ")
				out = append(out, derive.Row{Key: key, Content: slices.Clone(row.Raw)})
			}
			return out, nil
		}}
}

// madeUp adds a view to the program's, one line.
func madeUp() []derive.View { return append(derive.Views(), busyUsers()) }

// busyUsers is a view of the columns: how many sign-ins each user had in an hour.
func busyUsers() derive.View {
	return derive.View{Name: "busyusers", Version: 1, Unit: derive.Hour, When: derive.Read, Needs: derive.Columns,
		Of: func(_ derive.Period, all iter.Seq[derive.Content]) (out []derive.Row, err error) {
			counts := make(map[string]int)
			for c := range all {
				for _, column := range c.Columns {
					if column.Name == "UserId" {
						counts[column.Text]++
					}
				}
			}
			for user, n := range counts {
				out = append(out, derive.Row{Key: user, Content: fmt.Append(nil, n)})
			}
			return out, nil
		}}
}

// signsIn is a sign-in of a user.
func signsIn(l *lab.Lab, id, user string, at time.Time) {
	raw := fmt.Sprintf(`{"id":%q,"createdDateTime":%q,"userId":%q}`, id, at.Format(time.RFC3339Nano), user)
	l.Tenant.AddRaw(lab.Stream, raw)
}

// busy is what the view says of the hours of a month, as far as it can be believed.
func busy(l *lab.Lab, month time.Time) map[string]string {
	out := make(map[string]string)
	all, err := derive.Believed(l.Context(), l.Store, busyUsers(), lab.Stream, month, month.AddDate(0, 1, 0))
	require.NoError(l, err)
	for start, rows := range all {
		for _, row := range rows {
			out[start.Format("02T15 ")+row.Key] = string(row.Content)
		}
	}
	return out
}

func update(l *lab.Lab, views []derive.View, again bool) derive.Report {
	runner := derive.Runner{Store: l.Store, Views: views}
	report, err := runner.Update(l.Context(), lab.Execution(), lab.Stream, again, time.Now().Add(time.Minute))
	require.NoError(l, err)
	require.False(l, report.Left)
	return report
}

// TestAMadeUpViewIsOneFileAndOneLine: it is made of what is sealed, brought up to date with what
// changes, and goes with its month.
func TestAMadeUpViewIsOneFileAndOneLine(t *testing.T) {
	lab.InNovember(t, func(l *lab.Lab) {
		l.Options.Backfill = 12 * time.Hour
		hour := lab.November.Add(-3 * time.Hour)
		signsIn(l, "a", "alice", hour.Add(time.Minute))
		signsIn(l, "b", "bob", hour.Add(2*time.Minute))
		signsIn(l, "c", "alice", hour.Add(3*time.Minute))
		signsIn(l, "d", "bob", lab.November.Add(time.Minute))
		l.Runs(5*time.Minute, time.Now().Add(6*time.Minute))
		require.Empty(l, busy(l, lab.October), "nothing is made yet")
		require.Positive(l, update(l, madeUp(), false).Days)
		require.Equal(l, map[string]string{"31T21 alice": "2", "31T21 bob": "1"}, busy(l, lab.October))
		require.Equal(l, map[string]string{"01T00 bob": "1"}, busy(l, lab.November))
		require.Zero(l, update(l, madeUp(), false).Days, "it is as the ledger has it")

		signsIn(l, "late", "carol", hour.Add(4*time.Minute))
		_, err := l.Collector(l.Store, l.Tenant).Range(l.Context(), lab.Execution(), []entra.Stream{lab.Stream},
			hour, hour.Add(time.Hour), lab.Budget)
		require.NoError(l, err)
		l.Runs(5*time.Minute, time.Now().Add(6*time.Minute))
		require.Empty(l, busy(l, lab.October)["31T21 alice"], "what was made before is not believed")
		update(l, madeUp(), false)
		require.Equal(l, map[string]string{"31T21 alice": "2", "31T21 bob": "1", "31T21 carol": "1"},
			busy(l, lab.October))

		l.Until(lab.December)
		_, err = l.Run()
		require.NoError(l, err)
		update(l, madeUp(), false)
		require.Contains(l, l.Left(lab.October), "views202610")
		_, err = l.Purge(l.Store, purge.Retention{Default: purge.LeastRetention})
		require.NoError(l, err)
		require.Empty(l, l.Left(lab.October))
		require.Empty(l, busy(l, lab.October))
		require.Equal(l, map[string]string{"01T00 bob": "1"}, busy(l, lab.November))
		update(l, madeUp(), false)
		require.Empty(l, l.Left(lab.October), "no run makes what was purged")
	})
}

// TestARowThatIsAlteredOrMissingIsNotBelieved, nor is one that another version made.
func TestARowThatIsAlteredOrMissingIsNotBelieved(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		hour := entra.FloorHour(lab.Start.Add(-5 * time.Hour))
		for _, id := range []string{"a", "b", "c"} {
			l.Tenant.Add(lab.Stream, id, hour.Add(time.Minute), id)
		}
		l.Runs(5*time.Minute, time.Now().Add(6*time.Minute))
		view := contents("contents", 1, derive.Hour, derive.Read)
		views := []derive.View{view}
		believed := func(v derive.View) []derive.Row {
			all, err := derive.Believed(l.Context(), l.Store, v, lab.Stream, hour, hour.Add(time.Hour))
			require.NoError(l, err)
			return all[hour]
		}
		want := []derive.Row{contentRow(1, "a", "a"), contentRow(1, "b", "b"), contentRow(1, "c", "c")}
		update(l, views, false)
		require.Equal(l, want, believed(view))
		keeper, period := l.Store.Kept(view), view.Period(lab.Stream, hour)
		stamps, err := keeper.Stamps(l.Context(), lab.Stream, period.Start, period.End)
		require.NoError(l, err)
		stamp := stamps[hour]
		draft := derive.Draft{Period: period, Edition: stamp.Edition}
		for name, alter := range map[string]func() error{
			"a row more": func() error {
				_, err := keeper.PutRows(l.Context(), draft, []derive.Row{contentRow(1, "d", "d")})
				return err
			},
			"a row less": func() error {
				return keeper.DropStale(l.Context(), derive.Draft{Period: period, Edition: stamp.Edition + 1})
			},
			"another content": func() error {
				_, err := keeper.PutRows(l.Context(), draft, []derive.Row{contentRow(2, "a", "a")})
				return err
			},
			"another revision": func() error {
				other := stamp
				other.Revision.Seals++
				_, err := keeper.PutStamp(l.Context(), period, other)
				return err
			},
		} {
			require.NoError(l, alter(), name)
			require.Empty(l, believed(view), name)
			update(l, views, true)
			require.Equal(l, want, believed(view), name)
			require.Equal(l, 3, storedRows(l, view, hour), "%s: the rows of before are gone", name)
			stamps, err = keeper.Stamps(l.Context(), lab.Stream, period.Start, period.End)
			require.NoError(l, err)
			stamp = stamps[hour]
			draft.Edition = stamp.Edition
		}
		later := contents("contents", 2, derive.Hour, derive.Read)
		require.Empty(l, believed(later), "another version made it")
		require.Positive(l, update(l, []derive.View{later}, false).Days, "without being told to")
		require.Equal(l, contentRow(2, "a", "a"), believed(later)[0])
		require.Empty(l, believed(view))
	})
}

// storedRows counts what is stored of an hour of a view, whoever wrote it.
func storedRows(l *lab.Lab, v derive.View, hour time.Time) (n int) {
	for _, row := range l.Service.Rows("views" + hour.Format("200601")) {
		if strings.HasPrefix(row.Key, "row!"+v.Name+"!"+hour.Format(entra.HourFormat)+"!") {
			n++
		}
	}
	return n
}

// TestWhenSaysFromWhenOnAPeriodIsMade: a period that is read as soon as an hour of it is sealed,
// one that is settled after the last pass of each.
func TestWhenSaysFromWhenOnAPeriodIsMade(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		yesterday := lab.Start.Truncate(lab.Days).Add(-lab.Days)
		l.Options.Backfill = 3 * lab.Days
		l.Tenant.Add(lab.Stream, "first", yesterday.Add(-20*time.Hour), "")
		l.Tenant.Add(lab.Stream, "a", yesterday.Add(time.Hour), "x")
		l.Tenant.Add(lab.Stream, "today", lab.Start.Add(-2*time.Hour), "y")
		made := func(unit derive.Unit, when derive.When) (out []string) {
			view := contents(fmt.Sprintf("v%d%d", unit, when), 1, unit, when)
			update(l, []derive.View{view}, false)
			month := derive.Month.Start(lab.Start)
			all, err := derive.Believed(l.Context(), l.Store, view, lab.Stream, month, month.AddDate(0, 1, 0))
			require.NoError(l, err)
			for start, rows := range all {
				for _, row := range rows {
					out = append(out, start.Format("02T15 ")+row.Key)
				}
			}
			slices.Sort(out)
			return out
		}
		l.Runs(5*time.Minute, time.Now().Add(6*time.Minute))
		at := lab.Start.Add(-2 * time.Hour).Format("02T15 ")
		day := lab.Start.Format("02T00 ")
		sealed := made(derive.Hour, derive.Read)
		require.Contains(l, sealed, "20T01 a = x")
		require.Contains(l, sealed, at+"today = y")
		require.Contains(l, made(derive.Day, derive.Read), day+"today = y", "of the hours that are sealed")
		require.Len(l, made(derive.Month, derive.Read), 3)
		require.NotContains(l, made(derive.Day, derive.Settled), day+"today = y")
		require.Empty(l, made(derive.Month, derive.Settled))
		time.Sleep(2 * lab.Days)
		l.Runs(5*time.Minute, time.Now().Add(6*time.Minute))
		require.Contains(l, made(derive.Day, derive.Settled), day+"today = y")
		require.Contains(l, made(derive.Hour, derive.Settled), at+"today = y")
		require.Empty(l, made(derive.Month, derive.Settled), "the month is not over")
	})
}
