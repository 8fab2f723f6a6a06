package derive_test

import (
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/newest"
)

// TestWhichAuditsRestoreOrEnableAUser, as Graph sends them.
func TestWhichAuditsRestoreOrEnableAUser(t *testing.T) {
	changed := func(from, to string) string {
		return fmt.Sprintf(`[{"displayName":"AccountEnabled","oldValue":%s,"newValue":%s},
			{"displayName":"Included Updated Properties","oldValue":null,"newValue":"\"AccountEnabled\""}]`, from, to)
	}
	user := func(more string) string { return `[{"id":"U1","type":"User","userPrincipalName":"u@x"` + more + `}]` }
	with := func(properties string) string { return user(`,"modifiedProperties":` + properties) }
	for _, c := range []struct {
		what, activity, result, targets string
		want                            bool
	}{
		{"restored", "Restore user", "success", user(""), true},
		{"restored, in other letters", "restore User.", "Success", user(""), true},
		{"restored, and disabled as before", "Restore user", "success", with(`[{"displayName":"DeletedOn"}]`), true},
		{"restored, and enabled as before", "Restore user", "success", with(changed(`"[true]"`, `"[true]"`)), true},
		{"restored, and enabled before", "Restore user", "success", with(changed(`"[true]"`, `null`)), true},
		{"restored, with empty lists", "Restore user", "success", with(changed(`"[]"`, `"[]"`)), true},
		{"restored, and still disabled", "Restore user", "success", with(changed(`"[false]"`, `"[false]"`)), true},
		{"not restored", "Restore user", "failure", user(""), false},
		{"a record of old without a result", "Restore user", "", user(""), true},
		{"enabled", "Enable account", "success", with(changed(`"[false]"`, `"[true]"`)), true},
		{"enabled, and no more is said", "Enable account", "success", user(""), true},
		{"enabled once more", "Enable account", "success", with(changed(`"[true]"`, `"[true]"`)), false},
		{"disabled", "Disable account", "success", with(changed(`"[true]"`, `"[false]"`)), false},
		{"an update that enables", "Update user", "success", with(changed(`"[false]"`, `"[true]"`)), true},
		{"an update that enables, in quotes", "Update user", "success", with(changed(`"\"False\""`, `"\"True\""`)),
			true},
		{"an update that enables, a list of quotes", "Update user", "success", with(changed(`null`, `"[\"True\"]"`)),
			true},
		{"an update that disables", "Update user", "success", with(changed(`"[true]"`, `"[false]"`)), false},
		{"an update that changes nothing", "Update user", "success", with(changed(`"[true]"`, `"[true]"`)), false},
		{"an update of something else", "Update user", "success", with(`[{"displayName":"City","newValue":"[true]"}]`),
			false},
		{"an update without properties", "Update user", "success", user(""), false},
		{"an update that was refused", "Update user", "failure", with(changed(`"[false]"`, `"[true]"`)), false},
		{"a group", "Restore Group", "success", `[{"id":"U1","type":"Group"}]`, false},
		{"a target that is no user", "Restore user", "success", `[{"id":"U1","type":"Device"}]`, false},
		{"a type in capitals", "Restore user", "success", `[{"id":"U1","Type":"User"}]`, true},
		{"a type by OData", "Restore user", "success",
			`[{"id":"U1","@odata.type":"#microsoft.graph.targetResourceUser"}]`, true},
		{"no type but a name", "Restore user", "success", `[{"id":"U1","userPrincipalName":"u@x"}]`, true},
		{"nothing but an id", "Restore user", "success", `[{"id":"U1"}]`, false},
		{"no id", "Restore user", "success", `[{"id":null,"type":"User"}]`, false},
		{"the second target", "Enable account", "success", `[{"id":"G","type":"Group"},{"id":"U1","type":"User"}]`,
			true},
		{"no target", "Restore user", "success", `null`, false},
		{"another shape", "Restore user", "success", `"U1"`, false},
	} {
		raw := fmt.Sprintf(`{"activityDisplayName":%q,"result":%q,"targetResources":%s}`, c.activity, c.result,
			c.targets)
		at := time.Date(2026, time.November, 3, 4, 5, 6, 0, time.UTC)
		content := derive.Content{Key: entra.Key{Time: at, ID: "a"}, Raw: []byte(raw)}
		times := made(t, derive.Restores(), content)
		require.Equal(t, c.want, times["u1"].Equal(at), c.what)
		require.LessOrEqual(t, len(times), 1, c.what)
		content.Version = true
		require.Empty(t, made(t, derive.Restores(), content), c.what)
	}
	require.False(t, derive.Restores().Streams(logs.SignInsInteractiveUser))
}

// made is what a view says of a day with some contents.
func made(t *testing.T, v derive.View, contents ...derive.Content) newest.Times {
	rows, err := v.Of(derive.Period{}, slices.Values(contents))
	require.NoError(t, err)
	times := make(newest.Times)
	require.NoError(t, derive.AddTimes(times, rows, time.Time{}))
	return times
}

// TestADayHasTheNewestSuccessOfEachUser, and a month that of its days.
func TestADayHasTheNewestSuccessOfEachUser(t *testing.T) {
	at := time.Date(2026, time.November, 3, 4, 5, 6, 700, time.UTC)
	sign := func(user string, minutes int, code int32) derive.Content {
		return derive.Content{Key: entra.Key{Time: at.Add(time.Duration(minutes) * time.Minute)},
			Columns: []entra.Column{
				{Name: "UserId", Text: user}, {Name: "ErrorCode", IsInt: true, Int: code}}}
	}
	old, broken, none := sign("c", 9, 0), sign("d", 9, 0), sign("e", 9, 0)
	old.Version, broken.Problem, none.Columns = true, "it can't be read", none.Columns[:1]
	one := made(t, derive.Successes(), sign("A", 1, 0), sign("a", 3, 0), sign("a", 2, 0), sign("a", 8, 50126),
		sign("b", 5, 50058), sign("", 6, 0), old, broken, none)
	require.Equal(t, newest.Times{"a": at.Add(3 * time.Minute)}, one)

	var days []derive.Content
	for n := range 40_000 { // more than a row has
		rows, err := derive.Successes().Of(derive.Period{}, slices.Values([]derive.Content{
			sign(fmt.Sprint(n%35_000), n%7, 0)}))
		require.NoError(t, err)
		days = append(days, derive.Content{Raw: rows[0].Content})
	}
	rows, err := derive.SuccessesByMonth().Of(derive.Period{}, slices.Values(days))
	require.NoError(t, err)
	require.Len(t, rows, 3)
	times := make(newest.Times)
	require.NoError(t, derive.AddTimes(times, rows, at.Add(5*time.Minute)))
	require.NotEmpty(t, times)
	for id, last := range times {
		require.False(t, last.Before(at.Add(5*time.Minute)), id)
	}
	_, err = derive.SuccessesByMonth().Of(derive.Period{}, iter.Seq[derive.Content](slices.Values(
		[]derive.Content{{Raw: []byte{1}}})))
	require.ErrorIs(t, err, newest.ErrBroken)
}
